"""Whose signatures are believed, and whether a checkpoint has them. Pure.

- Keys come from whoever verifies: verifier keys, a policy (C2SP tlog-policy), or both.
- With neither, those in the export stand in. That proves that the file agrees with itself, and no more: whoever made it
  chose them. The report says so.
- Of a later checkpoint the quorum of witnesses is asked for, of a pinned one only the log's own signature.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from consentledger.tlog.checkpoint import Checkpoint, CheckpointError, parse_checkpoint
from consentledger.tlog.keys import NoteError, VerifierKey
from consentledger.tlog.note import read_note
from consentledger.tlog.policy import Policy, PolicyResult
from consentledger.tlog.policytext import NONE
from consentledger.tlog.signatures import AlgorithmMissing
from consentledger_verify.problems import Problem

NO_POLICY = Policy((), (), (), NONE)


class Distrusted(Exception):
    """A checkpoint that is not to be believed; `checkpoint` is what it says, if it says anything."""

    def __init__(self, problem: Problem, text: str, checkpoint: Checkpoint | None = None) -> None:
        super().__init__(text)
        self.problem = problem
        self.text = text
        self.checkpoint = checkpoint


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys that are believed."""

    source: str
    """Where they come from, for people."""
    keys: tuple[VerifierKey, ...] = ()
    """Of logs, besides those of the policy."""
    policy: Policy = field(default=NO_POLICY)
    from_file: bool = False
    """True when the export itself named them."""

    @property
    def witnessed(self) -> bool:
        """Whether a quorum is asked for."""
        return self.policy.quorum != NONE

    def open(self, note: bytes) -> PolicyResult:
        """What the note says and who of the trusted has signed it; the log has. Raises Distrusted."""
        try:
            text, signatures = read_note(note)
            checkpoint = parse_checkpoint(text)
        except (NoteError, CheckpointError) as error:
            raise Distrusted(Problem.CHECKPOINT, str(error)) from None
        known = {(key.name, key.key_id) for key in self.logs()}
        if not any((one.name, one.key_id) in known for one in signatures):
            raise Distrusted(Problem.KEY_UNKNOWN, "no trusted key of a log has signed the checkpoint", checkpoint)
        try:
            result = self.policy.check(note, self.keys)
        except (NoteError, CheckpointError) as error:
            raise Distrusted(Problem.SIGNATURE, str(error), checkpoint) from None
        except AlgorithmMissing as error:
            raise Distrusted(Problem.SIGNATURE, f"cannot be checked: {error}", checkpoint) from None
        if not result.logs:
            raise Distrusted(Problem.ORIGIN, "the log that has signed is not the one that is named", checkpoint)
        return result

    def logs(self) -> Iterable[VerifierKey]:
        """The keys of logs."""
        return (*(log.key for log in self.policy.logs), *self.keys)


def trust_of_file(vkeys: Iterable[str]) -> Trust:
    """The keys that an export names. Raises Distrusted if they are none."""
    try:
        keys = tuple(dict.fromkeys(VerifierKey.parse(vkey) for vkey in vkeys))
    except NoteError:
        raise Distrusted(Problem.KEY_UNKNOWN, "a verifier key in the file is none") from None
    return Trust("the file itself", keys, from_file=True)
