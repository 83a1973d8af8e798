"""What is on disk: every event comes back as it was, names never change, and nothing unknown is guessed."""

from typing import Any

import pytest

from consentledger.store.commands import seal
from consentledger.store.ledger import Entry
from consentledger.store.moment import Moment
from consentledger.v1 import events_pb2 as ev
from services.notifier import codec
from services.notifier.domain.downstream import DownstreamDef, Downstreams
from services.notifier.domain.obligation import Evidence, Step
from services.notifier.domain.revocation import Revocation, due
from services.notifier.revocations import UnknownEntry, revocation_of

AT = 1_700_000_000_000_000


def _stored() -> list[tuple[Any, Entry]]:
    """One event of each kind, with what is stored for it."""
    at = Moment(0, AT, 1)
    known = Downstreams.open("acme", DownstreamDef("mailer", 2, ("a", "b"), "email", "Mailer", True, 60), at)
    known.change(DownstreamDef("lake", 1, ("*",), "crm", version=1), at)
    [made] = due(Revocation("acme", 7, b"p" * 16, ("c",), "consent.withdrawn.v1", AT), known)
    obligation = made.make(at)
    obligation.mark_sent(3, at)
    obligation.acknowledge(Step.RECEIVED, Evidence(), at)
    obligation.acknowledge(Step.FAILED, Evidence(failure_reason="disk-full"), at)
    obligation.acknowledge(Step.ENFORCED, Evidence(AT + 5, "suppressed", 4), at)
    events = [*known.collect_events(), *obligation.collect_events()]
    return [(event, seal(codec.draft("acme", event))) for event in events]


def test_every_event_comes_back_as_it_was() -> None:
    for event, entry in _stored():
        loaded = codec.load(entry)
        assert type(loaded) is type(event)
        names = set(type(event).__dataclass_fields__) - {"timestamp"}
        assert {n: getattr(loaded, n) for n in names} == {n: getattr(event, n) for n in names}


def test_the_names_on_disk() -> None:
    assert [entry.type for _, entry in _stored()] == [
        "downstream.changed.v1",
        "downstream.changed.v1",
        "obligation.pending.v1",
        "obligation.sent.v1",
        "obligation.received.v1",
        "obligation.failed.v1",
        "obligation.enforced.v1",
    ]


def test_nothing_of_the_notifiers_is_sealed() -> None:
    assert all(entry.ciphertext is None for _, entry in _stored())


def test_an_unknown_type_or_format_refuses_to_load() -> None:
    _, entry = _stored()[3]
    for field, value in (("type", "obligation.vanished.v1"), ("format", 2)):
        leaf = ev.LedgerEntry.FromString(entry.leaf)
        setattr(leaf, field, value)
        changed = Entry(1, "acme", entry.stream, 2, leaf.type, AT, leaf.SerializeToString(), None)
        with pytest.raises(codec.UnknownEvent):
            codec.load(changed)


def _leaf(header: ev.EventHeader, **fields: Any) -> bytes:
    usual = {"format": 1, "tenant": "acme", "stream": b"p" * 16, "type": "x.y.v1", "header": header}
    return ev.LedgerEntry(**{**usual, **fields}).SerializeToString()


@pytest.mark.parametrize(
    "kind",
    [field.name for field in ev.EventHeader.DESCRIPTOR.fields if "act" in field.message_type.fields_by_name],
)
def test_every_act_that_names_revoked_purposes_revokes_them(kind: str) -> None:
    header = ev.EventHeader()
    getattr(header, kind).act.revoked_purposes.extend(["a", "b"])
    found = revocation_of(5, _leaf(header))
    assert found is not None
    assert (found.tenant, found.position, found.person, found.purposes) == ("acme", 5, b"p" * 16, ("a", "b"))
    silent = ev.EventHeader()
    getattr(silent, kind).act.SetInParent()
    assert revocation_of(5, _leaf(silent)) is None


@pytest.mark.parametrize("kind", ["subject_opened", "preferences_updated", "tenant_changed", "downstream_changed"])
def test_what_is_no_act_revokes_nothing(kind: str) -> None:
    header = ev.EventHeader()
    getattr(header, kind).SetInParent()
    assert revocation_of(5, _leaf(header)) is None


def test_an_entry_that_cannot_be_read_is_refused_and_not_taken_for_harmless() -> None:
    header = ev.EventHeader()
    header.subject_opened.SetInParent()
    unknown_kind = ev.EventHeader.FromString(b"\xa2\x06\x00")  # field 100, which no version has today
    for leaf in (b"\xff\xff", _leaf(header, format=2), _leaf(ev.EventHeader()), _leaf(unknown_kind)):
        with pytest.raises(UnknownEntry):
            revocation_of(5, leaf)
