"""The reference witness over HTTP: every answer of C2SP tlog-witness, what it never cosigns, and its commands."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from consentledger.http.client import fetch
from consentledger.tlog.checkpoint import parse_checkpoint
from consentledger.tlog.cosignature import cosigned_at
from consentledger.tlog.keys import Ed25519Signer
from consentledger.tlog.note import add_signatures, open_note, sign_note
from consentledger.witness.keyfile import KeyUnusable, WitnessKey
from consentledger.witness.protocol import Submission
from consentledger.witness.records import Records, RecordsUnusable
from consentledger.witness.witness import Witness
from tests.support.services import command
from tests.support.witnesses import PaperLog, RunningWitness, witness

LOG = PaperLog.of(600)


async def cosigned(running: RunningWitness, log: PaperLog, old: int, new: int) -> None:
    """Ask for a cosignature, and check it."""
    answer = await running.add(log.submission(old, new))
    assert answer.status == 200, answer.body
    opened = open_note(add_signatures(log.note(new), answer.body), [running.key])
    assert len(opened.verified) == 1 and parse_checkpoint(opened.text) == log.checkpoint(new)
    assert cosigned_at(opened.verified[0])


async def test_every_checkpoint_that_extends_the_last_is_cosigned(tmp_path: Path) -> None:
    async with witness(tmp_path, [LOG.key]) as running:
        last = 0
        for size in (0, 1, 1, 2, 255, 256, 257, 512, 600, 600):
            await cosigned(running, LOG, last, size)
            last = size


async def test_what_was_cosigned_is_remembered_over_a_restart(tmp_path: Path) -> None:
    async with witness(tmp_path, [LOG.key]) as running:
        await cosigned(running, LOG, 0, 300)
        key = running.key
    async with witness(tmp_path, [LOG.key]) as running:
        assert running.key == key
        assert (await running.add(LOG.submission(0, 300))).body == b"300\n"
        await cosigned(running, LOG, 300, 301)


def names(folder: Path, suffix: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix == suffix)


STRANGER = PaperLog.of(600, origin="log.example/other")
UNTRUSTED = PaperLog.of(600, seed=b"u" * 32)
FORK = LOG.forked(at=100, size=600)


def but(old: int, new: int, **change: object) -> bytes:
    """A submission with one part changed."""
    parts = {"old": old, "proof": tuple(LOG.proof(old, new)) if old <= new else (), "note": LOG.note(new)} | change
    return Submission(**parts).to_bytes()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "status", "size"),
    [
        pytest.param(STRANGER.submission(200, 300), 404, None, id="unknown origin"),
        pytest.param(UNTRUSTED.submission(200, 300), 403, None, id="a key that is not trusted"),
        pytest.param(
            but(200, 300, note=LOG.note(300)[:-8] + b"AAAAAAA\n"), 403, None, id="a signature that does not hold"
        ),
        pytest.param(but(200, 150, proof=()), 400, None, id="an old size above the new one"),
        pytest.param(LOG.submission(150, 300), 409, b"200\n", id="an old size that is not the last"),
        pytest.param(LOG.submission(0, 300), 409, b"200\n", id="an old size of zero"),
        pytest.param(LOG.submission(0, 150), 409, b"200\n", id="a smaller tree"),
        pytest.param(LOG.submission(150, 150), 409, b"200\n", id="a smaller tree again"),
        pytest.param(FORK.submission(200, 200), 409, b"200\n", id="another tree of the last size"),
        pytest.param(FORK.submission(0, 200), 409, b"200\n", id="another tree of the last size, by another old size"),
        pytest.param(FORK.submission(200, 300), 422, None, id="a fork with its own proof"),
        pytest.param(but(200, 300, proof=LOG.proof(200, 301)), 422, None, id="the proof of another size"),
        pytest.param(but(200, 300, proof=()), 422, None, id="no proof"),
        pytest.param(but(200, 300, proof=(*LOG.proof(200, 300), b"x" * 32)), 422, None, id="a proof too long"),
        pytest.param(but(200, 200, proof=(b"x" * 32,)), 422, None, id="a proof that is not needed"),
        pytest.param(but(200, 300, proof=(b"x" * 31,)), 400, None, id="a hash too short"),
        pytest.param(but(200, 300, proof=(b"x" * 32,) * 64), 400, None, id="64 hashes"),
        pytest.param(b"", 400, None, id="nothing"),
        pytest.param(b"old 200\n\n", 400, None, id="no checkpoint"),
        pytest.param(LOG.submission(200, 300).replace(b"old 200", b"old 0200"), 400, None, id="a leading zero"),
        pytest.param(LOG.submission(200, 300).replace(b"old 200", b"old +200"), 400, None, id="a sign"),
        pytest.param(LOG.submission(200, 300).replace(b"old 200", b"size 200"), 400, None, id="another word"),
        pytest.param(LOG.submission(200, 300).replace(b"\n", b"\r\n"), 400, None, id="other line ends"),
        pytest.param(LOG.submission(200, 300)[:-1], 400, None, id="cut off"),
        pytest.param(b"old 200\n" + b"\xff" * 44 + b"\n\n" + LOG.note(300), 400, None, id="not base64"),
    ],
)
async def test_what_must_not_be_cosigned_is_refused_as_the_specification_says_and_changes_nothing(
    tmp_path: Path, body: bytes, status: int, size: bytes | None
) -> None:
    async with witness(tmp_path, [LOG.key]) as running:
        await cosigned(running, LOG, 0, 200)
        answer = await running.add(body)
        assert answer.status == status, answer.body
        assert (answer.content_type == "text/x.tlog.size") == (status == 409)
        if size is not None:
            assert answer.body == size
        assert not answer.body.startswith("—".encode())
        await cosigned(running, LOG, 200, 300)


async def test_a_first_submission_must_start_from_nothing(tmp_path: Path) -> None:
    async with witness(tmp_path, [LOG.key]) as running:
        answer = await running.add(LOG.submission(100, 200))
        assert (answer.status, answer.body) == (409, b"0\n")
        assert (await running.add(but(0, 200, proof=(b"x" * 32,)))).status == 422
        await cosigned(running, LOG, 0, 200)


async def test_signatures_of_others_are_ignored_and_not_kept(tmp_path: Path) -> None:
    other = Ed25519Signer("log.example/stranger", b"o" * 32)
    async with witness(tmp_path, [LOG.key]) as running:
        note = sign_note(LOG.checkpoint(5).text(), [other, LOG.signer])
        assert (await running.add(Submission(0, (), note).to_bytes())).status == 200
        name = hashlib.sha256(LOG.origin.encode()).hexdigest()
        kept = await fetch("GET", f"{running.url}/{name}/checkpoint", seconds=20)
        assert kept.content_type == "text/plain"
        opened = open_note(kept.body, [LOG.key, running.key])
        assert [one.key for one in opened.verified] == [LOG.key, running.key]
        assert opened.unknown == ()


async def test_two_trees_of_one_size_are_kept_as_proof(tmp_path: Path) -> None:
    async with witness(tmp_path, [LOG.key]) as running:
        await cosigned(running, LOG, 0, 200)
        for _ in range(2):
            assert (await running.add(FORK.submission(200, 200))).status == 409
    [proof] = names(tmp_path, ".fork")
    ours, theirs = proof.read_bytes().split(f"\n{LOG.origin}\n".encode(), 1)
    first = open_note(ours, [LOG.key])
    second = open_note(f"{LOG.origin}\n".encode() + theirs, [LOG.key])
    assert parse_checkpoint(first.text) == LOG.checkpoint(200)
    assert parse_checkpoint(second.text) == FORK.checkpoint(200)


async def test_of_many_that_race_one_wins_and_no_record_goes_back(tmp_path: Path) -> None:
    async with witness(tmp_path, [LOG.key]) as running:
        last = 0
        for start in (1, 100, 200):
            sizes = range(start, start + 24)
            answers = await asyncio.gather(*(running.add(LOG.submission(last, size)) for size in reversed(sizes)))
            assert sorted({answer.status for answer in answers}) == [200, 409]
            [won] = [size for size, answer in zip(reversed(sizes), answers, strict=True) if answer.status == 200]
            assert {answer.body for answer in answers if answer.status == 409} == {b"%d\n" % won}
            last = won


async def test_logs_do_not_meet(tmp_path: Path) -> None:
    second = PaperLog.of(50, origin="log.example/second", seed=b"2" * 32)
    async with witness(tmp_path, [LOG.key, second.key]) as running:
        await cosigned(running, LOG, 0, 200)
        await cosigned(running, second, 0, 50)
        await cosigned(running, LOG, 200, 201)


async def test_a_clock_that_goes_back_does_not_take_times_with_it(tmp_path: Path) -> None:
    WitnessKey.create(tmp_path, "witness.example/w1")
    times = iter([1_800_000_000, 1_700_000_000])
    judge = Witness(tmp_path, [LOG.key], lambda: next(times))
    for old, new in ((0, 5), (5, 9)):
        answer = judge.add_checkpoint(LOG.submission(old, new))
        [one] = open_note(add_signatures(LOG.note(new), answer.body), [judge.verifier]).verified
        assert cosigned_at(one) == 1_800_000_000
    judge.close()


async def test_a_record_that_was_changed_stops_the_witness(tmp_path: Path) -> None:
    async with witness(tmp_path, [LOG.key]) as running:
        await cosigned(running, LOG, 0, 200)
    [record] = names(tmp_path, ".checkpoint")
    whole = record.read_bytes()
    for changed in (b"", whole[:-10], whole.replace(b"\n200\n", b"\n201\n"), LOG.note(200)):
        record.write_bytes(changed)
        with pytest.raises(RecordsUnusable):
            Witness(tmp_path, [LOG.key])


async def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with witness(tmp_path, [LOG.key]) as running:
        with pytest.raises(RecordsUnusable, match="another process"):
            Records(tmp_path, {}, running.key)


def test_a_key_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    made = WitnessKey.create(tmp_path, "witness.example/w1")
    assert WitnessKey.open(tmp_path) == made
    with pytest.raises(KeyUnusable, match="already"):
        WitnessKey.create(tmp_path, "witness.example/w1")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(KeyUnusable, match="chmod 600"):
        WitnessKey.open(tmp_path)
    with pytest.raises(KeyUnusable):
        WitnessKey.create(tmp_path / "other", "a name with spaces")
    assert made.seed.hex() not in repr(made)


@pytest.mark.parametrize("line", ["", "PRIVATE+KEY+w+00000000+BAAA", "w+00+x", "PRIVATE+KEY+w", "PRIVATE+KEY+w+00+é"])
def test_what_is_no_key_is_refused_in_words(tmp_path: Path, line: str) -> None:
    (tmp_path / "key").write_text(line)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(KeyUnusable):
        WitnessKey.open(tmp_path)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/add-checkpoint", 405),
        ("POST", "/" + "0" * 64 + "/checkpoint", 405),
        ("GET", "/" + "0" * 64 + "/checkpoint", 404),
        ("GET", "/", 404),
        ("GET", "/key", 404),
        ("GET", "/../key", 404),
        ("GET", "/%2e%2e/key", 404),
        ("DELETE", "/add-checkpoint", 405),
    ],
)
async def test_other_paths_and_methods_lead_nowhere(tmp_path: Path, method: str, path: str, status: int) -> None:
    async with witness(tmp_path, [LOG.key]) as running:
        assert (await fetch(method, running.url + path, seconds=20)).status == status


async def test_the_command_makes_a_witness_and_refuses_what_cannot_run(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    made = await command("witness", "init", str(folder), "--name", "witness.example/w1")
    assert made.returncode == 0 and made.stdout.strip() == WitnessKey.open(folder).verifier.vkey()
    again = await command("witness", "init", str(folder), "--name", "witness.example/w1")
    assert again.returncode == 1 and "has a key already" in again.stderr
    for arguments, code, why in (
        ((str(folder), "--log", made.stdout.strip()), 2, "not of a witness"),
        ((str(folder), "--log", "nonsense"), 2, "a verifier key"),
        ((str(tmp_path / "none"), "--log", LOG.key.vkey()), 1, "witness init"),
        ((str(folder), "--log", LOG.key.vkey(), "--listen", "0.0.0.0:0"), 1, "configure TLS"),
        ((str(folder), "--log", LOG.key.vkey(), "--tls-key", "/dev/null"), 2, "both or none"),
    ):
        found = await command("witness", "run", *arguments)
        assert (found.returncode, why in found.stderr) == (code, True), found.stderr
