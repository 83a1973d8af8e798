"""The counters that an exporter reads."""

import pytest

from consentledger.rpc.metrics import BOUNDS, MethodMetrics, Metrics


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.0011, 1), (10.0, len(BOUNDS) - 1), (11, -1)])
def test_a_duration_is_counted_in_the_bucket_whose_bound_it_does_not_pass(seconds: float, bucket: int) -> None:
    metrics = MethodMetrics()
    metrics.record("OK", seconds)
    assert metrics.buckets[bucket] == sum(metrics.buckets) == 1
    assert metrics.seconds == seconds


def test_calls_are_counted_by_code() -> None:
    metrics = Metrics()
    for code in ("OK", "OK", "NOT_FOUND"):
        metrics.of("a").record(code, 0.1)
    metrics.of("b").record("OK", 0.1)
    assert metrics.methods["a"].codes == {"OK": 2, "NOT_FOUND": 1}
    assert metrics.methods["b"].codes == {"OK": 1}
