"""One attempt against real HTTPS servers: what arrives, and what counts as an answer."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from consentledger.webhook import signing
from consentledger.webhook.sender import MOST_BODY, Failure, Outcome
from tests.support.posting import PAIR, SECRET, Names, hooked, post, sender
from tests.support.receivers import HOST, Authority, ThenSilent, answer, forever


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_what_is_sent_is_what_arrives_and_is_believed(authority: Authority) -> None:
    body = b'{"type":"x","data":{"a":"\xc3\xa9"}}'
    async with hooked(authority, lambda got: answer(200, b'{"outcome":"enforced"}')) as hook:
        headers = signing.headers([SECRET, PAIR], "msg_1", int(time.time()), body)
        outcome = await sender(authority).post(hook.url + "/a%20b?c=d", headers, body)
        assert (outcome.status, outcome.body, outcome.failure) == (200, b'{"outcome":"enforced"}', None)
        [got] = hook.got
        assert (got.method, got.path, got.body) == ("POST", "/hook/a%20b?c=d", body)
        assert got.headers["host"] == f"{HOST}:{hook.port}"
        assert got.headers["content-type"] == "application/json"
        assert Webhook(SECRET.text()).verify(got.body, dict(got.headers)) == json.loads(body)
        signing.verify([PAIR.public()], got.headers, got.body, time.time())


@pytest.mark.parametrize("status", [200, 204, 301, 307, 400, 404, 410, 429, 500, 503])
async def test_the_status_is_told_as_it_came(authority: Authority, status: int) -> None:
    async with hooked(authority, lambda got: answer(status, Retry_After="17")) as hook:
        assert await post(hook.url, sender(authority)) == Outcome(status, "17")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(authority: Authority, status: int) -> None:
    async with hooked(authority, lambda got: answer(200)) as inside:
        target = inside.url.replace(HOST, "127.0.0.1")
        async with hooked(authority, lambda got: answer(status, Location=target)) as hook:
            outcome = await post(hook.url, sender(authority))
        assert outcome.status == status
        assert inside.connections == 0


async def test_an_answer_without_length_ends_with_the_connection(authority: Authority) -> None:
    async with hooked(authority, lambda got: b"HTTP/1.1 200 OK\r\n\r\n{}") as hook:
        assert await post(hook.url, sender(authority)) == Outcome(200, body=b"{}")


async def test_an_answer_in_chunks_is_put_together(authority: Authority) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    async with hooked(authority, lambda got: b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + chunked) as hook:
        assert await post(hook.url, sender(authority)) == Outcome(200, body=b"{}")


async def test_an_answer_counts_though_the_connection_is_kept_open(authority: Authority) -> None:
    kept = ThenSilent(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n{}")
    async with hooked(authority, lambda got: kept) as hook:
        assert await post(hook.url, sender(authority, total_seconds=60)) == Outcome(200, body=b"{}")


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n" + b"x" * 300_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    ],
)
async def test_of_an_answer_that_is_too_large_or_broken_only_the_status_counts(
    authority: Authority, raw: bytes
) -> None:
    async with hooked(authority, lambda got: raw) as hook:
        assert await post(hook.url, sender(authority)) == Outcome(200)


async def test_of_an_answer_that_never_ends_only_the_status_counts(authority: Authority) -> None:
    started = ThenSilent(answer(200, b"{}", Content_Length="10"))
    async with hooked(authority, lambda got: started) as hook:
        assert await post(hook.url, sender(authority, total_seconds=0.3)) == Outcome(200)


async def test_an_answer_that_stops_before_its_end_is_none(authority: Authority) -> None:
    async with hooked(authority, lambda got: ThenSilent(b"HTTP/1.1 200 OK\r\n")) as hook:
        assert await post(hook.url, sender(authority, total_seconds=0.3)) == Outcome(None, failure=Failure.TIMEOUT)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x00",
        b"HTTP/1.1 two OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    ],
)
async def test_what_is_no_answer_is_said_to_be_none(authority: Authority, raw: bytes) -> None:
    async with hooked(authority, lambda got: raw) as hook:
        assert await post(hook.url, sender(authority)) == Outcome(None, failure=Failure.NO_ANSWER)


async def test_a_receiver_that_hangs_is_left(authority: Authority) -> None:
    async with hooked(authority, forever) as hook:
        assert await post(hook.url, sender(authority, total_seconds=0.3)) == Outcome(None, failure=Failure.TIMEOUT)
        assert len(hook.got) == 1


async def test_one_that_takes_the_connection_and_says_nothing_is_left(authority: Authority) -> None:
    server = await asyncio.start_server(lambda reader, writer: asyncio.Event().wait(), "127.0.0.1", 0)
    async with server:
        url = f"https://{HOST}:{server.sockets[0].getsockname()[1]}/"
        outcome = await post(url, sender(authority, connect_seconds=0.2))
        assert outcome.failure is Failure.NOT_TRUSTED


async def test_nobody_there_is_told(authority: Authority) -> None:
    async with hooked(authority, lambda got: answer(200)) as hook:
        url = hook.url
    assert (await post(url, sender(authority))).failure is Failure.NOT_CONNECTED


async def test_the_next_address_is_tried_when_one_does_not_answer(authority: Authority) -> None:
    async with hooked(authority, lambda got: answer(204)) as hook:
        names = Names(["127.0.0.2", "127.0.0.1"])
        assert (await post(hook.url, sender(authority, names))).status == 204


async def test_a_body_that_is_too_large_is_our_own_mistake(authority: Authority) -> None:
    async with hooked(authority, lambda got: answer(204)) as hook:
        assert (await post(hook.url, sender(authority), b"x" * MOST_BODY)).status == 204
        with pytest.raises(ValueError, match="too large"):
            await post(hook.url, sender(authority), b"x" * (MOST_BODY + 1))
        assert len(hook.got) == 1


async def test_an_outcome_shows_nothing_that_the_peer_wrote(authority: Authority) -> None:
    async with hooked(authority, lambda got: answer(500, b"ada@example.org", Retry_After="bea")) as hook:
        outcome = await post(hook.url, sender(authority))
    assert outcome.body == b"ada@example.org"
    assert "ada" not in repr(outcome)
    assert "bea" not in repr(outcome)
