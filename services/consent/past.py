"""What stood at a past moment (`as_of`), as far as it was known by then (`known_at`): folded from the streams anew.

- An event counts when it took effect at or before `as_of` and was recorded at or before `known_at`.
- The catalogue counts as it was recorded by both.
- Nothing is taken from the projection, which only knows the present.
"""

from collections.abc import Sequence
from typing import Any

from consentledger.store.ledger import Entry, Store
from services.consent.decoding import load
from services.consent.domain.catalogue import Catalogue, catalogue_stream
from services.consent.domain.erasure import KeyDestroyed
from services.consent.domain.person import Person, PersonEvent
from services.consent.domain.state import PersonState

FOR_EVER = 2**62


class _Past:
    """A person as far as some of their events go. Versions have gaps, so it is no aggregate."""

    def __init__(self) -> None:
        self.state = PersonState()

    refuse = Person.refuse


async def catalogue_at(store: Store, tenant: str, as_of_us: int, known_us: int) -> Catalogue | None:
    """The tenant's catalogue, or None if the tenant did not exist."""
    catalogue: Any = None
    for entry in await store.streams([catalogue_stream(tenant).bytes]):
        if entry.recorded_us <= min(as_of_us, known_us):
            catalogue = load(entry).mutate(catalogue)
    return catalogue if isinstance(catalogue, Catalogue) else None


async def persons_at(store: Store, person: bytes, as_of_us: int, known_us: int) -> list[PersonState]:
    """The person and those who were linked with them then. Of an erased one nothing is told, about any moment."""
    entries = await store.streams([person])
    if any(entry.type == KeyDestroyed.TOPIC for entry in entries):
        return [PersonState(erasing=True, erased=True)]
    own = _fold(entries, as_of_us, known_us)
    if not own.members:
        return [own]
    by_stream: dict[bytes, list[Entry]] = {m: [] for m in own.members}
    for entry in await store.streams(list(own.members)):
        by_stream[entry.stream].append(entry)
    return [own, *(_fold(entries, as_of_us, known_us) for entries in by_stream.values())]


def _fold(entries: Sequence[Entry], as_of_us: int, known_us: int) -> PersonState:
    past: Any = _Past()
    for entry in entries:
        if entry.recorded_us > known_us:
            continue
        event = load(entry)
        if isinstance(event, PersonEvent) and _effective(event) <= as_of_us:
            event.apply(past)
    state: PersonState = past.state
    return state


def _effective(event: PersonEvent) -> int:
    if event.occurred_us is None:
        return event.recorded_us
    return min(event.occurred_us, event.recorded_us)
