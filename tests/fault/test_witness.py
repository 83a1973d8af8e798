"""A witness that is killed at every step of recording: whatever was said stays true, and it starts again.

Each step is tried in a child process of its own, which kills itself by SIGKILL before one of its calls to the operating
system, or in the middle of a write.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consentledger.tlog.cosignature import cosigned_at
from consentledger.tlog.note import add_signatures, open_note
from consentledger.witness import keyfile, records
from consentledger.witness.keyfile import WitnessKey
from consentledger.witness.witness import Witness
from tests.support.witnesses import NAME, PaperLog

LOG = PaperLog.of(64)
FORK = LOG.forked(at=5, size=64)
STEPS = ("open", "write", "fsync", "replace", "close")


class Mortal:
    """The module `os`, but its process dies before the call of that number, or in the middle of it."""

    def __init__(self, last: int, *, halfway: bool) -> None:
        self._left = last
        self._halfway = halfway

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        return self._mortal(name, found) if name in STEPS else found

    def _mortal(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def once(*arguments: Any, **named: Any) -> Any:
            if self._left == 0:
                if self._halfway and name == "write":
                    call(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1
            return call(*arguments, **named)

        return once


def killed_while_adding(folder: Path, body: bytes, last: int, *, halfway: bool) -> tuple[bool, bytes]:
    """(whether it was killed, what it answered before it was)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            judge = Witness(folder, [LOG.key])
            records.os = keyfile.os = Mortal(last, halfway=halfway)  # type: ignore[assignment,attr-defined]
            answer = judge.add_checkpoint(body)
            os.write(writing, answer.body)
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answers:
        said = answers.read()
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status), said


@pytest.mark.fault
@pytest.mark.parametrize("halfway", [False, True], ids=["before a call", "in the middle of a write"])
@pytest.mark.parametrize("before", [0, 5])
def test_a_witness_killed_at_any_step_never_contradicts_itself(tmp_path: Path, before: int, halfway: bool) -> None:
    recorded, steps = set(), 0
    for last in range(1000):
        folder = tmp_path / str(last)
        WitnessKey.create(folder, NAME)
        judge = Witness(folder, [LOG.key])
        if before:
            assert judge.add_checkpoint(LOG.submission(0, before)).status == 200
        judge.close()
        killed, said = killed_while_adding(folder, LOG.submission(before, 9), last, halfway=halfway)
        steps += killed
        judge = Witness(folder, [LOG.key])
        size = judge.add_checkpoint(LOG.submission(33, 64)).body
        assert size in (b"9\n", b"%d\n" % before)
        recorded.add(size)
        if said:
            assert open_note(add_signatures(LOG.note(9), said), [judge.verifier]).verified
            assert size == b"9\n", "it said what it had not recorded"
        if size == b"9\n":
            assert judge.add_checkpoint(FORK.submission(9, 9)).status == 409
            assert judge.add_checkpoint(FORK.submission(9, 20)).status == 422
            assert judge.add_checkpoint(LOG.submission(9, 20)).status == 200
        else:
            assert judge.add_checkpoint(LOG.submission(before, 20)).status == 200
        judge.close()
        if not killed:
            break
    assert recorded == {b"9\n", b"%d\n" % before}, "no step was tried on one of the sides of the commit point"
    assert steps >= 6


@pytest.mark.fault
@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_a_disk_that_fails_leaves_nothing_said_and_the_witness_goes_on(
    tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    WitnessKey.create(tmp_path, NAME)
    judge = Witness(tmp_path, [LOG.key])
    assert judge.add_checkpoint(LOG.submission(0, 5)).status == 200

    class Failing:
        def __getattr__(self, name: str) -> Any:
            return self._fail if name == failing else getattr(os, name)

        def _fail(self, *arguments: Any) -> None:
            raise OSError(28, "no space")

    with monkeypatch.context() as patched:
        patched.setattr(records, "os", Failing())
        with pytest.raises(OSError):
            judge.add_checkpoint(LOG.submission(5, 9))
    # Nobody has seen a cosignature of size 9: another history from 5 on contradicts nothing that was said.
    answer = judge.add_checkpoint(FORK.submission(5, 12))
    assert answer.status == 200
    [one] = open_note(add_signatures(FORK.note(12), answer.body), [judge.verifier]).verified
    assert cosigned_at(one)
    judge.close()
    again = Witness(tmp_path, [LOG.key])
    assert again.add_checkpoint(LOG.submission(0, 64)).body == b"12\n"
    again.close()
