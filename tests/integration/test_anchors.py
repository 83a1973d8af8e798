"""Anchors beside witnesses: time stamps of an authority, write-once copies, and how much of it all is kept."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from consentledger.store.anchored import Anchored, newest, of_kind, record, thin
from consentledger.store.notary import Signed
from consentledger.tlog.policy import Policy
from services.audit import copy_anchor
from services.audit.anchoring import Anchoring
from services.audit.anchors import AnchorRefused, AnchorUnavailable
from services.audit.copy_anchor import CopyAnchor
from services.audit.stamp_anchor import StampAnchor, StampUnusable
from services.audit.witnessed import Witnesses
from tests.support.growing import grow, log_at
from tests.support.stores import opened
from tests.support.tsa import Authority, authority
from tests.support.witnesses import PaperLog

LOG = PaperLog.of(20)
NOBODY = Witnesses(Policy.parse("quorum none\n"))
HOUR_US = 3_600_000_000


def checkpoint(size: int, log: PaperLog = LOG) -> Signed:
    return Signed(size, log.checkpoint(size).root, log.note(size))


async def test_a_stamp_says_when_and_holds_for_that_checkpoint_only(tmp_path: Path) -> None:
    async with authority(tmp_path / "tsa") as tsa:
        anchor = StampAnchor(tsa.url, tsa.roots, 3600)
        signed = checkpoint(5)
        stamp = await anchor.submit(signed, 0)
        said = anchor.verify(signed.note, stamp)
        assert said is not None and abs(said - time.time()) < 60
        flipped = bytes([*stamp[:-20], stamp[-20] ^ 1, *stamp[-19:]])
        for note, evidence in (
            (LOG.note(6), stamp),
            (signed.note, flipped),
            (signed.note, b""),
            (signed.note, stamp[:99]),
        ):
            with pytest.raises(AnchorRefused):
                anchor.verify(note, evidence)


async def test_a_stamp_of_another_authority_is_refused(tmp_path: Path) -> None:
    async with authority(tmp_path / "tsa") as tsa:
        stranger = await asyncio.to_thread(Authority.create, tmp_path / "other")
        with pytest.raises(AnchorRefused, match="does not hold"):
            await StampAnchor(tsa.url, stranger.roots, 3600).submit(checkpoint(5), 0)


async def test_a_stamp_from_before_is_no_answer_to_a_new_question(tmp_path: Path) -> None:
    async with authority(tmp_path / "tsa") as tsa:
        anchor = StampAnchor(tsa.url, tsa.roots, 3600)
        old = await anchor.submit(checkpoint(5), 0)
        tsa.reply = lambda query: old  # type: ignore[method-assign]
        with pytest.raises(AnchorRefused, match="does not hold"):
            await anchor.submit(checkpoint(5), 0)


async def test_an_authority_that_rejects_or_is_gone_is_asked_again_later(tmp_path: Path) -> None:
    async with authority(tmp_path / "tsa") as tsa:
        anchor = StampAnchor(tsa.url, tsa.roots, 3600)
        tsa.granting = False
        with pytest.raises(AnchorUnavailable, match="status is 2"):
            await anchor.submit(checkpoint(5), 0)
        with pytest.raises(AnchorUnavailable):
            await StampAnchor("http://127.0.0.1:1/", tsa.roots, 3600).submit(checkpoint(5), 0)


def test_certificates_that_cannot_be_read_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(StampUnusable):
        StampAnchor("http://127.0.0.1:1/", tmp_path / "none.pem", 3600)


async def test_stamps_are_asked_for_no_more_often_than_set(tmp_path: Path) -> None:
    async with (
        authority(tmp_path / "tsa") as tsa,
        log_at(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as log,
    ):
        clock = [time.time_ns() // 1000]
        rounds = Anchoring(log, [StampAnchor(tsa.url, tsa.roots, 3600)], NOBODY, lambda: clock[0], 0.0)
        kept = []
        for size, later in ((5, 0), (6, 1_000_000), (7, HOUR_US)):
            clock[0] += later
            await grow(log, size)
            await rounds.round()
            kept.append([one.size for one in await of_kind(log.store, log.notary.origin, "tsa", 10)])
        assert kept == [[5], [5], [7, 5]]


async def test_a_copy_is_written_once_and_holds_the_note(tmp_path: Path) -> None:
    anchor, signed = CopyAnchor(tmp_path / "copies"), checkpoint(5)
    evidence = await asyncio.gather(*(anchor.submit(signed, 0) for _ in range(5)))
    assert len(set(evidence)) == 1 and anchor.verify(signed.note, evidence[0]) is None
    [folder] = (tmp_path / "copies").iterdir()
    assert os.listdir(folder) == ["5.checkpoint"]
    assert (folder / "5.checkpoint").read_bytes() == signed.note
    assert (folder / "5.checkpoint").stat().st_mode & 0o222 == 0
    with pytest.raises(AnchorRefused):
        anchor.verify(LOG.note(6), evidence[0])


async def test_another_checkpoint_of_the_same_size_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    anchor = CopyAnchor(tmp_path / "copies")
    await anchor.submit(checkpoint(9), 0)
    with pytest.raises(AnchorRefused, match="another checkpoint of this size"):
        await anchor.submit(checkpoint(9, LOG.forked(at=5, size=9)), 0)
    await anchor.submit(checkpoint(9), 0)
    [folder] = (tmp_path / "copies").iterdir()
    assert (folder / "9.checkpoint").read_bytes() == LOG.note(9)


@pytest.mark.parametrize("failing", ["open", "fsync", "link"])
async def test_a_copy_that_could_not_be_written_is_no_copy(
    tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        def __getattr__(self, name: str) -> Any:
            return self._fail if name == failing else getattr(os, name)

        def _fail(self, *arguments: Any) -> None:
            raise OSError(28, "no space")

    anchor = CopyAnchor(tmp_path / "copies")
    with monkeypatch.context() as patched:
        patched.setattr(copy_anchor, "os", Failing())
        with pytest.raises(AnchorUnavailable):
            await anchor.submit(checkpoint(5), 0)
    [folder] = (tmp_path / "copies").iterdir()
    assert os.listdir(folder) == []
    await anchor.submit(checkpoint(5), 0)


def attestation(size: int, kind: str, at_us: int, evidence: bytes = b"e") -> Anchored:
    return Anchored(size, kind, "name", b"note %d" % size, evidence, at_us)


async def test_attestations_are_kept_apart_by_log_kind_and_name_and_the_first_of_each_stays(store_url: str) -> None:
    async with opened(store_url) as store:
        await record(store, "log/a", [attestation(5, "tsa", 1), attestation(5, "copy", 2), attestation(9, "tsa", 3)])
        await record(store, "log/b", [attestation(7, "tsa", 4)])
        await record(store, "log/a", [attestation(5, "tsa", 9, b"later")])
        assert await of_kind(store, "log/a", "tsa", 10) == [attestation(9, "tsa", 3), attestation(5, "tsa", 1)]
        assert await of_kind(store, "log/a", "tsa", 1) == [attestation(9, "tsa", 3)]
        assert await of_kind(store, "log/a", "tsa", 10, least=1, most=8) == [attestation(5, "tsa", 1)]
        assert {key: one.size for key, one in (await newest(store, "log/a")).items()} == {
            ("tsa", "name"): 9,
            ("copy", "name"): 5,
        }
        assert (await store.head()).position == 0


async def test_of_each_hour_the_first_attestation_stays_and_the_newest_of_all(store_url: str) -> None:
    async with opened(store_url) as store:
        minutes = [0, 10, 50, 61, 70, 119, 121, 130, 131]
        found = [attestation(n, "tsa", minute * 60_000_000) for n, minute in enumerate(minutes, 1)]
        await record(store, "log/a", found)
        await record(store, "log/b", found)
        for _ in range(2):
            await thin(store, "log/a")
            assert [one.size for one in await of_kind(store, "log/a", "tsa", 99)] == [9, 7, 4, 1]
        assert len(await of_kind(store, "log/b", "tsa", 99)) == len(minutes)
