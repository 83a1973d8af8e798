"""Every way in which one field of an acceptable request can be wrong, made from the descriptors.

- `FIELDS` says for each leaf field which values are bad and why they are refused. Looked up by `Rpc:path.to.field`,
  then `Message.field`, then the field's name. A field that is nowhere fails the test, so a new field needs a line.
- `REPEATED` says the same for repeated messages: how many of the same one are too many.
- On the wire, below any field: invalid UTF-8 in each string, garbage, a cut message, a message too large.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.rpc_cases import MARK, fresh_ids

OK = "OK"
INVALID = "INVALID_FIELD"
UUID = "6f1c0d0e-0000-4000-8000-00000000c4f3"
Path = tuple[FieldDescriptor, ...]
Cases = list[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Bad:
    """One bad request and the reasons it may be refused for."""

    label: str
    raw: bytes
    reasons: tuple[str, ...]


def _cases(*values: Any, why: str | tuple[str, ...] = INVALID) -> list[tuple[Any, tuple[str, ...]]]:
    return [(value, (why,) if isinstance(why, str) else why) for value in values]


def _texts(longest: int) -> list[tuple[Any, tuple[str, ...]]]:
    return _cases(MARK + "x" * (longest - len(MARK) + 1), MARK + "é" * (longest // 2))


def _many(count: int, value: Any = MARK) -> list[tuple[Any, tuple[str, ...]]]:
    different = [
        value[: -len(str(n))] + (str(n).encode() if isinstance(value, bytes) else str(n)) for n in range(count)
    ]
    return _cases(different)


_TOO_FAR = (Timestamp(seconds=2**62), Timestamp(seconds=-(2**62)), Timestamp(nanos=-1), Timestamp(nanos=2**31 - 1))
_TOMORROW = Timestamp(seconds=3_000_000_000)  # 2065
_LONG_AGO = Timestamp(seconds=1_000_000_000)  # 2001
_IDS = _cases("", MARK.upper(), f"{MARK}/", f"{MARK}\0", f"{MARK}\n", f".{MARK}", MARK * 22)
_TENANTS = _cases("", MARK.upper(), f"{MARK}.", f"{MARK}\0", f"{MARK}\n", MARK * 11)
_TOKENS = _cases(MARK.upper(), f"{MARK} {MARK}", f"{MARK}\0", MARK * 11)
_VERSIONS = _cases(f"{MARK}!", f"-{MARK}", f"{MARK}\0", MARK * 11)
_PLACES = _cases("k4", "K4N4RY", "DE\n", "ZZ", "US-ZZZ")
_LANGUAGES = _cases("k", f"{MARK}_", f"en-{MARK}\0", "en-" + MARK * 9)
_UUIDS = _cases("", MARK, f"{{{UUID}}}", UUID.replace("-", ""), f"{UUID}0", f"{UUID}\n", "0" * 36, UUID[:-1] + "\0")
_PAGES = _cases(MARK, f"{MARK}==", "é", "a", "awA", "ak_8", "/+", "\0", "a0" * 5000, why="PAGE_TOKEN_INVALID")
_PLACES_IN_LOG = _cases(2**63, 2**64 - 1)
_NO_LOG = _cases(MARK, "rights", why="LOG_UNKNOWN")
_UNKNOWN_PURPOSE = _cases(f"{MARK}.unknown", why="PURPOSE_UNKNOWN")
_BAD_URLS = "* http://*.a/ https://*@a.b/ https://a.b/?* https://a.b/#* https://*.b./ https://*.0x7f/ https://a.b:0/* https://a.b/\n*"
_URLS = _cases("", *(url.replace("*", MARK) for url in _BAD_URLS.split(" ")))

FIELDS: dict[str, list[tuple[Any, tuple[str, ...]]]] = {
    "request_id": _UUIDS,
    "tenant": _TENANTS + _cases(f"{MARK}-tenant", why="TENANT_UNKNOWN"),
    "Tenant.id": _TENANTS,
    "UpdateTenant:tenant.id": _TENANTS + _cases(f"{MARK}-tenant", why="TENANT_UNKNOWN"),
    "Tenant.display_name": _texts(256),
    "default_jurisdiction": _PLACES,
    "version": [],  # what stands is not the caller's to say
    "UpdateTenant:tenant.version": _cases(2**64 - 1, 2**63, why="CATALOGUE_CONFLICT"),
    "UpdatePurpose:purpose.version": _cases(2**64 - 1, 2**63, why="CATALOGUE_CONFLICT"),
    "SubjectRef.namespace": _IDS[:-1] + _cases(MARK * 11),
    "ResolveIdentifiersRequest.namespace": _IDS[:-1] + _cases(MARK * 11),
    "SubjectRef.id": _cases(
        "",
        " ",
        "\u00a0\u2003",
        f"{MARK}\n",
        f"{MARK}\0",
        f"{MARK}\x7f",
        f"{MARK}\u0085",
        f"{MARK}\u2028",
        f"\u2029{MARK}",
    )
    + _texts(512),
    "purpose": _IDS + _UNKNOWN_PURPOSE,
    "purposes": _IDS + _UNKNOWN_PURPOSE + _cases(["marketing.email"] * 2) + _many(101),
    "withdraw_purpose": _IDS + _UNKNOWN_PURPOSE,
    "object_purpose": _IDS + _UNKNOWN_PURPOSE,
    "choice": _cases(0, 99, -1),
    "expires_at": _cases(*_TOO_FAR, _LONG_AGO),
    "ImportConsents:rows.consent.expires_at": _cases(*_TOO_FAR),
    "occurred_at": _cases(*_TOO_FAR) + _cases(_TOMORROW, why="OCCURRED_IN_FUTURE"),
    "as_of": _cases(*_TOO_FAR) + _cases(_TOMORROW, why="AS_OF_IN_FUTURE") + _cases(_LONG_AGO, why="TENANT_UNKNOWN"),
    "known_at": _cases(*_TOO_FAR) + _cases(_TOMORROW, why="AS_OF_IN_FUTURE") + _cases(_LONG_AGO, why="TENANT_UNKNOWN"),
    "notice_version": _VERSIONS + _cases(f"{MARK}-unknown", why="NOTICE_UNKNOWN") + _cases("", why="NOTICE_REQUIRED"),
    "ImportConsents:rows.notice_version": _VERSIONS,
    "method": _TOKENS,
    "collector": _TOKENS,
    "jurisdiction": _PLACES,
    "language": _LANGUAGES,
    "evidence_sha256": _cases(MARK.encode(), bytes(31), bytes(33)),
    "ip": _texts(64),
    "user_agent": _texts(1024),
    "note": _texts(4096),
    "reason": _texts(4096),
    "age_band": _cases(99, -1),
    "verification_method": _TOKENS + _cases(""),
    "child_birth_date": _cases(MARK, "2020-13-01", "20190517", "2019-W20-5", "9999-12-31", "0001-01-01", "2019-05-171"),
    "sec_gpc": _cases(MARK * 11) + _many(17),
    "kind": _cases(0, 99, -1),
    "channel": _TOKENS + _cases(""),
    "topic": _TOKENS + _cases(""),
    "frequency": _TOKENS,
    "at_least_as_fresh": _cases("", MARK, "é", "\0", "a" * 5000, "CgdjYW5hcnk", why="TOKEN_INVALID"),
    "page_size": _cases(2**32 - 1, why=OK),
    "page_token": _PAGES,
    "from_position": _cases(2**63, 2**64 - 1),
    "to_position": _cases(2**63, 2**64 - 1),
    "GetSubjectHistory:page_size": [],  # any will do, and each read is recorded: nothing that this matrix can take
    "AccessReason.purpose": _TOKENS,
    "actor": _cases(f"{MARK} {MARK}", f"{MARK}é", f"{MARK}\n", f"{MARK}\0", f"{MARK}/", MARK + "x" * 123),
    "recipient_key": _cases(b"", MARK.encode(), bytes(31), bytes(33), bytes(32), b"\1" + bytes(31)),
    "log": _cases(MARK.upper(), f"{MARK}-", f"{MARK}\0", f"{MARK}\n", MARK * 6) + _NO_LOG,
    "position": _PLACES_IN_LOG + _cases(0, 2**40, why="POSITION_UNKNOWN"),
    "size": _PLACES_IN_LOG + _cases(2**40, why="POSITION_UNKNOWN"),
    "from_size": _PLACES_IN_LOG + _cases(0, 2**40, why="POSITION_UNKNOWN"),
    "to_size": _PLACES_IN_LOG + _cases(2**40, why="POSITION_UNKNOWN"),
    "from_time": _cases(*_TOO_FAR),
    "tenants": _TENANTS + _many(1_001, f"{MARK}-00000"),
    "ExportLog:from_position": _PLACES_IN_LOG + _cases(2**40, why="POSITION_UNKNOWN"),
    "ExportLog:to_position": _PLACES_IN_LOG + _cases(2**40, why="POSITION_UNKNOWN"),
    "GetReceipt:tenant": _TENANTS + _cases(f"{MARK}-tenant", why="POSITION_UNKNOWN"),
    "recipients_within_seconds": _cases(90 * 86_400 + 1, 2**32 - 1),
    "erasure_id": _UUIDS + _cases(UUID, why="ERASURE_UNKNOWN"),
    "hold": _cases("", f"{MARK} {MARK}", f"{MARK}/", f"{MARK}\0", f"{MARK}\n", MARK * 11),
    "types": _TOKENS + _cases("") + _many(101),
    "heartbeat_seconds": _cases(61, 2**32 - 1),
    "persons": _cases(MARK.encode(), b"", bytes(15), bytes(17)) + _many(1001, b"0123456789abcdef"),
    "Purpose.id": _IDS,
    "UpdatePurpose:purpose.id": _IDS + _UNKNOWN_PURPOSE,
    "title": _texts(256),
    "description": _texts(4096),
    "dpv_iri": _texts(256),
    "data_categories": _texts(256) + _cases([MARK, MARK]) + _many(201),
    "regime": _cases("", MARK, "\0", why="REGIME_UNKNOWN"),
    "sector_regimes": _cases("", MARK, why="REGIME_UNKNOWN") + _texts(256) + _cases([MARK, MARK]) + _many(17),
    "basis": _cases(0, 99, -1),
    "retention": _texts(64),
    "notice_id": _IDS[1:],
    "Notice.id": _IDS,
    "Notice.version": _VERSIONS + _cases(""),
    "GetNoticeRequest.version": _VERSIONS + _cases(f"{MARK}-unknown", "", why="NOTICE_UNKNOWN"),
    "text": _texts(32_768),
    "text_sha256": _cases(bytes(31), bytes(33), bytes(32)),
    "published_at": [],  # set by the service
    "Downstream.id": _TENANTS,
    "UpdateDownstream:downstream.id": _TENANTS + _cases(f"{MARK}-unknown", why="DOWNSTREAM_UNKNOWN"),
    "Downstream.display_name": _texts(200),
    "Downstream.purposes": _IDS + _cases([MARK, MARK], ["*", MARK]) + _many(201),
    "identifier_namespace": _IDS[:-1] + _cases(MARK * 11),
    "enforce_within_seconds": _cases(2**32 - 1),
    "Downstream.version": _cases(2**64 - 1, 2**63),
    "downstream": _TENANTS + _cases(f"{MARK}-unknown", why="DOWNSTREAM_UNKNOWN"),
    "url": _URLS,
    **{name: [] for name in ("secret_version", "previous_secret_version", "previous_secret_until")},
    "overlap_seconds": _cases(604_801, 2**32 - 1),
    "ListObligations:downstream": _TENANTS[1:],
    "state": _cases(99, -1),
    "ledger_position": _cases(2**63, 2**64 - 1),
    # The notifier asks the consent service for tenants only where it must: elsewhere an unknown one has nothing.
    "UpdateDownstream:tenant": _TENANTS + _cases(f"{MARK}-tenant", why="DOWNSTREAM_UNKNOWN"),
    "GetDownstream:tenant": _TENANTS + _cases(f"{MARK}-tenant", why="DOWNSTREAM_UNKNOWN"),
    "RotateSecret:tenant": _TENANTS + _cases(f"{MARK}-tenant", why="DOWNSTREAM_UNKNOWN"),
    "ListDownstreams:tenant": _TENANTS + _cases(f"{MARK}-tenant", why=OK),
    "ListObligations:tenant": _TENANTS + _cases(f"{MARK}-tenant", why=OK),
    "AcknowledgeObligation:tenant": _TENANTS + _cases(f"{MARK}-tenant", why="OBLIGATION_UNKNOWN"),
    "obligation": _UUIDS + _cases(UUID, why="OBLIGATION_UNKNOWN"),
    "outcome": _cases(0, 1, 2, 99, -1),
    "enforced_at": _cases(*_TOO_FAR),
    "Evidence.method": _TOKENS + _cases(""),
    "records_affected": _cases(2**63, 2**64 - 1),
    "failure_reason": _TOKENS,
    "received_at": [],  # set by the service
}
REPEATED: dict[str, list[tuple[int, str]]] = {
    "choices": [(0, INVALID), (2, INVALID), (101, INVALID)],
    "items": [(0, INVALID), (10_001, INVALID)],
    "preferences": [(0, INVALID), (2, INVALID), (101, INVALID)],
    "rows": [(1_001, INVALID)],
    "bases": [(0, INVALID), (2, INVALID), (65, INVALID)],
}


def leaves(message: Descriptor, before: Path = ()) -> Iterator[Path]:
    """Every field with a value of its own, as the path to it; a Timestamp is one."""
    for field in message.fields:
        if field.message_type is None or field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
            yield (*before, field)
        else:
            yield from leaves(field.message_type, (*before, field))


def bad_fields(rpc: MethodDescriptor, example: Message) -> Iterator[Bad]:
    """The example with one field wrong, for every field and every way that is known."""
    for path in leaves(rpc.input_type):
        dotted = ".".join(f.name for f in path)
        for number, (value, reasons) in enumerate(_known(rpc, path, dotted)):
            changed = _another(example)
            _set(changed, path, value)
            yield Bad(f"{rpc.name} {dotted} #{number}", changed.SerializeToString(), reasons)
    for field, count, reason in _repeated(rpc.input_type):
        changed = _another(example)
        parent = changed if field in rpc.input_type.fields_by_name else changed.purpose  # type: ignore[attr-defined]
        values = getattr(parent, field)
        one = values[0]
        del values[:]
        values.extend([one] * count)
        yield Bad(f"{rpc.name} {field} × {count}", changed.SerializeToString(), (reason,))


def bad_bytes(rpc: MethodDescriptor, example: Message, most: int) -> Iterator[Bad]:
    """What is no message at all, or too much of one."""
    raw = example.SerializeToString()
    malformed = ("MALFORMED_MESSAGE",)
    yield Bad(f"{rpc.name} garbage", b"\xff" * 9, malformed)
    yield Bad(f"{rpc.name} a group without an end", b"\x0b", malformed)
    yield Bad(f"{rpc.name} a length beyond the end", b"\x0a\xff\xff\xff\xff\x07" + MARK.encode(), malformed)
    if raw:
        yield Bad(f"{rpc.name} cut", raw[:-1], malformed)
    for size in (most + 1, 5 * 1024 * 1024):
        yield Bad(f"{rpc.name} {size} bytes", raw + _field(1000, bytes(size)), ("MESSAGE_TOO_LARGE",))
    for path in leaves(rpc.input_type):
        if path[-1].type == FieldDescriptor.TYPE_STRING:
            nested = f"{MARK} ".encode() + b"\xed\xa0\x80\xff"  # a surrogate, and no UTF-8 at all
            for field in reversed(path):
                nested = _field(field.number, nested)
            yield Bad(f"{rpc.name} UTF-8 in {'.'.join(f.name for f in path)}", raw + nested, malformed)


def _another(example: Message) -> Message:
    changed = type(example)()
    changed.CopyFrom(example)
    fresh_ids(changed)
    return changed


def _known(rpc: MethodDescriptor, path: Path, dotted: str) -> Iterable[tuple[Any, tuple[str, ...]]]:
    field = path[-1]
    parent = field.containing_type.name if field.containing_type is not None else ""
    for key in (f"{rpc.name}:{dotted}", f"{parent}.{field.name}", field.name):
        if key in FIELDS:
            return FIELDS[key]
    assert field.type == FieldDescriptor.TYPE_BOOL, f"{rpc.name} {dotted} has no cases in tests/support/bad_fields.py"
    return ()


def _repeated(message: Descriptor) -> Iterator[tuple[str, int, str]]:
    purpose = message.fields_by_name.get("purpose")
    inner = purpose.message_type.fields if purpose is not None and purpose.message_type is not None else ()
    for field in (*message.fields, *inner):
        if field.is_repeated and field.message_type is not None:
            assert field.name in REPEATED, f"{field.full_name} has no cases in tests/support/bad_fields.py"
            yield from ((field.name, count, reason) for count, reason in REPEATED[field.name])


def _set(message: Any, path: Path, value: Any) -> None:
    for field in path[:-1]:
        message = getattr(message, field.name)
        if field.is_repeated:
            message = message[0] if len(message) else message.add()
    field = path[-1]
    if field.is_repeated:
        kept = getattr(message, field.name)
        del kept[:]
        kept.extend(value if isinstance(value, list) else [value])
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(value)
    else:
        setattr(message, field.name, value)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
