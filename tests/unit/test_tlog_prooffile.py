"""A proof file proves that a leaf was logged, to whoever trusts the log's key, and has one spelling."""

import base64

import pytest

from consentledger.tlog.checkpoint import CheckpointError
from consentledger.tlog.note import NoteError, sign_note
from consentledger.tlog.prooffile import ProofFileError, TlogProof, parse_proof, verify_proof
from consentledger.tlog.proofs import ProofError
from consentledger.tlog.tree import LARGEST
from tests.support.notes import ORIGIN, checkpoint, log_signer, quantum_witness, signed_checkpoint, witness
from tests.support.rfc_tree import RfcTree

TREE = RfcTree.of_size(7)
LEAF = TREE.root(4, 5)
LOG = log_signer().verifier
HASHES = tuple(TREE.path(4, 0, 7))
PROOF = TlogProof(4, HASHES, signed_checkpoint())
FILE = PROOF.to_bytes()


@pytest.mark.parametrize(
    "proof",
    [
        PROOF,
        TlogProof(0, (), b"anything\n"),
        TlogProof(LARGEST - 1, (bytes(32),) * 63, b"\n\nmore\n\n\xff", b"extra \xff\n"),
        TlogProof(10, HASHES, b"x", b"\0"),
    ],
)
def test_what_is_written_is_read_back(proof: TlogProof) -> None:
    assert parse_proof(proof.to_bytes()) == proof


def test_the_file_is_that_of_the_specification() -> None:
    encoded = [base64.b64encode(one).decode() for one in HASHES]
    text = "\n".join(["c2sp.org/tlog-proof@v1", "extra 3q2+7w==", "index 4", *encoded, "", ""])
    proof = TlogProof(4, HASHES, PROOF.checkpoint, bytes.fromhex("deadbeef"))
    assert proof.to_bytes() == text.encode() + PROOF.checkpoint


def test_a_logged_leaf_is_proven_offline() -> None:
    for index in range(7):
        proof = TlogProof(index, tuple(TREE.path(index, 0, 7)), signed_checkpoint(7, witness("w.example")))
        assert verify_proof(proof.to_bytes(), TREE.root(index, index + 1), [LOG]) == checkpoint(7)
    PROOF.verify(LEAF, checkpoint(7))


def test_signatures_of_other_keys_that_are_trusted_do_no_harm() -> None:
    w1, other = witness("w.example"), log_signer("other.example")
    file = TlogProof(4, HASHES, sign_note(checkpoint(7).text(), [w1, log_signer(), other])).to_bytes()
    assert verify_proof(file, LEAF, [w1.verifier, other.verifier, LOG]) == checkpoint(7)


def test_another_leaf_index_path_or_tree_is_refused() -> None:
    other = TREE.root(3, 4)
    for proof, leaf in [
        (PROOF, other),
        (PROOF, LEAF[:31]),
        (TlogProof(3, HASHES, PROOF.checkpoint), LEAF),
        (TlogProof(7, HASHES, PROOF.checkpoint), LEAF),
        (TlogProof(4, HASHES[1:], PROOF.checkpoint), LEAF),
        (TlogProof(4, (*HASHES, LEAF), PROOF.checkpoint), LEAF),
        (TlogProof(4, (LEAF, *HASHES[1:]), PROOF.checkpoint), LEAF),
        (TlogProof(4, HASHES, signed_checkpoint(8)), LEAF),
    ]:
        with pytest.raises(ProofError):
            verify_proof(proof.to_bytes(), leaf, [LOG])


def test_a_checkpoint_that_the_log_has_not_signed_proves_nothing() -> None:
    w1 = witness("w.example")
    by_witness = sign_note(checkpoint(7).text(), [w1])
    by_other_log = sign_note(checkpoint(7).text(), [log_signer("other.example")])
    for note, keys in [
        (PROOF.checkpoint, []),
        (PROOF.checkpoint, [w1.verifier]),
        (by_witness, [LOG, w1.verifier]),
        (by_other_log, [LOG, log_signer("other.example").verifier]),
        (PROOF.checkpoint.replace(b"\n7\n", b"\n8\n"), [LOG]),
        (b"no note\n", [LOG]),
    ]:
        with pytest.raises(NoteError):
            verify_proof(TlogProof(4, HASHES, note).to_bytes(), LEAF, keys)


def test_extension_lines_that_the_log_has_not_signed_prove_nothing() -> None:
    log = quantum_witness(ORIGIN, 0)
    signed = sign_note(checkpoint(7).text(), [log])
    assert verify_proof(TlogProof(4, HASHES, signed).to_bytes(), LEAF, [log.verifier]) == checkpoint(7)
    added = signed.replace(b"\n\n", b"\nadded on the way\n\n")
    with pytest.raises(NoteError):
        verify_proof(TlogProof(4, HASHES, added).to_bytes(), LEAF, [log.verifier])
    both = sign_note(checkpoint(7, extensions=("signed",)).text(), [log_signer(), log])
    assert verify_proof(TlogProof(4, HASHES, both).to_bytes(), LEAF, [LOG]).extensions == ("signed",)


def test_a_signed_text_that_is_no_checkpoint_proves_nothing() -> None:
    note = sign_note(checkpoint(7).text().replace("\n7\n", "\n07\n"), [log_signer()])
    with pytest.raises(CheckpointError):
        verify_proof(TlogProof(4, HASHES, note).to_bytes(), LEAF, [LOG])


LINES = FILE.split(b"\n")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"\n\nx\n",
        FILE.partition(b"\n\n")[0],
        FILE.partition(b"\n\n")[0] + b"\n\n",
        b"c2sp.org/tlog-proof@v1\n\nx\n",
        b"c2sp.org/tlog-proof@v1\nextra AA==\n\nx\n",
        b"\n" + FILE,
        b" " + FILE,
        FILE.replace(b"@v1", b"@v2"),
        FILE.replace(b"@v1\n", b"@v1 \n"),
        FILE.replace(b"\n", b"\r\n"),
        FILE.replace(b"@v1", b"@v1\xc3\xa9"),
        FILE.replace(b"@v1", b"@v1\xff"),
        FILE.replace(b"index 4", b"index 04"),
        FILE.replace(b"index 4", b"index  4"),
        FILE.replace(b"index 4", b"index +4"),
        FILE.replace(b"index 4", b"index"),
        FILE.replace(b"index 4", b"index "),
        FILE.replace(b"index 4", b"Index 4"),
        FILE.replace(b"index 4", b"4"),
        FILE.replace(b"index 4\n", b""),
        FILE.replace(b"index 4", b"index 4\nindex 4"),
        FILE.replace(b"index 4", b"index %d" % LARGEST),
        FILE.replace(b"index 4", b"index %d" % (LARGEST + 1)),
        FILE.replace(b"index 4", b"extra \nindex 4"),
        FILE.replace(b"index 4", b"extra\nindex 4"),
        FILE.replace(b"index 4", b"extra AB==\nindex 4"),
        FILE.replace(b"index 4", b"extra AA==\nextra AA==\nindex 4"),
        FILE.replace(b"index 4", b"index 4\nextra AA=="),
        FILE.replace(b"index 4", b"index 4\nAAAA"),
        FILE.replace(b"index 4", b"index 4\n" + LINES[2][:-2] + b"9="),
        FILE.replace(b"index 4", b"index 4\n" + LINES[2] + b" "),
        FILE.replace(b"index 4", b"index 4" + b"\n" + b"\n".join([LINES[2]] * 61)),
        FILE.replace(b"\n\n", b"\n", 1).replace(b"\n\n", b"\n"),
    ],
)
def test_a_malformed_file_is_refused(data: bytes) -> None:
    with pytest.raises(ProofFileError):
        parse_proof(data)


def test_a_file_of_two_million_bytes_is_read_and_a_larger_one_is_not() -> None:
    start = len(TlogProof(0, (), b"x").to_bytes()) - 1
    largest = TlogProof(0, (), b"x" * (2_000_000 - start)).to_bytes()
    assert len(largest) == 2_000_000
    assert parse_proof(largest).index == 0
    with pytest.raises(ProofFileError):
        parse_proof(largest + b"x")


@pytest.mark.parametrize(
    ("index", "hashes", "note", "extra"),
    [
        (-1, (), b"x", None),
        (LARGEST, (), b"x", None),
        (0, (bytes(31),), b"x", None),
        (0, (bytes(32), bytes(33)), b"x", None),
        (0, (bytes(32),) * 64, b"x", None),
        (0, (), b"", None),
        (0, (), b"x", b""),
    ],
)
def test_impossible_parts_are_refused(index: int, hashes: tuple[bytes, ...], note: bytes, extra: bytes | None) -> None:
    with pytest.raises(ProofFileError):
        TlogProof(index, hashes, note, extra)
