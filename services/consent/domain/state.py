"""What stands for one person, folded from their acts. Pure.

- `acts` holds, for each purpose, the act that stands; `star` the act that covers every purpose.
- `members` are the persons linked with this one; each keeps their own state, and `decision` combines them.
- `since` remembers from which version of this stream each member has been linked, so that undoing a link can carry the
  protective acts made meanwhile, and no others.
"""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field, replace

from services.consent.domain.acts import Act, Kind, stronger

ALL = "*"


@dataclass(frozen=True, slots=True)
class Erasing:
    """The erasure of one person, as far as the log tells."""

    id: bytes
    """16 bytes; the same for everybody who was linked."""
    position: int
    """Where it began in the log; recipients are told of this position."""
    started_us: int
    until_us: int
    """When waiting for recipients ends."""
    suppressed: bool
    """Whether refusals are kept."""
    attested: int | None = None
    """Where the log says that the key was destroyed."""


@dataclass(slots=True)
class PersonState:
    """One person, without those linked."""

    acts: dict[str, Act] = field(default_factory=dict)
    star: Act | None = None
    signal_on: bool = False
    signal_position: int = 0
    signal_version: int = 0
    restricted: bool = False
    restricted_position: int = 0
    restricted_version: int = 0
    erasing: bool = False
    """Being erased, or erased: nothing changes any more but this."""
    erased: bool = False
    """The key is destroyed and attested. An identifier that still leads here is a stale one."""
    erasure: Erasing | None = None
    holds: frozenset[str] = frozenset()
    """Legal holds, each of which keeps the person from being erased."""
    jurisdictions: tuple[str, ...] = ()
    members: tuple[bytes, ...] = ()
    """Stream UUIDs of the persons linked, 16 bytes each, sorted."""
    since: dict[bytes, int] = field(default_factory=dict)
    pairs: frozenset[tuple[bytes, bytes]] = frozenset()
    protective: list[tuple[int, str, Act]] = field(default_factory=list)
    """(stream version, purpose or ALL, act), as made while linked with anybody."""
    preferences: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """(channel, topic) -> (frequency, language)."""

    def standing(self, purpose: str) -> Act | None:
        """The act that stands for a purpose, the person-wide one considered."""
        return stronger(self.acts.get(purpose), self.star)

    def put(self, purpose: str, act: Act) -> None:
        """Take one act in."""
        if act.protective and self.members:  # only who is linked can part
            self.protective.append((act.version, purpose, act))
        self.merge(purpose, act)

    def merge(self, purpose: str, act: Act) -> None:
        """Let an act compete for a purpose, or for all."""
        if purpose == ALL:
            self.star = stronger(self.star, act)
        else:
            self.acts[purpose] = stronger(self.acts.get(purpose), act) or act

    def live_in(self, jurisdiction: str) -> None:
        """Remember a place; places only add up."""
        if jurisdiction and jurisdiction not in self.jurisdictions:
            self.jurisdictions = tuple(sorted((*self.jurisdictions, jurisdiction)))

    def expire(self, purpose: str, grant_version: int) -> None:
        """Mark a grant as ended, if it is still the one that stands."""
        act = self.acts.get(purpose)
        if act is not None and act.kind is Kind.GRANT and act.version == grant_version:
            self.acts[purpose] = replace(act, expired=True)

    def group(self, members: tuple[bytes, ...], pairs: frozenset[tuple[bytes, bytes]], version: int) -> None:
        """Be linked with these persons from here on."""
        self.members = members
        self.pairs = pairs
        if not members:
            self.protective.clear()
        self.since = {m: self.since.get(m, version) for m in members}

    def protective_since(self, version: int) -> Iterable[tuple[str, Act]]:
        """Protective acts made after a version of this stream."""
        return ((purpose, act) for made, purpose, act in self.protective if made > version)

    def copy(self) -> "PersonState":
        """A copy that can be changed without touching this one."""
        twin = copy(self)  # much quicker than `replace`, and made for every act
        twin.acts, twin.since, twin.protective = dict(self.acts), dict(self.since), list(self.protective)
        twin.preferences = dict(self.preferences)
        return twin
