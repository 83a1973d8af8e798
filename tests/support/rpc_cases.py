"""One acceptable request for every rpc of the contract, and a caller that sends and receives bytes.

- `EXAMPLES` is complete: `example` fails for an rpc that it lacks, so a new rpc needs one.
- Every value that may hold free text holds `MARK`, so that a test can look for what was sent.
- Nothing here decides what is right: see the tests.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from consentledger.v1 import (
    audit_service_pb2,
    consent_service_pb2,
    notifier_service_pb2,
    purpose_service_pb2,
    tenant_service_pb2,
)

MARK = "k4n4ry"
SERVICES: tuple[ServiceDescriptor, ...] = (
    consent_service_pb2.DESCRIPTOR.services_by_name["ConsentService"],
    tenant_service_pb2.DESCRIPTOR.services_by_name["TenantService"],
    purpose_service_pb2.DESCRIPTOR.services_by_name["PurposeService"],
    audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"],
    notifier_service_pb2.DESCRIPTOR.services_by_name["NotifierService"],
)

Json = dict[str, Any]


def subject(name: str) -> Json:
    """A person, as JSON."""
    return {"namespace": "email", "id": f"{MARK}-{name}@example.org"}


CONTEXT: Json = {
    "method": "checkbox",
    "jurisdiction": "DE",
    "language": "de",
    "collector": "shop",
    "ip": f"{MARK}-ip",
    "userAgent": f"{MARK} agent",
    "ageBand": "AGE_BAND_MINOR",
    "guardian": {"subject": subject("guardian"), "verificationMethod": "card", "childBirthDate": "2019-05-17"},
    "note": f"{MARK} note",
}
_ACT: Json = {"tenant": "default", "subject": subject("ada"), "context": CONTEXT}
_ACCESS: Json = {"purpose": "subject-request", "actor": f"{MARK}-actor"}
_PAIR: Json = {"tenant": "default", "left": subject("left"), "right": subject("right"), "context": CONTEXT}
_BASES = [{"regime": "gdpr", "basis": "LEGAL_BASIS_CONSENT"}]
_PURPOSE: Json = {"title": f"{MARK} title", "bases": _BASES, "dataCategories": [MARK], "noticeId": "marketing"}
_GRANT: Json = {"purpose": "marketing.email", "choice": "CHOICE_GRANT", "expiresAt": "2031-01-01T00:00:00Z"}
_NOTICE = "marketing-2026-02-de"
_DOWNSTREAM: Json = {
    "id": f"{MARK}-mailer",
    "displayName": f"{MARK} mailer",
    "kind": "DOWNSTREAM_KIND_PROCESSOR",
    "purposes": ["marketing.email"],
    "identifierNamespace": "email",
    "webhook": {"url": f"https://127.0.0.1/{MARK}"},  # where no webhook may go: nobody is called
}

EXAMPLES: dict[str, Json] = {
    "CreateTenant": {"tenant": {"id": f"{MARK}-new", "displayName": MARK, "defaultJurisdiction": "DE"}},
    "UpdateTenant": {"tenant": {"id": "default", "displayName": MARK, "defaultJurisdiction": "DE"}},
    "GetTenant": {"tenant": "default"},
    "ListTenants": {},
    "CreatePurpose": {"tenant": "default", "purpose": {**_PURPOSE, "id": f"{MARK}.purpose.new"}},
    "UpdatePurpose": {"tenant": "default", "purpose": {**_PURPOSE, "id": "marketing.post"}},
    "GetPurpose": {"tenant": "default", "purpose": "marketing.email"},
    "ListPurposes": {"tenant": "default"},
    "RetirePurpose": {"tenant": "default", "purpose": "analytics.web"},
    "PublishNotice": {
        "tenant": "default",
        "notice": {"id": f"{MARK}-notice", "version": f"{MARK}-1", "text": MARK, "purposes": ["marketing.email"]},
    },
    "GetNotice": {"tenant": "default", "version": _NOTICE},
    "ListNotices": {"tenant": "default"},
    "RecordConsent": {**_ACT, "choices": [_GRANT], "noticeVersion": _NOTICE},
    "WithdrawConsent": {**_ACT, "purposes": ["marketing.email"], "reason": f"{MARK} reason"},
    "RecordObjection": {**_ACT, "purposes": ["marketing.email"], "reason": f"{MARK} reason"},
    "RecordSignal": {**_ACT, "kind": "SIGNAL_KIND_GPC", "secGpc": ["1"]},
    "SetRestriction": {**_ACT, "reason": f"{MARK} reason"},
    "LiftRestriction": {**_ACT, "reason": f"{MARK} reason"},
    "LinkIdentifiers": _PAIR,
    "UndoLink": _PAIR,
    "UpdatePreferences": {
        "tenant": "default",
        "subject": subject("ada"),
        "preferences": [{"channel": "email", "topic": "news", "frequency": "weekly", "language": "de"}],
    },
    "GetPreferences": {"tenant": "default", "subject": subject("ada")},
    "GetConsentState": {"tenant": "default", "subject": subject("ada")},
    "CheckConsent": {
        "tenant": "default", "subject": subject("ada"), "purpose": "marketing.email", "jurisdiction": "DE",
    },
    "BatchCheckConsent": {
        "tenant": "default",
        "items": [{"subject": subject("ada"), "purpose": "marketing.email", "jurisdiction": "DE"}],
    },
    "ImportConsents": {
        "tenant": "default",
        "rows": [
            {
                "subject": subject("imported"),
                "consent": _GRANT,
                "noticeVersion": _NOTICE,
                "occurredAt": "2026-03-01T00:00:00Z",
                "context": CONTEXT,
            }
        ],
    },
    "WatchConsent": {"tenant": "default", "fromPosition": 1, "subject": subject("ada"), "heartbeatSeconds": 1},
    "EraseSubject": {**_ACT, "subject": subject("left"), "recipientsWithinSeconds": 60},
    "GetErasure": {"tenant": "default", "erasureId": "00000000-0000-4000-8000-000000000000"},
    "SetHold": {**_ACT, "subject": subject("held"), "hold": f"{MARK}-case", "reason": f"{MARK} reason"},
    "LiftHold": {**_ACT, "subject": subject("held"), "hold": f"{MARK}-case", "reason": f"{MARK} reason"},
    "ResolveIdentifiers": {"tenant": "default", "persons": ["AAAAAAAAAAAAAAAAAAAAAA=="], "namespace": "email"},
    "ExportSubject": {
        "tenant": "default",
        "subject": subject("ada"),
        "recipientKey": "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "access": _ACCESS,
    },
    "ReplayEvents": {
        "tenant": "default",
        "types": ["consent.recorded.v1"],
        "log": "consent",
        "fromTime": "2026-03-01T00:00:00Z",
    },
    "ExportLog": {"log": "consent", "tenants": ["default"], "ciphertexts": True},
    "GetSubjectHistory": {"tenant": "default", "subject": subject("ada"), "access": _ACCESS},
    "GetCheckpoint": {"log": "consent"},
    "GetInclusionProof": {"log": "consent", "position": 1, "size": 2},
    "GetConsistencyProof": {"log": "consent", "fromSize": 1, "toSize": 2},
    "GetReceipt": {"log": "consent", "tenant": "default", "position": 1},
    "ListAccesses": {"tenant": "default", "subject": subject("ada")},
    "RegisterDownstream": {"tenant": "default", "downstream": _DOWNSTREAM},
    "UpdateDownstream": {"tenant": "default", "downstream": _DOWNSTREAM},
    "GetDownstream": {"tenant": "default", "downstream": f"{MARK}-mailer"},
    "ListDownstreams": {"tenant": "default"},
    "RotateSecret": {"tenant": "default", "downstream": f"{MARK}-mailer"},
    "ListObligations": {"tenant": "default"},
    "AcknowledgeObligation": {
        "tenant": "default",
        "obligation": "00000000-0000-4000-8000-000000000000",
        "outcome": "OBLIGATION_STATE_ENFORCED",
        "evidence": {"method": "stopped"},
    },
}  # fmt: skip


def example(rpc: MethodDescriptor) -> Message:
    """A request that is accepted, with request ids never used before."""
    assert rpc.name in EXAMPLES, f"{rpc.full_name} has no example in tests/support/rpc_cases.py"
    message: Message = ParseDict(deepcopy(EXAMPLES[rpc.name]), GetMessageClass(rpc.input_type)())
    fresh_ids(message)
    return message


def fresh_ids(message: Any) -> None:
    """Give the request, and each of its rows, a new request_id."""
    names = message.DESCRIPTOR.fields_by_name
    if "request_id" in names:
        message.request_id = str(uuid.uuid4())
    for row in message.rows if "rows" in names else ():
        row.request_id = str(uuid.uuid4())


def rpcs(*services: str) -> Iterator[MethodDescriptor]:
    """Every rpc of the services named, or of all."""
    for service in SERVICES:
        if not services or service.name in services:
            yield from service.methods


def writes() -> Iterator[MethodDescriptor]:
    """Every rpc of the consent service whose request carries a request_id."""
    for rpc in rpcs("ConsentService", "TenantService", "PurposeService", "AuditService"):
        if "request_id" in rpc.input_type.fields_by_name:
            yield rpc


class RawCaller:
    """Sends bytes, also such as no stub would, and returns the first answer's bytes."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        # The stubs know no channel without serializers.
        self._channel: Any = channel

    async def __call__(self, rpc: MethodDescriptor, raw: bytes, timeout: float | None = 20.0) -> bytes:
        """b"" if a stream ends without an answer. Raises AioRpcError."""
        path = f"/{rpc.containing_service.full_name}/{rpc.name}"
        answer: bytes
        if rpc.server_streaming:
            call = self._channel.unary_stream(path)(raw, timeout=timeout)
            try:
                async for answer in call:
                    return answer
            finally:
                call.cancel()
            return b""
        if rpc.client_streaming:

            async def one() -> AsyncIterator[bytes]:
                yield raw

            answer = await self._channel.stream_unary(path)(one(), timeout=timeout)
            return answer
        answer = await self._channel.unary_unary(path)(raw, timeout=timeout)
        return answer

    async def send(self, rpc: MethodDescriptor, request: Message) -> Any:
        """One message, answered by a message."""
        answer = await self(rpc, request.SerializeToString())
        return GetMessageClass(rpc.output_type).FromString(answer)


async def at_once(*calls: Any) -> list[Any]:
    """All at the same time; exceptions are answers."""
    return list(await asyncio.gather(*calls, return_exceptions=True))
