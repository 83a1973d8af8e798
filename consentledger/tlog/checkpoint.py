"""The text of a checkpoint: which log, how many leaves, which root (C2SP tlog-checkpoint). Pure.

Signing and opening it is `note`. A text has one spelling: what `parse_checkpoint` reads, `Checkpoint.text` writes back
byte for byte.
"""

from dataclasses import dataclass

from consentledger.tlog.hashing import EMPTY_ROOT, HASH_SIZE
from consentledger.tlog.spelling import BadSpelling, is_line, read_base64, read_decimal, write_base64
from consentledger.tlog.tree import LARGEST


class CheckpointError(ValueError):
    """No checkpoint has this text or these parts."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a tree, signed or not. Raises CheckpointError for parts that no log can have."""

    origin: str
    """The name of the log, one line; the key name of its own signature."""
    size: int
    """Leaves, 0 to 2^63 - 1."""
    root: bytes
    """32 bytes; that of the empty tree for size 0."""
    extensions: tuple[str, ...] = ()
    """Further lines, opaque. An ML-DSA-44 cosignature does not cover them."""

    def __post_init__(self) -> None:
        if not all(is_line(line) for line in (self.origin, *self.extensions)):
            raise CheckpointError("a line is not empty and holds no control character")
        if not 0 <= self.size <= LARGEST:
            raise CheckpointError("the size is 0 to 2^63 - 1")
        if len(self.root) != HASH_SIZE:
            raise CheckpointError("a root is 32 bytes")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise CheckpointError("the empty tree has another root")

    def text(self) -> str:
        """The text of the note."""
        lines = (self.origin, str(self.size), write_base64(self.root), *self.extensions)
        return "".join(line + "\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """Back from `Checkpoint.text`. Raises CheckpointError."""
    *lines, rest = text.split("\n")
    if rest or len(lines) < 3:
        raise CheckpointError("a checkpoint is three lines or more")
    origin, size, root, *extensions = lines
    try:
        return Checkpoint(origin, read_decimal(size, LARGEST), read_base64(root), tuple(extensions))
    except BadSpelling:
        raise CheckpointError("the size or the root is not spelled so") from None
