"""Logs on paper that may lie, and witnesses that run: what the tests of witnessing need from both sides.

A paper log signs whatever it is told to; the proofs that it gives are right for the history that it is asked about.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from consentledger.http.client import Answer, fetch
from consentledger.tlog.checkpoint import Checkpoint
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.keys import Ed25519Signer, VerifierKey
from consentledger.tlog.note import sign_note
from consentledger.tlog.plans import Node, consistency_plan
from consentledger.tlog.tiles import perfect_root
from consentledger.tlog.tree import EMPTY
from consentledger.witness.keyfile import FILE, WitnessKey
from consentledger.witness.protocol import PATH, Submission
from consentledger.witness.serving import WitnessServer
from consentledger.witness.witness import Witness

NAME = "witness.example/w1"


@dataclass
class PaperLog:
    """A log with its whole history in memory."""

    origin: str = "log.example/consent/1"
    seed: bytes = b"l" * 32
    hashes: list[bytes] = field(default_factory=list)

    @classmethod
    def of(cls, size: int, **how: object) -> "PaperLog":
        """One with that many leaves."""
        log = cls(**how)  # type: ignore[arg-type]
        log.hashes = [leaf_hash(b"leaf %d" % n) for n in range(size)]
        return log

    def forked(self, at: int, size: int) -> "PaperLog":
        """The same log, by the same key, with other leaves from index `at` on."""
        other = [leaf_hash(b"another leaf %d" % n) for n in range(at, size)]
        return PaperLog(self.origin, self.seed, self.hashes[:at] + other)

    @property
    def signer(self) -> Ed25519Signer:
        return Ed25519Signer(self.origin, self.seed)

    @property
    def key(self) -> VerifierKey:
        return self.signer.verifier

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(self.origin, size, EMPTY.append(self.hashes[:size]).root())

    def note(self, size: int) -> bytes:
        return sign_note(self.checkpoint(size).text(), [self.signer])

    def proof(self, old: int, new: int) -> list[bytes]:
        plan = consistency_plan(old, new)
        return plan.hashes({node: self._node(node) for node in plan.nodes})

    def submission(self, old: int, new: int) -> bytes:
        """The body with which it asks for its tree of `new` leaves."""
        return Submission(old, tuple(self.proof(old, new)) if old <= new else (), self.note(new)).to_bytes()

    def _node(self, node: Node) -> bytes:
        level, index = node
        return perfect_root(self.hashes[index << level : (index + 1) << level])


@dataclass(frozen=True, slots=True)
class RunningWitness:
    """A witness that serves."""

    url: str
    witness: Witness

    @property
    def key(self) -> VerifierKey:
        return self.witness.verifier

    async def add(self, body: bytes) -> Answer:
        """POST to add-checkpoint."""
        return await fetch("POST", self.url + PATH, body, seconds=20)


@contextlib.asynccontextmanager
async def witness(folder: Path, logs: Sequence[VerifierKey], name: str = NAME) -> AsyncIterator[RunningWitness]:
    """Run one in this process; made when `folder` has no key yet."""
    if not (folder / FILE).exists():
        WitnessKey.create(folder, name)
    judge = Witness(folder, logs)
    server = WitnessServer(judge)
    port = server.bind("127.0.0.1:0")
    await server.start()
    try:
        yield RunningWitness(f"http://127.0.0.1:{port}", judge)
    finally:
        await server.close()
        judge.close()
