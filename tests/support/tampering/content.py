"""One event is not what it was. Whoever does this has the rows and no key."""

from hashlib import sha256

from consentledger.v1 import events_pb2 as ev
from consentledger_verify.problems import Problem
from tests.support.tampering.scene import ACTS, NotHere, Scene, Tampered, edited, flipped, retimed, turned


def ciphertext_bit(s: Scene) -> Tampered:
    """A bit of a ciphertext."""
    position, parts = s.pick(lambda e: e.ciphertext), s.case.export()
    row = parts.rows[position - 1]
    row["ct"] = flipped(s.chance, row["ct"])
    return s.exact(parts, Problem.CIPHERTEXT_CHANGED, position)


def ciphertext_and_hash(s: Scene) -> Tampered:
    """A ciphertext, and in the leaf its hash."""
    position, parts = s.pick(lambda e: e.ciphertext), s.case.export()
    row = parts.rows[position - 1]
    row["ct"] = flipped(s.chance, row["ct"])
    row["leaf"] = edited(row["leaf"], ciphertext_sha256=sha256(row["ct"]).digest())
    return s.in_tree(parts, position)


def choice_turned(s: Scene) -> Tampered:
    """A grant becomes a denial, or the other way round."""
    position, parts = s.pick(lambda e: e.type == "consent.recorded.v1"), s.case.export()
    row = parts.rows[position - 1]
    row["leaf"] = turned(row["leaf"])
    return s.in_tree(parts, position)


def backdated(s: Scene) -> Tampered:
    """An event says that it was recorded before the one before it."""
    position, parts = s.pick(lambda e: True, least=2), s.case.export()
    row = parts.rows[position - 1]
    row["leaf"] = retimed(row["leaf"], s.entries[position - 2].recorded_us - s.chance.randint(0, 10**7))
    return s.exact(parts, Problem.TIME_ORDER, position)


def shifted_in_time(s: Scene) -> Tampered:
    """An event's time moves, but stays between those of its neighbours."""
    position, parts = s.pick(lambda e: True), s.case.export()
    recorded_us = s.between(position)
    if recorded_us == s.entries[position - 1].recorded_us:
        raise NotHere
    row = parts.rows[position - 1]
    row["leaf"] = retimed(row["leaf"], recorded_us)
    return s.in_tree(parts, position)


def type_flipped(s: Scene) -> Tampered:
    """A consent is called a withdrawal, or the other way round."""
    position, parts = s.pick(lambda e: e.type in ACTS), s.case.export()
    row = parts.rows[position - 1]
    (other,) = ACTS - {s.entries[position - 1].type}
    row["leaf"] = edited(row["leaf"], type=other)
    return s.exact(parts, Problem.TYPE, position)


def moved_to_another(s: Scene) -> Tampered:
    """An act is put down to somebody else."""
    position, parts = s.pick(lambda e: e.type in ACTS), s.case.export()
    mine = s.entries[position - 1]
    known: dict[bytes, int] = {}
    for entry in s.entries[: position - 1]:
        known[entry.stream] = entry.version
    others = [
        stream
        for stream, person in s.case.log.persons.items()
        if person.tenant == mine.tenant and stream != mine.stream and known.get(stream, 0) + 1 != mine.version
    ]
    if not others:
        raise NotHere
    row = parts.rows[position - 1]
    row["leaf"] = edited(row["leaf"], stream=s.chance.choice(others))
    return s.exact(parts, Problem.VERSION, position)


def moved_to_another_tenant(s: Scene) -> Tampered:
    """An act is put down to another controller."""
    position, parts = s.pick(lambda e: e.type in ACTS), s.case.export()
    row = parts.rows[position - 1]
    row["leaf"] = edited(row["leaf"], tenant="zeta")
    return s.in_tree(parts, position)


def ciphertexts_swapped(s: Scene) -> Tampered:
    """Two events exchange what is sealed."""
    first, parts = s.pick(lambda e: e.ciphertext), s.case.export()
    second = s.pick(lambda e: e.ciphertext, least=first + 1)
    one, other = parts.rows[first - 1], parts.rows[second - 1]
    one["ct"], other["ct"] = other["ct"], one["ct"]
    return s.exact(parts, Problem.CIPHERTEXT_CHANGED, first)


def content_dropped(s: Scene) -> Tampered:
    """What was sealed is gone, of somebody who was never erased."""
    position, parts = s.pick(lambda e: e.ciphertext and s.living(e)), s.case.export()
    del parts.rows[position - 1]["ct"]
    return s.exact(parts, Problem.CIPHERTEXT_MISSING, position)


def content_added(s: Scene) -> Tampered:
    """Something sealed lies beside an event that had nothing to seal."""
    position = s.pick(lambda e: not ev.LedgerEntry.FromString(e.leaf).ciphertext_sha256)
    parts = s.case.export()
    row = parts.rows[position - 1]
    parts.rows[position - 1] = row | {"ct": s.chance.randbytes(64)}
    return s.exact(parts, Problem.CIPHERTEXT_UNCALLED, position)
