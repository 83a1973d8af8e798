"""What a proof is made of: the perfect subtrees whose roots it needs (RFC 9162, 2.1.3.1 and 2.1.4.1). Pure.

The hashes lie in a store, so a proof is made in two steps: a *plan* names the subtrees, the caller finds their roots,
the plan makes the proof of them.

    plan = inclusion_plan(5, 7)
    proof = plan.hashes({node: stored(node) for node in plan.nodes})
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from consentledger.tlog.hashing import node_hash
from consentledger.tlog.tree import LARGEST

Node = tuple[int, int]
"""(level, index): the root of the perfect subtree of 2^level leaves that starts at leaf index * 2^level."""


class ProofError(ValueError):
    """The proof does not prove it, or no such proof exists."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The perfect subtrees of which a proof is made, each of them complete in the tree."""

    parts: tuple[tuple[Node, ...], ...]
    """For each hash of the proof, in order: the subtrees that hash to it, largest first. Only a ragged right side has
    more than one."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All subtrees that are needed, in no order to rely on."""
        return tuple(node for part in self.parts for node in part)

    def hashes(self, found: Mapping[Node, bytes]) -> list[bytes]:
        """The proof. Raises KeyError for a node that was not found."""
        return [_fold([found[node] for node in part]) for part in self.parts]


def edge_nodes(size: int) -> tuple[Node, ...]:
    """The perfect subtrees into which a tree falls, largest first: those of `Edge.hashes`."""
    check_sizes(size)
    return _subtrees(0, size)


def inclusion_plan(index: int, size: int) -> Plan:
    """PATH(index, D[size]) of RFC 9162, 2.1.3.1. Raises ProofError unless 0 <= index < size."""
    check_sizes(size)
    if not 0 <= index < size:
        raise ProofError("the index is not in the tree")
    start, end, parts = 0, size, list[tuple[Node, ...]]()
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            parts.append(_subtrees(middle, end))
            end = middle
        else:
            parts.append(_subtrees(start, middle))
            start = middle
    return Plan(tuple(reversed(parts)))


def consistency_plan(old: int, new: int) -> Plan:
    """PROOF(old, D[new]) of RFC 9162, 2.1.4.1; empty for 0 and for equal sizes. Raises ProofError unless
    0 <= old <= new."""
    check_sizes(old, new)
    if old in (0, new):
        return Plan(())
    start, end, parts = 0, new, list[tuple[Node, ...]]()
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            parts.append(_subtrees(middle, end))
            end = middle
        else:
            parts.append(_subtrees(start, middle))
            start = middle
    if start:  # else the old tree is itself a subtree, and the verifier knows its root
        parts.append(_subtrees(start, end))
    return Plan(tuple(reversed(parts)))


def check_sizes(*sizes: int) -> None:
    """Returns if these are sizes of one log, in the order in which it had them. Raises ProofError."""
    if not all(a <= b for a, b in pairwise((0, *sizes, LARGEST))):
        raise ProofError("the sizes are out of range or out of order")


def _split(leaves: int) -> int:
    """The largest power of two below a number of leaves."""
    return 1 << (leaves - 1).bit_length() - 1


def _subtrees(start: int, end: int) -> tuple[Node, ...]:
    """The perfect subtrees of a range of leaves, largest first; `start` is a multiple of the largest."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return tuple(nodes)


def _fold(hashes: Sequence[bytes]) -> bytes:
    root = hashes[-1]
    for left in hashes[-2::-1]:
        root = node_hash(left, root)
    return root
