"""kill -9 of everything, again and again, under load: no accepted job is lost, stuck or ended twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.audit import audit, audit_endings, audit_sagas, sqlite_url
from tests.e2e.conditions import for_the_time
from tests.e2e.load import Endings, Load
from tests.e2e.processes import EngineProcess, WorkerProcess
from tests.e2e.scripts import SdkWorker
from tests.servers import KEEPS_ALL_WRITES, RedisServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

LEASE = ("--lease", "3s")
SAGAS = 40
"""Clients of `saga`, whose jobs have nine tasks and up to five undos each."""

STUBBORN, TWICE = 20, 2
"""Attempts that the blueprints `echo` and `twice` allow."""


def times(some: int, many: int) -> pytest.MarkDecorator:
    """`some` in every run, `many` in a nightly one."""
    return pytest.mark.parametrize("kills", [some, pytest.param(many, marks=pytest.mark.nightly)])


def three_workers(stack: ExitStack, *engines: EngineProcess) -> None:
    """Two made with the SDK and one of commands, shared out over the engines."""
    stack.enter_context(SdkWorker(engines[0], "sdk-1"))
    stack.enter_context(SdkWorker(engines[-1], "sdk-2"))
    stack.enter_context(WorkerProcess(engines[0], {"echo": "cat"}, name="commands"))


def two_replicas(stack: ExitStack, folder: Path, store: str) -> list[EngineProcess]:
    """Two engines on one store."""
    return [
        stack.enter_context(EngineProcess(folder, store=store, arguments=LEASE, log=f"engine-{number}.log"))
        for number in (1, 2)
    ]


async def kill_and_start(victim: EngineProcess, chance: random.Random) -> None:
    """Kill it and start it again; sometimes it is killed again before it is ready."""
    victim.kill()
    victim.start()
    if chance.random() < 0.25:
        await asyncio.to_thread(for_the_time, chance.uniform(0, 1.5))
        victim.kill()
        victim.start()
    await asyncio.to_thread(victim.wait_ready)


async def crash(load: Load, kills: int, chance: random.Random, kill: Callable[[], Any], *, ends_max: int = 200) -> None:
    """Call `kill` at random moments of a load that is in full flight, then let every job end."""
    await load.in_flight()
    for _ in range(kills):
        await load.more_ends(chance.randrange(1, ends_max))
        await kill()
    await load.drain()


@times(3, 20)
async def test_no_job_is_lost_when_the_only_engine_is_killed(
    folder: Path, stack: ExitStack, kills: int, chance: random.Random
) -> None:
    engine = stack.enter_context(EngineProcess(folder, arguments=LEASE))
    three_workers(stack, engine)

    async with Load([engine], "echo") as load:
        await crash(load, kills, chance, lambda: kill_and_start(engine, chance))

    assert engine.stop() == 0
    await audit(sqlite_url(folder), load.accepted, attempts_max=STUBBORN)


@times(3, 20)
async def test_no_job_is_lost_when_replicas_are_killed(
    folder: Path, stack: ExitStack, fresh_redis: RedisServer, kills: int, chance: random.Random
) -> None:
    store = fresh_redis.url
    replicas = two_replicas(stack, folder, store)
    three_workers(stack, *replicas)

    async with Load(replicas, "echo") as load:
        await crash(load, kills, chance, lambda: kill_and_start(chance.choice(replicas), chance))

    assert [replica.stop() for replica in replicas] == [0, 0]
    await audit(store, load.accepted, attempts_max=STUBBORN)


@times(2, 20)
async def test_blocks_go_on_and_are_undone_once_when_the_only_engine_is_killed(
    folder: Path, stack: ExitStack, kills: int, chance: random.Random
) -> None:
    engine = stack.enter_context(EngineProcess(folder, arguments=LEASE))
    three_workers(stack, engine)

    async with Load([engine], "saga", clients=SAGAS) as load:
        await crash(load, kills, chance, lambda: kill_and_start(engine, chance), ends_max=SAGAS)

    assert engine.stop() == 0
    await audit_sagas(sqlite_url(folder), load.accepted)


@times(2, 20)
async def test_blocks_go_on_and_are_undone_once_when_replicas_are_killed(
    folder: Path, stack: ExitStack, fresh_redis: RedisServer, kills: int, chance: random.Random
) -> None:
    store = fresh_redis.url
    replicas = two_replicas(stack, folder, store)
    three_workers(stack, *replicas)

    async with Load(replicas, "saga", clients=SAGAS) as load:
        await crash(load, kills, chance, lambda: kill_and_start(chance.choice(replicas), chance), ends_max=SAGAS)

    assert [replica.stop() for replica in replicas] == [0, 0]
    await audit_sagas(store, load.accepted)


@times(2, 20)
async def test_finally_runs_once_for_each_end_when_the_only_engine_is_killed(
    folder: Path, stack: ExitStack, kills: int, chance: random.Random
) -> None:
    engine = stack.enter_context(EngineProcess(folder, arguments=LEASE))
    three_workers(stack, engine)

    async with Endings([engine], "endings", clients=SAGAS) as load:
        await crash(load, kills, chance, lambda: kill_and_start(engine, chance), ends_max=SAGAS)

    assert engine.stop() == 0
    await audit_endings(sqlite_url(folder), load.accepted)


@times(2, 20)
async def test_finally_runs_once_for_each_end_when_replicas_are_killed(
    folder: Path, stack: ExitStack, fresh_redis: RedisServer, kills: int, chance: random.Random
) -> None:
    store = fresh_redis.url
    replicas = two_replicas(stack, folder, store)
    three_workers(stack, *replicas)

    async with Endings(replicas, "endings", clients=SAGAS) as load:
        await crash(load, kills, chance, lambda: kill_and_start(chance.choice(replicas), chance), ends_max=SAGAS)

    assert [replica.stop() for replica in replicas] == [0, 0]
    await audit_endings(store, load.accepted)


@times(10, 50)
async def test_no_job_is_lost_when_workers_are_killed(
    folder: Path, stack: ExitStack, kills: int, chance: random.Random
) -> None:
    engine = stack.enter_context(EngineProcess(folder, arguments=LEASE))
    workers = [stack.enter_context(SdkWorker(engine, f"worker-{number}")) for number in range(3)]

    async def kill() -> None:
        place = chance.randrange(len(workers))
        workers[place].kill()
        if chance.random() < 0.5:  # another one takes its place; else the same one comes back
            workers[place] = stack.enter_context(SdkWorker(engine, f"worker-{chance.randrange(10**9)}"))
        workers[place].start()

    async with Load([engine], "twice") as load:
        await crash(load, kills, chance, kill)

    assert engine.stop() == 0
    await audit(sqlite_url(folder), load.accepted, attempts_max=TWICE, may_fail=["WORKER_LOST"])


@times(8, 10)
@pytest.mark.usefixtures("redis_server")  # says so where there is none
async def test_no_job_is_lost_when_redis_is_killed(
    folder: Path, stack: ExitStack, tmp_path_factory: pytest.TempPathFactory, kills: int, chance: random.Random
) -> None:
    redis = RedisServer(tmp_path_factory.mktemp("redis"), appendfsync=KEEPS_ALL_WRITES)
    stack.callback(redis.kill)
    store = redis.url
    replicas = two_replicas(stack, folder, store)
    three_workers(stack, *replicas)

    async def kill() -> None:
        redis.kill()
        await asyncio.to_thread(for_the_time, chance.uniform(0, 0.3))
        await asyncio.to_thread(redis.start)

    async with Load(replicas, "echo") as load:
        await crash(load, kills, chance, kill)

    assert [replica.stop() for replica in replicas] == [0, 0]
    await audit(store, load.accepted, attempts_max=STUBBORN)
