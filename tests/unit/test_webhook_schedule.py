"""When a webhook is tried again: the published schedule to the microsecond, on a clock of the test's own."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentledger.webhook.schedule import DELAYS_S, HOLD_S, LONGEST_WAIT_S, End, Retry, next_step

NOW = 1_700_000_000_000_000
SECOND = 1_000_000


def fail_until_the_end(status: int | None, jitter: float) -> tuple[list[int], End]:
    """When each attempt is made, microseconds since the first, if every one fails at once; and how it ends."""
    now, starts = NOW, [0]
    for attempt in range(1, 100):
        step = next_step(attempt, status, "", now, jitter)
        if isinstance(step, End):
            return starts, step
        now = step.at_us
        starts.append(now - NOW)
    raise AssertionError("it never ends")


@pytest.mark.parametrize("status", [None, 301, 302, 307, 308, 400, 401, 404, 408, 409, 418, 500, 501, 505, 599, 999])
def test_without_jitter_it_is_the_published_schedule(status: int | None) -> None:
    starts, end = fail_until_the_end(status, 0.0)
    assert [start % SECOND for start in starts] == [0] * 10
    seconds = [start // SECOND for start in starts]
    clock = [f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in seconds]
    assert clock == [
        "00:00:00",
        "00:00:05",
        "00:05:05",
        "00:35:05",
        "02:35:05",
        "07:35:05",
        "17:35:05",
        "31:35:05",
        "51:35:05",
        "75:35:05",
    ]
    assert end is End.DEAD


@pytest.mark.parametrize(("jitter", "tenths"), [(0.0, 10), (0.5, 11), (1 - 2**-53, 12)])
def test_jitter_makes_each_wait_up_to_a_fifth_longer(jitter: float, tenths: int) -> None:
    starts, _ = fail_until_the_end(500, jitter)
    waits = [later - earlier for earlier, later in pairwise(starts)]
    assert [round(wait / 100_000) for wait in waits] == [delay * tenths for delay in DELAYS_S[1:]]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
@pytest.mark.parametrize("attempt", [1, 5, 10])
def test_any_2xx_is_success_at_any_attempt(status: int, attempt: int) -> None:
    assert next_step(attempt, status, "60", NOW, 0.3) is End.DONE


@pytest.mark.parametrize("attempt", [1, 5, 10])
def test_410_disables_at_any_attempt(attempt: int) -> None:
    assert next_step(attempt, 410, "60", NOW, 0.3) is End.DISABLED


@pytest.mark.parametrize("status", [100, 199, 300, 304, 399, 400, 409, 411, 500, None])
def test_nothing_else_is_success(status: int | None) -> None:
    assert isinstance(next_step(1, status, "", NOW, 0.0), Retry)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_overloaded_receiver_is_left_alone(status: int) -> None:
    assert next_step(1, status, "", NOW, 0.0) == Retry(NOW + HOLD_S * SECOND, NOW + HOLD_S * SECOND)
    assert next_step(3, status, "", NOW, 0.0) == Retry(NOW + 1800 * SECOND, NOW + HOLD_S * SECOND)
    assert next_step(1, status, "200", NOW, 0.0) == Retry(NOW + 200 * SECOND, NOW + 200 * SECOND)
    assert next_step(10, status, "200", NOW, 0.0) is End.DEAD


@pytest.mark.parametrize("status", [301, 400, 500, 501])
def test_others_are_not(status: int) -> None:
    assert next_step(1, status, "200", NOW, 0.0) == Retry(NOW + 200 * SECOND)


def test_retry_after_makes_a_wait_longer_and_never_shorter() -> None:
    assert next_step(1, 500, "7", NOW, 0.0) == Retry(NOW + 7 * SECOND)
    assert next_step(2, 500, "7", NOW, 0.0) == Retry(NOW + 300 * SECOND)
    assert next_step(1, 500, "100", NOW, 0.5) == Retry(NOW + 110 * SECOND)


def test_retry_after_may_be_a_date() -> None:
    # NOW is Tue, 14 Nov 2023 22:13:20 GMT. The three forms of RFC 9110 §5.6.7.
    for date in ("Tue, 14 Nov 2023 22:15:00 GMT", "Tuesday, 14-Nov-23 22:15:00 GMT", "Tue Nov 14 22:15:00 2023"):
        assert next_step(1, 500, date, NOW, 0.0) == Retry(NOW + 100 * SECOND)
        assert next_step(1, 503, date, NOW, 0.0) == Retry(NOW + 100 * SECOND, NOW + 100 * SECOND)


@pytest.mark.parametrize("header", ["999999999", "Tue, 14 Nov 2123 22:15:00 GMT"])
def test_retry_after_is_followed_for_a_day_at_most(header: str) -> None:
    day = LONGEST_WAIT_S * SECOND
    assert next_step(1, 503, header, NOW, 0.0) == Retry(NOW + day, NOW + day)


@pytest.mark.parametrize(
    "header",
    [
        "-5",
        "1.5",
        "soon",
        "",
        " ",
        "+9",
        "٣",
        "9" * 13,
        "Tue, 14 Nov 2013 22:15:00 GMT",
        "Tue, 99 Nov 2023 99:99:99 GMT",
        "Tue, 14 Nov 0000 22:15:00 GMT",
        "\x00",
    ],
)
def test_retry_after_that_is_past_or_nonsense_says_nothing(header: str) -> None:
    assert next_step(1, 500, header, NOW, 0.0) == Retry(NOW + 5 * SECOND)
    assert next_step(1, 503, header, NOW, 0.0) == Retry(NOW + HOLD_S * SECOND, NOW + HOLD_S * SECOND)


@given(
    attempt=st.integers(1, 20),
    status=st.none() | st.integers(100, 999),
    header=st.text(max_size=40) | st.integers(0, 10**13).map(str),
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_it_always_ends_and_waits_within_the_bounds(
    attempt: int, status: int | None, header: str, jitter: float
) -> None:
    step = next_step(attempt, status, header, NOW, jitter)
    if isinstance(step, Retry):
        assert attempt < len(DELAYS_S)
        wait = step.at_us - NOW
        assert DELAYS_S[attempt] * SECOND <= wait <= LONGEST_WAIT_S * SECOND * 1.2
        assert step.hold_us is None or NOW < step.hold_us <= step.at_us
    elif attempt < len(DELAYS_S):
        assert step is (End.DISABLED if status == 410 else End.DONE)


@pytest.mark.parametrize(("attempt", "jitter"), [(0, 0.0), (1, 1.0), (1, -0.1)])
def test_what_is_not_an_attempt_or_not_a_share_is_refused(attempt: int, jitter: float) -> None:
    with pytest.raises(ValueError, match="attempts"):
        next_step(attempt, 500, "", NOW, jitter)
