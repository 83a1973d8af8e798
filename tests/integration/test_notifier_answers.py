"""What downstreams answer: recorded once, refused when it is not theirs to say, and never lost."""

from pathlib import Path
from uuid import uuid4

from consentledger.client.obligation import Obligation, Outcome, enforced
from consentledger.client.subjects import ack_subject
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns
from tests.support.nats import eventually
from tests.support.notifier import ADA, world


async def test_a_foreign_or_unknown_answer_is_refused_and_holds_up_nobody(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        await w.register("lake", ["*"])
        w.consent.withdraw(ADA, ["p"])
        await w.standing(SENT=2)
        [mine] = await w.obligations(downstream="mailer")
        [other] = await w.obligations(downstream="lake")
        id = mine.id
        bus = await w.nats.bus()
        said = ns.Acknowledgement(obligation=id, outcome=ev.OBLIGATION_STATE_ENFORCED, evidence={"method": "x"})
        unknown = ns.Acknowledgement(obligation=str(uuid4()), outcome=said.outcome, evidence=said.evidence)
        vague = ns.Acknowledgement(obligation=id, outcome=ev.OBLIGATION_STATE_ENFORCED)
        invented = ns.Acknowledgement(obligation=id, outcome=ev.OBLIGATION_STATE_SENT)
        for subject, body in (
            (ack_subject("acme", "lake", id), said.SerializeToString()),
            (ack_subject("other", "mailer", id), said.SerializeToString()),
            (ack_subject("acme", "mailer", other.id), said.SerializeToString()),
            (ack_subject("acme", "mailer", unknown.obligation), unknown.SerializeToString()),
            (ack_subject("acme", "mailer", id), b"\xff\xff"),
            (f"ack.acme.mailer.{id}.more", said.SerializeToString()),
            (ack_subject("acme", "mailer", id), vague.SerializeToString()),
            (ack_subject("acme", "mailer", id), invented.SerializeToString()),
        ):
            await bus.request(subject, body)
        await eventually(lambda: sum(w.service.refused_acks().values()) == 8)
        assert w.service.refused_acks() == {"OBLIGATION_UNKNOWN": 4, "MALFORMED_MESSAGE": 2, "INVALID_FIELD": 2}
        assert await w.states() == {"SENT": 2}
        await bus.request(ack_subject("acme", "mailer", id), said.SerializeToString())
        await w.standing(SENT=1, ENFORCED=1)


async def test_a_repeated_answer_changes_nothing_and_a_contradicting_one_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        w.consent.withdraw(ADA, ["p"])
        await w.standing(SENT=1)
        [obligation] = await w.obligations()
        bus = await w.nats.bus()

        async def say(outcome: ev.ObligationState, reason: str = "") -> None:
            evidence = ev.Evidence(method="suppressed", failure_reason=reason)
            said = ns.Acknowledgement(obligation=obligation.id, outcome=outcome, evidence=evidence)
            await bus.request(ack_subject("acme", "mailer", obligation.id), said.SerializeToString())

        await say(ev.OBLIGATION_STATE_FAILED, "disk-full")
        await say(ev.OBLIGATION_STATE_ENFORCED)
        await w.standing(ENFORCED=1)
        head = (await w.store.head()).position
        await say(ev.OBLIGATION_STATE_ENFORCED)
        await say(ev.OBLIGATION_STATE_RECEIVED)
        await say(ev.OBLIGATION_STATE_FAILED, "changed-my-mind")
        await eventually(lambda: w.service.refused_acks() == {"OBLIGATION_CLOSED": 1})
        assert (await w.store.head()).position == head
        assert await w.states() == {"ENFORCED": 1}


async def test_an_answer_given_while_the_notifier_is_down_is_recorded_at_start(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        w.consent.withdraw(ADA, ["p"])
        await w.standing(SENT=1)
        await w.crash()
        client = await w.listen("mailer")
        await eventually(lambda: client.answered == 1)
        await w.start()
        await w.standing(ENFORCED=1)


async def test_a_downstream_killed_after_enforcing_is_handed_it_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        enforcing = 0

        async def dies(obligation: Obligation) -> Outcome:
            nonlocal enforcing
            enforcing += 1
            if enforcing == 1:
                raise RuntimeError("killed before answering")
            return enforced("suppressed", 0)

        await w.listen("mailer", dies)
        w.consent.withdraw(ADA, ["p"])
        await w.standing(ENFORCED=1)
        assert [o.ledger_position for o in w.got["mailer"]] == [1, 1]
