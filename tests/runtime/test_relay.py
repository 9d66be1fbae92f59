"""History reaches the database once and in order, whatever is killed; jobs go on while the database is away."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from avtomat.errors import RequestRefused, StoreError
from avtomat.runtime.jobs.histories import Histories
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.runtime.time.relay import BATCH_MAX, Relay
from avtomat.runtime.work.polls import Poll
from avtomat.settings import Settings
from avtomat.storage.history.port import HistoryDatabase
from avtomat.storage.history.postgres import PostgresHistory
from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.port.answers import HistoryEntry
from avtomat.storage.port.store import Store
from avtomat.storage.port.writes import ScopeEnd
from avtomat.storage.sqlite.store import SqliteStore
from tests.postgres import execute
from tests.servers import PostgresServer, RedisServer, postgres_binaries
from tests.storage.faults import Fault, Faults, faulty
from tests.storage.world import RETENTION_MS, Clock, World

KEPT_FOR = timedelta(days=90)
GREET = "avtomat: 1\nblueprint: greet\nstates:\n  say: {task: say, next: end}\n"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = Clock()
    world = World(MemoryStore(1, offset_ms=clock.offset, history_outbox=True), clock)
    await world.store.open(world.heard.wakeups)
    yield world
    await world.store.close()


@pytest.fixture
async def database(postgres_schema: str) -> AsyncIterator[PostgresHistory]:
    made = PostgresHistory(postgres_schema)
    yield made
    await made.close()


def relay_of(store: Store, database: HistoryDatabase) -> Relay:
    return Relay(store, database, retention=KEPT_FOR)


async def job_of(world: World, entries: int) -> str:
    """A job with a history of so many entries."""
    job = await world.create(timer_ms=world.now() + 10**9)
    for _ in range(entries - 1):
        await world.mailed(job, "operate", timer_ms=world.now() + 10**9)
    return job


async def outbox_of(world: World) -> list[HistoryEntry]:
    return [entry for _, entry in await world.store.outbox(0, 10_000)]


async def carry_all(relay: Relay) -> None:
    while await relay.carry(0):
        pass


async def test_entries_are_carried_in_order_and_then_forgotten_by_the_store(
    world: World, database: PostgresHistory
) -> None:
    job = await job_of(world, 5)
    made = await outbox_of(world)

    await carry_all(relay_of(world.store, database))

    assert await database.entries(job, 0, 100) == made
    assert await outbox_of(world) == []


def kills() -> Iterator[tuple[str, int, Fault]]:
    """Each step of carrying a batch, failing before it was done and after."""
    steps = {"store": 2, "database": 2}
    for where, count in steps.items():
        yield from itertools.product([where], range(count), [Fault.NOT_EXECUTED, Fault.ANSWER_LOST])


@pytest.mark.parametrize(("where", "step", "fault"), list(kills()))
async def test_a_relay_that_is_killed_at_any_step_loses_nothing_and_repeats_nothing(
    world: World, database: PostgresHistory, postgres_schema: str, where: str, step: int, fault: Fault
) -> None:
    job = await job_of(world, 4)
    made = await outbox_of(world)
    dying = relay_dying_at(world.store, database, where, step, fault)

    with pytest.raises(StoreError):
        await dying.carry(0)
    await world.mailed(job, "operate", timer_ms=world.now() + 10**9)
    made += (await outbox_of(world))[-1:]
    await carry_all(relay_of(world.store, database))

    assert await database.entries(job, 0, 100) == made
    assert await outbox_of(world) == []
    [row] = await execute(postgres_schema, "SELECT count(*), max(epoch) FROM avtomat_history")
    assert tuple(row) == (5, 0)


def relay_dying_at(store: Store, database: PostgresHistory, where: str, step: int, fault: Fault) -> Relay:
    """A relay of which this call of the store, or of the database, goes wrong."""
    store, of_store = faulty(store)
    broken, of_database = faulty_database(database)
    {"store": of_store, "database": of_database}[where].at(step, fault)
    return relay_of(store, broken)


def faulty_database(database: PostgresHistory) -> tuple[HistoryDatabase, Faults]:
    wrapped, faults = faulty(cast("Any", database))
    return cast("HistoryDatabase", wrapped), faults


async def test_two_relays_at_once_carry_each_entry_once(
    world: World, database: PostgresHistory, postgres_schema: str
) -> None:
    job = await job_of(world, 3 * BATCH_MAX)
    made = await outbox_of(world)
    relays = [relay_of(world.store, database) for _ in range(3)]

    while await outbox_of(world):
        await asyncio.gather(*(relay.carry(0) for relay in relays))

    assert await database.entries(job, 0, 10_000) == made
    [row] = await execute(postgres_schema, "SELECT count(*), max(epoch) FROM avtomat_history")
    assert tuple(row) == (len(made), 0)


async def test_a_record_that_cannot_be_read_holds_nothing_up(world: World, database: PostgresHistory) -> None:
    job = await world.create(timer_ms=world.now() + 10**9, record=b"\xff[")
    await carry_all(relay_of(world.store, database))

    assert [entry.record for entry in await database.entries(job, 0, 10)] == [b"\xff["]


async def test_a_history_is_read_from_the_database_and_what_is_still_in_the_outbox(
    world: World, database: PostgresHistory
) -> None:
    job = await job_of(world, 2)
    await job_of(world, 2)
    await carry_all(relay_of(world.store, database))
    await world.mailed(job, "operate", timer_ms=world.now() + 10**9)
    histories = Histories(world.store, database)

    whole = await histories.entries(job, 0, 100, newest=3)

    assert [entry.seq for entry in whole] == [1, 2, 3]
    assert await histories.entries(job, 0, 2, newest=3) == whole[:2]
    assert await histories.entries(job, 2, 100, newest=3) == whole[2:]


async def test_what_a_store_kept_before_it_had_a_database_is_still_shown(
    tmp_path: Path, database: PostgresHistory
) -> None:
    clock = Clock()
    before = World(SqliteStore(tmp_path / "a.db", offset_ms=clock.offset), clock)
    await before.store.open(before.heard.wakeups)
    job = await job_of(before, 2)
    await before.store.close()
    world = World(SqliteStore(tmp_path / "a.db", offset_ms=clock.offset, outbox=True), clock)
    await world.store.open(world.heard.wakeups)
    await world.mailed(job, "operate", timer_ms=world.now() + 10**9)
    await carry_all(relay_of(world.store, database))

    shown = await Histories(world.store, database).entries(job, 0, 100, newest=3)

    assert [entry.seq for entry in shown] == [1, 2, 3]
    await world.store.close()


async def test_a_store_that_was_set_back_overrules_what_it_lost(tmp_path: Path, database: PostgresHistory) -> None:
    """The file is copied and put back, as a backup is."""
    clock = Clock()
    file = tmp_path / "jobs.db"
    world = World(SqliteStore(file, offset_ms=clock.offset, outbox=True), clock)
    await world.store.open(world.heard.wakeups)
    job = await job_of(world, 2)
    await world.store.close()
    shutil.copy(file, tmp_path / "backup.db")
    await world.store.open(world.heard.wakeups)
    await world.mailed(job, "operate", timer_ms=world.now() + 10**9, record=b"lost")
    await world.mailed(job, "operate", timer_ms=world.now() + 10**9, record=b"lost too")
    await carry_all(relay_of(world.store, database))
    await world.store.close()
    put_back(tmp_path / "backup.db", file)
    await world.store.open(world.heard.wakeups)
    histories = Histories(world.store, database)

    assert [entry.seq for entry in await histories.entries(job, 0, 10, newest=2)] == [1, 2]
    await world.mailed(job, "operate", timer_ms=world.now() + 10**9, record=b"anew")
    await carry_all(relay_of(world.store, database))

    assert [entry.record for entry in await database.entries(job, 0, 10)] == [b"record", b"record", b"anew"]
    await world.store.close()


def put_back(backup: Path, file: Path) -> None:
    """Put a copy in the place of an SQLite file and of its logs."""
    for left in file.parent.glob(f"{file.name}*"):
        left.unlink()
    shutil.copy(backup, file)


async def test_the_database_keeps_a_job_from_its_end_for_its_own_retention(
    world: World, database: PostgresHistory
) -> None:
    job = await world.create(
        record=b'{"type":"JobCreated","client":"shop","ended":"finished"}',
        end=ScopeEnd(ok=True, status="finished", output=b"1"),
    )
    relay = relay_of(world.store, database)
    await carry_all(relay)
    world.clock.advance(RETENTION_MS + 1)
    assert await world.store.trim(0, 10) == 1
    histories = Histories(world.store, database)

    assert (await histories.client(job), len(await histories.entries(job, 0, 10, newest=None))) == ("shop", 1)

    world.clock.advance(round(KEPT_FOR.total_seconds() * 1000))
    await relay.trim()
    assert await histories.client(job) is None


# --- the whole engine -------------------------------------------------------------------------------------------------


@pytest.fixture
def own_postgres(postgres_dsn: str) -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("missing server: postgres (only a foreign one is known, which is not to be stopped)")
    folder = Path(tempfile.mkdtemp(prefix="avtomat-postgres-"))
    server = PostgresServer(folder, binaries)
    yield server
    server.kill()
    shutil.rmtree(folder)


async def engine_with(folder: Path, url: str, store: str | None = None, **settings: Any) -> Service:
    (folder / "greet.yaml").write_text(GREET)
    store = store or f"sqlite:///{folder / 'jobs.db'}"
    engine = Service(Settings(store=store, history=url, blueprints=folder / "greet.yaml", **settings))
    await engine.start(watch=False)
    return engine


async def submit(engine: Service, key: str | None = None) -> str:
    return (await engine.clients.submit(Submission(blueprint="greet", input={}, client="shop", key=key))).job_id


async def finish_any(engine: Service) -> str:
    """Do the task of one job, which ends with it."""
    [task] = await engine.dispatcher.poll(Poll(worker="w1", kinds=("say",), timeout_s=5), lambda: False)
    job = str(task["job_id"])
    told = await engine.dispatcher.result({"worker_id": "w1", "task_id": task["task_id"], "job_id": job, "data": 1})
    assert told == {"status": "accepted"}
    return job


async def finish(engine: Service, job: str) -> None:
    assert await finish_any(engine) == job


async def eventually_carried(engine: Service, partition: int = 0) -> None:
    """Wait until the engine's own duties have emptied the outbox."""
    while await engine.store.outbox(partition, 1):
        await engine.measures.sample()


async def test_jobs_go_on_while_the_database_is_away_and_their_history_follows(
    tmp_path: Path, own_postgres: PostgresServer
) -> None:
    own_postgres.stop()
    engine = await engine_with(tmp_path, own_postgres.dsn)
    job = await submit(engine)
    await finish(engine, job)
    with pytest.raises(StoreError) as caught:
        await engine.clients.history(job, "shop", 0, 10)
    async with asyncio.timeout(20):
        while "history" not in engine.readiness()[1]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    ready, reasons = engine.readiness()
    own_postgres.start()
    await eventually_carried(engine)

    assert ready
    assert reasons["history"]["code"] == caught.value.code == "history.unavailable"
    own_postgres.kill()
    own_postgres.start()
    another = await submit(engine)
    await finish(engine, another)
    await eventually_carried(engine)
    for each in (job, another):
        shown = await engine.clients.history(each, "shop", 0, 10)
        assert shown is not None
        assert [entry["type"] for entry in shown] == ["JobCreated", "TaskSucceeded"]
    await engine.stop()


async def test_a_job_that_left_the_store_shows_its_history_to_its_client_alone(
    tmp_path: Path, postgres_schema: str
) -> None:
    engine = await engine_with(tmp_path, postgres_schema, retention=timedelta(milliseconds=1))
    job = await submit(engine)
    await finish(engine, job)
    await eventually_carried(engine)
    while await engine.clients.job(job, None) is not None:
        await engine.store.trim(0, 10)

    shown = await engine.clients.history(job, "shop", 0, 10)

    assert shown is not None
    assert [entry["seq"] for entry in shown] == [1, 2]
    assert await engine.clients.history(job, None, 1, 10) == shown[1:]
    assert await engine.clients.history(job, "somebody else", 0, 10) is None
    assert await engine.clients.history("00" * 13, None, 0, 10) is None
    await engine.stop()


@pytest.mark.parametrize("carried", [1, 3, 5])
async def test_what_is_carried_while_a_history_is_read_is_not_missing_in_it(
    world: World, database: PostgresHistory, monkeypatch: pytest.MonkeyPatch, carried: int
) -> None:
    job = await job_of(world, 5)
    made = await outbox_of(world)
    relay, read = relay_of(world.store, database), database.entries

    async def read_and_carry(*asked: Any) -> list[HistoryEntry]:
        monkeypatch.undo()
        found = await read(*asked)
        monkeypatch.setattr("avtomat.runtime.time.relay.BATCH_MAX", carried)
        await relay.carry(0)
        return found

    monkeypatch.setattr(database, "entries", read_and_carry)

    assert await Histories(world.store, database).entries(job, 0, 100, 5) == made


async def test_replicas_on_one_redis_carry_each_entry_once_and_all_show_it(
    tmp_path: Path, postgres_schema: str, fresh_redis: RedisServer
) -> None:
    engines = [await engine_with(tmp_path, postgres_schema, fresh_redis.url, partitions=2) for _ in range(2)]
    jobs = [await submit(engines[number % 2]) for number in range(20)]
    for number, job in enumerate(jobs):
        await finish_any(engines[number % 2])
        assert await engines[0].clients.history(job, "shop", 0, 10)
    for partition in range(2):
        await eventually_carried(engines[0], partition)

    for job in jobs:
        shown = [await engine.clients.history(job, "shop", 0, 10) for engine in engines]
        assert shown[0] == shown[1]
        assert [entry["seq"] for entry in shown[0] or ()] == [1, 2]
    [row] = await execute(postgres_schema, "SELECT count(*), max(epoch) FROM avtomat_history")
    assert tuple(row) == (40, 0)
    for engine in engines:
        await engine.stop()


async def test_new_jobs_wait_while_history_piles_up_and_those_that_run_go_on(
    tmp_path: Path, own_postgres: PostgresServer
) -> None:
    own_postgres.stop()
    engine = await engine_with(tmp_path, own_postgres.dsn, history_pending_max=1)
    job = await submit(engine, key="k")
    await engine.measures.sample()

    with pytest.raises(RequestRefused) as caught:
        await submit(engine)
    assert (caught.value.status, caught.value.code, caught.value.retry_after_s) == (503, "store.history_behind", 5)
    assert await submit(engine, key="k") == job
    await finish(engine, job)

    own_postgres.start()
    await eventually_carried(engine)
    await engine.measures.sample()
    await submit(engine)
    await engine.stop()
