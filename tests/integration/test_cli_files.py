"""The command and files: replay to a file, import, catalogues. What is refused is told by place, never by content."""

import json
from pathlib import Path

from consentledger.errors import Reason
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import types_pb2 as types
from tests.integration.test_cli import cli, ledger, server
from tests.support.tiny_ledger import ADA, PERSONAL, Cli, Ledger

__all__ = ["cli", "ledger", "server"]


def test_replay_counts_and_writes_each_leaf_once_although_it_was_cut(cli: Cli, ledger: Ledger, tmp_path: Path) -> None:
    for _ in range(5):
        ledger.write(consent_recorded=events.ConsentRecorded(purpose="a"))
    expected = [entry.SerializeToString() for entry in ledger.entries]
    ledger.cut_after = 2
    file = tmp_path / "log"
    shown = cli("audit", "replay", "--out", str(file))
    assert [line.split()[-1] for line in shown.splitlines()] == ["5", "1", "5"]
    raw, leaves = file.read_bytes(), []
    while raw:
        size = int.from_bytes(raw[:2], "big")
        leaves.append(raw[2 : 2 + size])
        raw = raw[2 + size :]
    assert leaves == expected
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_replay_as_json_lines_has_position_entry_and_leaf(cli: Cli, ledger: Ledger, tmp_path: Path) -> None:
    for _ in range(3):
        ledger.write(consent_recorded=events.ConsentRecorded(purpose="a"))
    lines = [json.loads(line) for line in cli("audit", "replay", "--from-position", "2", "--json").splitlines()]
    assert [line["position"] for line in lines] == ["2", "3"]
    assert lines[0]["entry"]["header"]["consent_recorded"]["purpose"] == "a" and lines[0]["leaf"]
    file = tmp_path / "log"
    assert cli.json("audit", "replay", "--out", str(file))["events"] == 3
    assert len(file.read_text().splitlines()) == 3


def test_a_replay_that_fails_leaves_no_file(cli: Cli, ledger: Ledger, tmp_path: Path) -> None:
    ledger.failing["ReplayEvents"] = [Reason.TENANT_UNKNOWN]
    cli("audit", "replay", "--out", str(tmp_path / "log"), code=1)
    assert list(tmp_path.iterdir()) == []


HEADER = "request_id,namespace,id,act,purpose,occurred_at\n"


def csv(path: Path, *purposes: str) -> str:
    ids = (f"00000000-0000-4000-8000-{number:012x}" for number in range(len(purposes)))
    rows = (
        f"{id},email,{PERSONAL},grant,{purpose},2024-01-31T09:30:00Z\n"
        for id, purpose in zip(ids, purposes, strict=True)
    )
    path.write_text(HEADER + "".join(rows))
    return str(path)


def test_an_import_goes_in_requests_of_500_on_one_stream_and_can_be_repeated(
    cli: Cli, ledger: Ledger, tmp_path: Path
) -> None:
    file = csv(tmp_path / "acts.csv", *["a"] * 1201)
    assert cli.json("import", file)["written"] == 1201
    (requests,) = ledger.seen
    assert [len(request.rows) for request in requests] == [500, 500, 201]
    again = cli.json("import", file)
    assert (again["written"], again["repeated"], again["rejected"]) == (0, 1201, 0)


def test_an_import_tells_which_rows_were_rejected_and_fails(cli: Cli, ledger: Ledger, tmp_path: Path) -> None:
    file = csv(tmp_path / "acts.csv", "a", "no purpose", "a", "unknown", "b")
    shown = cli("import", file, code=1)
    assert shown.split()[:6] == ["written", "3", "repeated", "0", "rejected", "2"]
    told = [line.split()[:4] for line in shown.splitlines() if line.startswith("acts.csv")]
    assert told == [
        ["acts.csv", "1", "INVALID_FIELD", "purpose"],
        ["acts.csv", "3", "PURPOSE_UNKNOWN", "consent.purpose"],
    ]
    assert PERSONAL not in shown
    cli("import", file, "--allow-rejected")


def test_a_cut_import_is_sent_again_as_a_whole(cli: Cli, ledger: Ledger, tmp_path: Path) -> None:
    ledger.failing["ImportConsents"] = [Reason.SHUTTING_DOWN]
    assert cli.json("import", csv(tmp_path / "acts.csv", *["a"] * 700))["written"] == 700
    first, *others = ledger.seen
    assert others and all(other == first for other in others)


def test_consent_records_are_imported_by_the_name_of_the_file(cli: Cli, ledger: Ledger, tmp_path: Path) -> None:
    record = {
        "@context": {"dpv": "https://w3id.org/dpv#", "dct": "http://purl.org/dc/terms/"},
        "dct:identifier": "record-1",
        "dpv:hasDataSubject": {"dct:identifier": ADA},
        "dpv:hasProcess": {"@type": "dpv:Process", "dpv:hasPurpose": {"@id": "https://w3id.org/dpv#Marketing"}},
        "dpv:hasConsentStatus": {"@type": "dpv:ConsentGiven", "dpv:isIndicatedAtTime": "2024-01-31T09:30:00Z"},
    }
    file = tmp_path / "records.jsonld"
    file.write_text(json.dumps([record, {"dct:identifier": PERSONAL}]))
    shown = cli.json("import", str(file), "--purpose", "https://w3id.org/dpv#Marketing=a", code=1)
    assert (shown["written"], shown["rejected"], shown["rejections"][0]["row"]) == (1, 1, 1)
    assert ledger.seen[-1][0].rows[0].consent.purpose == "a"


def test_a_file_without_the_needed_columns_is_refused_before_anything_is_sent(
    cli: Cli, ledger: Ledger, tmp_path: Path
) -> None:
    file = tmp_path / "acts.csv"
    file.write_text(f"id\n{PERSONAL}\n")
    cli("import", str(file), code=1)
    assert "acts.csv: request_id" in cli.err
    file.write_bytes(HEADER.encode() + b"\xff\n")
    cli("import", str(file), code=1)
    assert "not UTF-8" in cli.err
    assert ledger.seen == []


def test_loading_a_catalogue_creates_updates_and_leaves_what_stands(cli: Cli, ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "purposes.json"
    wanted = [{"id": "a"}, {"id": "b", "title": "B"}, {"id": "c", "dpvIri": "x"}, {"id": "d", "retired": True}]
    file.write_text(json.dumps({"purposes": wanted}))
    loaded = cli.json("purposes", "load", str(file))["entries"]
    assert [entry["result"] for entry in loaded] == ["unchanged", "updated", "created", "created, retired"]
    assert ledger.purposes["b"].version == 2 and ledger.purposes["d"].retired
    file.write_text(cli("purposes", "list", "--json"))
    again = cli.json("purposes", "load", str(file))["entries"]
    assert [entry["result"] for entry in again] == ["unchanged"] * 3 + ["unchanged, is retired"]


def test_a_refused_entry_of_a_catalogue_is_named(cli: Cli, ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "purposes.json"
    file.write_text(json.dumps([{"id": "c"}, {"id": "d"}]))
    ledger.failing["CreatePurpose"] = [Reason.REGIME_UNKNOWN]
    cli("purposes", "load", str(file), code=1)
    assert "REGIME_UNKNOWN" in cli.err and "entry: c" in cli.err
    assert "d" not in ledger.purposes


def test_updating_changes_what_is_given_under_the_version_that_was_read(cli: Cli, ledger: Ledger) -> None:
    ledger.purposes["a"] = events.Purpose(id="a", title="old", description="kept", version=7)
    cli("purposes", "update", "a", "--title", "new", "--basis", "gdpr=consent")
    assert ledger.seen[-1].purpose.version == 7
    kept = ledger.purposes["a"]
    assert (kept.title, kept.description, kept.bases[0].basis) == ("new", "kept", types.LEGAL_BASIS_CONSENT)


def test_a_published_notice_is_loaded_once_and_never_changed(cli: Cli, ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "notices.json"
    file.write_text(json.dumps([{"id": "n", "version": "n-1", "text": "We write to you."}]))
    assert cli.json("notices", "load", str(file))["entries"] == [{"id": "n-1", "result": "published"}]
    assert cli.json("notices", "load", str(file))["entries"] == [{"id": "n-1", "result": "unchanged"}]
    file.write_text(json.dumps([{"id": "n", "version": "n-1", "text": "We call you."}]))
    cli("notices", "load", str(file), code=1)
    assert "NOTICE_EXISTS" in cli.err


def test_a_notice_is_published_with_its_exact_text(cli: Cli, ledger: Ledger, tmp_path: Path) -> None:
    text = tmp_path / "notice.txt"
    text.write_bytes(b"one\r\ntwo\n")
    cli("notices", "publish", "n", "n-1", "--text", str(text), "--language", "en", "--material", "--purpose", "a")
    published = ledger.seen[-1].notice
    assert (published.text, published.material, list(published.purposes)) == ("one\r\ntwo\n", True, ["a"])
