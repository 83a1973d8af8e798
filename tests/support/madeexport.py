"""Exports of made logs, signed and witnessed, taken apart so that any part can be changed and the rest made to fit.

The lines are the product's own (`exportform`); proofs are made from the leaf hashes by RFC 9162's definitions.
"""

import io
import json
import random
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from consentledger.cli.exportform import ExportWriter
from consentledger.tlog.checkpoint import Checkpoint
from consentledger.tlog.cosignature import Cosigner
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.note import Ed25519Signer, sign_note, signature_lines
from consentledger.tlog.plans import consistency_plan, edge_nodes, inclusion_plan
from consentledger.tlog.policy import Policy
from consentledger.tlog.prooffile import TlogProof
from consentledger.tlog.tree import EMPTY
from consentledger.v1 import audit_service_pb2 as au
from consentledger_verify.anchors import Pin, Receipt
from consentledger_verify.overview import Asked
from consentledger_verify.trust import Trust
from tests.support.madelog import MadeLog

ORIGIN = "ledger.example/consent/0123456789abcdef"
WITNESSES = ("w1.example", "w2.example", "w3.example")
QUORUM = 2


def root_of(hashes: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    return EMPTY.append(hashes).root()


def perfect(hashes: Sequence[bytes], level: int, index: int) -> bytes:
    """The root of one perfect subtree."""
    return root_of(hashes[index << level : (index + 1) << level])


@dataclass(frozen=True)
class Parties:
    """Who signs."""

    log: Ed25519Signer
    witnesses: dict[str, bytes]
    """Seeds by name."""

    @classmethod
    def of(cls, chance: random.Random, origin: str = ORIGIN) -> "Parties":
        """New keys."""
        return cls(Ed25519Signer(origin, chance.randbytes(32)), {name: chance.randbytes(32) for name in WITNESSES})

    def note(self, size: int, root: bytes) -> bytes:
        """A checkpoint, signed by the log."""
        return sign_note(Checkpoint(self.log.verifier.name, size, root).text(), [self.log])

    def cosigned(self, note: bytes, names: Iterable[str], time: int) -> bytes:
        """The signature lines of these witnesses."""
        text = note.decode().partition("\n\n")[0] + "\n"
        signers = [Cosigner(name, self.witnesses[name], time) for name in names]
        return signature_lines(text, signers) if signers else b""

    def policy(self) -> Policy:
        """One log, the witnesses, and how many are needed."""
        lines = [f"log {self.log.verifier.vkey()}"]
        lines += [f"witness {name} {Cosigner(name, seed, 1).verifier.vkey()}" for name, seed in self.witnesses.items()]
        lines += [f"group all {QUORUM} {' '.join(self.witnesses)}", "quorum all"]
        return Policy.parse("\n".join(lines) + "\n")

    def trust(self) -> Trust:
        """What a verifier is given."""
        return Trust("given: a policy", policy=self.policy())


@dataclass
class Parts:
    """An export as values: the header's JSON, and one dict a line with `i`, and `leaf`, `ct` or `hash` as bytes."""

    header: dict[str, Any]
    rows: list[dict[str, Any]]
    end: int

    def lines(self) -> list[bytes]:
        """The lines but the last, as the product writes them."""
        return [_line(self.header), *(_line({k: _text(v) for k, v in row.items()}) for row in self.rows)]

    def data(self) -> bytes:
        """The file."""
        return finished(self.lines(), self.end)


def finished(lines: Sequence[bytes], end: int) -> bytes:
    """The file of these lines, with a last line that fits."""
    body = b"".join(lines)
    return body + _line({"end": end, "sha256": sha256(body).hexdigest()})


@dataclass
class Case:
    """A log and all that is around it."""

    log: MadeLog
    parties: Parties
    hashes: list[bytes] = field(default_factory=list)

    @classmethod
    def of(cls, log: MadeLog, parties: Parties) -> "Case":
        """With the leaves' hashes."""
        return cls(log, parties, log.hashes())

    @property
    def now(self) -> int:
        """A little after the newest event, in seconds."""
        return (self.log.entries[-1].recorded_us if self.log.entries else 0) // 1_000_000 + 10

    def note(self, size: int) -> bytes:
        """The checkpoint of that size."""
        return self.parties.note(size, root_of(self.hashes[:size]))

    def pin(self, size: int) -> Pin:
        """An earlier checkpoint, kept."""
        return Pin(f"pin-{size}", self.note(size))

    def receipt(self, position: int, size: int) -> Receipt:
        """A receipt, kept."""
        plan = inclusion_plan(position - 1, size)
        path = plan.hashes({node: perfect(self.hashes, *node) for node in plan.nodes})
        proof = TlogProof(position - 1, tuple(path), self.note(size))
        return Receipt(f"receipt-{position}", proof, self.log.entries[position - 1].leaf)

    def asked(self, **more: Any) -> Asked:
        """Against the policy, now."""
        return replace(Asked(self.now * 1_000_000_000, self.parties.trust()), **more)

    def export(
        self,
        first: int = 1,
        last: int | None = None,
        size: int | None = None,
        *,
        tenants: Iterable[str] = (),
        ciphertexts: bool = True,
        witnesses: Iterable[str] = WITNESSES[:QUORUM],
    ) -> Parts:
        """An honest export, by the product's writer."""
        return parts_of(self.file(first, last, size, tenants=tenants, ciphertexts=ciphertexts, witnesses=witnesses))

    def file(
        self,
        first: int = 1,
        last: int | None = None,
        size: int | None = None,
        *,
        tenants: Iterable[str] = (),
        ciphertexts: bool = True,
        witnesses: Iterable[str] = WITNESSES[:QUORUM],
    ) -> bytes:
        """The same as bytes, untouched."""
        size = self.log.size if size is None else size
        last = size if last is None else last
        out = io.BytesIO()
        writer = ExportWriter(out, self.header(first, last, size, tenants, witnesses), ciphertexts=ciphertexts)
        writer.entries(self.entries(first, last, size, tenants, ciphertexts=ciphertexts))
        assert writer.finish()
        return out.getvalue()

    def header(
        self, first: int, last: int, size: int, tenants: Iterable[str] = (), witnesses: Iterable[str] = ()
    ) -> au.ExportHeader:
        """As the service sends it."""
        note = self.note(size)
        return au.ExportHeader(
            log="consent",
            vkeys=[self.parties.log.verifier.vkey()],
            checkpoint=note,
            first=first,
            last=last,
            edge=[perfect(self.hashes, *node) for node in edge_nodes(first - 1)],
            consistency=self.consistency(last, size),
            tenants=sorted(set(tenants)),
            cosignatures=self.parties.cosigned(note, witnesses, self.now),
        )

    def entries(
        self, first: int, last: int, size: int, tenants: Iterable[str] = (), *, ciphertexts: bool = True
    ) -> list[au.ExportEntry]:
        """As the service sends them, from a store that holds so many events."""
        whole = set(tenants)
        return [
            au.ExportEntry(leaf_hash=leaf_hash(entry.leaf))
            if whole and entry.tenant and entry.tenant not in whole
            else au.ExportEntry(leaf=entry.leaf, ciphertext=entry.ciphertext if ciphertexts else None)
            for entry in self.log.at(size)[first - 1 : last]
        ]

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof between two sizes."""
        plan = consistency_plan(old, new)
        return plan.hashes({node: perfect(self.hashes, *node) for node in plan.nodes})


def parts_of(data: bytes) -> Parts:
    """An export, taken apart."""
    header, *rows, end = [json.loads(line) for line in data.splitlines()]
    for row in rows:
        row |= {name: b64decode(row[name]) for name in ("leaf", "ct", "hash") if name in row}
    return Parts(header, rows, end["end"])


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _text(value: Any) -> Any:
    return b64encode(value).decode() if isinstance(value, bytes) else value
