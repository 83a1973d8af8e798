"""The writes of the consent service: from a checked request to a committed answer.

- Every method takes the request message whose form was checked, and returns its response message.
- Persons are made in the key store before the command is queued; the tenant must exist before that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message

from consentledger.crypto.blind import request_mac
from consentledger.crypto.provider import KeyProvider
from consentledger.errors import invalid
from consentledger.regimes.model import Regimes, UnknownJurisdiction
from consentledger.signals.gpc import gpc_on
from consentledger.store.committer import Committed, Committer
from consentledger.store.ledger import RequestKey
from consentledger.store.receipts import receipts
from consentledger.store.signedlog import SignedLog
from consentledger.store.token import token
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.consent import checks
from services.consent.catalogues import Catalogues
from services.consent.commands import Rule, Scene
from services.consent.directory import Directory
from services.consent.domain import consent, links, preferences
from services.consent.domain.decision import State
from services.consent.domain.group import Group, Standing
from services.consent.memory import Aggregates
from services.consent.submission import Submission
from services.consent.wire import child_birth_from, choice_from, collected_from, micros, personal_from, state_to

SERVICE = "consent"
R = TypeVar("R", bound=Message)
A = TypeVar("A", bound=Message)
W = TypeVar("W", cs.RecordConsentResponse, cs.WithdrawConsentResponse)


@dataclass(frozen=True, slots=True)
class Application:
    """The use cases that write."""

    committer: Committer
    memory: Aggregates
    directory: Directory
    catalogues: Catalogues
    regimes: Regimes
    provider: KeyProvider
    mac_key: bytes
    log: SignedLog

    async def current_token(self) -> str:
        """The token of the log's head."""
        head = await self.log.store.head()
        return token(SERVICE, head.epoch, head.position)

    async def record(self, r: cs.RecordConsentRequest) -> cs.RecordConsentResponse:
        """RecordConsent."""
        choices = [choice_from(c) for c in r.choices]
        occurred_us = micros(r.occurred_at) if r.HasField("occurred_at") else None
        collected, personal, birth = collected_from(r.context), personal_from(r.context), child_birth_from(r.context)

        def rule(scene: Scene) -> Message:
            states = consent.record(
                scene.group(),
                scene.at,
                choices,
                notice=r.notice_version,
                occurred_us=occurred_us,
                collected=collected,
                personal=personal,
                child_birth=birth,
            )
            return cs.RecordConsentResponse(states=map(state_to, states), consistency_token=_token(scene))

        return await self._with_receipts("RecordConsent", r, rule, cs.RecordConsentResponse)

    async def withdraw(self, r: cs.WithdrawConsentRequest) -> cs.WithdrawConsentResponse:
        """WithdrawConsent."""
        rule = _refusal(r, cs.WithdrawConsentResponse, objection=False)
        return await self._with_receipts("WithdrawConsent", r, rule, cs.WithdrawConsentResponse)

    async def object(self, r: cs.RecordObjectionRequest) -> cs.RecordObjectionResponse:
        """RecordObjection."""
        rule = _refusal(r, cs.RecordObjectionResponse, objection=True)
        return await self._run("RecordObjection", r, [r.subject], rule, cs.RecordObjectionResponse)

    async def signal(self, r: cs.RecordSignalRequest) -> cs.RecordSignalResponse:
        """RecordSignal. An absent or other value of the header changes nothing; only `ended` ends a signal."""
        collected, personal = collected_from(r.context), personal_from(r.context)
        seen = gpc_on(r.sec_gpc)

        def rule(scene: Scene) -> Message:
            if not seen and not scene.knows():
                return cs.RecordSignalResponse(states=map(state_to, _unknown(scene)), consistency_token=_token(scene))
            group = scene.group()
            if seen or r.ended:
                consent.signal(group, scene.at, kind=int(r.kind), on=seen, collected=collected, personal=personal)
            return cs.RecordSignalResponse(
                signal_on=any(s.signal_on for s in group.states()),
                states=map(state_to, _all(group, scene)),
                consistency_token=_token(scene),
            )

        return await self._run("RecordSignal", r, [r.subject], rule, cs.RecordSignalResponse)

    async def restrict(self, r: cs.SetRestrictionRequest) -> cs.SetRestrictionResponse:
        """SetRestriction."""
        rule = _restriction(r, cs.SetRestrictionResponse, restricted=True)
        return await self._run("SetRestriction", r, [r.subject], rule, cs.SetRestrictionResponse)

    async def lift(self, r: cs.LiftRestrictionRequest) -> cs.LiftRestrictionResponse:
        """LiftRestriction."""
        rule = _restriction(r, cs.LiftRestrictionResponse, restricted=False)
        return await self._run("LiftRestriction", r, [r.subject], rule, cs.LiftRestrictionResponse)

    async def link(self, r: cs.LinkIdentifiersRequest) -> cs.LinkIdentifiersResponse:
        """LinkIdentifiers."""
        collected, personal = collected_from(r.context), personal_from(r.context)

        def rule(scene: Scene) -> Message:
            links.link(scene.group(0), scene.group(1), scene.at, collected=collected, personal=personal)
            states = _all(scene.group(0), scene)
            return cs.LinkIdentifiersResponse(states=map(state_to, states), consistency_token=_token(scene))

        return await self._run("LinkIdentifiers", r, [r.left, r.right], rule, cs.LinkIdentifiersResponse)

    async def unlink(self, r: cs.UndoLinkRequest) -> cs.UndoLinkResponse:
        """UndoLink."""
        collected, personal = collected_from(r.context), personal_from(r.context)

        def rule(scene: Scene) -> Message:
            links.undo(scene.group(0), scene.person(1), scene.at, collected=collected, personal=personal)
            return cs.UndoLinkResponse(
                left_states=map(state_to, _all(scene.group(0), scene)),
                right_states=map(state_to, _all(scene.group(1), scene)),
                consistency_token=_token(scene),
            )

        return await self._run("UndoLink", r, [r.left, r.right], rule, cs.UndoLinkResponse)

    async def prefer(self, r: cs.UpdatePreferencesRequest) -> cs.UpdatePreferencesResponse:
        """UpdatePreferences."""
        wanted = [(p.channel, p.topic, p.frequency, p.language) for p in r.preferences]

        def rule(scene: Scene) -> Message:
            person = scene.person()
            scene.catalogue()
            preferences.update(person, scene.at, wanted)
            kept = [
                ev.Preference(channel=c, topic=t, frequency=f, language=lang)
                for (c, t), (f, lang) in sorted(person.state.preferences.items())
            ]
            return cs.UpdatePreferencesResponse(preferences=kept, consistency_token=_token(scene))

        return await self._run("UpdatePreferences", r, [r.subject], rule, cs.UpdatePreferencesResponse)

    async def import_row(self, tenant: str, row: cs.ImportRow) -> Committed:
        """One row of ImportConsents."""
        collected = collected_from(row.context, imported=True)
        personal, birth = personal_from(row.context), child_birth_from(row.context)
        occurred_us = micros(row.occurred_at)

        def rule(scene: Scene) -> Message:
            group = scene.group()
            if row.WhichOneof("act") == "consent":
                consent.record(
                    group,
                    scene.at,
                    [choice_from(row.consent)],
                    notice=row.notice_version,
                    occurred_us=occurred_us,
                    collected=collected,
                    personal=personal,
                    child_birth=birth,
                )
            else:
                objection = row.WhichOneof("act") == "object_purpose"
                named = row.object_purpose if objection else row.withdraw_purpose
                consent.withdraw(
                    group,
                    scene.at,
                    [] if named == "*" else [named],
                    occurred_us=occurred_us,
                    collected=collected,
                    personal=personal,
                    objection=objection,
                )
            return cs.ImportConsentsResponse(consistency_token=_token(scene))

        return await self.submit("ImportConsents", tenant, row.request_id, row, [row.subject], rule)

    async def _with_receipts(
        self, method: str, r: cs.RecordConsentRequest | cs.WithdrawConsentRequest, rule: Rule, answer: type[W]
    ) -> W:
        """Whether receipts are wanted is no part of what the request is; a repeat may ask for them too."""
        wanted, r.receipt = r.receipt, False
        committed = await self.submit(method, r.tenant, r.request_id, r, [r.subject], rule)
        response = answer.FromString(committed.answer)
        if wanted:
            response.receipts.extend(await receipts(self.log, committed.first, committed.last, r.tenant))
        return response

    async def _run(self, method: str, request: R, subjects: Sequence[ty.SubjectRef], rule: Rule, answer: type[A]) -> A:
        tenant: str = request.tenant  # type: ignore[attr-defined]
        request_id: str = request.request_id  # type: ignore[attr-defined]
        committed = await self.submit(method, tenant, request_id, request, subjects, rule)
        return answer.FromString(committed.answer)

    async def submit(
        self,
        method: str,
        tenant: str,
        request_id: str,
        message: Message,
        subjects: Sequence[ty.SubjectRef],
        rule: Rule,
    ) -> Committed:
        """Commit one act about these persons; whoever is new is made."""
        self.require_place(message)
        key = self.request_key(method, tenant, request_id, message)
        await self.catalogues.require(tenant)
        acts = Submission(self.log.store, self.committer, self.memory, self.directory, self.regimes)
        return await acts.submit(tenant, subjects, rule, key)

    def require_place(self, message: Message) -> None:
        """A place that does not exist would stay with the person, and every later check of theirs would be refused."""
        place = message.context.jurisdiction if "context" in message.DESCRIPTOR.fields_by_name else ""  # type: ignore[attr-defined]
        try:
            if place:
                self.regimes.applying((place,), ())
        except UnknownJurisdiction:
            raise invalid("context.jurisdiction", "ISO 3166-1 or 3166-2") from None

    def request_key(self, method: str, tenant: str, request_id: str, message: Message) -> RequestKey:
        """What makes this request this request."""
        mac = request_mac(self.mac_key, method, message.SerializeToString(deterministic=True))
        return RequestKey(tenant, method, checks.request_id(request_id), mac)


def _token(scene: Scene) -> str:
    return token(SERVICE, scene.at.epoch, scene.at.position)


def _all(group: Group, scene: Scene) -> list[Standing]:
    return group.standing(group.all_purposes(), scene.at.recorded_us)


def _unknown(scene: Scene) -> list[Standing]:
    return [Standing(purpose, State.UNKNOWN, None) for purpose in sorted(scene.catalogue().purposes)]


def _refusal(
    r: cs.WithdrawConsentRequest | cs.RecordObjectionRequest,
    answer: Callable[..., Message],
    *,
    objection: bool,
) -> Rule:
    collected, personal = collected_from(r.context), personal_from(r.context, r.reason)
    occurred_us = micros(r.occurred_at) if r.HasField("occurred_at") else None

    def rule(scene: Scene) -> Message:
        states = consent.withdraw(
            scene.group(),
            scene.at,
            list(r.purposes),
            occurred_us=occurred_us,
            collected=collected,
            personal=personal,
            objection=objection,
        )
        return answer(states=map(state_to, states), consistency_token=_token(scene))

    return rule


def _restriction(
    r: cs.SetRestrictionRequest | cs.LiftRestrictionRequest, answer: Callable[..., Message], *, restricted: bool
) -> Rule:
    collected, personal = collected_from(r.context), personal_from(r.context, r.reason)

    def rule(scene: Scene) -> Message:
        if restricted or scene.knows():  # there is nothing to lift for a person never seen
            consent.restrict(scene.group(), scene.at, restricted=restricted, collected=collected, personal=personal)
        scene.catalogue()
        return answer(consistency_token=_token(scene))

    return rule
