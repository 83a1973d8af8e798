"""EraseSubject, GetErasure, SetHold, LiftHold: how an erasure begins, how far it is, and what forbids it.

- Who is not known is not made in order to be erased. Holds are: a case may know a person before anybody else does.
- The answer to EraseSubject outlives the person, since its id is all that is left to ask by.
- How far it is: the log tells its beginning and its end, the key store what lies between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from google.protobuf.message import Message

from consentledger.errors import LedgerError, Reason
from consentledger.store.keystore import KeyStore
from consentledger.store.token import token
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from services.consent import checks
from services.consent.application import SERVICE, Application
from services.consent.commands import Act, Scene, Who
from services.consent.domain import erasure, refusals
from services.consent.domain.state import Erasing
from services.consent.eraser import read_outcomes
from services.consent.projection.erasures import KEEPS_ITS_ANSWER, Part, answered
from services.consent.projection.erasures import erasure as parts_of
from services.consent.recipients import Outcome, Recipients, Unreachable
from services.consent.wire import collected_from, number, personal_from, stamp

DEFAULT_WAIT_S = 30 * 86_400
"""How long recipients are waited for unless something else is asked for."""
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Erasures:
    """See the module's rules."""

    application: Application
    keystore: KeyStore
    recipients: Recipients
    new_id: Callable[[], bytes]

    async def erase(self, r: cs.EraseSubjectRequest) -> cs.EraseSubjectResponse:
        """EraseSubject."""
        app, name = self.application, (r.subject.namespace, r.subject.id)
        app.require_place(r)
        key = app.request_key(KEEPS_ITS_ANSWER, r.tenant, r.request_id, r)
        await app.catalogues.require(r.tenant)
        id, within_us = self.new_id(), (r.recipients_within_seconds or DEFAULT_WAIT_S) * 1_000_000
        collected, personal = collected_from(r.context), personal_from(r.context)

        def rule(scene: Scene) -> Message:
            if not scene.knows():
                raise LedgerError(Reason.SUBJECT_UNKNOWN)
            group, now_us = scene.group(), scene.at.recorded_us
            running = erasure.erase(
                group,
                scene.at,
                erasure=id,
                suppressed=refusals.kept(group.catalogue, app.regimes, group.states(), now_us) is not None,
                until_us=now_us + within_us,
                collected=collected,
                personal=personal,
            )
            begun = _begun(running, cs.ERASURE_STATE_TELLING_RECIPIENTS)
            return cs.EraseSubjectResponse(erasure=begun, consistency_token=_token(scene))

        for _ in range(_TRIES):  # the person may be gone, and another be there, between the look and the command
            known = (await app.directory.find(r.tenant, [name]))[0]
            if known is None:
                return await self._answered_before(r.tenant, key.request_id, key.mac)
            who = [Who(known.person, app.directory.key(r.tenant, known), None)]
            try:
                committed = await app.committer.submit(Act(app.memory, app.regimes, r.tenant, who, rule, key))
            except LedgerError as refusal:
                if refusal.reason is not Reason.SUBJECT_ERASED:
                    raise
                continue
            return cs.EraseSubjectResponse.FromString(committed.answer)
        raise LedgerError(Reason.SUBJECT_ERASED)

    async def _answered_before(self, tenant: str, request_id: bytes, mac: bytes) -> cs.EraseSubjectResponse:
        """The first answer, for a caller who asks again when the person is gone."""
        before = await answered(self.application.log.store, tenant, KEEPS_ITS_ANSWER, request_id)
        if before is None:
            raise LedgerError(Reason.SUBJECT_UNKNOWN)
        if before[0] not in (mac, b""):
            raise LedgerError(Reason.REQUEST_ID_REUSED)
        return cs.EraseSubjectResponse.FromString(before[1])

    async def how_far(self, r: cs.GetErasureRequest) -> cs.GetErasureResponse:
        """GetErasure."""
        await self.application.catalogues.require(r.tenant)
        parts = await parts_of(self.application.log.store, r.tenant, checks.uuid(r.erasure_id, "erasure_id"))
        if not parts:
            raise LedgerError(Reason.ERASURE_UNKNOWN)
        first = min((part.erasing for part in parts), key=_position)
        if all(part.erasing.attested is not None for part in parts):
            found = _begun(first, cs.ERASURE_STATE_ERASED)
            found.attestations.extend([await self._attestation(part.erasing.attested or 0) for part in parts])
            outcomes = [_outcome(o) for a in found.attestations for o in a.key_destroyed.recipients]
        elif destroyed := await self.keystore.erased.of(first.id):
            found = _begun(first, cs.ERASURE_STATE_DESTROYING)
            outcomes = [outcome for gone in destroyed for outcome in read_outcomes(gone.kept)]
        else:
            found = _begun(first, cs.ERASURE_STATE_TELLING_RECIPIENTS)
            outcomes = await self._so_far(parts)
        found.recipients.extend(_merged(outcomes))
        return cs.GetErasureResponse(erasure=found)

    async def hold(self, r: cs.SetHoldRequest) -> cs.SetHoldResponse:
        """SetHold."""
        return cs.SetHoldResponse.FromString(await self._held("SetHold", r, placed=True))

    async def lift(self, r: cs.LiftHoldRequest) -> cs.LiftHoldResponse:
        """LiftHold."""
        return cs.LiftHoldResponse.FromString(await self._held("LiftHold", r, placed=False))

    async def _held(self, method: str, r: cs.SetHoldRequest | cs.LiftHoldRequest, *, placed: bool) -> bytes:
        collected, personal = collected_from(r.context), personal_from(r.context, r.reason)
        answer = cs.SetHoldResponse if placed else cs.LiftHoldResponse

        def rule(scene: Scene) -> Message:
            if placed or scene.knows():  # there is nothing to lift for a person never seen
                erasure.hold(scene.person(), scene.at, r.hold, placed=placed, collected=collected, personal=personal)
            scene.catalogue()
            return answer(consistency_token=_token(scene))

        committed = await self.application.submit(method, r.tenant, r.request_id, r, [r.subject], rule)
        return committed.answer

    async def _attestation(self, position: int) -> cs.ErasureAttestation:
        """Where the log says that one key is gone."""
        [entry] = await self.application.log.store.entries(position - 1, 1, upto=position)
        leaf = ev.LedgerEntry.FromString(entry.leaf)
        return cs.ErasureAttestation(
            position=position, key_destroyed=leaf.header.key_destroyed, recorded_at=leaf.recorded_at
        )

    async def _so_far(self, parts: Sequence[Part]) -> list[Outcome]:
        """What became of telling recipients until now; nothing while nobody can say."""
        found: list[Outcome] = []
        for part in parts:
            try:
                told = await self.recipients.told(part.tenant, part.erasing.position)
            except Unreachable:
                return []
            found += [(downstream, state, "") for downstream, state in told.obligations]
        return found


def _begun(running: Erasing, state: cs.ErasureState) -> cs.Erasure:
    found = cs.Erasure(erasure_id=str(UUID(bytes=running.id)), state=state, suppressed=running.suppressed)
    stamp(found.started_at, running.started_us)
    stamp(found.recipients_until, running.until_us)
    return found


def _merged(outcomes: Sequence[Outcome]) -> list[ev.RecipientOutcome]:
    """One for each recipient: of several persons erased together, that which is not ENFORCED."""
    worst: dict[str, Outcome] = {}
    for outcome in sorted(outcomes, key=lambda o: (o[1] != ev.OBLIGATION_STATE_ENFORCED, o[2] != "")):
        worst[outcome[0]] = outcome
    return [
        ev.RecipientOutcome(downstream=downstream, state=number(state), reason=why)
        for downstream, state, why in sorted(worst.values())
    ]


def _outcome(o: ev.RecipientOutcome) -> Outcome:
    return o.downstream, int(o.state), o.reason


def _position(running: Erasing) -> int:
    return running.position


def _token(scene: Scene) -> str:
    return token(SERVICE, scene.at.epoch, scene.at.position)
