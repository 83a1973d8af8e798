"""Nothing is lost, doubled in the log or reordered: through restarts, crashes, wiped carriers, gaps and bad answers."""

from pathlib import Path

from consentledger.bus.streams import enforce_stream, purge_subject
from consentledger.v1 import events_pb2 as ev
from services.notifier.keeper import rebuild_enforce
from services.notifier.projection import carry
from tests.support.nats import eventually
from tests.support.notifier import ADA, BEA, World, world


async def test_taking_the_same_entries_again_makes_no_second_obligation(tmp_path: Path, store_url: str) -> None:
    async with world(tmp_path, store_url) as w:
        await w.register("mailer", ["*"])
        for n in range(10):
            w.consent.withdraw(ADA, [f"p{n}"])
        await w.standing(SENT=10)
        await w.stop()
        await w.start()
        async with w.store.write() as tx:
            await tx.executemany("UPDATE progress SET intake = $1", [(0,)])
        await w.stop()
        await w.start()
        position = w.consent.withdraw(ADA, ["last"])
        await w.standing(SENT=11)
        assert w.service.intake.position == position
        assert (await w.stream("ENFORCE"))["last_seq"] == 11


async def test_a_crash_before_sent_is_recorded_sends_nothing_twice(tmp_path: Path) -> None:
    async with world(tmp_path, sent_seconds=3600) as w:
        await w.register("mailer", ["*"])
        for n in range(7):
            w.consent.withdraw(ADA, [f"p{n}"])

        async def published() -> bool:
            return bool((await w.stream("ENFORCE"))["last_seq"] == 7)

        await eventually(published)
        assert await w.states() == {"PENDING": 7}
        await w.crash()
        await w.start()
        await w.standing(SENT=7)
        assert (await w.stream("ENFORCE"))["last_seq"] == 7


async def test_a_crash_before_publishing_publishes_at_the_next_start(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        w.consent.resolving = False
        positions = [w.consent.withdraw((ADA, BEA)[n % 2], [f"p{n}"]) for n in range(6)]
        await w.standing(PENDING=6)
        await w.crash()
        w.consent.resolving = True
        await w.start()
        await w.listen("mailer")
        await w.standing(ENFORCED=6)
        assert [o.ledger_position for o in w.got["mailer"]] == positions


async def test_while_nobody_can_name_a_person_messages_wait_in_their_order(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        await w.listen("mailer")
        w.consent.resolving = False
        first = w.consent.withdraw(ADA, ["first"])
        await w.standing(PENDING=1)
        catalogue = ev.EventHeader()
        catalogue.notice_published.notice.material = True
        second = w.consent.append(catalogue, "notice.published.v1")
        await w.standing(PENDING=2)
        assert w.consent.asked["ResolveIdentifiers"] > 0
        assert w.got["mailer"] == []
        w.consent.resolving = True
        await w.standing(ENFORCED=2)
        assert [o.ledger_position for o in w.got["mailer"]] == [first, second]


async def test_a_wiped_carrier_loses_no_revocation(tmp_path: Path) -> None:
    async with world(tmp_path, kills=True) as w:
        await w.register("mailer", ["*"])
        await w.register("lake", ["*"])
        mailer = await w.listen("mailer")
        before = [w.consent.withdraw(ADA, [f"p{n}"]) for n in range(3)]
        await w.standing(ENFORCED=3, SENT=3)
        await mailer.stop()
        await _wipe(w)
        after = [w.consent.withdraw(BEA, [f"q{n}"]) for n in range(3)]
        await w.standing(ENFORCED=3, SENT=9)
        await w.listen("lake")
        await w.listen("mailer")
        await w.standing(ENFORCED=12)
        assert [o.ledger_position for o in w.got["lake"]] == before + after
        assert [o.ledger_position for o in w.got["mailer"]] == before + after
        assert w.service.alarms().keys().isdisjoint({"enforce", "streams", "intake"})


async def test_a_carrier_wiped_while_the_notifier_is_down_is_filled_again_at_start(tmp_path: Path) -> None:
    async with world(tmp_path, kills=True) as w:
        await w.register("mailer", ["*"])
        await w.register("held", ["*"], paused=True)
        w.consent.withdraw(ADA, ["p"])
        await w.standing(SENT=1, PENDING=1)
        await w.stop()
        await _wipe(w)
        await w.start()
        await w.listen("mailer")
        await w.listen("held")
        await w.standing(ENFORCED=1, PENDING=1)
        assert w.got["held"] == []


async def test_an_absent_stream_is_an_alarm_until_somebody_asks_for_a_rebuild(tmp_path: Path) -> None:
    async with world(tmp_path, kills=True, rebuild_streams=False) as w:
        await w.register("mailer", ["*"])
        w.consent.withdraw(ADA, ["p"])
        await w.standing(SENT=1)
        await w.stop()
        await _wipe(w)
        await w.start(rebuild_streams=False)
        await eventually(lambda: w.service.alarms().get("streams") == "StreamMissing")
        assert await rebuild_enforce(w.store, w.bus, enforce_stream()) == 1
        await w.listen("mailer")
        await w.standing(ENFORCED=1)
        await eventually(lambda: "streams" not in w.service.alarms())


async def test_rebuilding_twice_sends_again_and_loses_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        for n in range(4):
            w.consent.withdraw(ADA, [f"p{n}"])
        await w.standing(SENT=4)
        await w.stop()
        await w.start(keep_seconds=3600)
        assert await carry.redispatch(w.store) == (4, 8)
        assert await carry.redispatch(w.store) == (8, 12)
        await w.listen("mailer")
        await w.standing(ENFORCED=4)

        async def all_came() -> bool:
            return len(w.got["mailer"]) == 12

        await eventually(all_came)
        assert [o.purposes[0] for o in w.got["mailer"]] == ["p0", "p1", "p2", "p3"] * 3


async def test_what_aged_out_before_it_was_enforced_is_sent_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        w.consent.withdraw(ADA, ["p"])
        await w.standing(SENT=1)
        bus = await w.nats.bus()
        assert await purge_subject(bus, "ENFORCE", "enforce.acme.mailer.>") == 1
        await w.listen("mailer")
        await w.standing(ENFORCED=1)
        assert (await w.stream("ENFORCE"))["last_seq"] == 2


async def test_entries_that_the_stream_no_longer_has_are_read_from_the_service(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        await w.register("mailer", ["*"], tenant="other")
        w.consent.withdraw(ADA, ["before"])
        await w.standing(SENT=1)
        await w.stop()
        await w.consent.stop()
        missed = [w.consent.withdraw(ADA, ["missed"]), w.consent.withdraw(BEA, ["missed"], tenant="other")]
        bus = await w.nats.bus()
        await bus.request_json("$JS.API.STREAM.DELETE.LEDGER")
        await w.consent.publish(bus, published=len(w.consent.leaves))
        await w.start()
        # Nothing new is published: the stream's beginning alone says that something was missed.
        await w.standing(SENT=2)
        assert [o.ledger_position for o in await w.obligations(tenant="other")] == missed[1:]
        last = w.consent.withdraw(ADA, ["after"])
        await w.standing(SENT=3)
        assert [o.ledger_position for o in await w.obligations()] == [1, missed[0], last]
        assert w.consent.asked["ExportLog"] == 1


async def test_an_entry_of_an_unknown_kind_halts_the_intake_and_is_not_skipped(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        w.consent.append(ev.EventHeader(), "consent.something_new.v9")
        w.consent.withdraw(ADA, ["p"])
        await eventually(lambda: w.service.alarms().get("intake") == "unknown-entry")
        assert w.service.intake.position == 0
        assert await w.obligations() == []


async def _wipe(w: World) -> None:
    """Lose every stream, and let the consent service carry on where it was."""
    published = len(w.consent.leaves)
    await w.consent.stop()
    await w.nats.kill()
    w.nats.wipe()
    await w.nats.start()
    await w.consent.publish(await w.nats.bus(), published=published)


async def test_through_kills_of_the_broker_everything_arrives_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    async with world(tmp_path, kills=True) as w:
        await w.register("mailer", ["*"])
        await w.listen("mailer")
        positions = []
        for round in range(3):
            for n in range(60):
                positions.append(w.consent.withdraw((ADA, BEA)[n % 2], [f"p{round}"]))
            await eventually(lambda least=round * 60: len(w.got["mailer"]) > least)
            await w.nats.crash()
        await w.standing(60.0, ENFORCED=180)
        assert [o.ledger_position for o in await w.obligations()] == positions
        assert (await w.stream("ENFORCE"))["last_seq"] == 180
        assert len({o.id for o in w.got["mailer"]}) == 180
