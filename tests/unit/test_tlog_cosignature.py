"""Cosignatures: the bytes that are signed, the time that is stated, and nothing that is not a checkpoint."""

import sys

import pytest
from cryptography.hazmat.primitives import asymmetric
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from consentledger.tlog.checkpoint import CheckpointError
from consentledger.tlog.cosignature import Cosigner, MLDSA44Cosigner, cosigned_at
from consentledger.tlog.note import NoteError, Verified, open_note, sign_note
from consentledger.tlog.signatures import COSIGNATURE, LATEST, MLDSA44, AlgorithmMissing, subtree_message
from tests.support.notes import ORIGIN, TIME, checkpoint, log_signer, quantum_witness, seed, signed_checkpoint, witness

W1, W2 = witness("w.example/1"), quantum_witness("w.example/2")
TEXT = checkpoint().text()


def test_an_ed25519_cosignature_is_a_time_and_a_signature_of_the_specified_message() -> None:
    signature = W1.sign(TEXT)
    message = f"cosignature/v1\ntime {TIME}\n{TEXT}".encode()
    private = Ed25519PrivateKey.from_private_bytes(seed("w.example/1"))
    assert signature == TIME.to_bytes(8, "big") + private.sign(message)
    assert W1.verifier.type == COSIGNATURE == 4


def test_an_ml_dsa_cosignature_is_a_time_and_a_signature_of_the_specified_message() -> None:
    signature = W2.sign(TEXT)
    message = b"".join(
        [
            b"subtree/v1\n\0",
            bytes([len("w.example/2")]) + b"w.example/2",
            TIME.to_bytes(8, "big"),
            bytes([len(ORIGIN)]) + ORIGIN.encode(),
            bytes(8),
            (7).to_bytes(8, "big"),
            checkpoint().root,
        ]
    )
    assert len(message) == 12 + 1 + 11 + 8 + 1 + len(ORIGIN) + 8 + 8 + 32
    assert (signature[:8], len(signature)) == (TIME.to_bytes(8, "big"), 8 + 2420)
    MLDSA44PublicKey.from_public_bytes(W2.verifier.public).verify(signature[8:], message)
    assert W2.verifier.type == MLDSA44 == 6


def test_a_cosigned_checkpoint_opens_and_tells_the_times() -> None:
    log = log_signer().verifier
    opened = open_note(signed_checkpoint(7, W1, W2), [log, W1.verifier, W2.verifier])
    assert [(one.key, cosigned_at(one)) for one in opened.verified] == [
        (log, None),
        (W1.verifier, TIME),
        (W2.verifier, TIME),
    ]


def test_a_log_may_sign_by_ml_dsa_without_a_time() -> None:
    log = quantum_witness(ORIGIN, 0)
    opened = open_note(sign_note(TEXT, [log_signer(), log]), [log.verifier])
    assert [cosigned_at(one) for one in opened.verified] == [0]


@pytest.mark.parametrize("signer", [W1, W2], ids=["ed25519", "ml-dsa"])
def test_another_time_text_or_signature_does_not_hold(signer: Cosigner | MLDSA44Cosigner) -> None:
    key, good = signer.verifier, signer.sign(TEXT)
    assert key.holds(TEXT, good)
    for bad in [
        *(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in (0, 7, 8, 40, len(good) - 1)),
        *(b"", good[:7], good[:8], good[:-1], good + b"\0", good[8:], bytes(8) + good[8:]),
        b"\x80" + good[1:],
    ]:
        assert not key.holds(TEXT, bad)
    for text in [checkpoint(8).text(), checkpoint(origin="o").text(), TEXT[:-1], "\n", "no checkpoint\n", TEXT + "\n"]:
        assert not key.holds(text, good)


def test_extension_lines_are_covered_by_ed25519_and_not_by_ml_dsa() -> None:
    longer = checkpoint(extensions=("more",)).text()
    assert not W1.verifier.holds(longer, W1.sign(TEXT))
    assert W1.verifier.holds(longer, W1.sign(longer))
    assert W2.verifier.holds(longer, W2.sign(TEXT))


def test_a_plain_signature_is_no_cosignature_and_the_other_way_round() -> None:
    plain, cosigner = log_signer("w.example/1"), W1
    assert plain.verifier.public == cosigner.verifier.public
    assert plain.verifier.key_id != cosigner.verifier.key_id
    assert not plain.verifier.holds(TEXT, cosigner.sign(TEXT))
    assert not plain.verifier.holds(TEXT, cosigner.sign(TEXT)[8:])
    assert not cosigner.verifier.holds(TEXT, plain.sign(TEXT))
    assert not cosigner.verifier.holds(TEXT, TIME.to_bytes(8, "big") + plain.sign(TEXT))


def test_an_ml_dsa_cosignature_names_its_cosigner() -> None:
    other = MLDSA44Cosigner("w.example/3", seed("w.example/2"), TIME)
    assert other.verifier.public == W2.verifier.public
    assert not other.verifier.holds(TEXT, W2.sign(TEXT))


@pytest.mark.parametrize("signer", [W1, W2], ids=["ed25519", "ml-dsa"])
@pytest.mark.parametrize("text", ["", "\n", "a\nb\nc\n", TEXT[:-1], TEXT + "\n", f"{ORIGIN}\n07\n" + TEXT[-45:]])
def test_only_a_checkpoint_is_cosigned(signer: Cosigner | MLDSA44Cosigner, text: str) -> None:
    with pytest.raises(NoteError):
        signer.sign(text)


@pytest.mark.parametrize("make", [Cosigner, MLDSA44Cosigner])
@pytest.mark.parametrize(
    ("name", "seed", "time"),
    [
        ("a", bytes(31), 0),
        ("a", bytes(33), 0),
        ("a", bytes(32), -1),
        ("a", bytes(32), LATEST + 1),
        ("a b", bytes(32), 0),
    ],
)
def test_a_cosigner_of_a_bad_name_seed_or_time_is_refused(
    make: type[Cosigner] | type[MLDSA44Cosigner], name: str, seed: bytes, time: int
) -> None:
    with pytest.raises(NoteError):
        make(name, seed, time)


@pytest.mark.parametrize("make", [witness, quantum_witness])
def test_times_run_from_zero_to_two_to_the_63_less_one(make: type[Cosigner] | type[MLDSA44Cosigner]) -> None:
    for time in (0, LATEST):
        signer = make("w.example", time)
        value = signer.sign(TEXT)
        assert signer.verifier.holds(TEXT, value)
        assert cosigned_at(Verified(signer.verifier, value)) == time


def test_names_in_an_ml_dsa_message_are_at_most_255_bytes() -> None:
    long, too_long = "é" * 127 + "e", "é" * 128
    assert (len(long.encode()), len(too_long.encode())) == (255, 256)
    for cosigner, origin in [(long, ORIGIN), ("w.example", long)]:
        signer = quantum_witness(cosigner)
        text = checkpoint(origin=origin).text()
        assert signer.verifier.holds(text, signer.sign(text))
    for cosigner, origin in [(too_long, ORIGIN), ("w.example", too_long)]:
        with pytest.raises(CheckpointError):
            subtree_message(cosigner, checkpoint(origin=origin), 1)
        with pytest.raises(NoteError):
            quantum_witness(cosigner).sign(checkpoint(origin=origin).text())
        assert not quantum_witness(cosigner).verifier.holds(checkpoint(origin=origin).text(), bytes(2428))


def test_a_time_beyond_two_to_the_63_less_one_does_not_hold_though_it_is_signed() -> None:
    private, late = Ed25519PrivateKey.from_private_bytes(seed("w.example/1")), 1 << 63
    for time, stands in [(late - 1, True), (late, False), ((1 << 64) - 1, False)]:
        signature = private.sign(f"cosignature/v1\ntime {time}\n{TEXT}".encode())
        assert W1.verifier.holds(TEXT, time.to_bytes(8, "big") + signature) is stands


def test_without_ml_dsa_nothing_is_said_about_its_signatures() -> None:
    note, log = signed_checkpoint(7, W2), log_signer().verifier
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(asymmetric, "mldsa")
        patch.setitem(sys.modules, f"{asymmetric.__name__}.mldsa", None)
        with pytest.raises(AlgorithmMissing):
            open_note(note, [log, W2.verifier])
        with pytest.raises(AlgorithmMissing):
            MLDSA44Cosigner("w.example", bytes(32), 0)
        # A key of that kind can be named all the same, and a verifier that does not know it is not held up.
        assert len(open_note(note, [log]).unknown) == 1
