"""Whoever may take a task is woken for it, and nobody else; whatever becomes of a poll that is woken, none is left."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from avtomat.runtime import clients, duties
from tests.runtime.fleet import ASKED_GB, HAS_GB, KINDS, Worker, finish, two_replicas, until
from tests.servers import RedisServer

NEVER_S = 1_000.0
ASKING = "states: {a: {task: work, worker: {resources: {ram_gb: 8}}, next: end}}\n"
PLAIN = "states: {a: {task: work, next: end}}\n"
RAM = {"resources": {"properties": {"ram_gb": 8}}}
STORES = [(kind, partitions) for kind in ("memory", "sqlite", "redis") for partitions in (1, 3)]


@pytest.fixture(autouse=True)
def news_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks again from time to time: what news miss is missed for good."""
    monkeypatch.setattr(duties, "LOOK_EVERY_S", NEVER_S)
    monkeypatch.setattr(clients, "LOOK_AGAIN_S", NEVER_S)


@pytest.fixture
def url(request: pytest.FixtureRequest, kind: str) -> str:
    """The server that a store of this kind needs."""
    if kind != "redis":
        return ""
    server: RedisServer = request.getfixturevalue("fresh_redis")
    return server.url


@pytest.mark.parametrize(("kind", "partitions"), STORES)
async def test_the_one_worker_of_twenty_that_fits_is_woken_and_no_other(
    kind: str, partitions: int, url: str, tmp_path: Path
) -> None:
    chance = Random(0)
    async with two_replicas(kind, partitions, tmp_path, url, chance) as replicas:
        here, there = replicas
        workers = [Worker(f"w{number}", here, replicas, chance) for number in range(20)]
        for number, worker in enumerate(workers):
            await worker.register(["cut"], 16 if number == 13 else 4)
            worker.start()
            await until(lambda count=number + 1: here.queues.polls_waiting() == count)  # type: ignore[misc]

        for _ in range(3):
            await finish(there, "cut_8")
            await until(lambda: here.queues.polls_waiting() == 20)
        polls_before, handed_before = here.measures.tally, here.measures.tally.handed_out
        await finish(there, "cut_8")

        assert polls_before.handed_out - handed_before == 1
        for worker in workers:
            await worker.stop()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kind", "partitions"), STORES)
async def test_no_wake_up_is_lost_whatever_workers_do_meanwhile(
    kind: str, partitions: int, seed: int, url: str, tmp_path: Path
) -> None:
    chance = Random(f"{kind} {partitions} {seed}")
    async with two_replicas(kind, partitions, tmp_path, url, chance) as replicas:
        workers = [Worker(f"w{number}", replicas[number % 2], replicas, chance) for number in range(8)]
        able, others = workers[0], workers[1:]
        await able.register(KINDS, 16)
        for worker in others:
            await worker.register(chance.sample(KINDS, chance.randint(1, 3)), chance.choice(HAS_GB))
        for worker in workers:
            worker.start()

        async def disturb(worker: Worker) -> None:
            for _ in range(chance.randrange(30)):
                await asyncio.sleep(0)
            if worker is able or chance.random() < 0.5:
                await worker.stop()
                worker.start()
            else:
                await worker.register(chance.sample(KINDS, chance.randint(1, 3)), chance.choice(HAS_GB))

        for _ in range(40):
            asked = [f"{chance.choice(KINDS)}_{chance.choice(ASKED_GB)}" for _ in range(chance.choice((1, 1, 2, 5)))]
            disturbed = chance.sample(workers, chance.randrange(4))
            await asyncio.gather(
                *(finish(chance.choice(replicas), blueprint) for blueprint in asked), *map(disturb, disturbed)
            )
        for worker in workers:
            await worker.stop()
