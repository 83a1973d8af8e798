"""What a downstream builds on: subjects that cannot be confused, evidence, and a list where the newest word wins."""

from itertools import permutations

from consentledger.client.gate import SuppressionList
from consentledger.client.obligation import RECEIVED, Obligation, enforced, failed
from consentledger.client.subjects import ack_subject, consumer_name, permissions, read_ack_subject
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns

ID = "00000000-0000-4000-8000-000000000001"


def test_no_two_downstreams_share_a_consumer() -> None:
    assert consumer_name("a", "b--c") != consumer_name("a--b", "c")
    assert consumer_name("a-", "b") != consumer_name("a", "-b")


def test_an_answers_subject_says_who_speaks() -> None:
    assert read_ack_subject(ack_subject("acme", "mailer", ID)) == ("acme", "mailer", ID)
    for other in (f"ack.acme.{ID}", f"ack.acme.mailer.more.{ID}", f"ack.Acme.mailer.{ID}", "ack.acme.mailer.x", ""):
        assert read_ack_subject(other) is None


def test_a_downstreams_rights_name_nothing_but_its_own() -> None:
    publish, subscribe = permissions("acme", "mailer")
    assert all("acme_mailer" in s or s == "ack.acme.mailer.>" for s in publish + subscribe)


def test_what_is_told_holds_the_evidence() -> None:
    told = ns.Acknowledgement.FromString(enforced("suppressed", 3, at_us=5_000_001).message(ID))
    assert (told.obligation, told.outcome) == (ID, ev.OBLIGATION_STATE_ENFORCED)
    assert (told.evidence.method, told.evidence.records_affected) == ("suppressed", 3)
    assert told.evidence.enforced_at.ToMicroseconds() == 5_000_001
    told = ns.Acknowledgement.FromString(failed("disk-full").message(ID))
    assert (told.outcome, told.evidence.failure_reason) == (ev.OBLIGATION_STATE_FAILED, "disk-full")
    assert ns.Acknowledgement.FromString(RECEIVED.message(ID)).outcome == ev.OBLIGATION_STATE_RECEIVED


def test_an_obligation_does_not_print_whom_it_is_about() -> None:
    message = ns.ObligationMessage(obligation=ID, purposes=["a"], namespace="email", ids=["ada@example.org"])
    obligation = Obligation.read(message.SerializeToString())
    assert obligation.ids == ("ada@example.org",)
    assert "ada" not in repr(obligation)
    assert obligation.covers("a")
    assert not obligation.covers("b")


def test_the_newest_word_wins_in_whatever_order_words_arrive() -> None:
    for order in permutations(((1, True), (2, False), (3, True))):
        words = SuppressionList()
        for position, stopped in order:
            if stopped:
                words.suppress("ada", ["a"], position)
            else:
                words.allow("ada", "a", position)
        assert words.suppressed("ada", "a")


def test_a_revocation_delivered_again_does_not_undo_a_newer_grant() -> None:
    words = SuppressionList()
    assert words.suppress("ada", ["a"], 1)
    assert words.allow("ada", "a", 2)
    assert not words.suppress("ada", ["a"], 1)
    assert not words.suppressed("ada", "a")


def test_a_revocation_of_everything_covers_every_purpose_until_a_newer_grant_of_it() -> None:
    words = SuppressionList()
    words.allow("ada", "a", 1)
    words.suppress("ada", ["*"], 2)
    assert words.suppressed("ada", "a")
    assert words.suppressed("ada", "never-heard-of")
    words.allow("ada", "a", 3)
    assert not words.suppressed("ada", "a")
    assert words.suppressed("ada", "b")
    assert not words.suppressed("bea", "a")


def test_a_change_of_the_catalogue_ends_older_grants_of_everybody() -> None:
    words = SuppressionList()
    words.allow("ada", "a", 1)
    words.suppress_everybody(["a"], 2)
    words.allow("bea", "a", 3)
    assert words.suppressed("ada", "a")
    assert words.suppressed("nobody-yet", "a")
    assert not words.suppressed("bea", "a")
