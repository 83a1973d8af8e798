"""The receipt commands: what is fetched, what is written, and what a file is found to say."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.keys import VerifierKey
from consentledger.tlog.prooffile import verify_proof
from consentledger.v1 import audit_service_pb2 as audit
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import purpose_service_pb2 as catalogue
from consentledger.v1 import tenant_service_pb2 as tenants
from consentledger.v1 import types_pb2 as types
from tests.golden.documents import DENIAL, GRANT, OBJECTION, TREE, WITHDRAWAL, WITHDRAWAL_OF_ALL, golden_source
from tests.golden.events import ADA as PERSON
from tests.golden.leaves import stored
from tests.support.receipts import CONTROLLER, receipt_of
from tests.support.schemas import changed, errors
from tests.support.tiny_ledger import ADA, PERSONAL, Cli, Ledger, serving


class GoldenLedger(Ledger):
    """The golden log, served; the person of `ADA` is the golden Ada."""

    def __init__(self) -> None:
        super().__init__()
        self.leaves = [entry.leaf for entry in stored("consent")[0]][:TREE]
        self.entries = [events.LedgerEntry.FromString(leaf) for leaf in self.leaves]
        self.spoil = False

    def GetReceipt(self, request: Any) -> Any:
        if request.log == "other":
            raise LedgerError(Reason.LOG_UNKNOWN)
        receipt = receipt_of(self.leaves, request.position)
        if self.spoil:
            receipt.leaf = self.leaves[0]
        return audit.GetReceiptResponse(receipt=receipt)

    def GetTenant(self, request: Any) -> Any:
        return tenants.GetTenantResponse(tenant=golden_source(GRANT).tenant)

    def GetPurpose(self, request: Any) -> Any:
        [purpose] = [one for one in golden_source(WITHDRAWAL).purposes if one.id == request.purpose]
        return catalogue.GetPurposeResponse(purpose=purpose)

    def GetNotice(self, request: Any) -> Any:
        return catalogue.GetNoticeResponse(notice=golden_source(GRANT).notice)

    def GetSubjectHistory(self, request: Any) -> Any:
        if request.subject != types.SubjectRef(namespace="email", id=PERSONAL):
            raise LedgerError(Reason.SUBJECT_UNKNOWN)
        history = audit.GetSubjectHistoryResponse()
        for position, entry in enumerate(self.entries, 1):
            if entry.stream == PERSON.bytes:
                history.events.add(position=position, entry=entry)
        return history


@pytest.fixture
def ledger() -> GoldenLedger:
    return GoldenLedger()


@pytest.fixture
def cli(ledger: GoldenLedger, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    with serving(ledger) as address:
        yield Cli(address, capsys)


@pytest.fixture
def told(tmp_path: Path) -> str:
    file = tmp_path / "controller"
    file.write_text(json.dumps(CONTROLLER))
    return str(file)


def get(cli: Cli, position: int, *arguments: str, code: int = 0) -> str:
    return cli("receipt", "get", str(position), "--tenant", "acme", *arguments, code=code)


def show(cli: Cli, file: Path, code: int = 0) -> str:
    return cli("receipt", "show", str(file), code=code)


def test_a_tlog_proof_is_two_files_that_any_verifier_can_check(cli: Cli, ledger: GoldenLedger, tmp_path: Path) -> None:
    for name in ("ada", "ada.tlog-proof"):
        assert get(cli, GRANT, "--format", "tlog-proof", "--out", str(tmp_path / name)) == ""
        assert sorted(path.name for path in tmp_path.iterdir()) == ["ada.leaf", "ada.tlog-proof"]
    leaf, proof = (tmp_path / "ada.leaf").read_bytes(), (tmp_path / "ada.tlog-proof").read_bytes()
    assert leaf == ledger.leaves[GRANT - 1]
    key = VerifierKey.parse(receipt_of(ledger.leaves, GRANT).vkey)
    assert verify_proof(proof, leaf_hash(leaf), [key]).size == TREE
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    assert "granted marketing.email, explicitly" in show(cli, tmp_path / "ada.tlog-proof")


@pytest.mark.parametrize("position", [GRANT, DENIAL, WITHDRAWAL, WITHDRAWAL_OF_ALL, OBJECTION])
@pytest.mark.parametrize("form", ["iso27560", "iso27560-record"])
def test_a_document_is_valid_and_says_what_its_leaf_says(
    form: str, position: int, cli: Cli, told: str, tmp_path: Path
) -> None:
    file = tmp_path / "ada.json"
    get(cli, position, "--format", form, "--controller", told, "--out", str(file))
    document = json.loads(file.read_text())
    assert errors("receipt" if form == "iso27560" else "record", document) == []
    shown = show(cli, file)
    assert f"position   {position}" in shown and "ledger.example/consent" in shown and "compare the key" in shown
    assert file.stat().st_mode & 0o077 == 0


def test_a_kantara_receipt_is_valid_and_says_what_its_leaf_says(cli: Cli, told: str, tmp_path: Path) -> None:
    file = tmp_path / "ada.json"
    get(cli, GRANT, "--format", "kantara", "--controller", told, "--out", str(file))
    assert errors("kantara", json.loads(file.read_text())) == []
    assert "granted marketing.email" in show(cli, file)


def test_json_has_the_receipt_and_the_event(cli: Cli, ledger: GoldenLedger, tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    get(cli, 3, "--format", "json", "--out", str(file))
    found = json.loads(file.read_text())
    assert (found["position"], base64.b64decode(found["leaf"])) == ("3", ledger.leaves[2])
    assert found["entry"]["header"]["purpose_changed"]["purpose"]["id"] == "marketing.email"
    assert json.loads(get(cli, 3, "--format", "json")) == found
    assert "purpose marketing.email retired" in show(cli, file)


def test_the_person_is_named_only_if_the_act_is_theirs(cli: Cli, ledger: GoldenLedger) -> None:
    assert PERSONAL not in get(cli, GRANT)
    assert json.loads(get(cli, GRANT, "--subject", ADA))["dpv:hasRecordOfActivity"][0]["dpv:hasDataSubject"] == {
        "@id": f"urn:uuid:{PERSON}",
        "@type": "dpv:DataSubject",
        "dct:identifier": ADA,
    }
    [asked] = [one for one in ledger.seen if isinstance(one, audit.GetSubjectHistoryRequest)]
    assert asked.access.purpose == "receipt"
    for position, subject in ((WITHDRAWAL_OF_ALL, ADA), (GRANT, "email:nobody@example.org")):
        assert get(cli, position, "--subject", subject, code=1) == ""
        assert "field: subject" in cli.err


def test_what_nobody_told_is_said_on_stderr(cli: Cli, told: str) -> None:
    get(cli, GRANT)
    assert "claims no ISO/IEC TS 27560 profile; not told: pii_type, storage_locations" in cli.err
    get(cli, OBJECTION, "--controller", told)
    assert cli.err == ""


def test_a_proof_that_does_not_hold_is_not_written(cli: Cli, ledger: GoldenLedger, tmp_path: Path) -> None:
    ledger.spoil = True
    for form in ("tlog-proof", "json", "iso27560"):
        get(cli, GRANT, "--format", form, "--out", str(tmp_path / "x"), code=1)
        assert "field: receipt" in cli.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["8", "--format", "pdf"], 2, "one of tlog-proof"),
        (["8", "--format", "tlog-proof"], 2, "--out"),
        (["8", "--format", "json", "--subject", ADA], 2, "not in a tlog-proof or json"),
        (["8", "--log", "notifier"], 2, "--log"),
        (["8", "--format", "json", "--log", "other"], 1, "LOG_UNKNOWN"),
        (["8", "--format", "kantara"], 1, "mandatory in Kantara"),
        (["10", "--format", "kantara"], 1, "Kantara receipts can say nothing else"),
        (["3"], 1, "a choice, a withdrawal or an objection"),
        (["0"], 2, "POSITION"),
        (["8", "--out", "/no/such/folder/x"], 1, "cannot be written"),
    ],
)
def test_what_cannot_be_made_is_said(arguments: list[str], code: int, said: str, cli: Cli) -> None:
    assert cli("receipt", "get", "--tenant", "acme", *arguments, code=code) == ""
    assert said in cli.err


@pytest.mark.parametrize("content", ["{", '{"name": ""}', '{"planet": "x"}'])
def test_a_controller_that_cannot_be_read_is_said(content: str, cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "controller"
    file.write_text(content)
    assert get(cli, GRANT, "--controller", str(file), code=1) == ""
    assert "the controller's" in cli.err


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("dpv:hasConsentStatus", 0, "@type"), ["dpv:ConsentRefused"], "consent"),
        (("dpv:hasConsentStatus", 0, "@type"), ["dpv:ConsentWithdrawn"], "withdraw_purpose"),
        (("dpv:hasConsentStatus", 0, "dpv:isIndicatedAtTime"), "2020-01-01T00:00:00Z", "occurred_at"),
        (("dpv:hasConsentStatus", 0, "dpv:hasDuration"), {"@type": "dpv:EndlessDuration"}, "consent"),
        (("dpv:hasConsentStatus", 0, "cl:collector"), "elsewhere", "context"),
        (("dpv:hasConsentStatus", 0, "cl:evidenceSha256"), "zz", "cl:evidenceSha256"),
        (("dpv:hasProcess", 0, "dpv:hasPurpose", "dct:identifier"), "ads", "consent"),
        (("dpv:hasNotice", 0, "dct:identifier"), "m-2", "notice_version"),
        (("dpv:hasDataSubject", "@id"), "urn:uuid:00000000-0000-0000-0000-000000000001", "dpv:hasDataSubject"),
        (("dpv:hasDataSubject",), ..., "dpv:hasDataSubject"),
        (("dct:identifier",), "00000000-0000-0000-0000-000000000001", "dct:identifier"),
        (("dpv:hasProcess",), [], "dpv:hasPurpose"),
        (("@context",), "https://example.com/context", "@context"),
    ],
)
def test_a_record_that_was_changed_is_found_out(
    path: tuple[Any, ...], value: Any, said: str, cli: Cli, tmp_path: Path
) -> None:
    record = json.loads(get(cli, GRANT, "--format", "iso27560-record"))
    file = tmp_path / "ada.json"
    file.write_text(json.dumps(record))
    assert show(cli, file)
    file.write_text(json.dumps(changed(record, path, value)))
    assert show(cli, file, code=1) == ""
    assert "says something else than the leaf in it" in cli.err and said in cli.err


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("consentTimestamp",), 0),
        (("consentReceiptID",), "00000000-0000-0000-0000-000000000001"),
        (("consentLedger", "occurredAt"), "2020-01-01T00:00:00Z"),
        (("consentLedger", "expiresAt"), ...),
        (("consentLedger", "purposes"), ["ads"]),
        (("consentLedger", "explicit"), False),
        (("consentLedger", "more"), "x"),
    ],
)
def test_a_kantara_receipt_that_was_changed_is_found_out(
    path: tuple[Any, ...], value: Any, cli: Cli, told: str, tmp_path: Path
) -> None:
    receipt = json.loads(get(cli, GRANT, "--format", "kantara", "--controller", told))
    file = tmp_path / "ada.json"
    file.write_text(json.dumps(changed(receipt, path, value)))
    assert show(cli, file, code=1) == ""
    assert path[-1] in cli.err


@pytest.mark.parametrize("name", ["x.json", "x.tlog-proof"])
@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"tlog_proof": 1}', '{"cl:proof": {}}', "[" * 100_000])
def test_a_file_that_is_no_receipt_is_refused(name: str, content: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert show(cli, tmp_path / name, code=1) == ""
    (tmp_path / "x.leaf").write_text("leaf")
    assert show(cli, tmp_path / name, code=1) == ""
    assert "defect" not in cli.err


def test_a_proof_that_was_exchanged_is_found_out(cli: Cli, tmp_path: Path) -> None:
    receipt = json.loads(get(cli, GRANT, "--format", "json"))
    other = json.loads(get(cli, DENIAL, "--format", "json"))
    file = tmp_path / "ada.json"
    file.write_text(json.dumps(receipt | {"tlog_proof": other["tlog_proof"]}))
    assert show(cli, file, code=1) == ""
    assert "field: receipt" in cli.err
