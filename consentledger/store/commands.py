"""What a command is to the committer, and how a new event becomes a leaf. The committer itself is in `committer`.

- A command names the streams it needs, decides in pure code against a `Memory` of aggregates, and returns drafts.
- `decide` either raises `LedgerError` before it has changed anything, or succeeds. Any other exception is a defect:
  it rolls the whole batch back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from consentledger.crypto.envelope import DataKey, event_aad
from consentledger.errors import LedgerError, Reason
from consentledger.store.ledger import Entry, RequestKey, Transaction
from consentledger.store.moment import Moment
from consentledger.v1 import events_pb2 as ev

FORMAT = 1
LEAF_LIMIT = 65_535
"""The greatest size of a leaf in bytes (C2SP tlog-tiles)."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One new event."""

    tenant: str
    stream: bytes
    version: int
    position: int
    recorded_us: int
    occurred_us: int | None
    type: str
    header: ev.EventHeader
    personal: bytes = b""
    key: DataKey | None = None
    """Seals `personal`; needed exactly when there is any."""
    event: Any = None
    """The domain event, for the projection."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a command came to."""

    drafts: Sequence[Draft]
    stream: bytes
    """The person or aggregate the request was about; may be empty."""
    answer: bytes
    """The answer, serialised; kept for repeats, so nothing personal is in it."""


class Command(Protocol):
    """One command."""

    @property
    def request(self) -> RequestKey | None:
        """Which request this is; None for a command of our own that needs no protection against repeats."""

    def streams(self) -> Iterable[bytes]:
        """The streams needed, as far as known now: asked again after loading, until nothing new is named."""

    def decide(self, at: Moment) -> Decided:
        """Decide."""


class Memory(Protocol):
    """The aggregates in memory, and how far they are known."""

    def known(self, streams: Iterable[bytes]) -> list[tuple[bytes, int]]:
        """(stream, version in memory or 0)."""

    def absorb(self, entries: Sequence[Entry]) -> None:
        """Fold entries, each stream's in order, onto what is in memory."""

    def forget(self, streams: Iterable[bytes]) -> None:
        """Drop streams whose state in memory may not be what is stored."""


class Projection(Protocol):
    """What is written in the events' own transaction, so that reads never lag behind."""

    async def write(self, tx: Transaction, events: Sequence[tuple[str, Any]]) -> None:
        """Bring the tables up to date with these (tenant, domain event); the aggregates in memory already are."""


def seal(draft: Draft) -> Entry:
    """The entry of a draft: header and commitment in the leaf, the personal part sealed beside it.

    INVALID_FIELD if the leaf would be too large; limits on requests and catalogues make that next to impossible.
    """
    entry = ev.LedgerEntry(
        format=FORMAT,
        tenant=draft.tenant,
        stream=draft.stream,
        version=draft.version,
        type=draft.type,
        header=draft.header,
    )
    entry.recorded_at.seconds, micros = divmod(draft.recorded_us, 1_000_000)
    entry.recorded_at.nanos = micros * 1000
    if draft.occurred_us is not None:
        entry.occurred_at.seconds, micros = divmod(draft.occurred_us, 1_000_000)
        entry.occurred_at.nanos = micros * 1000
    ciphertext = None
    if draft.personal:
        if draft.key is None:
            raise ValueError("a personal payload needs a key")
        aad = event_aad(draft.tenant, draft.stream, draft.version, draft.type)
        sealed = draft.key.seal(draft.personal, aad)
        ciphertext = sealed.ciphertext
        entry.ciphertext_sha256 = sealed.ciphertext_sha256
        entry.commitment = sealed.commitment
    leaf = entry.SerializeToString(deterministic=True)
    if len(leaf) > LEAF_LIMIT:
        raise LedgerError(Reason.INVALID_FIELD, field="request", rule=f"an event of at most {LEAF_LIMIT} bytes")
    return Entry(
        draft.position, draft.tenant, draft.stream, draft.version, draft.type, draft.recorded_us, leaf, ciphertext
    )
