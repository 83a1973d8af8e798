"""What is on disk stays readable: leaves byte for byte, and the state that they fold to.

If a test here fails, a format changed under events that somebody keeps. Files are written anew only on purpose.
"""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from consentledger.crypto.envelope import DataKey, event_aad
from consentledger.store.commands import seal
from consentledger.v1 import events_pb2 as ev
from services.consent import decoding, encoding
from services.notifier import codec as notifier_codec
from tests.golden.leaves import RAW_KEY, as_json, built, digest, folded, load, stored

SERVICES = ("consent", "notifier")
GOLDEN = {golden.service: golden for golden in built()}
UNKNOWN = (decoding.UnknownEvent, notifier_codec.UnknownEvent)


@pytest.mark.parametrize("service", GOLDEN)
def test_events_become_the_same_leaves_byte_for_byte(service: str) -> None:
    kept, _ = stored(service)
    assert [(e.position, e.type) for e in GOLDEN[service].entries] == [(e.position, e.type) for e in kept]
    for made, entry in zip(GOLDEN[service].entries, kept, strict=True):
        assert made == entry, f"{entry.position} {entry.type}"


@pytest.mark.parametrize("service", SERVICES)
def test_the_golden_log_folds_to_the_same_state(service: str) -> None:
    kept, file = stored(service)
    state = folded(service, kept)
    assert state == file["state"]
    assert digest(state) == file["state_digest"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_stored_event_loads_as_the_one_it_was_without_what_is_personal(service: str) -> None:
    kept, _ = stored(service)
    for entry, event in zip(kept, GOLDEN[service].events, strict=True):
        if hasattr(event, "personal"):
            event = type(event)(**{**event.__dict__, "personal": b""})
        assert load(service, entry) == event, f"{entry.position} {entry.type}"


@pytest.mark.parametrize("service", SERVICES)
def test_a_loaded_event_written_again_has_the_same_header(service: str) -> None:
    kept, _ = stored(service)
    for entry in kept:
        event = load(service, entry)
        made = encoding.draft("acme", event, None) if service == "consent" else notifier_codec.draft("acme", event)
        again = ev.LedgerEntry.FromString(seal(made).leaf)
        leaf = ev.LedgerEntry.FromString(entry.leaf)
        again.ciphertext_sha256, again.commitment = leaf.ciphertext_sha256, leaf.commitment
        assert again.SerializeToString(deterministic=True) == entry.leaf, f"{entry.position} {entry.type}"


def test_every_type_that_a_service_writes_has_an_example() -> None:
    assert {e.type for e in GOLDEN["consent"].entries} == set(decoding._DECODE)
    assert {type(e) for e in GOLDEN["consent"].events} == set(encoding._ENCODE)
    assert {type(e) for e in GOLDEN["notifier"].events} == set(notifier_codec._TYPES)
    kinds = {ev.LedgerEntry.FromString(e.leaf).header.WhichOneof("kind") for g in GOLDEN.values() for e in g.entries}
    assert kinds == {field.name for field in ev.EventHeader.DESCRIPTOR.fields}


def test_every_field_of_every_header_is_set_in_some_example() -> None:
    """Or a field that is written but never read, or the other way round, would go unnoticed."""
    seen: set[str] = set()

    def look(message: ev.LedgerEntry) -> None:
        for field, value in message.ListFields():
            seen.add(field.full_name)
            if field.message_type is not None:
                for one in value if field.is_repeated else (value,):
                    look(one)

    for golden in GOLDEN.values():
        for entry in golden.entries:
            look(ev.LedgerEntry.FromString(entry.leaf))
    wanted: set[str] = set()

    def want(message: Any) -> None:
        for field in message.fields:
            if field.full_name not in wanted:
                wanted.add(field.full_name)
                if field.message_type is not None:
                    want(field.message_type)

    want(ev.LedgerEntry.DESCRIPTOR)
    assert wanted == seen


def test_the_golden_seals_open() -> None:
    kept, _ = stored("consent")
    opened = 0
    for entry in kept:
        leaf = ev.LedgerEntry.FromString(entry.leaf)
        assert (entry.ciphertext is None) is (leaf.commitment == b"") is (leaf.ciphertext_sha256 == b"")
        if entry.ciphertext is not None:
            assert sha256(entry.ciphertext).digest() == leaf.ciphertext_sha256
            aad = event_aad(leaf.tenant, leaf.stream, leaf.version, leaf.type)
            payload = DataKey(RAW_KEY).open(entry.ciphertext, leaf.commitment, aad)
            opened += payload == GOLDEN["consent"].events[entry.position - 1].personal
    assert opened == 8


@pytest.mark.parametrize("service", SERVICES)
def test_an_unknown_type_or_format_is_refused(service: str) -> None:
    kept, _ = stored(service)
    entry = kept[-1]
    for change in ({"type": "no.such.v1"}, {"type": entry.type.replace("v1", "v2")}, {"format": 2}, {"format": 0}):
        leaf = ev.LedgerEntry.FromString(entry.leaf)
        for name, value in change.items():
            setattr(leaf, name, value)
        with pytest.raises(UNKNOWN):
            load(service, replace(entry, leaf=leaf.SerializeToString(deterministic=True)))


@pytest.mark.parametrize("service", GOLDEN)
def test_the_golden_files_are_what_regenerating_them_writes(service: str) -> None:
    assert GOLDEN[service].path.read_text("utf-8") == as_json(GOLDEN[service])
