"""Inclusion and consistency proofs: the shared vectors, small trees against the RFC, and all that is refused."""

import base64
from itertools import pairwise

import pytest

from consentledger.tlog.hashing import EMPTY_ROOT, leaf_hash, node_hash
from consentledger.tlog.proofs import (
    Plan,
    ProofError,
    consistency_plan,
    edge_nodes,
    inclusion_plan,
    root_from_inclusion,
    verify_consistency,
    verify_inclusion,
)
from consentledger.tlog.tree import EMPTY, LARGEST
from tests.support.rfc_tree import RfcTree, sample_leaf
from tests.support.shared_data import shared_json

TREE = RfcTree.of_size(20)
SIZES = range(1, 20)


def root(size: int) -> bytes:
    return TREE.root(0, size)


def leaf(index: int) -> bytes:
    return TREE.root(index, index + 1)


def bytes_of(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


PLACEHOLDERS = "consistency/additional/sizes-are-equal-one-and-proof-is-empty"
"""The one vector that wants roots accepted that are no hashes ("don't care"): here a hash is 32 bytes, always."""


def test_all_inclusion_vectors_hold() -> None:
    cases = shared_json("merkle/rfc6962.json")["inclusion"]
    assert len(cases) == 98
    for case in cases:
        proof = [bytes_of(one) for one in case["proof"] or []]
        arguments = case["leafIdx"], case["treeSize"], bytes_of(case["leafHash"]), proof, bytes_of(case["root"])
        if case["wantErr"]:
            with pytest.raises(ProofError):
                verify_inclusion(*arguments)
        else:
            verify_inclusion(*arguments)


def test_all_consistency_vectors_hold() -> None:
    cases = shared_json("merkle/rfc6962.json")["consistency"]
    assert len(cases) == 98
    for case in cases:
        proof = [bytes_of(one) for one in case["proof"] or []]
        roots = bytes_of(case["root1"]), bytes_of(case["root2"])
        if case["wantErr"] or case["case"] == PLACEHOLDERS:
            with pytest.raises(ProofError):
                verify_consistency(case["size1"], case["size2"], *roots, proof)
        if case["case"] == PLACEHOLDERS:
            roots = roots[0].ljust(32), roots[1].ljust(32)
        if not case["wantErr"]:
            verify_consistency(case["size1"], case["size2"], *roots, proof)


def test_the_classic_roots_and_hashes_hold() -> None:
    roots = shared_json("merkle/rfc6962.json")["roots"]
    edge = EMPTY
    assert edge.root().hex() == roots["root_by_size_hex"][0]
    for data, expected in zip(roots["leaves_hex"], roots["root_by_size_hex"][1:], strict=True):
        edge = edge.append([leaf_hash(bytes.fromhex(data))])
        assert edge.root().hex() == expected
    assert leaf_hash(b"L123456").hex() == roots["rfc6962_hasher"]["leaf L123456"]
    assert leaf_hash(b"").hex() == roots["rfc6962_hasher"]["empty leaf"]


def test_every_small_proof_is_that_of_the_definition_and_verifies() -> None:
    for size in SIZES:
        for index in range(size):
            plan = inclusion_plan(index, size)
            proof = plan.hashes({node: node_root(node) for node in plan.nodes})
            assert proof == TREE.path(index, 0, size)
            assert root_from_inclusion(index, size, leaf(index), proof) == root(size)
            verify_inclusion(index, size, leaf(index), proof, root(size))
        for old in range(1, size + 1):
            plan = consistency_plan(old, size)
            proof = plan.hashes({node: node_root(node) for node in plan.nodes})
            assert proof == TREE.proof(old, size)
            verify_consistency(old, size, root(old), root(size), proof)


def node_root(node: tuple[int, int]) -> bytes:
    level, index = node
    return TREE.root(index << level, index + 1 << level)


def test_a_leaf_is_proven_at_its_own_index_only() -> None:
    for size in SIZES:
        for index in range(size):
            proof = TREE.path(index, 0, size)
            for other in set(range(-1, size + 2)) - {index}:
                with pytest.raises(ProofError):
                    verify_inclusion(other, size, leaf(index), proof, root(size))


def test_a_changed_lengthened_or_shortened_inclusion_proof_is_refused() -> None:
    for size in SIZES:
        for index in range(size):
            for wrong in spoiled(TREE.path(index, 0, size)):
                with pytest.raises(ProofError):
                    verify_inclusion(index, size, leaf(index), wrong, root(size))


def test_a_changed_lengthened_or_shortened_consistency_proof_is_refused() -> None:
    for size in SIZES:
        for old in range(size + 1):
            for wrong in spoiled(TREE.proof(old, size) if old else []):
                with pytest.raises(ProofError):
                    verify_consistency(old, size, root(old), root(size), wrong)


def spoiled(proof: list[bytes]) -> list[list[bytes]]:
    """All proofs that differ from it in one place, or in their length."""
    other = leaf_hash(b"not in the tree")
    changed = [[*proof[:i], other, *proof[i + 1 :]] for i in range(len(proof))]
    cut = [proof[:i] for i in range(len(proof))] + [proof[i:] for i in range(1, len(proof))]
    longer = [[other, *proof], [*proof, other], [*proof, EMPTY_ROOT], proof + proof if proof else [other, other]]
    return changed + cut + longer


def test_a_proof_with_its_hashes_exchanged_is_refused() -> None:
    for size in SIZES:
        for index in range(size):
            proof = TREE.path(index, 0, size)
            for i, (left, right) in enumerate(pairwise(proof)):
                with pytest.raises(ProofError):
                    verify_inclusion(index, size, leaf(index), [*proof[:i], right, left, *proof[i + 2 :]], root(size))


def test_other_roots_are_refused() -> None:
    other = leaf_hash(b"not a root")
    for size in SIZES:
        with pytest.raises(ProofError):
            verify_inclusion(0, size, leaf(0), TREE.path(0, 0, size), other)
        with pytest.raises(ProofError):
            verify_inclusion(0, size, other, TREE.path(0, 0, size), root(size))
        for old in range(1, size + 1):
            proof = TREE.proof(old, size)
            for roots in ((other, root(size)), (root(old), other), (other, other)):
                if old < size or roots[0] != roots[1]:
                    with pytest.raises(ProofError):
                        verify_consistency(old, size, *roots, proof)


def test_a_longer_proof_proves_nothing_of_a_larger_tree_either() -> None:
    other = leaf_hash(b"not in the tree")
    for size in SIZES:
        for index in range(size):
            longer = [*TREE.path(index, 0, size), other]
            for above in (node_hash(other, root(size)), node_hash(root(size), other)):
                with pytest.raises(ProofError):
                    verify_inclusion(index, size, leaf(index), longer, above)
        for old in range(1, size):
            longer = [*TREE.proof(old, size), other]
            with pytest.raises(ProofError):
                verify_consistency(old, size, node_hash(other, root(old)), node_hash(other, root(size)), longer)


def test_a_shorter_proof_proves_nothing_of_a_smaller_tree_either() -> None:
    for size in range(3, 20):
        for index in range(size):
            short = TREE.path(index, 0, size)[:-1]
            below = leaf(index)
            for level, one in enumerate(short):
                below = node_hash(one, below) if index >> level & 1 else node_hash(below, one)
            with pytest.raises(ProofError):
                verify_inclusion(index, size, leaf(index), short, below)
    for old in (1, 2, 4, 8):
        for new in range(2 * old + 1, 20):
            with pytest.raises(ProofError):
                verify_consistency(old, new, root(old), root(2 * old), TREE.proof(old, 2 * old))
    for old in (3, 5, 6, 7):
        for new in range(9, 20):
            with pytest.raises(ProofError):
                verify_consistency(old, new, root(old), root(8), TREE.proof(old, 8))


def test_the_empty_tree_has_one_root_and_every_tree_extends_it() -> None:
    verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    verify_consistency(0, 3, EMPTY_ROOT, root(3), [])
    for sizes, roots in [
        ((0, 3), (root(3), root(3))),
        ((0, 0), (root(1), root(1))),
        ((0, 0), (EMPTY_ROOT, root(1))),
        ((0, 0), (root(1), EMPTY_ROOT)),
    ]:
        with pytest.raises(ProofError):
            verify_consistency(*sizes, *roots, [])
    with pytest.raises(ProofError):
        verify_consistency(0, 3, EMPTY_ROOT, root(3), [root(3)])
    with pytest.raises(ProofError):
        verify_inclusion(0, 0, EMPTY_ROOT, [], EMPTY_ROOT)


def test_a_hash_that_is_not_32_bytes_is_refused_wherever_it_stands() -> None:
    for bad in (b"", leaf(0)[:31], leaf(0) + b"\0"):
        for call in [
            lambda bad=bad: verify_inclusion(0, 1, bad, [], bad),
            lambda bad=bad: verify_inclusion(0, 2, leaf(0), [bad], node_hash(leaf(0), bad)),
            lambda bad=bad: verify_inclusion(0, 1, leaf(0), [], bad),
            lambda bad=bad: verify_consistency(1, 1, bad, bad, []),
            lambda bad=bad: verify_consistency(1, 2, bad, node_hash(bad, leaf(1)), [leaf(1)]),
            lambda bad=bad: verify_consistency(1, 2, leaf(0), node_hash(leaf(0), bad), [bad]),
            lambda bad=bad: verify_consistency(0, 1, EMPTY_ROOT, bad, []),
        ]:
            with pytest.raises(ProofError):
                call()


def test_sizes_run_to_two_to_the_63_less_one() -> None:
    last, path = LARGEST - 1, [leaf_hash(b"%d" % i) for i in range(63)]
    for index in (0, last):
        length = len(inclusion_plan(index, LARGEST).parts)
        big = root_from_inclusion(index, LARGEST, leaf(0), path[:length])
        verify_inclusion(index, LARGEST, leaf(0), path[:length], big)
    assert len(inclusion_plan(0, LARGEST).parts) == 63
    assert len(edge_nodes(LARGEST)) == 63
    verify_consistency(LARGEST, LARGEST, root(1), root(1), [])
    verify_consistency(0, LARGEST, EMPTY_ROOT, root(1), [])
    for call in [
        lambda: root_from_inclusion(0, LARGEST + 1, leaf(0), path),
        lambda: verify_consistency(LARGEST + 1, LARGEST + 1, root(1), root(1), []),
        lambda: verify_consistency(0, LARGEST + 1, EMPTY_ROOT, root(1), []),
        lambda: verify_consistency(-1, -1, root(1), root(1), []),
        lambda: verify_consistency(-1, 1, root(1), root(1), []),
        lambda: verify_consistency(2, 1, root(2), root(1), []),
        lambda: inclusion_plan(0, LARGEST + 1),
        lambda: inclusion_plan(-1, 3),
        lambda: inclusion_plan(3, 3),
        lambda: inclusion_plan(0, 0),
        lambda: consistency_plan(4, 3),
        lambda: consistency_plan(-1, 3),
        lambda: consistency_plan(0, LARGEST + 1),
        lambda: edge_nodes(-1),
        lambda: edge_nodes(LARGEST + 1),
    ]:
        with pytest.raises(ProofError):
            call()


def test_plans_ask_for_perfect_subtrees_only_and_each_once() -> None:
    assert inclusion_plan(0, 1) == consistency_plan(0, 5) == consistency_plan(5, 5) == Plan(())
    assert inclusion_plan(2, 7).parts == (((0, 3),), ((1, 0),), ((1, 2), (0, 6)))
    assert inclusion_plan(2, 7).nodes == ((0, 3), (1, 0), (1, 2), (0, 6))
    for plan in [inclusion_plan(2, 7), consistency_plan(5, 19)]:
        assert len(set(plan.nodes)) == len(plan.nodes)
    with pytest.raises(KeyError):
        inclusion_plan(2, 7).hashes({})


def test_the_nodes_of_the_edge_are_those_of_its_hashes() -> None:
    edge = EMPTY
    assert edge_nodes(0) == ()
    for size in SIZES:
        edge = edge.append([leaf_hash(sample_leaf(size - 1))])
        assert tuple(node_root(node) for node in edge_nodes(size)) == edge.hashes
        assert edge.root() == root(size)
