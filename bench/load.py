"""A closed-loop client in a process of its own: so many unary calls in flight, each answered by the next.

    python -m bench.load '{"address": "127.0.0.1:50051", "method": "CheckConsent", …}'    prints one JSON object

- About 15 µs of CPU a call, where the Python gRPC client takes 220: on a machine of two cores the client would
  otherwise be a large part of what is measured. `--only check` compares it with h2load where that is installed.
- An answer that is not `grpc-status: 0`, or does not begin as expected, is counted as an error, never as a call.
- A server that asks us to reconnect (GOAWAY) gets a new connection when the calls in flight are done.
"""

import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from bench import frames, requests


@dataclass(frozen=True, slots=True)
class Job:
    """What to send."""

    address: str
    method: str
    in_flight: int
    seconds: float
    warm_seconds: float = 0.5
    """Calls that end in this time are answered but not counted."""
    connections: int = 4
    people: int = 1000
    """How many people to choose from at random; 0: each call is about the next one."""
    first: int = 0
    """The number of the first person."""
    seed: int = 1
    rate: float = 0.0
    """Calls a second at most, in all; 0: as many as are answered."""
    expect: str = ""
    """Hexadecimal: how an answer's message must begin."""


@dataclass(slots=True)
class Outcome:
    """What came back. Times are in milliseconds."""

    calls: int = 0
    """Counted calls: those that ended in the measured time."""
    all_calls: int = 0
    """Those of the warm-up too: what the servers' CPU is divided by."""
    errors: int = 0
    seconds: float = 0.0
    per_second: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    cpu_us: float = 0.0
    """CPU of this process, in microseconds a call."""
    latencies: list[float] = field(default_factory=list)


class Connection:
    """One HTTP/2 connection with calls of one method on it."""

    def __init__(self, job: Job, bodies: Iterator[bytes], in_flight: int) -> None:
        self._job = job
        self._bodies = bodies
        self._limit = in_flight
        self._expect = bytes.fromhex(job.expect)
        self.latencies: list[float] = []
        self.errors = 0
        self.socket = self._connect()

    def _connect(self) -> socket.socket:
        host, _, port = self._job.address.rpartition(":")
        new = socket.create_connection((host, int(port)), 10)
        new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        new.sendall(frames.opening())
        method = self._job.method.partition("+")[0]  # "RecordConsent+receipt" is another request to the same method
        headers = frames.call_headers(self._job.address, f"{requests.SERVICE}{method}", 20)
        self._first_block: bytes | None = frames.first_block(headers)
        self._block = frames.later_block(headers)
        self._window = frames.FIRST_WINDOW
        self._next = 1
        self._started: dict[int, float] = {}
        self._answer_ok: dict[int, bool] = {}
        self._rest = b""
        self._leaving = False
        return new

    @property
    def busy(self) -> int:
        """Calls in flight."""
        return len(self._started)

    def send(self, most: int) -> int:
        """Start up to `most` calls, as many as the limit and the server's window allow; returns how many."""
        out = []
        now = time.perf_counter()
        for _ in range(min(most, self._limit - len(self._started))):
            if self._leaving or self._window < 16_384:
                break
            block, self._first_block = self._first_block or self._block, None
            message = next(self._bodies)
            out.append(frames.request(self._next, block, message))
            self._window -= len(message) + 5
            self._started[self._next] = now
            self._next += 2
        if out:
            self.socket.sendall(b"".join(out))
        return len(out)

    def receive(self) -> int:
        """Read what is there; returns how many calls ended well."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server closed the connection")
        data = self._rest + data
        now = time.perf_counter()
        at, ended, end = 0, 0, len(data)
        while end - at >= frames.HEAD:
            size = int.from_bytes(data[at : at + 3], "big")
            following = at + frames.HEAD + size
            if following > end:
                break
            kind, flags = data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5 : at + 9], "big")
            if kind == frames.HEADERS:
                if flags & frames.END_STREAM:
                    ended += self._finish(stream, now, data.find(frames.OK, at, following) > 0)
            elif kind == frames.DATA:
                if stream in self._started and stream not in self._answer_ok:
                    self._answer_ok[stream] = data.startswith(self._expect, at + frames.HEAD + 5)
            else:
                ended += self._control(kind, flags, stream, data[at + frames.HEAD : following], now)
            at = following
        self._rest = data[at:]
        if self._leaving and not self._started:
            self.reconnect = True
        return ended

    reconnect = False

    def renew(self) -> socket.socket:
        """A new connection in place of one that the server wants closed; returns the old socket."""
        old, self.socket, self.reconnect = self.socket, self._connect(), False
        return old

    def _finish(self, stream: int, now: float, ok: bool) -> int:
        started = self._started.pop(stream, None)
        as_expected = self._answer_ok.pop(stream, False)
        if started is None:
            return 0
        if ok and as_expected:
            self.latencies.append(now - started)
            return 1
        self.errors += 1
        return 0

    def _control(self, kind: int, flags: int, stream: int, payload: bytes, now: float) -> int:
        if kind == frames.WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload, "big")
        elif kind == frames.SETTINGS and not flags & frames.ACK:
            self.socket.sendall(frames.frame(frames.SETTINGS, frames.ACK, 0, b""))
        elif kind == frames.PING and not flags & frames.ACK:
            self.socket.sendall(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif kind == frames.GOAWAY:
            self._leaving = True
        elif kind == frames.RST_STREAM:
            self._finish(stream, now, False)
        return 0


def run(job: Job) -> Outcome:
    """Do the job."""
    count = min(job.connections, job.in_flight)
    first = [job.first + n * 10_000_000 for n in range(count)] if not job.people else [job.first] * count
    connections = [
        Connection(
            job,
            requests.messages(job.method, job.people, first[n], seed=job.seed * 100 + n),
            job.in_flight // count + (n < job.in_flight % count),
        )
        for n in range(count)
    ]
    selector = selectors.DefaultSelector()
    for connection in connections:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    began, cpu = time.perf_counter(), time.process_time()
    warm_end = began + job.warm_seconds
    end = warm_end + job.seconds
    all_calls, sent, warm = 0, 0, True
    for connection in connections:
        sent += connection.send(_allowed(job, began, sent))
    while (now := time.perf_counter()) < end:
        if warm and now >= warm_end:
            warm, warm_end = False, now
            all_calls = sum(len(c.latencies) for c in connections)
            for connection in connections:
                connection.latencies.clear()
        for key, _ in selector.select(0.002 if job.rate else 0.1):
            connection = key.data
            connection.receive()
            if connection.reconnect:
                selector.unregister(connection.socket)
                connection.renew().close()
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            if not job.rate:
                connection.send(job.in_flight)
        if job.rate:
            for connection in connections:
                sent += connection.send(_allowed(job, began, sent))
    took = time.perf_counter() - warm_end
    outcome = Outcome(errors=sum(c.errors for c in connections), seconds=took)
    outcome.latencies = sorted(1000 * s for c in connections for s in c.latencies)
    outcome.calls = len(outcome.latencies)
    outcome.all_calls = all_calls + outcome.calls
    outcome.per_second = outcome.calls / took
    outcome.cpu_us = 1e6 * (time.process_time() - cpu) / max(1, outcome.all_calls)
    if outcome.latencies:
        outcome.p50 = outcome.latencies[outcome.calls // 2]
        outcome.p99 = outcome.latencies[min(outcome.calls - 1, outcome.calls * 99 // 100)]
    for connection in connections:
        connection.socket.close()
    return outcome


def _allowed(job: Job, began: float, sent: int) -> int:
    if not job.rate:
        return job.in_flight
    return max(0, int((time.perf_counter() - began) * job.rate) - sent)


def main(argument: str) -> None:
    """Print the outcome of the job given as JSON."""
    outcome = asdict(run(Job(**json.loads(argument))))
    del outcome["latencies"]
    print(json.dumps(outcome))


if __name__ == "__main__":
    main(sys.argv[1])
