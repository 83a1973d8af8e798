"""Somebody who asks a service for its newest checkpoint, again and again, and compares what they were handed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.channel import call
from consentledger.store.ledger import Entry
from consentledger.tlog.checkpoint import parse_checkpoint
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.note import VerifierKey, open_note
from consentledger.tlog.tree import EMPTY
from consentledger.v1 import audit_service_pb2 as au
from tests.support.cluster import Service

AGAIN = {Reason.STORE_UNAVAILABLE, Reason.DEADLINE_EXCEEDED, Reason.SHUTTING_DOWN, Reason.OVERLOADED}
"""What a service that is killed, or whose database is, may answer."""


@dataclass
class Checkpoints:
    """What is handed out to somebody who asks again and again."""

    service: Service
    roots: dict[int, bytes] = field(default_factory=dict)
    """By size."""
    vkey: str = ""

    async def watch(self) -> None:
        """Ask until cancelled."""
        while True:
            try:
                answer = await call(self.service.audit.GetCheckpoint, au.GetCheckpointRequest(), 5)
            except LedgerError as error:
                if error.reason not in AGAIN:
                    raise
            else:
                self.vkey = self.vkey or answer.vkeys[-1]
                opened = open_note(answer.checkpoint, [VerifierKey.parse(self.vkey)])
                signed = parse_checkpoint(opened.text)
                assert self.roots.setdefault(signed.size, signed.root) == signed.root, "two trees of one size"
            await asyncio.sleep(0.005)

    def compare(self, entries: Sequence[Entry]) -> None:
        """Each is a beginning of the log."""
        assert self.roots and max(self.roots) <= len(entries), "signed, and not there"
        edge = EMPTY
        for entry in entries:
            edge = edge.append([leaf_hash(entry.leaf)])
            assert self.roots.get(edge.size, edge.root()) == edge.root(), "signed, and another"
