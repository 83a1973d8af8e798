"""A witness as an anchor: the client side of C2SP tlog-witness. Evidence is the witness's signature lines.

A conflict that names another size than we knew is normal (a restart, another replica) and answered with the proof from
there. A conflict about the very tree that we submit, a proof that it refuses, or a witness that has seen more than the
log has: one of the two has forked, and that is for people to look at.
"""

from collections.abc import Awaitable, Callable

from consentledger.http.client import Answer, HttpFailed, fetch
from consentledger.store.notary import Signed
from consentledger.tlog.cosignature import cosigned_at
from consentledger.tlog.note import NoteError, add_signatures, open_note
from consentledger.tlog.policy import Witness
from consentledger.tlog.signatures import AlgorithmMissing
from consentledger.witness.protocol import PATH, SIZE_TYPE, BadSubmission, Submission, lines_of, read_size
from services.audit.anchors import WITNESS, AnchorAhead, AnchorRefused, AnchorUnavailable

SECONDS = 10.0
_TRIES = 3
"""Other replicas submit too, so what the witness has may move while we ask."""
_WHY = {
    400: "the witness does not understand the submission",
    403: "the witness does not know the log's key",
    404: "the witness does not know the log",
    422: "the witness finds the log inconsistent with what it saw",
}

Consistency = Callable[[int, int], Awaitable[list[bytes]]]


class WitnessAnchor:
    """One witness for one log."""

    kind = WITNESS
    every_seconds = 0

    def __init__(self, witness: Witness, consistency: Consistency, seconds: float = SECONDS) -> None:
        """`consistency` gives the proof between two sizes of the log; the witness has a URL. ValueError without one."""
        if not witness.url:
            raise ValueError("a witness without a URL cannot be asked")
        self.name = f"{witness.key.name}+{witness.key.key_id.hex()}"
        self._key = witness.key
        self._url = witness.url.rstrip("/") + PATH
        self._consistency = consistency
        self._seconds = seconds

    async def submit(self, signed: Signed, before: int) -> bytes:
        """See `Anchor`."""
        old = min(before, signed.size)
        for _ in range(_TRIES):
            proof = tuple(await self._consistency(old, signed.size)) if old else ()
            answer = await self._ask(Submission(old, proof, signed.note))
            if answer.status == 200:
                return self._cosignature(signed.note, answer.body)
            if answer.status != 409:
                raise _failure(answer.status)
            recorded = _recorded(answer)
            if recorded == old == signed.size:
                raise AnchorRefused("the witness has cosigned another tree of this size")
            if recorded > signed.size:
                raise AnchorAhead(recorded)
            old = recorded
        raise AnchorUnavailable("the witness moves on while it is asked")

    def verify(self, note: bytes, evidence: bytes) -> int | None:
        """See `Anchor`."""
        try:
            opened = open_note(add_signatures(note, evidence), [self._key])
        except (NoteError, AlgorithmMissing):
            raise AnchorRefused("the cosignature does not hold") from None
        return max((cosigned_at(one) or 0 for one in opened.verified), default=0) or None

    def _cosignature(self, note: bytes, lines: bytes) -> bytes:
        """The lines of this witness's own key, of those that it sent."""
        try:
            opened = open_note(add_signatures(note, lines), [self._key])
        except (NoteError, AlgorithmMissing):
            raise AnchorRefused("the cosignature does not hold") from None
        return lines_of(opened.text, opened.verified)

    async def _ask(self, submission: Submission) -> Answer:
        try:
            return await fetch("POST", self._url, submission.to_bytes(), seconds=self._seconds)
        except HttpFailed as failure:
            raise AnchorUnavailable(str(failure)) from None


def _failure(status: int) -> Exception:
    if why := _WHY.get(status):
        return AnchorRefused(why)
    return AnchorUnavailable(f"status {status}")


def _recorded(answer: Answer) -> int:
    try:
        if answer.content_type == SIZE_TYPE:
            return read_size(answer.body)
    except BadSubmission:
        pass
    raise AnchorUnavailable("a conflict without a size")
