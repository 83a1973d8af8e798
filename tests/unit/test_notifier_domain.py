"""The rules of enforcement: whom a revocation concerns, and which steps an obligation may take."""

from itertools import product

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.store.moment import Moment
from services.notifier.domain.downstream import DownstreamDef, Downstreams, register, update
from services.notifier.domain.obligation import STEPS, Evidence, Obligation, Step, advances
from services.notifier.domain.revocation import Revocation, due

AT = 1_700_000_000_000_000
REVOCATION = Revocation("acme", 7, b"p" * 16, ("a", "b"), "consent.withdrawn.v1", AT)


def _downstream(id: str = "mailer", *purposes: str, **fields: object) -> DownstreamDef:
    return DownstreamDef(id, 1, purposes or ("*",), "email", **fields)  # type: ignore[arg-type]


def _moment() -> Moment:
    return Moment(0, AT, 1)


def _obligation() -> Obligation:
    known = Downstreams.open("acme", _downstream(), _moment())
    [made] = due(REVOCATION, known)
    return made.make(_moment())


@pytest.mark.parametrize(
    ("receives", "revoked", "concerned"),
    [
        (("a",), ("a", "b"), ("a",)),
        (("c",), ("a", "b"), ()),
        (("*",), ("a", "b"), ("a", "b")),
        (("a",), ("*",), ("*",)),
        (("*",), ("*",), ("*",)),
        (("a",), ("b", "*"), ("*",)),
        (("a", "b"), ("b", "b", "a"), ("b", "a")),
        (("a",), (), ()),
    ],
)
def test_a_downstream_is_told_of_the_purposes_it_receives(
    receives: tuple[str, ...], revoked: tuple[str, ...], concerned: tuple[str, ...]
) -> None:
    assert _downstream("mailer", *receives).concerned(revoked) == concerned


def test_a_list_too_long_for_one_event_stops_everything_rather_than_too_little() -> None:
    assert _downstream().concerned(tuple(f"{n:0100}" for n in range(200))) == ("*",)


def test_the_deadline_is_the_downstreams_own_or_a_day() -> None:
    assert _downstream().due_us(AT) - AT == 86_400_000_000
    assert _downstream(enforce_within_s=60).due_us(AT) - AT == 60_000_000


def test_a_paused_downstream_is_owed_like_any_other() -> None:
    known = Downstreams.open("acme", _downstream("mailer", paused=True), _moment())
    assert len(list(due(REVOCATION, known))) == 1


def test_the_same_revocation_always_makes_the_same_obligation_and_no_two_share_one() -> None:
    known = Downstreams.open("acme", _downstream("mailer"), _moment())
    register(known, _downstream("lake"), _moment())
    ids = [d.id for d in due(REVOCATION, known)]
    assert ids == [d.id for d in due(REVOCATION, known)]
    assert len(set(ids)) == 2


def test_registering_a_taken_id_is_refused_and_takes_no_position() -> None:
    known, at = Downstreams.open("acme", _downstream(), _moment()), _moment()
    with pytest.raises(LedgerError) as refused:
        register(known, _downstream(), at)
    assert refused.value.reason is Reason.DOWNSTREAM_EXISTS
    assert at.position == 0


def test_an_update_that_changes_nothing_records_nothing() -> None:
    known, at = Downstreams.open("acme", _downstream(), _moment()), _moment()
    assert not update(known, _downstream(), at)
    assert update(known, _downstream(paused=True, version=1), at)
    assert known.members["mailer"].version == 2
    with pytest.raises(LedgerError) as refused:
        update(known, _downstream(version=1), at)
    assert refused.value.reason is Reason.CATALOGUE_CONFLICT


@pytest.mark.parametrize(("now", "to"), list(product(Step, Step)))
def test_a_step_goes_forward_or_says_nothing_new_or_contradicts(now: Step, to: Step) -> None:
    if (now, to) == (Step.ENFORCED, Step.FAILED):
        with pytest.raises(LedgerError) as refused:
            advances(now, to)
        assert refused.value.reason is Reason.OBLIGATION_CLOSED
        return
    forward = {
        (Step.PENDING, Step.SENT),
        (Step.PENDING, Step.RECEIVED),
        (Step.PENDING, Step.ENFORCED),
        (Step.PENDING, Step.FAILED),
        (Step.SENT, Step.RECEIVED),
        (Step.SENT, Step.ENFORCED),
        (Step.SENT, Step.FAILED),
        (Step.RECEIVED, Step.ENFORCED),
        (Step.RECEIVED, Step.FAILED),
        (Step.FAILED, Step.ENFORCED),
        (Step.PENDING, Step.DEAD),
        (Step.SENT, Step.DEAD),
        (Step.DEAD, Step.RECEIVED),
        (Step.DEAD, Step.ENFORCED),
        (Step.DEAD, Step.FAILED),
    }
    assert advances(now, to) is ((now, to) in forward)


def test_no_step_leads_back_to_where_it_came_from() -> None:
    def reachable(step: Step) -> set[Step]:
        return set().union(*({n} | reachable(n) for n in STEPS[step]))

    assert all(step not in reachable(step) for step in Step)


def test_an_answer_that_overtakes_the_record_of_sending_stands() -> None:
    obligation, at = _obligation(), _moment()
    assert obligation.acknowledge(Step.ENFORCED, Evidence(method="suppressed"), at)
    assert not obligation.mark_sent(1, at)
    assert obligation.step is Step.ENFORCED


def test_evidence_carries_the_ledgers_own_time_whatever_was_told() -> None:
    obligation, at = _obligation(), _moment()
    obligation.acknowledge(Step.ENFORCED, Evidence(method="suppressed", received_us=1), at)
    assert obligation.evidence == Evidence(method="suppressed", received_us=AT)


def test_a_refused_contradiction_takes_no_position_and_changes_nothing() -> None:
    obligation = _obligation()
    obligation.acknowledge(Step.ENFORCED, Evidence(method="suppressed"), _moment())
    before, at = obligation.version, _moment()
    with pytest.raises(LedgerError):
        obligation.acknowledge(Step.FAILED, Evidence(failure_reason="no"), at)
    assert (obligation.version, obligation.step, at.position) == (before, Step.ENFORCED, 0)
