"""A log with its tree and its notary, opened so that it can be trusted: checked rows, a guard that agrees. SQL: names.

At start, inside one write transaction: the log gets its name if it has none, its tree if it is from before it had one,
the open part of the tree is made again from the rows, and the result is compared with the head and with the guard. A
log that is shorter than what was signed, or another, is refused (`NotAsSigned`): see docs/runbooks/log-behind-guard.md.
"""

import asyncio

from consentledger import journal
from consentledger.crypto.provider import KeyProvider
from consentledger.store.guard import CLOSED, BehindGuard, Guard, Guarded
from consentledger.store.ledger import Head, NotAsSigned, Store, StoreUnavailable, Transaction
from consentledger.store.logtree import Growth, LogTree, LogWentBack, plant
from consentledger.store.notary import Notary, Signed, vkey_of
from consentledger.store.prover import Prover
from consentledger.tlog.hashing import EMPTY_ROOT

WATCH_SECONDS = 5.0
"""How often the guard is looked at, also while nothing is written."""
DEFAULT_NAME = "consent-ledger.local"
_NAMES = "SELECT origin, vkey FROM log_name ORDER BY number"
_NAME = "INSERT INTO log_name (number, origin, vkey) VALUES ($1, $2, $3)"
_PLANT = "UPDATE log_head SET root = $1, edge = $2"
_journal = journal.get("log")
_TILE = "INSERT INTO tile (level, number, hashes) VALUES ($1, $2, $3)"


def origin_of(name: str, service: str, epoch: int) -> str:
    """The name of a log: where it is, whose it is, and which one, `ledger.example/consent/0123456789abcdef`."""
    return f"{name}/{service}/{epoch:016x}"


class SignedLog:
    """See the module's rules. Made by `open`."""

    def __init__(self, service: str, store: Store, epoch: int, tree: LogTree) -> None:
        self.service = service
        self.epoch = epoch
        self.store = store
        self.tree = tree
        self.prover = Prover(store, tree)
        self.notary: Notary
        self._watch: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, store: Store, service: str, provider: KeyProvider, guard: Guard, name: str) -> "SignedLog":
        """Open the log of `store`. Raises NotAsSigned, or StoreUnavailable when store or guard cannot be reached."""
        async with store.write() as tx:  # nobody else moves the guard of this log meanwhile: that comes after a commit
            origins, head = await names(tx, provider), tx.head
            if not origins:
                origins = [origin_of(name, service, head.epoch)]
                await guard.advance(origins[0], Guarded(0, EMPTY_ROOT))
                await add_name(tx, provider, 1, origins[0])
            if head.position and not head.edge:
                head = await _plant(tx)
            log = cls(service, store, head.epoch, LogTree())
            await log.tree.load(tx.fetch, store.dialect, head)
            kept = await guard.read(origins[-1])
            await log._agrees(kept)
        log.notary = Notary(origins, provider, guard, kept, log._continues)
        for old in origins[:-1]:
            await guard.advance(old, CLOSED)
        await log.notary.cover(Guarded(log.tree.size, log.tree.now.root))
        log._watch = asyncio.create_task(log._look_now_and_then(), name=f"{service} guard")
        return log

    async def follow(self, tx: Transaction) -> None:
        """Bring the tree up to the head of an open transaction. NotAsSigned when nothing may be written on it."""
        self.notary.require_sound()
        self._same(tx.head)
        await self.tree.follow(tx.fetch, tx.head)

    def committed(self, growth: Growth) -> "asyncio.Future[None]":
        """Take over a tree that was committed. The future is done when it may be spoken of."""
        self.tree.adopt(growth)
        return self.notary.cover(Guarded(growth.edge.size, growth.root))

    async def checkpoint(self) -> Signed:
        """The newest tree of the log, over all replicas, signed."""
        await self._catch_up()
        await self.notary.cover(Guarded(self.tree.size, self.tree.now.root))
        return self.notary.checkpoint()

    def floor(self) -> int:
        """What every read from now on must have reached. NotAsSigned when nothing may be answered any more."""
        self.notary.require_sound()
        return self.notary.covered

    async def close(self) -> None:
        """Finish what is under way. Store and guard belong to the caller."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self.notary.close()

    async def _catch_up(self) -> None:
        floor = self.floor()
        head = await self.store.head()
        self._same(head)
        if head.position < floor:
            raise LogWentBack(f"{floor} events were signed, and the database holds {head.position}")
        if head.position > self.tree.size:
            await self.tree.follow(self.store.read, head)

    async def _continues(self, kept: Guarded | None) -> None:
        """Raise BehindGuard unless the log is the guard's, or a later one, with what other replicas have written."""
        if kept is not None and kept != CLOSED and kept.size > self.tree.size:
            await self._catch_up()
        await self._agrees(kept)

    async def _agrees(self, kept: Guarded | None) -> None:
        """Raise BehindGuard unless the tree is the guard's, or a later one of the same log."""
        if kept is None:
            raise BehindGuard("the checkpoint guard knows nothing of this log: it is lost, or not the right one")
        if kept == CLOSED:
            raise BehindGuard("this log goes on under a new name: the database is from before that")
        if kept.size > self.tree.size:
            raise BehindGuard(f"{kept.size} events were signed, and the database holds {self.tree.size}")
        if (await self.prover.edge(kept.size)).root() != kept.root:
            raise BehindGuard(f"the first {kept.size} events are not those that were signed")

    async def _look_now_and_then(self) -> None:
        """An idle process, too, must notice that its database was put back, and stay near the others."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self._catch_up()
                await self.notary.watch()
            except NotAsSigned as fault:
                _journal.error("log.not_as_signed", exception=type(fault).__name__)
            except StoreUnavailable as failure:
                _journal.warning("log.not_looked_at", exception=type(failure).__name__)

    def _same(self, head: Head) -> None:
        if head.epoch != self.epoch:
            raise NotAsSigned("the log goes on under a new name: restart")


async def born(tx: Transaction) -> int:
    """The epoch that the log began with: that of its first name. What is bound to the log stays bound to it."""
    rows = await tx.fetch(_NAMES)
    return int(rows[0][0].rsplit("/", 1)[1], 16) if rows else tx.head.epoch


async def names(tx: Transaction, provider: KeyProvider) -> list[str]:
    """The names that the log has had, the present one last. NotAsSigned if this keyring signs with other keys."""
    rows = await tx.fetch(_NAMES)
    if any(vkey != vkey_of(provider, origin) for origin, vkey in rows):
        raise NotAsSigned("the keyring is not the one that this log was signed with")
    return [origin for origin, _ in rows]


async def add_name(tx: Transaction, provider: KeyProvider, number: int, origin: str) -> None:
    """Give the log a further name."""
    await tx.executemany(_NAME, [(number, origin, vkey_of(provider, origin))])


async def _plant(tx: Transaction) -> Head:
    head, grown = await plant(tx.fetch, tx.head)
    await tx.executemany(_TILE, [(t.level, t.number, t.hashes) for t in grown.tiles])
    await tx.executemany(_PLANT, [(head.root, head.edge)])
    return head
