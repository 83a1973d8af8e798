"""`consentledger-verify`: what it answers, how it ends, what it touches."""

import json
import random
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consentledger_verify.anchors import Receipt
from consentledger_verify.command import main
from tests.support.madeexport import Case, Parties, finished
from tests.support.madelog import made_log

CHANCE = random.Random(0)
CASE = Case.of(made_log(CHANCE, 60, erasures=0.2), Parties.of(CHANCE))
VKEY = CASE.parties.log.verifier.vkey()
NOW = "2026-01-02T00:00:00Z"
Run = Callable[..., int]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "log.jsonl").write_bytes(CASE.file())
    policy = CASE.parties.policy()
    lines = [f"log {VKEY}", *(f"witness {w.name} {w.key.vkey()}" for w in policy.witnesses)]
    lines += ["group all 2 " + " ".join(w.name for w in policy.witnesses), "quorum all", ""]
    (tmp_path / "policy").write_text("\n".join(lines))
    for size in (20, 40):
        (tmp_path / f"pin-{size}").write_bytes(CASE.note(size))
    keep(tmp_path / "mine", CASE.receipt(30, 40))
    (tmp_path / "keys.json").write_text(
        json.dumps({stream.hex(): b64encode(key).decode() for stream, key in CASE.log.keys().items()})
    )
    return tmp_path


def keep(name: Path, receipt: Receipt) -> None:
    name.with_suffix(".tlog-proof").write_bytes(receipt.proof.to_bytes())
    name.with_suffix(".leaf").write_bytes(receipt.leaf)


def export(folder: Path, *arguments: str) -> int:
    return main(["export", str(folder / "log.jsonl"), "--now", NOW, *arguments])


def everything(folder: Path) -> list[str]:
    pins = [text for size in (20, 40) for text in ("--pin", str(folder / f"pin-{size}"))]
    kept = ["--receipt", str(folder / "mine.tlog-proof"), "--keys", str(folder / "keys.json")]
    return ["--policy", str(folder / "policy"), *pins, *kept]


def test_one_screen_says_that_all_holds_and_against_what(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(folder, *everything(folder)) == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) <= 24 and max(map(len, shown.splitlines())) <= 200
    assert "ALL HOLDS" in shown and "policy" in shown and "quorum all" in shown and "1 are honoured" in shown
    assert "3 earlier checkpoints" in shown and "not checked" not in shown


def test_without_keys_it_says_loudly_that_the_file_vouches_for_itself(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(folder) == 0
    shown = capsys.readouterr().out
    assert "TAKEN FROM THE FILE ITSELF" in shown and "NOTE WELL    TRUST_FROM_FILE" in shown


def test_what_does_not_hold_is_told_with_its_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = CASE.export()
    row = next(row for row in parts.rows if "ct" in row)
    row["ct"] = b"x" + row["ct"][1:]
    (folder / "log.jsonl").write_bytes(parts.data())
    assert export(folder, "--vkey", VKEY) == 1
    shown = capsys.readouterr().out
    assert f"first difference: CIPHERTEXT_CHANGED at position {row['i']} (line {row['i'] + 1})" in shown
    assert "SOMETHING DOES NOT HOLD" in shown
    assert export(folder, "--vkey", VKEY, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["first_difference"]["class"] == "CIPHERTEXT_CHANGED"
    assert told["first_difference"]["first"] == row["i"] and told["checks"]["ciphertexts"] == "does not hold"
    assert told["checks"]["tree"] == "holds" and told["exit_code"] == 1


def test_an_erasure_that_does_not_end_is_spoken_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running = [p.erased for p in CASE.log.persons.values() if p.erased and not p.destroyed]
    assert running
    assert export(folder, "--vkey", VKEY, "--erasure-hours", "1", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)["cautions"]
    assert (told["class"], told["first"], told["count"]) == ("INTENT_OVERDUE", min(running), len(running))
    assert export(folder, "--vkey", VKEY, "--json") == 0
    assert json.loads(capsys.readouterr().out)["cautions"] == []


def test_a_file_that_cannot_be_read_is_3(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = CASE.export().lines()
    lines[5] = b'{"i":5,"i":5}\n'
    (folder / "log.jsonl").write_bytes(finished(lines, 60))
    assert export(folder, "--vkey", VKEY) == 3
    shown = capsys.readouterr().out
    assert "DUPLICATE_KEY at position 5 (line 6)" in shown and "THE FILE CANNOT BE READ" in shown
    assert main(["export", str(folder / "absent")]) == 3
    assert main(["export", str(folder)]) == 3
    (folder / "torn").write_bytes(CASE.note(5)[:-9])
    assert export(folder, "--vkey", VKEY, "--pin", str(folder / "torn")) == 3
    (folder / "torn.tlog-proof").write_bytes(b"c2sp.org/tlog-proof@v1\n")
    assert export(folder, "--vkey", VKEY, "--receipt", str(folder / "torn.tlog-proof")) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["--vkey", "nonsense"],
        ["--policy", "absent"],
        ["--policy", "log.jsonl"],
        ["--pin", "absent"],
        ["--receipt", "pin-20"],
        ["--receipt", "lonely.tlog-proof"],
        ["--keys", "policy"],
        ["--keys", "short.json"],
        ["--keys", "other.json"],
        ["--now", "yesterday"],
        ["--now", "2026-01-01T00:00:00"],
        ["--skew", "-1"],
        ["--more"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_2(
    folder: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    (folder / "short.json").write_text(json.dumps({"ab" * 16: b64encode(bytes(31)).decode()}))
    (folder / "other.json").write_text(json.dumps({"ab" * 15: b64encode(bytes(32)).decode()}))
    (folder / "lonely.tlog-proof").write_bytes(CASE.receipt(1, 2).proof.to_bytes())
    try:
        code = main(["export", "log.jsonl", *arguments])
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2
    assert capsys.readouterr().err


def test_help_states_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["export", "--help"], ["receipt", "--help"], ["consistency", "--help"]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0
        shown = capsys.readouterr().out
        assert all(f"\n  {code}  " in shown for code in range(4))


def test_a_receipt_is_checked_by_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = str(folder / "mine.tlog-proof")
    assert main(["receipt", mine, "--vkey", VKEY]) == 0
    assert "the leaf is event 30 of the log" in capsys.readouterr().out
    assert main(["receipt", mine]) == 2
    assert main(["receipt", mine, "--policy", str(folder / "policy")]) == 1
    assert "QUORUM" in capsys.readouterr().out
    (folder / "other.leaf").write_bytes(CASE.log.entries[30].leaf)
    assert main(["receipt", mine, "--leaf", str(folder / "other.leaf"), "--vkey", VKEY, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["problem"]["class"], told["problem"]["first"]) == ("RECEIPT_INVALID", 30)
    stranger = Parties.of(random.Random(1)).log.verifier.vkey()
    assert main(["receipt", mine, "--vkey", stranger, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["problem"]["class"] == "KEY_UNKNOWN"


def test_two_checkpoints_and_the_proof_between_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proof = folder / "proof"
    proof.write_bytes(b"".join(b64encode(one) + b"\n" for one in CASE.consistency(20, 40)))
    names = [str(folder / "pin-20"), str(folder / "pin-40"), "--proof", str(proof), "--vkey", VKEY]
    assert main(["consistency", *names]) == 0
    assert "only grew" in capsys.readouterr().out
    proof.write_bytes(b"".join(b64encode(one) + b"\n" for one in CASE.consistency(20, 41)))
    assert main(["consistency", *names]) == 1
    assert main(["consistency", names[1], names[0], *names[2:]]) == 1
    proof.write_bytes(b"no!\n")
    assert main(["consistency", *names]) == 1
    assert "CONSISTENCY: the proof is not" in capsys.readouterr().out
    other = Parties.of(random.Random(1), "other.example/log")
    (folder / "other").write_bytes(replace(CASE, parties=other).note(40))
    both = ["--vkey", VKEY, "--vkey", other.log.verifier.vkey(), "--json"]
    for keys, problem in ((both, "PIN_OTHER_LOG"), (["--vkey", VKEY, "--json"], "KEY_UNKNOWN")):
        assert main(["consistency", names[0], str(folder / "other"), "--proof", str(proof), *keys]) == 1
        assert json.loads(capsys.readouterr().out)["problem"]["class"] == problem


WATCHED = """
import sys
def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "sqlite3.", "urllib.")):
        raise SystemExit("it went out: " + event)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise SystemExit("it writes: " + str(arguments[0]))
sys.dont_write_bytecode = True
sys.addaudithook(watch)
from consentledger_verify.command import main
code = main(sys.argv[1:])
ours = sorted(name for name in sys.modules if name.split(".")[0] in ("consentledger", "services"))
print(*ours)
print(*(name for name in ("grpc", "google", "nats", "asyncpg", "sqlite3", "typer", "rich") if name in sys.modules))
sys.exit(code)
"""


def test_it_reads_files_and_nothing_else_and_loads_nothing_of_ours_but_the_tree(folder: Path) -> None:
    arguments = ["export", str(folder / "log.jsonl"), "--now", NOW, *everything(folder)]
    done = subprocess.run([sys.executable, "-c", WATCHED, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    *_, ours, others = done.stdout.splitlines()
    assert ours.split()[0] == "consentledger" and all(
        name.startswith("consentledger.tlog") for name in ours.split()[1:]
    )
    assert others == ""


def test_a_report_holds_nothing_of_what_was_recorded(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Types, positions and names of files; no tenant, no stream, nothing sealed."""
    (folder / "log.jsonl").write_bytes(CASE.file(tenants=["acme"]))
    assert export(folder, *everything(folder)) == 0
    assert export(folder, *everything(folder), "--json") == 0
    shown: Any = capsys.readouterr().out
    assert not [stream for stream in CASE.log.persons if stream.hex() in shown]
    assert "@example.org" not in shown
