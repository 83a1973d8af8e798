"""Notes: a text and the signatures of those who vouch for it (C2SP signed-note). Pure.

    <text, ending in a newline>

    — <key name> base64(<4 bytes of key id> ‖ <signature>)

- Signatures of unknown keys are ignored. One of a known key that does not hold condemns the whole note.
- An opened note is signed by at least one of the keys given. *Which* must have signed is the caller's rule: `policy`.
- At most 100 signatures, at most 1,000,000 bytes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consentledger.tlog.keys import KEY_ID_SIZE, Ed25519Signer, NoteError, Signer, VerifierKey, is_name
from consentledger.tlog.spelling import BadSpelling, is_line, read_base64, write_base64

__all__ = [
    "Ed25519Signer",
    "NoteError",
    "Opened",
    "Signature",
    "Signer",
    "Verified",
    "VerifierKey",
    "add_signatures",
    "open_note",
    "read_note",
    "sign_note",
    "signature_lines",
]

MAX_SIZE = 1_000_000
MAX_SIGNATURES = 100
_START = "— "


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line, not verified."""

    name: str
    key_id: bytes
    """4 bytes."""
    value: bytes
    """The signature, at least one byte."""


@dataclass(frozen=True, slots=True)
class Verified:
    """One signature that holds."""

    key: VerifierKey
    value: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """A note of which at least one signature holds, and no signature of a known key does not."""

    text: str
    """With its final newline."""
    verified: tuple[Verified, ...]
    """In the order of the lines; one key may have signed more than once, at different times."""
    unknown: tuple[Signature, ...]
    """Of keys that were not given."""


def sign_note(text: str, signers: Iterable[Signer]) -> bytes:
    """The note. Raises NoteError for a text that no note can have, without signers, or with one twice."""
    lines = signature_lines(text, signers)
    return text.encode() + b"\n" + lines


def signature_lines(text: str, signers: Iterable[Signer]) -> bytes:
    """Only the signature lines, as a witness answers. Raises NoteError as `sign_note`."""
    if not text.endswith("\n") or not all(is_line(line) for line in text.split("\n") if line):
        raise NoteError("not the text of a note")
    lines = dict[tuple[str, bytes], str]()
    for signer in signers:
        key = signer.verifier
        if (key.name, key.key_id) in lines:
            raise NoteError("one key signs twice")
        lines[key.name, key.key_id] = f"{_START}{key.name} {write_base64(key.key_id + signer.sign(text))}\n"
    if not 1 <= len(lines) <= MAX_SIGNATURES:
        raise NoteError("a note has 1 to 100 signatures")
    return "".join(lines.values()).encode()


def add_signatures(note: bytes, lines: bytes) -> bytes:
    """The note with further signature lines, none of them verified. Raises NoteError if that is no note."""
    both = note + lines
    if read_note(both)[0] != read_note(note)[0]:
        raise NoteError("not signature lines")
    return both


def open_note(data: bytes, keys: Sequence[VerifierKey]) -> Opened:
    """The note, its signatures verified. Raises NoteError; AlgorithmMissing for an ML-DSA-44 key without support."""
    known = dict[tuple[str, bytes], VerifierKey]()
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise NoteError("two keys of one name and id")
    text, signatures = read_note(data)
    verified, unknown = list[Verified](), list[Signature]()
    for one in dict.fromkeys(signatures):
        by = known.get((one.name, one.key_id))
        if by is None:
            unknown.append(one)
        elif by.holds(text, one.value):
            verified.append(Verified(by, one.value))
        else:
            raise NoteError("a signature of a known key does not hold")
    if not verified:
        raise NoteError("no known key has signed")
    return Opened(text, tuple(verified), tuple(unknown))


def read_note(data: bytes) -> tuple[str, tuple[Signature, ...]]:
    """The text and the signatures, **nothing verified**: to find out whom to ask. Raises NoteError."""
    if len(data) > MAX_SIZE:
        raise NoteError("a note is at most 1,000,000 bytes")
    try:
        text, blank, rest = data.decode("utf-8").rpartition("\n\n")
    except UnicodeDecodeError:
        raise NoteError("a note is UTF-8") from None
    *lines, end = rest.split("\n")
    if not blank or end or not 1 <= len(lines) <= MAX_SIGNATURES:
        raise NoteError("a note ends in a blank line and 1 to 100 signature lines")
    if not all(is_line(line) for line in text.split("\n") if line):
        raise NoteError("a note holds no control character")
    return text + "\n", tuple(_read_line(line) for line in lines)


def _read_line(line: str) -> Signature:
    name, _, value = line.removeprefix(_START).partition(" ")
    if not line.startswith(_START) or not is_name(name):
        raise NoteError("not a signature line")
    try:
        signed = read_base64(value)
    except BadSpelling:
        raise NoteError("not a signature line") from None
    if len(signed) <= KEY_ID_SIZE:
        raise NoteError("a signature is not empty")
    return Signature(name, signed[:KEY_ID_SIZE], signed[KEY_ID_SIZE:])
