"""One revocation of the ledger, and the obligations that follow from it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import UUID

from consentledger.store.moment import Moment
from services.notifier.domain.downstream import DownstreamDef, Downstreams
from services.notifier.domain.obligation import Obligation, obligation_stream


@dataclass(frozen=True, slots=True)
class Revocation:
    """An entry of the ledger after which a check that could be ALLOWED is NOT_ALLOWED."""

    tenant: str
    position: int
    """Its place in the consent service's log."""
    person: bytes
    """The person's stream, 16 bytes; empty when the catalogue changed and everybody is concerned."""
    purposes: tuple[str, ...]
    """Those revoked; `("*",)` for all."""
    event_type: str
    revoked_us: int


@dataclass(frozen=True, slots=True)
class Due:
    """An obligation that a revocation asks for."""

    id: UUID
    revocation: Revocation
    downstream: DownstreamDef
    purposes: tuple[str, ...]

    def of(self, made: Obligation) -> bool:
        """Whether that obligation is this revocation's; else its position was another's before, see `again`."""
        return (made.person, made.revoked_us) == (self.revocation.person, self.revocation.revoked_us)

    def again(self) -> "Due":
        """Under an id of its own: the ledger lost events openly, and this stands where a lost one stood."""
        r = self.revocation
        return replace(self, id=obligation_stream(r.tenant, self.downstream.id, r.position, lost=r.revoked_us))

    def make(self, at: Moment) -> Obligation:
        """The obligation, PENDING."""
        position, recorded_us = at.take()
        return Obligation._create(
            Obligation.Created,
            id=self.id,
            timestamp=at.timestamp,
            position=position,
            recorded_us=recorded_us,
            tenant=self.revocation.tenant,
            downstream=self.downstream.id,
            ledger_position=self.revocation.position,
            person=self.revocation.person,
            purposes=self.purposes,
            event_type=self.revocation.event_type,
            revoked_us=self.revocation.revoked_us,
            due_us=self.downstream.due_us(self.revocation.revoked_us),
        )


def due(revocation: Revocation, known: Downstreams) -> Iterator[Due]:
    """One obligation for each downstream concerned, paused ones included, by id."""
    for id, downstream in sorted(known.members.items()):
        if purposes := downstream.concerned(revocation.purposes):
            yield Due(obligation_stream(revocation.tenant, id, revocation.position), revocation, downstream, purposes)
