"""The process that ends an erasure, once `EraseSubject` has begun it: from recorded step to recorded step.

1. *tell*: wait until every recipient has enforced, cannot or need not, or until the time for it is over.
2. *destroy*: in one transaction of the key store the wrapped keys and identifiers go, and refusals that outlive them
   are kept, with what became of telling. From here on nothing that was sealed can be opened, in any store or backup
   of one that is younger than the backups of the key store.
3. *clean*: ciphertexts are removed from the log, and what this process remembers is dropped.
4. *attest*: `KeyDestroyed` is committed for everybody of the group at once; rows and answers about them go with it.

- Each step looks at what is there and may be done again, by this process or another, at once or after a crash. What is
  open is found in the table `erasure`, so that any replica goes on where another stopped.
- Every replica drops what it remembers of a person in the first round that sees the erasure, and again at its end.
- A round that fails is followed by the next. An erasure that waits is looked at less and less often.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from google.protobuf.message import Message

from consentledger import journal
from consentledger.errors import LedgerError, Reason
from consentledger.regimes.model import Regimes
from consentledger.store.committer import Committer
from consentledger.store.erased import Destroyed, Order
from consentledger.store.keystore import KeyStore
from consentledger.store.ledger import Entry, Store
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from services.consent.commands import Act, Scene, Who
from services.consent.directory import Directory
from services.consent.domain import erasure, refusals
from services.consent.domain.erasure import SubjectErased
from services.consent.keeping import pack
from services.consent.memory import Aggregates
from services.consent.past import catalogue_at
from services.consent.projection.erasures import Part, ended, open_parts
from services.consent.recipients import UNREACHABLE, Outcome, Recipients, Unreachable
from services.consent.wire import number

STEPS = ("tell", "destroy", "clean", "attest", "done")
"""What is announced before each step, and after the last."""
CLEANED = ("keystore", "log.ciphertexts", "memory")
DAY_US = 86_400_000_000
_PAGE = 500
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 60.0
_AT_ONCE = 16
_log = journal.get("eraser")


@dataclass(slots=True)
class _Waiting:
    """When an open erasure is looked at again."""

    due: float
    delay: float


class Eraser:
    """See the module's rules. `at_step` is told each step as it begins; what it raises ends that try."""

    def __init__(
        self,
        store: Store,
        keystore: KeyStore,
        committer: Committer,
        memory: Aggregates,
        directory: Directory,
        regimes: Regimes,
        recipients: Recipients,
        clock: Callable[[], int],
        *,
        every_seconds: float,
        backup_days: int,
        at_step: Callable[[str], None] = lambda step: None,
    ) -> None:
        self._store = store
        self._keystore = keystore
        self._committer = committer
        self._memory = memory
        self._directory = directory
        self._regimes = regimes
        self._recipients = recipients
        self._clock = clock
        self._every = every_seconds
        self._backup_us = backup_days * DAY_US
        self._at_step = at_step
        self._seen = -1
        self._waiting: dict[bytes, _Waiting] = {}
        self._scrubbed: set[bytes] = set()
        """Open erasures whose keys this process knows to be gone from the files too."""
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sweep."""
        self._task = asyncio.create_task(self._run(), name="eraser")

    async def close(self) -> None:
        """Stop, also inside a step."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self, entries: Sequence[Entry]) -> None:
        """After a commit: look now, if an erasure has begun."""
        if any(entry.type == SubjectErased.TOPIC for entry in entries):
            self._woken.set()

    async def sweep(self) -> int:
        """Bring every open erasure that is due as far as it goes; how many ended. Raises what the last failed with."""
        parts, after = [], 0
        while page := await open_parts(self._store, after, _PAGE):
            parts += page
            after = page[-1].erasing.position
        groups: dict[bytes, list[Part]] = {}
        for part in parts:
            groups.setdefault(part.erasing.id, []).append(part)
        await self._forget([part.person for part in parts if part.erasing.id not in self._waiting])
        self._scrubbed &= groups.keys()
        self._waiting = {id: self._waiting.get(id) or _Waiting(0.0, _FIRST_WAIT) for id in groups}
        now = monotonic()
        due = [group for id, group in groups.items() if self._waiting[id].due <= now]
        ends: list[bool | BaseException] = []
        for at in range(0, len(due), _AT_ONCE):
            some = due[at : at + _AT_ONCE]
            for waiting in (self._waiting[group[0].erasing.id] for group in some):
                waiting.due, waiting.delay = now + waiting.delay, min(2 * waiting.delay, _LONGEST_WAIT)
            # One that fails must not hold up the others.
            ends += await asyncio.gather(*map(self.advance, some), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        return sum(end is True for end in ends)

    async def advance(self, group: Sequence[Part]) -> bool:
        """Go on with one erasure; whether it ended."""
        first, persons = group[0], [part.person for part in group]
        destroyed = await self._keystore.erased.of(first.erasing.id)
        if not destroyed:
            self._at_step("tell")
            told = await self._told(group)
            if told is None:
                return False
            self._at_step("destroy")
            order = Order(first.tenant, first.erasing.id, told, await self._refusals(group))
            # What follows can be done again as often as need be; this is where the way back ends.
            destroyed = await self._keystore.erased.destroy(order, self._clock())
        elif first.erasing.id not in self._scrubbed:
            await self._keystore.erased.scrub()
        self._scrubbed.add(first.erasing.id)
        self._at_step("clean")
        await self._store.erase_ciphertexts(persons)
        await self._directory.forget_persons(persons)
        self._at_step("attest")
        await self._attest(first.tenant, destroyed)
        await self._store.erase_ciphertexts(persons)  # of reads that were recorded meanwhile
        self._at_step("done")
        return True

    async def _told(self, group: Sequence[Part]) -> dict[bytes, bytes] | None:
        """Person -> what became of telling about them; None while there is somebody to wait for."""
        late = self._clock() >= max(part.erasing.until_us for part in group)
        told: dict[bytes, bytes] = {}
        for part in group:
            outcomes: Sequence[Outcome] = (UNREACHABLE,)
            try:
                found = await self._recipients.told(part.tenant, part.erasing.position)
                outcomes = found.outcomes()
                if not (found.everybody or late):
                    return None
            except Unreachable:
                if not late:
                    return None
            told[part.person] = write_outcomes(outcomes)
        return told

    async def _refusals(self, group: Sequence[Part]) -> dict[bytes, str | None]:
        """For each identifier of the group what is kept, as things and the catalogue stood at the beginning."""
        tenant, persons = group[0].tenant, [part.person for part in group]
        started_us = min(part.erasing.started_us for part in group)
        catalogue = await catalogue_at(self._store, tenant, started_us, started_us)
        folded = Aggregates()
        folded.absorb(await self._store.streams(persons))
        states = [found.state for person in persons if (found := folded.person(person)) is not None]
        assert catalogue is not None and len(states) == len(persons), "an erasure of somebody who has no events"
        kept = refusals.kept(catalogue, self._regimes, states, started_us)
        text = None if kept is None else pack(kept)
        return dict.fromkeys(await self._directory.refusal_blinds(tenant, persons), text)

    async def _attest(self, tenant: str, destroyed: Sequence[Destroyed]) -> None:
        def rule(scene: Scene) -> Message:
            for index, gone in enumerate(destroyed):
                erasure.attest(
                    scene.person(index),
                    scene.at,
                    key_id=gone.key_id,
                    key_epoch=gone.key_epoch,
                    destroyed_us=gone.destroyed_us,
                    cleaned=CLEANED,
                    backups_until_us=gone.destroyed_us + self._backup_us,
                    recipients=tuple(read_outcomes(gone.kept)),
                )
            return cs.GetErasureResponse()

        who = [Who(gone.person, None, None) for gone in destroyed]
        try:
            await self._committer.submit(Act(self._memory, self._regimes, tenant, who, rule, None))
        except LedgerError as refusal:
            if refusal.reason is not Reason.SUBJECT_ERASED:  # else another replica was faster
                raise

    async def _forget(self, begun: Sequence[bytes]) -> None:
        """Remember nobody whose erasure was met for the first time, or has ended since the last round."""
        if self._seen < 0:
            self._seen = (await self._store.head()).position  # what this process remembers is younger than itself
        gone = list(begun)
        while page := await ended(self._store, self._seen, _PAGE):
            gone += [person for person, _ in page]
            self._seen = page[-1][1]
        if gone:
            await self._directory.forget_persons(gone)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                if done := await self.sweep():
                    _log.info("erased", count=done)
            except Exception as error:  # whatever it is: the next round must come
                _log.error("erasure failed", exception=type(error).__name__)
            soonest = min((waiting.due for waiting in self._waiting.values()), default=monotonic() + self._every)
            try:
                async with asyncio.timeout(max(_FIRST_WAIT, min(self._every, soonest - monotonic()))):
                    await self._woken.wait()
            except TimeoutError:
                pass


def write_outcomes(outcomes: Sequence[Outcome]) -> bytes:
    """As the key store keeps them."""
    recipients = [ev.RecipientOutcome(downstream=d, state=number(state), reason=why) for d, state, why in outcomes]
    return ev.KeyDestroyed(recipients=recipients).SerializeToString(deterministic=True)


def read_outcomes(kept: bytes) -> list[Outcome]:
    """Back from there."""
    return [(o.downstream, int(o.state), o.reason) for o in ev.KeyDestroyed.FromString(kept).recipients]
