"""Throws damaged inputs at a parser, many and fast, and says what left it that should not.

Each input is refused by a documented exception, or it is accepted and, where the format has one spelling, written back
byte for byte. Inputs are valid ones, spoiled in a few places by what the format is made of, and some plain noise. The
report has the seed, so every finding can be repeated.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_NOISE_SHARE = 32
"""One input in so many is noise."""
_LONGEST_NOISE = 200
_LARGEST_INPUT = 20_000


@dataclass(frozen=True)
class Target:
    """One parser, as bytes in and bytes out."""

    name: str
    parse: Callable[[bytes], bytes | None]
    """Reads the input; returns it as it is written back, or None where a format has many spellings."""
    refusals: tuple[type[Exception], ...]
    """The documented exceptions. Each is matched exactly: a subclass that is not listed is a finding."""
    valid: Sequence[bytes]
    """Inputs that are accepted."""
    tokens: Sequence[bytes]
    """What the format is made of, and what it must not hold."""
    near: Sequence[bytes] = ()
    """Inputs to spoil that are refused, but late."""


@dataclass
class Report:
    """What came of it."""

    name: str
    seed: int
    runs: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """How often, by the words of the refusal."""
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        rate = self.runs / self.seconds if self.seconds else 0
        return (
            f"fuzz {self.name}: {self.runs} runs, seed {self.seed}, {rate:,.0f}/s, {self.accepted} accepted, "
            f"{len(self.refused)} kinds of refusal, {len(self.findings)} findings"
        )


def fuzz(target: Target, runs: int, seed: int, most_findings: int = 5) -> Report:
    """Tries so many inputs, or fewer once there are enough findings."""
    report, chance, begun = Report(target.name, seed), random.Random(seed), time.perf_counter()
    for sample in target.valid:
        _try(target, sample, report)
        if report.accepted != report.runs:
            report.findings.append(f"a valid input is not accepted: {sample!r}")
    while report.runs < runs and len(report.findings) < most_findings:
        _try(target, spoil(chance, (*target.valid, *target.near), target.tokens), report)
    report.seconds = time.perf_counter() - begun
    return report


def _try(target: Target, data: bytes, report: Report) -> None:
    report.runs += 1
    try:
        written = target.parse(data)
    except Exception as error:
        if type(error) in target.refusals:
            report.refused[str(error)] += 1
        else:
            report.findings.append(f"{type(error).__name__} left it, of {data!r}")
        return
    report.accepted += 1
    if written is not None and written != data:
        report.findings.append(f"two spellings: {data!r} and {written!r}")


def spoil(chance: random.Random, inputs: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """One of the inputs, changed in one to four places; or noise."""
    if chance.randrange(_NOISE_SHARE) == 0:
        return chance.randbytes(chance.randrange(_LONGEST_NOISE))
    data = bytearray(chance.choice(inputs))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        chance.choice(_WAYS)(chance, data, inputs, tokens)
    return bytes(data[:_LARGEST_INPUT])


_Way = Callable[[random.Random, bytearray, Sequence[bytes], Sequence[bytes]], None]


def _span(chance: random.Random, data: bytearray) -> slice:
    start = chance.randrange(len(data) + 1)
    return slice(start, start + min(chance.randrange(1, 80), len(data) - start))


def _flip(chance: random.Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _replace(chance: random.Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.randrange(256)


def _delete(chance: random.Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    del data[_span(chance, data)]


def _truncate(chance: random.Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _repeat(chance: random.Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    place = chance.randrange(len(data) + 1)
    data[place:place] = data[_span(chance, data)] * chance.choice((1, 1, 2, 40))


def _token(chance: random.Random, data: bytearray, _: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    place = chance.randrange(len(data) + 1)
    data[place : place + chance.choice((0, 0, 1, 2))] = chance.choice(tokens)


def _splice(chance: random.Random, data: bytearray, inputs: Sequence[bytes], _: Sequence[bytes]) -> None:
    other = bytearray(chance.choice(inputs))
    data[_span(chance, data)] = other[_span(chance, other)]


def _lines(chance: random.Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    lines = bytes(data).split(b"\n")
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    how = chance.randrange(3)
    if how == 0:
        lines[first], lines[second] = lines[second], lines[first]
    elif how == 1:
        lines.insert(first, lines[second])
    else:
        del lines[first]
    data[:] = b"\n".join(lines)


_WAYS: tuple[_Way, ...] = (_flip, _replace, _delete, _truncate, _repeat, _token, _token, _splice, _lines)
