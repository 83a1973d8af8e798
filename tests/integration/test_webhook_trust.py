"""Where an attempt may go, and whom it believes to be there: certificates, addresses inside, names that change."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from consentledger.webhook.addresses import networks
from consentledger.webhook.sender import Failure, Outcome
from tests.support.nats import eventually
from tests.support.posting import Names, hooked, post, sender
from tests.support.receivers import HOST, Authority, answer, forever, receiver


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_a_certificate_of_another_name_is_not_trusted(authority: Authority) -> None:
    async with receiver(authority.server(["other.example.org", "127.0.0.1"])) as hook:
        assert (await post(hook.url, sender(authority))).failure is Failure.NOT_TRUSTED
        assert hook.got == []


async def test_a_certificate_of_a_strange_authority_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "strange").mkdir()
    async with receiver(Authority(tmp_path / "strange").server()) as hook:
        assert (await post(hook.url, sender(authority))).failure is Failure.NOT_TRUSTED
        assert hook.got == []


async def test_an_expired_certificate_is_not_trusted(authority: Authority) -> None:
    async with receiver(authority.server(expired=True)) as hook:
        assert (await post(hook.url, sender(authority))).failure is Failure.NOT_TRUSTED
        assert hook.got == []


async def test_a_server_without_tls_gets_no_request(authority: Authority) -> None:
    async with receiver(None) as hook:
        assert (await post(hook.url, sender(authority, connect_seconds=0.3))).failure is Failure.NOT_TRUSTED
        assert hook.got == []


async def test_an_address_in_the_url_is_verified_as_one(authority: Authority) -> None:
    names = Names([])
    async with receiver(authority.server(["127.0.0.1"])) as hook:
        assert (await post(hook.url.replace(HOST, "127.0.0.1"), sender(authority, names))).status == 204
    async with receiver(authority.server([HOST])) as hook:
        outcome = await post(hook.url.replace(HOST, "127.0.0.1"), sender(authority, names))
        assert outcome.failure is Failure.NOT_TRUSTED
    assert names.asked == []


async def test_http_reaches_only_hosts_that_were_named(authority: Authority) -> None:
    async with receiver(None) as hook:
        url = hook.url.replace("https:", "http:")
        assert (await post(url, sender(authority))).failure is Failure.URL_REFUSED
        assert hook.connections == 0
        assert (await post(url, sender(authority, plain_hosts=[HOST]))).status == 204


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["::127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::1"],
        ["169.254.169.254"],
        ["fd00:ec2::254"],
        ["fe80::1%1"],
        ["10.0.0.1"],
        ["0.0.0.0"],
        ["::"],
        [],
    ],
)
async def test_a_name_that_leads_inside_is_not_called(authority: Authority, found: list[str]) -> None:
    async with hooked(authority, lambda got: answer(200)) as hook:
        outcome = await post(hook.url, sender(authority, Names(found), allowed=()))
        assert outcome == Outcome(None, failure=Failure.ADDRESS_REFUSED)
        assert hook.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:127.0.0.1]", "[fd00:ec2::254]"])
async def test_an_address_inside_is_not_called(authority: Authority, host: str) -> None:
    names = Names(["8.8.8.8"])
    async with hooked(authority, lambda got: answer(200)) as hook:
        outcome = await post(hook.url.replace(HOST, host), sender(authority, names, allowed=()))
        assert outcome.failure is Failure.ADDRESS_REFUSED
        assert (hook.connections, names.asked) == (0, [])


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.1.", "[::1%25lo]", "a@127.0.0.1"]
)
async def test_an_address_in_an_odd_notation_is_not_even_looked_up(authority: Authority, host: str) -> None:
    names = Names(["127.0.0.1"])
    async with hooked(authority, lambda got: answer(200)) as hook:
        outcome = await post(hook.url.replace(HOST, host), sender(authority, names))
        assert outcome.failure is Failure.URL_REFUSED
        assert (hook.connections, names.asked) == (0, [])


async def test_a_name_is_looked_up_once_for_each_attempt_and_its_answer_is_what_is_dialled(
    authority: Authority,
) -> None:
    """A name server that answers an allowed address first and another one when asked again gains nothing."""
    allowed = networks(["127.0.0.1/32"])
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    async with hooked(authority, lambda got: answer(204)) as hook:
        through = sender(authority, names, allowed=allowed)
        assert (await post(hook.url, through)).status == 204
        assert names.asked == [(HOST, hook.port)]
        assert (await post(hook.url, through)).failure is Failure.ADDRESS_REFUSED
        assert names.asked == [(HOST, hook.port)] * 2
        assert len(hook.got) == 1


async def test_a_name_without_addresses_is_told(authority: Authority) -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError

    assert (await post(f"https://{HOST}/", sender(authority, unknown))).failure is Failure.NAME_UNRESOLVED


async def test_a_resolver_that_hangs_is_left(authority: Authority) -> None:
    async def hangs(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    outcome = await post(f"https://{HOST}/", sender(authority, hangs, connect_seconds=0.1))
    assert outcome.failure is Failure.NAME_UNRESOLVED


async def test_proxies_of_the_environment_are_not_used(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver(None) as proxy, hooked(authority, lambda got: answer(204)) as hook:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await post(hook.url, sender(authority))).status == 204
        assert proxy.connections == 0


async def test_no_attempt_leaves_a_socket_behind(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "strange").mkdir()
    strange = Authority(tmp_path / "strange").server()
    silent = await asyncio.start_server(lambda reader, writer: asyncio.Event().wait(), "127.0.0.1", 0)
    async with silent, receiver(strange) as untrusted, hooked(authority, forever) as hangs:
        quiet = f"https://{HOST}:{silent.sockets[0].getsockname()[1]}/"
        through = sender(authority, connect_seconds=0.1, total_seconds=0.3)

        async def round_of_all() -> None:
            urls = (untrusted.url, hangs.url, quiet, f"https://{HOST}:1/")
            outcomes = await asyncio.gather(*(post(url, through) for url in urls for _ in range(5)))
            assert all(outcome.status is None for outcome in outcomes)

        await round_of_all()
        before = _outgoing()
        for _ in range(3):
            await round_of_all()
        await eventually(lambda: _outgoing() <= before)


def _outgoing() -> int:
    """How many connections this process has made that are open still, by the ports of their other ends."""
    process = psutil.Process()
    listening = {c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    found = [c for c in process.net_connections("tcp") if c.raddr and c.raddr.port in listening]
    return len(found)
