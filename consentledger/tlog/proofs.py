"""Whether a proof holds: inclusion and consistency (RFC 9162, 2.1.3.2 and 2.1.4.2). Making one is `plans`. Pure.

- Every hash is exactly 32 bytes, and a proof is exactly as long as the sizes say.
- The tree of size 0 has one root, EMPTY_ROOT; every tree extends it, with an empty proof.
- Sizes go to 2^63 - 1.

    verify_inclusion(5, 7, leaf_hash(leaf), proof, root)
"""

from collections.abc import Sequence

from consentledger.tlog.hashing import EMPTY_ROOT, HASH_SIZE, node_hash
from consentledger.tlog.plans import (
    Node,
    Plan,
    ProofError,
    check_sizes,
    consistency_plan,
    edge_nodes,
    inclusion_plan,
)

__all__ = [
    "Node",
    "Plan",
    "ProofError",
    "consistency_plan",
    "edge_nodes",
    "inclusion_plan",
    "root_from_inclusion",
    "verify_consistency",
    "verify_inclusion",
]


def root_from_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes]) -> bytes:
    """The root that a tree with this leaf and this proof has (RFC 9162, 2.1.3.2). Raises ProofError."""
    check_sizes(size)
    _check_hashes(leaf_hash, *proof)
    if not 0 <= index < size:
        raise ProofError("the index is not in the tree")
    place, last, root = index, size - 1, leaf_hash
    for one in proof:
        if last == 0:
            raise ProofError("the proof is too long")
        if place & 1 or place == last:
            root = node_hash(one, root)
            while place and not place & 1:  # a level without a sibling on the right adds no hash
                place, last = place >> 1, last >> 1
        else:
            root = node_hash(root, one)
        place, last = place >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short")
    return root


def verify_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Returns if the leaf is at that index of the tree of that size and root. Raises ProofError."""
    if root_from_inclusion(index, size, leaf_hash, proof) != root:
        raise ProofError("the proof leads to another root")


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Returns if the new tree begins with all leaves of the old one (RFC 9162, 2.1.4.2). Raises ProofError."""
    check_sizes(old_size, new_size)
    _check_hashes(old_root, new_root, *proof)
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise ProofError("the empty tree has another root")
    if old_size in (0, new_size):
        if proof:
            raise ProofError("the proof is too long")
        if old_size and old_root != new_root:
            raise ProofError("one size, two roots")
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:  # the old tree is a subtree of the new one, and its own first hash
        path.insert(0, old_root)
    if not path:
        raise ProofError("the proof is too short")
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for one in path[1:]:
        if last == 0:
            raise ProofError("the proof is too long")
        if place & 1 or place == last:
            old, new = node_hash(one, old), node_hash(one, new)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, one)
        place, last = place >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short")
    if old != old_root:
        raise ProofError("the proof leads to another old root")
    if new != new_root:
        raise ProofError("the proof leads to another new root")


def _check_hashes(*hashes: bytes) -> None:
    if any(len(one) != HASH_SIZE for one in hashes):
        raise ProofError("a hash is 32 bytes")
