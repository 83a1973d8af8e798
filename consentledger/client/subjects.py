"""Where a downstream listens and where it answers, and what its NATS user must be allowed: that and nothing more. Pure.

Tenants and downstreams are `[a-z0-9-]{1,63}`, so that each is one token of a subject, and `_` joins two of them without
two pairs ever having the same name.
"""

import re

_ACK = re.compile(r"ack\.([a-z0-9-]{1,63})\.([a-z0-9-]{1,63})\.([0-9a-fA-F-]{36})")


def enforce_subject(tenant: str, downstream: str, token: str) -> str:
    """The subject of one obligation; `token` is opaque, one for each downstream and person."""
    return f"enforce.{tenant}.{downstream}.{token}"


def enforce_filter(tenant: str, downstream: str) -> str:
    """All subjects of one downstream."""
    return f"enforce.{tenant}.{downstream}.>"


def consumer_name(tenant: str, downstream: str) -> str:
    """The durable consumer of one downstream on the stream ENFORCE, made by the notifier."""
    return f"{tenant}_{downstream}"


def inbox_prefix(tenant: str, downstream: str) -> str:
    """Where the server's answers to this downstream go."""
    return f"_INBOX_{tenant}_{downstream}"


def ack_subject(tenant: str, downstream: str, obligation: str) -> str:
    """Where a downstream answers about an obligation."""
    return f"ack.{tenant}.{downstream}.{obligation}"


def read_ack_subject(subject: str) -> tuple[str, str, str] | None:
    """(tenant, downstream, obligation) of an answer's subject, or None if it is not one."""
    match = _ACK.fullmatch(subject)
    return (match[1], match[2], match[3]) if match else None


def permissions(tenant: str, downstream: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a downstream's NATS user may (publish, subscribe)."""
    consumer = consumer_name(tenant, downstream)
    publish = (
        f"$JS.API.CONSUMER.MSG.NEXT.ENFORCE.{consumer}",
        f"$JS.ACK.ENFORCE.{consumer}.>",
        f"ack.{tenant}.{downstream}.>",
    )
    return publish, (f"{inbox_prefix(tenant, downstream)}.>",)
