"""The parsers of the transparency log as targets: whatever comes from outside, from files and from other logs."""

from consentledger.tlog.checkpoint import CheckpointError, parse_checkpoint
from consentledger.tlog.note import NoteError, VerifierKey, read_note, sign_note
from consentledger.tlog.policy import Policy, PolicyError
from consentledger.tlog.prooffile import ProofFileError, TlogProof, parse_proof, verify_proof
from consentledger.tlog.proofs import ProofError
from consentledger.tlog.spelling import write_base64
from consentledger.tlog.tiles import (
    Entries,
    Tile,
    TileError,
    entries_path,
    pack_entries,
    parse_path,
    tile_path,
    unpack_entries,
)
from consentledger.tlog.tree import LARGEST
from tests.property.fuzz_harness import Target
from tests.support.notes import ORIGIN, checkpoint, log_signer, quantum_witness, signed_checkpoint, witness
from tests.support.rfc_tree import RfcTree

_W1, _W2, _Q = witness("w.example/1"), witness("w.example/2"), quantum_witness("q.example")
_LOG = log_signer().verifier
_TREE = RfcTree.of_size(7)
_EXTENDED = checkpoint(3, extensions=("more", "and more")).text()
_HEAD = "".join(f"witness {name} {w.verifier.vkey()}\n" for name, w in (("a", _W1), ("b", _W2)))
_Q_LOG = quantum_witness(ORIGIN, 0)
_LOGS = f"log {_LOG.vkey()}\nlog {_Q_LOG.verifier.vkey()}\n"
_POLICY = Policy.parse(f"{_LOGS}{_HEAD}witness q {_Q.verifier.vkey()}\ngroup g 2 a b q\nquorum g\n")
_CONTROLS = [b"\n", b"\n\n", b"\r\n", b"\t", b" ", b"\0", b"\x1f", b"\x7f", b"\xff", b"\xed\xa0\x80", "\u00a0".encode()]
_NUMBERS = [b"0", b"00", b"-1", b"+1", b"9" * 19, b"9" * 40, str(LARGEST).encode(), str(LARGEST + 1).encode(), b"1_0"]
_BASE64 = [b"=", b"==", b"AAAA", b"AB==", b"A", b"+/", b"-_", bytes.fromhex("c3a9")]


_SIGNED = {checkpoint(size).text() for size in (7, 20)} | {_EXTENDED}


def _note(data: bytes) -> bytes:
    text, signatures = read_note(data)
    assert not _POLICY.check(data).logs or text in _SIGNED, "a text that the log has not signed"
    lines = (f"— {one.name} {write_base64(one.key_id + one.value)}\n" for one in signatures)
    return f"{text}\n{''.join(lines)}".encode()


def _vkey(data: bytes) -> bytes:
    return _bytes(VerifierKey.parse(_text(data)).vkey())


def _checkpoint(data: bytes) -> bytes:
    return _bytes(parse_checkpoint(_text(data)).text())


def _path(data: bytes) -> bytes:
    found = parse_path(_text(data))
    return _bytes(entries_path(found.index, found.width) if isinstance(found, Entries) else tile_path(found))


def _entries(data: bytes) -> bytes:
    return pack_entries(unpack_entries(data))


def _proof(data: bytes) -> bytes:
    proof = parse_proof(data)
    assert verify_proof(data, _TREE.root(4, 5), [_LOG, _Q_LOG.verifier]) == checkpoint(7)
    return proof.to_bytes()


def _policy(data: bytes) -> None:
    policy = Policy.parse(data)
    assert policy.quorum == "none" or policy.quorum in {one.name for one in (*policy.witnesses, *policy.groups)}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


TARGETS = [
    Target(
        "note",
        _note,
        (NoteError, CheckpointError),
        [
            signed_checkpoint(),
            signed_checkpoint(7, _W1, _W2),
            signed_checkpoint(20, _W1, _Q),
            sign_note(checkpoint(7).text(), [_Q_LOG, _W1]),
            sign_note(_EXTENDED, [log_signer("unknown.example"), _W2]),
        ],
        [*_CONTROLS, *_NUMBERS, *_BASE64, "— ".encode(), "\n— a AAAAAAA=\n".encode(), ORIGIN.encode(), b"w.example/1"],
        [sign_note(text, [log_signer()]) for text in ("no checkpoint\n", "a\n07\nAAAA\n", "a\n1\nAAAA\n", "a\n\nb\n")],
    ),
    Target(
        "vkey",
        _vkey,
        (NoteError,),
        [one.verifier.vkey().encode() for one in (log_signer(), _W1, _Q, log_signer("é.example"))],
        [*_CONTROLS, *_BASE64, b"+", b"++", b"00000000", b"FFFFFFFF", b"Aa"],
    ),
    Target(
        "checkpoint",
        _checkpoint,
        (CheckpointError,),
        [one.text().encode() for one in (checkpoint(0), checkpoint(7), checkpoint(20, extensions=("é", "— a")))],
        [*_CONTROLS, *_NUMBERS, *_BASE64],
    ),
    Target(
        "path",
        _path,
        (TileError,),
        [
            *(tile_path(Tile(*parts)).encode() for parts in ((0, 0), (1, 1234067, 5), (63, LARGEST, 255))),
            *(entries_path(*parts).encode() for parts in ((0,), (1000, 1), (999_999_999,))),
        ],
        [*_CONTROLS, *_NUMBERS, b"/", b"x", b"x000/", b".p/", b"..", b"tile/", b"entries", "٣".encode(), b"256"],
    ),
    Target(
        "entries",
        _entries,
        (TileError,),
        [pack_entries(some) for some in ([b""], [b"a", b"", b"bc"], [b"x" * 300, b"y"], [b"z"] * 256)],
        [b"\0", b"\0\0", b"\0\1", b"\xff\xff", b"\0\xff"],
    ),
    Target(
        "tlog-proof",
        _proof,
        (ProofFileError, NoteError, CheckpointError, ProofError),
        [
            TlogProof(4, tuple(_TREE.path(4, 0, 7)), signed_checkpoint(7, *more), extra).to_bytes()
            for more, extra in (((), None), ((_W1,), b"\0\xff"), ((_Q_LOG,), b"extra"))
        ],
        [*_CONTROLS, *_NUMBERS, *_BASE64, b"extra ", b"index ", b"index 4\n", b"c2sp.org/tlog-proof@v1\n"],
        [
            TlogProof(4, tuple(_TREE.path(4, 0, 7)), sign_note(checkpoint(7).text(), [_W1])).to_bytes(),
            TlogProof(4, tuple(_TREE.path(4, 0, 7)), sign_note("no checkpoint\n", [log_signer()])).to_bytes(),
            TlogProof(3, tuple(_TREE.path(3, 0, 7)), signed_checkpoint()).to_bytes(),
        ],
    ),
    Target(
        "policy",
        _policy,
        (PolicyError,),
        [
            b"quorum none\n",
            f"# é\nlog {_LOG.vkey()} https://log.example/\n{_HEAD}group g any a b\nquorum g\n".encode(),
            f"{_HEAD}witness q {_Q.verifier.vkey()}\ngroup g 1 a b\n\tgroup h all g q \n quorum h\n".encode(),
        ],
        [*_CONTROLS, *_NUMBERS, *_BASE64, b"any ", b"all ", b"none", b" a", b" b", b" g", b"#", b"quorum ", b"group "],
    ),
]
