"""kill -9 while jobs are told of: each event that a job had comes, signed, and in the end nothing is left open."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import pytest

from avtomat.core.webhooks import COMPANION
from avtomat.storage.proof.invariants import violations
from tests.e2e.audit import dump_of, sqlite_url
from tests.e2e.load import Load
from tests.e2e.processes import EngineProcess
from tests.e2e.test_kill import LEASE, crash, kill_and_start, three_workers, times, two_replicas
from tests.runtime.webhooks.office import KEY, Receiver, receiving
from tests.servers import RedisServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
TOLD_WITHIN_S = 120
CLIENTS = 100


def tell(folder: Path, receiver: Receiver) -> None:
    """Settings by which the receiver is told of all jobs."""
    host = receiver.url.removeprefix("http://").partition("/")[0]
    (folder / "avtomat.toml").write_text(
        f'calls_allow = ["{host}"]\n[webhooks.all]\nurl = "{receiver.url}"\nsecret = "key"\n[secrets]\nkey = "{KEY}"\n'
    )


async def all_are_told(receiver: Receiver, load: Load) -> None:
    """Each job was told of, under one id however often it came."""
    async with asyncio.timeout(TOLD_WITHIN_S):
        while len({event["data"]["id"] for event in receiver.events()}) < len(load.accepted):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    ids = defaultdict(set)
    for name, event in zip(receiver.ids, receiver.events(), strict=True):
        ids[event["data"]["id"], event["type"]].add(name)
    assert ids.keys() == {(job, "job.finished") for job in load.accepted}
    assert all(len(names) == 1 for names in ids.values())


@times(2, 20)
async def test_each_job_is_told_of_when_the_only_engine_is_killed(
    folder: Path, stack: ExitStack, kills: int, chance: random.Random
) -> None:
    async with receiving() as receiver:
        tell(folder, receiver)
        engine = stack.enter_context(EngineProcess(folder, arguments=LEASE))
        three_workers(stack, engine)
        async with Load([engine], "echo", clients=CLIENTS) as load:
            await crash(load, kills, chance, lambda: kill_and_start(engine, chance), ends_max=50)
        await all_are_told(receiver, load)

    assert engine.stop() == 0
    await hold(sqlite_url(folder), load)


@times(2, 20)
async def test_each_job_is_told_of_when_replicas_are_killed(
    folder: Path, stack: ExitStack, fresh_redis: RedisServer, kills: int, chance: random.Random
) -> None:
    async with receiving() as receiver:
        tell(folder, receiver)
        replicas = two_replicas(stack, folder, fresh_redis.url)
        three_workers(stack, *replicas)
        async with Load(replicas, "echo", clients=CLIENTS) as load:
            await crash(load, kills, chance, lambda: kill_and_start(chance.choice(replicas), chance), ends_max=50)
        await all_are_told(receiver, load)

    assert [replica.stop() for replica in replicas] == [0, 0]
    await hold(fresh_redis.url, load)


async def hold(store: str, load: Load) -> None:
    """The store keeps to its invariants, and each job has the one that tells of it."""
    dump = await dump_of(store)
    assert violations(dump) == []
    told = [job["parent"] for job in dump["jobs"].values() if job["blueprint"] == COMPANION]
    assert sorted(map(str, told)) == sorted(load.accepted)
