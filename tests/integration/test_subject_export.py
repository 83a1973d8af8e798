"""ExportSubject: all that is held about a person and nothing of anybody else, for the holder of one key."""

import asyncio
import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from consentledger.crypto.parcel import CannotUnpack, unpack
from consentledger.errors import LedgerError
from consentledger.rpc.channel import call as ask
from consentledger.rpc.errors import from_rpc_error
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.note import VerifierKey
from consentledger.tlog.prooffile import parse_proof, verify_proof
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from tests.support.asking import act, check, grant, withdraw
from tests.support.consent import NOTICE, TENANT, Ledger, email, ledger
from tests.support.nats import eventually, nats_server

KEY = X25519PrivateKey.generate()
FILES = {"README.txt", "person.json", "consents.json", "preferences.json", "history.jsonl", "history.csv"}
FILES |= {"accesses.json", "vkey.txt"}


def request(name: str, **fields: Any) -> cs.ExportSubjectRequest:
    public = KEY.public_key().public_bytes_raw()
    return cs.ExportSubjectRequest(tenant=TENANT, subject=email(name), recipient_key=public, **fields)


async def sealed(running: Ledger, name: str, **fields: Any) -> list[bytes]:
    return [piece.data async for piece in running.consent.ExportSubject(request(name, **fields), timeout=60)]


async def exported(running: Ledger, name: str, **fields: Any) -> dict[str, bytes]:
    """The archive's files, in their order."""
    return contents(b"".join(await sealed(running, name, **fields)))


def contents(parcel: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(unpack(io.BytesIO(parcel), KEY)))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def personal(name: str) -> dict[str, Any]:
    """A context whose every personal field can be found again."""
    guardian = ty.Guardian(
        subject=ty.SubjectRef(namespace="crm", id=f"{name}-guardian"),
        verification_method="card",
        child_birth_date="2015-03-09",
    )
    return {
        "context": ty.Context(
            method="checkbox",
            jurisdiction="DE",
            ip=f"{name}-ip",
            user_agent=f"{name} agent",
            note=f"=HYPERLINK {name}-note",
            guardian=guardian,
        )
    }


async def lived(running: Ledger, name: str) -> None:
    """A person with something of everything."""
    await grant(running, name, **personal(name))
    await withdraw(running, name, "marketing.email", reason=f'{name}-reason, said "so"\nand left')
    wanted = ev.Preference(channel="email", topic="news", frequency="weekly", language="de")
    await act(running, "UpdatePreferences", subject=email(name), preferences=[wanted])


CANARIES = ("@example.org", "-ip", " agent", "-note", "-guardian", "-reason", "-actor")


def found(files: dict[str, bytes], name: str) -> list[str]:
    """Files that hold anything of a person's own."""
    return [file for file, content in files.items() if any(f"{name}{c}".encode() in content for c in CANARIES)]


async def own(running: Ledger, name: str) -> list[Any]:
    """The entries of the person who was seen with this name; the names of these tests come in order."""
    entries = await running.store.entries(0, 10_000)
    opened = [e.stream for e in entries if e.type == "subject.opened.v1"]
    return [e for e in entries if e.stream == opened[("ada", "ben", "cleo").index(name)]]


async def test_everything_about_a_person_is_in_it_and_nothing_of_anybody_else(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        for name in ("ada", "ben"):
            await lived(running, name)
            why = ty.AccessReason(purpose="support", actor=f"{name}-actor")
            asked = au.GetSubjectHistoryRequest(tenant=TENANT, subject=email(name), access=why)
            await ask(running.audit.GetSubjectHistory, asked, 10)
        files = await exported(running, "ada", access=ty.AccessReason(purpose="subject-request"))
        entries = await own(running, "ada")
        proofs = {f"receipts/{e.position}.{kind}" for e in entries for kind in ("leaf", "tlog-proof")}
        assert set(files) == FILES | proofs and len(entries) == 6
        for name in ("history.jsonl", "history.csv"):
            for canary in CANARIES:
                assert f"ada{canary}".encode() in files[name], f"{canary} is not in {name}"
        assert not found(files, "ben")
        lines = [json.loads(line) for line in files["history.jsonl"].splitlines()]
        assert [(line["position"], line["type"]) for line in lines] == [(e.position, e.type) for e in entries]
        assert lines[1]["header"]["purpose"] == "marketing.email" and lines[1]["personal"]["ip"] == "ada-ip"
        assert lines[1]["personal"]["guardian"]["child_birth_date"] == "2015-03-09"


async def test_it_says_what_stands_and_who_has_read(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await lived(running, "ada")
        await grant(running, "ada", "marketing.email")
        files = await exported(running, "ada", access=ty.AccessReason(purpose="subject-request", actor="desk"))
        person, stands = json.loads(files["person.json"]), json.loads(files["consents.json"])
        assert person["persons"][0]["identifiers"] == {"email": ["ada@example.org"]}
        assert person["controller"]["id"] == TENANT and person["asked_for"]["id"] == "ada@example.org"
        by_id = {one["stands"]["purpose"]: one for one in stands["purposes"]}
        mail = by_id["marketing.email"]
        assert mail["stands"]["state"] == "CONSENT_STATE_GRANTED" and mail["stands"]["notice_version"] == NOTICE
        assert {"regime": "gdpr", "basis": "LEGAL_BASIS_CONSENT"} in mail["purpose"]["bases"]
        assert {one["stands"]["state"] for name, one in by_id.items() if name != "marketing.email"} == {
            "CONSENT_STATE_UNKNOWN"
        }
        [notice] = stands["notices"]
        assert notice["version"] == NOTICE and notice["text"] and stands["jurisdictions"] == ["DE"]
        assert json.loads(files["preferences.json"])[0]["frequency"] == "weekly"
        [access] = json.loads(files["accesses.json"])
        assert (access["method"], access["purpose"], access["actor"]) == ("ExportSubject", "subject-request", "desk")
        said = files["README.txt"].decode()
        assert all(name.partition("/")[0] in said for name in files if name != "README.txt")


async def test_the_table_runs_no_formula_and_loses_no_line(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await lived(running, "ada")
        files = await exported(running, "ada")
        rows = list(csv.DictReader(io.StringIO(files["history.csv"].decode("utf-8-sig"), newline="")))
        assert [int(row["position"]) for row in rows] == [e.position for e in await own(running, "ada")]
        assert rows[1]["note"] == "'=HYPERLINK ada-note" and rows[2]["reason"] == 'ada-reason, said "so"\nand left'
        assert rows[0]["identifier"] == "email:ada@example.org"
        assert rows[1]["guardian"] == "crm:ada-guardian card 2015-03-09"
        assert rows[3]["everything_else"].startswith("{")


async def test_its_proofs_hold_for_every_event(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await lived(running, "ada")
        files = await exported(running, "ada")
        key = VerifierKey.parse(files["vkey.txt"].decode().strip())
        entries = await own(running, "ada")
        for entry in entries:
            leaf, proof = (files[f"receipts/{entry.position}.{kind}"] for kind in ("leaf", "tlog-proof"))
            assert leaf == entry.leaf and parse_proof(proof).index == entry.position - 1
            assert verify_proof(proof, leaf_hash(leaf), [key]).size >= entries[-1].position
            with pytest.raises(ValueError):
                verify_proof(proof, leaf_hash(leaf + b"\0"), [key])


async def test_persons_linked_are_in_it_together(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        for name in ("ada", "ben", "cleo"):
            await lived(running, name)
        await act(running, "LinkIdentifiers", left=email("ada"), right=email("ben"))
        files = await exported(running, "ada", access=ty.AccessReason(actor="desk"))
        person = json.loads(files["person.json"])
        assert [(p["identifiers"]["email"], p["linked"]) for p in person["persons"]] == [
            (["ada@example.org"], False),
            (["ben@example.org"], True),
        ]
        assert b"ben-reason" in files["history.jsonl"]
        assert not found(files, "cleo") and found(files, "ben")
        lines = [json.loads(line) for line in files["history.jsonl"].splitlines()]
        assert [line["position"] for line in lines] == sorted(
            e.position for e in [*await own(running, "ada"), *await own(running, "ben")]
        )
        assert sorted(one.get("linked", False) for one in json.loads(files["accesses.json"])) == [False, True]
        assert {one["person"] for one in json.loads(files["preferences.json"])} == {
            one["person"] for one in person["persons"]
        }


async def test_only_the_requesters_key_opens_it_and_only_whole(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await lived(running, "ada")
        parcel = b"".join(await sealed(running, "ada"))
        assert b"ada@example" not in parcel and b"ada-reason" not in parcel and contents(parcel)
        with pytest.raises(CannotUnpack):
            list(unpack(io.BytesIO(parcel), X25519PrivateKey.generate()))
        changed = bytearray(parcel)
        changed[len(parcel) // 2] ^= 1
        for broken in (bytes(changed), parcel[:-1], parcel + b"\0"):
            with pytest.raises(CannotUnpack):
                list(unpack(io.BytesIO(broken), KEY))


async def test_a_long_life_comes_in_pieces_and_others_are_served_meanwhile(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        for _ in range(20):
            await asyncio.gather(*(withdraw(running, "ada", reason="again") for _ in range(60)))
        export = asyncio.create_task(sealed(running, "ada"))
        served = 0
        while not export.done():
            await check(running, "ben")
            served += 1
        pieces = await export
        assert served > 5  # one or two, if it were made in one go
        assert len(pieces) >= 3 and max(map(len, pieces)) <= (1 << 20) + 16
        assert len(contents(b"".join(pieces))) == len(FILES) + 2 * (1_200 + 2)


async def test_a_reader_who_leaves_in_the_middle_leaves_nothing_running(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await lived(running, "ada")
        call = running.consent.ExportSubject(request("ada"), timeout=60)
        async for _ in call:
            break
        call.cancel()
        assert await running.server.guard.drain(5.0)


async def test_a_key_that_is_none_is_refused_before_anything_is_recorded(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        before = (await running.store.head()).position
        for key in (b"", bytes(31), bytes(32)):
            asked = request("ada")
            asked.recipient_key = key
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                [piece async for piece in running.consent.ExportSubject(asked, timeout=10)]
            assert from_rpc_error(caught.value).metadata["field"] == "recipient_key"
        assert (await running.store.head()).position == before


async def test_a_person_being_erased_still_gets_their_data_and_an_erased_one_is_unknown(
    tmp_path: Path, store_url: str
) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await lived(running, "ada")
        await act(running, "EraseSubject", subject=email("ada"), recipients_within_seconds=2)
        files = await exported(running, "ada")
        assert b"subject.erased.v1" in files["history.jsonl"] and json.loads(files["consents.json"])["being_erased"]

        async def erased() -> bool:
            return bool(await running.store.entries(0, 1, types=["key.destroyed.v1"]))

        await eventually(erased, 30.0)
        for call in (
            sealed(running, "ada"),
            ask(running.audit.GetSubjectHistory, au.GetSubjectHistoryRequest(tenant=TENANT, subject=email("ada")), 10),
            ask(running.audit.ListAccesses, au.ListAccessesRequest(tenant=TENANT, subject=email("ada")), 10),
        ):
            assert await refused(call) == "SUBJECT_UNKNOWN"
        for entry in await own(running, "ada"):
            assert entry.ciphertext is None, f"{entry.type} can still be opened"


async def refused(call: Any) -> str:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error).reason
    except LedgerError as error:
        return error.reason
    return ""
