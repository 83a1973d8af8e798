"""A downstream with a NATS user of its own, and the reference downstream as a program: they need nothing more."""

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from consentledger.bus.errors import BusError
from consentledger.bus.serverconfig import NatsUser
from consentledger.client.subjects import ack_subject, inbox_prefix, permissions
from consentledger.v1 import events_pb2 as ev
from tests.support.notifier import ADA, BEA, World, world

PROGRAM = Path(__file__).parents[2] / "examples" / "downstream.py"
USER = NatsUser("mailer", "secret", *permissions("acme", "mailer"))


async def test_a_downstream_works_with_the_rights_it_is_given_and_can_do_nothing_else(tmp_path: Path) -> None:
    async with world(tmp_path, users=[USER]) as w:
        await w.register("mailer", ["*"])
        await w.register("lake", ["*"])
        await w.listen("mailer", user=USER.name, password=USER.password, announce=True)
        w.consent.withdraw(ADA, ["p"])
        await w.standing(ENFORCED=1, SENT=1)
        [foreign] = await w.obligations(downstream="lake")
        bus = await w.nats.bus(user=USER.name, password=USER.password, inbox_prefix=inbox_prefix("acme", "mailer"))
        for subject in (
            ack_subject("acme", "lake", foreign.id),
            "enforce.acme.mailer.invented",
            "ledger.consent.acme.consent.withdrawn.v1",
            "$JS.API.CONSUMER.MSG.NEXT.ENFORCE.acme_lake",
            "$JS.API.CONSUMER.CREATE.ENFORCE.mine",
            "$JS.API.STREAM.INFO.ENFORCE",
            "$JS.API.STREAM.PURGE.ENFORCE",
            "$JS.API.DIRECT.GET.ENFORCE",
        ):
            with pytest.raises(BusError):
                await bus.request(subject, b"{}", timeout=1.0)
        assert await w.states() == {"ENFORCED": 1, "SENT": 1}


async def test_the_reference_downstream_strikes_whoever_withdrew_and_says_so(tmp_path: Path) -> None:
    contacts, journal, login = (tmp_path / name for name in ("contacts.sqlite", "journal", "mailer.json"))
    login.write_text(json.dumps({"user": USER.name, "password": USER.password}))
    async with world(tmp_path, users=[USER]) as w:
        await w.register("mailer", ["marketing.email", "profiling"])
        program = await _started(w, contacts, journal, login)
        _add(contacts, "ada@example.org", "marketing.email", 0)
        _add(contacts, "ada@example.org", "profiling", 0)
        _add(contacts, "bea@example.org", "marketing.email", 0)
        w.consent.withdraw(ADA, ["marketing.email"])
        await w.standing(ENFORCED=1)
        assert _people(contacts) == {("ada@example.org", "profiling"), ("bea@example.org", "marketing.email")}
        _add(contacts, "ada@example.org", "marketing.email", 10)
        w.consent.withdraw(ADA, ["*"])
        await w.standing(ENFORCED=2)
        newer = {("ada@example.org", "marketing.email"), ("bea@example.org", "marketing.email")}
        assert _people(contacts) == newer, "a grant that is newer than the revocation stands"
        material = ev.EventHeader()
        material.notice_published.notice.material = True
        w.consent.append(material, "notice.published.v1")
        await w.standing(ENFORCED=3)
        assert _people(contacts) == {("ada@example.org", "marketing.email")}
        first, second, third = await w.obligations()
        assert [o.evidence.records_affected for o in (first, second, third)] == [1, 1, 1]
        program.terminate()
        printed, _ = await program.communicate()
        assert program.returncode == 0
        assert b"example.org" not in printed
        assert [line.split(b":")[0] for line in printed.splitlines()] == [
            f"obligation {o.id}".encode() for o in (first, second, third)
        ]
        lines = [json.loads(line) for line in journal.read_text().splitlines()]
        assert [line["obligation"] for line in lines] == [first.id, second.id, third.id]
        assert all(line["received_at"] <= line["enforced_at"] for line in lines)
        assert "example.org" not in journal.read_text()


async def test_the_reference_downstream_killed_and_started_again_catches_up(tmp_path: Path) -> None:
    contacts, journal, login = (tmp_path / name for name in ("contacts.sqlite", "journal", "mailer.json"))
    login.write_text(json.dumps({"user": USER.name, "password": USER.password}))
    async with world(tmp_path, users=[USER]) as w:
        await w.register("mailer", ["*"])
        program = await _started(w, contacts, journal, login)
        _add(contacts, "ada@example.org", "p", 0)
        _add(contacts, "bea@example.org", "p", 0)
        w.consent.withdraw(ADA, ["p"])
        await w.standing(ENFORCED=1)
        program.kill()
        await program.communicate()
        w.consent.withdraw(BEA, ["p"])
        await w.standing(ENFORCED=1, SENT=1)
        program = await _started(w, contacts, journal, login)
        await w.standing(ENFORCED=2)
        assert _people(contacts) == set()
        program.terminate()
        await program.communicate()


async def _started(w: World, contacts: Path, journal: Path, login: Path) -> asyncio.subprocess.Process:
    options = {"nats": w.nats.url, "tenant": "acme", "downstream": "mailer", "list": contacts, "journal": journal}
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM), *arguments, "--credentials", str(login)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=PROGRAM.parents[1],
        env={"PYTHONPATH": str(PROGRAM.parents[1])},
    )
    assert program.stdout is not None
    async with asyncio.timeout(20):
        assert await program.stdout.readline() == b"acme/mailer is listening\n"
    return program


def _add(contacts: Path, id: str, purpose: str, position: int) -> None:
    with closing(sqlite3.connect(contacts)) as connection, connection:
        connection.execute("INSERT OR REPLACE INTO contact VALUES ('email', ?, ?, ?)", (id, purpose, position))


def _people(contacts: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(contacts)) as connection:
        return set(connection.execute("SELECT id, purpose FROM contact"))
