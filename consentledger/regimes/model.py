"""What a regime is, and which regimes apply to a person.

Pure: no I/O, no clock. The data comes from `load.py`.

- A place is ISO 3166-1 alpha-2 ("DE") or ISO 3166-2 ("US-CA"), in capitals.
- A subdivision without data of its own is its country: "DE-BY" is "DE". Where some subdivisions of a country have data
  (US, CA), all of them are listed, and one that is not listed is unknown.
- A place can be known and have no regime ("US-NY"): an empty tuple. An unknown or malformed place is an error, never
  an empty answer.
- Sectoral regimes (HIPAA) never apply by place; the purpose names them.
- When several apply, all are returned; taking the most protective answer is the caller's work.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

PLACE = re.compile(r"[A-Z]{2}(?:-[A-Z0-9]{1,3})?")
"""How a place is written; not every such code exists."""

_CACHED_QUESTIONS = 8192


class UnknownJurisdiction(KeyError):
    """The place is malformed or not in the data. It does not say which place: that may be personal."""

    def __init__(self) -> None:
        super().__init__("unknown jurisdiction")


class UnknownRegime(KeyError):
    """A regime that a purpose names as sectoral is not in the data."""

    def __init__(self) -> None:
        super().__init__("unknown regime")


@dataclass(frozen=True, slots=True)
class Regime:
    """One law, as far as a consent decision depends on it."""

    id: str
    """A stable name: "gdpr", "us-ct". Purposes give their legal basis by it."""
    title: str
    """For people."""
    version: int
    """The version of the data, from 1; it grows with every change of a value."""
    child_age: int
    """Years below which a guardian must consent."""
    child_ages: Mapping[str, int] = field(hash=False)
    """The same for the places that set their own (GDPR Art. 8(1))."""
    explicit_for_special_category: bool
    """Consent to special-category (sensitive) data must be an explicit act."""
    stale_notice_tolerated: bool
    """A grant still holds after the notice has changed materially."""
    grant_validity_days: int | None
    """Days after which every grant expires; None when the law sets no number."""
    universal_signal: bool
    """A universal opt-out signal (GPC) must be honoured as an opt-out."""
    revocation_sla_days: int | None
    """Calendar days within which processing must have stopped; None when the law sets no number."""
    sectoral: bool
    """It applies by the purpose's sector, never by place."""
    keep_opt_outs_after_erasure: bool = True
    """What somebody refused outlives their erasure, where nobody has to ask before data is used."""
    sources: Mapping[str, str] = field(hash=False, default_factory=dict)
    """Where each value stands in the law, by field name; "child_ages.AT" for a place."""

    def child_age_in(self, jurisdiction: str) -> int:
        """Years below which a guardian must consent there; the regime's own age where the place sets none."""
        country = jurisdiction.partition("-")[0]
        return self.child_ages.get(jurisdiction, self.child_ages.get(country, self.child_age))


@dataclass(frozen=True, slots=True, eq=False)
class Regimes:
    """All regimes, and the places they apply in."""

    by_id: Mapping[str, Regime]
    by_place: Mapping[str, tuple[str, ...]]
    _rank: dict[str, int] = field(init=False, repr=False, default_factory=dict)
    _subdivided: set[str] = field(init=False, repr=False, default_factory=set)
    _answers: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[Regime, ...]] = field(
        init=False, repr=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        self._rank.update((id_, rank) for rank, id_ in enumerate(self.by_id))
        self._subdivided.update(place[:2] for place in self.by_place if "-" in place)

    def at(self, jurisdiction: str) -> tuple[Regime, ...]:
        """The regimes that apply by place; none for a known place without one. Raises UnknownJurisdiction."""
        ids = self.by_place.get(jurisdiction)
        if ids is None:
            country = jurisdiction[:2]
            if not PLACE.fullmatch(jurisdiction) or country in self._subdivided or country not in self.by_place:
                raise UnknownJurisdiction
            ids = self.by_place[country]
        return tuple(self.by_id[id_] for id_ in ids)

    def applying(self, jurisdictions: Iterable[str], sector: Iterable[str]) -> tuple[Regime, ...]:
        """The regimes of all places and of the sectors, each once, in the order of `by_id`.

        Raises UnknownJurisdiction or UnknownRegime. The answer is cached: a check asks this every time.
        """
        question = (tuple(jurisdictions), tuple(sector))
        answer = self._answers.get(question)
        if answer is None:
            answer = self._applying(*question)
            # Subdivisions are not listed for every country, so that questions have no natural bound.
            if len(self._answers) >= _CACHED_QUESTIONS:
                self._answers.clear()
            self._answers[question] = answer
        return answer

    def _applying(self, jurisdictions: tuple[str, ...], sector: tuple[str, ...]) -> tuple[Regime, ...]:
        if any(id_ not in self.by_id for id_ in sector):
            raise UnknownRegime
        ids = {regime.id for place in jurisdictions for regime in self.at(place)}.union(sector)
        return tuple(self.by_id[id_] for id_ in sorted(ids, key=self._rank.__getitem__))
