"""One rpc of a contract: its messages and what is demanded of its calls.

Parsing is done here and not by gRPC, whose answer to malformed bytes quotes the parser's exception to the caller.
"""

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.call import MethodPolicy
from consentledger.rpc.metrics import MethodMetrics

MiB = 1024 * 1024
DEFAULT_BYTES = MiB
LARGER_BYTES = {"BatchCheckConsent": 4 * MiB, "ImportConsents": 4 * MiB}
"""The methods whose request messages may be larger than `DEFAULT_BYTES`; of a stream, each message."""


@dataclass(frozen=True, slots=True)
class Method:
    """One rpc as it is served."""

    policy: MethodPolicy
    request: type[Message]
    response: type[Message]
    metrics: MethodMetrics

    # The message types differ from rpc to rpc and are known by the descriptor only: hence Any.
    def parse(self, raw: bytes) -> Any:
        """The request, or `LedgerError` MESSAGE_TOO_LARGE or MALFORMED_MESSAGE (also for invalid UTF-8)."""
        if len(raw) > self.policy.max_bytes:
            raise LedgerError(Reason.MESSAGE_TOO_LARGE, limit=str(self.policy.max_bytes))
        try:
            return self.request.FromString(raw)
        except DecodeError:
            raise LedgerError(Reason.MALFORMED_MESSAGE) from None

    def encode(self, response: Any) -> bytes:
        """The response's bytes. TypeError if a servicer returned another message than its contract says."""
        if response.__class__ is not self.response:
            raise TypeError("a handler returned a message of another type")
        encoded: bytes = response.SerializeToString()
        return encoded


def policy_of(descriptor: MethodDescriptor) -> MethodPolicy:
    """What is demanded of a method's calls: the same for all, but for the larger messages."""
    return MethodPolicy(
        name=f"{descriptor.containing_service.full_name}/{descriptor.name}",
        max_bytes=LARGER_BYTES.get(descriptor.name, DEFAULT_BYTES),
        needs_deadline=not (descriptor.client_streaming or descriptor.server_streaming),
    )


def messages_of(descriptor: MethodDescriptor) -> tuple[type[Message], type[Message]]:
    """The request's and the response's class."""
    return GetMessageClass(descriptor.input_type), GetMessageClass(descriptor.output_type)
