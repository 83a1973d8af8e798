"""Puts the example catalogue and people into a running ledger, as a customer would: through its rpcs.

    python -m bench.people '{"address": "127.0.0.1:50051", "people": 1000, "first": 0}'

Each person grants one purpose. What is there already stays: the request ids are the same each time.
"""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

from google.protobuf.json_format import ParseDict

from bench.processes import ROOT
from bench.requests import NOTICE, PLACE, PURPOSE, TENANT, subject
from consentledger.errors import LedgerError, Reason
from consentledger.rpc import channel
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import (
    consent_service_pb2_grpc,
    purpose_service_pb2,
    purpose_service_pb2_grpc,
    tenant_service_pb2,
    tenant_service_pb2_grpc,
)
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty

ROWS = 500
STREAMS = 4
CATALOGUE = ROOT / "examples" / "catalogue"


def _id(what: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, what))


def tenant_request() -> tenant_service_pb2.CreateTenantRequest:
    """The tenant."""
    tenant = ev.Tenant(id=TENANT, display_name=TENANT)
    return tenant_service_pb2.CreateTenantRequest(request_id=_id("tenant"), tenant=tenant)


def purpose_requests() -> list[purpose_service_pb2.CreatePurposeRequest]:
    """The example purposes."""
    return [
        purpose_service_pb2.CreatePurposeRequest(
            request_id=_id(f"purpose {raw['id']}"), tenant=TENANT, purpose=ParseDict(raw, ev.Purpose())
        )
        for raw in json.loads((CATALOGUE / "purposes.json").read_text())["purposes"]
    ]


def notice_requests() -> list[purpose_service_pb2.PublishNoticeRequest]:
    """The example notices."""
    return [
        purpose_service_pb2.PublishNoticeRequest(
            request_id=_id(f"notice {raw['version']}"), tenant=TENANT, notice=ParseDict(raw, ev.Notice())
        )
        for raw in json.loads((CATALOGUE / "notices.json").read_text())["notices"]
    ]


async def load_catalogue(connection: Any) -> None:
    """The tenant, its purposes and its notices; those that exist stay as they are."""
    tenants: Any = tenant_service_pb2_grpc.TenantServiceStub(connection)
    purposes: Any = purpose_service_pb2_grpc.PurposeServiceStub(connection)
    try:
        await channel.call(tenants.CreateTenant, tenant_request(), 10)
    except LedgerError as error:
        if error.reason is not Reason.TENANT_EXISTS:
            raise
    for purpose in purpose_requests():
        await channel.call(purposes.CreatePurpose, purpose, 10)
    for notice in notice_requests():
        await channel.call(purposes.PublishNotice, notice, 10)


def row(number: int, now_s: int) -> cs.ImportRow:
    """One person's grant, made a minute ago."""
    made = cs.ImportRow(
        request_id=_id(f"person {number}"),
        subject=subject(number),
        consent=cs.ConsentChoice(purpose=PURPOSE, choice=ty.CHOICE_GRANT),
        notice_version=NOTICE,
        context=ty.Context(method="import", jurisdiction=PLACE),
    )
    made.occurred_at.seconds = now_s - 60
    return made


async def _import(consent: Any, numbers: range) -> None:
    now_s = int(time.time())

    async def messages() -> AsyncIterator[cs.ImportConsentsRequest]:
        for start in range(0, len(numbers), ROWS):
            yield cs.ImportConsentsRequest(tenant=TENANT, rows=[row(n, now_s) for n in numbers[start : start + ROWS]])

    answer: cs.ImportConsentsResponse = await consent.ImportConsents(messages(), timeout=800)
    if answer.rejected:
        raise RuntimeError(f"{answer.rejected} rows were refused: {answer.rejections[0].reason}")


async def populate(address: str, people: int, first: int) -> None:
    """Catalogue and people, on a few streams at once."""
    connection = channel.connect(address)
    try:
        await load_catalogue(connection)
        consent: Any = consent_service_pb2_grpc.ConsentServiceStub(connection)
        bounds = [first + people * n // STREAMS for n in range(STREAMS + 1)]
        await asyncio.gather(*(_import(consent, range(a, b)) for a, b in pairwise(bounds) if a < b))
    finally:
        await connection.close()


def main(argument: str) -> None:
    """Do it; print how long it took."""
    job = json.loads(argument)
    began = time.monotonic()
    asyncio.run(populate(job["address"], job["people"], job["first"]))
    print(json.dumps({"seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main(sys.argv[1])
