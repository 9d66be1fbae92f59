"""What has passed leaves no trace in a replica: jobs, workers that went, registrations."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.runtime.work import seats
from avtomat.runtime.work.polls import Poll
from tests.runtime.bench import LEASE_S, bench_of
from tests.runtime.fleet import two_replicas

PLAIN = "states: {a: {task: work, next: end}}\n"
JOBS = 2_000
SLACK = 150
"""What one job more or less under way makes, and what is bounded by a small number (`HELD_MAX`)."""


async def work_off(here: Service, there: Service, jobs: int) -> None:
    """Jobs whose worker polls at one replica and answers at the other."""
    for _ in range(jobs):
        await there.clients.submit(Submission(blueprint="cut_8", input={}, client="ann"))
        [task] = await here.dispatcher.poll(Poll(worker="w1", kinds=("cut",), timeout_s=60), lambda: False)
        body = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": "w1"}
        assert await there.dispatcher.result(body) == {"status": "accepted"}


def alive() -> Counter[str]:
    """How many objects of the engine's runtime there are, and how much its containers hold."""
    gc.collect()
    modules = ("avtomat.runtime", "avtomat.core")
    ours = [each for each in gc.get_objects() if str(type(each).__module__).startswith(modules)]
    counts = Counter(type(each).__qualname__ for each in ours)
    for each in ours:
        for held in gc.get_referents(each, getattr(each, "__dict__", {})):
            if isinstance(held, dict | set | list):
                counts[f"in {type(each).__qualname__}"] += len(held)
    return counts


async def test_jobs_that_are_polled_here_and_answered_there_leave_nothing(tmp_path: Path) -> None:
    async with two_replicas("sqlite", 1, tmp_path, "", Random(0)) as (here, there):
        await here.dispatcher.register(
            {"worker_id": "w1", "supported_skills": ["cut"], "resources": {"properties": {"ram_gb": 8}}}
        )
        await work_off(here, there, 100)
        before = alive()

        await work_off(here, there, JOBS)

        grown = {name: count - before[name] for name, count in alive().items() if count - before[name] > SLACK}
        assert grown == {}


async def test_a_registration_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with bench_of(PLAIN, tmp_path, "memory") as bench:
        with pytest.raises(RequestRefused) as refused:
            await bench.register("w1", "work", installed_artifacts=["x" * 70_000])
        assert (refused.value.status, refused.value.code) == (413, "registration.too_large")

        await bench.register("w1", "work")
        with pytest.raises(RequestRefused):
            await bench.service.dispatcher.heartbeat("w1", {"supported_skills": [{"name": "x" * 70_000}]})


async def test_registrations_are_bounded_in_all_and_leave_with_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "REGISTRATIONS_BYTES_MAX", 1_000)
    async with bench_of(PLAIN, tmp_path, "memory") as bench:
        await bench.register("w1", "work", installed_artifacts=["x" * 600])
        with pytest.raises(RequestRefused) as refused:
            await bench.register("w2", "work", installed_artifacts=["x" * 600])
        assert (refused.value.status, refused.value.code) == (429, "registration.too_many")
        await bench.register("w1", "work", installed_artifacts=["x" * 700])

        bench.turn(4 * LEASE_S)
        await bench.register("w2", "work", installed_artifacts=["x" * 600])


async def test_registrations_that_come_at_once_are_bounded_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "REGISTRATIONS_BYTES_MAX", 2_000)
    async with bench_of(PLAIN, tmp_path, "sqlite") as bench:
        told = await asyncio.gather(
            *(bench.register(f"w{number}", "work", installed_artifacts=["x" * 600]) for number in range(20)),
            return_exceptions=True,
        )
        refused = [each.code for each in told if isinstance(each, RequestRefused)]
        assert refused == ["registration.too_many"] * 18

        await bench.register("w0", "work", installed_artifacts=["x" * 600])
        bench.turn(4 * LEASE_S)
        await bench.register("w9", "work", installed_artifacts=["x" * 600])


async def test_the_seat_of_a_worker_leaves_with_its_registration(tmp_path: Path) -> None:
    async with bench_of(PLAIN, tmp_path, "memory") as bench:
        await bench.register("keeps-a-socket", "work")
        bench.service.dispatcher.connect("keeps-a-socket", lambda _: None)
        for number in range(50):
            await bench.look(f"w{number}", "work")
        await bench.answer({"job_id": "00a", "task_id": "00a-x"}, worker="only-answers")
        assert len(bench.service.dispatcher.seats) == 51

        bench.turn(4 * LEASE_S)
        await bench.look("new", "work")

        assert {name for name, _ in bench.service.dispatcher.seats} == {"keeps-a-socket", "new"}
