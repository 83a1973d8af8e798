"""What was kept from before, held against an export: pins in and out of its reach, receipts, and a log's old name."""

import io
import random
from dataclasses import replace
from hashlib import sha256

import pytest

from consentledger.tlog import signatures
from consentledger.tlog.cosignature import Cosigner, MLDSA44Cosigner
from consentledger.tlog.note import sign_note, signature_lines
from consentledger.tlog.policy import Policy
from consentledger.tlog.signatures import AlgorithmMissing
from consentledger.v1 import events_pb2 as ev
from consentledger_verify.anchors import Receipt
from consentledger_verify.overview import Asked, Overview
from consentledger_verify.problems import Caution, Check, Problem
from consentledger_verify.report import screen
from consentledger_verify.trust import Trust
from consentledger_verify.verify import verify
from tests.support.madeexport import Case, Parties
from tests.support.madelog import MadeLog, made_log
from tests.support.tampering.scene import edited, timed

CHANCE = random.Random(3)
CASE = Case.of(made_log(CHANCE, 50, erasures=0.25), Parties.of(CHANCE))


def run(data: bytes, asked: Asked) -> Overview:
    return verify(io.BytesIO(data), asked)


def found(view: Overview) -> list[tuple[str, int | None, int | None]]:
    return [(str(f.problem), f.first, f.last) for f in view.found.problems]


@pytest.mark.parametrize(("size", "covered"), [(0, False), (9, False), (10, True), (11, True), (40, True), (50, True)])
def test_a_pin_is_held_against_a_part_where_it_reaches(size: int, covered: bool) -> None:
    view = run(CASE.file(11, 40), CASE.asked(pins=(CASE.pin(size),)))
    assert view.anchored == covered
    assert found(view) == ([] if covered else [("PIN_NOT_COVERED", None, None)])


def test_a_pin_between_the_part_and_the_checkpoint_is_not_passed_over() -> None:
    assert found(run(CASE.file(11, 40), CASE.asked(pins=(CASE.pin(45),)))) == [("PIN_NOT_COVERED", None, None)]


def test_a_part_is_called_a_part() -> None:
    view = run(CASE.file(11, 40), CASE.asked())
    assert view.code == 0 and list(screen(view, "x"))[-1] == "ALL HOLDS, for this part of the log"
    assert any("numbers 11 to 40 of the checkpoint's 50" in line for line in screen(view, "x"))
    assert list(screen(run(CASE.file(), CASE.asked()), "x"))[-1] == "ALL HOLDS"


def test_a_receipt_beyond_the_export_is_not_passed_over() -> None:
    late, early = CASE.receipt(45, 50), CASE.receipt(5, 20)
    assert ("RECEIPT_NOT_COVERED", 45, 45) in found(run(CASE.file(11, 40), CASE.asked(receipts=(late,))))
    assert ("RECEIPT_NOT_COVERED", 5, 5) in found(run(CASE.file(11, 40), CASE.asked(receipts=(early,))))
    assert ("RECEIPT_AHEAD", 45, 45) in found(run(CASE.file(size=40), CASE.asked(receipts=(late,))))


def test_a_receipt_that_does_not_hold_by_itself_proves_nothing_against_the_log() -> None:
    receipt = CASE.receipt(5, 20)
    forged = Receipt("forged", receipt.proof, CASE.log.entries[5].leaf)
    assert found(run(CASE.file(), CASE.asked(receipts=(forged,)))) == [("RECEIPT_INVALID", 5, 5)]
    thief = Parties.of(CHANCE)
    stolen = replace(CASE, parties=thief).receipt(5, 20)
    assert found(run(CASE.file(), CASE.asked(receipts=(stolen,)))) == [("RECEIPT_INVALID", 5, 5)]


def test_a_pin_that_nobody_trusted_signed_is_told() -> None:
    stranger = replace(CASE, parties=Parties.of(CHANCE)).pin(20)
    assert found(run(CASE.file(), CASE.asked(pins=(stranger,)))) == [("PIN_SIGNATURE", None, None)]


def test_a_pin_needs_no_witness_but_the_checkpoint_does() -> None:
    assert run(CASE.file(), CASE.asked(pins=(CASE.pin(20),))).code == 0
    view = run(CASE.file(witnesses=()), CASE.asked(pins=(CASE.pin(20),)))
    assert found(view) == [("QUORUM", None, None)]


def test_a_witness_that_signs_as_if_it_were_the_log_is_not_the_log() -> None:
    """The trusted witness alone has signed: the log itself has not."""
    parts, seed = CASE.export(), next(iter(CASE.parties.witnesses.values()))
    note = CASE.note(50).decode()
    text = note.partition("\n\n")[0] + "\n"
    witness = Cosigner("w1.example", seed, 5)
    parts.header["checkpoint"] = sign_note(text, [witness]).decode()
    view = run(parts.data(), CASE.asked())
    assert view.found.get(Problem.KEY_UNKNOWN) is not None


class Continued:
    """A log of 50 events of which 30 were kept when it went on under a new name."""

    def __init__(self, kept: int = 30) -> None:
        self.new = Parties.of(CHANCE, "ledger.example/consent/fedcba9876543210")
        entry = ev.LedgerEntry(format=1, stream=b"e" * 16, version=1, type="log.epoch_started.v1")
        entry.header.log_epoch_started.old_origin = CASE.parties.log.verifier.name
        entry.header.log_epoch_started.signed_size = 50
        entry.header.log_epoch_started.signed_root = bytes(32)
        entry.header.log_epoch_started.kept_size = kept
        entry.header.log_epoch_started.reason = "a backup was restored"
        leaf = timed(entry, CASE.log.entries[-1].recorded_us + 10)
        last = replace(CASE.log.entries[-1], position=kept + 1, tenant="", leaf=leaf, ciphertext=None)
        self.case = Case.of(MadeLog([*CASE.log.entries[:kept], last], {}), self.new)
        keys = (CASE.parties.log.verifier, self.new.log.verifier)
        self.asked = Asked(self.case.now * 10**9 + 10**9, Trust("given", keys))

    def run(self, *sizes: int) -> Overview:
        pins = tuple(CASE.pin(size) for size in sizes)
        return run(self.case.file(ciphertexts=False), replace(self.asked, pins=pins))


def test_a_pin_of_the_old_name_holds_for_what_was_kept() -> None:
    log = Continued()
    view = log.run(10, 30)
    assert found(view) == [] and view.anchored == 2


def test_what_was_signed_under_the_old_name_and_not_kept_is_told_with_its_place() -> None:
    assert found(Continued().run(10, 44)) == [("PIN_DROPPED", 31, 44)]


def test_a_receipt_of_what_was_not_kept_is_told() -> None:
    log = Continued()
    receipt = CASE.receipt(40, 45)
    view = run(log.case.file(ciphertexts=False), replace(log.asked, receipts=(receipt,)))
    assert found(view) == [("PIN_DROPPED", 31, 45), ("RECEIPT_AHEAD", 40, 40)]


def test_an_event_about_the_log_itself_is_shown_to_every_tenant() -> None:
    log = Continued()
    data = log.case.file(tenants=["acme"], ciphertexts=False)
    view = run(data, replace(log.asked, pins=(CASE.pin(30),)))
    assert found(view) == [] and view.anchored == 1 and 0 < view.redacted < 30


def test_a_pin_of_a_log_that_is_not_continued_is_another_log() -> None:
    other = Parties.of(CHANCE, "other.example/log")
    pin = replace(CASE, parties=other).pin(20)
    trust = Trust("given", (CASE.parties.log.verifier, other.log.verifier))
    assert found(run(CASE.file(), CASE.asked(trust=trust, pins=(pin,)))) == [("PIN_OTHER_LOG", None, None)]


def test_ciphertexts_that_a_later_erasure_took_are_left_open_in_a_part() -> None:
    gone = next(p for p in CASE.log.persons.values() if p.destroyed and p.erased > 10)
    first = next(e.position for e in CASE.log.entries if e.stream == gone.stream and e.ciphertext)
    view = run(CASE.file(1, gone.erased - 1, 50), CASE.asked())
    caution = view.found.get(Caution.CIPHERTEXT_UNDECIDED)
    assert view.code == 0 and caution is not None and caution.first == first


def test_an_unknown_type_is_spoken_of_and_is_no_failure() -> None:
    entry = ev.LedgerEntry.FromString(CASE.log.entries[-1].leaf)
    entry.type = "something.newer.v1"
    entries = [*CASE.log.entries[:-1], replace(CASE.log.entries[-1], leaf=entry.SerializeToString(deterministic=True))]
    case = Case.of(replace(CASE.log, entries=entries), CASE.parties)
    view = run(case.file(), case.asked())
    caution = view.found.get(Caution.TYPE_UNKNOWN)
    assert view.code == 0 and caution is not None and caution.first == 50
    assert any("something.newer.v1" in line for line in screen(view, "x"))


def changed(position: int, **fields: object) -> Case:
    """The log with another leaf, signed by those who may."""
    entry = CASE.log.entries[position - 1]
    entries = list(CASE.log.entries)
    entries[position - 1] = replace(entry, leaf=edited(entry.leaf, **fields))
    return Case.of(replace(CASE.log, entries=entries), CASE.parties)


def test_a_stream_starts_with_version_1_where_the_log_starts() -> None:
    first = next(e.position for e in CASE.log.entries if e.version == 1 and e.position > 10)
    case = changed(first, version=2)
    assert ("VERSION", first, first) in found(run(case.file(), case.asked()))
    part = found(run(case.file(first, first), case.asked()))
    assert part == [], "what was before is not known"


def test_a_ciphertext_of_another_format_is_not_opened() -> None:
    entry = next(e for e in CASE.log.at(50) if e.ciphertext)
    assert entry.ciphertext is not None
    other = b"\x02" + entry.ciphertext[1:]
    case = changed(entry.position, ciphertext_sha256=sha256(other).digest())
    case.log.entries[entry.position - 1] = replace(case.log.entries[entry.position - 1], ciphertext=other)
    honest = run(CASE.file(), CASE.asked(keys=CASE.log.keys()))
    assert honest.code == 0 and honest.opened == sum(1 for e in CASE.log.at(50) if e.ciphertext)
    view = run(case.file(), case.asked(keys=CASE.log.keys()))
    assert found(view) == [("CANNOT_OPEN", entry.position, entry.position)]
    assert view.opened == honest.opened - 1


def test_a_signature_that_cannot_be_checked_here_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MLDSA44Cosigner(CASE.parties.log.verifier.name, bytes(32), 0)
    parts, trust = CASE.export(witnesses=()), Trust("given", (log.verifier,))
    parts.header["checkpoint"] = sign_note(CASE.note(50).decode().partition("\n\n")[0] + "\n", [log]).decode()
    assert run(parts.data(), CASE.asked(trust=trust)).code == 0

    def missing(public: bytes) -> None:
        raise AlgorithmMissing("no ML-DSA-44")

    monkeypatch.setattr(signatures, "_mldsa44", missing)
    assert found(run(parts.data(), CASE.asked(trust=trust))) == [("SIGNATURE", None, None)]


def test_more_pins_make_the_place_narrower() -> None:
    position = next(e.position for e in CASE.log.entries if e.type == "consent.recorded.v1" and 25 < e.position < 35)
    case = changed(position, commitment=bytes(32), ciphertext_sha256=bytes(32))
    for pins, place in (((40,), (1, 40)), ((10, 40), (11, 40)), ((10, 24, 36, 40), (25, 36))):
        view = run(case.file(ciphertexts=False), CASE.asked(pins=tuple(CASE.pin(size) for size in pins)))
        pin = view.found.get(Problem.PIN_ROOT)
        assert pin is not None and (pin.first, pin.last) == place


def test_times_may_be_ahead_by_the_skew_and_no_more() -> None:
    newest_ns, trust = CASE.log.entries[-1].recorded_us * 1_000, Trust("given", (CASE.parties.log.verifier,))
    for ahead_ns, said in ((300 * 10**9, []), (300 * 10**9 + 1, [("TIME_FUTURE", 50, 50)])):
        assert found(run(CASE.file(), Asked(newest_ns - ahead_ns, trust))) == said
    assert found(run(CASE.file(), Asked(newest_ns - 1, trust, skew_ns=0))) == [("TIME_FUTURE", 50, 50)]


def test_a_witness_that_states_no_time_says_nothing_about_time() -> None:
    """Then the clock of whoever looks is what is left."""
    quantum = MLDSA44Cosigner("q.example", bytes(32), 0)
    lines = [f"log {CASE.parties.log.verifier.vkey()}", f"witness q {quantum.verifier.vkey()}", "quorum q", ""]
    trust, parts = Trust("given", policy=Policy.parse("\n".join(lines))), CASE.export(witnesses=())
    text = CASE.note(50).decode().partition("\n\n")[0] + "\n"
    parts.header["cosignatures"] = signature_lines(text, [quantum]).decode()
    view = run(parts.data(), CASE.asked(trust=trust))
    assert view.code == 0 and view.witnesses == {"q": 0}


def test_a_missing_ciphertext_is_told_with_its_line() -> None:
    parts, first = CASE.export(11, 50), 11
    living = {stream for stream, person in CASE.log.persons.items() if not person.erased}
    row = next(r for r in parts.rows if "ct" in r and CASE.log.entries[r["i"] - 1].stream in living)
    del row["ct"]
    missing = run(parts.data(), CASE.asked()).found.get(Problem.CIPHERTEXT_MISSING)
    assert missing is not None and (missing.first, missing.line) == (row["i"], row["i"] - first + 2)


def test_a_verifier_key_in_the_file_that_is_none_is_told() -> None:
    parts = CASE.export()
    parts.header["vkeys"] = ["nonsense"]
    view = run(parts.data(), Asked(CASE.now * 10**9))
    assert ("KEY_UNKNOWN", None, None) in found(view) and view.standing(Check.WITNESSES) == "not checked"


def test_an_erasure_is_called_overdue_only_where_its_end_would_be_seen() -> None:
    person = next(p for p in CASE.log.persons.values() if p.erased)
    asked = replace(CASE.asked(trust=Trust("given", (CASE.parties.log.verifier,))), erasure_ns=1)
    asked = replace(asked, now_ns=CASE.log.entries[person.erased - 1].recorded_us * 1_000 + 5 * 3_600 * 10**9)
    whole = run(CASE.file(size=person.erased), asked).found.get(Caution.INTENT_OVERDUE)
    assert whole is not None and whole.first == person.erased and "5 hours" in whole.text
    assert run(CASE.file(1, person.erased, 50), asked).found.get(Caution.INTENT_OVERDUE) is None


def test_nothing_is_called_good_that_was_not_reached() -> None:
    data = CASE.file()
    view = run(data[: len(data) // 2], CASE.asked(pins=(CASE.pin(20),)))
    assert view.code == 3 and not view.finished
    assert {view.standing(check) for check in Check} == {"does not hold", "not checked"}
