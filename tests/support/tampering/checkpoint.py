"""The checkpoint is not the one that the log signed and witnesses saw. Whoever does this has the file and no key."""

from dataclasses import replace

from consentledger.tlog.checkpoint import Checkpoint
from consentledger.tlog.note import sign_note
from consentledger.tlog.spelling import read_base64, write_base64
from consentledger_verify.problems import Problem
from tests.support.madeexport import QUORUM, WITNESSES, Parties, Parts, root_of
from tests.support.tampering.scene import Found, Scene, Tampered, flipped


def other_root(s: Scene) -> Tampered:
    """Another root above the same signature."""
    parts = s.case.export()
    lines = parts.header["checkpoint"].split("\n")
    lines[2] = write_base64(flipped(s.chance, read_base64(lines[2])))
    parts.header["checkpoint"] = "\n".join(lines)
    return _found(s, parts, Problem.SIGNATURE)


def other_size(s: Scene) -> Tampered:
    """Another size above the same signature."""
    parts = s.case.export()
    parts.header["checkpoint"] = parts.header["checkpoint"].replace(f"\n{s.size}\n", f"\n{s.size + 1}\n", 1)
    return _found(s, parts, Problem.SIGNATURE)


def unknown_key(s: Scene) -> Tampered:
    """Signed by a key that says it is the log's."""
    parts, thief = s.case.export(), Parties.of(s.chance)
    parts.header["checkpoint"] = thief.note(s.size, root_of(s.case.hashes)).decode()
    parts.header["vkeys"] = [thief.log.verifier.vkey()]
    return _found(s, parts, Problem.KEY_UNKNOWN)


def other_origin(s: Scene) -> Tampered:
    """The right key has signed, but for a log of another name."""
    parts, log = s.case.export(), s.case.parties.log
    note = sign_note(Checkpoint("other.example/log", s.size, root_of(s.case.hashes)).text(), [log])
    parts.header["checkpoint"] = note.decode()
    parts.header["cosignatures"] = s.case.parties.cosigned(note, WITNESSES[:QUORUM], s.case.now).decode()
    seen = _found(s, parts, Problem.ORIGIN)
    return replace(seen, finds=(*seen.finds, Found(Problem.PIN_OTHER_LOG)))


def signature_bit(s: Scene) -> Tampered:
    """A bit of the log's signature."""
    return _signature_bit(s, "checkpoint")


def cosignature_bit(s: Scene) -> Tampered:
    """A bit of a witness's signature."""
    return _signature_bit(s, "cosignatures")


def one_witness_stripped(s: Scene) -> Tampered:
    """One cosignature too few."""
    return _found(s, s.case.export(witnesses=[s.chance.choice(WITNESSES)]), Problem.QUORUM)


def all_witnesses_stripped(s: Scene) -> Tampered:
    """No cosignature."""
    return _found(s, s.case.export(witnesses=[]), Problem.QUORUM)


def witness_of_another_tree(s: Scene) -> Tampered:
    """Cosignatures of an earlier checkpoint below a later one."""
    parts, size = s.case.export(), s.chance.randint(1, s.size - 1)
    parts.header["cosignatures"] = s.case.parties.cosigned(s.case.note(size), WITNESSES[:QUORUM], s.case.now).decode()
    return _found(s, parts, Problem.SIGNATURE)


def leading_zero(s: Scene) -> Tampered:
    """The size in another spelling."""
    parts = s.case.export()
    parts.header["checkpoint"] = parts.header["checkpoint"].replace(f"\n{s.size}\n", f"\n0{s.size}\n", 1)
    return _found(s, parts, Problem.CHECKPOINT)


def rolled_back(s: Scene) -> Tampered:
    """All is honest, and old: the log was larger when it was last seen."""
    size = s.chance.randint(1, s.pins[-1] - 1)
    parts = s.case.export(last=size, size=size)
    found = Found(Problem.PIN_AHEAD, size + 1, next(pin for pin in s.pins if pin > size))
    return Tampered(parts.data(), (found,), s.asked(), found.first, unseen_by=s.asked(pins=()))


def edge_changed(s: Scene) -> Tampered:
    """What is said to be before a part of the log is something else."""
    first = s.chance.randint(2, s.size)
    parts = s.case.export(first=first)
    edge = parts.header["edge"]
    at = s.chance.randrange(len(edge))
    edge[at] = write_base64(flipped(s.chance, read_base64(edge[at])))
    found = s.bracket(first, Found(Problem.ROOT, last=s.size))
    asked = s.asked(pins=tuple(s.case.pin(size) for size in s.pins if size >= first - 1))
    if found.problem is Problem.PIN_ROOT or any(size == first - 1 for size in s.pins):
        size = min(size for size in s.pins if size >= first - 1)
        found = Found(Problem.PIN_ROOT, 1, size)
    else:
        found = replace(found, first=1)
    return Tampered(parts.data(), (found,), asked)


def consistency_changed(s: Scene) -> Tampered:
    """The proof that a part belongs to the checkpoint is another."""
    last = s.chance.randint(1, s.size - 1)
    parts = s.case.export(last=last)
    proof = parts.header["consistency"]
    if s.chance.random() < 0.3 or not proof:
        proof.append(write_base64(s.chance.randbytes(32)))
    else:
        at = s.chance.randrange(len(proof))
        proof[at] = write_base64(flipped(s.chance, read_base64(proof[at])))
    return Tampered(parts.data(), (Found(Problem.CONSISTENCY, 1, last),), s.asked(pins=()))


def _signature_bit(s: Scene, field: str) -> Tampered:
    parts = s.case.export()
    *before, line, end = parts.header[field].split("\n")
    name, signature = line.removeprefix("— ").split(" ")
    raw = read_base64(signature)
    # Not in the four bytes of the key's id: then it would be nobody's.
    changed = raw[:4] + flipped(s.chance, raw[4:])
    parts.header[field] = "\n".join([*before, f"— {name} {write_base64(changed)}", end])
    return _found(s, parts, Problem.SIGNATURE)


def _found(s: Scene, parts: Parts, problem: Problem) -> Tampered:
    return Tampered(parts.data(), (Found(problem),), s.asked())
