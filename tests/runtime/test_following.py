"""A worker gets its next task with the answer to its result: at once or not at all, and passes nobody over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from avtomat.errors import StoreError
from avtomat.runtime import repeating
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service, open_store
from avtomat.runtime.work.polls import Poll
from avtomat.settings import Settings
from tests.runtime.fleet import until
from tests.servers import RedisServer
from tests.storage.faults import Fault, Faults, faulty

Json = Any
ONE = "states: {a: {task: work, params: {n: 1}, next: end}}\n"
TWO = "states: {a: {task: work, next: b}, b: {task: work, params: {second: true}, next: end}}\n"
LOCKED = 'states: {a: {task: work, params: {key: "{{ secrets.nobody_has_it }}"}, next: end}}\n'
LATER = "states: {a: {task: work, next: b}, b: {wait: 1h, next: end}}\n"
CHEAPEST = (
    "states: {a: {task: work, next: b},\n"
    "  b: {task: work, worker: {strategy: cheapest}, params: {second: true}, next: end}}\n"
)
RETRIED = "states: {a: {task: work, retry: {attempts: 3, delay: 0s}, next: end}}\n"
TEXTS = {"one": ONE, "two": TWO, "locked": LOCKED, "later": LATER, "cheapest": CHEAPEST, "retried": RETRIED}


@dataclass
class Stage:
    """An engine, and what its store is asked."""

    service: Service
    faults: Faults

    async def submit(self, blueprint: str, number: int = 1) -> None:
        for _ in range(number):
            await self.service.clients.submit(Submission(blueprint=blueprint, input={}, client="ann"))

    async def register(self, worker: str, cost: float | None = None) -> None:
        more = {} if cost is None else {"capabilities": {"cost_per_skill": {"work": cost}}}
        await self.service.dispatcher.register({"worker_id": worker, "supported_skills": [{"name": "work"}], **more})

    async def take(self, worker: str = "w1", timeout_s: float = 0, **more: Any) -> list[dict[str, Json]]:
        return await self.service.dispatcher.poll(
            Poll(worker=worker, kinds=("work",), timeout_s=timeout_s, **more), lambda: False
        )

    async def report(
        self, task: dict[str, Json], worker: str = "w1", *, is_gone: bool = False, asking: Any = None, **body: Json
    ) -> tuple[Json, list[dict[str, Json]]]:
        """The answer to a result, and the tasks that came with it."""
        asked = Poll(worker=worker, kinds=("work",), timeout_s=0, **asking or {})
        ids = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": worker}
        return await self.service.dispatcher.result_and_next({**ids, **body}, asked, lambda: is_gone)

    async def finish(self, blueprint: str) -> None:
        """Do a whole job, by polls."""
        await self.submit(blueprint)
        while tasks := await self.take():
            ids = {name: tasks[0][name] for name in ("job_id", "task_id")}
            await self.service.dispatcher.result({**ids, "worker_id": "w1"})

    async def waiting(self, worker: str) -> asyncio.Task[list[dict[str, Json]]]:
        """A poll that waits by now."""
        before = self.service.queues.polls_waiting()
        poll = asyncio.create_task(self.take(worker, timeout_s=1_000))
        await until(lambda: self.service.queues.polls_waiting() > before)
        return poll


@asynccontextmanager
async def stage_of(folder: Path, store: str, **settings: Any) -> AsyncIterator[Stage]:
    blueprints = folder / "blueprints"
    blueprints.mkdir(exist_ok=True)
    for name, text in TEXTS.items():
        (blueprints / f"{name}.yaml").write_text(f"avtomat: 1\nblueprint: {name}\n{text}")
    urls = {"memory": "memory:", "sqlite": f"sqlite:///{folder / 'jobs.db'}"}
    chosen = Settings(store=urls.get(store, store), blueprints=blueprints, **settings)
    opened, faults = faulty(open_store(chosen))
    service = Service(chosen, opened)
    await service.start(watch=False)
    try:
        yield Stage(service, faults)
    finally:
        await service.stop()


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    store = request.param
    if store == "redis":
        server: RedisServer = request.getfixturevalue("fresh_redis")
        store = server.url
    async with stage_of(tmp_path, store) as stage:
        await stage.register("w1")
        yield stage


async def test_the_next_task_comes_with_the_answer_in_the_step_of_the_commit(stage: Stage) -> None:
    await stage.submit("one", 2)
    [task] = await stage.take()
    stage.faults.calls.clear()

    said, [following] = await stage.report(task)

    assert said == {"status": "accepted"}
    assert (following["params"], following["attempt"]) == ({"n": 1}, 1)
    assert [call for call in stage.faults.calls if call in {"commit", "poll"}] == ["commit"]
    assert (await stage.report(following))[0] == {"status": "accepted"}


async def test_a_worker_goes_on_with_the_job_that_it_is_at(stage: Stage) -> None:
    await stage.submit("two")
    [task] = await stage.take()

    _, [following] = await stage.report(task)

    assert (following["job_id"], following["params"]) == (task["job_id"], {"second": True})
    assert await stage.report(following) == ({"status": "accepted"}, [])


async def test_where_nothing_waits_no_task_comes_and_the_store_is_not_asked_for_any(stage: Stage) -> None:
    await stage.submit("later")
    [task] = await stage.take()
    assert await stage.take() == []
    stage.faults.calls.clear()

    assert await stage.report(task) == ({"status": "accepted"}, [])

    assert "poll" not in stage.faults.calls


async def test_a_poll_that_waits_is_not_passed_over(stage: Stage) -> None:
    await stage.register("w2")
    await stage.submit("two")
    [task] = await stage.take()
    poll = await stage.waiting("w2")

    assert await stage.report(task) == ({"status": "accepted"}, [])

    [following] = await poll
    assert following["params"] == {"second": True}


async def test_a_worker_that_comes_first_by_the_strategy_need_not_wait_for_it(stage: Stage) -> None:
    await stage.register("w1", 1.0)
    await stage.register("dear", 9.0)
    await stage.finish("cheapest")  # what its queue asks for is known from now on
    await stage.submit("cheapest")
    [first] = await stage.take()
    poll = await stage.waiting("dear")

    _, [following] = await stage.report(first)

    assert following["params"] == {"second": True}
    assert not poll.done()
    poll.cancel()


async def test_a_worker_that_comes_later_by_the_strategy_leaves_the_task_to_the_one_that_waits(stage: Stage) -> None:
    await stage.register("w1", 9.0)
    await stage.register("cheap", 1.0)
    await stage.finish("cheapest")
    await stage.submit("cheapest")
    [first] = await stage.take()
    poll = await stage.waiting("cheap")

    assert await stage.report(first) == ({"status": "accepted"}, [])

    assert (await poll)[0]["params"] == {"second": True}


async def test_the_same_result_and_nonce_again_bring_the_same_task(stage: Stage) -> None:
    await stage.submit("one", 3)
    [task] = await stage.take()

    said, [following] = await stage.report(task, asking={"nonce": "n1"})
    again, [same] = await stage.report(task, asking={"nonce": "n1"})

    assert said == again == {"status": "accepted"}
    assert same["task_id"] == following["task_id"]


async def test_a_repeat_without_anything_left_brings_the_same_task_too(stage: Stage) -> None:
    await stage.submit("one", 2)
    [task] = await stage.take()
    _, [following] = await stage.report(task, asking={"nonce": "n1"})
    assert await stage.take("w2") == []

    _, [same] = await stage.report(task, asking={"nonce": "n1"})

    assert same["task_id"] == following["task_id"]


@pytest.mark.parametrize("fault", [Fault.NOT_EXECUTED, Fault.ANSWER_LOST])
async def test_a_commit_whose_answer_is_lost_loses_no_task(
    stage: Stage, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeating, "REPEATS_MAX", 1)
    await stage.submit("one", 2)
    [task] = await stage.take()
    stage.faults.next("commit", fault)
    with pytest.raises(StoreError):
        await stage.report(task)

    said, [following] = await stage.report(task)

    assert said == {"status": "accepted"}
    assert following["task_id"] != task["task_id"]
    assert await stage.take("w2") == []


async def test_a_commit_that_is_done_twice_hands_out_one_task(stage: Stage) -> None:
    await stage.submit("one", 3)
    [task] = await stage.take()
    stage.faults.next("commit", Fault.TWICE)

    _, [following] = await stage.report(task)

    [other] = await stage.take("w2", tasks_max=5)
    assert len({task["task_id"], following["task_id"], other["task_id"]}) == 3


async def test_a_worker_whose_result_does_not_count_is_free_all_the_same(stage: Stage) -> None:
    await stage.submit("one", 2)
    [task] = await stage.take()
    unknown = {**task, "task_id": f"{task['job_id']}-{'A' * 12}"}

    said, [following] = await stage.report(unknown)

    assert said == {"status": "ignored", "reason": "job_not_found"}
    assert following["params"] == {"n": 1}


async def test_a_result_for_nothing_that_is_known_at_all_brings_a_task_too(stage: Stage) -> None:
    await stage.submit("one")
    unknown = {"job_id": "f" * 30, "task_id": "f" * 30 + "-x"}

    said, [following] = await stage.report(unknown)

    assert said["status"] == "ignored"
    assert following["params"] == {"n": 1}


async def test_nothing_is_handed_to_a_connection_that_is_gone(stage: Stage) -> None:
    await stage.submit("one", 2)
    [task] = await stage.take()

    assert await stage.report(task, is_gone=True) == ({"status": "accepted"}, [])

    assert len(await stage.take("w2")) == 1


@pytest.mark.parametrize("status", ["draining", "offline"])
async def test_a_worker_that_stops_gets_nothing_more(stage: Stage, status: str) -> None:
    await stage.submit("one", 2)
    [task] = await stage.take()
    await stage.service.dispatcher.heartbeat("w1", {"status": status, "current_tasks": [task["task_id"]]})

    assert await stage.report(task) == ({"status": "accepted"}, [])


async def test_an_engine_that_stops_hands_out_nothing_more(stage: Stage) -> None:
    await stage.submit("one", 2)
    [task] = await stage.take()
    stage.service.drain()

    assert await stage.report(task) == ({"status": "accepted"}, [])


async def test_a_token_that_may_not_do_a_kind_gets_none_of_it(stage: Stage) -> None:
    await stage.submit("one", 2)
    [task] = await stage.take()

    asking = {"may_do": lambda kind: kind != "work"}
    assert await stage.report(task, asking=asking) == ({"status": "accepted"}, [])


async def test_an_attempt_whose_secret_cannot_be_had_fails_and_is_not_handed_out(stage: Stage) -> None:
    await stage.submit("one")
    [task] = await stage.take()
    await stage.submit("locked")

    assert await stage.report(task) == ({"status": "accepted"}, [])

    assert (await stage.service.store.counts())["open"] == 0


async def test_a_failure_that_is_retried_may_come_back_to_the_worker_at_once(stage: Stage) -> None:
    await stage.submit("retried")
    [task] = await stage.take()

    said, tasks = await stage.report(task, status="failure", error={"code": "TRANSIENT_ERROR"})
    again = tasks or await stage.take()

    assert (said, again[0]["attempt"]) == ({"status": "accepted"}, 2)


async def test_several_tasks_come_at_once_when_asked_for(stage: Stage) -> None:
    await stage.submit("one", 6)
    [task] = await stage.take()

    _, tasks = await stage.report(task, asking={"tasks_max": 4})

    assert len({each["task_id"] for each in tasks}) == 4


async def test_what_waits_in_another_partition_is_found(tmp_path: Path) -> None:
    async with stage_of(tmp_path, "memory", partitions=3) as stage:
        await stage.register("w1")
        await stage.submit("one", 30)
        [task] = await stage.take()
        done = {task["task_id"]}
        while tasks := (await stage.report(task))[1]:
            [task] = tasks
            done.add(task["task_id"])

        assert len(done) == 30
        assert (await stage.service.store.counts())["open"] == 0
