"""Let each call that an engine makes for a run of a schedule go wrong once, in each way, or be its last one.

The run has one job nevertheless, whichever replica goes on, and the run after it as well.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from avtomat.errors import StoreError
from avtomat.runtime.schedules.duty import FINISHED_BY_OTHERS_MS
from avtomat.runtime.schedules.making import CLIENT
from avtomat.runtime.service import Service
from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.port.answers import Query
from avtomat.storage.port.store import Store
from avtomat.storage.sqlite.store import SqliteStore
from tests.runtime.replicas import SharedStore, replica_on
from tests.runtime.test_call_faults import DIES, NthFault
from tests.runtime.test_calls_of_replicas import kill
from tests.runtime.test_schedules import BEGAN, at, text
from tests.storage.faults import Fault, faulty
from tests.storage.world import StandingClock

PATIENCE_S = 20
PLANS = [("agreed", 1), ("agreed", 2), ("agreed", 3), ("agree", 1), ("agree", 2), ("create", 1)]
NIGHTLY = "{name: nightly, cron: '0 2 * * *', timezone: Europe/Berlin, overlap: queue, catch_up: all}"
PERILS = [Fault.NOT_EXECUTED, Fault.ANSWER_LOST, Fault.TWICE, DIES]


def turn(clock: StandingClock, ms: float) -> None:
    clock.ms += round(ms) - clock.now()


async def times(replica: Service) -> list[str]:
    jobs, _ = await replica.clients.jobs(Query(client=CLIENT, limit=100))
    return sorted(job["labels"]["scheduled_for"] for job in jobs)


async def decided(replica: Service, clock: StandingClock, runs: int) -> None:
    """Let a replica look, as its duty does, until so many runs have started."""
    shown: list[Any] = []
    while [run["outcome"] for run in shown] != ["started"] * runs:
        with suppress(StoreError):
            await replica._schedules.look()
            shown = [run for each in await replica.schedules.list() for run in each["runs"]]
        turn(clock, clock.now() + 100)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("peril", PERILS)
@pytest.mark.parametrize(("operation", "nth"), PLANS)
async def test_a_run_has_one_job_whatever_goes_wrong(
    tmp_path: Path, kind: str, peril: Fault | str, operation: str, nth: int
) -> None:
    (tmp_path / "sample.yaml").write_text(text(NIGHTLY, "done: {succeed: 1}"))
    clock = StandingClock()
    turn(clock, BEGAN.timestamp() * 1000)
    built: Store = MemoryStore(offset_ms=clock.offset)
    if kind == "sqlite":
        built = SqliteStore(tmp_path / "jobs.db", offset_ms=clock.offset)
    shared = SharedStore(built)
    await shared.begin()
    faults = NthFault("none", 0, peril)
    first = await replica_on(faulty(shared.store, faults)[0], tmp_path)
    await first._schedules.look()
    await first._duties.stop()
    faults._counts.clear()
    faults._plan = operation, nth
    turn(clock, at(28, 1).timestamp() * 1000)

    looking = asyncio.create_task(decided(first, clock, 1))
    death = asyncio.create_task(faults.dead.wait())
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.wait({looking, death}, return_when=asyncio.FIRST_COMPLETED)
    replica = first
    if faults.dead.is_set():
        looking.cancel()
        await kill(first)
        turn(clock, clock.now() + FINISHED_BY_OTHERS_MS)
        replica = await replica_on(shared.store, tmp_path)
        await replica._duties.stop()
        async with asyncio.timeout(PATIENCE_S):
            await decided(replica, clock, 1)
    else:
        await looking
    death.cancel()
    assert faults._counts[operation] >= nth
    assert await times(replica) == ["2026-03-28T01:00:00.000Z"]

    turn(clock, (at(28, 1) + timedelta(days=1)).timestamp() * 1000)
    async with asyncio.timeout(PATIENCE_S):
        await decided(replica, clock, 2)
    assert await times(replica) == ["2026-03-28T01:00:00.000Z", "2026-03-29T01:00:00.000Z"]
    await replica.stop()
    await shared.end()


async def test_a_pause_that_comes_while_a_run_is_decided_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "sample.yaml").write_text(text(NIGHTLY, "work: {task: work}"))
    clock = StandingClock()
    turn(clock, BEGAN.timestamp() * 1000)
    store, faults = faulty(MemoryStore(offset_ms=clock.offset))
    replica = await replica_on(store, tmp_path)
    await replica._duties.stop()
    turn(clock, at(28, 1).timestamp() * 1000)
    await decided(replica, clock, 1)
    turn(clock, (at(28, 1) + timedelta(days=1)).timestamp() * 1000)
    faults.next("show", Fault.LATE)

    looking = asyncio.create_task(replica._schedules.look())
    await faults.held.wait()
    await replica.schedules.pause("sample", "nightly", "ann")
    faults.let_go()
    await looking

    shown = await replica.schedules.show("sample", "nightly")
    assert (shown["paused"]["by"], shown["waiting"]) == ("ann", [])
    await replica.stop()
