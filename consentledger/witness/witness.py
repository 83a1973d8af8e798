"""The witness: judge, record, and only then hand out the cosignature.

- One submission at a time: what was compared is what is replaced, so no race of two can take a record back.
- A crash before the record is durable leaves nothing said; one after it leaves a log that did not hear the answer, asks
  again with the size it knows, and is told the recorded one.
- Times never run backwards: a cosignature says "as of now, nothing larger".
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from consentledger import journal
from consentledger.tlog.keys import VerifierKey
from consentledger.tlog.note import add_signatures, signature_lines
from consentledger.witness import rules
from consentledger.witness.keyfile import WitnessKey
from consentledger.witness.protocol import lines_of
from consentledger.witness.records import Records

_log = journal.get("witness")


@dataclass(frozen=True, slots=True)
class Answer:
    """To a submission, as HTTP has it."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


class Witness:
    """See the module's rules. Its calls block, and must not be made by two threads at once."""

    def __init__(
        self, folder: Path, logs: Sequence[VerifierKey], clock: Callable[[], int] = lambda: int(time.time())
    ) -> None:
        """`logs` are the keys of the logs to witness. Raises KeyUnusable or RecordsUnusable."""
        self._key = WitnessKey.open(folder)
        self._clock = clock
        self._logs: dict[str, list[VerifierKey]] = {}
        for key in logs:
            self._logs.setdefault(key.name, []).append(key)
        self._records = Records(folder, self._logs, self.verifier)

    @property
    def verifier(self) -> VerifierKey:
        """The key that cosigns."""
        return self._key.verifier

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer a submission. OSError when it could not be recorded: then nothing is known to anybody."""
        try:
            submission, checkpoint = rules.parse(body)
            last = self._records.last(checkpoint.origin)
            accepted = rules.judge(submission, checkpoint, self._logs, last.checkpoint if last else None)
        except rules.Refused as refused:
            self._tell(refused)
            return Answer(refused.status, refused.body, refused.content_type)
        text, origin = accepted.opened.text, accepted.checkpoint.origin
        now = max(self._clock(), last.time if last else 0)
        cosignature = signature_lines(text, [self._key.at(now)])
        own = text.encode() + b"\n" + lines_of(text, accepted.opened.verified)
        self._records.keep(origin, add_signatures(own, cosignature))
        _log.info("cosigned", position=accepted.checkpoint.size)
        return Answer(200, cosignature)

    def checkpoint(self, name: str) -> bytes | None:
        """For monitors: the note cosigned last; `name` is the hex SHA-256 of a log's origin."""
        return self._records.named(name)

    def close(self) -> None:
        """Let another process take over."""
        self._records.close()

    def _tell(self, refused: rules.Refused) -> None:
        if refused.fork:
            _log.error("fork", reason="two trees of one size, both signed by the log")
            self._records.keep_fork(refused.origin, refused.fork)
        elif refused.status == 422:
            _log.warning("refused", code=refused.status, reason=refused.why)
