"""What older workers say is taken for what they mean: heartbeats that tell what they can do, sockets without an id."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from avtomat.runtime.work.polls import Poll
from tests.conftest import RedisServer
from tests.runtime.bench import Bench, bench_of
from tests.runtime.fleet import PATIENCE_S, until

NEVER_S = 1_000.0
WORK = "states: {a: {task: work, retry: none, timeout: {heartbeat: 20s}, next: end}}\n"
OLDEST: dict[str, Any] = {"load": 1, "status": "busy", "supported_skills": [{"name": "work"}], "hot_skills": []}
Json = Any


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest) -> str:
    if request.param != "redis":
        return str(request.param)
    server: RedisServer = request.getfixturevalue("fresh_redis")
    return server.url


async def test_a_poll_that_waits_takes_a_kind_that_a_later_heartbeat_names(tmp_path: Path, store: str) -> None:
    async with bench_of(WORK, tmp_path, store) as bench:
        await bench.register("w1", "work", "other")
        waiting = asyncio.create_task(
            bench.service.dispatcher.poll(Poll(worker="w1", kinds=("other",), timeout_s=NEVER_S), never)
        )
        await until(lambda: bench.service.queues.polls_waiting() == 1)
        job = await bench.submit()
        await bench.service.dispatcher.heartbeat("w1", {"available_skills": ["other", "unheard_of"]})
        assert not waiting.done()

        await bench.service.dispatcher.heartbeat("w1", {"available_skills": ["work", "other"]})

        [task] = await asyncio.wait_for(waiting, PATIENCE_S)
        assert task["job_id"] == job


async def test_a_poll_is_not_widened_by_what_its_token_is_not_for(tmp_path: Path) -> None:
    async with bench_of(WORK, tmp_path, "memory") as bench:
        await bench.register("w1", "work", "other")
        await bench.submit()
        poll = Poll(worker="w1", kinds=("other",), timeout_s=0.05, may_do=lambda kind: kind == "other")
        waiting = asyncio.create_task(bench.service.dispatcher.poll(poll, never))
        await until(lambda: bench.service.queues.polls_waiting() == 1)

        await bench.service.dispatcher.heartbeat("w1", {"available_skills": ["work", "other"]})

        assert await waiting == []


async def test_a_heartbeat_without_task_ids_keeps_the_leases_of_the_oldest_workers_alone(
    tmp_path: Path, store: str
) -> None:
    async with bench_of(WORK, tmp_path, store) as bench:
        await bench.register("w1", "work")
        job = await bench.submit()
        await bench.take()
        first = await leased_until(bench, job)
        bench.turn(5)

        await bench.service.dispatcher.heartbeat("w1", {"status": "busy"})
        assert await leased_until(bench, job) == first
        await bench.service.dispatcher.heartbeat("w1", OLDEST)

        assert await leased_until(bench, job) > first


async def leased_until(bench: Bench, job: str) -> str:
    [task] = await bench.service.clients.tasks(job, None) or []
    return str(task["lease_until"])


async def test_a_heartbeat_of_an_unknown_worker_that_tells_what_it_can_do_is_its_registration(
    tmp_path: Path, store: str
) -> None:
    async with bench_of(WORK, tmp_path, store) as bench:
        dispatcher = bench.service.dispatcher
        assert await dispatcher.heartbeat("w1", {"supported_skills": [{"name": "work"}]}) is None
        assert await dispatcher.heartbeat("w1", {"load": 0, "supported_skills": []}) is None

        assert await dispatcher.heartbeat("w1", OLDEST) == {"status": "ok"}

        await bench.submit()
        assert await dispatcher.poll(Poll(worker="w1", kinds=(), timeout_s=0), never)


async def test_a_socket_without_an_id_hears_what_may_be_its_own_until_it_is_known(tmp_path: Path) -> None:
    async with bench_of(WORK, tmp_path, "memory") as bench:
        dispatcher, heard = bench.service.dispatcher, {"any": [], "w1": [], "other": []}
        dispatcher.connect_nameless(heard["any"].append, lambda worker: True)
        dispatcher.connect_nameless(heard["other"].append, lambda worker: worker == "other")
        await bench.register("w1", "work")
        first, second = await bench.submit(), await bench.submit()
        tasks = {task["job_id"]: task["task_id"] for task in [await bench.take(), await bench.take()]}
        assert dispatcher.holder(tasks[first]) == "w1"
        assert dispatcher.holder("nobody's") is None

        await bench.service.operators.cancel(first, None, "ann")
        await until(lambda: bool(heard["any"]))
        dispatcher.connect("w1", heard["w1"].append)
        await bench.service.operators.cancel(second, None, "ann")
        await until(lambda: bool(heard["w1"]))

        assert [command["task_id"] for command in heard["any"]] == [tasks[first]]
        assert [command["task_id"] for command in heard["w1"]] == [tasks[second]]
        assert heard["other"] == []


def never() -> bool:
    """The connection stays."""
    return False
