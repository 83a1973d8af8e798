"""Notes: who has signed is told exactly, and no note is opened that somebody else could have changed."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consentledger.tlog.note import (
    Ed25519Signer,
    NoteError,
    Signature,
    VerifierKey,
    add_signatures,
    open_note,
    read_note,
    sign_note,
    signature_lines,
)
from consentledger.tlog.signatures import ED25519
from tests.support.notes import RFC_8032_PUBLIC, RFC_8032_SEED, RFC_8032_SIGNATURE, log_signer, seed, witness

TEXT = "If you think that this is a checkpoint,\n\nit is none.\n"
ALICE, BOB, CAROL = log_signer("alice.example"), log_signer("bob.example"), log_signer("carol.example")


def line(name: str, value: bytes) -> bytes:
    return f"— {name} {base64.b64encode(value).decode()}\n".encode()


def test_an_opened_note_tells_who_signed_and_whom_it_does_not_know() -> None:
    opened = open_note(sign_note(TEXT, [ALICE, BOB, CAROL]), [CAROL.verifier, ALICE.verifier])
    assert opened.text == TEXT
    assert [one.key for one in opened.verified] == [ALICE.verifier, CAROL.verifier]
    assert [one.value for one in opened.verified] == [ALICE.sign(TEXT), CAROL.sign(TEXT)]
    assert opened.unknown == (Signature("bob.example", BOB.verifier.key_id, BOB.sign(TEXT)),)


def test_the_bytes_of_a_note_are_those_of_the_specification() -> None:
    signature = Ed25519PrivateKey.from_private_bytes(seed("alice.example")).sign(TEXT.encode())
    expected = TEXT.encode() + b"\n" + line("alice.example", ALICE.verifier.key_id + signature)
    assert sign_note(TEXT, [ALICE]) == expected


def test_a_signature_is_that_of_rfc_8032() -> None:
    signer = Ed25519Signer("a", RFC_8032_SEED)
    assert signer.verifier.public == RFC_8032_PUBLIC
    assert signer.sign("") == RFC_8032_SIGNATURE


def test_a_changed_text_or_signature_is_refused() -> None:
    note = sign_note(TEXT, [ALICE])
    keys = [ALICE.verifier]
    for at in range(len(note)):
        for flip in (1, 0x80):
            changed = note[:at] + bytes([note[at] ^ flip]) + note[at + 1 :]
            with pytest.raises(NoteError):
                open_note(changed, keys)


def test_a_known_key_whose_signature_does_not_hold_condemns_the_note() -> None:
    forged = ALICE.verifier.key_id + BOB.sign(TEXT)
    note = sign_note(TEXT, [BOB]) + line("alice.example", forged)
    assert open_note(note, [BOB.verifier]).verified[0].key == BOB.verifier
    with pytest.raises(NoteError):
        open_note(note, [BOB.verifier, ALICE.verifier])


def test_a_second_line_of_a_known_key_is_verified_too() -> None:
    note = sign_note(TEXT, [ALICE])
    twice = note + note.partition(b"\n\n")[2][-len(line("alice.example", bytes(68))) :]
    assert len(open_note(twice, [ALICE.verifier]).verified) == 1
    with pytest.raises(NoteError):
        open_note(note + line("alice.example", ALICE.verifier.key_id + bytes(64)), [ALICE.verifier])


def test_a_name_or_an_id_alone_makes_no_known_key() -> None:
    other_id = VerifierKey.of("alice.example", ED25519, BOB.verifier.public)
    for keys in ([], [other_id], [BOB.verifier]):
        with pytest.raises(NoteError):
            open_note(sign_note(TEXT, [ALICE]), keys)
    same_id_other_name = line("bob.example", ALICE.verifier.key_id + ALICE.sign(TEXT))
    with pytest.raises(NoteError):
        open_note(TEXT.encode() + b"\n" + same_id_other_name, [ALICE.verifier, BOB.verifier])


def test_two_keys_of_one_name_and_id_are_refused_and_one_key_twice_is_not() -> None:
    class Twin(VerifierKey):
        """Stands for a second key with the same short id, which takes a while to find."""

    twin = Twin(*(getattr(ALICE.verifier, part) for part in ("name", "key_id", "type", "public")))
    with pytest.raises(NoteError):
        open_note(sign_note(TEXT, [ALICE]), [ALICE.verifier, twin])
    assert len(open_note(sign_note(TEXT, [ALICE]), [ALICE.verifier] * 2).verified) == 1


def test_as_many_signatures_are_read_as_a_note_may_have() -> None:
    lines = b"".join(line(f"unknown.example/{i}", bytes(2424)) for i in range(99))
    note = sign_note(TEXT, [ALICE]) + lines
    assert len(open_note(note, [ALICE.verifier]).unknown) == 99
    with pytest.raises(NoteError):
        open_note(note + line("one.more", bytes(68)), [ALICE.verifier])


def test_a_note_of_a_million_bytes_is_read_and_a_larger_one_is_not() -> None:
    rest = len(sign_note("\n", [ALICE])) - 1
    text = "x" * (1_000_000 - rest - 1) + "\n"
    note = sign_note(text, [ALICE])
    assert len(note) == 1_000_000
    assert open_note(note, [ALICE.verifier]).text == text
    with pytest.raises(NoteError):
        open_note(sign_note("x" + text, [ALICE]), [ALICE.verifier])


@pytest.mark.parametrize(
    "text", ["\n", "a\n", "\n\n", "a\n\n\nb\n", "— a AAAA\n", "a\n\n— b AAAAAAA=\n", "é — \x7f\u0085\n"]
)
def test_any_text_of_lines_can_be_signed(text: str) -> None:
    assert open_note(sign_note(text, [ALICE]), [ALICE.verifier]).text == text


@pytest.mark.parametrize("text", ["", "a", "a\nb", "a\r\n", "a\tb\n", "\0\n", "\x1f\n", "\ud800\n"])
def test_a_text_that_no_note_can_have_is_not_signed(text: str) -> None:
    with pytest.raises(NoteError):
        sign_note(text, [ALICE])


def test_a_note_needs_a_signer_and_each_once() -> None:
    for signers in ([], [ALICE, ALICE], [log_signer(f"s.example/{i}") for i in range(101)]):
        with pytest.raises(NoteError):
            sign_note(TEXT, signers)
    assert len(read_note(sign_note(TEXT, [log_signer(f"s.example/{i}") for i in range(100)]))[1]) == 100
    # One name, two kinds of key: two keys.
    checkpoint = "o\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert len(read_note(sign_note(checkpoint, [ALICE, witness("alice.example")]))[1]) == 2


NOTE = sign_note(TEXT, [ALICE])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\n\n",
        TEXT.encode(),
        TEXT.encode() + b"\n",
        NOTE[:-1],
        NOTE + b"\n",
        NOTE + b"\n\n",
        NOTE[1:].replace(b"\n\n", b"\n"),
        NOTE.replace(b"\n", b"\r\n"),
        NOTE.replace("—".encode(), b"-"),
        NOTE.replace("— ".encode(), "—".encode()),
        NOTE.replace("— ".encode(), "—  ".encode()),
        NOTE.replace("— ".encode(), b""),
        NOTE.replace("— ".encode(), " — ".encode()),
        NOTE.replace(b"alice.example", b""),
        NOTE.replace(b"alice.example", b"al+ice"),
        NOTE.replace(b"alice.example", "al\u00a0ice".encode()),
        NOTE.replace(b"alice.example ", b"alice.example"),
        NOTE.replace(b"alice.example ", b"alice.example  "),
        NOTE[:-1] + b" \n",
        NOTE[:-2] + b"\n",
        NOTE.replace(b"think", b"thi\xffk"),
        NOTE.replace(b"think", b"thi\x00k"),
        NOTE.replace(b"think", b"thi\tk"),
        NOTE.replace(b"think", b"\xed\xa0\x80"),
        NOTE + line("bob.example", b""),
        NOTE + line("bob.example", bytes(4)),
        NOTE + b"\xe2\x80\x94 bob.example\n",
        NOTE + b"\xe2\x80\x94 bob.example \n",
        NOTE + b"\xe2\x80\x94 bob.example AAAAAAAAAB==\n",
        NOTE + b"\xe2\x80\x94 bob.example AAAAAAAAAA== more\n",
        b"\xef\xbb\xbf" + NOTE,
        NOTE + line("bob.example", bytes(68))[:-1],
        NOTE + line("bo+b", bytes(68)),
        NOTE + line("", bytes(68)),
        NOTE + line("bob\u3000", bytes(68)),
        NOTE + line("bob\t", bytes(68)),
    ],
)
def test_a_malformed_note_is_refused(data: bytes) -> None:
    with pytest.raises(NoteError):
        open_note(data, [ALICE.verifier])


@pytest.mark.parametrize("text", ["a\tb\n", "\0\n", "a\n\x1f\nb\n", "a\r\n"])
def test_a_signed_text_with_control_characters_is_refused_all_the_same(text: str) -> None:
    signed = line("alice.example", ALICE.verifier.key_id + ALICE.sign(text))
    with pytest.raises(NoteError):
        open_note(text.encode() + b"\n" + signed, [ALICE.verifier])


@pytest.mark.parametrize("data", [TEXT.encode() + b"\n", b"\n\n", line("a", bytes(68)), line("a", bytes(68)) * 2])
def test_a_text_alone_or_signatures_alone_are_no_note(data: bytes) -> None:
    with pytest.raises(NoteError):
        read_note(data)


def test_a_signature_of_one_byte_is_read_as_unknown() -> None:
    assert read_note(NOTE + line("bob.example", b"12345"))[1][1] == Signature("bob.example", b"1234", b"5")


def test_signature_lines_are_added_to_a_note_and_nothing_else_is() -> None:
    both = add_signatures(NOTE, signature_lines(TEXT, [BOB]))
    assert both == sign_note(TEXT, [ALICE, BOB])
    for lines in (
        b"more\n",
        b"\n" + signature_lines(TEXT, [BOB]),
        TEXT.encode() + b"\n" + signature_lines(TEXT, [BOB]),
    ):
        with pytest.raises(NoteError):
            add_signatures(NOTE, lines)
