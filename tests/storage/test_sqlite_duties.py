"""On SQLite nothing periodic grows with what is stored, and no step of a duty holds the only writer up."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from avtomat.errors import StoreError
from avtomat.storage.sqlite import records as sqlite_records
from avtomat.storage.sqlite import trim as sqlite_trim
from avtomat.storage.sqlite import writer as sqlite_writer
from avtomat.storage.sqlite.store import SqliteStore
from avtomat.storage.sqlite.trim import ROWS_MAX, SMALL_ROWS
from avtomat.storage.sqlite.writer import Step
from tests.storage.world import FINISHED, LEASE_MS, QUEUE, RETENTION_MS, Clock, World, fork, task


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = Clock()
    world = World(SqliteStore(tmp_path / "jobs.db", offset_ms=clock.offset), clock)
    await world.store.open(world.heard.wakeups)
    yield world
    await world.store.close()


def store_of(world: World) -> SqliteStore:
    assert isinstance(world.store, SqliteStore)
    return world.store


async def rows_changed(world: World, act: Callable[[], Awaitable[object]]) -> int:
    """How many rows were written or removed meanwhile."""

    def changes(step: Step) -> int:
        return step.db.total_changes

    before = await store_of(world)._write(changes)
    await act()
    return await store_of(world)._write(changes) - before


async def work_of_reading(world: World, ask: Callable[[], Awaitable[object]]) -> int:
    """How many instructions SQLite carried out to answer, in tens."""
    instructions = 0

    def count() -> None:
        nonlocal instructions
        instructions += 1

    reader = store_of(world)._reader
    assert reader is not None
    reader._db.set_progress_handler(count, 10)
    await ask()
    reader._db.set_progress_handler(None, 10)
    return instructions


async def test_what_an_idle_engine_asks_costs_the_same_however_many_tasks_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_records, "DUE_COUNTED_MAX", 20)

    async def ask() -> None:
        await world.store.counts()
        await world.store.queues(0)
        await world.store.next_due_ms(0)
        await world.store.workers()

    async def fill(count: int) -> int:
        for _ in range(count):
            job = world.name()
            await world.create_as(
                job, dispatch=task(world.first_task(job), queue="gpu#1", requirements=b"gpu", queue_ms=60_000)
            )
        return await work_of_reading(world, ask)

    few = await fill(40)
    assert await fill(400) < 2 * few
    assert (await world.store.counts())["queue:gpu#1"] == 440


async def test_numbers_are_those_of_the_rows_when_the_file_is_opened_again(world: World) -> None:
    await world.with_leased()
    await world.with_task()
    paused, _ = await world.with_task()
    await world.status(paused, "paused")
    before = await world.store.counts()
    await world.store.close()
    await world.store.open(world.heard.wakeups)
    assert await world.store.counts() == before


async def test_where_places_go_on_is_found_without_the_scopes_of_ended_jobs(world: World) -> None:
    def work(step: Step) -> int:
        instructions: list[None] = []
        step.db.set_progress_handler(lambda: instructions.append(None), 1)
        step.db.execute(sqlite_writer._LAST_PLACE).fetchone()
        step.db.set_progress_handler(None, 10)
        return len(instructions)

    before = await store_of(world)._write(work)
    for _ in range(100):
        job = await world.create(timer_ms=world.now() + 10**9)
        await world.mailed(job, "cancel", end=FINISHED)
    assert await store_of(world)._write(work) <= before + 10


async def test_an_operation_that_fails_leaves_the_numbers_as_they_were(world: World) -> None:
    job = world.name()
    await world.create_as(job, dispatch=task(world.first_task(job)), fork=fork(2))
    before = await world.store.counts()
    with pytest.raises(ValueError, match="has forked with the number"):
        await world.mailed(job, "operate", fork=fork(2))
    assert (await world.store.counts())[f"queue:{QUEUE}"] == before[f"queue:{QUEUE}"] == 1


@pytest.mark.parametrize("batch_fails", [False, True])
async def test_a_look_that_was_taken_back_does_not_count_as_one(world: World, batch_fails: bool) -> None:
    await world.with_leased()
    world.clock.advance(LEASE_MS + 1_000)

    def fail(step: Step) -> None:
        if batch_fails:
            step.db.execute("ROLLBACK")
        raise sqlite3.OperationalError

    looked, failed = await asyncio.gather(world.due(), store_of(world)._write(fail), return_exceptions=True)
    assert isinstance(failed, StoreError)
    assert isinstance(looked, StoreError) == batch_fails
    assert looked == [] or batch_fails
    assert await world.due() == []
    await world.sound()


async def test_a_large_job_leaves_at_once_and_its_records_page_by_page(world: World) -> None:
    job, paths = await world.with_fork(300)
    for path in paths:
        await world.begin(job, path, end=FINISHED)
    await world.mailed(job, "cancel", end=FINISHED)
    await world.store.sweep(0, 10_000)
    world.clock.advance(RETENTION_MS + 1_000)

    assert await rows_changed(world, lambda: world.store.trim(0, 10)) < 20
    assert await world.store.show(job) is None
    pages = [await rows_changed(world, lambda: world.store.sweep(0, 100)) for _ in range(30)]

    assert max(pages) <= 102
    assert await world.store.sweep(0, 100) == 0
    assert await _rows_of_all_tables(world) == {}


async def test_many_small_jobs_leave_in_steps_of_so_many_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_trim, "ROWS_MAX", 30)
    for _ in range(40):
        await world.create(end=FINISHED)
    world.clock.advance(RETENTION_MS + 1_000)
    left = []
    while removed := await world.store.trim(0, 200):
        left.append(removed)
    assert sum(left) == 40
    assert max(left) <= 30
    assert ROWS_MAX > SMALL_ROWS
    assert await _rows_of_all_tables(world) == {}


async def test_a_new_job_gets_nothing_of_one_that_is_leaving(world: World) -> None:
    job, _ = await world.with_fork(5)
    await world.mailed(job, "cancel", end=FINISHED)
    world.clock.advance(RETENTION_MS + 1_000)
    assert await world.store.trim(0, 10) == 1
    await world.store.close()
    await world.store.open(world.heard.wakeups)
    later, paths = await world.with_fork(2)
    assert len(paths) == 2
    assert len(await world.store.history(later, 0, 100)) == 1
    while await world.store.sweep(0, 100):
        pass
    assert len(await world.store.history(later, 0, 100)) == 1
    await world.sound()


async def test_closing_a_fork_of_many_ended_bodies_is_bounded(world: World) -> None:
    job, paths = await world.with_fork(800, window=800, need=801)
    for path in paths[:-1]:
        await world.begin(job, path, end=FINISHED)

    changed = await rows_changed(
        world, lambda: world.mailed(job, "cancel", close=("/1",), timer_ms=world.now() + 10**9)
    )
    assert changed < 300
    while swept := await world.store.sweep(0, 100):
        assert swept <= 100
    assert (await world.dump())["jobs"][job]["closed"] == ["/1"]
    await world.sound()


async def test_many_members_of_parked_jobs_are_set_aside_in_steps(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avtomat.storage.sqlite.duties.LOOKED_AT_MAX", 20)
    for _ in range(60):
        parked = await world.create(timer_ms=world.now() + 1_000)
        await world.status(parked, "paused")
    ready = await world.create(timer_ms=world.now() + 2_000)
    world.clock.advance(60_000)

    changed = [await rows_changed(world, lambda: world.due(limit=10)) for _ in range(6)]

    assert max(changed) <= 22
    assert [due.job for due in await world.due(limit=10)] == []
    world.clock.advance(60_000)
    assert [due.job for due in await world.due(limit=10)] == [ready]


async def _rows_of_all_tables(world: World) -> dict[str, int]:
    """The tables that hold rows of jobs, by the number of their rows."""

    def count(step: Step) -> dict[str, int]:
        tables = "jobs history scopes forks fences outputs large_values undos due mail mail_ids sweeps leaving attempts"
        found = {table: step.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables.split()}
        return {table: rows for table, rows in found.items() if rows}

    return await store_of(world)._write(count)
