"""The contract of `consentledger.store.ledger`, on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from consentledger.store.ledger import Entry, StoreUnavailable, WriteRefused
from tests.support.stores import TALLY, answer, append, entry, moved, opened, request, write


async def test_a_new_log_is_empty_and_has_an_epoch_that_stays(store_url: str) -> None:
    async with opened(store_url) as store:
        first = await store.head()
    assert (first.position, first.recorded_us) == (0, 0)
    assert 0 < first.epoch < 1 << 63
    async with opened(store_url) as store:
        assert await store.head() == first


async def test_what_was_committed_is_there_after_reopening(store_url: str) -> None:
    entries = [entry(1), entry(2, ciphertext=None), entry(3, of=2, version=1)]
    async with opened(store_url) as store:
        async with store.write() as transaction:
            await append(transaction, *entries, answers=[answer(1, 1, 3)])
            await transaction.executemany(TALLY, [("a", 1), ("b", 2)])
        head = await store.head()
    async with opened(store_url) as store:
        assert await store.head() == head
        assert (head.position, head.recorded_us) == (3, 3_000)
        assert await store.entries(0, 10) == entries
        assert sorted(await store.read("SELECT name, amount FROM tally")) == [("a", 1), ("b", 2)]
        async with store.write() as transaction:
            assert await transaction.answered([request(1)]) == [answer(1, 1, 3)]


async def test_a_read_sees_a_commit_that_returned_before_it(store_url: str) -> None:
    async with opened(store_url) as store:
        for position in range(1, 30):
            await write(store, entry(position))
            assert (await store.head()).position == position
            assert await store.read("SELECT max(position) FROM event") == [(position,)]


async def test_rows_come_back_as_plain_tuples(store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, entry(1))
        [row] = await store.read("SELECT position, leaf, ciphertext FROM event WHERE position = $1", 1)
        assert type(row) is tuple and row == (1, b"leaf 1", b"sealed 1")
        async with store.write() as transaction:
            assert type((await transaction.fetch("SELECT 1"))[0]) is tuple


async def test_placeholders_mean_their_number_not_their_order(store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, entry(1), entry(2))
        sql = "SELECT position FROM event WHERE type = $2 AND position > $1 AND tenant <> $2"
        assert await store.read(sql, 1, "GRANTED") == [(2,)]


async def test_an_exception_inside_a_transaction_leaves_nothing(store_url: str) -> None:
    async with opened(store_url) as store:
        before = await store.head()
        with pytest.raises(KeyError):
            async with store.write() as transaction:
                await append(transaction, entry(1), answers=[answer(1, 1, 1)])
                await transaction.executemany(TALLY, [("a", 1)])
                raise KeyError
        assert await store.head() == before
        assert await store.entries(0, 10) == []
        assert await store.read("SELECT count(*) FROM tally") == [(0,)]
        assert await store.read("SELECT count(*) FROM answer") == [(0,)]
        await write(store, entry(1))


async def test_a_cancelled_transaction_leaves_nothing_and_frees_the_head(store_url: str) -> None:
    async with opened(store_url) as store:
        inside = asyncio.Event()

        async def hang() -> None:
            async with store.write() as transaction:
                await append(transaction, entry(1))
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(hang())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await store.head()).position == 0
        await asyncio.wait_for(write(store, entry(1)), 5)


async def test_cancelling_at_any_step_of_a_write_loses_no_later_write(store_url: str) -> None:
    async with opened(store_url) as store:
        for turns in range(40):

            async def one_more() -> None:
                async with store.write() as transaction:
                    await transaction.answered([request(1)])
                    await append(transaction, entry(transaction.head.position + 1))

            task = asyncio.create_task(one_more())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await asyncio.wait_for(one_more(), 10)
        entries = await store.entries(0, 1_000)
        assert [one.position for one in entries] == list(range(1, (await store.head()).position + 1))
        assert len(entries) >= 40


async def test_writers_are_alone_and_each_sees_the_one_before(store_url: str) -> None:
    async with opened(store_url) as store:

        async def writer() -> None:
            async with store.write() as transaction:
                position = transaction.head.position + 1
                [(highest,)] = await transaction.fetch("SELECT coalesce(max(position), 0) FROM event")
                assert highest == transaction.head.position
                await append(transaction, entry(position))

        await asyncio.gather(*(writer() for _ in range(25)))
        assert [one.position for one in await store.entries(0, 100)] == list(range(1, 26))


async def test_a_transaction_that_ended_can_no_longer_write(store_url: str) -> None:
    async with opened(store_url) as store:
        async with store.write() as transaction:
            pass
        with pytest.raises(StoreUnavailable):
            await transaction.executemany(TALLY, [("late", 1)])
        with pytest.raises(StoreUnavailable):
            await transaction.fetch("SELECT 1")
        assert await store.read("SELECT count(*) FROM tally") == [(0,)]


@pytest.mark.parametrize(
    "wrong",
    [[entry(2)], [entry(1), entry(3)], [entry(1), entry(1, of=2)], [entry(2), entry(1)]],
    ids=["after a gap", "with a gap", "twice the same", "out of order"],
)
async def test_positions_that_do_not_follow_the_head_are_refused(store_url: str, wrong: Sequence[Entry]) -> None:
    async with opened(store_url) as store:
        with pytest.raises(ValueError, match="without a gap"):
            await write(store, *wrong)
        assert (await store.head()).position == 0


@pytest.mark.parametrize(
    "change",
    [{"position": 2}, {"position": 0}, {"epoch": 7}, {"recorded_us": 4_999}],
    ids=["too far", "not moved", "another log", "back in time"],
)
async def test_a_head_that_is_not_where_the_entries_end_is_refused(store_url: str, change: dict[str, int]) -> None:
    async with opened(store_url) as store:
        await write(store, entry(1, recorded_us=5_000))
        good = moved(await store.head(), [entry(2, recorded_us=6_000)])
        relative = {name: value + 1 if name == "position" else value for name, value in change.items()}
        with pytest.raises(ValueError, match="new head"):
            async with store.write() as transaction:
                await transaction.append([entry(2, recorded_us=6_000)], [], replace(good, **relative), [bytes(32)])
        assert (await store.head()).position == 1


async def test_the_fence_refuses_a_head_that_moved_under_the_transaction(store_url: str) -> None:
    async with opened(store_url) as store:
        with pytest.raises(WriteRefused):
            async with store.write() as transaction:
                await transaction.executemany("UPDATE log_head SET position = $1", [(5,)])
                await append(transaction, entry(1))
        assert await store.entries(0, 10) == []
        assert (await store.head()).position == 0


async def test_one_version_of_a_stream_is_written_once(store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, entry(1, version=1))
        with pytest.raises(WriteRefused) as refusal:
            await write(store, entry(2, version=1))
        assert "leaf" not in str(refusal.value) and "acme" not in str(refusal.value)
        assert (await store.head()).position == 1
        await write(store, entry(2, version=2))


async def test_one_request_is_answered_once(store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, answers=[answer(1)])
        with pytest.raises(WriteRefused):
            await write(store, entry(1), answers=[answer(1)])
        assert (await store.head()).position == 0


async def test_answers_may_be_written_without_entries(store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, answers=[answer(1), answer(2)])
        async with store.write() as transaction:
            found = await transaction.answered([request(2), request(3)])
        assert found == [answer(2)]
        assert (await store.head()).position == 0


async def test_answered_is_found_by_tenant_method_and_id_whatever_the_mac(store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, answers=[answer(1)])
        async with store.write() as transaction:
            assert await transaction.answered([request(1, mac=b"x" * 32), request(1)]) == [answer(1)]
            assert await transaction.answered([request(1, tenant="other")]) == []
            assert await transaction.answered([request(1, method="WithdrawConsent")]) == []
            assert await transaction.answered([]) == []


async def test_a_large_batch_is_one_transaction(store_url: str) -> None:
    entries = [entry(n, of=n % 50, version=n) for n in range(1, 3_001)]
    async with opened(store_url) as store:
        await write(store, *entries, answers=[answer(n, n, n) for n in range(1, 1_001)])
        assert await store.entries(0, 5_000) == entries
        async with store.write() as transaction:
            assert len(await transaction.answered([request(n) for n in range(1, 2_001)])) == 1_000


async def test_a_read_cannot_write(store_url: str) -> None:
    async with opened(store_url) as store:
        with pytest.raises(StoreUnavailable):
            await store.read("INSERT INTO tally (name, amount) VALUES ('a', 1) RETURNING name")
        assert await store.read("SELECT count(*) FROM tally") == [(0,)]


async def test_a_defect_in_our_sql_is_not_taken_for_an_outage(store_url: str) -> None:
    async with opened(store_url) as store:
        with pytest.raises(Exception, match="no_such_table") as defect:
            await store.read("SELECT * FROM no_such_table")
        assert not isinstance(defect.value, StoreUnavailable)
        with pytest.raises(Exception, match="no_such_table"):
            async with store.write() as transaction:
                await transaction.fetch("SELECT * FROM no_such_table")
        await write(store, entry(1))


async def test_a_failed_statement_that_was_swallowed_is_not_committed_as_success(store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, entry(1, version=1))
        try:
            async with store.write() as transaction:
                await transaction.executemany(TALLY, [("kept?", 1)])
                with pytest.raises(WriteRefused):
                    await append(transaction, entry(2, version=1))
        except StoreUnavailable:
            expected = 0  # PostgreSQL gives up the whole transaction, and must say so
        else:
            expected = 1  # SQLite undoes the statement
        assert await store.read("SELECT count(*) FROM tally") == [(expected,)]
        assert (await store.head()).position == 1


async def test_many_reads_at_once_all_answer(store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, entry(1))
        rows = await asyncio.gather(
            *(store.read("SELECT position FROM event WHERE position = $1", 1) for _ in range(50))
        )
        assert rows == [[(1,)]] * 50


async def test_a_closed_store_refuses_and_closes_again(store_url: str) -> None:
    async with opened(store_url) as store:
        await store.close()
        for call in (store.read("SELECT 1"), store.head(), store.entries(0, 1), write(store, entry(1))):
            with pytest.raises(StoreUnavailable):
                await call
        await store.close()
