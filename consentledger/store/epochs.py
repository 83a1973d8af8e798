"""Under which epoch each person key is wrapped, wrapping them anew, and the fence in front of destroying an epoch.

The rules:

- `rewrap` runs while services do: each lot is one transaction, and a key is replaced only if it is still as it was
  read, so that a person removed meanwhile stays removed. A crash leaves some keys done; running it again does the rest.
- An epoch is destroyed in this order: raise the floor, count, destroy. From the floor on no process can add a key under
  an older epoch, also one whose keyring is not the newest; so a count of none stays one.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from consentledger.crypto.provider import KeyUnavailable, ProviderUnreachable
from consentledger.crypto.wrapped import epoch_of
from consentledger.store.database import Database
from consentledger.store.ledger import StoreUnavailable

FLOOR = "SELECT least FROM epoch_floor {shared}"
"""Opens a transaction that adds keys; its first row goes to `refuse_below`."""
AT_ONCE = 2_000
"""Keys in one page and in one transaction."""
UNKNOWN = 0
"""What is counted as the epoch of what is no wrapped key of a known format."""


class Held(NamedTuple):
    """A person's key as it is stored."""

    person: bytes
    tenant: str
    wrapped: bytes

    @property
    def epoch(self) -> int:
        """The epoch it is wrapped under, or UNKNOWN."""
        return _epoch(self.wrapped)


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What a run of `rewrap` did."""

    keys: int
    """Keys that were there."""
    rewrapped: int
    """Keys that were wrapped anew."""
    lost: int
    """Keys of older epochs that could not be opened, and were left as they are."""


class Epochs:
    """See the module's rules."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self) -> int:
        """How many keys there are."""
        return int((await self._database.scan("SELECT count(*) FROM person_key"))[0][0])

    async def pages(self) -> AsyncIterator[list[Held]]:
        """Every key once, by person; those added meanwhile may be missed."""
        after = b""
        while True:
            rows = await self._database.scan(
                "SELECT person, tenant, wrapped FROM person_key WHERE person > $1 ORDER BY person LIMIT $2",
                after, AT_ONCE,
            )  # fmt: skip
            if not rows:
                return
            after = rows[-1][0]
            yield [Held(*row) for row in rows]

    async def wrapped_under(self, progress: Callable[[int], None] = lambda done: None) -> dict[int, int]:
        """How many keys are wrapped under each epoch. `progress` is told how many were counted."""
        counts: dict[int, int] = {}
        async for page in self.pages():
            for held in page:
                counts[held.epoch] = counts.get(held.epoch, 0) + 1
            progress(sum(counts.values()))
        return dict(sorted(counts.items()))

    async def rewrap(
        self,
        current: int,
        again: Callable[[Held], bytes],
        progress: Callable[[int], None] = lambda done: None,
    ) -> Rewrapped:
        """Wrap every key of an epoch before `current` anew, and scrub what it was; see the module's rules.

        `again` gives the same key under the current epoch, or raises KeyUnavailable. On StoreUnavailable and
        ProviderUnreachable repeat it: only what is not done is done.
        """
        keys = rewrapped = lost = 0
        async for page in self.pages():
            changes: list[tuple[bytes, bytes, bytes]] = []
            for held in page:
                if held.epoch < current:
                    try:
                        changes.append((held.person, held.wrapped, again(held)))
                    except ProviderUnreachable:
                        raise
                    except KeyUnavailable:
                        lost += 1
            await self._replace(changes)
            keys, rewrapped = keys + len(page), rewrapped + len(changes)
            progress(keys)
        # Also when nothing was left to do: a crash may have come between a commit and this.
        await self._database.scrub(None)
        return Rewrapped(keys, rewrapped, lost)

    async def _replace(self, changes: Sequence[tuple[bytes, bytes, bytes]]) -> None:
        if changes:
            async with self._database.transaction("SELECT 1") as work:
                sql = "UPDATE person_key SET wrapped = $3 WHERE person = $1 AND wrapped = $2"
                await work.executemany(sql, changes)

    async def raise_floor(self, least: int) -> None:
        """Take in no more keys under epochs before `least`. Durable on return; never lowered; safe to repeat.

        Waits for those who are adding keys at the moment: what they added is committed when this returns.
        """
        async with self._database.transaction("SELECT 1") as work:
            await work.executemany("UPDATE epoch_floor SET least = $1 WHERE least < $1", [(least,)])


def refuse_below(least: int, wrapped: Iterable[bytes]) -> None:
    """Raise StoreUnavailable if one of these keys is wrapped under an epoch before `least`."""
    if least and any(_epoch(one) < least for one in wrapped):
        raise StoreUnavailable("the keyring here is not the newest: its epoch is being destroyed")


def _epoch(wrapped: bytes) -> int:
    try:
        return epoch_of(wrapped)
    except KeyUnavailable:
        return UNKNOWN
