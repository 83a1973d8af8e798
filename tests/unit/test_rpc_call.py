"""What a handler can ask about its call."""

from time import monotonic

from consentledger.rpc.call import LOOPBACK, Call


def call(deadline: float | None) -> Call:
    return Call(LOOPBACK, deadline, None, (("x-a", "first"), ("x-a", "second"), ("x-bin", b"\x00")))


def test_remaining_counts_down_to_zero_and_is_none_without_a_deadline() -> None:
    left = call(monotonic() + 60).remaining()
    assert left is not None and 0 < left <= 60
    assert call(monotonic() - 60).remaining() == 0
    assert call(None).remaining() is None


def test_metadata_is_the_first_text_under_the_key() -> None:
    assert call(None).metadata("x-a") == "first"
    assert call(None).metadata("x-bin") is None
    assert call(None).metadata("x-b") is None
