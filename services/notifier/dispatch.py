"""The messages of the stream ENFORCE, as the publisher asks for them: identifiers are put in here, at the last moment.

- `dispatch` sequence = stream sequence. The publisher asks for what follows, and nothing is ever left out: while the
  consent service cannot name the persons, the message waits, and so do those behind it.
- What was just committed is at hand and need not be read again; whatever is not at hand is read.
- A subject ends in a token that only we can compute, one for each downstream and person, so that the messages about
  one person can be purged, and two downstreams cannot compare whom they know.
"""

import hmac
import struct
from collections import deque
from collections.abc import Sequence
from itertools import islice
from uuid import UUID

from consentledger.bus.publisher import Outgoing
from consentledger.client.subjects import enforce_subject
from consentledger.store.ledger import Store
from services.notifier.identifiers import Identifiers, Wanted
from services.notifier.projection import read
from services.notifier.views import Dispatch, message_to

TOKEN_LABEL = "notifier.subject-token"
"""What the token's key is derived under."""
_AT_HAND = 4096
_UINT32 = struct.Struct(">I")


def subject_token(key: bytes, tenant: str, downstream: str, person: bytes) -> str:
    """The last token of a subject, 32 hexadecimal digits. An empty person stands for everybody."""
    fields = (tenant.encode(), downstream.encode(), person)
    message = b"".join(_UINT32.pack(len(field)) + field for field in fields)
    return hmac.digest(key, message, "sha256")[:16].hex()


class DispatchSource:
    """A `LogSource` over the table `dispatch`."""

    def __init__(self, store: Store, identifiers: Identifiers, token_key: bytes) -> None:
        self._store = store
        self._identifiers = identifiers
        self._key = token_key
        self._hand: deque[Dispatch] = deque()

    def offer(self, committed: Sequence[Dispatch]) -> None:
        """Take in hand what a transaction has just committed."""
        if not committed:
            return
        hand = self._hand
        if hand and (hand[-1].sequence + 1 != committed[0].sequence or len(hand) + len(committed) > _AT_HAND):
            hand.clear()
        if len(committed) <= _AT_HAND:
            hand.extend(committed)

    async def after(self, position: int, limit: int) -> Sequence[Outgoing]:
        """See `LogSource`. Raises what the consent service's client raises."""
        hand = self._hand
        while hand and hand[0].sequence <= position:
            hand.popleft()
        if hand and hand[0].sequence == position + 1:
            rows = list(islice(hand, limit))
        else:
            rows = await read.dispatches(self._store, position, limit)
        wanted: list[Wanted] = [(row.tenant, row.namespace, row.person) for row in rows if row.person]
        ids = await self._identifiers.of(wanted)
        return [self._outgoing(row, ids.get((row.tenant, row.namespace, row.person), ())) for row in rows]

    def _outgoing(self, row: Dispatch, ids: tuple[str, ...]) -> Outgoing:
        token = subject_token(self._key, row.tenant, row.downstream, row.person)
        return Outgoing(
            sequence=row.sequence,
            subject=enforce_subject(row.tenant, row.downstream, token),
            # Names the message for ever: a number is never given twice.
            headers={"Nats-Msg-Id": f"{UUID(bytes=row.obligation)}/{row.sequence}"},
            payload=message_to(row, ids).SerializeToString(deterministic=True),
        )
