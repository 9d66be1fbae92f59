"""A store's time goes on when the system's clock is turned back, and after a restart as well."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from avtomat.storage.port.clock import StoreClock
from avtomat.storage.redis.store import RedisStore
from avtomat.storage.sqlite.store import SqliteStore
from tests.servers import RedisServer
from tests.storage.world import FINISHED, Clock, World

HOUR_MS = 3_600_000
NOON_MS = 1_800_000_000_000


class Machine:
    """A system whose clock is turned by hand, apart from the time that passes."""

    def __init__(self) -> None:
        self.wall = float(NOON_MS)
        self.passed = 0.0

    def wait(self, ms: float) -> None:
        self.wall += ms
        self.passed += ms

    def clock(self) -> StoreClock:
        return StoreClock(times=lambda: (self.wall, self.passed))


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_it_is_the_systems_clock_as_long_as_that_goes_forward(machine: Machine) -> None:
    clock = machine.clock()
    machine.wait(1_234)
    assert clock.now_ms() == NOON_MS + 1_234
    machine.wall += 60_000
    assert clock.now_ms() == clock.wall_ms() == NOON_MS + 61_234


def test_turned_back_it_goes_on_slowly_until_the_other_has_caught_up(machine: Machine) -> None:
    clock = machine.clock()
    machine.wall -= HOUR_MS
    assert clock.now_ms() == NOON_MS
    for _ in range(60):
        machine.wait(1_000)
    assert clock.now_ms() == pytest.approx(NOON_MS + 54_000, abs=1)
    assert clock.ahead_ms() == pytest.approx(HOUR_MS - 6_000, abs=1)
    machine.wait(10 * HOUR_MS)
    assert clock.now_ms() == clock.wall_ms()
    assert clock.ahead_ms() == 0


def test_it_begins_where_the_store_stood(machine: Machine) -> None:
    clock = machine.clock()
    clock.start(NOON_MS + HOUR_MS)
    assert clock.now_ms() == NOON_MS + HOUR_MS
    clock = machine.clock()
    clock.start(NOON_MS - HOUR_MS)
    assert clock.now_ms() == NOON_MS


def test_only_a_jump_of_more_than_five_minutes_is_told(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    clock = machine.clock()
    for jump in (299_000, -299_000):
        machine.wall += jump
        clock.now_ms()
    assert (clock.jumps, caplog.records) == (0, [])
    for jump in (-HOUR_MS, HOUR_MS):
        machine.wall += jump
        clock.now_ms()
    assert clock.jumps == 2
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "turned back by 3600 s" in caplog.text


def test_time_that_a_test_turns_is_no_jump(caplog: pytest.LogCaptureFixture) -> None:
    turned = Clock()
    clock = StoreClock(times=lambda: (NOON_MS, 0.0), offset_ms=turned.offset)
    turned.advance(HOUR_MS)
    assert clock.now_ms() == clock.wall_ms() == NOON_MS + HOUR_MS
    turned.advance(-HOUR_MS)
    assert clock.now_ms() == NOON_MS + HOUR_MS
    assert not caplog.records


# --- SQLite -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def opened(file: Path, machine: Machine) -> AsyncIterator[World]:
    world = World(SqliteStore(file, clock=machine.clock()), Clock())
    await world.store.open(world.heard.wakeups)
    try:
        yield world
    finally:
        await world.store.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


async def due_jobs(world: World) -> list[str]:
    return [due.job for due in await world.due()]


async def test_a_wait_ends_in_time_although_the_clock_was_turned_back(file: Path, machine: Machine) -> None:
    async with opened(file, machine) as world:
        job = await world.create(timer_ms=world.now() + 60_000)
        machine.wall -= HOUR_MS
        machine.wait(59_000)
        assert await due_jobs(world) == []
        machine.wait(8_000)
        assert await due_jobs(world) == [job]


async def test_a_wait_ends_in_time_after_a_restart_with_a_clock_turned_back(file: Path, machine: Machine) -> None:
    async with opened(file, machine) as world:
        job = await world.create(timer_ms=world.now() + 60_000)
        machine.wait(30_000)
        await world.store.ping()
    machine.wall -= HOUR_MS
    async with opened(file, machine) as world:
        machine.wait(36_000)
        assert await due_jobs(world) == [job]


async def test_a_time_of_day_is_that_of_the_systems_clock(file: Path, machine: Machine) -> None:
    async with opened(file, machine) as world:
        timer = await world.create(timer_ms=NOON_MS + 60_000, timer_by_wall=True)
        start = world.new(start_ms=NOON_MS + 60_000, deadline_ms=NOON_MS + 120_000)
        await world.store.create(start)
        machine.wall -= HOUR_MS
        for _ in range(60):
            machine.wait(60_000)
            assert await due_jobs(world) == []
        machine.wait(60_000)
        assert sorted(await due_jobs(world)) == sorted([timer, start.job])
        machine.wait(60_000)
        assert "deadline" in [due.kind for due in await world.due() if due.job == start.job]


async def test_a_time_of_day_that_is_set_while_the_clocks_differ_is_kept(file: Path, machine: Machine) -> None:
    async with opened(file, machine) as world:
        machine.wall -= HOUR_MS
        early = NOON_MS - HOUR_MS + 600_000
        job = await world.create(timer_ms=early, timer_by_wall=True)
        assert await due_jobs(world) == []
        machine.wait(599_000)
        assert await due_jobs(world) == []
        machine.wait(1_000)
        assert await due_jobs(world) == [job]


async def test_history_goes_forward_over_a_clock_that_was_turned_back(file: Path, machine: Machine) -> None:
    async with opened(file, machine) as world:
        job, _ = await world.with_task()
        machine.wait(5_000)
        machine.wall -= HOUR_MS
        await world.mailed(job, "cancel", end=FINISHED)
        first, second = await world.store.history(job, 0, 10)
        assert 4_500 <= second.at_ms - first.at_ms <= 5_000


# --- Redis ------------------------------------------------------------------------------------------------------------


async def test_a_redis_whose_clock_is_turned_back_keeps_its_waits(
    fresh_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    world = World(RedisStore(fresh_redis.url, offset_ms=clock.offset), clock)
    store = world.store
    await store.open(world.heard.wakeups)
    job = await world.create(timer_ms=world.now() + 60_000)
    turn_server_back(store, HOUR_MS, monkeypatch)
    await store.ping()
    clock.advance(50_000)
    assert await world.due() == []
    clock.advance(20_000)
    assert [due.job for due in await world.due()] == [job]
    await store.close()


def turn_server_back(store: Any, ms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server's own time be earlier from now on, for this store's calls."""
    call = store._backend.call

    def turned(script: object, keys: Sequence[object], args: Sequence[Any]) -> object:
        found = re.match(r"-?\d+", str(args[0]))
        assert found is not None
        return call(script, keys, (f"{int(found[0]) - ms}{str(args[0])[found.end() :]}", *args[1:]))

    monkeypatch.setattr(store._backend, "call", turned)
