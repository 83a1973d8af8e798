"""Whoever does this has keys: the log's, or witnesses' too. Each is found by what only outsiders hold, or by nobody.

`unseen_by` is a verification that lacks it; there everything holds.
"""

from collections.abc import Callable
from dataclasses import replace

from consentledger.crypto.envelope import commit, event_aad
from consentledger.store.ledger import Entry
from consentledger.v1 import events_pb2 as ev
from consentledger_verify.overview import Asked
from consentledger_verify.problems import Problem
from consentledger_verify.trust import Trust
from tests.support.madeexport import QUORUM, WITNESSES, Case
from tests.support.tampering.scene import ACTS, Found, Scene, Tampered, edited, retimed, turned


def resigned(s: Scene) -> Tampered:
    """Rewritten before a pin, and signed with the log's key: no witness cosigns."""
    return replace(_rewritten(s, (), Found(Problem.QUORUM)), unseen_by=_key_alone(s))


def resigned_with_one_witness(s: Scene) -> Tampered:
    """The same, and one witness plays along."""
    return replace(_rewritten(s, WITNESSES[:1], Found(Problem.QUORUM)), unseen_by=_key_alone(s))


def resigned_with_all_witnesses(s: Scene) -> Tampered:
    """The same, and all witnesses do. The pin tells."""
    seen = _rewritten(s, WITNESSES)
    return replace(seen, unseen_by=s.asked(pins=()))


def resigned_after_the_pins(s: Scene) -> Tampered:
    """Rewritten after the newest pin, with all keys. Only somebody's receipt tells."""
    position = s.pick(lambda e: e.type == "consent.recorded.v1", least=s.pins[-1] + 1)
    other = s.rewritten(position, turned(s.entries[position - 1].leaf))
    receipt = s.case.receipt(position, s.size)
    seen = _signed(s, other, WITNESSES, position, Found(Problem.RECEIPT_BROKEN, position, position))
    return replace(seen, asked=s.asked(receipts=(receipt,)), unseen_by=s.asked())


def event_taken_out(s: Scene) -> Tampered:
    """The newest act of somebody never was, and later ones moved up, with all keys. Only their receipt tells."""
    newest = {entry.stream: entry.position for entry in s.entries}
    position = s.pick(lambda e: e.type in ACTS and newest[e.stream] == e.position < s.size, least=s.pins[-1] + 1)
    entries = [
        replace(entry, position=place)
        for place, entry in enumerate([*s.entries[: position - 1], *s.entries[position:]], 1)
    ]
    other = Case.of(replace(s.case.log, entries=entries), s.case.parties)
    receipt = s.case.receipt(position, s.size - 1)
    seen = _signed(s, other, WITNESSES, position, Found(Problem.RECEIPT_BROKEN, position, position))
    return replace(seen, asked=s.asked(receipts=(receipt,)), unseen_by=s.asked())


def in_the_future(s: Scene) -> Tampered:
    """The newest event is dated ahead of the time at which witnesses saw it; whoever looks later sees nothing odd."""
    recorded_us = s.entries[-1].recorded_us + s.chance.randint(320, 10**6) * 1_000_000
    other = s.rewritten(s.size, retimed(s.entries[-1].leaf, recorded_us))
    note, names = other.note(s.size), WITNESSES[:QUORUM]
    parts = other.export()
    parts.header["cosignatures"] = s.case.parties.cosigned(note, names, s.case.now).decode()
    found = Found(Problem.TIME_FUTURE, s.size, s.size)
    later = replace(_key_alone(s), now_ns=recorded_us * 1_000 + 1)
    return Tampered(parts.data(), (found,), s.asked(), s.size, unseen_by=later)


def other_plaintext(s: Scene) -> Tampered:
    """The seal holds something else than what the leaf commits to. A data key tells."""
    position = s.pick(lambda e: e.ciphertext and s.living(e))
    entry = s.entries[position - 1]
    person = s.case.log.persons[entry.stream]
    aad = event_aad(entry.tenant, entry.stream, entry.version, entry.type)
    salt, told = s.chance.randbytes(32), ev.ActPersonal(note="told").SerializeToString()
    meant = ev.ActPersonal(note="meant").SerializeToString()
    sealed = person.key.seal_as(s.chance.randbytes(12), salt, told, aad, commit(salt, meant, aad))
    leaf = edited(entry.leaf, ciphertext_sha256=sealed.ciphertext_sha256, commitment=sealed.commitment)
    entries = list(s.entries)
    entries[position - 1] = replace(entry, leaf=leaf, ciphertext=sealed.ciphertext)
    other = Case.of(replace(s.case.log, entries=entries), s.case.parties)
    found = Found(Problem.COMMITMENT, position, position)
    asked = s.asked(pins=(), keys=s.case.log.keys())
    return Tampered(other.file(), (found,), asked, position, unseen_by=replace(asked, keys={}))


def sealed_with_another_key(s: Scene) -> Tampered:
    """The seal does not open with the person's key. A data key tells."""
    position = s.pick(lambda e: e.ciphertext and s.living(e))
    stream = s.entries[position - 1].stream
    keys = s.case.log.keys() | {stream: s.chance.randbytes(32)}
    first = next(e.position for e in s.entries if e.ciphertext and e.stream == stream)
    found = Found(Problem.CANNOT_OPEN, first, first)
    return Tampered(s.case.file(), (found,), s.asked(keys=keys), first, unseen_by=s.asked())


def own_event_redacted(s: Scene) -> Tampered:
    """In one tenant's export, an event of that tenant is passed off as another's; its person did something later."""
    position, tenant = _own(s, lambda later: later is not None)
    parts = s.case.export(tenants=[tenant])
    parts.rows[position - 1] = {"i": position, "hash": s.case.hashes[position - 1]}
    stream = s.entries[position - 1].stream
    later = next(e.position for e in s.entries if e.position > position and e.stream == stream)
    return s.exact(parts, Problem.VERSION, later, place=position)


def newest_own_event_redacted(s: Scene) -> Tampered:
    """The same with the newest event of a stream: nothing is missing after it. Only its receipt tells."""
    position, tenant = _own(s, lambda later: later is None)
    parts = s.case.export(tenants=[tenant])
    parts.rows[position - 1] = {"i": position, "hash": s.case.hashes[position - 1]}
    seen = s.exact(parts, Problem.REDACTED, position)
    return replace(seen, asked=s.asked(receipts=(s.case.receipt(position, s.size),)), unseen_by=s.asked())


def _own(s: Scene, fits: Callable[[int | None], bool]) -> tuple[int, str]:
    """An act's place and tenant; `fits` gets the place of the next event of its stream."""

    def wanted(entry: Entry) -> bool:
        later = (e.position for e in s.entries if e.position > entry.position and e.stream == entry.stream)
        return entry.type in ACTS and fits(next(later, None))

    position = s.pick(wanted)
    return position, s.entries[position - 1].tenant


def _key_alone(s: Scene) -> Asked:
    """What knows the log's key, and has nothing else from outside."""
    return s.asked(pins=(), trust=Trust("given", (s.case.parties.log.verifier,)))


def _rewritten(s: Scene, witnesses: tuple[str, ...], *first: Found) -> Tampered:
    position = s.pick(lambda e: e.type == "consent.recorded.v1" and e.position <= s.pins[-1])
    other = s.rewritten(position, turned(s.entries[position - 1].leaf))
    return _signed(s, other, witnesses, position, *first, s.bracket(position, Found(Problem.ROOT, last=s.size)))


def _signed(s: Scene, other: Case, witnesses: tuple[str, ...], place: int, *finds: Found) -> Tampered:
    return Tampered(other.file(witnesses=witnesses), finds, s.asked(), place)
