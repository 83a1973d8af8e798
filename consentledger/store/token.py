"""Consistency tokens: opaque to callers, checked strictly. They order reads after writes; they prove nothing."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error

from google.protobuf.message import DecodeError

from consentledger.errors import LedgerError, Reason
from consentledger.v1.events_pb2 import ConsistencyTokenData


def token(service: str, epoch: int, position: int) -> str:
    """The token for a position of a service's log."""
    data = ConsistencyTokenData(service=service, epoch=epoch, position=position)
    return urlsafe_b64encode(data.SerializeToString(deterministic=True)).rstrip(b"=").decode()


def position_of(text: str, service: str, epoch: int) -> int:
    """The position in a token; TOKEN_INVALID for anything but a token of this service, partition and log epoch."""
    try:
        raw = urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
        data = ConsistencyTokenData.FromString(raw)
    except (Error, DecodeError, ValueError):
        raise LedgerError(Reason.TOKEN_INVALID) from None
    if (data.service, data.partition, data.epoch) != (service, 0, epoch):
        raise LedgerError(Reason.TOKEN_INVALID)
    return data.position
