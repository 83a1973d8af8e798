"""Decisions for what was read, each kind of case decided once. No I/O.

The decision is a pure function, so its answers may be kept: by catalogue version, purpose, caller's place, the person's
flags, and what of the act a decision depends on. Nothing about a person is in that but what many have in common. Not
kept, but decided each time:

- persons who are linked, and whatever stands for a person as a whole (signal, restriction, erasure, withdrawal of all);
- a grant that ends, a regime that lets grants lapse, a purpose whose basis could once be refused and no longer can:
  there a time has a say.
"""

from typing import TypeAlias

from consentledger.regimes.model import Regimes
from services.consent.domain.catalogue import Catalogue, PurposeDef
from services.consent.domain.decision import Verdict, decide
from services.consent.domain.group import regimes_for
from services.consent.domain.state import PersonState
from services.consent.projection.packing import WHAT, person_wide, position_of
from services.consent.projection.reading import Found

LIMIT = 20_000
_NO_END = b"\x80" + bytes(7)
_Case: TypeAlias = tuple[str, str, bytes | None, bytes | None]


class Verdicts:
    """Decides, and keeps what may be kept."""

    def __init__(self, regimes: Regimes) -> None:
        self._regimes = regimes
        self._lapsing = any(r.grant_validity_days is not None for r in regimes.by_id.values())
        self._kept: dict[str, tuple[int, dict[_Case, Verdict]]] = {}

    def of(
        self, catalogue: Catalogue, purpose: str, jurisdiction: str, found: Found, now_us: int
    ) -> tuple[Verdict, int]:
        """(verdict, position of the evidence): the position is not the kept verdict's own."""
        act = found.act
        definition = catalogue.purpose(purpose)
        timed = definition.asked_until_us or self._lapsing or (act and act[WHAT + 2 : WHAT + 10] != _NO_END)
        if timed or found.linked or person_wide(found.flags):
            verdict = self.decide(catalogue, purpose, jurisdiction, found.persons(purpose), now_us)
            return verdict, verdict.position
        kept = self._of(catalogue)
        case = (purpose, jurisdiction, found.flags, act[WHAT:] if act else None)
        known = kept.get(case)
        if known is None:
            known = self.decide(catalogue, purpose, jurisdiction, found.persons(purpose), now_us)
            if len(kept) >= LIMIT:
                kept.clear()
            kept[case] = known
        return known, position_of(act) if act else 0

    def decide(
        self, catalogue: Catalogue, purpose: str, jurisdiction: str, persons: list[PersonState], now_us: int
    ) -> Verdict:
        """The decision; places recorded with any of the persons count as well as the caller's."""
        definition: PurposeDef = catalogue.purpose(purpose)
        places: tuple[str, ...] = (jurisdiction,) if jurisdiction else ()
        for person in persons:
            if person.jurisdictions:
                places = tuple(sorted({*places, *person.jurisdictions}))
        regimes = regimes_for(self._regimes, catalogue, definition, places)
        return decide(definition, persons, regimes, catalogue.stale, now_us)

    def _of(self, catalogue: Catalogue) -> dict[_Case, Verdict]:
        tenant, version = catalogue.tenant.id, catalogue.version
        kept = self._kept.get(tenant)
        if kept is None or kept[0] != version:
            kept = self._kept[tenant] = (version, {})
        return kept[1]
