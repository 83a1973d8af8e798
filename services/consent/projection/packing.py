"""How a projection row holds an act and a person's flags: packed bytes, one column each, so that a read is cheap. Pure.

- What a decision depends on comes last in an act, behind the times and positions: two acts that end in the same bytes
  decide alike, as long as no time is involved (`verdicts` builds on that).
- These are no records: a projection can be dropped and rebuilt by replay, so the layout may change with a migration.
"""

import struct

from services.consent.domain.acts import Act, Kind
from services.consent.domain.state import PersonState

_WHEN = struct.Struct(">qqqqq")
_WHAT = struct.Struct(">BBq")
_FLAGS = struct.Struct(">Bqq")
_POSITION = struct.Struct(">q")
_EXPLICIT, _EXPIRED = 1, 2
_SIGNAL, _RESTRICTED, _ERASING, _STAR, _ERASED = 1, 2, 4, 8, 16
_KINDS = {int(k): k for k in Kind}
_NO_END = _NEVER = -(2**63)  # earlier than any time that a request can hold
WHAT = _WHEN.size
"""Where, in a packed act, the part begins that a decision depends on."""
ACT = WHAT + _WHAT.size
"""The size of an act without its notice."""
NOTHING = b""
"""The flags of a person of whom only plain acts are known."""


def pack_act(act: Act) -> bytes:
    """An act as bytes."""
    bits = (_EXPLICIT if act.explicit else 0) | (_EXPIRED if act.expired else 0)
    refused = _NEVER if act.refused_us is None else act.refused_us
    when = _WHEN.pack(act.effective_us, act.recorded_us, act.position, act.version, refused)
    end = _NO_END if act.expires_us is None else act.expires_us
    return when + _WHAT.pack(act.kind, bits, end) + act.notice.encode()


def unpack_act(data: bytes) -> Act:
    """The act."""
    effective, recorded, position, version, refused = _WHEN.unpack_from(data)
    kind, bits, end = _WHAT.unpack_from(data, WHAT)
    return Act(
        _KINDS[kind],
        effective,
        recorded,
        position,
        version,
        data[ACT:].decode(),
        bool(bits & _EXPLICIT),
        None if end == _NO_END else end,
        bool(bits & _EXPIRED),
        None if refused == _NEVER else refused,
    )


def position_of(act: bytes) -> int:
    """Where a packed act is recorded."""
    position: int = _POSITION.unpack_from(act, 16)[0]
    return position


def pack_flags(state: PersonState) -> bytes:
    """All that stands for a person as a whole: signal, restriction, erasure, the person-wide act, the places."""
    bits = (
        (_SIGNAL if state.signal_on else 0)
        | (_RESTRICTED if state.restricted else 0)
        | (_ERASING if state.erasing else 0)
        | (_STAR if state.star is not None else 0)
        | (_ERASED if state.erased else 0)
    )
    if not bits and not state.jurisdictions:
        return NOTHING
    star = pack_act(state.star) if state.star is not None else b""
    places = ",".join(state.jurisdictions).encode()
    return _FLAGS.pack(bits, state.signal_position, state.restricted_position) + star + places


def person_wide(flags: bytes | None) -> bool:
    """Whether anything but places stands for a person as a whole."""
    return bool(flags) and flags[0] != 0  # type: ignore[index]


def erased(flags: bytes | None) -> bool:
    """Whether the person is gone: an identifier that still leads here is a stale one."""
    return bool(flags) and flags[0] & _ERASED != 0  # type: ignore[index]


def lasting(flags: bytes | None) -> bool:
    """Whether an identifier will lead to this person for long: they have events, and are not being erased."""
    return flags is not None and not (flags and flags[0] & _ERASING)


def unpack_state(flags: bytes | None, purpose: str, act: bytes | None) -> PersonState:
    """A person's state as far as one purpose is concerned; `flags` None or empty: nothing person-wide."""
    state = PersonState()
    if act is not None:
        state.acts[purpose] = unpack_act(act)
    if flags:
        bits, state.signal_position, state.restricted_position = _FLAGS.unpack_from(flags)
        state.signal_on = bool(bits & _SIGNAL)
        state.restricted = bool(bits & _RESTRICTED)
        state.erasing = bool(bits & _ERASING)
        state.erased = bool(bits & _ERASED)
        rest = flags[_FLAGS.size :]
        if bits & _STAR:  # a person-wide act is a refusal: it has no notice, so its length is known
            state.star = unpack_act(rest[:ACT])
            rest = rest[ACT:]
        if rest:
            state.jurisdictions = tuple(rest.decode().split(","))
    return state
