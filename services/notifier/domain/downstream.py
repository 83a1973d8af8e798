"""The downstreams of one tenant as one aggregate. Pure.

One stream a tenant, because a revocation concerns all of them: whoever decides needs the whole list as it stands.

- A downstream is never removed; it can be paused. Obligations for a paused one are made, and wait.
- Its id never changes; everything else can.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.domain import Aggregate, event

from consentledger.errors import LedgerError, Reason
from consentledger.store.moment import Moment

ALL = "*"
"""Every purpose."""
DEFAULT_ENFORCE_WITHIN_S = 86_400
_LONGEST_LIST = 16_384


@dataclass(frozen=True, slots=True)
class DownstreamDef:
    """A system that must enforce revocations; see `Downstream` in the protos."""

    id: str
    kind: int
    purposes: tuple[str, ...]
    identifier_namespace: str
    display_name: str = ""
    paused: bool = False
    enforce_within_s: int = 0
    """0 stands for the default."""
    version: int = 0

    def concerned(self, revoked: Iterable[str]) -> tuple[str, ...]:
        """Those of the revoked purposes that it must stop; none if the revocation is not its concern.

        A revocation of everything stays `("*",)`, so that it also covers purposes that the downstream is given later.
        So does a list too long for one event: more is stopped than was asked, never less.
        """
        purposes = tuple(dict.fromkeys(revoked))
        if ALL in purposes:
            return (ALL,)
        if ALL not in self.purposes:
            mine = set(self.purposes)
            purposes = tuple(p for p in purposes if p in mine)
        return purposes if sum(map(len, purposes)) <= _LONGEST_LIST else (ALL,)

    def due_us(self, revoked_us: int) -> int:
        """When a revocation must be enforced, microseconds since the epoch."""
        return revoked_us + (self.enforce_within_s or DEFAULT_ENFORCE_WITHIN_S) * 1_000_000


def downstreams_stream(tenant: str) -> UUID:
    """The stream of a tenant's downstreams."""
    return uuid5(NAMESPACE_URL, f"consentledger:downstreams:{tenant}")


class Downstreams(Aggregate):
    """All downstreams of a tenant."""

    TOPIC = "downstreams"

    class Created(Aggregate.Created):
        """The tenant's first downstream was registered. On disk it is a change like any other."""

        TOPIC = "downstreams.opened.v1"
        position: int
        recorded_us: int
        downstream: DownstreamDef

    class Changed(Aggregate.Event):
        """A downstream was registered (version 1) or replaced."""

        TOPIC = "downstream.changed.v1"
        position: int
        recorded_us: int
        downstream: DownstreamDef

        def apply(self, aggregate: "Downstreams") -> None:
            """Fold."""
            aggregate.members[self.downstream.id] = self.downstream

    @event(Created)
    def __init__(self, downstream: DownstreamDef, position: int, recorded_us: int) -> None:
        self.members = {downstream.id: downstream}

    @classmethod
    def open(cls, tenant: str, downstream: DownstreamDef, at: Moment) -> "Downstreams":
        """Register a tenant's first downstream."""
        position, recorded_us = at.take()
        return cls._create(
            cls.Created,
            id=downstreams_stream(tenant),
            timestamp=at.timestamp,
            position=position,
            recorded_us=recorded_us,
            downstream=replace(downstream, version=1),
        )

    def change(self, downstream: DownstreamDef, at: Moment) -> None:
        """Make the event and fold it."""
        position, recorded_us = at.take()
        self.trigger_event(
            self.Changed, timestamp=at.timestamp, position=position, recorded_us=recorded_us, downstream=downstream
        )


def register(known: Downstreams, downstream: DownstreamDef, at: Moment) -> None:
    """Add a downstream."""
    if downstream.id in known.members:
        raise LedgerError(Reason.DOWNSTREAM_EXISTS)
    known.change(replace(downstream, version=1), at)


def update(known: Downstreams | None, downstream: DownstreamDef, at: Moment) -> bool:
    """Replace a downstream; a version other than 0 must be the one that stands. False when nothing changes."""
    old = known.members.get(downstream.id) if known is not None else None
    if known is None or old is None:
        raise LedgerError(Reason.DOWNSTREAM_UNKNOWN)
    if downstream.version not in (0, old.version):
        raise LedgerError(Reason.CATALOGUE_CONFLICT)
    if replace(downstream, version=old.version) == old:
        return False
    known.change(replace(downstream, version=old.version + 1), at)
    return True
