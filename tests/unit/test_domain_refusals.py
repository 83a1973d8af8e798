"""Withdrawals, denials and objections: they need nothing, always succeed, and stand until a newer grant."""

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.store.moment import Moment
from services.consent.domain import consent
from services.consent.domain.group import Standing
from services.consent.domain.person import Collected
from tests.property import commands as do
from tests.property.play import Sides, played

CONSENT = (("plain", "CONSENT"),)
BEGIN: do.History = (do.Define("a", CONSENT), do.Define("b", (("plain", "OPT_OUT"),)), do.Publish("n"), do.Home("AA"))
NOTHING = Collected()


def _grant(told: int | None = None, gap: int = 0) -> do.Record:
    return do.Record("p0", (do.Choose("a"), do.Choose("b")), told=told, age=1, gap=gap)


def _at(sides: Sides) -> Moment:
    return Moment(sides.position, sides.clock + 1, 1)


def _withdraw(sides: Sides, purposes: tuple[str, ...], told_us: int | None) -> list[Standing]:
    return consent.withdraw(
        sides.group("p0"), _at(sides), purposes, occurred_us=told_us, collected=NOTHING, personal=b""
    )


def test_one_who_was_never_seen_may_withdraw() -> None:
    sides = played(*BEGIN, do.Refuse("p0"))
    assert (sides.why(), sides.why(purpose="b")) == ("WITHDRAWN", "WITHDRAWN")


def test_withdrawing_all_covers_purposes_made_later_until_a_newer_grant() -> None:
    sides = played(*BEGIN, do.Refuse("p0"), do.Define("d", CONSENT))
    assert sides.why(purpose="d") == "WITHDRAWN"
    assert sides.refusal(do.Record("p0", (do.Choose("d"),), age=1)) is None
    assert (sides.why(purpose="d"), sides.why()) == ("GRANTED", "WITHDRAWN")


def test_a_late_older_grant_never_undoes_a_newer_withdrawal() -> None:
    assert played(*BEGIN, do.Refuse("p0", ("a",), gap=5), _grant(told=2, gap=1)).why() == "WITHDRAWN"


def test_a_withdrawal_without_a_told_time_beats_a_grant_from_a_clock_ahead() -> None:
    assert played(*BEGIN, _grant(told=do.AHEAD), do.Refuse("p0", ("a",))).why() == "WITHDRAWN"


def test_an_older_withdrawal_is_recorded_and_said_to_be_superseded() -> None:
    sides = played(*BEGIN, _grant(gap=5))
    (standing,) = _withdraw(sides, ("a",), do.START_US)
    assert (standing.state.name, standing.superseded) == ("GRANTED", True)
    assert len(sides.people["p0"].pending_events) == 1


def test_a_withdrawal_that_stands_is_not_said_to_be_superseded() -> None:
    sides = played(*BEGIN, _grant())
    assert [(s.state.name, s.superseded) for s in _withdraw(sides, (), None)] == [("WITHDRAWN", False)] * 2


def test_an_unknown_purpose_is_refused_and_nothing_is_withdrawn() -> None:
    sides = played(*BEGIN, _grant())
    assert sides.refusal(do.Refuse("p0", ("a", "z"))) == "PURPOSE_UNKNOWN"
    assert sides.why() == "GRANTED"


def test_only_what_was_allowed_is_named_as_revoked() -> None:
    sides = played(*BEGIN, do.Refuse("p0", objection=True), do.Refuse("p0"))
    assert [e.revoked for e in sides.log[-2:]] == [("b",), ()]


@pytest.mark.parametrize("basis", ["CONSENT", "EXPLICIT_CONSENT", "OPT_OUT", "LEGITIMATE_INTEREST"])
def test_a_change_of_basis_lifts_no_refusal(basis: str) -> None:
    sides = played(*BEGIN, _grant(), do.Refuse("p0", ("a",)))
    for new in ("CONTRACT", basis):
        assert sides.refusal(do.Define("a", (("plain", new),))) is None
    assert sides.why() == "WITHDRAWN"


def test_while_an_erasure_runs_a_withdrawal_is_acknowledged_and_changes_nothing() -> None:
    sides = played(*BEGIN, _grant())
    sides.people["p0"].state.erasing = True
    standing = _withdraw(sides, (), None)
    assert [s.superseded for s in standing] == [False, False]
    assert not sides.people["p0"].pending_events


def test_while_an_erasure_runs_recording_and_restricting_are_refused() -> None:
    sides = played(*BEGIN)
    sides.people["p0"].state.erasing = True
    assert sides.refusal(_grant()) == "ERASURE_IN_PROGRESS"
    with pytest.raises(LedgerError) as refused:
        consent.restrict(sides.group("p0"), _at(sides), restricted=True, collected=NOTHING, personal=b"")
    assert refused.value.reason is Reason.ERASURE_IN_PROGRESS
