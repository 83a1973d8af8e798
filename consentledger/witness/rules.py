"""What a witness cosigns, and how it refuses everything else (C2SP tlog-witness, add-checkpoint). Pure.

- A checkpoint of a log that it knows, signed by a key that it trusts for that log.
- It extends the one cosigned last, by a proof that holds, or is the same tree again.
- `old` names exactly what was cosigned last: else the answer says what that is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consentledger.tlog.checkpoint import Checkpoint, CheckpointError, parse_checkpoint
from consentledger.tlog.hashing import EMPTY_ROOT
from consentledger.tlog.note import NoteError, Opened, VerifierKey, open_note, read_note
from consentledger.tlog.proofs import ProofError, verify_consistency
from consentledger.witness.protocol import SIZE_TYPE, BadSubmission, Submission, write_size

Logs = Mapping[str, Sequence[VerifierKey]]
"""The keys trusted for each origin."""


class Refused(Exception):
    """Not cosigned."""

    def __init__(self, status: int, why: str, *, size: int | None = None, origin: str = "", fork: bytes = b"") -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.body = f"{why}\n".encode() if size is None else write_size(size)
        self.content_type = "text/plain; charset=utf-8" if size is None else SIZE_TYPE
        self.origin = origin
        """Of the log, once its signature was found to hold."""
        self.fork = fork
        """The note, when with the one cosigned last it proves that the log signed two trees of one size."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """To be cosigned, once it is recorded."""

    checkpoint: Checkpoint
    opened: Opened
    """With the log's own signatures only."""


def parse(body: bytes) -> tuple[Submission, Checkpoint]:
    """The submission and what it says, nothing verified. Raises Refused."""
    try:
        submission = Submission.parse(body)
        return submission, parse_checkpoint(read_note(submission.note)[0])
    except (BadSubmission, NoteError, CheckpointError) as error:
        raise Refused(400, str(error)) from None


def judge(submission: Submission, checkpoint: Checkpoint, logs: Logs, last: Checkpoint | None) -> Accepted:
    """Whether to cosign it; `last` is what was cosigned last under this origin. Raises Refused."""
    origin, size = checkpoint.origin, checkpoint.size
    if origin not in logs:
        raise Refused(404, "this log is not known here")
    try:
        opened = open_note(submission.note, logs[origin])
    except NoteError as error:
        raise Refused(403, str(error)) from None
    if submission.old > size:
        raise Refused(400, "the old size is larger than the checkpoint's", origin=origin)
    last_size, last_root = (last.size, last.root) if last else (0, EMPTY_ROOT)
    if size == last_size and checkpoint.root != last_root:
        # Whatever old size it came with: two trees of one size are proven by their signatures alone.
        raise Refused(409, "another tree of this size", size=last_size, origin=origin, fork=submission.note)
    if submission.old != last_size:
        raise Refused(409, "another size was cosigned last", size=last_size, origin=origin)
    try:
        verify_consistency(last_size, size, last_root, checkpoint.root, submission.proof)
    except ProofError as error:
        raise Refused(422, str(error), origin=origin) from None
    return Accepted(checkpoint, opened)
