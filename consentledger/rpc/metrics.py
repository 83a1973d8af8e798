"""What became of the calls: plain counters in this process, which an exporter reads.

No locks: only the event loop's thread writes. Labels are method names of the contract and status codes, nothing else.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency buckets, in seconds, inclusive; one more bucket follows for what is above."""


@dataclass(slots=True)
class MethodMetrics:
    """The calls of one method."""

    codes: dict[str, int] = field(default_factory=dict)
    """How many ended with each status code: `{"OK": 3}`."""
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    """How many took how long, not cumulative; see `BOUNDS`. A stream counts from its first to its last moment."""
    seconds: float = 0.0
    """The sum of all durations."""

    def record(self, code: str, seconds: float) -> None:
        """Count one call."""
        self.codes[code] = self.codes.get(code, 0) + 1
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds


@dataclass(slots=True)
class Metrics:
    """The calls of one server."""

    methods: dict[str, MethodMetrics] = field(default_factory=dict)
    """By full name: `consentledger.v1.ConsentService/CheckConsent`. Here from registration on, also without calls."""
    unknown_methods: int = 0
    """Calls of methods that do not exist; their names are the callers' and are not kept."""
    in_flight: int = 0
    """Calls being served now, streams included."""

    def of(self, method: str) -> MethodMetrics:
        """The counters of one method, made at first use."""
        return self.methods.setdefault(method, MethodMetrics())
