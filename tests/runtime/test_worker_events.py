"""Events of workers are signals for the jobs that they work for, and for no others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from avtomat.errors import RequestRefused
from tests.conftest import RedisServer
from tests.runtime.bench import Bench, bench_of

Json = Any
BOTH = """\
states:
  both:
    parallel:
      work: {task: work}
      news:
        start: hear
        states:
          hear:
            signal: news
            expects: {type: object, required: [n]}
            next: end
    next: done
  done: {succeed: "{{ outputs.both.news }}"}
"""


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest) -> str:
    if request.param != "redis":
        return str(request.param)
    server: RedisServer = request.getfixturevalue("fresh_redis")
    return server.url


def event(task: Mapping[str, Json], **more: Json) -> dict[str, Json]:
    ids = {"target_job_id": task["job_id"], "target_task_id": task["task_id"]}
    return {"event_id": "e1", "worker_id": "w1", "event_type": "news", "payload": {"n": 7}, **ids, **more}


async def at_work(bench: Bench) -> tuple[str, dict[str, Json]]:
    await bench.register("w1", "work")
    job = await bench.submit()
    return job, await bench.take()


async def test_an_event_of_the_worker_that_holds_the_attempt_is_a_signal(tmp_path: Path, store: str) -> None:
    async with bench_of(BOTH, tmp_path, store) as bench:
        job, task = await at_work(bench)

        await bench.service.dispatcher.event(event(task))
        await bench.service.dispatcher.event(event(task, payload={"n": 8}))  # the same id: it is the same event
        await bench.answer(task)

        assert (await bench.until_status(job, "finished", "failed"))["result"] == {"n": 7}
        assert "worker:w1" in str(await bench.history(job))


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"worker_id": "w2"}, 422),
        ({"target_task_id": None}, 422),
        ({"event_type": "unheard_of"}, 422),
        ({"payload": {"m": 1}}, 422),
        ({"payload": {"n": "x" * 70_000}}, 413),
    ],
)
async def test_an_event_that_the_job_cannot_use_is_refused(tmp_path: Path, more: dict[str, Json], status: int) -> None:
    async with bench_of(BOTH, tmp_path, "memory") as bench:
        _, task = await at_work(bench)

        with pytest.raises(RequestRefused) as refused:
            await bench.service.dispatcher.event(event(task, **more))

        assert refused.value.status == status
        assert "not found" not in refused.value.message.lower()


async def test_an_attempt_that_was_handed_out_elsewhere_is_known_by_the_store(tmp_path: Path, store: str) -> None:
    async with bench_of(BOTH, tmp_path, store) as bench:
        job, task = await at_work(bench)
        bench.service.dispatcher.seats.of("w1").held.clear()

        await bench.service.dispatcher.event(event(task))
        await bench.answer(task)

        assert (await bench.until_status(job, "finished", "failed"))["result"] == {"n": 7}
