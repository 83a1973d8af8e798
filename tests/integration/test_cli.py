"""The command against a server: what is asked, what is shown, and the code that it ends with."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from consentledger.errors import Reason
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import types_pb2 as types
from tests.support.tiny_ledger import ADA, Cli, Ledger, process, serving


@pytest.fixture
def ledger() -> Ledger:
    found = Ledger()
    found.purposes["a"] = events.Purpose(id="a", version=1)
    found.purposes["b"] = events.Purpose(id="b", version=1)
    return found


@pytest.fixture
def server(ledger: Ledger) -> Iterator[str]:
    with serving(ledger) as address:
        yield address


@pytest.fixture
def cli(server: str, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(server, capsys)


def test_what_is_recorded_is_allowed_until_it_is_withdrawn(cli: Cli, ledger: Ledger) -> None:
    cli("check", ADA, "a", code=4)
    shown = cli("record", ADA, "a", "b", "--notice", "n-1", "--jurisdiction", "DE", "--age-band", "adult")
    assert "GRANTED" in shown and "token-2" in shown
    request = ledger.seen[-1]
    assert [choice.purpose for choice in request.choices] == ["a", "b"]
    assert (request.tenant, request.notice_version, request.context.jurisdiction) == ("default", "n-1", "DE")
    assert request.context.age_band == types.AGE_BAND_ADULT and not request.HasField("occurred_at")
    assert "ALLOWED" in cli("check", ADA, "a")
    cli("withdraw", ADA)
    assert list(ledger.seen[-1].purposes) == []
    assert "NOT_ALLOWED" in cli("check", ADA, "a", code=4)


def test_a_denial_is_no_grant(cli: Cli, ledger: Ledger) -> None:
    assert "DENIED" in cli("record", ADA, "a", "--deny")
    assert ledger.seen[-1].choices[0].choice == types.CHOICE_DENY
    cli("check", ADA, "a", code=4)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_check_ends_with_0_for_nothing_but_allowed(form: list[str], cli: Cli, ledger: Ledger) -> None:
    cli("check", ADA, "unspecified", *form, code=4)
    ledger.failing["CheckConsent"] = [Reason.PURPOSE_UNKNOWN]
    assert cli("check", ADA, "a", *form, code=1) == ""
    ledger.failing["CheckConsent"] = [Reason.DEADLINE_EXCEEDED]
    assert cli("check", ADA, "a", *form, code=3) == ""


def test_json_is_one_document_with_the_names_of_the_contract(cli: Cli) -> None:
    answer = cli.json("check", ADA, "a", code=4)
    assert answer["decision"] == "DECISION_NOT_ALLOWED"
    assert answer["legal_basis"] == "LEGAL_BASIS_UNSPECIFIED" and answer["position"] == "0"


@pytest.mark.parametrize(
    ("option", "set"),
    [
        (["--at-least-as-fresh", "t"], "at_least_as_fresh"),
        (["--minimize-latency"], "minimize_latency"),
        ([], None),
    ],
)
def test_a_check_asks_for_the_freshness_wanted(option: list[str], set: str | None, cli: Cli, ledger: Ledger) -> None:
    cli("check", ADA, "a", "--as-of", "2025-01-31T10:30:00+01:00", *option, code=4)
    request = ledger.seen[-1]
    assert request.consistency.WhichOneof("requirement") == set
    assert request.as_of.ToJsonString() == "2025-01-31T09:30:00Z"


def test_the_tenant_may_stand_before_or_after_the_command(cli: Cli, ledger: Ledger) -> None:
    cli("--tenant", "before", "check", ADA, "a", code=4)
    assert ledger.seen[-1].tenant == "before"
    cli("--tenant", "before", "check", ADA, "a", "--tenant", "after", code=4)
    assert ledger.seen[-1].tenant == "after"


def test_a_refusal_tells_reason_field_and_rule_and_no_value(cli: Cli, ledger: Ledger) -> None:
    ledger.failing["WithdrawConsent"] = [Reason.INVALID_FIELD]
    assert cli("withdraw", ADA, code=1) == ""
    assert "INVALID_FIELD" in cli.err and "field: subject.id" in cli.err and "rule: a rule" in cli.err


@pytest.mark.parametrize("reason", [Reason.STORE_UNAVAILABLE, Reason.CONFLICT, Reason.OVERLOADED])
def test_a_write_is_tried_again_with_the_same_request_id(reason: Reason, cli: Cli, ledger: Ledger) -> None:
    ledger.failing["RecordConsent"] = [reason, reason]
    cli("record", ADA, "a", "--notice", "n-1")
    assert cli.err == ""
    assert len(ledger.seen) >= 3
    assert len({request.SerializeToString() for request in ledger.seen}) == 1
    assert len(ledger.entries) == 1


def test_a_write_that_three_tries_do_not_answer_tells_that_its_outcome_is_unknown(cli: Cli, ledger: Ledger) -> None:
    ledger.failing["RecordConsent"] = [Reason.STORE_UNAVAILABLE] * 100
    cli("record", ADA, "a", "--notice", "n-1", code=3)
    assert f"its request_id is {ledger.seen[0].request_id}" in cli.err


@pytest.mark.parametrize("reason", [Reason.CATALOGUE_CONFLICT, Reason.MESSAGE_TOO_LARGE])
def test_what_would_fail_again_is_not_tried_again(reason: Reason, cli: Cli, ledger: Ledger) -> None:
    ledger.failing["RecordConsent"] = [reason]
    cli("record", ADA, "a", code=1)
    assert len(ledger.seen) == 1


def test_tries_and_request_ids_are_told_when_asked_for(cli: Cli, ledger: Ledger) -> None:
    ledger.failing["RecordConsent"] = [Reason.CONFLICT]
    mine = "0a0e3c1e-8f43-4b8e-9a57-3a2a3c0a7b11"
    cli("record", ADA, "a", "--request-id", mine, "--verbose")
    assert mine in cli.err and "CONFLICT" in cli.err
    assert ledger.seen[0].request_id == mine


def test_repeating_a_request_id_writes_nothing(cli: Cli, ledger: Ledger) -> None:
    mine = "0a0e3c1e-8f43-4b8e-9a57-3a2a3c0a7b11"
    assert cli.json("record", ADA, "a", "--request-id", mine) == cli.json("record", ADA, "a", "--request-id", mine)
    assert len(ledger.entries) == 1


def test_parting_shows_what_stands_for_each_side(cli: Cli, ledger: Ledger) -> None:
    shown = cli("unlink", ADA, "crm:7")
    assert shown.index("left:") < shown.index("right:")
    assert ledger.seen[-1].right == types.SubjectRef(namespace="crm", id="7")


def test_history_has_every_page_in_order_with_notice_and_position(cli: Cli, ledger: Ledger) -> None:
    for notice in ("n-1", "n-2", "n-3"):
        cli("record", ADA, "a", "--notice", notice)
    cli("withdraw", ADA)
    lines = cli("history", ADA).splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["1", "2", "3", "4"]
    assert "granted a" in lines[1] and "n-1" in lines[1] and "2025-06-15T15:06:40Z" in lines[1]
    assert "withdrew every purpose" in lines[4]
    whole = cli.json("history", ADA)
    assert [event["position"] for event in whole["events"]] == ["1", "2", "3", "4"]
    assert whole["next_page_token"] == ""


def test_a_list_with_a_limit_asks_for_no_more_pages(cli: Cli, ledger: Ledger) -> None:
    assert len(cli.json("obligations", "list")["obligations"]) == 7
    ledger.seen.clear()
    assert len(cli.json("obligations", "list", "--limit", "3")["obligations"]) == 3
    assert len(ledger.seen) == 2


def test_watch_resumes_where_it_was_cut_and_ends_cleanly_on_ctrl_c(cli: Cli, ledger: Ledger) -> None:
    for _ in range(4):
        cli("record", ADA, "a", "--notice", "n-1")
    ledger.cut_after = 2
    with process(cli.server, "watch", "--from-position", "1", "--json") as watching:
        assert watching.stdout is not None and watching.stderr is not None
        seen = [json.loads(watching.stdout.readline())["position"] for _ in range(4)]
        ledger.ended.clear()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 0
        assert watching.stdout.read() == b"" and watching.stderr.read() == b""
    assert seen == ["1", "2", "3", "4"]
    assert ledger.ended.wait(10)


def test_a_reader_that_goes_away_is_no_success(cli: Cli, ledger: Ledger) -> None:
    for _ in range(3):
        ledger.write(consent_recorded=events.ConsentRecorded(purpose="a" * 40_000))
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", "from consentledger.cli.main import run; run()", "--server", cli.server]
    done = subprocess.run([*command, "history", ADA], stdout=write, stderr=subprocess.PIPE, timeout=30)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_the_command_itself_ends_with_the_code(server: str) -> None:
    with process(server, "check", "-", "a", stdin=subprocess.PIPE) as asking:
        out, err = asking.communicate(f"{ADA}\n".encode(), timeout=30)
    assert (asking.returncode, err) == (4, b"")
    assert b"NOT_ALLOWED" in out and b"\x1b" not in out
