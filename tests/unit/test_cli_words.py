"""How arguments are read, answers are shown and refusals are told; no server."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from consentledger.cli import catalogue, describe, inputs, output, preferences
from consentledger.cli.failures import BadFile, ExitCode, Misuse, Unanswered, report
from consentledger.cli.imports import Rejected
from consentledger.cli.purposefields import Fields, basis
from consentledger.cli.rows import Tally
from consentledger.errors import LedgerError, Reason
from consentledger.v1 import audit_service_pb2 as audit
from consentledger.v1 import consent_service_pb2 as service
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import types_pb2 as types

PERSONAL = "ada.secret@example.org"


def at(text: str) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(datetime.fromisoformat(text).astimezone(UTC))
    return stamp


def test_only_the_first_colon_divides_a_subject() -> None:
    assert inputs.subject("iri:https://example.org/a") == types.SubjectRef(namespace="iri", id="https://example.org/a")


@pytest.mark.parametrize("text", ["", "ada", "email:", ":ada", "email:\ud800"])
def test_what_is_no_subject_is_refused(text: str) -> None:
    with pytest.raises(Misuse):
        inputs.subject(text)


def test_a_time_is_read_with_its_offset_and_shown_in_utc() -> None:
    state = types.PurposeState(occurred_at=inputs.timestamp("2025-01-31T10:30:00+01:00"))
    assert output.moment(state, "occurred_at") == "2025-01-31T09:30:00Z"
    assert output.moment(state, "expires_at") == ""


@pytest.mark.parametrize("text", ["2025-01-31T10:30:00", "2025-01-31", "soon", "0001-01-01T00:00:00+10:00"])
def test_a_time_without_an_offset_or_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(Misuse):
        inputs.timestamp(text)


def test_a_choice_is_read_in_any_case_and_never_as_unspecified() -> None:
    read = inputs.choice(events.DownstreamKind, "DOWNSTREAM_KIND_")
    assert read("third-party") == read("THIRD_PARTY") == events.DOWNSTREAM_KIND_THIRD_PARTY
    with pytest.raises(Misuse):
        read("unspecified")


def test_a_new_request_id_is_new_and_a_given_one_is_kept() -> None:
    assert inputs.new_request_id(None) != inputs.new_request_id(None)
    assert inputs.new_request_id("a") == "a"


def test_what_is_not_given_of_a_purpose_stays_and_a_list_replaces_its_like() -> None:
    standing = events.Purpose(id="a", title="old", description="kept", bases=[basis("gdpr=consent")], kept_by_law=True)
    changed = inputs.given(Fields(title="", bases=[basis("ccpa=opt-out")], kept_by_law=False), standing)
    assert changed == events.Purpose(
        id="a", description="kept", bases=[events.PurposeBasis(regime="ccpa", basis=types.LEGAL_BASIS_OPT_OUT)]
    )


def test_a_preference_is_channel_topic_and_frequency() -> None:
    weekly = events.Preference(channel="email", topic="news", frequency="weekly", language="de")
    assert preferences.preference("email/news=weekly", "de") == weekly
    assert preferences.preference("email/news=", "").frequency == ""


def test_what_came_from_others_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("a", "b"), [["[red]x[/red]", "\x1b[31mred\u202e"]])
    assert "[red]x[/red]" in (shown := capsys.readouterr().out)
    assert "\x1b" not in shown and "\u202e" not in shown
    output.line("\x1b]0;title\x07 text")
    assert "\x1b" not in capsys.readouterr().out


def test_nothing_is_cut_where_stdout_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("a", "b"), [["x" * 300, "y" * 300]])
    shown = capsys.readouterr().out.splitlines()
    assert shown[1].split() == ["x" * 300, "y" * 300]


def test_json_has_the_names_of_the_contract_and_empty_fields_too() -> None:
    shown = output.as_dict(service.GetConsentStateResponse(signal_on=True))
    assert shown == {"states": [], "signal_on": True, "restricted": False, "consistency_token": ""}


def test_a_value_of_a_newer_server_is_shown_as_its_number() -> None:
    assert output.word(types.Decision, 77, "DECISION_") == "77"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_refusal_is_told_by_reason_field_and_rule_and_by_nothing_else(
    as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    error = LedgerError(Reason.INVALID_FIELD, field="subject.id", rule="1 to 512 bytes\x1b", value=PERSONAL)
    assert report(error, as_json=as_json) == ExitCode.REFUSED
    said = capsys.readouterr()
    assert said.out == ""
    assert all(told in said.err for told in ("INVALID_FIELD", "subject.id", "1 to 512 bytes"))
    assert PERSONAL not in said.err and "\x1b" not in said.err
    assert not as_json or json.loads(said.err)["error"]["reason"] == "INVALID_FIELD"


def test_a_write_without_an_answer_tells_its_request_id(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(Unanswered(Reason.STORE_UNAVAILABLE, "the-id"), as_json=False) == ExitCode.UNREACHABLE
    assert "whether it was written is unknown; its request_id is the-id" in capsys.readouterr().err
    assert report(Unanswered(Reason.STORE_UNAVAILABLE), as_json=False) == ExitCode.UNREACHABLE
    assert "written" not in capsys.readouterr().err


ACT = events.Act(method="checkbox", jurisdiction="DE", collector="web")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            events.EventHeader(
                consent_recorded=events.ConsentRecorded(
                    purpose="a", choice=types.CHOICE_GRANT, explicit=True, expires_at=at("2026-01-01T00:00:00+00:00")
                )
            ),
            "granted a, explicitly, until 2026-01-01T00:00:00Z",
        ),
        (
            events.EventHeader(consent_recorded=events.ConsentRecorded(purpose="a", choice=types.CHOICE_DENY)),
            "denied a",
        ),
        (events.EventHeader(consent_withdrawn=events.ConsentWithdrawn(purposes=["a", "b"])), "withdrew a, b"),
        (
            events.EventHeader(consent_withdrawn=events.ConsentWithdrawn(act=events.Act(imported=True))),
            "withdrew every purpose (imported)",
        ),
        (events.EventHeader(objection_recorded=events.ObjectionRecorded()), "objected to every purpose"),
        (
            events.EventHeader(signal_recorded=events.SignalRecorded(kind=types.SIGNAL_KIND_GPC, on=True)),
            "opt-out signal GPC on",
        ),
        (events.EventHeader(restriction_changed=events.RestrictionChanged(restricted=False)), "restriction lifted"),
        (events.EventHeader(consent_expired=events.ConsentExpired(purpose="a")), "grant of a expired"),
        (
            events.EventHeader(
                links_changed=events.LinksChanged(
                    undone=True,
                    carried=[events.CarriedAct(purpose="*", state=types.CONSENT_STATE_WITHDRAWN)],
                )
            ),
            "link undone, taking over * WITHDRAWN",
        ),
        (
            events.EventHeader(purpose_changed=events.PurposeChanged(purpose=events.Purpose(id="a", retired=True))),
            "purpose a retired",
        ),
    ],
)
def test_an_event_is_told_in_words(header: events.EventHeader, words: str) -> None:
    assert describe.what(events.LedgerEntry(header=header)) == words


def test_every_kind_of_event_has_words() -> None:
    kinds = [field.name for field in events.EventHeader.DESCRIPTOR.fields]
    for kind in kinds:
        entry = events.LedgerEntry(type="the.type")
        getattr(entry.header, kind).SetInParent()
        assert describe.what(entry) not in ("", "the.type"), kind


def test_an_event_of_a_newer_server_is_told_by_its_type() -> None:
    assert describe.what(events.LedgerEntry(type="consent.forgotten.v1")) == "consent.forgotten.v1"


def test_a_line_of_history_has_how_and_what_the_server_opened() -> None:
    event = audit.HistoryEvent(
        entry=events.LedgerEntry(header=events.EventHeader(consent_withdrawn=events.ConsentWithdrawn(act=ACT))),
        personal=events.ActPersonal(reason="too many"),
        linked=True,
    )
    assert describe.line_of(event) == "withdrew every purpose, saying: too many (of a linked identifier)"
    assert describe.how(event.entry) == "checkbox, DE, web"


def test_a_notice_that_was_never_published_is_marked() -> None:
    told = events.ConsentRecorded(told_notice_version="paper-2019")
    entry = events.LedgerEntry(header=events.EventHeader(consent_recorded=told))
    assert describe.notice(entry) == "paper-2019 (unknown)"


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_catalogue_is_read_with_either_spelling_of_names(wrapped: bool, tmp_path: Path) -> None:
    listed = [{"id": "a", "dpvIri": "x"}, {"id": "b", "dpv_iri": "y"}]
    file = tmp_path / "purposes.json"
    file.write_text(json.dumps({"purposes": listed} if wrapped else listed))
    assert [purpose.dpv_iri for purpose in catalogue.entries(file, events.Purpose, "purposes")] == ["x", "y"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ('{"notices": []}', "list named purposes"),
        (f'["{PERSONAL}"]', "entry 0: not an object"),
        ('[{"id": "a"}, {"id": "b", "titel": "x"}]', "entry 1: not a Purpose, no field titel"),
        (f'[{{"{PERSONAL}": 1}}]', "entry 0: not a Purpose, a field has the wrong type"),
        (f'[{{"id": "a", "bases": "{PERSONAL}"}}]', "entry 0: not a Purpose, a field has the wrong type"),
        ('[{"id": "a"}, {"id": "a"}]', "entry 1: id is empty, or was there before"),
        ("[{}]", "entry 0: id is empty, or was there before"),
    ],
)
def test_a_bad_catalogue_is_told_by_entry_and_never_by_content(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "purposes.json"
    file.write_text(text)
    with pytest.raises(BadFile, match=told) as caught:
        catalogue.entries(file, events.Purpose, "purposes")
    assert PERSONAL not in str(caught.value)


def test_the_order_of_a_list_and_an_ignored_field_are_no_change() -> None:
    gdpr, ccpa = basis("gdpr=consent"), basis("ccpa=opt-out")
    wanted = events.Purpose(id="a", bases=[gdpr, ccpa], data_categories=["x", "y"])
    standing = events.Purpose(id="a", bases=[ccpa, gdpr], data_categories=["y", "x"], version=3)
    assert catalogue.same(wanted, standing, "version")
    assert not catalogue.same(wanted, standing)
    assert not catalogue.same(wanted, events.Purpose(id="a", bases=[gdpr]), "version")
    assert list(wanted.bases) == [gdpr, ccpa]


def test_a_refused_row_is_found_in_its_file_across_unread_rows_files_and_streams() -> None:
    tally = Tally()
    for row in (0, 1, 3):
        tally.sending("a.csv", row)
    tally.unread("a.csv", Rejected(2, "id", "1 to 512 bytes"))
    tally.sending("b.csv", 0)
    tally.add(service.ImportConsentsResponse(rejected=2, rejections=[{"row": 2, "reason": "R"}, {"row": 3}]))
    for row in (1, 2):
        tally.sending("b.csv", row)
    tally.add(service.ImportConsentsResponse(written=1, rejected=1, rejections=[{"row": 1, "field": "f"}]))
    found = [(rejection.file, rejection.row, rejection.reason) for rejection in tally.rejections]
    assert found == [("a.csv", 2, "INVALID_FIELD"), ("a.csv", 3, "R"), ("b.csv", 0, ""), ("b.csv", 2, "")]
    assert (tally.written, tally.rejected, tally.sent) == (1, 4, 6)
