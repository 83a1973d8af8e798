"""Who the person is, what stands now, how they want to be reached. Pure: folded from events, nothing is looked up."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from consentledger.v1 import types_pb2 as ty
from services.consent.domain.catalogue import Catalogue
from services.consent.domain.decision import combined
from services.consent.domain.group import Standing
from services.consent.domain.person import Person
from services.consent.export.events import as_json
from services.consent.records import Records
from services.consent.wire import notice_to, purpose_to, state_to, tenant_to


def person(
    records: Records, names: Mapping[bytes, Sequence[ty.SubjectRef]], catalogue: Catalogue, asked: ty.SubjectRef
) -> dict[str, Any]:
    """The content of person.json."""
    first = {entry.stream: entry for entry in reversed(records.entries)}
    return {
        "controller": as_json(tenant_to(catalogue.tenant)),
        "asked_for": as_json(asked),
        "persons": [
            {
                "person": str(UUID(bytes=one)),
                "linked": one != records.person,
                "identifiers": _by_namespace(names.get(one, ())),
                "first_position": first[one].position,
            }
            for one in records.persons
        ],
    }


def consents(persons: Sequence[Person], catalogue: Catalogue, now_us: int) -> dict[str, Any]:
    """The content of consents.json: over all who are linked, as a check sees it."""
    states = [one.state for one in persons]
    standing = [
        Standing(purpose, *combined(states, purpose, catalogue.stale, now_us)) for purpose in sorted(catalogue.purposes)
    ]
    seen = {one.act.notice for one in standing if one.act is not None}
    return {
        "signal_on": any(state.signal_on for state in states),
        "restricted": any(state.restricted for state in states),
        "being_erased": any(state.erasing for state in states),
        "legal_holds": sorted({hold for state in states for hold in state.holds}),
        "jurisdictions": sorted({place for state in states for place in state.jurisdictions}),
        "purposes": [
            {
                "stands": as_json(state_to(one)),
                "explicit": one.act is not None and one.act.explicit,
                "purpose": as_json(purpose_to(catalogue.purposes[one.purpose])),
            }
            for one in standing
        ],
        "notices": [as_json(notice_to(n)) for version, n in sorted(catalogue.notices.items()) if version in seen],
    }


def preferences(persons: Sequence[Person]) -> list[dict[str, str]]:
    """The content of preferences.json; those of each identifier are its own."""
    return [
        {"person": str(one.id), "channel": channel, "topic": topic, "frequency": frequency, "language": language}
        for one in persons
        for (channel, topic), (frequency, language) in sorted(one.state.preferences.items())
    ]


def _by_namespace(names: Sequence[ty.SubjectRef]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.namespace, []).append(name.id)
    return {namespace: sorted(ids) for namespace, ids in sorted(found.items())}
