"""A result is kept until the engine has it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import pytest

from avtomat_worker import Limits, Worker
from avtomat_worker.client import retry_after_s
from tests.worker.fake_engine import FakeEngine
from tests.worker.hand_clock import HandClock

NewWorker = Callable[..., Worker]


def within(low: float, high: float) -> Callable[[float], bool]:
    return lambda seconds: low <= seconds <= high


def add_echo(worker: Worker) -> Worker:
    @worker.task("echo")
    async def echo(value: str = "") -> str:
        return value

    return worker


@pytest.mark.parametrize("status", [403, 408, 425, 429, 500, 502, 503, 504])
async def test_a_result_that_was_not_taken_is_sent_again(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock, status: int
) -> None:
    engine.refuse("result", status, times=2)
    engine.offer("echo", {"value": "x"})
    async with add_echo(new_worker()):
        await clock.pass_by(within(0.25, 0.5))
        await clock.pass_by(within(0.5, 1))
        assert (await engine.result())["data"] == "x"


async def test_retry_after_is_heeded(engine: FakeEngine, new_worker: NewWorker, clock: HandClock) -> None:
    engine.refuse("result", 429, **{"Retry-After": "20"})
    engine.offer("echo")
    async with add_echo(new_worker()):
        await clock.pass_by(lambda seconds: seconds == 20)
        await engine.result()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("20", 20),
        ("1.5", 1.5),
        ("-3", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 60),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, now=0) == seconds


async def test_a_result_is_delivered_to_an_engine_that_came_back_and_forgot_the_worker(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    engine.refuse("result", 404)
    engine.offer("echo")
    async with add_echo(new_worker()):
        await clock.pass_by(within(0.25, 0.5))
        await engine.result()
    assert len(engine.registrations) == 2


async def test_results_that_became_ready_meanwhile_go_together(engine: FakeEngine, new_worker: NewWorker) -> None:
    engine.offers = []  # else a poll waits for what the results bring
    engine.results_may_pass.clear()
    for number in range(5):
        engine.offer("echo", {"value": str(number)})
    async with add_echo(new_worker(concurrency=5)):
        await engine.until(lambda: len(engine.polls) == 2)
        engine.results_may_pass.set()
        await engine.until(lambda: len(engine.results) == 5)
    assert len(engine.requests_of_results) <= 3
    assert sorted(result["data"] for result in engine.results) == ["0", "1", "2", "3", "4"]


async def test_a_batch_has_a_limit_in_bytes(engine: FakeEngine, new_worker: NewWorker) -> None:
    engine.offers = []  # else a poll waits for what the results bring
    engine.results_may_pass.clear()
    for _ in range(6):
        engine.offer("echo", {"value": "x" * 700})
    async with add_echo(new_worker(concurrency=6, limits=Limits(batch_bytes_max=2_000))):
        await engine.until(lambda: len(engine.polls) == 2)
        engine.results_may_pass.set()
        await engine.until(lambda: len(engine.results) == 6)
    assert max(map(len, engine.requests_of_results)) == 2


async def test_a_refused_batch_is_sent_one_by_one_and_the_wrong_one_becomes_a_failure(
    engine: FakeEngine, new_worker: NewWorker
) -> None:
    engine.offers = []
    engine.results_may_pass.clear()
    for _ in range(3):
        engine.offer("echo")
    engine.refuse("result", 400, times=2)
    async with add_echo(new_worker(concurrency=3)):
        await engine.until(lambda: len(engine.polls) == 2)
        engine.results_may_pass.set()
        await engine.until(lambda: len(engine.results) == 3)
    statuses = sorted(result["status"] for result in engine.results)
    assert statuses in (["failure", "success", "success"], ["failure", "failure", "success"])


async def test_a_result_that_is_refused_alone_becomes_a_failure_that_says_so(
    engine: FakeEngine, new_worker: NewWorker
) -> None:
    engine.refuse("result", 413)
    engine.offer("echo")
    async with add_echo(new_worker()):
        result = await engine.result()
    assert result["error"]["code"] == "CONTRACT_VIOLATION_ERROR"
    assert "413" in result["error"]["message"]


async def test_a_result_that_was_ignored_is_not_sent_again(engine: FakeEngine, new_worker: NewWorker) -> None:
    engine.receipt = {"status": "ignored", "reason": "stale_task"}
    engine.offer("echo")
    async with add_echo(new_worker()):
        await engine.result()
        engine.offer("echo")
        await engine.until(lambda: len(engine.results) == 2)
    assert [result["task_id"] for result in engine.results] == ["task-1", "task-2"]


@pytest.mark.parametrize(
    ("reason", "is_normal"),
    [
        ("job_cancelled", True),
        ("job_already_terminated", True),
        ("stale_task", False),
        ("deadline_exceeded", False),
        ("worker_mismatch", False),
    ],
)
async def test_only_a_result_that_was_ignored_for_what_is_no_race_is_warned_of(
    engine: FakeEngine, new_worker: NewWorker, caplog: pytest.LogCaptureFixture, reason: str, is_normal: bool
) -> None:
    caplog.set_level(logging.INFO, "avtomat_worker")
    engine.receipt = {"status": "ignored", "reason": reason}
    engine.offer("echo")
    async with add_echo(new_worker()):
        await engine.result()
    [told] = [record for record in caplog.records if "was ignored" in record.getMessage()]

    assert (told.levelno == logging.INFO) is is_normal


async def test_an_attempt_that_was_given_up_is_not_warned_of(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "avtomat_worker")
    engine.receipt = {"status": "ignored", "reason": "stale_task"}
    worker = new_worker()

    @worker.task("endless")
    async def endless() -> None:
        await asyncio.Event().wait()

    engine.orders = {"cancel_task_ids": ["task-1"]}
    engine.offer("endless")
    async with worker:
        await clock.pass_by(within(5, 10))
        await engine.result()
    [told] = [record for record in caplog.records if "was ignored" in record.getMessage()]

    assert told.levelno == logging.INFO


async def test_no_task_is_asked_for_while_too_many_results_wait(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    engine.refuse("result", 503, **{"Retry-After": "50"})
    engine.offer("echo")
    async with add_echo(new_worker(concurrency=1, limits=Limits(results_held_max=1))):
        await clock.someone_waits(lambda seconds: seconds == 50)
        assert len(engine.polls) == 1
        await clock.pass_by(lambda seconds: seconds == 50)
        await engine.until(lambda: len(engine.polls) == 2)


async def test_a_result_on_its_way_is_still_held(engine: FakeEngine, new_worker: NewWorker, clock: HandClock) -> None:
    engine.refuse("result", 503, **{"Retry-After": "50"})
    engine.offer("echo")
    async with add_echo(new_worker(concurrency=2)):
        await clock.someone_waits(lambda seconds: seconds == 50)
        heard = len(engine.heartbeats)
        clock.turn(30)
        await engine.until(lambda: len(engine.heartbeats) > heard)
        assert engine.heartbeats[-1]["current_tasks"] == ["task-1"]
        clock.turn(20)
        await engine.result()


async def test_a_result_that_nobody_took_for_too_long_is_dropped(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    engine.refuse("result", 503, **{"Retry-After": "50"})
    engine.offer("echo")
    async with add_echo(new_worker(limits=Limits(result_kept_s=40))):
        await clock.pass_by(lambda seconds: seconds == 50)
        engine.offer("echo")
        await engine.until(lambda: bool(engine.results))
    assert [result["task_id"] for result in engine.results] == ["task-2"]


async def test_a_worker_survives_an_engine_that_is_gone(clock: HandClock) -> None:
    worker = Worker("http://127.0.0.1:1", clock=clock)
    add_echo(worker)
    serving = asyncio.create_task(worker.serve())
    await clock.pass_by(within(0.25, 0.5))
    await clock.someone_waits(within(0.5, 1))
    worker.stop()
    await serving


async def test_timestamps_are_whole_seconds(engine: FakeEngine, new_worker: NewWorker, clock: HandClock) -> None:
    clock.turn(0.75)
    engine.offer("echo")
    async with add_echo(new_worker()):
        result = await engine.result()
    assert result["timestamp"] == int(clock.now())
    assert time.gmtime(result["timestamp"])
