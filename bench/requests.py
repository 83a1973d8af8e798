"""The requests that the load sends, as templates: bytes with gaps for a person and a request id.

Everything else in a message is the same from call to call, so a call costs the client no protobuf. The names are made
up and of one length: `person-000000017@example.org`.
"""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from google.protobuf.message import Message

from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty

TENANT = "default"
PURPOSE = "marketing.email"
NOTICE = "marketing-2026-02-de"
"""A notice of the example catalogue that covers the purpose and is not stale."""
PLACE = "DE"
_PERSON = "p" * 9
_REQUEST = "r" * 36
SERVICE = "/consentledger.v1.ConsentService/"


def person(number: int | str) -> str:
    """The identifier of a person; below 10^9."""
    return f"person-{number:0>9}@example.org"


def subject(number: int | str) -> ty.SubjectRef:
    """The person as requests name them."""
    return ty.SubjectRef(namespace="email", id=person(number))


def _check() -> Message:
    return cs.CheckConsentRequest(tenant=TENANT, subject=subject(_PERSON), purpose=PURPOSE, jurisdiction=PLACE)


def _record() -> Message:
    choice = cs.ConsentChoice(purpose=PURPOSE, choice=ty.CHOICE_GRANT)
    context = ty.Context(method="checkbox", jurisdiction=PLACE, language="de", collector="shop", ip="192.0.2.17")
    return cs.RecordConsentRequest(
        request_id=_REQUEST, tenant=TENANT, subject=subject(_PERSON), choices=[choice], notice_version=NOTICE,
        context=context,
    )  # fmt: skip


def _withdraw() -> Message:
    context = ty.Context(method="link")
    return cs.WithdrawConsentRequest(
        request_id=_REQUEST, tenant=TENANT, subject=subject(_PERSON), purposes=[PURPOSE], context=context
    )


def _record_with_receipt() -> Message:
    request = _record()
    assert isinstance(request, cs.RecordConsentRequest)
    request.receipt = True
    return request


_MESSAGES: dict[str, Callable[[], Message]] = {
    "CheckConsent": _check,
    "RecordConsent": _record,
    "RecordConsent+receipt": _record_with_receipt,
    "WithdrawConsent": _withdraw,
}


@dataclass(frozen=True, slots=True)
class Template:
    """A request's bytes around its gaps."""

    before: bytes
    """Up to the request id, which may be absent."""
    between: bytes
    """From the request id to the person."""
    after: bytes
    has_request_id: bool


def template(method: str) -> Template:
    """The template of `CheckConsent`, `RecordConsent` or `WithdrawConsent`."""
    head, after = _MESSAGES[method]().SerializeToString().split(_PERSON.encode())
    before, found, between = head.partition(_REQUEST.encode())
    return Template(before, between, after, bool(found)) if found else Template(b"", before, after, False)


def messages(method: str, people: int, first: int, *, seed: int) -> Iterator[bytes]:
    """Requests without end: of random people in [first, first + people), or of first, first + 1, … when people is 0."""
    shape = template(method)
    choose = random.Random(seed)
    run = os.urandom(4).hex()
    count = 0
    while True:
        who = b"%09d" % (choose.randrange(first, first + people) if people else first + count)
        count += 1
        if shape.has_request_id:
            request_id = b"%b-0000-4000-8000-%012x" % (run.encode(), count)
            yield b"%b%b%b%b%b" % (shape.before, request_id, shape.between, who, shape.after)
        else:
            yield b"%b%b%b" % (shape.between, who, shape.after)
