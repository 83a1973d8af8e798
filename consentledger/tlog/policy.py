"""Whose signatures make a checkpoint believable: logs, witnesses, groups of them, a quorum (C2SP tlog-policy). Pure.

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> any|all|<k> <name>...
    quorum <name>|none

- A checkpoint is accepted if one of the logs has signed all of it under its origin, and the quorum has witnessed it.
- A name is defined before it is used, once, and is a member of one group at most.
- No key stands for two logs, or for two witnesses, under whatever name.
- Names and URLs are bytes without meaning; every line ends in a newline; items are separated by spaces and tabs only.
- The times of witnesses are handed on, and judged by no clock here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consentledger.tlog.checkpoint import Checkpoint, CheckpointError, parse_checkpoint
from consentledger.tlog.cosignature import cosigned_at, covers
from consentledger.tlog.note import NoteError, VerifierKey, open_note
from consentledger.tlog.policytext import NONE, Group, Log, PolicyError, Witness, read_policy

__all__ = ["Group", "Log", "Policy", "PolicyError", "PolicyResult", "Witness"]


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """Who has signed a checkpoint."""

    checkpoint: Checkpoint
    logs: tuple[VerifierKey, ...]
    """The keys of the log that have signed; empty if none has."""
    witnesses: Mapping[str, int]
    """The witnesses that have cosigned, each with its latest time, in seconds since 1970; 0 if it states none."""
    quorum: bool
    """Whether these witnesses are enough."""

    @property
    def accepted(self) -> bool:
        """Whether the checkpoint is valid under the policy."""
        return bool(self.logs) and self.quorum


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of a policy file; make it with `parse`."""

    logs: tuple[Log, ...]
    """May be empty where the caller names the log in `check`."""
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    """A group follows those that it names."""
    quorum: str
    """The name of a witness or a group, or `none`."""

    @classmethod
    def parse(cls, text: str | bytes) -> "Policy":
        """Reads a policy file. Raises PolicyError."""
        return cls(*read_policy(text))

    def check(self, note: bytes, logs: Sequence[VerifierKey] = ()) -> PolicyResult:
        """Who has signed the checkpoint, accepted or not. `logs` are trusted besides the policy's own.

        Raises NoteError if it is no note, no known key has signed it, or a known key's signature does not hold, and
        CheckpointError if it is no checkpoint; both are ValueError.
        """
        trusted = [log.key for log in self.logs] + list(logs)
        opened = open_note(note, trusted + [witness.key for witness in self.witnesses])
        checkpoint = parse_checkpoint(opened.text)
        signed = dict.fromkeys(
            one.key
            for one in opened.verified
            if one.key in trusted and one.key.name == checkpoint.origin and covers(one, checkpoint)
        )
        times = dict[str, int]()
        for witness in self.witnesses:
            stated = [cosigned_at(one) or 0 for one in opened.verified if one.key == witness.key]
            if stated:
                times[witness.name] = max(stated)
        return PolicyResult(checkpoint, tuple(signed), times, self._met(set(times)))

    def verify(self, note: bytes, logs: Sequence[VerifierKey] = ()) -> PolicyResult:
        """As `check`, but raises PolicyError for all that is not accepted, whatever the reason."""
        try:
            result = self.check(note, logs)
        except (NoteError, CheckpointError) as error:
            raise PolicyError(str(error)) from None
        if not result.logs:
            raise PolicyError("the log has not signed")
        if not result.quorum:
            raise PolicyError("too few witnesses have cosigned")
        return result

    def _met(self, witnessed: set[str]) -> bool:
        """Whether the quorum is among what is witnessed by these witnesses."""
        for group in self.groups:
            if len(witnessed.intersection(group.members)) >= group.threshold:
                witnessed = witnessed | {group.name}
        return self.quorum == NONE or self.quorum in witnessed
