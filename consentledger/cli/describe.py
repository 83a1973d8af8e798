"""What an event is, in words that a person can read. Pure.

- Words come from the header, which holds nothing personal. What is sealed is added only where the server opened it.
- An event of a newer server is told by its type.
"""

from collections.abc import Callable, Iterable
from typing import Any

from consentledger.cli.output import moment, word
from consentledger.v1 import audit_service_pb2 as audit
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import types_pb2 as types


def when(entry: events.LedgerEntry) -> str:
    """When it happened, as told; when it was recorded, if nobody told."""
    return moment(entry, "occurred_at") or moment(entry, "recorded_at")


def recorded_later(entry: events.LedgerEntry) -> str:
    """When it was recorded, if that is not when it happened."""
    recorded = moment(entry, "recorded_at")
    return "" if recorded == when(entry) else recorded


def what(entry: events.LedgerEntry) -> str:
    """What happened: `granted marketing.email`."""
    kind = entry.header.WhichOneof("kind")
    if kind not in _WORDS:
        return entry.type
    header = getattr(entry.header, kind)
    said = _WORDS[kind](header)
    return f"{said} (imported)" if _act(header).imported else said


def notice(entry: events.LedgerEntry) -> str:
    """The notice it happened under; one that was never published here is marked."""
    header = entry.header.consent_recorded
    if header.told_notice_version:
        return f"{header.told_notice_version} (unknown)"
    return header.notice_version


def how(entry: events.LedgerEntry) -> str:
    """How, where and by which system it was collected."""
    kind = entry.header.WhichOneof("kind")
    act = _act(getattr(entry.header, kind)) if kind else events.Act()
    guardian = f"guardian by {act.guardian_method}" if act.guardian_method else ""
    return ", ".join(part for part in (act.method, act.jurisdiction, act.collector, guardian) if part)


def line_of(event: audit.HistoryEvent) -> str:
    """What happened in a person's own history, with what the server opened for it."""
    said = what(event.entry)
    if event.HasField("subject_opened"):
        subject = event.subject_opened.subject
        said += f" as {subject.namespace}:{subject.id}"
    if event.personal.reason:
        said += f", saying: {event.personal.reason}"
    return f"{said} (of a linked identifier)" if event.linked else said


def _act(header: Any) -> events.Act:
    return header.act if "act" in header.DESCRIPTOR.fields_by_name else events.Act()


def _all_or(purposes: Iterable[str]) -> str:
    return ", ".join(purposes) or "every purpose"


def _choice(header: events.ConsentRecorded) -> str:
    if header.choice != types.CHOICE_GRANT:
        return f"denied {header.purpose}"
    until = moment(header, "expires_at")
    return f"granted {header.purpose}{', explicitly' if header.explicit else ''}{f', until {until}' if until else ''}"


def _links(header: events.LinksChanged) -> str:
    carried = ", ".join(f"{act.purpose} {_state(act.state)}" for act in header.carried)
    said = "link undone" if header.undone else f"linked, {len(header.members) + 1} persons in all"
    return f"{said}, taking over {carried}" if carried else said


def _preferences(header: events.PreferencesUpdated) -> str:
    return "preferences: " + ", ".join(f"{p.channel}/{p.topic} {p.frequency or 'removed'}" for p in header.preferences)


def _obligation(header: events.ObligationChanged) -> str:
    state = word(events.ObligationState, header.state, "OBLIGATION_STATE_")
    return f"obligation of {header.downstream} {state} for {_all_or(header.purposes)}"


def _purpose(header: events.PurposeChanged) -> str:
    verb = "retired" if header.purpose.retired else f"changed, version {header.purpose.version}"
    return f"purpose {header.purpose.id} {verb}{', revoking' if header.revokes else ''}"


def _state(value: int) -> str:
    return word(types.ConsentState, value, "CONSENT_STATE_")


_WORDS: dict[str, Callable[[Any], str]] = {
    "subject_opened": lambda header: "first seen",
    "consent_recorded": _choice,
    "consent_withdrawn": lambda header: f"withdrew {_all_or(header.purposes)}",
    "objection_recorded": lambda header: f"objected to {_all_or(header.purposes)}",
    "signal_recorded": lambda header: (
        f"opt-out signal {word(types.SignalKind, header.kind, 'SIGNAL_KIND_')} {'on' if header.on else 'ended'}"
    ),
    "restriction_changed": lambda header: "processing restricted" if header.restricted else "restriction lifted",
    "consent_expired": lambda header: f"grant of {header.purpose} expired",
    "links_changed": _links,
    "preferences_updated": _preferences,
    "tenant_changed": lambda header: f"tenant changed, version {header.tenant.version}",
    "purpose_changed": _purpose,
    "notice_published": lambda header: (
        f"notice {header.notice.version} published{', material' if header.notice.material else ''}"
    ),
    "downstream_changed": lambda header: f"downstream {header.downstream.id} changed",
    "obligation_changed": _obligation,
    "subject_erased": lambda header: "erasure begun: checks deny from here on",
    "key_destroyed": lambda header: "erased: the key is destroyed",
    "hold_changed": lambda header: f"legal hold {header.hold or '(unnamed)'} {'placed' if header.placed else 'lifted'}",
    "access_recorded": lambda header: f"data read by {header.method or 'a call'} for {header.purpose or 'no purpose'}",
    "log_epoch_started": lambda header: f"the log goes on under a new name after {header.signed_size} signed events",
}
