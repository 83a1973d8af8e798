"""What was kept from before: pinned checkpoints, and receipts, each of which holds a checkpoint too. Pure.

An anchor must be under the export: its root is the root of the export's tree at its size. A receipt's leaf must stand
at its index. A receipt that holds by itself and is not honoured is proof that the log has signed two histories.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from consentledger.tlog.checkpoint import Checkpoint
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.prooffile import TlogProof
from consentledger.tlog.proofs import ProofError
from consentledger_verify.entry import BadEntry, EpochStarted, read_entry
from consentledger_verify.lines import Header
from consentledger_verify.problems import Findings, Problem
from consentledger_verify.trust import Distrusted, Trust


@dataclass(frozen=True, slots=True)
class Pin:
    """A checkpoint from before."""

    name: str
    """The file's, for the report."""
    note: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """A leaf and its proof, as somebody was given them."""

    name: str
    proof: TlogProof
    leaf: bytes


class Anchors:
    """Those that are signed by whom we trust; what is wrong with the others is noted at once."""

    def __init__(self, pins: tuple[Pin, ...], receipts: tuple[Receipt, ...], trust: Trust, found: Findings) -> None:
        self._found = found
        self._heads: list[tuple[str, Checkpoint]] = []
        self._leaves: dict[int, list[tuple[Receipt, bytes]]] = {}
        self.honoured = 0
        """Receipts whose leaf is where it must be."""
        for pin in pins:
            try:
                self._heads.append((pin.name, trust.open(pin.note).checkpoint))
            except Distrusted as reason:
                found.add(Problem.PIN_SIGNATURE, f"{pin.name}: {reason.text}")
        for receipt in receipts:
            hashed = leaf_hash(receipt.leaf)
            try:
                checkpoint = trust.open(receipt.proof.checkpoint).checkpoint
                receipt.proof.verify(hashed, checkpoint)
            except (Distrusted, ProofError) as reason:
                found.add(Problem.RECEIPT_INVALID, f"{receipt.name}: {reason}", receipt.proof.index + 1)
                continue
            self._heads.append((receipt.name, checkpoint))
            self._leaves.setdefault(receipt.proof.index + 1, []).append((receipt, hashed))

    def sizes(self) -> Iterator[int]:
        """The sizes at which a root is vouched for."""
        yield from (checkpoint.size for _, checkpoint in self._heads)

    def expects(self) -> Mapping[int, object]:
        """The positions that receipts speak of: `stands` is to be called for them."""
        return self._leaves

    def stands(self, position: int, hashed: bytes, header: Header, line: int, *, redacted: bool) -> None:
        """The hash of the leaf at a position that a receipt speaks of."""
        for receipt, expected in self._leaves[position]:
            if expected != hashed:
                text = f"{receipt.name} holds, and its leaf is not at its place: the log signed two histories"
                self._found.add(Problem.RECEIPT_BROKEN, text, position, line=line)
                continue
            self.honoured += 1
            if redacted and _tenant(receipt.leaf) in header.tenants:
                text = f"the leaf of {receipt.name} is of a tenant whose leaves are to be whole"
                self._found.add(Problem.REDACTED, text, position, line=line)

    def settle(
        self, header: Header, newest: Checkpoint | None, roots: Mapping[int, bytes], epochs: list[EpochStarted]
    ) -> list[int]:
        """Compare with the roots of the export, at the end. The sizes at which the export is what it was."""
        good = list[int]()
        for name, head in sorted(self._heads, key=lambda one: one[1].size):
            if newest is not None and head.origin != newest.origin:
                if not self._continues(name, head, epochs):
                    continue
            elif newest is not None and head.size > newest.size:
                text = f"{name} is of {head.size} events; the export's checkpoint is of {newest.size}"
                self._found.add(Problem.PIN_AHEAD, text, newest.size + 1, last=head.size)
                continue
            root = roots.get(head.size)
            if root is None and newest is not None and head.size == newest.size:
                root = newest.root
            if root is None:
                self._found.add(Problem.PIN_NOT_COVERED, f"{name} is of {head.size} events; no root of that size here")
            elif root != head.root:
                text = f"the first {head.size} events are not those of {name}"
                start = max((size for size in good if size < head.size), default=0) + 1
                self._found.add(Problem.PIN_ROOT, text, start, last=head.size)
            else:
                good.append(head.size)
        for position, receipts in sorted(self._leaves.items()):
            if not header.first <= position <= header.last:
                ahead = newest is not None and position > newest.size
                problem = Problem.RECEIPT_AHEAD if ahead else Problem.RECEIPT_NOT_COVERED
                for receipt, _ in receipts:
                    self._found.add(problem, f"{receipt.name} is of a position that is not in the export", position)
        return good

    def _continues(self, name: str, head: Checkpoint, epochs: list[EpochStarted]) -> bool:
        """Whether the export says openly that it goes on from that log, with all that the anchor covers."""
        epoch = next((one for one in epochs if one.old_origin == head.origin), None)
        if epoch is None:
            self._found.add(Problem.PIN_OTHER_LOG, f"{name} is of another log")
        elif epoch.kept_size < head.size:
            text = f"{name} is of {head.size} events of this log under its old name; {epoch.kept_size} were kept"
            self._found.add(Problem.PIN_DROPPED, text, epoch.kept_size + 1, last=head.size)
        else:
            return True
        return False


def _tenant(leaf: bytes) -> str | None:
    try:
        return read_entry(leaf).tenant
    except BadEntry:
        return None
