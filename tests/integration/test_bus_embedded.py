"""The embedded server: it comes back, dies with us, keeps to one owner, and writes nothing readable to the disk."""

import asyncio
import base64
import os
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from consentledger.bus.connection import connect
from consentledger.bus.embedded import EmbeddedNats, ServerFailed, StoreInUse, find_server
from consentledger.bus.errors import StreamMissing
from consentledger.bus.serverconfig import KEY_VARIABLE
from consentledger.bus.streams import ensure_log_stream, ledger_stream, stream_state
from tests.support.nats import KEY, asynchronous, eventually

LEDGER = ledger_stream("consent", max_bytes=16 << 20)
CANARY = b"canary-e5d1f0c27b9a-of-a-person"


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


@pytest.mark.fault
@asynchronous
async def test_a_killed_server_comes_back_by_itself_on_its_port_with_what_it_stored(tmp_path: Path) -> None:
    events: list[str] = []
    async with EmbeddedNats(tmp_path, KEY, on_event=events.append) as server:
        bus = await connect(server.url, "test", user=server.user, password=server.password)
        await ensure_log_stream(bus, LEDGER, published=0)
        for count in (1, 2):
            await bus.request("ledger.consent.acme.t", b"event")
            url, pid = server.url, server.pid
            await server.kill()
            await eventually(partial(_restarted, server, pid))
            await bus.wait_connected(10)
            assert server.url == url
            state = await stream_state(bus, "LEDGER")
            assert state is not None
            assert state.messages == count
        await bus.close()
    assert events == ["started", "died", "started", "died", "started"]
    assert server.pid is None


@asynchronous
async def test_nothing_that_was_sent_is_readable_on_the_disk(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path, KEY) as server:
        bus = await connect(server.url, "test", user=server.user, password=server.password)
        await ensure_log_stream(bus, LEDGER, published=0)
        header = {"ce-canary": CANARY.decode()}
        for _ in range(50):
            await bus.request(f"ledger.consent.acme.{CANARY.decode()}", CANARY * 20, headers=header)
        await bus.close()
        disk = _everything_in(tmp_path)
    assert len(disk) > 50 * 20 * len(CANARY)
    for shape in (
        CANARY,
        CANARY.hex().encode(),
        CANARY.decode().encode("utf-16-le"),
        *(base64.b64encode(b"x" * shift + CANARY)[4:-4] for shift in range(3)),
        KEY,
        KEY.hex().encode(),
        base64.b64encode(KEY),
    ):
        assert shape not in disk


@asynchronous
async def test_the_password_file_is_ours_alone_and_new_at_each_start(tmp_path: Path) -> None:
    passwords = set()
    for _ in range(2):
        async with EmbeddedNats(tmp_path, KEY) as server:
            config = tmp_path / "nats.conf"
            assert stat.S_IMODE(config.stat().st_mode) == 0o600
            assert server.password in config.read_text()
            passwords.add(server.password)
    assert len(passwords) == 2


@asynchronous
async def test_another_key_shows_the_stream_as_absent_and_it_is_not_made_silently(tmp_path: Path) -> None:
    for key, absent in ((KEY, True), (bytes(32), True), (KEY, False)):
        async with EmbeddedNats(tmp_path, key) as server:
            bus = await connect(server.url, "test", user=server.user, password=server.password)
            assert (await stream_state(bus, "LEDGER") is None) == absent
            if key == KEY:
                await ensure_log_stream(bus, LEDGER, published=0)
                await bus.request("ledger.consent.acme.t", b"event")
            else:
                with pytest.raises(StreamMissing):
                    await ensure_log_stream(bus, LEDGER, published=1)
            await bus.close()


@asynchronous
async def test_a_second_owner_of_the_same_directory_is_refused(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path, KEY) as server:
        with pytest.raises(StoreInUse):
            await EmbeddedNats(tmp_path, KEY).start()
        assert server.pid is not None


@pytest.mark.fault
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next owner ends what is left over")
@asynchronous
async def test_the_server_dies_with_its_parent(tmp_path: Path) -> None:
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _OWNER, str(tmp_path), KEY.hex()), stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    assert owner.stdout is not None
    pid = int(await asyncio.wait_for(owner.stdout.readline(), 20))
    try:
        assert _alive(pid)
        owner.kill()
        await owner.wait()
        await eventually(lambda: not _alive(pid))
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.fault
@asynchronous
async def test_a_server_that_a_former_owner_left_running_is_ended_first(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path, KEY):
        pass
    leftover = _server_without_owner(tmp_path)
    try:
        await eventually(lambda: _pid_in(tmp_path) == leftover.pid)
        async with EmbeddedNats(tmp_path, KEY) as server:
            assert leftover.wait(5) == -signal.SIGKILL
            assert server.pid not in (None, leftover.pid)
    finally:
        leftover.kill()
        leftover.wait()


@asynchronous
async def test_a_server_that_cannot_start_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed):
        await EmbeddedNats(tmp_path, KEY, binary=Path("/bin/false")).start()
    async with EmbeddedNats(tmp_path, KEY) as server:
        assert server.pid is not None


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        EmbeddedNats(tmp_path, b"short")


def _restarted(server: EmbeddedNats, former: int | None) -> bool:
    return server.pid not in (None, former)


def _everything_in(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


def _server_without_owner(directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([find_server(), "-c", directory / "nats.conf"], env={KEY_VARIABLE: "k" + KEY.hex()})


def _pid_in(directory: Path) -> int:
    try:
        return int((directory / "nats.pid").read_text())
    except (OSError, ValueError):
        return 0


_OWNER = """
import asyncio, sys
from pathlib import Path
from consentledger.bus.embedded import EmbeddedNats

async def main():
    server = EmbeddedNats(Path(sys.argv[1]), bytes.fromhex(sys.argv[2]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
