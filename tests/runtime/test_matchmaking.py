"""Whoever may take a task is woken for it, and nobody else; whatever becomes of a poll that is woken, none is left."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from random import Random
from typing import Any

import pytest

from avtomat.runtime.jobs import clients
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.time import duties
from avtomat.runtime.work import matchmaker
from avtomat.runtime.work.matchmaker import Matchmaker, Profile, Standing
from avtomat.runtime.work.polls import Poll
from avtomat.runtime.work.strategies import Merit
from tests.runtime.bench import bench_of
from tests.runtime.fleet import ASKED_GB, HAS_GB, KINDS, PATIENCE_S, Worker, finish, two_replicas, until
from tests.servers import RedisServer

NEVER_S = 1_000.0
ASKING = "states: {a: {task: work, worker: {resources: {ram_gb: 8}}, next: end}}\n"
RAM = {"resources": {"properties": {"ram_gb": 8}}}
ASKED: dict[str, Any] = {"resources": {"ram_gb": 8}}
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
    kind: str, partitions: int, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        asked, poll = [], here.store.poll

        async def noted(partition: int, worker: str, *more: Any, **named: Any) -> Any:
            asked.append(worker)
            return await poll(partition, worker, *more, **named)

        monkeypatch.setattr(here.store, "poll", noted)
        await finish(there, "cut_8")

        assert set(asked) == {"w13"}
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


async def test_a_heartbeat_that_changes_what_a_worker_may_do_is_seen_by_its_poll_that_waits(tmp_path: Path) -> None:
    async with bench_of(ASKING, tmp_path, "memory") as bench:
        await bench.register("w1", "other", **RAM)
        job = await bench.submit()
        waiting = asyncio.create_task(
            bench.service.dispatcher.poll(Poll(worker="w1", kinds=(), timeout_s=NEVER_S), never)
        )
        await until(lambda: bench.service.queues.polls_waiting() == 1)

        await bench.service.dispatcher.heartbeat("w1", {"supported_skills": [{"name": "work"}]})

        [task] = await asyncio.wait_for(waiting, PATIENCE_S)
        assert task["job_id"] == job


async def test_a_worker_that_registered_at_another_replica_is_known_when_it_polls(tmp_path: Path) -> None:
    async with two_replicas("memory", 1, tmp_path, "", Random(0)) as (here, there):
        await there.dispatcher.register({"worker_id": "w1", "supported_skills": ["cut"], **RAM})
        poll = Poll(worker="w1", kinds=("cut",), timeout_s=NEVER_S)
        waiting = asyncio.create_task(here.dispatcher.poll(poll, never))
        await there.clients.submit(Submission(blueprint="cut_8", input={}, client="ann"))

        assert await asyncio.wait_for(waiting, PATIENCE_S)


async def test_the_name_of_a_queue_is_no_kind(tmp_path: Path) -> None:
    async with bench_of(ASKING, tmp_path, "memory") as bench:
        await bench.submit()
        [queue] = await bench.service.store.queues(0)

        await bench.look("unregistered", queue)
        await bench.register("small", "work")
        await bench.look("small", queue)
        await bench.look("small", "work")
        await bench.register("other", "other", **RAM)
        await bench.look("other", "work")

        await bench.register("able", "work", **RAM)
        assert await bench.take("able", "work")


# --- the matchmaker by itself -----------------------------------------------------------------------------------------


async def standing_in(
    maker: Matchmaker, profile: Profile, merit: Merit | None = None
) -> tuple[Standing, asyncio.Task[bool]]:
    """A poll that waits for tasks of the kind `work`."""
    standing = maker.standing(merit or Merit())
    standing.profile, standing.queues = profile, maker.queues_for(["work"], profile)
    waiting = asyncio.create_task(maker.wait(standing, NEVER_S))
    await asyncio.sleep(0)
    return standing, waiting


async def test_a_poll_that_was_woken_in_vain_keeps_its_place() -> None:
    maker, profile = Matchmaker(), Profile(frozenset(), b"{}")
    first, waiting = await standing_in(maker, profile)
    await standing_in(maker, profile)
    maker.call("work")
    assert await waiting

    again = asyncio.create_task(maker.wait(first, NEVER_S))
    await asyncio.sleep(0)
    maker.call("work")

    assert await again


async def test_ten_thousand_polls_that_do_not_fit_are_compared_once_and_never_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[str] = []
    monkeypatch.setattr(matchmaker, "fulfils", lambda record, asked, kind: compared.append(kind) or "ram" in record)
    maker, unfit, fit = Matchmaker(), Profile(frozenset(), b"{}"), Profile(frozenset(), b'{"ram":1}')
    for _ in range(10_000):
        await standing_in(maker, unfit)
    standing, waiting = await standing_in(maker, fit)

    maker.learn("work#1", ASKED)
    for _ in range(100):
        assert maker.call("work#1")
        assert await waiting
        waiting = asyncio.create_task(maker.wait(standing, NEVER_S))
        await asyncio.sleep(0)

    assert (len(compared), maker.waiting) == (2, 10_001)
    assert not maker.call("work#2")


async def test_polls_that_left_are_not_kept_in_the_lines() -> None:
    maker, profile = Matchmaker(), Profile(frozenset(), b"{}")
    await standing_in(maker, profile)
    before = standings_alive()
    for _ in range(1_000):
        standing, waiting = await standing_in(maker, profile)
        maker.recall(standing)
        assert await waiting

    assert standings_alive() - before < 50


def test_what_queues_ask_is_kept_of_the_newest_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matchmaker, "LEARNT_MAX", 4)
    maker, profile = Matchmaker(), Profile(frozenset(), b'{"resources":{"properties":{"ram_gb":8}}}')
    for number in range(5):
        maker.learn(f"work#{number}", ASKED)

    assert [number for number in range(5) if maker.knows(f"work#{number}")] == [2, 3, 4]
    assert maker.queues_for(["work"], profile) == ["work", "work#2", "work#3", "work#4"]


async def test_a_poll_that_waits_while_its_queue_is_forgotten_and_learnt_again_stands_there_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matchmaker, "LEARNT_MAX", 4)
    maker, profile = Matchmaker(), Profile(frozenset(), b'{"resources":{"properties":{"ram_gb":8}}}')
    polls = [await standing_in(maker, profile) for _ in range(40)]
    for number in [*range(6)] * 5:
        maker.learn(f"work#{number}", ASKED)

    for standing, _ in polls:
        assert sorted(standing.queues) == ["work", *(f"work#{number}" for number in range(6))]
    maker.call_all(woken=True)
    assert all(await asyncio.gather(*(waiting for _, waiting in polls)))
    assert not maker.awaited("work#0")


def standings_alive() -> int:
    """How many polls anything keeps."""
    gc.collect()
    return sum(type(each) is Standing for each in gc.get_objects())


def never() -> bool:
    """The connection stays."""
    return False
