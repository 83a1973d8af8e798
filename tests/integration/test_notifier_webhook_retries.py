"""Downstreams that are told by webhook: when it is tried again, in which order, and who waits for whom."""

from pathlib import Path

from consentledger.v1 import events_pb2 as ev
from consentledger.webhook.schedule import DELAYS_S
from tests.support.nats import eventually
from tests.support.notifier import ADA, BEA
from tests.support.receivers import Received, answer, forever
from tests.support.webhooks import hooked

ENFORCED = answer(200, b'{"outcome":"enforced","method":"suppressed","records_affected":2}')
LATER = 1.21
"""Jitter makes a wait up to a fifth longer."""


async def test_a_receiver_that_fails_for_ever_is_tried_by_the_schedule_and_slows_no_other(tmp_path: Path) -> None:
    async with hooked(tmp_path) as h:
        broken = await h.hook("broken", lambda got: answer(500), purposes=["a"])
        well = await h.hook("well", lambda got: ENFORCED, purposes=["b"])
        await h.world.register("mailer", ["b"])
        await h.world.listen("mailer")
        h.world.consent.withdraw(ADA, ["a"])
        for attempt, delay in enumerate(DELAYS_S[1:], 1):
            await h.waiting(attempt)
            h.clock.advance(delay - 0.001)
            h.world.consent.withdraw(BEA, ["b"])
            await h.world.standing(SENT=1, ENFORCED=2 * attempt)
            assert (len(broken.got), len(well.got)) == (attempt, attempt)
            h.clock.advance(delay * LATER - delay)
        await h.world.standing(DEAD=1, ENFORCED=2 * len(DELAYS_S[1:]))
        [dead] = await h.world.obligations(state=ev.OBLIGATION_STATE_DEAD)
        assert dead.evidence.failure_reason == "exhausted"
        assert len(broken.got) == len(DELAYS_S)
        assert {got.headers["webhook-id"] for got in broken.got} == {dead.id}
        assert len({got.body for got in broken.got}) == 1
        stamps = [int(got.headers["webhook-timestamp"]) for got in broken.got]
        assert stamps == sorted(set(stamps))
        await h.nothing_kept()


async def test_a_receiver_that_hangs_slows_no_other(tmp_path: Path) -> None:
    async with hooked(tmp_path) as h:
        hanging = await h.hook("hanging", forever)
        await h.hook("well", lambda got: ENFORCED)
        for n in range(50):
            h.world.consent.withdraw((ADA, BEA)[n % 2], [f"p{n}"])
        await eventually(lambda: hanging.connections == 2)

        async def well() -> bool:
            return (await h.world.states(downstream="well"))["ENFORCED"] == 50

        await eventually(well, 20)
        assert (await h.world.states(downstream="hanging"))["RECEIVED"] == 0
        assert hanging.connections == 2, "one at a time for each person"


async def test_what_was_acknowledged_meanwhile_is_not_tried_again(tmp_path: Path) -> None:
    async with hooked(tmp_path) as h:
        hook = await h.hook("shop", lambda got: answer(500))
        h.world.consent.withdraw(ADA, ["a"])
        await h.waiting(1)
        await h.acknowledge((await h.world.obligations())[0].id)
        h.clock.advance(100)
        await h.waiting()
        h.world.consent.withdraw(ADA, ["b"])  # the earlier one is done with and holds up none
        await eventually(lambda: len(hook.got) == 2)
        assert [got.data["purposes"] for got in hook.got] == [["a"], ["b"]]


async def test_a_persons_obligations_arrive_in_order_and_another_persons_do_not_wait(
    tmp_path: Path, store_url: str
) -> None:
    async with hooked(tmp_path, store_url) as h:
        failing = True

        def answering(got: Received) -> bytes:
            return answer(500) if failing and got.data["ids"] == ["ada@example.org"] else ENFORCED

        hook = await h.hook("shop", answering)
        positions = []
        for n in range(6):
            positions.append(h.world.consent.withdraw(ADA, [f"p{n}"]))
            h.world.consent.withdraw(BEA, [f"p{n}"])
            if n == 2:
                await h.waiting(0, 0, 1)
        await h.waiting(0, 0, 0, 0, 0, 1)
        await h.world.standing(ENFORCED=6, SENT=6)
        failing = False
        h.clock.advance(5 * LATER)
        await h.world.standing(ENFORCED=12)
        of_ada = [got.data["ledger_position"] for got in hook.got if got.data["ids"] == ["ada@example.org"]]
        assert of_ada == [positions[0], *positions]
        await h.nothing_kept()


async def test_a_later_obligation_goes_on_when_the_earlier_one_is_dead(tmp_path: Path) -> None:
    async with hooked(tmp_path) as h:
        hook = await h.hook("shop", lambda got: answer(500) if got.data["purposes"] == ["a"] else ENFORCED)
        h.world.consent.withdraw(ADA, ["a"])
        h.world.consent.withdraw(ADA, ["b"])
        for attempt, delay in enumerate(DELAYS_S[1:], 1):
            await h.waiting(0, attempt)
            h.clock.advance(delay * LATER)
        await h.world.standing(DEAD=1, ENFORCED=1)
        assert [got.data["purposes"] for got in hook.got] == [["a"]] * len(DELAYS_S) + [["b"]]


async def test_an_overloaded_receiver_is_left_alone_for_as_long_as_it_asks(tmp_path: Path) -> None:
    async with hooked(tmp_path) as h:
        hook = await h.hook("shop", lambda got: answer(429, Retry_After="1000"))
        h.world.consent.withdraw(ADA, ["a"])
        await h.waiting(1)
        h.world.consent.withdraw(BEA, ["a"])
        await h.waiting(0, 1)
        h.clock.advance(999)
        h.world.consent.withdraw(BEA, ["b"])
        await h.waiting(0, 0, 1)
        assert len(hook.got) == 1
        hook.answering = lambda got: ENFORCED
        h.clock.advance(1000 * LATER - 999)
        await h.world.standing(ENFORCED=3)


async def test_a_paused_webhook_gets_what_waited_when_it_is_resumed(tmp_path: Path) -> None:
    async with hooked(tmp_path) as h:
        hook = await h.hook("shop", lambda got: answer(500))
        h.world.consent.withdraw(ADA, ["a"])
        await h.waiting(1)
        standing = await h.standing_as("shop")
        paused = await h.world.update(standing, paused=True)
        h.clock.advance(100)
        await h.waiting()
        h.world.consent.withdraw(BEA, ["a"])
        await h.world.standing(SENT=1, PENDING=1)
        assert len(hook.got) == 1
        hook.answering = lambda got: ENFORCED
        await h.world.update(paused, paused=False)
        await h.world.standing(ENFORCED=2)


async def test_nothing_is_tried_again_about_somebody_who_was_erased_meanwhile(tmp_path: Path, store_url: str) -> None:
    async with hooked(tmp_path, store_url) as h:
        hook = await h.hook("shop", lambda got: answer(500))
        h.world.consent.withdraw(ADA, ["a"])
        h.world.consent.withdraw(BEA, ["a"])
        await h.waiting(1, 1)
        header = ev.EventHeader()
        header.key_destroyed.erasure_id = b"e" * 16
        h.world.consent.append(header, "key.destroyed.v1", stream=ADA)

        async def noted() -> bool:
            return bool(await h.world.store.read("SELECT 1 FROM ended"))

        await eventually(noted)
        h.clock.advance(5 * LATER)
        await h.waiting(2)
        assert [got.data["ids"] for got in hook.got[2:]] == [["bea@example.org"]]
