"""What a receipt is made from: one proven act, and what the catalogue says of its tenant, purposes and notice. Pure.

- The act comes from the leaf inside the proof, so that a document cannot say something else than what it proves.
- Who the person is does not follow from the leaf: a name goes in only where the caller gives it, and stands for itself.
- The notice is the exact version of the act. Tenant and purposes are as published when the receipt is made; their
  versions are written beside them.
"""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from consentledger.errors import invalid
from consentledger.receipts.act import EVERY_PURPOSE, ProvenAct, act_of
from consentledger.receipts.controller import Controller
from consentledger.receipts.proof import checkpoint_of
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import types_pb2 as types


@dataclass(frozen=True, slots=True)
class Source:
    """All that a document is made from; make it with `source`."""

    receipt: types.Receipt
    act: ProvenAct
    tenant: events.Tenant
    purposes: tuple[events.Purpose, ...]
    """In the order of the act; empty when it is for every purpose."""
    notice: events.Notice | None
    subject: types.SubjectRef | None
    """Only if the holder wants it in."""
    regimes: frozenset[str]
    """The regimes that apply where the act was collected."""
    controller: Controller

    @property
    def jurisdiction(self) -> str:
        """Where it was collected, else the tenant's default; empty when neither is known."""
        return self.act.common.jurisdiction or self.tenant.default_jurisdiction

    @property
    def pseudonym(self) -> str:
        """The person without a name: the random UUID under which the log knows them."""
        return uuid.UUID(bytes=self.act.person).urn


def source(
    receipt: types.Receipt,
    tenant: events.Tenant,
    purposes: Iterable[events.Purpose],
    notice: events.Notice | None = None,
    *,
    subject: types.SubjectRef | None = None,
    regimes: Collection[str] = (),
    controller: Controller | None = None,
) -> Source:
    """Checks that the parts are of one act and its proof holds. Raises INVALID_FIELD naming the part that does not."""
    checkpoint_of(receipt)
    act = act_of(receipt.leaf)
    if len(act.person) != 16:
        raise invalid("leaf", "a person's event")
    if tenant.id != act.tenant:
        raise invalid("tenant", "the one of the event")
    known = {purpose.id: purpose for purpose in purposes}
    named = [] if act.purposes == (EVERY_PURPOSE,) else list(act.purposes)
    if known.keys() != set(named):
        raise invalid("purposes", "those of the event, no more and no fewer")
    if (notice.version if notice else "") != (act.notice_version if act.notice_known else ""):
        raise invalid("notice", "the version of the event, or none if the event has none")
    return Source(
        receipt=receipt,
        act=act,
        tenant=tenant,
        purposes=tuple(known[id_] for id_ in named),
        notice=notice,
        subject=subject,
        regimes=frozenset(regimes),
        controller=controller or Controller(),
    )
