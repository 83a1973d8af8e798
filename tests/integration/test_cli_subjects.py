"""The commands about a person's own data: who read it, and a copy of it that only their key opens."""

import asyncio
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from consentledger.cli.main import main
from consentledger.crypto.parcel import Parcel
from consentledger.crypto.parcelkey import private_key, public_key
from consentledger.errors import LedgerError, Reason
from consentledger.v1 import audit_service_pb2 as audit
from consentledger.v1 import consent_service_pb2 as consent
from tests.support.asking import grant
from tests.support.consent import ledger as real_ledger
from tests.support.nats import nats_server
from tests.support.tiny_ledger import ADA, PERSONAL, Cli, Ledger, serving

CONTENT = b"everything about ada" * 100_000


class WithAccesses(Ledger):
    """The tiny ledger, with what these commands ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = False

    def ListAccesses(self, request: Any) -> Any:
        start = int(request.page_token or 3)
        page = audit.ListAccessesResponse(next_page_token=str(start - 1) if start > 1 else "")
        page.accesses.add(
            position=start, method="GetSubjectHistory", purpose="audit", actor="ines", fields=["events", "sealed"]
        )
        page.accesses[0].linked = start == 1
        return page

    async def ExportSubject(self, request: Any) -> AsyncIterator[Any]:
        parcel = Parcel(request.recipient_key)
        yield consent.ExportSubjectResponse(data=parcel.head)
        for piece in parcel.seal(CONTENT):
            yield consent.ExportSubjectResponse(data=piece)
        if self.cut:
            raise LedgerError(Reason.SHUTTING_DOWN)
        yield consent.ExportSubjectResponse(data=parcel.end())


@pytest.fixture
def tiny() -> WithAccesses:
    return WithAccesses()


@pytest.fixture
def cli(tiny: WithAccesses, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    with serving(tiny) as address:
        yield Cli(address, capsys)


@pytest.fixture
def key(cli: Cli, tmp_path: Path) -> Path:
    cli("subject", "keygen", str(tmp_path / "ada.key"))
    return tmp_path / "ada.key"


def test_a_read_says_why_and_by_whom(cli: Cli, tiny: WithAccesses) -> None:
    cli("history", ADA, "--access-purpose", "audit", "--actor", "ines")
    assert (tiny.seen[-1].access.purpose, tiny.seen[-1].access.actor) == ("audit", "ines")
    cli("history", ADA)
    assert not tiny.seen[-1].access.purpose


def test_accesses_are_shown_newest_first_over_all_pages(cli: Cli) -> None:
    lines = cli("accesses", ADA).splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["3", "2", "1"]
    assert "ines" in lines[1] and "audit" in lines[1] and "events, sealed" in lines[1]
    assert "linked" in lines[3] and "linked" not in lines[2]
    assert [access["position"] for access in cli.json("accesses", ADA)["accesses"]] == ["3", "2", "1"]


def test_a_copy_is_sealed_to_the_key_and_opened_by_it(cli: Cli, tiny: WithAccesses, key: Path, tmp_path: Path) -> None:
    sealed, opened = tmp_path / "ada.parcel", tmp_path / "ada.zip"
    cli("subject", "export", ADA, "--key", f"{key}.pub", "--out", str(sealed), "--access-purpose", "subject-request")
    assert tiny.seen[-1].access.purpose == "subject-request"
    assert tiny.seen[-1].recipient_key == public_key((tmp_path / "ada.key.pub").read_bytes())
    assert b"everything about ada" not in sealed.read_bytes()
    said = cli.json("subject", "open", str(sealed), "--key", str(key), "--out", str(opened))
    assert opened.read_bytes() == CONTENT and said == {"file": str(opened), "bytes": len(CONTENT)}
    for written in (key, sealed, opened):
        assert written.stat().st_mode & 0o077 == 0


def test_a_copy_that_was_cut_leaves_no_file(cli: Cli, tiny: WithAccesses, key: Path, tmp_path: Path) -> None:
    tiny.cut = True
    cli("subject", "export", ADA, "--key", f"{key}.pub", "--out", str(tmp_path / "ada.parcel"), code=3)
    assert "SHUTTING_DOWN" in cli.err
    assert {file.name for file in tmp_path.iterdir()} == {"ada.key", "ada.key.pub"}


@pytest.mark.parametrize("reason", [Reason.SUBJECT_UNKNOWN, Reason.INVALID_FIELD])
def test_a_refused_copy_leaves_no_file(reason: Reason, cli: Cli, tiny: WithAccesses, key: Path, tmp_path: Path) -> None:
    tiny.failing["ExportSubject"] = [reason]
    cli("subject", "export", ADA, "--key", f"{key}.pub", "--out", str(tmp_path / "ada.parcel"), code=1)
    assert reason.value in cli.err and not (tmp_path / "ada.parcel").exists()


def test_neither_another_key_nor_a_changed_copy_opens_anything(cli: Cli, key: Path, tmp_path: Path) -> None:
    sealed, opened, other = tmp_path / "ada.parcel", tmp_path / "ada.zip", tmp_path / "ben.key"
    cli("subject", "keygen", str(other))
    cli("subject", "export", ADA, "--key", f"{key}.pub", "--out", str(sealed))
    cli("subject", "open", str(sealed), "--key", str(other), "--out", str(opened), code=1)
    sealed.write_bytes(sealed.read_bytes()[:-1] + b"\0")
    cli("subject", "open", str(sealed), "--key", str(key), "--out", str(opened), code=1)
    assert "changed" in cli.err
    assert not opened.exists() and not (tmp_path / "ada.zip.part").exists()


def test_a_key_is_never_overwritten_and_no_other_file_is_taken_for_one(cli: Cli, key: Path, tmp_path: Path) -> None:
    before = key.read_bytes()
    cli("subject", "keygen", str(key), code=1)
    assert key.read_bytes() == before and private_key(before)
    out = str(tmp_path / "out")
    cli("subject", "export", ADA, "--key", str(key), "--out", out, code=1)  # the private one
    assert "public key" in cli.err
    cli("subject", "open", str(key), "--key", f"{key}.pub", "--out", out, code=1)
    assert "private key" in cli.err


async def test_the_real_services_give_a_copy_that_opens(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, real_ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, PERSONAL.removesuffix("@example.org"))

        async def command(*arguments: str) -> None:
            assert await asyncio.to_thread(main, ["--server", running.address, *arguments]) == 0

        key, sealed, opened = (str(tmp_path / name) for name in ("key", "sealed", "opened.zip"))
        await command("subject", "keygen", key)
        await command("history", ADA, "--actor", "ines")
        await command("subject", "export", ADA, "--key", f"{key}.pub", "--out", sealed, "--actor", "ada")
        await command("accesses", ADA)
        await command("subject", "open", sealed, "--key", key, "--out", opened)
        with zipfile.ZipFile(opened) as archive:
            assert PERSONAL.encode() in archive.read("person.json")
            assert b'"ines"' in archive.read("accesses.json") and b'"ada"' in archive.read("accesses.json")
