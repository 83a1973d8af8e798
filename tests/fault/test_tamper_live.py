"""P4 on live databases: whatever their owner does to recorded events, the service does not start, or its export fails.

Each class of tampering with events is done with three reaches: the rows alone; the stored tree and head too, so that
they agree; the checkpoint guard too, which with the signing key is all that an operator has. What finds it is what the
outside holds: two pinned checkpoints, and the receipt of the first event that was changed.
"""

import io
import random
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from consentledger.store.ledger import Entry
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.tiles import WIDTH
from consentledger.v1 import events_pb2 as ev
from consentledger_verify.overview import Asked, Overview
from consentledger_verify.problems import Problem
from consentledger_verify.trust import Trust
from consentledger_verify.verify import verify
from tests.support.madeexport import parts_of
from tests.support.tampering.classes import CLASSES
from tests.support.tampering.live import Live, NoExport, Reach, made
from tests.support.tampering.scene import Found, NotHere, Scene, Tampered

LEAVES = ("form.leaf_not_canonical", "form.leaf_with_unknown_field", "form.leaf_with_field_twice")
NAMES = [n for n in CLASSES if n.startswith(("content.", "sequence.")) and n != "sequence.truncated"] + list(LEAVES)
ON_POSTGRESQL = ("content.choice_turned", "content.ciphertext_bit", "sequence.swapped", "sequence.line_deleted")
MANY = 20


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", NAMES)
async def test_what_a_database_owner_does_is_found(tmp_path: Path, name: str, seed: int) -> None:
    reach = list(Reach)[(NAMES.index(name) + seed) % len(Reach)]
    await tamper(f"sqlite:///{tmp_path / 'consent.db'}", tmp_path, name, reach, seed)


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.parametrize("reach", Reach)
@pytest.mark.parametrize("name", NAMES)
async def test_what_a_database_owner_does_is_found_in_twenty_logs(tmp_path: Path, name: str, reach: Reach) -> None:
    for seed in range(MANY):
        place = tmp_path / str(seed)
        place.mkdir()
        await tamper(f"sqlite:///{place / 'consent.db'}", place, name, reach, seed)


@pytest.mark.parametrize("reach", Reach)
@pytest.mark.parametrize("name", ON_POSTGRESQL)
async def test_what_the_owner_of_a_postgresql_database_does_is_found(
    tmp_path: Path, postgres_url: str, name: str, reach: Reach
) -> None:
    await tamper(postgres_url, tmp_path, name, reach, seed=0)


async def tamper(url: str, folder: Path, name: str, reach: Reach, seed: int) -> None:
    live = await made(url, folder)
    scene, tampered = instance(live, name, seed)
    await live.fill(scene.entries)
    honest = await live.exported()
    asked = outside(scene)
    assert isinstance(honest, bytes) and run(honest, asked).code == 0, "what was to be tampered with does not verify"
    changed = entries_of(scene, tampered)
    await live.tamper(changed, reach)
    outcome = await live.exported()
    told = f"{name} {reach.value} {seed}"
    first = next((n for n, e in enumerate(changed, 1) if n > scene.size or differs(scene, n, e)), len(changed) + 1)
    ciphertexts_only = first > scene.size == len(changed)
    if ciphertexts_only:
        assert isinstance(outcome, bytes), told
        assert_found(run(outcome, asked), tampered.finds[0], told)
    elif reach is Reach.ROWS:
        found_in_rows(scene, changed, first, outcome, told)
    elif reach is Reach.TREE:
        # What comes after all that was signed is new history, and no tampering with the old: see docs/insider.md.
        assert (outcome is NoExport.REFUSED) is (first <= scene.size), told
    elif first > scene.size:
        assert isinstance(outcome, bytes) and run(outcome, asked).code == 0, told
    elif [entry.position for entry in changed] != list(range(1, len(changed) + 1)):
        assert outcome is NoExport.REFUSED, told
    else:
        assert isinstance(outcome, bytes), told
        receipt = scene.case.receipt(first, scene.size)
        view = run(outcome, replace(asked, receipts=(receipt,)))
        problem = Problem.RECEIPT_BROKEN if first <= len(changed) else Problem.RECEIPT_AHEAD
        assert_found(view, Found(problem, first, first), told)
        if first <= scene.pins[-1]:
            assert_found(view, scene.bracket(first, Found(Problem.ROOT)), told)


def found_in_rows(scene: Scene, changed: list[Entry], first: int, outcome: bytes | NoExport, told: str) -> None:
    """The head still says how many there are, and what their root is."""
    stored = {entry.position: entry for entry in changed}
    full = scene.size - scene.size % WIDTH
    wrong = [n for n in range(1, scene.size + 1) if n not in stored or differs(scene, n, stored[n])]
    if any(position > full for position in wrong):
        assert outcome is NoExport.REFUSED, told
    elif len([n for n in stored if n <= scene.size]) < scene.size:
        assert outcome is NoExport.CUT_SHORT, told
    elif not wrong:  # a row after the head, which nobody reads; the next commit would stumble over it
        assert isinstance(outcome, bytes) and run(outcome, outside(scene)).code == 0, told
    else:
        assert isinstance(outcome, bytes), told
        found = scene.bracket(first, Found(Problem.ROOT, last=scene.size))
        assert_found(run(outcome, outside(scene)), found, told)


def instance(live: Live, name: str, seed: int) -> tuple[Scene, Tampered]:
    """A log that has what this class needs; it is longer than one tile of the stored tree."""
    for attempt in count():
        assert attempt < 200, f"no log has what {name} needs"
        chance = random.Random(f"{name} {seed} {attempt}")
        scene = Scene.of(chance, live.parties(chance), larger=WIDTH)
        try:
            return scene, CLASSES[name](scene)
        except NotHere:
            continue
    raise AssertionError


def entries_of(scene: Scene, tampered: Tampered) -> list[Entry]:
    """The rows that hold what the tampered export does, with columns that fit."""
    rows = []
    for row in parts_of(tampered.data).rows:
        leaf = ev.LedgerEntry.FromString(row["leaf"])
        columns = (leaf.tenant, leaf.stream, leaf.version, leaf.type, leaf.recorded_at.ToMicroseconds())
        rows.append(Entry(row["i"], *columns, row["leaf"], row.get("ct")))
    return rows


def differs(scene: Scene, position: int, entry: Entry) -> bool:
    return entry.position != position or leaf_hash(entry.leaf) != scene.case.hashes[position - 1]


def outside(scene: Scene) -> Asked:
    """What is held outside: the log's key, and two checkpoints."""
    trust = Trust("given", (scene.case.parties.log.verifier,))
    return Asked(scene.case.now * 10**9, trust, tuple(scene.case.pin(size) for size in scene.pins))


def assert_found(view: Overview, wanted: Found, told: str) -> None:
    told = f"{told}: {[(str(f.problem), f.first, f.last) for f in view.found]}"
    found = view.found.get(wanted.problem)
    assert view.code == 1 and found is not None, f"{told}: no {wanted.problem}"
    assert (found.first, found.last) == (wanted.first, wanted.last), f"{told}: not {wanted}"


def run(data: bytes, asked: Asked) -> Overview:
    return verify(io.BytesIO(data), asked)
