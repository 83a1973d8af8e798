"""Keys, checkpoints and notes to test with, the same each time."""

from hashlib import sha256

from consentledger.tlog.checkpoint import Checkpoint
from consentledger.tlog.cosignature import Cosigner, MLDSA44Cosigner
from consentledger.tlog.note import Ed25519Signer, sign_note
from tests.support.rfc_tree import RfcTree

ORIGIN = "log.example/ledger"
TIME = 1_679_315_147

RFC_8032_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
"""The private key of the first test vector of RFC 8032, section 7.1; below, its public key and the empty message's
signature."""
RFC_8032_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
RFC_8032_SIGNATURE = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
    "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)


def seed(name: str) -> bytes:
    """A private key for each name."""
    return sha256(name.encode()).digest()


def log_signer(name: str = ORIGIN) -> Ed25519Signer:
    """A log's plain key."""
    return Ed25519Signer(name, seed(name))


def witness(name: str, time: int = TIME) -> Cosigner:
    """A witness's key of kind 0x04, at a moment."""
    return Cosigner(name, seed(name), time)


def quantum_witness(name: str, time: int = TIME) -> MLDSA44Cosigner:
    """A witness's key of kind 0x06, at a moment."""
    return MLDSA44Cosigner(name, seed(name), time)


def checkpoint(size: int = 7, *, origin: str = ORIGIN, extensions: tuple[str, ...] = ()) -> Checkpoint:
    """The head of a tree of sample leaves."""
    return Checkpoint(origin, size, RfcTree.of_size(size).root(0, size), extensions)


def signed_checkpoint(size: int = 7, *cosigners: Cosigner | MLDSA44Cosigner) -> bytes:
    """The same, signed by the log and by these."""
    return sign_note(checkpoint(size).text(), [log_signer(), *cosigners])
