"""The files of the archive, one after the other, as they are taken; other calls get their turn in between.

Memory: the person's entries, and what is not taken yet. It does not grow with the log.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from consentledger.store.ledger import Entry
from consentledger.store.receipts import receipt
from consentledger.store.signedlog import SignedLog
from consentledger.v1 import types_pb2 as ty
from services.consent.accesses import accesses, line
from services.consent.domain.catalogue import Catalogue
from services.consent.domain.person import Person
from services.consent.export import events, summary
from services.consent.export.readme import readme
from services.consent.export.zipping import StreamedZip
from services.consent.memory import Aggregates
from services.consent.records import Records

SOME = 20
"""Events handled before others get their turn: a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Held:
    """All that is held about a person, and what it means."""

    asked: ty.SubjectRef
    records: Records
    names: Mapping[bytes, Sequence[ty.SubjectRef]]
    catalogue: Catalogue
    now_us: int


async def archive(held: Held, log: SignedLog) -> AsyncIterator[bytes]:
    """The ZIP, in portions of no certain size."""
    when = datetime.fromtimestamp(held.now_us // 1_000_000, UTC)
    zipped = StreamedZip(when)
    records, tenant = held.records, held.catalogue.tenant
    zipped.put("README.txt", readme(tenant.display_name or tenant.id, f"{when:%Y-%m-%d %H:%M:%S}"))
    zipped.put("person.json", _document(summary.person(records, held.names, held.catalogue, held.asked)))
    persons = await _folded(records)
    zipped.put("consents.json", _document(summary.consents(persons, held.catalogue, held.now_us)))
    zipped.put("preferences.json", _document(summary.preferences(persons)))
    with zipped.file("history.jsonl") as file:
        async for some in _in_turn(records.entries):
            file.write(b"".join(events.json_line(events.event(records, entry)) for entry in some))
            yield zipped.take()
    with zipped.file("history.csv") as file:
        file.write(events.csv_head())
        async for some in _in_turn(records.entries):
            file.write(b"".join(events.csv_row(events.event(records, entry)) for entry in some))
            yield zipped.take()
    zipped.put("accesses.json", _document([events.as_json(line(records, entry)) for entry in accesses(records)]))
    signed = await log.checkpoint()
    async for some in _in_turn(records.entries):
        for entry in some:
            made = await receipt(log, signed, entry.position, entry.leaf)
            zipped.put(f"receipts/{entry.position}.leaf", made.leaf)
            zipped.put(f"receipts/{entry.position}.tlog-proof", made.tlog_proof)
        yield zipped.take()
    zipped.put("vkey.txt", f"{log.notary.vkeys[-1]}\n".encode())
    zipped.close()
    yield zipped.take()


async def _folded(records: Records) -> list[Person]:
    memory = Aggregates(limit=1 << 30)
    async for some in _in_turn(records.entries):
        memory.absorb(some)
    return [one for one in map(memory.person, records.persons) if one is not None]


async def _in_turn(entries: Sequence[Entry]) -> AsyncIterator[Sequence[Entry]]:
    for some in _chunks(entries):
        yield some
        await asyncio.sleep(0)


def _chunks(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    return (entries[at : at + SOME] for at in range(0, len(entries), SOME))


def _document(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n"
