"""What a witness may answer, and what the log's side makes of it: nothing is taken for a cosignature that is none."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from consentledger.http.message import Request, Response
from consentledger.http.server import HttpServer
from consentledger.store.notary import Signed
from consentledger.tlog.cosignature import Cosigner
from consentledger.tlog.note import Ed25519Signer, signature_lines
from consentledger.tlog.policy import Witness
from consentledger.witness.protocol import SIZE_TYPE, Submission
from services.audit.anchors import AnchorAhead, AnchorRefused, AnchorUnavailable
from services.audit.witness_anchor import WitnessAnchor
from tests.support.witnesses import PaperLog

LOG = PaperLog.of(40)
NAME, SEED = "witness.example/w1", b"w" * 32
SIGNED = Signed(30, LOG.checkpoint(30).root, LOG.note(30))
TEXT = LOG.checkpoint(30).text()
GOOD = signature_lines(TEXT, [Cosigner(NAME, SEED, 1_800_000_000)])


@contextlib.asynccontextmanager
async def anchor(
    *answers: Response | Callable[[Submission], Response],
) -> AsyncIterator[tuple[WitnessAnchor, list[int]]]:
    """A witness with these answers, one after another; and the old sizes that it was told."""
    left, told = list(answers), list[int]()

    async def answer(request: Request) -> Response:
        submission = Submission.parse(request.body)
        told.append(submission.old)
        assert list(submission.proof) == (LOG.proof(submission.old, 30) if submission.old else [])
        given = left.pop(0)
        return given if isinstance(given, Response) else given(submission)

    async def consistency(old: int, new: int) -> list[bytes]:
        return LOG.proof(old, new)

    server = HttpServer(answer, most_body=100_000)
    url = f"http://127.0.0.1:{server.bind('127.0.0.1:0')}/prefix/"
    await server.start()
    try:
        yield WitnessAnchor(Witness("w", Cosigner(NAME, SEED, 0).verifier, url), consistency), told
    finally:
        await server.close()


def conflict(size: bytes, kind: str = SIZE_TYPE) -> Response:
    return Response(409, size, kind)


async def test_a_cosignature_is_taken_and_says_when() -> None:
    async with anchor(Response(200, GOOD)) as (asked, told):
        assert await asked.submit(SIGNED, 12) == GOOD
        assert asked.verify(SIGNED.note, GOOD) == 1_800_000_000
        assert told == [12]


async def test_lines_of_others_are_left_out() -> None:
    others = signature_lines(TEXT, [Cosigner("other.example/w", b"o" * 32, 1), Ed25519Signer(NAME, b"p" * 32)])
    async with anchor(Response(200, others + GOOD)) as (asked, _):
        assert await asked.submit(SIGNED, 0) == GOOD


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\n", id="a line"),
        pytest.param(b"thank you\n", id="words"),
        pytest.param(GOOD[:-2], id="cut off"),
        pytest.param(GOOD[:-1], id="no end"),
        pytest.param(signature_lines(LOG.checkpoint(29).text(), [Cosigner(NAME, SEED, 5)]), id="of another tree"),
        pytest.param(signature_lines(TEXT, [Cosigner("other.example/w", b"o" * 32, 1)]), id="of another witness"),
        pytest.param(signature_lines(TEXT, [Ed25519Signer(NAME, SEED)]), id="a plain signature"),
        pytest.param(SIGNED.note, id="the note"),
        pytest.param(b"\n" + GOOD, id="two texts"),
    ],
)
async def test_what_is_no_cosignature_is_refused(body: bytes) -> None:
    async with anchor(Response(200, body)) as (asked, _):
        with pytest.raises(AnchorRefused, match="the cosignature does not hold"):
            await asked.submit(SIGNED, 0)
        with pytest.raises(AnchorRefused):
            asked.verify(SIGNED.note, body)


async def test_a_conflict_is_answered_with_the_proof_from_there() -> None:
    for known, recorded in ((0, 12), (20, 12), (20, 0), (12, 30)):
        async with anchor(conflict(b"%d\n" % recorded), Response(200, GOOD)) as (asked, told):
            assert await asked.submit(SIGNED, known) == GOOD
            assert told == [known, recorded]


async def test_a_conflict_about_this_very_tree_is_a_fork() -> None:
    async with anchor(conflict(b"30\n"), conflict(b"30\n")) as (asked, told):
        with pytest.raises(AnchorRefused, match="another tree of this size"):
            await asked.submit(SIGNED, 12)
        assert told == [12, 30]


async def test_a_witness_that_has_seen_more_is_told_of() -> None:
    async with anchor(conflict(b"31\n")) as (asked, _):
        with pytest.raises(AnchorAhead) as ahead:
            await asked.submit(SIGNED, 12)
        assert ahead.value.size == 31


async def test_a_witness_that_never_agrees_with_itself_is_left() -> None:
    async with anchor(*(conflict(b"%d\n" % size) for size in (1, 2, 3, 4, 5, 6))) as (asked, told):
        with pytest.raises(AnchorUnavailable):
            await asked.submit(SIGNED, 12)
        assert len(told) == 3


@pytest.mark.parametrize(
    "answer",
    [
        conflict(b"12\n", "text/plain"),
        conflict(b""),
        conflict(b"12"),
        conflict(b"012\n"),
        conflict(b"-1\n"),
        conflict(b"9" * 30 + b"\n"),
        Response(500),
        Response(503),
        Response(302, headers={"Location": "http://127.0.0.1:1/"}),
        Response(429),
        Response(204),
    ],
    ids=lambda answer: f"{answer.status} {answer.body[:5]!r}",
)
async def test_what_says_nothing_is_asked_again_later(answer: Response) -> None:
    async with anchor(answer) as (asked, told):
        with pytest.raises(AnchorUnavailable):
            await asked.submit(SIGNED, 12)
        assert told == [12]


@pytest.mark.parametrize(("status", "why"), [(400, "understand"), (403, "key"), (404, "know"), (422, "inconsistent")])
async def test_what_the_specification_calls_a_refusal_is_one(status: int, why: str) -> None:
    async with anchor(Response(status)) as (asked, _):
        with pytest.raises(AnchorRefused, match=why):
            await asked.submit(SIGNED, 12)


def test_a_witness_without_an_address_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        WitnessAnchor(Witness("w", Cosigner(NAME, SEED, 0).verifier, None), lambda old, new: None)  # type: ignore[arg-type,return-value]
