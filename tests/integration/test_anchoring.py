"""Checkpoints are taken to witnesses: what counts as witnessed, what is refused aloud, what is tried again."""

import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from consentledger.store.anchored import newest
from consentledger.store.signedlog import SignedLog
from consentledger.tlog.checkpoint import parse_checkpoint
from consentledger.tlog.keys import VerifierKey
from consentledger.tlog.note import open_note
from consentledger.tlog.policy import Policy
from consentledger.tlog.proofs import verify_consistency
from consentledger.v1 import audit_service_pb2 as au
from services.audit import exporting, proving
from services.audit.anchoring import Anchoring
from services.audit.anchors import Anchor, AnchorRefused
from services.audit.logs import Logs
from services.audit.witness_anchor import WitnessAnchor
from services.audit.witnessed import Witnesses
from tests.support.growing import grow, log_at
from tests.support.hanging import hanging
from tests.support.nats import eventually
from tests.support.witnesses import RunningWitness, witness

REFUSED = "ANCHOR REFUSED"


def now() -> int:
    return time.time_ns() // 1000


def policy(rule: str, *running: RunningWitness) -> Policy:
    """`rule` of the witnesses, named w0, w1 …, must have cosigned."""
    lines = [f"witness w{n} {one.key.vkey()} {one.url}\n" for n, one in enumerate(running)]
    names = " ".join(f"w{n}" for n in range(len(running)))
    return Policy.parse("".join(lines) + f"group g {rule} {names}\nquorum g\n")


def anchoring(log: SignedLog, by: Policy, others: Sequence[Anchor] = (), every: float = 0.0) -> Anchoring:
    """With no pause after a failure unless said."""
    asked = [WitnessAnchor(one, log.prover.consistency, seconds=5.0) for one in by.witnesses]
    return Anchoring(log, [*asked, *others], Witnesses(by), now, every)


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    found: list[Any] = [record for record in caplog.records if getattr(record, "event", "") == REFUSED]
    return [record.fields["reason"] for record in found]


@contextlib.asynccontextmanager
async def witnesses(folder: Path, log: SignedLog, count: int) -> AsyncIterator[list[RunningWitness]]:
    async with contextlib.AsyncExitStack() as stack:
        keys = [VerifierKey.parse(log.notary.vkeys[-1])]
        yield [
            await stack.enter_async_context(witness(folder / f"w{n}", keys, f"witness.example/w{n}"))
            for n in range(count)
        ]


async def is_witnessed(log: SignedLog, by: Policy, size: int) -> bool:
    found = await Witnesses(by).newest(log)
    return found is not None and found.size == size


async def header(logs: Logs, **request: int) -> au.ExportHeader:
    async for response in exporting.export(logs, au.ExportLogRequest(**request)):
        return response.header
    raise AssertionError("no header")


async def test_what_witnesses_cosigned_is_shown_and_verifies_by_the_policy(tmp_path: Path, store_url: str) -> None:
    async with log_at(store_url, tmp_path) as log, witnesses(tmp_path, log, 2) as running:
        by = policy("all", *running)
        logs, rounds = Logs({"consent": log}, None, Witnesses(by)), anchoring(log, by)
        own = [VerifierKey.parse(vkey) for vkey in log.notary.vkeys]
        for size in (3, 256, 700):
            await grow(log, size)
            before = await proving.checkpoint(logs, au.GetCheckpointRequest())
            assert before.witnessed_size < before.size == size
            await rounds.round()
            shown = await proving.checkpoint(logs, au.GetCheckpointRequest())
            assert shown.witnessed_size == shown.size == size
            for note in (shown.checkpoint, shown.witnessed_checkpoint):
                result = by.verify(note, own)
                assert (result.checkpoint.size, result.checkpoint.root) == (size, shown.root)
                assert all(abs(seen - time.time()) < 60 for seen in result.witnesses.values())


async def test_an_export_up_to_a_position_comes_with_the_newest_checkpoint_that_was_witnessed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    async with log_at(url, tmp_path) as log, witnesses(tmp_path, log, 1) as running:
        by = policy("all", *running)
        logs = Logs({"consent": log}, None, Witnesses(by))
        await grow(log, 300)
        await anchoring(log, by).round()
        await grow(log, 400)
        own = [VerifierKey.parse(vkey) for vkey in log.notary.vkeys]
        part = await header(logs, to_position=290)
        head = by.verify(part.checkpoint + part.cosignatures, own).checkpoint
        assert (head.size, part.last) == (300, 290)
        root = (await log.prover.edge(290)).root()
        verify_consistency(290, 300, root, head.root, part.consistency)
        for asked, size in (({"to_position": 301}, 400), ({}, 400)):
            beyond = await header(logs, **asked)
            assert parse_checkpoint(open_note(beyond.checkpoint, own).text).size == size
            assert beyond.cosignatures == b""
        await anchoring(log, by).round()
        whole = await header(logs)
        assert by.verify(whole.checkpoint + whole.cosignatures, own).checkpoint.size == whole.last == 400
        assert not whole.consistency


async def test_a_quorum_is_what_the_policy_says_and_comes_together_when_a_witness_returns(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    async with log_at(url, tmp_path) as log, witnesses(tmp_path, log, 2) as up:
        keys = [VerifierKey.parse(log.notary.vkeys[-1])]
        await grow(log, 10)
        async with witness(tmp_path / "late", keys, "witness.example/late") as late:
            by = policy("2", up[0], late)
        enough = policy("2", *up, late)  # by the address of one that is gone
        assert await Witnesses(by).newest(log) is None
        await anchoring(log, by).round()
        assert await Witnesses(by).newest(log) is None, "one of two is not two"
        async with witness(tmp_path / "late", keys) as late:
            by = policy("2", up[0], late)
            await anchoring(log, by).round()
            found = await Witnesses(by).newest(log)
            assert found is not None and found.size == 10
            assert len(open_note(found.note + found.lines, [up[0].key, late.key]).verified) == 2
        await grow(log, 20)
        await anchoring(log, enough).round()
        assert (found := await Witnesses(enough).newest(log)) is not None and found.size == 20
        assert await Witnesses(by).newest(log) is None, "w1 is none of this policy's"
        assert await Witnesses(None).newest(log) is None


async def test_a_log_that_shows_two_histories_is_refused_by_a_witness_that_saw_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folders = [tmp_path / name for name in ("shown", "hidden")]
    folders[0].mkdir()
    urls = [f"sqlite:///{folder / 'log.db'}" for folder in folders]
    async with log_at(urls[0], folders[0]) as log:
        await grow(log, 5)
    shutil.copytree(*folders)
    async with log_at(urls[0], folders[0]) as shown, log_at(urls[1], folders[1]) as hidden:
        assert shown.notary.vkeys == hidden.notary.vkeys
        await grow(shown, 9)
        await grow(hidden, 9, b"another")
        async with witnesses(tmp_path, shown, 1) as running:
            by = policy("all", *running)
            await anchoring(shown, by).round()
            assert refusals(caplog) == []
            for size, why in (
                (9, "the witness has cosigned another tree of this size"),
                (12, "the witness finds the log inconsistent with what it saw"),
            ):
                await grow(hidden, size, b"another")
                await anchoring(hidden, by).round()
                assert refusals(caplog)[-1] == why
            assert await newest(hidden.store, hidden.notary.origin) == {}
            assert await Witnesses(by).newest(hidden) is None
            await grow(shown, 12)
            await anchoring(shown, by).round()
            found = await Witnesses(by).newest(shown)
            assert found is not None and found.size == 12


async def test_a_log_that_is_shorter_than_what_a_witness_saw_is_alarming(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folders = [tmp_path / name for name in ("now", "before")]
    folders[0].mkdir()
    urls = [f"sqlite:///{folder / 'log.db'}" for folder in folders]
    async with log_at(urls[0], folders[0]) as log:
        await grow(log, 5)
    shutil.copytree(*folders)
    async with log_at(urls[0], folders[0]) as log, witnesses(tmp_path, log, 1) as running:
        await grow(log, 9)
        by = policy("all", *running)
        await anchoring(log, by).round()
        async with log_at(urls[1], folders[1]) as restored:
            await anchoring(restored, by).round()
            assert refusals(caplog) == ["it has seen more than the log has"]


async def test_a_witness_that_knows_more_than_we_remember_is_asked_from_there(tmp_path: Path) -> None:
    async with log_at(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as log, witnesses(tmp_path, log, 1) as running:
        [one] = policy("all", *running).witnesses
        anchor = WitnessAnchor(one, log.prover.consistency)
        for size, before in ((5, 3), (9, 0), (9, 9), (300, 2)):
            await grow(log, size)
            signed = await log.checkpoint()
            assert anchor.verify(signed.note, await anchor.submit(signed, before))


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("stranger", "the witness does not know the log"),
        ("another key", "the witness does not know the log's key"),
        ("another witness", "the cosignature does not hold"),
    ],
)
async def test_what_a_witness_refuses_is_said_in_the_journal_and_asked_again_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rule: str, why: str
) -> None:
    async with log_at(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as log, contextlib.AsyncExitStack() as stack:
        own = VerifierKey.parse(log.notary.vkeys[-1])
        trusted = {
            "stranger": VerifierKey.of("log.example/other", own.type, own.public),
            "another key": VerifierKey.of(own.name, own.type, bytes(31) + b"\x01"),
            "another witness": own,
        }[rule]
        running = await stack.enter_async_context(witness(tmp_path / "w", [trusted]))
        by = policy("all", running)
        if rule == "another witness":
            other = await stack.enter_async_context(witness(tmp_path / "v", [trusted]))
            by = policy("all", RunningWitness(running.url, other.witness))
        await grow(log, 5)
        rounds = anchoring(log, by, every=1000)
        for _ in range(2):
            await rounds.round()
        assert refusals(caplog) == [why], "it was asked again at once"
        assert await newest(log.store, log.notary.origin) == {}


async def test_one_that_hangs_or_is_gone_is_left_and_the_others_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.audit.anchoring.MOST_SECONDS", 0.5)
    async with (
        log_at(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as log,
        witnesses(tmp_path, log, 3) as running,
        hanging() as hung,
    ):
        gone = RunningWitness("http://127.0.0.1:1", running[1].witness)
        stuck = RunningWitness(hung.url, running[2].witness)
        by = policy("any", running[0], gone, stuck)
        await grow(log, 5)
        rounds = anchoring(log, by, every=1000)
        await rounds.round()
        assert hung.asked == 1
        assert (found := await Witnesses(by).newest(log)) is not None and found.size == 5
        await grow(log, 6)
        await rounds.round()
        assert hung.asked == 1, "it is not asked again so soon"
        assert (found := await Witnesses(by).newest(log)) is not None and found.size == 6


async def test_replicas_do_not_ask_twice_and_rounds_without_growth_ask_nobody(tmp_path: Path) -> None:
    class Counting:
        kind, name, every_seconds, asked = "copy", "counting", 0, 0

        async def submit(self, signed: Any, before: int) -> bytes:
            self.asked += 1
            return b"seen"

        def verify(self, note: bytes, evidence: bytes) -> int | None:
            if evidence != b"seen":
                raise AnchorRefused("another")
            return None

    async with log_at(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as log:
        counting = Counting()
        none = Policy.parse("quorum none\n")
        first, second = (anchoring(log, none, [counting]) for _ in range(2))
        for size, asked in ((5, 1), (5, 1), (6, 2)):
            await grow(log, size)
            await first.round()
            await second.round()
            assert counting.asked == asked
        assert await Witnesses(none).newest(log) is None, "nobody has cosigned"


async def test_it_starts_asks_and_stops_by_itself(tmp_path: Path) -> None:
    async with log_at(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as log, witnesses(tmp_path, log, 1) as running:
        by = policy("all", *running)
        rounds = anchoring(log, by, every=0.01)
        await grow(log, 5)
        rounds.start()
        for size in (5, 6, 7):
            await grow(log, size)
            await eventually(partial(is_witnessed, log, by, size), 20)
        await rounds.close()
