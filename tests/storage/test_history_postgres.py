"""The database of histories takes each entry once, whatever is repeated, and gives a job's history without a gap."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from avtomat.errors import StoreError
from avtomat.storage.history.port import Carried
from avtomat.storage.history.postgres import PostgresHistory
from avtomat.storage.port.answers import HistoryEntry
from tests.postgres import execute
from tests.servers import free_port

JOB = "00aa"


@pytest.fixture
async def database(postgres_schema: str) -> AsyncIterator[PostgresHistory]:
    made = PostgresHistory(postgres_schema)
    yield made
    await made.close()


def entry(seq: int, text: str = "", job: str = JOB, *, client: str | None = None, ends: bool = False) -> Carried:
    record = f'{{"n":{seq},"t":"{text}"}}'.encode()
    made = HistoryEntry(job=job, seq=seq, at_ms=1_000 + seq, path="/", cause=f"result {seq}", record=record)
    return Carried(entry=made, client=client, ends=ends)


def entries(*numbers: int, text: str = "", job: str = JOB) -> list[Carried]:
    return [entry(number, text, job) for number in numbers]


async def read(database: PostgresHistory, after: int = 0, limit: int = 100, job: str = JOB) -> list[HistoryEntry]:
    return await database.entries(job, after, limit)


def plain(carried: Sequence[Carried]) -> list[HistoryEntry]:
    return [each.entry for each in carried]


async def test_entries_come_back_as_they_went_in_a_page_at_a_time(database: PostgresHistory) -> None:
    carried = entries(1, 2, 3, text="ünïcode \\u0001")
    assert await database.append(0, None, "p3", carried)

    assert await read(database) == plain(carried)
    assert await read(database, after=1, limit=1) == plain(carried[1:2])
    assert await read(database, after=3) == []
    assert await database.position(0) == "p3"


async def test_a_replica_that_comes_second_changes_nothing(database: PostgresHistory) -> None:
    assert await database.append(0, None, "p1", entries(1))

    assert not await database.append(0, None, "p2", entries(1, 2))
    assert not await database.append(0, "p0", "p2", entries(1, 2))

    assert (await read(database), await database.position(0)) == (plain(entries(1)), "p1")


async def test_of_replicas_that_append_at_once_one_is_first(database: PostgresHistory) -> None:
    taken = await asyncio.gather(*(database.append(0, None, "p2", entries(1, 2)) for _ in range(4)))

    assert sorted(taken) == [False, False, False, True]
    assert await read(database) == plain(entries(1, 2))


async def test_partitions_move_by_themselves(database: PostgresHistory) -> None:
    assert await database.append(0, None, "p1", entries(1))
    assert await database.append(1, None, "q7", entries(1, job="01bb"))

    assert (await database.position(0), await database.position(1)) == ("p1", "q7")


async def test_what_is_offered_again_is_passed_over(database: PostgresHistory, postgres_schema: str) -> None:
    await database.append(0, None, "p2", entries(1, 2))

    assert await database.append(0, "p2", "p3", entries(1, 2, 3))

    assert await read(database) == plain(entries(1, 2, 3))
    assert [row["epoch"] for row in await execute(postgres_schema, "SELECT epoch FROM avtomat_history")] == [0, 0, 0]


async def test_numbers_that_a_store_makes_anew_overrule_what_it_lost(
    database: PostgresHistory, postgres_schema: str
) -> None:
    await database.append(0, None, "p5", entries(1, 2, 3, 4, 5))
    await database.append(0, "p5", "p6", entries(4, text="anew"))

    assert await read(database) == [*plain(entries(1, 2, 3)), *plain(entries(4, text="anew"))]
    assert await read(database, after=4) == []

    await database.append(0, "p6", "p7", entries(5, text="anew"))
    assert await read(database, after=3) == plain(entries(4, 5, text="anew"))
    kept = await execute(postgres_schema, "SELECT count(*) FROM avtomat_history WHERE epoch = 0")
    assert kept[0][0] == 5


async def test_a_store_may_be_set_back_more_than_once(database: PostgresHistory) -> None:
    await database.append(0, None, "p3", entries(1, 2, 3))
    await database.append(0, "p3", "p4", entries(2, 3, text="second"))
    await database.append(0, "p4", "p5", entries(3, text="third"))

    expected = [entry(1), entry(2, "second"), entry(3, "third")]
    assert await read(database) == plain(expected)
    assert [await read(database, after=number, limit=1) for number in (0, 1, 2)] == [[one.entry] for one in expected]


async def test_a_job_that_lost_nothing_keeps_its_history_over_a_new_epoch(database: PostgresHistory) -> None:
    await database.append(0, None, "p3", [*entries(1, 2), *entries(1, 2, job="00bb")])
    await database.append(0, "p3", "p4", [*entries(2, text="anew"), *entries(3, job="00bb")])

    assert await read(database, job="00bb") == plain(entries(1, 2, 3, job="00bb"))


async def test_whose_a_job_is_stays_known(database: PostgresHistory) -> None:
    await database.append(0, None, "p1", [entry(1, client="shop")])
    await database.append(0, "p1", "p2", entries(2, 3))
    await database.append(0, "p2", "p3", entries(5, job="00bb"))

    assert (await database.client(JOB), await database.client("00bb"), await database.client("00cc")) == (
        "shop",
        "",
        None,
    )


async def test_retention_counts_from_the_end_of_a_job(database: PostgresHistory, postgres_schema: str) -> None:
    long_ended, just_ended, still_open = "00a1", "00a2", "00a3"
    await database.append(0, None, "p1", [entry(1, job=long_ended, ends=True), entry(1, job=still_open)])
    await database.append(0, "p1", "p2", [entry(9, job=just_ended, ends=True)])

    assert await database.trim(1_009, 10) == 1

    rows = await execute(postgres_schema, "SELECT job FROM avtomat_history ORDER BY job")
    assert [row["job"] for row in rows] == [just_ended, still_open]
    assert await database.client(long_ended) is None
    assert await database.trim(1_009, 10) == 0


async def test_a_cause_that_postgres_cannot_hold_does_not_hold_up_the_others(database: PostgresHistory) -> None:
    odd = HistoryEntry(job=JOB, seq=1, at_ms=1, path="/", cause="mail a\0b", record=b"\0\xff")
    await database.append(0, None, "p1", [Carried(entry=odd)])

    [kept] = await read(database)
    assert (kept.cause, kept.record) == ("mail a\ufffdb", b"\0\xff")


async def test_engines_that_start_together_make_the_tables_once(postgres_schema: str) -> None:
    databases = [PostgresHistory(postgres_schema) for _ in range(4)]

    assert await asyncio.gather(*(database.position(0) for database in databases)) == [None] * 4

    rows = await execute(postgres_schema, "SELECT number FROM avtomat_history_migrations")
    assert [row["number"] for row in rows] == [1]
    await asyncio.gather(*(database.close() for database in databases))


async def test_tables_of_a_newer_engine_are_refused(database: PostgresHistory, postgres_schema: str) -> None:
    await database.position(0)
    await execute(postgres_schema, "INSERT INTO avtomat_history_migrations VALUES (2)")
    older = PostgresHistory(postgres_schema)

    with pytest.raises(StoreError, match=r"newer engine \(migration 2, and this one knows 1\)"):
        await older.position(0)


async def test_a_connection_that_is_cut_in_the_middle_of_an_append_changes_nothing(
    database: PostgresHistory, postgres_schema: str
) -> None:
    await database.append(0, None, "p1", entries(1))
    blocker = await asyncpg.connect(postgres_schema)
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE avtomat_history_jobs IN EXCLUSIVE MODE")
        appending = asyncio.create_task(database.append(0, "p1", "p2", entries(2)))
        pid = await _waiting_backend(blocker)
        await blocker.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(StoreError) as caught:
            await appending
    await blocker.close()

    assert caught.value.code == "history.unavailable"
    assert (await database.position(0), await read(database)) == ("p1", plain(entries(1)))
    assert await database.append(0, "p1", "p2", entries(2))


async def _waiting_backend(connection: asyncpg.Connection[asyncpg.Record]) -> int:
    """The backend that waits for a lock of this connection's."""
    mine = connection.get_server_pid()
    waits = "SELECT pid FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
    while (pid := await connection.fetchval(waits, mine)) is None:
        pass
    return int(pid)


async def test_a_database_that_is_not_there_is_named_without_its_password() -> None:
    database = PostgresHistory(f"postgresql://me:hush@127.0.0.1:{free_port()}/d")

    with pytest.raises(StoreError) as caught:
        await database.position(0)

    assert caught.value.code == "history.unavailable"
    assert "hush" not in caught.value.message
    await database.close()


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        (rb'{"d":"a\u0000\u0000b"}', {"d": "a\ufffd\ufffdb"}),
        (rb'{"d":"\\\u0000"}', {"d": "\\\ufffd"}),
        (rb'{"d":"\\u0000"}', {"d": r"\u0000"}),
        (rb'{"\u0000":1}', {"\ufffd": 1}),
    ],
    ids=["twice", "after a backslash", "an escaped backslash", "a key"],
)
async def test_a_record_with_u_0000_can_be_asked_for_as_jsonb(
    database: PostgresHistory, postgres_schema: str, record: bytes, kept: object
) -> None:
    odd = HistoryEntry(job=JOB, seq=1, at_ms=1, path="/", cause="start", record=record)
    await database.append(0, None, "p1", [Carried(entry=odd)])

    [row] = await execute(
        postgres_schema,
        "SELECT seq, cause, convert_from(record, 'UTF8')::jsonb AS record FROM avtomat_history "
        "WHERE job = $1 ORDER BY seq",
        JOB,
    )
    assert json.loads(row["record"]) == kept


@pytest.mark.parametrize("table", ["avtomat_history", "avtomat_history_jobs", "avtomat_history_streams"])
async def test_a_table_that_was_dropped_is_made_again_while_the_engine_runs(
    database: PostgresHistory, postgres_schema: str, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    await database.append(0, None, "p1", entries(1))
    await execute(postgres_schema, f"DROP TABLE {table}")

    with pytest.raises(StoreError, match="has lost a table") as lost:
        await database.append(0, "p1", "p2", entries(2))
    assert lost.value.hint is not None
    position = await database.position(0)
    assert await database.append(0, position, "p2", entries(2))
    assert 2 in [each.seq for each in await read(database)]
    assert f"has lost {table}: made again" in caplog.text


async def test_tables_that_were_dropped_are_made_again_at_the_start(
    database: PostgresHistory, postgres_schema: str
) -> None:
    await database.append(0, None, "p1", entries(1))
    await execute(postgres_schema, "DROP TABLE avtomat_history")

    later = PostgresHistory(postgres_schema)
    assert await later.append(0, "p1", "p2", entries(2))
    assert plain(entries(2)) == await read(later)
    await later.close()
