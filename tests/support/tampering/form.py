"""The file, or a leaf in it, is spelled in a way that ours is never: to be read differently by two readers.

Whoever does this has the file and no key.
"""

import json
from collections.abc import Callable

from consentledger_verify.problems import Problem
from tests.support.madeexport import finished
from tests.support.tampering.scene import Found, NotHere, Scene, Tampered

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def duplicate_key(s: Scene) -> Tampered:
    """One key twice: readers take the first or the last."""
    return _line(s, Problem.DUPLICATE_KEY, lambda line, n: b'{"i":%d,' % (n + 1) + line[1:])


def not_canonical(s: Scene) -> Tampered:
    """JSON in another spelling."""
    spellings: list[Callable[[bytes, int], bytes]] = [
        lambda line, n: line.replace(b",", b", ", 1),
        lambda line, n: b" " + line,
        lambda line, n: line[:-1] + b"\r\n",
        lambda line, n: json.dumps(dict(reversed(json.loads(line).items())), separators=(",", ":")).encode() + b"\n",
        lambda line, n: line.replace(b'"leaf"', b'"le\\u0061f"', 1),
    ]
    return _line(s, Problem.NOT_CANONICAL, s.chance.choice(spellings))


def unknown_field(s: Scene) -> Tampered:
    """A key more."""
    return _line(s, Problem.UNKNOWN_KEY, lambda line, n: line[:-2] + b',"note":"x"}\n')


def missing_field(s: Scene) -> Tampered:
    """A key less."""
    return _line(s, Problem.MISSING_KEY, lambda line, n: b'{"i":%d}\n' % n)


def index_as_text(s: Scene) -> Tampered:
    """A position that is a text."""
    return _line(s, Problem.WRONG_TYPE, lambda line, n: line.replace(b'"i":%d' % n, b'"i":"%d"' % n))


def index_as_float(s: Scene) -> Tampered:
    """A position that is no whole number, or spelled as none."""
    other = s.chance.choice((b".0", b"e0", b".5"))
    return _line(s, Problem.WRONG_TYPE, lambda line, n: line.replace(b'"i":%d' % n, b'"i":%d' % n + other))


def index_with_a_zero(s: Scene) -> Tampered:
    """A position with a leading zero, which JSON does not have."""
    return _line(s, Problem.NOT_JSON, lambda line, n: line.replace(b'"i":', b'"i":0'))


def spare_bits(s: Scene) -> Tampered:
    """Base64 whose last letter says more than it should."""
    lines = s.case.export().lines()
    padded = [n for n, line in enumerate(lines) if n and line.endswith(b'="}\n')]
    if not padded:
        raise NotHere
    number = s.chance.choice(padded)
    at = lines[number].rindex(b"=", 0, -3)
    while lines[number][at - 1 : at] == b"=":
        at -= 1
    spare = 15 if lines[number][at : at + 2] == b"==" else 3
    letter = _LETTERS.index(lines[number][at - 1])
    wrong = _LETTERS[letter ^ s.chance.randint(1, spare)]
    lines[number] = lines[number][: at - 1] + bytes([wrong]) + lines[number][at:]
    return _unreadable(s, lines, Problem.NOT_CANONICAL, number)


def nested(s: Scene) -> Tampered:
    """A line that is nothing but brackets."""
    deep = b"[" * s.chance.choice((10, 1_000, 200_000))
    return _line(s, Problem.NOT_JSON, lambda line, n: deep + b"\n")


def too_long(s: Scene) -> Tampered:
    """A line that does not end for a long time."""
    return _line(s, Problem.LINE_TOO_LONG, lambda line, n: line[:-1] + b" " * (4 << 20) + b"\n")


def after_the_end(s: Scene) -> Tampered:
    """Something follows the last line."""
    data = s.case.file() + s.chance.choice((b"\n", b"x", b'{"i":1,"leaf":"AA=="}\n'))
    found = Found(Problem.AFTER_THE_END, s.size + 1, s.size + 1)
    return Tampered(data, (found,), s.asked(), code=3)


def changed_on_the_way(s: Scene) -> Tampered:
    """The file is not as it was written; what was changed is nobody's signature and no event."""
    data = s.case.file()
    at = len(data) - 5 - s.chance.randrange(60)
    digit = b"0123456789abcdef"
    changed = data[:at] + bytes([digit[digit.index(data[at]) ^ 1]]) + data[at + 1 :]
    return Tampered(changed, (Found(Problem.FILE_CHANGED),), s.asked())


def leaf_not_canonical(s: Scene) -> Tampered:
    """A leaf in which a number is longer than it needs to be: protobuf reads the same event."""
    position = s.pick(lambda e: e.leaf.startswith(b"\x08\x01"))
    return _leaf(s, position, b"\x08\x81\x00" + s.entries[position - 1].leaf[2:])


def leaf_with_unknown_field(s: Scene) -> Tampered:
    """A leaf with a field more, which other readers ignore."""
    position = s.pick(lambda e: True)
    return _leaf(s, position, s.entries[position - 1].leaf + b"\x5a\x01x")


def leaf_with_field_twice(s: Scene) -> Tampered:
    """A leaf that says its tenant twice: readers take the last."""
    position = s.pick(lambda e: e.leaf.startswith(b"\x08\x01\x12"))
    leaf = s.entries[position - 1].leaf
    return _leaf(s, position, leaf[:2] + b"\x12\x04zeta" + leaf[2:])


def redacted_in_a_whole_export(s: Scene) -> Tampered:
    """A hash stands for an event, in an export that is said to be of all."""
    position, parts = s.pick(lambda e: s.living(e)), s.case.export()
    parts.rows[position - 1] = {"i": position, "hash": s.case.hashes[position - 1]}
    return s.exact(parts, Problem.REDACTED, position)


def foreign_event_shown(s: Scene) -> Tampered:
    """An event of another controller stands whole, in an export that is not to show it."""
    position = s.pick(lambda e: e.version == 1 and e.tenant != "acme")
    parts = s.case.export(tenants=["acme"])
    parts.rows[position - 1] = {"i": position, "leaf": s.entries[position - 1].leaf}
    return s.exact(parts, Problem.TENANT, position)


def _leaf(s: Scene, position: int, leaf: bytes) -> Tampered:
    parts = s.case.export()
    parts.rows[position - 1]["leaf"] = leaf
    return s.exact(parts, Problem.LEAF, position)


def _line(s: Scene, problem: Problem, change: Callable[[bytes, int], bytes]) -> Tampered:
    lines = s.case.export().lines()
    number = s.chance.randrange(1, len(lines))
    lines[number] = change(lines[number], number)
    return _unreadable(s, lines, problem, number)


def _unreadable(s: Scene, lines: list[bytes], problem: Problem, number: int) -> Tampered:
    data = finished(lines, s.size)
    return Tampered(data, (Found(problem, number, number),), s.asked(), number, code=3)
