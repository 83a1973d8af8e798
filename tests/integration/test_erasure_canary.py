"""P5: after an erasure nothing of the person is found in anything that we wrote, and nothing left could open a seal.

A canary stands in every personal field. Looked for is the canary, in every form; and, since all of it was sealed from
the beginning, whatever could lead back to it: wrapped keys, index entries, sealed identifiers and ciphertexts, as they
were read before. Of somebody who was not erased all of these must be found, by the same search.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consentledger.rpc.channel import call
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from tests.support.canary import BIRTH_DATE, CANARY, files, leaks, patterns, personalise, rows
from tests.support.consent import TENANT
from tests.support.erasing import ended, erasing
from tests.support.places import Tables, postgres_files, postgres_tables, sqlite_tables
from tests.support.postgres import External
from tests.support.rpc_cases import MARK, RawCaller, example, rpcs
from tests.support.whole import Listener, Whole, whole

CONTROL = "control@example.org"
NOT_ABOUT_A_PERSON = {"EraseSubject", "ImportConsents"}


@dataclass(frozen=True, slots=True)
class Traces:
    """What leads, or led, to the personal data of some persons."""

    wrapped: list[bytes]
    indexed: list[bytes]
    identifiers: list[bytes]
    ciphertexts: list[bytes]

    def found_in(self, places: Iterable[tuple[str, bytes]]) -> set[str]:
        """Which kinds of traces are there; all of a kind, or a sign that some are."""
        kinds = {
            "wrapped": self.wrapped, "indexed": self.indexed, "identifiers": self.identifiers,
            "ciphertexts": self.ciphertexts,
        }  # fmt: skip
        contents = [data for _, data in places]
        return {kind for kind, values in kinds.items() if any(v[-64:] in data for v in values for data in contents)}


def tables(system: Whole, server: External | None) -> tuple[Tables, Tables]:
    """(the log's, the key store's) rows now."""
    if server is None:
        assert system.data is not None
        return sqlite_tables(system.data / "consent.db"), sqlite_tables(system.data / "keys.db")
    log, keys = postgres_tables(server, system.store), postgres_tables(server, system.keys)
    return _of("consent.", log), _of("keys.", keys)


def _of(schema: str, found: Tables) -> Tables:
    return {name.removeprefix(schema): rows for name, rows in found.items() if name.startswith(schema)}


def traces(log: Tables, keys: Tables, persons: set[bytes]) -> Traces:
    """Of these persons, as the tables are."""
    own = [row for row in keys["identifier"] if row[2] in persons]
    return Traces(
        [row[2] for row in keys["person_key"] if row[0] in persons],
        [row[1] for row in own],
        [row[4] for row in own],
        [row[7] for row in log["event"] if row[2] in persons and row[7] is not None],
    )


async def everybody_says_everything(system: Whole) -> set[str]:
    """Every act that holds something personal, with canaries; the identifiers used."""
    send = RawCaller(system.stubs.channel)
    used: set[str] = set()
    for rpc in rpcs("ConsentService"):
        if "request_id" in rpc.input_type.fields_by_name and rpc.name not in NOT_ABOUT_A_PERSON:
            request: Any = example(rpc)
            used |= {value for value in personalise(request, MARK) if "@" in value}
            await send(rpc, request.SerializeToString())
            if rpc.name == "RecordConsent":
                request.subject.id = CONTROL
                request.request_id = request.request_id[:-4] + "ffff"
                await send(rpc, request.SerializeToString())
    return {one for one in used if "guardian" not in one}


@pytest.mark.parametrize("kind", ["embedded", "servers"])
async def test_nothing_of_an_erased_person_is_left_and_nothing_that_leads_there(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    server: External | None = request.getfixturevalue("postgres") if kind == "servers" else None
    async with whole(kind, tmp_path, request) as system:
        await system.register("mailer")
        async with Listener(system, "mailer"):
            used = await everybody_says_everything(system)
            assert len(used) == 4 and all(CANARY in one for one in used)
            log, keys = tables(system, server)
            everybody = {row[0] for row in keys["person_key"]}
            control = await person_named(system, CONTROL)
            before, others = traces(log, keys, everybody - {control}), traces(log, keys, {control})
            assert len(before.wrapped) == 4 and len(before.ciphertexts) > 8
            for identifier in sorted(used):
                ending = erasing("", within=60)
                ending.subject.id = identifier
                ending.context.note, ending.context.ip = f"{CANARY} note", f"{CANARY}-ip"
                begun = await call(system.consent.EraseSubject, ending, 10)
                await ended(system.consent, begun.erasure.erasure_id, 60)
        replayed = b""
        async for chunk in system.audit.ReplayEvents(au.ReplayEventsRequest(tenant=TENANT), timeout=20):
            replayed += chunk.SerializeToString()
        live = [place for each in tables(system, server) for place in rows(each)]
        await control_can_still_be_read(system)
        for process in system.processes:
            process.terminate()
            await process.ended()
        said = "".join(line for process in system.processes for line in process.said).encode()
        written = [*files(tmp_path), ("replay", replayed), ("log", said), *live]
        if server is not None:
            written += postgres_files(server, system.store)
        found = {leak for place, data in written for leak in leaks(place, data, patterns(used))}
        assert found == set()
        where = live if server is not None else written  # what PostgreSQL's pages hold until VACUUM has no key
        assert before.found_in(where) == set()
        assert others.found_in(where) == {"wrapped", "indexed", "identifiers", "ciphertexts"}


async def person_named(system: Whole, identifier: str) -> bytes:
    """The person behind an identifier: read from their history."""
    subject = ty.SubjectRef(namespace="email", id=identifier)
    history = au.GetSubjectHistoryRequest(tenant=TENANT, subject=subject)
    answer = await call(system.audit.GetSubjectHistory, history, 10)
    return bytes(answer.events[0].entry.stream)


async def control_can_still_be_read(system: Whole) -> None:
    """Whoever was not erased: every seal opens."""
    subject = ty.SubjectRef(namespace="email", id=CONTROL)
    history = au.GetSubjectHistoryRequest(tenant=TENANT, subject=subject)
    answer = await call(system.audit.GetSubjectHistory, history, 10)
    personal: list[ev.ActPersonal] = [line.personal for line in answer.events if line.HasField("personal")]
    assert personal and personal[0].guardian.child_birth_date == BIRTH_DATE
    assert personal[0].note == f"{CANARY} note"
