"""Events of a log put back, verbatim, behind those that a restored database holds. All of them, or none.

- They are appended in one transaction. It commits only when the tree is the one that was signed: the guard's, or, for
  a part, that of a checkpoint which this log's own key has signed. So it does not matter who kept the copy.
- What is projected from them is written in the same transaction: a log that is whole never has tables that are not.
- The copy may hold the start of a new epoch: the log then takes that name, and its guard decides.
- A ciphertext may be missing only where the person is erased. One that is there must be the one that its leaf names.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from google.protobuf.message import DecodeError

from consentledger.crypto.provider import KeyProvider
from consentledger.store.commands import FORMAT
from consentledger.store.dialects import among
from consentledger.store.guard import CLOSED, Guard, Guarded
from consentledger.store.ledger import Entry, Store, StoreUnavailable, Transaction
from consentledger.store.logtree import LogTree
from consentledger.store.newepoch import STARTED
from consentledger.store.notary import signer_of, vkey_of
from consentledger.store.prover import Prover
from consentledger.store.signedlog import add_name, names
from consentledger.tlog.checkpoint import CheckpointError, parse_checkpoint
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.note import NoteError, VerifierKey, open_note
from consentledger.v1.events_pb2 import LedgerEntry

AT_ONCE = 1_000
ERASED, DESTROYED = "subject.erased.v1", "key.destroyed.v1"
_EPOCH = "UPDATE log_head SET epoch = $1"
_LEFT = (
    "SELECT DISTINCT e.stream FROM event d JOIN event e ON e.stream = d.stream "
    "WHERE d.type = $1 AND e.ciphertext IS NOT NULL"
)


class CannotResync(StoreUnavailable):
    """The copy does not lead to what was signed. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Where events come from."""

    vkeys: Sequence[str]
    """Of every name that the log has had, the newest last."""
    checkpoint: bytes
    """A signed note over all of the copy."""
    last: int
    events: Iterable[tuple[int, bytes, bytes | None]]
    """(position, leaf, ciphertext), ascending, from the first position that is missing or an earlier one."""


@dataclass(frozen=True, slots=True)
class Resynced:
    """What was done."""

    before: int
    after: int
    signed: int
    """How many events were ever signed."""


class _Appending:
    """The log, growing inside the transaction."""

    def __init__(self, tx: Transaction, tree: LogTree, origins: list[str], provider: KeyProvider) -> None:
        self._tx = tx
        self._tree = tree
        self._provider = provider
        self.origins = origins
        self.touched: set[bytes] = set()
        """Streams that were added to."""
        self.without: dict[bytes, int] = {}
        """Streams with a ciphertext that is not there -> where first."""
        self._waiting: list[Entry] = []

    @property
    def size(self) -> int:
        """How many events there are."""
        return self._tree.size + len(self._waiting)

    async def add(self, position: int, leaf: bytes, ciphertext: bytes | None, copy: Copy) -> None:
        """The next event."""
        entry = _entry(position, leaf, ciphertext)
        named = LedgerEntry.FromString(leaf)
        if ciphertext is None:
            if named.ciphertext_sha256:
                self.without.setdefault(entry.stream, position)
        elif hashlib.sha256(ciphertext).digest() != named.ciphertext_sha256:
            raise CannotResync(f"the copy's ciphertext at position {position} is not the one that its leaf names")
        self._waiting.append(entry)
        self.touched.add(entry.stream)
        if entry.type == STARTED:
            await self._new_epoch(named, copy)
        if len(self._waiting) >= AT_ONCE:
            await self.flush()

    async def flush(self) -> Guarded:
        """Write what waits; the tree then."""
        if self._waiting:
            grown = self._tree.grow([leaf_hash(entry.leaf) for entry in self._waiting])
            head = replace(
                self._tx.head,
                position=self.size, recorded_us=self._waiting[-1].recorded_us, root=grown.root, edge=grown.edge.pack(),
            )  # fmt: skip
            await self._tx.append(self._waiting, (), head, grown.hashes, grown.tiles)
            self._tree.adopt(grown)
            self._waiting = []
        return Guarded(self._tree.size, self._tree.now.root)

    async def _new_epoch(self, named: LedgerEntry, copy: Copy) -> None:
        """The log has gone on under a new name: the next of those in the copy."""
        started = named.header.log_epoch_started
        try:
            known = [VerifierKey.parse(vkey).name for vkey in copy.vkeys]
        except NoteError:
            raise CannotResync("the copy's verifier keys cannot be read") from None
        if started.old_origin != self.origins[-1] or len(known) <= len(self.origins):
            raise CannotResync("the copy goes on from another log than this one")
        origin = known[len(self.origins)]
        if copy.vkeys[len(self.origins)] != vkey_of(self._provider, origin):
            raise CannotResync("the copy goes on under a name that this keyring did not give")
        await add_name(self._tx, self._provider, len(self.origins) + 1, origin)
        self.origins.append(origin)


async def resync(
    store: Store,
    provider: KeyProvider,
    guard: Guard,
    copies: Sequence[Copy],
    *,
    partial: bool = False,
    project: Callable[[Transaction, Sequence[bytes]], Awaitable[None]],
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Resynced:
    """Append what is missing. Nobody else may have the store open. With `partial`, as far as the copies reach.

    `project(tx, streams)` brings the tables up to date with the streams that were added to.

    Raises CannotResync, NotAsSigned when the rows are not what the log's own head says, StoreUnavailable.
    """
    tree = LogTree()
    async with store.write() as tx:
        origins = await names(tx, provider)
        if not origins:
            raise CannotResync("this log has never signed anything")
        await tree.load(tx.fetch, store.dialect, tx.head)
        before, end = tree.size, _end(copies[-1], provider)
        kept = await guard.read(end.origin)
        if kept == CLOSED:
            raise CannotResync("this log goes on under a new name: take a copy of it as it is now")
        if kept is None and not partial:
            raise CannotResync("the guard knows nothing of this log; with --partial its own signature counts")
        signed = kept if kept is not None else Guarded(end.size, end.root)
        if before >= signed.size and end.origin == origins[-1]:
            if (await Prover(store, tree).edge(signed.size)).root() != signed.root:
                raise CannotResync("the database holds another history than the one that was signed")
            return Resynced(before, before, signed.size)
        target = signed
        if copies[-1].last < signed.size:
            if not partial:
                raise CannotResync(f"{signed.size} events were signed, and the copy ends at {copies[-1].last}")
            if copies[-1].last != end.size:
                raise CannotResync("the copy ends before its checkpoint: a part must be an export up to its end")
            target = Guarded(end.size, end.root)
        appending = _Appending(tx, tree, origins, provider)
        for copy in copies:
            for position, leaf, ciphertext in copy.events:
                if position > target.size:
                    continue
                if position == appending.size + 1:
                    await appending.add(position, leaf, ciphertext, copy)
                    progress(position - before, target.size - before)
                elif position > appending.size + 1:
                    raise CannotResync(f"the copy begins at {position}, and {appending.size} events are there")
        if await appending.flush() != target or appending.origins[-1] != end.origin:
            raise CannotResync("database and copy together are not what was signed: one of them holds another history")
        await _refuse_missing(tx, store, appending.without)
        await project(tx, sorted(appending.touched))
        await tx.executemany(_EPOCH, [(int(end.origin.rsplit("/", 1)[1], 16),)])
        # The commit point: before it nothing was changed, after it the log is what was signed.
    return Resynced(before, target.size, signed.size)


async def left_sealed(store: Store) -> list[bytes]:
    """Persons whose key is destroyed, says the log, and of whom something sealed is there: it came with the backup."""
    async with store.write() as tx:
        return [row[0] for row in await tx.fetch(_LEFT, DESTROYED)]


async def _refuse_missing(tx: Transaction, store: Store, without: dict[bytes, int]) -> None:
    streams = list(without)
    for start in range(0, len(streams), AT_ONCE):
        some = streams[start : start + AT_ONCE]
        condition, args = among(store.dialect, "stream", 2, some)
        rows = await tx.fetch(f"SELECT stream FROM event WHERE type = $1 AND {condition}", ERASED, *args)
        if lacking := set(some) - {bytes(row[0]) for row in rows}:
            first = min(without[stream] for stream in lacking)
            raise CannotResync(f"the copy lacks a ciphertext at position {first}, and nobody is erased there")


@dataclass(frozen=True, slots=True)
class _End:
    origin: str
    size: int
    root: bytes


def _end(copy: Copy, provider: KeyProvider) -> _End:
    """The copy's checkpoint, which a key of ours must have signed."""
    try:
        origin = copy.checkpoint.split(b"\n", 1)[0].decode()
        checkpoint = parse_checkpoint(open_note(copy.checkpoint, [signer_of(provider, origin).verifier]).text)
    except (NoteError, CheckpointError, UnicodeDecodeError):
        raise CannotResync("the copy's checkpoint is not signed by this log's key") from None
    return _End(checkpoint.origin, checkpoint.size, checkpoint.root)


def _entry(position: int, leaf: bytes, ciphertext: bytes | None) -> Entry:
    try:
        named = LedgerEntry.FromString(leaf)
    except DecodeError:
        raise CannotResync(f"the copy's leaf at position {position} cannot be read") from None
    if named.format != FORMAT or len(named.stream) != 16:
        raise CannotResync(f"the copy's leaf at position {position} is of a format that is not known here")
    recorded_us = named.recorded_at.seconds * 1_000_000 + named.recorded_at.nanos // 1000
    return Entry(position, named.tenant, named.stream, named.version, named.type, recorded_us, leaf, ciphertext)
