"""From a revocation to evidence, on real NATS: who is told, in which order, by which name, and what is recorded."""

from pathlib import Path

from consentledger.bus.cloudevents import decode
from consentledger.client.obligation import Obligation, Outcome, failed
from consentledger.v1 import events_pb2 as ev
from tests.support.nats import eventually
from tests.support.notifier import ADA, BEA, World, world


async def test_a_revocation_reaches_every_downstream_concerned_and_no_other(tmp_path: Path, store_url: str) -> None:
    async with world(tmp_path, store_url) as w:
        await w.register("mailer", ["marketing.email"])
        await w.register("lake", ["*"])
        await w.register("shop", ["orders"])
        await w.register("mailer", ["*"], tenant="other")
        w.consent.grant(ADA)
        position = w.consent.withdraw(ADA, ["marketing.email", "profiling"])
        await w.listen("mailer")
        await w.listen("lake")
        await w.standing(ENFORCED=2)
        assert {o.downstream: (list(o.purposes), o.ledger_position) for o in await w.obligations()} == {
            "lake": (["marketing.email", "profiling"], position),
            "mailer": (["marketing.email"], position),
        }
        assert await w.obligations(tenant="other") == []
        [told] = w.got["mailer"]
        assert told.ids == ("ada@example.org",)
        assert (told.namespace, told.purposes, told.catalogue) == ("email", ("marketing.email",), False)
        [mine] = await w.obligations(downstream="mailer")
        assert mine.id == told.id
        assert (mine.evidence.method, mine.evidence.records_affected) == ("suppressed", 1)
        assert mine.evidence.received_at.ToMicroseconds() > mine.revoked_at.ToMicroseconds()
        assert mine.due_at.seconds - mine.revoked_at.seconds == 86_400


async def test_the_revocations_of_one_person_arrive_in_the_order_of_the_ledger(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        await w.listen("mailer")
        positions = [w.consent.withdraw((ADA, BEA)[n % 2], [f"p{n}"]) for n in range(120)]
        await w.standing(ENFORCED=120)
        assert [o.ledger_position for o in w.got["mailer"]] == positions


async def test_while_one_obligation_is_retried_only_those_of_the_same_person_wait(tmp_path: Path) -> None:
    attempts: list[tuple[str, str]] = []

    async def stubborn(obligation: Obligation) -> Outcome:
        attempts.append((obligation.ids[0], obligation.purposes[0]))
        if obligation.purposes == ("first",) and attempts.count(("ada@example.org", "first")) < 3:
            raise ConnectionError
        return failed("no-such-list")

    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        w.consent.withdraw(ADA, ["first"])
        w.consent.withdraw(ADA, ["second"])
        w.consent.withdraw(BEA, ["other"])
        await w.listen("mailer", stubborn)
        await w.standing(FAILED=3)
        of_ada = [purpose for id, purpose in attempts if id.startswith("ada")]
        assert of_ada == ["first", "first", "first", "second"]
        assert attempts.index(("bea@example.org", "other")) < attempts.index(("ada@example.org", "second"))
        assert {o.evidence.failure_reason for o in await w.obligations()} == {"no-such-list"}


async def test_a_downstream_that_announces_is_recorded_as_having_received(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        seen: list[ev.ObligationState] = []

        async def slow(obligation: Obligation) -> Outcome:
            await w.standing(RECEIVED=1)
            seen.append((await w.obligations())[0].state)
            return failed("later")

        await w.listen("mailer", slow, announce=True)
        w.consent.withdraw(ADA, ["*"])
        await w.standing(FAILED=1)
        assert seen == [ev.OBLIGATION_STATE_RECEIVED]


async def test_what_a_paused_downstream_owes_waits_and_holds_up_nobody(tmp_path: Path, store_url: str) -> None:
    async with world(tmp_path, store_url) as w:
        paused = await w.register("mailer", ["*"], paused=True)
        await w.register("lake", ["*"])
        await w.listen("mailer")
        await w.listen("lake")
        before = [w.consent.withdraw(ADA, [f"p{n}"]) for n in range(5)]
        await w.standing(PENDING=5, ENFORCED=5)
        assert w.got["mailer"] == []
        await w.update(paused, paused=False)
        after = [w.consent.withdraw(ADA, [f"q{n}"]) for n in range(5)]
        await w.standing(ENFORCED=20)
        assert [o.ledger_position for o in w.got["mailer"]] == before + after


async def test_a_change_of_the_catalogue_is_one_obligation_for_each_downstream_and_names_nobody(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["marketing.email"])
        await w.register("shop", ["orders"])
        await w.listen("mailer")
        await w.listen("shop")
        material, editorial, for_all, retired, edited = (ev.EventHeader() for _ in range(5))
        material.notice_published.notice.material = True
        material.notice_published.notice.purposes.append("marketing.email")
        editorial.notice_published.notice.purposes.append("marketing.email")
        for_all.notice_published.notice.material = True
        retired.purpose_changed.revokes = True
        retired.purpose_changed.purpose.id = "orders"
        edited.purpose_changed.purpose.id = "orders"
        for header in (material, editorial, for_all):
            w.consent.append(header, "notice.published.v1", stream=b"c" * 16)
        for header in (retired, edited):
            w.consent.append(header, "purpose.changed.v1", stream=b"c" * 16)
        await w.standing(ENFORCED=4)
        told = [(o.purposes, o.ids, o.catalogue) for o in w.got["mailer"] + w.got["shop"]]
        assert told == [
            (("marketing.email",), (), True),
            (("*",), (), True),
            (("*",), (), True),
            (("orders",), (), True),
        ]
        assert all(o.catalogue for o in await w.obligations())


async def test_no_identifier_is_stored_or_put_in_a_subject(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        await w.register("lake", ["*"])
        await w.listen("mailer")
        await w.listen("lake")
        w.consent.withdraw(ADA, ["*"])
        w.consent.withdraw(ADA, ["*"])
        await w.standing(ENFORCED=4)
        assert w.got["mailer"][0].ids == ("ada@example.org",)
        subjects = await _subjects(w)
        assert len(subjects) == 2, "one subject for each downstream and person"
        assert len({subject.rpartition(".")[2] for subject in subjects}) == 2, "no token is shared by two downstreams"
        assert not any("ada" in s or ADA.hex() in s for s in subjects)
        await w.stop()
        files = _database(tmp_path)
        assert files
        assert not any(b"ada@example.org" in content for content in files)
        await w.start()


async def test_its_own_log_is_carried_with_sequence_equal_to_position(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", ["*"])
        await w.listen("mailer")
        w.consent.withdraw(ADA, ["*"])
        await w.standing(ENFORCED=1)
        head = (await w.store.head()).position

        async def carried() -> bool:
            return bool((await w.stream("LEDGER_NOTIFIER"))["last_seq"] == head)

        await eventually(carried)
        bus = await w.nats.bus()
        last = await bus.request("$JS.API.DIRECT.GET.LEDGER_NOTIFIER.ledger.notifier.acme.obligation.enforced.v1")
        assert decode(last.headers)["type"] == "obligation.enforced.v1"
        entry = ev.LedgerEntry.FromString(last.payload)
        assert entry.header.obligation_changed.state == ev.OBLIGATION_STATE_ENFORCED
        assert entry.header.obligation_changed.downstream == "mailer"


async def _subjects(w: World) -> list[str]:
    bus = await w.nats.bus()
    info = await bus.request_json("$JS.API.STREAM.INFO.ENFORCE", {"subjects_filter": ">"})
    return list(info["state"]["subjects"])


def _database(folder: Path) -> list[bytes]:
    """What is in the files of the notifier's database."""
    return [file.read_bytes() for file in folder.glob("notifier.db*")]
