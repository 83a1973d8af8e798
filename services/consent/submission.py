"""Acts about persons, from identifiers to a commit: whoever is new is made first, whoever is gone is made anew.

- What is remembered of an identifier may lead to somebody who has been erased since. The command finds that out while
  it holds the log's head; then the identifier is looked up again, and the act is a fresh person's.
- A request that was answered before its person was erased makes nobody: it is SUBJECT_ERASED.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consentledger.crypto.provider import KeyUnavailable, ProviderUnreachable
from consentledger.errors import LedgerError, Reason
from consentledger.regimes.model import Regimes
from consentledger.store.committer import Committed, Committer
from consentledger.store.ledger import RequestKey, Store
from consentledger.v1.types_pb2 import SubjectRef
from services.consent.commands import Act, Rule, Who
from services.consent.directory import Directory
from services.consent.keeping import unpack
from services.consent.memory import Aggregates
from services.consent.projection.erasures import answered

_TRIES = 3
"""A person may be erased again between two looks; nobody is three times in a row."""


@dataclass(frozen=True, slots=True)
class Submission:
    """See the module."""

    store: Store
    committer: Committer
    memory: Aggregates
    directory: Directory
    regimes: Regimes

    async def submit(self, tenant: str, subjects: Sequence[SubjectRef], rule: Rule, key: RequestKey) -> Committed:
        """Commit one act about these persons. The tenant must exist."""
        for left in reversed(range(_TRIES)):
            try:
                return await self._once(tenant, subjects, rule, key)
            except LedgerError as refusal:
                if refusal.reason is not Reason.SUBJECT_ERASED or not left:
                    raise
            except ProviderUnreachable:
                raise
            except KeyUnavailable:  # perhaps since the key was destroyed, and the identifier is a stale one
                if not left:
                    raise
            self.directory.forget(tenant, subjects)
        raise AssertionError("unreachable")

    async def _once(self, tenant: str, subjects: Sequence[SubjectRef], rule: Rule, key: RequestKey) -> Committed:
        async def not_of_somebody_gone() -> None:
            before = await answered(self.store, tenant, key.method, key.request_id)
            if before is not None and not before[1]:
                raise LedgerError(Reason.SUBJECT_ERASED)

        known = await self.directory.ensure(tenant, subjects, not_of_somebody_gone)
        who = [
            Who(k.person, self.directory.key(tenant, k), subject, unpack(k.refusals) if k.refusals else None)
            for k, subject in zip(known, subjects, strict=True)
        ]
        committed = await self.committer.submit(Act(self.memory, self.regimes, tenant, who, rule, key))
        if committed.wrote:
            for k, s in zip(known, subjects, strict=True):
                self.directory.remember(tenant, s.namespace, s.id, k)
        return committed
