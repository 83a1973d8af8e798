"""From a time to a place in the log: `recorded_at` strictly increases, so bisection finds it. SQL of the store."""

from consentledger.store.ledger import Store

_WHEN = "SELECT recorded_us FROM event WHERE position = $1"


async def first_since(store: Store, time_us: int) -> int:
    """The first position recorded at or after the time; one past the head if there is none."""
    low, high = 1, (await store.head()).position + 1
    while low < high:
        middle = (low + high) // 2
        rows = await store.read(_WHEN, middle)
        if rows[0][0] < time_us:
            low = middle + 1
        else:
            high = middle
    return low
