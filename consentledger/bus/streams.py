"""Which streams exist and what each guarantees; making them, and making them again after a loss.

- A log's stream (`LEDGER`, `LEDGER_RIGHTS`, `LEDGER_NOTIFIER`) carries exactly that service's log: stream sequence =
  position. It denies delete and purge; nothing in it would have to be erased.
- `ENFORCE` carries what downstreams must do, and can be purged for an erased person; `ACKS` what they answer.
- Every stream is on disk, keeps by limits, and refuses new messages when full (`discard: new`): back-pressure, since
  dropping old ones would drop revocations. `persist_mode: async`, which undoes `sync_interval: always`, is refused.
- A log's stream that is absent after we have published to it is not made silently, because a server with a wrong
  encryption key shows it as absent too: `StreamMissing`, except when a rebuild is asked for.
"""

from dataclasses import dataclass
from typing import Any

from consentledger.bus.connection import Bus
from consentledger.bus.errors import JetStreamError, StreamMisconfigured, StreamMissing

_DAY_S = 86_400
_STREAM_NOT_FOUND = 10059
_STREAM_NAME_IN_USE = 10058
_STREAMS_OF_SERVICES = {"consent": "LEDGER", "rights": "LEDGER_RIGHTS", "notifier": "LEDGER_NOTIFIER"}
_TUNABLE = ("max_bytes", "max_age", "num_replicas", "max_consumers")


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream as it must be."""

    name: str
    subjects: tuple[str, ...]
    is_log: bool
    """Whether sequence = position: published in order, never deleted from or purged."""
    max_bytes: int
    """Must be below the volume's size; a full disk wedges the server, a full stream only refuses."""
    replicas: int = 1
    max_age_s: int = 7 * _DAY_S

    def config(self) -> dict[str, Any]:
        """The fields of JetStream's StreamConfig that we demand."""
        return {
            "name": self.name,
            "subjects": list(self.subjects),
            "storage": "file",
            "retention": "limits",
            "discard": "new",
            "max_age": self.max_age_s * 1_000_000_000,
            "max_bytes": self.max_bytes,
            "num_replicas": self.replicas,
            "max_consumers": 5000,
            "allow_atomic": True,
            "allow_direct": True,
            "deny_delete": self.is_log,
            "deny_purge": self.is_log,
        }


@dataclass(frozen=True, slots=True)
class StreamState:
    """Where a stream is."""

    first: int
    """Sequence of the oldest message kept; meaningless when there is none."""
    last: int
    """Sequence of the newest message ever stored; first_seq - 1 when there was none."""
    messages: int
    created: bool = False
    """Whether this call made it."""


def ledger_stream(service: str, *, max_bytes: int = 1 << 30, replicas: int = 1) -> StreamSpec:
    """The stream of the log of "consent", "rights" or "notifier"."""
    return StreamSpec(_STREAMS_OF_SERVICES[service], (f"ledger.{service}.>",), True, max_bytes, replicas)


def enforce_stream(*, max_bytes: int = 1 << 30, replicas: int = 1) -> StreamSpec:
    """The stream `ENFORCE`, of what downstreams must enforce."""
    return StreamSpec("ENFORCE", ("enforce.>",), False, max_bytes, replicas)


def acks_stream(*, max_bytes: int = 1 << 30, replicas: int = 1) -> StreamSpec:
    """The stream `ACKS`, of what downstreams say they enforced."""
    return StreamSpec("ACKS", ("ack.>",), False, max_bytes, replicas)


def ledger_subject(service: str, tenant: str, type: str) -> str:
    """The subject of one ledger event: `ledger.consent.acme.consent.withdrawn.v1`. One of no tenant has `_` there."""
    return f"ledger.{service}.{tenant or '_'}.{type}"


async def stream_state(bus: Bus, name: str, *, timeout: float = 5.0) -> StreamState | None:
    """Where the stream is, or None if the server says that there is none. Not linearizable: it may lag behind."""
    found = await _info(bus, name, timeout)
    return None if found is None else _state(found)


async def ensure_stream(bus: Bus, spec: StreamSpec) -> StreamState:
    """Make a stream that is not a log's if it is absent, and check it if it exists."""
    if spec.is_log:
        raise ValueError("a log's stream is made by ensure_log_stream")
    return await _check(bus, spec) or await _create(bus, spec, 1)


async def ensure_log_stream(bus: Bus, spec: StreamSpec, *, published: int, rebuild: bool = False) -> StreamState:
    """Make or check the stream of a log, of which `published` is the last position known to have been published.

    Absent and `published` = 0: made. Absent otherwise: `StreamMissing`, unless `rebuild`; then it is made so that its
    first message gets sequence `published` + 1. An operator rebuilds with a smaller `published` to carry older
    positions again. Raises `StreamMisconfigured` for a stream that breaks a guarantee.
    """
    if (state := await _check(bus, spec)) is not None:
        return state
    if published > 0 and not rebuild:
        raise StreamMissing(f"the stream {spec.name} is absent: lost, or its encryption key is wrong")
    return await _create(bus, spec, published + 1)


async def purge_subject(bus: Bus, stream: str, subject: str) -> int:
    """Remove the messages on `subject` (wildcards allowed) from a stream that allows it; how many there were."""
    answer = await bus.request_json(f"$JS.API.STREAM.PURGE.{stream}", {"filter": subject})
    return int(answer["purged"])


async def drop_stream(bus: Bus, name: str) -> bool:
    """Remove a stream with all that it carries; False if there was none."""
    try:
        await bus.request_json(f"$JS.API.STREAM.DELETE.{name}")
    except JetStreamError as error:
        if error.err_code != _STREAM_NOT_FOUND:
            raise
        return False
    return True


async def _check(bus: Bus, spec: StreamSpec) -> StreamState | None:
    found = await _info(bus, spec.name, 5.0)
    if found is None:
        return None
    config, wanted = found["config"], spec.config()
    wrong = sorted(key for key in wanted if key not in _TUNABLE and config.get(key, False) != wanted[key])
    if config.get("persist_mode", "default") == "async":
        wrong.append("persist_mode")
    if wrong:
        raise StreamMisconfigured(f"the stream {spec.name} differs in {', '.join(wrong)}")
    if any(config.get(key) != wanted[key] for key in _TUNABLE):
        changed = config | {key: wanted[key] for key in _TUNABLE}
        found = await bus.request_json(f"$JS.API.STREAM.UPDATE.{spec.name}", changed)
    return _state(found)


async def _create(bus: Bus, spec: StreamSpec, first: int) -> StreamState:
    config = spec.config() | ({"first_seq": first} if first > 1 else {})
    try:
        made = _state(await bus.request_json(f"$JS.API.STREAM.CREATE.{spec.name}", config))
    except JetStreamError as error:
        # Another replica was faster, with another first sequence; what it made is checked like any other.
        if error.err_code == _STREAM_NAME_IN_USE and (state := await _check(bus, spec)) is not None:
            return state
        raise
    return StreamState(made.first, made.last, made.messages, created=True)


async def _info(bus: Bus, name: str, timeout: float) -> dict[str, Any] | None:
    try:
        return await bus.request_json(f"$JS.API.STREAM.INFO.{name}", timeout=timeout)
    except JetStreamError as error:
        if error.err_code == _STREAM_NOT_FOUND:
            return None
        raise


def _state(answer: dict[str, Any]) -> StreamState:
    state = answer["state"]
    return StreamState(int(state["first_seq"]), int(state["last_seq"]), int(state["messages"]))
