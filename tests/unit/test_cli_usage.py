"""Wrong arguments: exit code 2, said without repeating them; and what every command takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from consentledger.cli import main as entry
from consentledger.cli import session
from consentledger.cli.failures import ExitCode, explain_defect
from consentledger.cli.main import build, main

PERSONAL = "ada.secret@example.org"


def commands(parent: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, found in sorted(parent.commands.items()):
        if hasattr(found, "commands"):
            yield from commands(found, (*path, name))
        else:
            yield (*path, name), found


ALL = dict(commands(get_command(build())))


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["record", PERSONAL, "marketing.email"], id="subject without namespace"),
        pytest.param(["record", f":{PERSONAL}", "marketing.email"], id="empty namespace"),
        pytest.param(["record", f"email:{PERSONAL}"], id="no purpose"),
        pytest.param(["check", f"email:{PERSONAL}", "marketing.email", PERSONAL], id="one argument too many"),
        pytest.param(["check", f"--{PERSONAL}"], id="as an option"),
        pytest.param(["check", f"--subject=email:{PERSONAL}"], id="value of no option"),
        pytest.param(["check", f"--json={PERSONAL}"], id="value of a flag"),
        pytest.param([PERSONAL], id="as a command"),
        pytest.param(["purposes", PERSONAL], id="as a group's command"),
        pytest.param(["record", f"email:{PERSONAL}", "a", "--age-band", PERSONAL], id="choice"),
        pytest.param(["record", f"email:{PERSONAL}", "a", "--expires", PERSONAL], id="time"),
        pytest.param(["record", f"email:{PERSONAL}", "a", "--request-id", PERSONAL], id="request id"),
        pytest.param(["watch", "--from-position", PERSONAL], id="number"),
        pytest.param(["watch", "--from-position", "-1"], id="number out of range"),
        pytest.param(["import", PERSONAL], id="missing file"),
        pytest.param(["purposes", "load", f"/{PERSONAL}"], id="missing catalogue"),
        pytest.param(["purposes", "create", "a", "--basis", PERSONAL], id="basis"),
        pytest.param(["preferences", "set", f"email:{PERSONAL}", PERSONAL], id="preference"),
        pytest.param(["signal", f"email:{PERSONAL}"], id="neither signal nor end"),
        pytest.param(["signal", f"email:{PERSONAL}", "--sec-gpc", "1", "--ended"], id="signal and end"),
        pytest.param(
            ["check", f"email:{PERSONAL}", "a", "--at-least-as-fresh", "t", "--minimize-latency"],
            id="two consistencies",
        ),
        pytest.param(["state", f"email:{PERSONAL}", "--server", "ledger.example:1"], id="plaintext to another machine"),
        pytest.param(["audit", "replay", "--from-position", "5", "--to-position", "4"], id="an end before its start"),
    ],
)
def test_a_wrong_argument_is_usage_and_is_not_repeated(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("usage: ")
    assert PERSONAL not in said.err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["check", "email:ada"], "missing 'PURPOSE'"),
        (["check", "email:ada", "a", "--jurisdicton", "DE"], "or --jurisdiction?"),
        (["record", "email:ada", "a", "--age-band", "old"], "one of adult, minor"),
        (["record", "email:ada", "a", "--expires", "2025-01-31"], "RFC 3339 with an offset"),
        (["state", "email:ada", "--server", "ledger.example:1"], "configure TLS"),
        (["import", __file__], "--format"),
    ],
)
def test_what_would_be_right_is_told(arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == ExitCode.USAGE
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["purposes"]])
def test_no_command_at_all_is_usage_and_shows_what_there_is(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == ExitCode.USAGE
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*path, "--help"]) == ExitCode.OK
    assert "Usage: consentledger" in capsys.readouterr().out
    assert ALL[path].help


def test_every_command_that_asks_the_server_takes_the_same_options() -> None:
    taken = {path: {option for parameter in found.params for option in parameter.opts} for path, found in ALL.items()}
    asking = {path: options for path, options in taken.items() if "--server" in options}
    assert {("check",), ("import",), ("audit", "replay"), ("obligations", "ack")} <= asking.keys()
    assert [path for path, options in asking.items() if not {"--tenant", "--json", "--verbose"} <= options] == []


@pytest.mark.parametrize(
    "path", ["record", "withdraw", "object", "signal", "restrict", "lift-restriction", "link", "unlink"]
)
def test_every_act_can_be_repeated_by_its_request_id(path: str) -> None:
    assert "--request-id" in {option for parameter in ALL[(path,)].params for option in parameter.opts}


def test_withdrawing_takes_no_more_than_granting() -> None:
    needed = {name: [p.name for p in ALL[(name,)].params if p.required] for name in ("record", "withdraw")}
    assert needed == {"record": ["subject", "purposes"], "withdraw": ["subject"]}


def test_a_defect_is_told_by_its_place_and_never_by_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError(PERSONAL)
    except ValueError as error:
        assert explain_defect(error) == ExitCode.REFUSED
    said = capsys.readouterr().err
    assert "ValueError at test_cli_usage.py:" in said
    assert PERSONAL not in said


def test_a_defect_inside_a_command_ends_it_the_same_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise RuntimeError(PERSONAL)

    monkeypatch.setattr(entry, "build", broken)
    assert main(["state", f"email:{PERSONAL}"]) == ExitCode.REFUSED
    said = capsys.readouterr()
    assert PERSONAL not in said.err + said.out


def test_a_server_that_is_not_there_is_told_as_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_CONNECT_SECONDS", 0.2)
    nobody = f"unix:{tmp_path / 'nobody.sock'}"
    for command in (["check", f"email:{PERSONAL}", "a"], ["withdraw", f"email:{PERSONAL}"]):
        assert main([*command, "--server", nobody]) == ExitCode.UNREACHABLE
        said = capsys.readouterr()
        assert (said.out, said.err) == ("", "cannot reach the server\n")
