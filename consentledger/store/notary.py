"""Signs the trees of one log: those that are committed, and that the checkpoint guard has taken note of. No SQL here.

- The order is: COMMIT, the guard moves forward, then a signed note may leave the process and the reply goes out. A
  crash between any two leaves at worst a guard that is behind its log, which is harmless, and never one ahead of it.
- A step starts from what this process has shown its own tree to continue. Where the guard keeps anything else, that is
  shown first (`continues`), or the log is another: from then on this process writes, signs and answers nothing.
- Moves of the guard are shared: while one is under way, the newest tree committed meanwhile waits for the next.
- A guard that cannot be moved acknowledges nothing and signs nothing; what was committed stays, and is found again by
  repeating the request.
- The log's key is derived from the keyring's root secret and the log's name: another name is another key.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from consentledger.crypto.provider import KeyProvider
from consentledger.store.guard import BehindGuard, Guard, Guarded, GuardUnavailable
from consentledger.store.ledger import StoreUnavailable
from consentledger.tlog.checkpoint import Checkpoint
from consentledger.tlog.note import Ed25519Signer, sign_note

GUARD_SECONDS = 10.0
"""How long a step of the guard may take."""
MOST_WAITING = 64
"""Commits whose answers wait for the guard, before the next one waits too."""


def signer_of(provider: KeyProvider, origin: str) -> Ed25519Signer:
    """The signing key of the log of that name."""
    return Ed25519Signer(origin, provider.derive(f"log.key/{origin}"))


def vkey_of(provider: KeyProvider, origin: str) -> str:
    """Its verifier key (C2SP signed-note)."""
    return signer_of(provider, origin).verifier.vkey()


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed tree head."""

    size: int
    root: bytes
    note: bytes


@contextlib.asynccontextmanager
async def _bounded() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(GUARD_SECONDS):
            yield
    except TimeoutError:
        raise GuardUnavailable("the checkpoint guard does not answer") from None


class Notary:
    """See the module's rules."""

    def __init__(
        self,
        origins: Sequence[str],
        provider: KeyProvider,
        guard: Guard,
        known: Guarded | None,
        continues: Callable[[Guarded | None], Awaitable[None]],
    ) -> None:
        """`origins` are the names that the log has had, the one that it has now last. `known` is what the guard keeps,
        shown already; `continues` raises BehindGuard unless the log continues another tree that it keeps."""
        self.origin = origins[-1]
        self._signer = signer_of(provider, self.origin)
        self.vkeys = tuple(vkey_of(provider, origin) for origin in origins)
        self._guard = guard
        self._known = known
        self._continues = continues
        self.fault: BehindGuard | None = None
        """Why nothing is signed any more; only a restart, after somebody has looked, ends it."""
        self._wanted: Guarded | None = None
        self._covered: Guarded | None = None
        self._signed: Signed | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._moving: asyncio.Task[None] | None = None

    async def guarded(self) -> Guarded | None:
        """What the guard keeps."""
        return await self._guard.read(self.origin)

    async def watch(self) -> None:
        """Look whether the guard still keeps what we know, or what our log continues. Raises BehindGuard."""
        self.require_sound()
        async with _bounded():
            kept = await self._guard.read(self.origin)
        if kept not in (self._known, self._covered):
            await self._shown(kept)

    def require_sound(self) -> None:
        """Raise what was found wrong with the log, if anything was."""
        if self.fault is not None:
            raise self.fault

    @property
    def covered(self) -> int:
        """The size of the largest tree that may be signed."""
        return self._covered.size if self._covered is not None else -1

    def covers(self, size: int) -> bool:
        """Whether a tree of that size, or a larger one, may be signed already."""
        return self.covered >= size

    async def room(self) -> None:
        """Wait while too many commits wait for a guard that hangs."""
        while len(self._waiting) > MOST_WAITING:
            await asyncio.wait([self._waiting[0][1]])

    def cover(self, tree: Guarded) -> "asyncio.Future[None]":
        """Move the guard to a committed tree. Done when it may be signed; StoreUnavailable if it may not."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.fault is not None:
            future.set_exception(self.fault)
            return future
        if self.covers(tree.size):
            future.set_result(None)
            return future
        if self._wanted is None or self._wanted.size < tree.size:
            self._wanted = tree
        self._waiting.append((tree.size, future))
        if self._moving is None:
            self._moving = asyncio.create_task(self._move(), name="guard")
        return future

    def checkpoint(self) -> Signed:
        """The newest tree that may be signed, signed. StoreUnavailable before there is one."""
        self.require_sound()
        tree = self._covered
        if tree is None:
            raise StoreUnavailable("nothing was committed yet that could be signed")
        if self._signed is None or self._signed.size != tree.size:
            note = sign_note(Checkpoint(self.origin, tree.size, tree.root).text(), [self._signer])
            self._signed = Signed(tree.size, tree.root, note)
        return self._signed

    async def close(self) -> None:
        """Wait for what is under way. The guard belongs to the caller."""
        if self._moving is not None:
            await asyncio.wait([self._moving], timeout=GUARD_SECONDS)

    async def _shown(self, kept: Guarded | None) -> None:
        """Show that the log continues what the guard keeps, or give up for good."""
        try:
            await self._continues(kept)
        except BehindGuard as fault:
            self.fault = fault
            raise
        self._known = kept

    async def _move(self) -> None:
        try:
            while self._waiting and (tree := self._wanted) is not None:
                async with _bounded():
                    kept = await self._guard.move(self.origin, self._known, tree)
                if kept == tree:
                    self._known = tree
                else:
                    await self._shown(kept)
                    if kept is None or kept.size < tree.size:
                        continue
                self._covered = tree
                done = [future for size, future in self._waiting if size <= tree.size]
                self._waiting = [waiting for waiting in self._waiting if waiting[0] > tree.size]
                for future in done:
                    if not future.done():
                        future.set_result(None)
        except BaseException as error:
            failed, self._waiting = self._waiting, []
            for _, future in failed:
                if not future.done():
                    future.set_exception(error if isinstance(error, Exception) else StoreUnavailable("stopped"))
            if not isinstance(error, Exception):
                raise
        finally:
            self._moving = None
