"""What a receipt is made from, asked of the server: the proof, the tenant, the purposes, the notice.

- A proof that does not hold by the key beside it is refused, as is one of another position.
- A name goes in only if the person's history, read for it and so recorded as an access, has the act.
- Which regimes apply is what the act's place says, or the tenant's; one that nobody knows has none.
"""

from collections.abc import Iterable

from consentledger.cli.session import Session
from consentledger.errors import LedgerError, Reason, invalid
from consentledger.receipts.act import EVERY_PURPOSE, ProvenAct, act_of
from consentledger.receipts.controller import Controller
from consentledger.receipts.proof import checkpoint_of
from consentledger.receipts.source import Source, source
from consentledger.regimes.load import regimes
from consentledger.regimes.model import UnknownJurisdiction, UnknownRegime
from consentledger.v1 import audit_service_pb2 as audit
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import purpose_service_pb2 as catalogue
from consentledger.v1 import tenant_service_pb2 as tenants
from consentledger.v1 import types_pb2 as types

ACCESS = "receipt"
"""Why a history is read, as the ledger records it."""


async def proven(session: Session, position: int, log: str = "") -> types.Receipt:
    """The receipt of one event. Raises LedgerError, INVALID_FIELD for a proof that does not hold."""
    request = audit.GetReceiptRequest(tenant=session.options.tenant, position=position, log=log)
    receipt: types.Receipt = (await session.call(session.audit.GetReceipt, request)).receipt
    if receipt.position != position:
        raise invalid("receipt.position", "the one asked for")
    checkpoint_of(receipt)
    return receipt


async def gathered(
    session: Session, position: int, subject: types.SubjectRef | None, controller: Controller | None
) -> Source:
    """All that a document says of one act. Raises LedgerError."""
    receipt = await proven(session, position)
    act = act_of(receipt.leaf)
    tenant = (await session.call(session.tenants.GetTenant, tenants.GetTenantRequest(tenant=act.tenant))).tenant
    purposes = [
        (await session.call(session.purposes.GetPurpose, _purpose(act, id_))).purpose
        for id_ in act.purposes
        if id_ != EVERY_PURPOSE
    ]
    if subject is not None:
        await _check_person(session, subject, position)
    return source(
        receipt,
        tenant,
        purposes,
        await _notice(session, act),
        subject=subject,
        regimes=_regimes(act.common.jurisdiction or tenant.default_jurisdiction, purposes),
        controller=controller,
    )


def _purpose(act: ProvenAct, id_: str) -> catalogue.GetPurposeRequest:
    return catalogue.GetPurposeRequest(tenant=act.tenant, purpose=id_)


async def _notice(session: Session, act: ProvenAct) -> events.Notice | None:
    if not act.notice_known:
        return None
    request = catalogue.GetNoticeRequest(tenant=act.tenant, version=act.notice_version)
    notice: events.Notice = (await session.call(session.purposes.GetNotice, request)).notice
    return notice


async def _check_person(session: Session, subject: types.SubjectRef, position: int) -> None:
    access = types.AccessReason(purpose=ACCESS)
    request = audit.GetSubjectHistoryRequest(tenant=session.options.tenant, subject=subject, access=access)
    try:
        history = await session.pages(session.audit.GetSubjectHistory, request)
    except LedgerError as error:
        if error.reason is not Reason.SUBJECT_UNKNOWN:
            raise
        raise invalid("subject", "the person of the event") from None
    if not any(event.position == position for event in history.events):
        raise invalid("subject", "the person of the event")


def _regimes(jurisdiction: str, purposes: Iterable[events.Purpose]) -> frozenset[str]:
    sectors = {regime for purpose in purposes for regime in purpose.sector_regimes}
    try:
        found = regimes().applying([jurisdiction] if jurisdiction else [], sectors)
    except (UnknownJurisdiction, UnknownRegime):
        return frozenset()
    return frozenset(regime.id for regime in found)
