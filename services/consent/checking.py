"""CheckConsent and BatchCheckConsent: from a checked request to a decision.

- Linearizable by default: the rows are read from the store that holds the truth, in a query that starts after the call.
- `minimize_latency` may answer from memory, from rows read no longer ago than the stated bound, by a clock that goes on
  while the process is stopped.
- An unknown tenant, purpose or place is an error. Nothing is ALLOWED for want of an answer.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from consentledger.errors import LedgerError, Reason
from consentledger.regimes.model import Regimes
from consentledger.store.keystore import Known
from consentledger.store.ledger import NotAsSigned, Store
from consentledger.store.token import position_of, token
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty
from services.consent import checks
from services.consent.application import SERVICE
from services.consent.catalogues import Catalogues
from services.consent.coalescer import Coalescer
from services.consent.directory import Directory
from services.consent.domain.catalogue import Catalogue
from services.consent.domain.decision import Verdict
from services.consent.domain.refusals import Refusals
from services.consent.domain.state import PersonState
from services.consent.keeping import unpack
from services.consent.past import FOR_EVER, catalogue_at, persons_at
from services.consent.projection.packing import erased, lasting
from services.consent.projection.reading import Found, Question, read
from services.consent.verdicts import Verdicts
from services.consent.wire import micros, number, stamp

NOBODY = b""
_New: TypeAlias = tuple[int, tuple[str, str], Known | None]
"""(number in the batch, (namespace, id), the person or None) of an identifier that was not remembered."""
JUST_NOW_US = 1_000_000
"""How long ago still counts as now, for callers who write the time down before they ask."""


def boot_clock() -> float:
    """Seconds that go on while the process or the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


@dataclass(slots=True)
class _Remembered:
    found: Found
    asked: float
    """When the query that read it began, by `boot_clock`."""


class Checks:
    """The read path."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        catalogues: Catalogues,
        regimes: Regimes,
        clock: Callable[[], int],
        epoch: int,
        *,
        staleness_seconds: float,
        floor: Callable[[], int] = lambda: 0,
    ) -> None:
        """`floor` tells how far every read must be, or raises NotAsSigned: a database that was put back, and has lost
        withdrawals, must not answer."""
        self._store = store
        self._directory = directory
        self._catalogues = catalogues
        self._clock = clock
        self._epoch = epoch
        self._staleness = staleness_seconds
        self._verdicts = Verdicts(regimes)
        self._newest = (-1, "")
        self._remembered: dict[Question, _Remembered] = {}
        self._floor = floor
        coalescer: Coalescer[Question, Found] = Coalescer(self._read)
        self._ask = coalescer.ask

    async def check(self, r: cs.CheckConsentRequest) -> cs.CheckConsentResponse:
        """One decision, now or at a past moment."""
        subject = r.subject
        remembered = self._directory.remembered(r.tenant, subject.namespace, subject.id)
        if remembered is not None:
            answer = await self._about(r, remembered, new=False)
            if answer is not None:
                return answer
            self._directory.forget(r.tenant, (subject,))
        await self._catalogues.require(r.tenant)
        known = (await self._directory.find(r.tenant, [(subject.namespace, subject.id)]))[0]
        answer = await self._about(r, known, new=True)
        assert answer is not None
        return answer

    async def _read(self, questions: Sequence[Question]) -> Sequence[Found]:
        floor = self._floor()
        found = await read(self._store, questions)
        if found and found[0].position < floor:
            raise NotAsSigned("the database holds less than was signed")
        return found

    async def _about(
        self, r: cs.CheckConsentRequest, known: Known | None, *, new: bool
    ) -> cs.CheckConsentResponse | None:
        """The decision about whom the identifier leads to; None if what was remembered leads to somebody erased since.

        Where the key store itself still leads to such a person, it is not the newest: nothing is ALLOWED then.
        """
        subject = r.subject
        question = (r.tenant, NOBODY if known is None else known.person, r.purpose)
        if r.HasField("as_of") or r.HasField("known_at"):
            return await self._past(r, question, known, new=new)
        requirement = r.consistency.WhichOneof("requirement")
        if requirement == "minimize_latency" and r.consistency.minimize_latency:
            found = await self._recent(question)
        else:
            found = await self._ask(question)
        if requirement == "at_least_as_fresh":
            self.require_fresh(r.consistency, found.position)
        if found.flags and erased(found.flags) and not new:
            return None
        if new and known is not None and lasting(found.flags):
            self._directory.remember(r.tenant, subject.namespace, subject.id, known)
        catalogue = await self._catalogues.at_least(r.tenant, found.catalogue_version)
        kept = None if found.flags is not None else await self._refused(r.tenant, subject, known)
        if kept is not None:
            verdict = self._verdicts.decide(catalogue, r.purpose, r.jurisdiction, [kept.state()], self._clock())
            return self._answer(verdict, 0, found.position)
        verdict, evidence = self._verdicts.of(catalogue, r.purpose, r.jurisdiction, found, self._clock())
        return self._answer(verdict, evidence, found.position)

    async def _refused(self, tenant: str, subject: ty.SubjectRef, known: Known | None) -> Refusals | None:
        """What the identifier of somebody without events had refused before an erasure."""
        if known is not None:
            return unpack(known.refusals) if known.refusals else None
        name = (subject.namespace, subject.id)
        return (await self._directory.keeping.of(tenant, [name])).get(name)

    async def _past(
        self, r: cs.CheckConsentRequest, question: Question, known: Known | None, *, new: bool
    ) -> cs.CheckConsentResponse | None:
        """A decision about a past moment; the future is an error. None as in `_about`."""
        clock_us, floor, head = self._clock(), self._floor(), await self._store.head()
        if head.position < floor:
            raise NotAsSigned("the database holds less than was signed")
        now_us = max(clock_us, head.recorded_us)
        as_of_us = micros(r.as_of) if r.HasField("as_of") else now_us
        known_us = micros(r.known_at) if r.HasField("known_at") else FOR_EVER
        if as_of_us > now_us or (r.HasField("known_at") and known_us > now_us):
            raise LedgerError(Reason.AS_OF_IN_FUTURE)
        if head.recorded_us > clock_us:  # another replica's clock is ahead: who says "now" means what is there now
            as_of_us, known_us = (now_us if t > clock_us - JUST_NOW_US else t for t in (as_of_us, known_us))
        if r.consistency.WhichOneof("requirement") == "at_least_as_fresh":
            self.require_fresh(r.consistency, head.position)
        catalogue = await catalogue_at(self._store, r.tenant, as_of_us, known_us)
        if catalogue is None:
            raise LedgerError(Reason.TENANT_UNKNOWN)
        persons = await persons_at(self._store, question[1], as_of_us, known_us) if question[1] else [PersonState()]
        if persons[0].erased and not new:
            return None
        if persons == [PersonState()] and (kept := await self._refused(r.tenant, r.subject, known)) is not None:
            persons = [kept.state()]
        verdict = self._verdicts.decide(catalogue, r.purpose, r.jurisdiction, persons, as_of_us)
        return self._answer(verdict, verdict.position, head.position)

    def _answer(self, verdict: Verdict, evidence: int, position: int) -> cs.CheckConsentResponse:
        answer = cs.CheckConsentResponse(
            decision=ty.DECISION_ALLOWED if verdict.allowed else ty.DECISION_NOT_ALLOWED,
            reason=number(verdict.why),
            state=number(verdict.state),
            legal_basis=number(verdict.basis or 0),
            regime=verdict.regime,
            position=evidence,
            consistency_token=self._token(position),
        )
        if verdict.valid_until_us is not None:
            stamp(answer.valid_until, verdict.valid_until_us)
        return answer

    async def batch(self, r: cs.BatchCheckConsentRequest) -> cs.BatchCheckConsentResponse:
        """Many decisions from one snapshot, in the order asked."""
        tenant, items = r.tenant, r.items
        await self._catalogues.require(tenant)
        questions, new = await self._questions(tenant, items)
        found = await self._read(questions)
        if stale := [n for n, f in enumerate(found) if f.flags and erased(f.flags)]:
            self._directory.forget(tenant, [items[n].subject for n in stale])
            questions, new = await self._questions(tenant, items)
            found = await self._read(questions)
        for n, name, known in new:
            if known is not None and lasting(found[n].flags):
                self._directory.remember(tenant, *name, known)
        position = found[0].position
        if r.consistency.WhichOneof("requirement") == "at_least_as_fresh":
            self.require_fresh(r.consistency, position)
        catalogue = await self._catalogues.at_least(tenant, found[0].catalogue_version)
        now_us = self._clock()
        answer = cs.BatchCheckConsentResponse(consistency_token=self._token(position))
        add, verdict_of = answer.results.add, self._verdicts.of
        for item, (_, _, purpose), f in zip(items, questions, found, strict=True):
            verdict, evidence = verdict_of(catalogue, purpose, item.jurisdiction, f, now_us)
            basis: Any = verdict.basis or 0
            why: Any = verdict.why
            state: Any = verdict.state
            decision = ty.DECISION_ALLOWED if verdict.allowed else ty.DECISION_NOT_ALLOWED
            result = add(decision=decision, reason=why, state=state, legal_basis=basis, position=evidence)
            if verdict.valid_until_us is not None:
                stamp(result.valid_until, verdict.valid_until_us)
        lone = [(n, name, known) for n, name, known in new if found[n].flags is None]
        if lone:
            await self._apply_refusals(tenant, catalogue, items, lone, answer)
        return answer

    async def _apply_refusals(
        self,
        tenant: str,
        catalogue: Catalogue,
        items: Sequence[cs.CheckItem],
        lone: Sequence[_New],
        answer: cs.BatchCheckConsentResponse,
    ) -> None:
        """Decide anew about those without events whose identifiers had refused something before an erasure."""
        kept = {name: unpack(known.refusals) for _, name, known in lone if known is not None and known.refusals}
        kept |= await self._directory.keeping.of(tenant, [name for _, name, known in lone if known is None])
        for n, name, _ in lone:
            if name in kept:
                purpose, place = items[n].purpose, items[n].jurisdiction
                verdict = self._verdicts.decide(catalogue, purpose, place, [kept[name].state()], self._clock())
                answer.results[n].CopyFrom(_result(self._answer(verdict, 0, 0)))

    async def _questions(self, tenant: str, items: Sequence[cs.CheckItem]) -> tuple[list[Question], list[_New]]:
        """The questions of a batch, and what was looked up now.

        An identifier that is remembered was checked when it was first seen.
        """
        remembered = self._directory.remembered
        questions: list[Question] = []
        missing: list[tuple[int, tuple[str, str]]] = []
        for item in items:
            subject = item.subject
            namespace, id = subject.namespace, subject.id
            known = remembered(tenant, namespace, id)
            if known is None:
                checks.subject(subject, "items.subject")
                missing.append((len(questions), (namespace, id)))
                questions.append((tenant, NOBODY, item.purpose))
            else:
                questions.append((tenant, known.person, item.purpose))
        if not missing:
            return questions, []
        found = await self._directory.find(tenant, [name for _, name in missing])
        new = [(n, name, there) for (n, name), there in zip(missing, found, strict=True)]
        for n, _, there in new:
            if there is not None:
                questions[n] = (tenant, there.person, questions[n][2])
        return questions, new

    def require_fresh(self, consistency: ty.Consistency, position: int) -> None:
        """TOKEN_AHEAD when the caller's token is ahead of what was read."""
        if position_of(consistency.at_least_as_fresh, SERVICE, self._epoch) > position:
            raise LedgerError(Reason.TOKEN_AHEAD)

    def _token(self, position: int) -> str:
        """The token for a position; the last one made is kept, since many answers share it."""
        if position != self._newest[0]:
            self._newest = (position, token(SERVICE, self._epoch, position))
        return self._newest[1]

    async def _recent(self, question: Question) -> Found:
        """Rows read within the bound before this moment, else fresh ones. Absence of a person is never remembered."""
        now = boot_clock()
        kept = self._remembered.get(question)
        if kept is not None and now - kept.asked <= self._staleness:
            return kept.found
        found = await self._ask(question)
        if question[1] is not NOBODY:
            while len(self._remembered) >= 50_000:
                del self._remembered[next(iter(self._remembered))]
            self._remembered.pop(question, None)
            self._remembered[question] = _Remembered(found, now)
        return found


def _result(answer: cs.CheckConsentResponse) -> cs.CheckResult:
    """One result of a batch."""
    result = cs.CheckResult(
        decision=answer.decision, reason=answer.reason, state=answer.state, legal_basis=answer.legal_basis
    )
    if answer.HasField("valid_until"):
        result.valid_until.CopyFrom(answer.valid_until)
    return result
