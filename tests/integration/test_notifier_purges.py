"""Messages about an erased person leave ENFORCE, and nobody else's; also when the notifier was away at the time."""

from pathlib import Path

from consentledger.v1 import events_pb2 as ev
from services.notifier.projection import ended
from services.notifier.purges import KEY_DESTROYED, ended_in
from tests.support.nats import eventually
from tests.support.notifier import ADA, BEA, World, world


def destroyed(w: World, person: bytes) -> int:
    """The end of a person's stream."""
    header = ev.EventHeader()
    header.key_destroyed.erasure_id = b"e" * 16
    return w.consent.append(header, KEY_DESTROYED.decode(), stream=person)


def erased(w: World, person: bytes) -> int:
    """The beginning of their erasure."""
    header = ev.EventHeader()
    header.subject_erased.act.revoked_purposes.append("*")
    return w.consent.append(header, "subject.erased.v1", stream=person)


async def kept(w: World) -> int:
    """Messages in ENFORCE."""
    return int((await w.stream("ENFORCE"))["messages"])


async def purged(w: World, left: int) -> None:
    """Wait until so many are left, and nobody is noted any more."""

    async def holds() -> bool:
        return await kept(w) == left and not await ended.any_left(w.store)

    await eventually(holds)


async def test_an_erasure_is_an_obligation_of_every_downstream_and_then_its_messages_go(
    tmp_path: Path, store_url: str
) -> None:
    async with world(tmp_path, store_url) as w:
        await w.register("mailer", ["marketing.email"])
        await w.register("lake", ["*"])
        for name in ("mailer", "lake"):
            await w.listen(name)
        w.consent.withdraw(ADA, ["marketing.email"])
        w.consent.withdraw(BEA, ["marketing.email"])
        await w.standing(ENFORCED=4)
        position = erased(w, ADA)
        await w.standing(ENFORCED=6)
        found = await w.obligations(ledger_position=position)
        assert {(o.downstream, o.event_type, tuple(o.purposes), o.catalogue) for o in found} == {
            (name, "subject.erased.v1", ("*",), False) for name in ("mailer", "lake")
        }
        assert w.got["mailer"][-1].ids == ("ada@example.org",)
        assert await kept(w) == 6
        destroyed(w, ADA)
        await purged(w, 2)
        assert await w.states() == {"ENFORCED": 6}, "the record of it stays"


async def test_who_ended_while_the_notifier_was_away_is_purged_when_it_is_back(tmp_path: Path, store_url: str) -> None:
    async with world(tmp_path, store_url) as w:
        await w.register("mailer", ["*"])
        w.consent.withdraw(ADA, ["a"])
        w.consent.withdraw(BEA, ["a"])
        await w.standing(SENT=2)
        await w.crash()
        destroyed(w, ADA)
        await w.start()
        await purged(w, 1)


async def test_what_was_noted_before_a_crash_is_purged_after_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        w.consent.withdraw(ADA, ["a"])
        w.consent.withdraw(BEA, ["a"])
        await w.standing(SENT=2)
        await w.service._purges.stop()
        destroyed(w, ADA)
        await eventually(lambda: w.service.intake.position == 3)
        assert await kept(w) == 2
        await w.crash()
        await w.start()
        await purged(w, 1)


async def test_nobody_is_purged_before_all_that_was_numbered_about_them_is_in_the_stream(
    tmp_path: Path, store_url: str
) -> None:
    async with world(tmp_path, store_url) as w:
        await w.register("mailer", ["*"])
        w.consent.resolving = False  # no message can be made
        w.consent.withdraw(ADA, ["a"])
        await w.standing(PENDING=1)
        destroyed(w, ADA)
        await eventually(lambda: w.service.intake.position == 2)
        assert await ended.due(w.store, 0) == []
        assert await ended.due(w.store, 1) == [(ADA, "acme")]
        w.consent.resolving = True
        await purged(w, 0)


async def test_what_nobody_could_name_any_more_is_not_sent_again(tmp_path: Path, store_url: str) -> None:
    async with world(tmp_path, store_url) as w:
        await w.register("mailer", ["*"])
        later = await w.register("later", ["*"], paused=True)
        w.consent.withdraw(ADA, ["a"])
        w.consent.withdraw(BEA, ["a"])
        await w.standing(SENT=2, PENDING=2)
        destroyed(w, ADA)
        await purged(w, 1)
        await w.update(later, paused=False)
        await w.standing(SENT=3, PENDING=1)
        rounds = w.service._keeper.rounds
        await eventually(lambda: w.service._keeper.rounds > rounds + 1)
        assert await kept(w) == 2
        await w.crash()
        bus = await w.nats.bus()
        await bus.request_json("$JS.API.STREAM.DELETE.ENFORCE")
        await bus.close()
        await w.start()
        await eventually(lambda: w.service._keeper.rounds > 1)

        async def sent_again() -> bool:
            return await kept(w) == 2

        await eventually(sent_again)


async def test_reached_is_what_the_intake_has_taken(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        w.consent.grant(ADA)
        w.consent.withdraw(ADA, ["a"])

        async def holds() -> bool:
            return await w.reached() == 2

        await eventually(holds)
        assert len(await w.obligations()) == 1


def test_only_the_end_of_a_person_is_taken_for_one() -> None:
    plain = ev.LedgerEntry(format=1, tenant="key.destroyed.v1", stream=ADA, type="consent.withdrawn.v1")
    plain.header.consent_withdrawn.SetInParent()
    assert ended_in(plain.SerializeToString()) is None
    assert ended_in(b"key.destroyed.v1, not an entry") is None
    end = ev.LedgerEntry(format=1, tenant="acme", stream=ADA, type="key.destroyed.v1")
    end.header.key_destroyed.SetInParent()
    found = ended_in(end.SerializeToString())
    assert found is not None and (found.tenant, found.person) == ("acme", ADA)
