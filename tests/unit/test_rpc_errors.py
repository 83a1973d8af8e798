"""Errors to the wire and back: the table is what `errors.proto` says, and nothing but a reason gets through."""

import re
from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.errors import DETAILS_KEY, code_of, from_rpc_error, to_status
from consentledger.v1 import errors_pb2

PROTO = Path(__file__).parents[2] / "protos/consentledger/v1/errors.proto"
DOCUMENTED = dict(re.findall(r"// ERROR_REASON_(\w+): ([A-Z_]+)[;.]", PROTO.read_text()))


def received(code: grpc.StatusCode, *details: str | bytes) -> grpc.aio.AioRpcError:
    trailing = grpc.aio.Metadata(*((DETAILS_KEY, value) for value in details))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing)


def packed(code: grpc.StatusCode, *infos: error_details_pb2.ErrorInfo) -> bytes:
    status = status_pb2.Status(code=code.value[0])
    for info in infos:
        status.details.add().Pack(info)
    return bytes(status.SerializeToString())


def test_every_reason_is_in_the_contract_and_every_one_of_the_contract_is_a_reason() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name}
    assert names - {"UNSPECIFIED"} == {reason.value for reason in Reason} == {reason.name for reason in Reason}


def test_every_reason_documents_its_status_code() -> None:
    assert DOCUMENTED.keys() == {reason.value for reason in Reason}


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_travels_under_the_code_that_the_contract_documents(reason: Reason) -> None:
    assert code_of(reason).name == DOCUMENTED[reason.value]


@pytest.mark.parametrize("reason", Reason)
def test_a_status_carries_one_error_info_and_a_fixed_sentence(reason: Reason) -> None:
    status = to_status(LedgerError(reason, field="subject.id"))
    ((key, raw),) = status.trailing_metadata
    assert key == DETAILS_KEY
    detail = status_pb2.Status.FromString(raw)
    assert (detail.code, detail.message) == (status.code.value[0], status.details)
    info = error_details_pb2.ErrorInfo()
    (only,) = detail.details
    assert only.Unpack(info)
    assert (info.domain, info.reason, dict(info.metadata)) == ("consentledger", reason.value, {"field": "subject.id"})
    assert status.details == to_status(LedgerError(reason)).details
    assert status.details.endswith(".") and "subject.id" not in status.details


@pytest.mark.parametrize("reason", Reason)
def test_an_error_that_comes_back_is_the_one_that_was_sent(reason: Reason) -> None:
    sent = LedgerError(reason, field="choices", rule="1 to 100", self="also a name")
    status = to_status(sent)
    back = from_rpc_error(received(status.code, *(value for _, value in status.trailing_metadata)))
    assert (back.reason, back.metadata) == (sent.reason, sent.metadata)


OURS = error_details_pb2.ErrorInfo(domain="consentledger", reason="PURPOSE_UNKNOWN")
NOT_FOUND = grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "details",
    [
        pytest.param((), id="none"),
        pytest.param((b"\xff\xff",), id="not a status"),
        pytest.param((packed(NOT_FOUND),), id="no info"),
        pytest.param((packed(NOT_FOUND, OURS, OURS),), id="two infos"),
        pytest.param((packed(NOT_FOUND, OURS), packed(NOT_FOUND, OURS)), id="two statuses"),
        pytest.param(
            (packed(NOT_FOUND, error_details_pb2.ErrorInfo(domain="x", reason="PURPOSE_UNKNOWN")),), id="domain"
        ),
        pytest.param((packed(NOT_FOUND, error_details_pb2.ErrorInfo(domain=OURS.domain, reason="NEW")),), id="reason"),
        pytest.param(
            (packed(NOT_FOUND, error_details_pb2.ErrorInfo(domain=OURS.domain, reason="CONFLICT")),), id="code"
        ),
        pytest.param(
            (
                status_pb2.Status(
                    details=[AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")]
                ).SerializeToString(),
            ),
            id="broken info",
        ),
    ],
)
def test_a_reason_that_is_not_plainly_ours_is_not_believed(details: tuple[bytes, ...]) -> None:
    error = from_rpc_error(received(NOT_FOUND, *details))
    assert (error.reason, error.metadata) == (Reason.INTERNAL, {})


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, Reason.STORE_UNAVAILABLE),
        (grpc.StatusCode.CANCELLED, Reason.STORE_UNAVAILABLE),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED),
        (grpc.StatusCode.UNAUTHENTICATED, Reason.PERMISSION_DENIED),
        (grpc.StatusCode.PERMISSION_DENIED, Reason.PERMISSION_DENIED),
        (grpc.StatusCode.UNIMPLEMENTED, Reason.NOT_IMPLEMENTED),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.INTERNAL),
        (grpc.StatusCode.UNKNOWN, Reason.INTERNAL),
    ],
)
def test_a_bare_code_never_claims_that_nothing_was_written(code: grpc.StatusCode, reason: Reason) -> None:
    assert from_rpc_error(received(code)).reason is reason
