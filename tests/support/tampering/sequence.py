"""Events are missing, added or in another order. Whoever does this has the rows and no key."""

from dataclasses import replace

from consentledger.v1 import events_pb2 as ev
from consentledger_verify.problems import Problem
from tests.support.madeexport import Parts
from tests.support.madelog import Person
from tests.support.tampering.scene import PLAIN, Found, NotHere, Scene, Tampered, edited, renumbered, timed


def line_deleted(s: Scene) -> Tampered:
    """A line is gone, and nothing else is changed."""
    position, parts = s.pick(lambda e: e.type in PLAIN), s.case.export()
    del parts.rows[position - 1]
    return s.exact(parts, Problem.POSITION, position)


def deleted_in_a_stream(s: Scene) -> Tampered:
    """An event is gone, later ones moved up; its person did something afterwards."""
    position, parts = s.pick(lambda e: e.type in PLAIN), s.case.export()
    mine = s.entries[position - 1].stream
    later = next((e.position for e in s.entries if e.position > position and e.stream == mine), None)
    if later is None:
        raise NotHere
    _shorten(parts, position)
    seen = s.exact(parts, Problem.VERSION, later - 1, place=position)
    return replace(seen, finds=(*seen.finds, s.bracket(position, Found(Problem.CONSISTENCY, last=s.size - 1))))


def deleted_at_the_end_of_a_stream(s: Scene) -> Tampered:
    """The newest act of somebody is gone, later events moved up: a withdrawal that never was."""
    newest = {entry.stream: entry.position for entry in s.entries}
    position = s.pick(lambda e: e.type in PLAIN and newest[e.stream] == e.position < s.size)
    parts = s.case.export()
    _shorten(parts, position)
    found = s.bracket(position, Found(Problem.CONSISTENCY, last=s.size - 1))
    return Tampered(parts.data(), (found,), s.asked(), position)


def last_deleted(s: Scene) -> Tampered:
    """The newest event is gone."""
    if s.entries[-1].type not in PLAIN:
        raise NotHere
    parts = s.case.export()
    parts.rows.pop()
    if s.chance.random() < 0.5:
        return s.exact(parts, Problem.POSITION, s.size)
    parts.header["last"] = parts.end = s.size - 1
    found = s.bracket(s.size, Found(Problem.CONSISTENCY, last=s.size - 1))
    return Tampered(parts.data(), (found,), s.asked())


def truncated(s: Scene) -> Tampered:
    """The file stops somewhere."""
    data = s.case.file()
    start = data.index(b"\n") + 1
    cut = data[: s.chance.randrange(start, len(data))]
    position = cut.count(b"\n")
    return Tampered(cut, (Found(Problem.TRUNCATED, position, position),), s.asked(), position, code=3)


def inserted(s: Scene) -> Tampered:
    """An event that never was, later ones moved down."""
    position, parts = s.pick(lambda e: True), s.case.export()
    leaf = s.forged(s.between(position))
    parts.rows = renumbered([*parts.rows[: position - 1], {"i": 0, "leaf": leaf}, *parts.rows[position - 1 :]])
    parts.header["last"] = parts.end = s.size + 1
    found = s.bracket(position, Found(Problem.RANGE, last=s.size + 1))
    return Tampered(parts.data(), (found,), s.asked(), position)


def inserted_for_the_last(s: Scene) -> Tampered:
    """An event that never was, and the newest one is gone: the number is right."""
    position, parts = s.pick(lambda e: e.position < s.size), s.case.export()
    if s.entries[-1].type not in PLAIN:
        raise NotHere
    leaf = s.forged(s.between(position))
    rows = [*parts.rows[: position - 1], {"i": 0, "leaf": leaf}, *parts.rows[position - 1 : -1]]
    parts.rows = renumbered(rows)
    return s.in_tree(parts, position)


def appended(s: Scene) -> Tampered:
    """An event that never was, at the end."""
    parts = s.case.export()
    leaf = s.forged(s.entries[-1].recorded_us + 1)
    parts.rows.append({"i": s.size + 1, "leaf": leaf})
    parts.header["last"] = parts.end = s.size + 1
    return s.exact(parts, Problem.RANGE, s.size + 1)


def swapped(s: Scene) -> Tampered:
    """Two events change places."""
    first, parts = s.pick(lambda e: e.position < s.size), s.case.export()
    second = s.pick(lambda e: True, least=first + 1)
    rows = parts.rows
    rows[first - 1], rows[second - 1] = rows[second - 1], rows[first - 1]
    parts.rows = renumbered(rows)
    return s.exact(parts, Problem.TIME_ORDER, first + 1, place=first)


def replayed(s: Scene) -> Tampered:
    """An event that was comes once more."""
    first, parts = s.pick(lambda e: e.type in PLAIN and e.position < s.size), s.case.export()
    again = s.pick(lambda e: True, least=first + 1)
    parts.rows = renumbered([*parts.rows[: again - 1], parts.rows[first - 1], *parts.rows[again - 1 :]])
    parts.header["last"] = parts.end = s.size + 1
    seen = s.exact(parts, Problem.TIME_ORDER, again)
    return replace(seen, finds=(*seen.finds, Found(Problem.VERSION, again, again)))


def version_gap(s: Scene) -> Tampered:
    """An event says that there was one more before it."""
    position, parts = s.pick(lambda e: True), s.case.export()
    row = parts.rows[position - 1]
    row["leaf"] = edited(row["leaf"], version=s.entries[position - 1].version + s.chance.randint(1, 300))
    return s.exact(parts, Problem.VERSION, position)


def after_an_erasure(s: Scene) -> Tampered:
    """Somebody who is being erased does something."""
    return _late(s, [p for p in s.case.log.persons.values() if p.erased and not p.destroyed], Problem.AFTER_ERASURE)


def after_a_destruction(s: Scene) -> Tampered:
    """Somebody whose key is gone does something."""
    return _late(s, [p for p in s.case.log.persons.values() if p.destroyed], Problem.AFTER_DESTRUCTION)


def _late(s: Scene, gone: list[Person], problem: Problem) -> Tampered:
    gone = [person for person in gone if person.stream != s.entries[-1].stream]
    if not gone or s.entries[-1].type not in PLAIN:
        raise NotHere
    person, parts = s.chance.choice(gone), s.case.export()
    type = s.chance.choice(("consent.recorded.v1", "consent.withdrawn.v1", "consent.expired.v1"))
    entry = ev.LedgerEntry(format=1, tenant=person.tenant, stream=person.stream, version=person.version + 1, type=type)
    getattr(entry.header, type.removesuffix(".v1").replace(".", "_")).SetInParent()
    parts.rows[-1] = {"i": s.size, "leaf": timed(entry, s.entries[-1].recorded_us)}
    return s.exact(parts, problem, s.size)


def destroyed_unasked(s: Scene) -> Tampered:
    """A key is said to be destroyed whose person nobody asked to erase."""
    if s.entries[-1].type not in PLAIN:
        raise NotHere
    living = [p for p in s.case.log.persons.values() if not p.erased and p.stream != s.entries[-1].stream]
    if not living:
        raise NotHere
    person, parts = s.chance.choice(living), s.case.export()
    entry = ev.LedgerEntry(
        format=1, tenant=person.tenant, stream=person.stream, version=person.version + 1, type="key.destroyed.v1"
    )
    entry.header.key_destroyed.key_epoch = 1
    parts.rows[-1] = {"i": s.size, "leaf": timed(entry, s.entries[-1].recorded_us)}
    return s.exact(parts, Problem.DESTROYED_UNASKED, s.size)


def _shorten(parts: Parts, position: int) -> None:
    """Take an event out and move those after it up."""
    del parts.rows[position - 1]
    parts.rows = renumbered(parts.rows)
    parts.header["last"] = parts.end = len(parts.rows)
