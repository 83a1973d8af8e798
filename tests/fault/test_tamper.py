"""P4 on exports: every class of tampering is found, by its right name and in its right place, whatever the log.

Every instance is done to a new random log. In `make test` each class has two instances, in `make fault` twenty; the
seed is in the test's id. An instance counts only if the log, before it was tampered with, verified against the same
keys, pins and receipts.
"""

import io
import random
from itertools import count

import pytest

from consentledger_verify.overview import Asked, Overview
from consentledger_verify.verify import verify
from tests.support.tampering.classes import CLASSES
from tests.support.tampering.scene import NotHere, Scene, Tampered

FEW, MANY = 2, 20


def test_there_are_as_many_classes_as_are_known() -> None:
    assert len(CLASSES) >= 37


@pytest.mark.parametrize("seed", range(FEW))
@pytest.mark.parametrize("name", CLASSES)
def test_tampering_is_found_by_its_name_and_place(name: str, seed: int) -> None:
    tamper(name, seed)


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSES)
def test_tampering_is_found_by_its_name_and_place_in_twenty_logs(name: str) -> None:
    for seed in range(FEW, FEW + MANY):
        tamper(name, seed)


def tamper(name: str, seed: int) -> None:
    scene, tampered = instance(name, seed)
    honest = run(scene.case.file(), scene.asked())
    assert honest.code == 0, "what was to be tampered with does not verify"
    view = run(tampered.data, tampered.asked)
    told = f"{name} {seed}: {[(str(f.problem), f.first, f.last) for f in view.found]}"
    assert view.code == tampered.code, told
    for wanted in tampered.finds:
        found = view.found.get(wanted.problem)
        assert found is not None, f"{told}: no {wanted.problem}"
        assert (found.first, found.last) == (wanted.first, wanted.last), f"{told}: not {wanted}"
    first, main = view.found.first_difference(), tampered.finds[0]
    if tampered.place is not None and main.first is not None and main.last is not None:
        assert first is not None and first.first is not None and first.last is not None, told
        exact = main.first == main.last
        assert (tampered.place <= first.first <= main.first) if exact else first.first <= tampered.place, told
        assert exact or tampered.place <= first.last or first.problem in ("RANGE", "CONSISTENCY"), told
    if tampered.unseen_by is not None:
        assert run(tampered.data, tampered.unseen_by).code == 0, f"{told}: found by less than is documented"


def instance(name: str, seed: int) -> tuple[Scene, Tampered]:
    """A log that has what this class needs, tampered with."""
    for attempt in count():
        assert attempt < 200, f"no log has what {name} needs"
        scene = Scene.of(random.Random(f"{name} {seed} {attempt}"))
        try:
            return scene, CLASSES[name](scene)
        except NotHere:
            continue
    raise AssertionError


def run(data: bytes, asked: Asked) -> Overview:
    return verify(io.BytesIO(data), asked)
