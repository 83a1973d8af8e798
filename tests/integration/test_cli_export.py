"""`consentledger audit export`: the file is whole or not there, whatever happens to the connection meanwhile."""

import io
import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.v1 import audit_service_pb2 as audit
from consentledger_verify.problems import Problem
from consentledger_verify.trust import Trust
from consentledger_verify.verify import verify
from tests.support.madeexport import Case, Parties
from tests.support.madelog import made_log
from tests.support.tiny_ledger import Cli, Ledger, serving

CHUNK = 7


class Exporting(Ledger):
    """A made log, served as ExportLog promises."""

    def __init__(self) -> None:
        super().__init__()
        chance = random.Random(5)
        self.case = Case.of(made_log(chance, 80, erasures=0.2), Parties.of(chance))
        self.size = 80
        self.grown: list[int] = []
        """What the log will have grown to at each later call."""
        self.cuts: list[int] = []
        """Positions after which the next calls are cut."""
        self.erased_meanwhile = 0
        """How far erasures have come by the time that entries are read."""
        self.short = False

    async def ExportLog(self, r: Any) -> AsyncIterator[Any]:
        size = self.size
        if self.grown:
            self.size = self.grown.pop(0)
        first, last = r.from_position or 1, r.to_position or size
        if first > last:
            raise LedgerError(Reason.POSITION_UNKNOWN)
        witnesses = ("w1.example",) if r.to_position == 60 else ()
        head = 60 if witnesses else size
        yield audit.ExportLogResponse(header=self.case.header(first, last, head, r.tenants, witnesses))
        seen = max(head, self.erased_meanwhile)
        entries = self.case.entries(first, last, seen, r.tenants, ciphertexts=r.ciphertexts)
        cut = self.cuts.pop(0) if self.cuts else last + 1
        for start in range(first, last + 1, CHUNK):
            some = entries[start - first : start - first + CHUNK]
            if start > cut:
                raise LedgerError(Reason.SHUTTING_DOWN)
            yield audit.ExportLogResponse(entries=some[:-1] if self.short else some)

    def GetCheckpoint(self, r: Any) -> Any:
        return audit.GetCheckpointResponse(size=self.size, witnessed_size=0 if r.log == "notifier" else 60)


@pytest.fixture
def ledger() -> Exporting:
    return Exporting()


@pytest.fixture
def cli(ledger: Exporting, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    with serving(ledger) as address:
        yield Cli(address, capsys)


def problems(ledger: Exporting, file: Path) -> list[str]:
    trust = Trust("given", (ledger.case.parties.log.verifier,))
    view = verify(io.BytesIO(file.read_bytes()), ledger.case.asked(trust=trust, pins=(ledger.case.pin(30),)))
    return [str(found.problem) for found in view.found.problems]


def test_an_export_is_the_same_file_however_often_it_was_cut(cli: Cli, ledger: Exporting, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    cli("audit", "export", "--out", str(whole), "--ciphertexts")
    assert whole.read_bytes() == ledger.case.file(witnesses=())
    ledger.cuts = [1, 30, 31, 79]
    cli("audit", "export", "--out", str(cut), "--ciphertexts")
    assert cut.read_bytes() == whole.read_bytes()
    assert problems(ledger, whole) == []
    assert whole.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "whole"]


def test_a_log_that_grows_meanwhile_changes_nothing(cli: Cli, ledger: Exporting, tmp_path: Path) -> None:
    ledger.size, ledger.grown, ledger.cuts = 50, [60, 80], [20, 40]
    file = tmp_path / "log"
    assert cli.json("audit", "export", "--out", str(file))["last_position"] == 50
    assert file.read_bytes() == ledger.case.file(size=50, ciphertexts=False, witnesses=())
    assert problems(ledger, file) == []


def test_tenants_are_whole_only_if_they_are_named(cli: Cli, ledger: Exporting, tmp_path: Path) -> None:
    file = tmp_path / "log"
    for arguments in (
        ["audit", "export", "--tenant", "acme", "--tenant", "beta"],
        ["--tenant", "acme", "audit", "export", "--tenant", "acme", "--tenant", "beta"],
    ):
        told = cli.json(*arguments, "--out", str(file))
        assert told["tenants"] == ["acme", "beta"] and told["redacted"] > 0
        assert file.read_bytes() == ledger.case.file(tenants=["acme", "beta"], ciphertexts=False, witnesses=())
    told = cli.json("--tenant", "acme", "audit", "export", "--out", str(file))
    assert told["tenants"] == ["acme"], "a tenant named before the command is no different"
    assert cli.json("audit", "export", "--out", str(file))["tenants"] == []


def test_a_part_is_exported_with_what_binds_it_to_the_rest(cli: Cli, ledger: Exporting, tmp_path: Path) -> None:
    file = tmp_path / "log"
    ledger.cuts = [15]
    cli("audit", "export", "--out", str(file), "--from-position", "11", "--to-position", "40")
    assert file.read_bytes() == ledger.case.file(11, 40, 80, ciphertexts=False, witnesses=())
    assert problems(ledger, file) == []


def test_what_witnesses_have_seen_can_be_exported_alone(cli: Cli, ledger: Exporting, tmp_path: Path) -> None:
    file = tmp_path / "log"
    assert cli.json("audit", "export", "--out", str(file), "--witnessed")["last_position"] == 60
    assert "w1.example" in json.loads(file.read_bytes().splitlines()[0])["cosignatures"]
    cli("audit", "export", "--out", str(tmp_path / "no"), "--witnessed", "--log", "notifier", code=1)
    assert "no witness" in cli.err
    cli("audit", "export", "--out", str(tmp_path / "no"), "--witnessed", "--to-position", "5", code=2)


def test_an_export_that_cannot_be_finished_leaves_no_file(cli: Cli, ledger: Exporting, tmp_path: Path) -> None:
    ledger.failing["ExportLog"] = [Reason.LOG_UNKNOWN]
    cli("audit", "export", "--out", str(tmp_path / "log"), "--log", "other", code=1)
    ledger.short = True
    cli("audit", "export", "--out", str(tmp_path / "log"), code=1)
    assert "INTERNAL" in cli.err
    ledger.short, ledger.cuts = False, [20] * 9
    cli("audit", "export", "--out", str(tmp_path / "log"), code=3)
    cli("audit", "export", "--out", str(tmp_path / "no" / "log"), code=1)
    cli("audit", "export", "--out", str(tmp_path / "log"), "--from-position", "9", "--to-position", "8", code=2)
    assert list(tmp_path.iterdir()) == []


def test_somebody_erased_while_it_was_made_raises_no_alarm(cli: Cli, ledger: Exporting, tmp_path: Path) -> None:
    gone = next(p for p in ledger.case.log.persons.values() if p.destroyed and p.erased > 20)
    file = tmp_path / "log"
    ledger.size, ledger.grown, ledger.erased_meanwhile = gone.erased - 1, [80], gone.destroyed
    assert cli.json("audit", "export", "--out", str(file), "--ciphertexts")["last_position"] == 80
    assert problems(ledger, file) == []


def test_ciphertexts_that_are_gone_for_no_reason_are_written_down_as_gone(
    cli: Cli, ledger: Exporting, tmp_path: Path
) -> None:
    gone = next(p for p in ledger.case.log.persons.values() if p.destroyed and p.erased > 20)
    file = tmp_path / "log"
    ledger.size, ledger.grown, ledger.erased_meanwhile = gone.erased - 1, [], gone.destroyed
    cli("audit", "export", "--out", str(file), "--ciphertexts")
    assert Problem.CIPHERTEXT_MISSING in problems(ledger, file)
    calls = [one for one in ledger.seen if isinstance(one, audit.ExportLogRequest)]
    assert len(calls) == 3
