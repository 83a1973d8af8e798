"""CheckConsent and BatchCheckConsent: from a checked request to a decision.

- Linearizable by default: the rows are read from the store that holds the truth, in a query that starts after the call.
- `minimize_latency` may answer from memory, from rows read no longer ago than the stated bound, by a clock that goes on
  while the process is stopped.
- An unknown tenant, purpose or place is an error. Nothing is ALLOWED for want of an answer.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from consentledger.errors import LedgerError, Reason
from consentledger.regimes.model import Regimes
from consentledger.store.keystore import Known
from consentledger.store.ledger import Store
from consentledger.store.token import position_of, token
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty
from services.consent import checks
from services.consent.application import SERVICE
from services.consent.catalogues import Catalogues
from services.consent.coalescer import Coalescer
from services.consent.directory import Directory
from services.consent.domain.decision import Verdict
from services.consent.domain.state import PersonState
from services.consent.past import FOR_EVER, catalogue_at, persons_at
from services.consent.projection.reading import Found, Question, read
from services.consent.verdicts import Verdicts
from services.consent.wire import micros, number, stamp

NOBODY = b""
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
    ) -> None:
        self._store = store
        self._directory = directory
        self._catalogues = catalogues
        self._clock = clock
        self._epoch = epoch
        self._staleness = staleness_seconds
        self._verdicts = Verdicts(regimes)
        self._newest = (-1, "")
        self._remembered: dict[Question, _Remembered] = {}
        coalescer: Coalescer[Question, Found] = Coalescer(lambda questions: read(store, questions))
        self._ask = coalescer.ask

    async def check(self, r: cs.CheckConsentRequest) -> cs.CheckConsentResponse:
        """One decision, now or at a past moment."""
        subject = r.subject
        known = remembered = self._directory.remembered(r.tenant, subject.namespace, subject.id)
        if known is None:
            await self._catalogues.require(r.tenant)
            known = (await self._directory.find(r.tenant, [(subject.namespace, subject.id)]))[0]
        question = (r.tenant, NOBODY if known is None else known.person, r.purpose)
        if r.HasField("as_of") or r.HasField("known_at"):
            return await self._past(r, question)
        requirement = r.consistency.WhichOneof("requirement")
        if requirement == "minimize_latency" and r.consistency.minimize_latency:
            found = await self._recent(question)
        else:
            found = await self._ask(question)
        if requirement == "at_least_as_fresh":
            self.require_fresh(r.consistency, found.position)
        if remembered is None and known is not None and found.flags is not None:
            self._directory.remember(r.tenant, subject.namespace, subject.id, known)
        catalogue = await self._catalogues.at_least(r.tenant, found.catalogue_version)
        verdict, evidence = self._verdicts.of(catalogue, r.purpose, r.jurisdiction, found, self._clock())
        return self._answer(verdict, evidence, found.position)

    async def _past(self, r: cs.CheckConsentRequest, question: Question) -> cs.CheckConsentResponse:
        """A decision about a past moment; the future is an error."""
        clock_us, head = self._clock(), await self._store.head()
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
        found = await read(self._store, questions)
        for n, name, known in new:
            if found[n].flags is not None:
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
        return answer

    async def _questions(
        self, tenant: str, items: Sequence[cs.CheckItem]
    ) -> tuple[list[Question], list[tuple[int, tuple[str, str], Known]]]:
        """The questions of a batch, and (number, name, person) of those found now.

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
        new = []
        if missing:
            found = await self._directory.find(tenant, [name for _, name in missing])
            for (n, name), there in zip(missing, found, strict=True):
                if there is not None:
                    questions[n] = (tenant, there.person, questions[n][2])
                    new.append((n, name, there))
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
