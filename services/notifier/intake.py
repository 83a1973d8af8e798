"""Follows the consent service's log, by the stream LEDGER or else by the service itself, and makes obligations.

- Entries are taken in order. Those that arrived together are one transaction, and how far we came is part of it: the
  position is in our database and is not NATS's to know.
- Persons who were erased are noted for `purges` before the position moves past them.
- Whatever fails comes again; nothing is skipped. Taking an entry twice makes no second obligation.
- Where the stream goes on behind our position (aged out, wiped, made again), the missing entries are read from the
  service first.
"""

from collections.abc import Sequence
from itertools import islice

from consentledger.bus.connection import Bus
from consentledger.bus.errors import BusError
from consentledger.bus.follow import LogFollower
from consentledger.bus.message import Message
from consentledger.bus.streams import stream_state
from consentledger.journal import Journal
from consentledger.store.committer import Committer
from consentledger.store.ledger import Store
from services.notifier.commands import TakeRevocations
from services.notifier.domain.revocation import Revocation, due
from services.notifier.identifiers import Identifiers
from services.notifier.memory import Aggregates
from services.notifier.projection import carry
from services.notifier.purges import Purges, ended_in
from services.notifier.replay import WINDOW, LedgerReader
from services.notifier.revocations import UnknownEntry, revocation_of

STREAM = "LEDGER"
_BATCH = 256
_MOST_AHEAD = 1_000


class Intake:
    """Made with everything it needs; `start` begins, `stop` ends at once, also inside a batch."""

    def __init__(
        self,
        bus: Bus,
        store: Store,
        memory: Aggregates,
        committer: Committer,
        ledger: LedgerReader,
        identifiers: Identifiers,
        purges: Purges,
        journal: Journal,
    ) -> None:
        self._bus = bus
        self._store = store
        self._memory = memory
        self._committer = committer
        self._ledger = ledger
        self._identifiers = identifiers
        self._purges = purges
        self._journal = journal
        self._position: int | None = None
        self.halted = False
        """Whether an entry cannot be read by this version: an operator must upgrade."""
        self._follower = LogFollower(
            bus,
            STREAM,
            "notifier",
            self._where,
            self._handle,
            behind=self._behind,
            batch=_BATCH,
            on_failure=self._failed,
        )

    @property
    def position(self) -> int:
        """The last position taken, 0 before it is known."""
        return self._position or 0

    async def start(self) -> None:
        """Begin, in the background."""
        await self._follower.start()

    async def stop(self) -> None:
        """End. What was handed to the committer is still committed or not at all."""
        await self._follower.stop()

    async def _where(self) -> int:
        """Our position, once everything before the stream's beginning is taken."""
        if self._position is None:
            self._position = (await carry.progress(self._store)).intake
        try:
            stream = await stream_state(self._bus, STREAM)
        except BusError:
            return self._position  # the follower meets the same, and waits
        if stream is not None:
            begins = stream.first if stream.messages else stream.last + 1
            if begins > self._position + 1:
                await self._behind(self._position, begins)
        return self._position

    async def _behind(self, position: int, first: int) -> None:
        """Take what lies between our position and the first that the stream has."""
        self._journal.warning("notifier.gap", position=position, count=first - position - 1)
        while self.position < first - 1:
            missing = min(WINDOW, first - 1 - self.position)
            entries = await self._ledger.entries(self.position, missing)
            rest = iter(entries)
            while some := list(islice(rest, _BATCH)):
                await self._take(some)
        self._journal.info("notifier.gap_closed", position=self.position)

    async def _handle(self, messages: list[Message]) -> None:
        await self._take([(message.stream_sequence, message.payload) for message in messages])

    async def _take(self, entries: Sequence[tuple[int, bytes]]) -> None:
        new = [(position, leaf) for position, leaf in entries if position > self.position]
        if not new:
            return
        revocations = [r for position, leaf in new if (r := revocation_of(position, leaf)) is not None]
        if revocations:
            self._expect(revocations)
            # Commit point: the obligations, their place in the order of sending, and our position. A crash before
            # it takes the same entries again; a crash after it sends what was made.
            await self._committer.submit(TakeRevocations(self._memory, revocations))
        if gone := [one for _, leaf in new if (one := ended_in(leaf)) is not None]:
            self._identifiers.forget()
            await self._purges.note(gone)
        self._position = new[-1][0]
        self.halted = False

    def _expect(self, revocations: Sequence[Revocation]) -> None:
        """Ask for the identifiers while the transaction runs. What memory holds may be stale: this is a hint."""
        wanted = [
            (r.tenant, d.downstream.identifier_namespace, r.person)
            for r in revocations
            if r.person and (known := self._memory.downstreams(r.tenant)) is not None
            for d in due(r, known)
            if not d.downstream.paused
        ]
        if wanted:
            self._identifiers.expect(wanted[:_MOST_AHEAD])

    def _failed(self, failure: Exception) -> None:
        self.halted = isinstance(failure, UnknownEntry)
        self._journal.error("notifier.intake_failed", exception=type(failure).__name__, position=self.position)
