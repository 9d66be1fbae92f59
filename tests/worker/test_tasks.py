"""What functions return and raise reaches the engine as it is meant."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from avtomat_worker import Limits, Result, TaskContext, TaskError, Worker
from tests.worker.fake_engine import FakeEngine
from tests.worker.hand_clock import NEW_YEAR, HandClock

NewWorker = Callable[..., Worker]


async def outcome(engine: FakeEngine, worker: Worker, function: Callable[..., Any], params: Any = None) -> Any:
    """Run one task by `function` and return the result that the engine got."""
    worker.task("kind")(function)
    engine.offer("kind", params)
    async with worker:
        return await engine.result()


async def test_the_worker_registers_with_its_skills_token_and_id(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker = new_worker()

    @worker.task("mail.send")
    def send() -> None:
        """Send a letter.

        Not part of the description.
        """

    async with worker:
        pass
    assert engine.registrations[0]["supported_skills"] == [
        {"name": "mail.send", "type": "mail.send", "description": "Send a letter."}
    ]
    assert engine.registrations[0]["available_skills"] == ["mail.send"]
    assert engine.headers[0]["X-Worker-Token"] == "t0ken"
    assert engine.headers[0]["X-Worker-ID"] == "w1"
    assert engine.headers[0]["X-RXON-Version"] == "1.0b17"


async def test_what_an_async_function_returns_is_the_output(engine: FakeEngine, new_worker: NewWorker) -> None:
    async def greet(name: str) -> dict[str, Any]:
        return {"text": f"Hello, {name}", "n": 1.0, "nothing": None}

    result = await outcome(engine, new_worker(), greet, {"name": "Ada"})
    assert result["data"] == {"text": "Hello, Ada", "n": 1.0, "nothing": None}
    assert isinstance(result["data"]["n"], float)
    assert (result["job_id"], result["task_id"], result["worker_id"]) == ("job-1", "task-1", "w1")
    assert result["status"] == "success"


async def test_a_plain_function_runs_in_a_thread_that_does_not_keep_the_process(
    engine: FakeEngine, new_worker: NewWorker
) -> None:
    def where() -> list[bool]:
        thread = threading.current_thread()
        return [thread is threading.main_thread(), thread.daemon]

    assert (await outcome(engine, new_worker(), where))["data"] == [False, True]


async def test_an_output_may_be_any_json_null_included(engine: FakeEngine, new_worker: NewWorker) -> None:
    async def nothing() -> None:
        return None

    result = await outcome(engine, new_worker(), nothing)
    assert result["status"] == "success"
    assert result["data"] is None


async def test_a_result_carries_a_status_word_of_its_own(engine: FakeEngine, new_worker: NewWorker) -> None:
    async def judge() -> Result:
        return Result({"score": 3}, status="needs_review")

    result = await outcome(engine, new_worker(), judge)
    assert (result["status"], result["data"]) == ("needs_review", {"score": 3})


@pytest.mark.parametrize("status", ["failure", "Failed", "ERROR", "cancelled", "", "two\nlines", "x" * 129])
def test_status_words_that_mean_something_else_are_refused(status: str) -> None:
    with pytest.raises(ValueError, match="cannot be a status"):
        Result({}, status=status)


async def test_a_task_error_fails_the_attempt_with_its_code(engine: FakeEngine, new_worker: NewWorker) -> None:
    def charge() -> None:
        raise TaskError("CARD_DECLINED", "no money", {"left": 3})

    result = await outcome(engine, new_worker(), charge)
    assert result["status"] == "failure"
    assert result["error"] == {"code": "CARD_DECLINED", "message": "no money", "details": {"left": 3}}
    assert "data" not in result


@pytest.mark.parametrize("code", ["", None, 5])
def test_an_error_code_is_a_text(code: Any) -> None:
    with pytest.raises(ValueError, match="an error code is a text"):
        TaskError(code)


class Mute(Exception):  # noqa: N818
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (TaskError("X", ValueError("no money")), "X", "no money"),  # type: ignore[arg-type, unused-ignore]
        (TaskError("X", None), "X", ""),
        (TaskError("X", 7), "X", "7"),
        (TaskError("X", Mute()), "X", "Mute (its text cannot be had)"),
        (TaskError("S3.NoSuchBucket", "b"), "S3.NoSuchBucket", "b"),
        (TaskError("X", "file \udcff"), "X", "file \\udcff"),
        (TaskError("FILE_\udcff", "no"), "FILE_\\udcff", "no"),
        (Mute(), "INTERNAL_ERROR", "Mute: Mute (its text cannot be had)"),
        (ValueError("file \udcff"), "INTERNAL_ERROR", "ValueError: file \\udcff"),
    ],
)
async def test_whatever_a_task_raises_is_told(
    engine: FakeEngine,
    new_worker: NewWorker,
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    code: str,
    message: str,
) -> None:
    monkeypatch.setattr(logging.getLogger("avtomat_worker.running"), "disabled", True)  # pytest cannot pass it on

    def fails() -> None:
        raise raised

    result = await outcome(engine, new_worker(), fails)

    assert (result["status"], result["error"]["code"], result["error"]["message"]) == ("failure", code, message)


async def test_a_task_whose_outcome_cannot_be_told_does_not_run_for_ever(
    engine: FakeEngine, new_worker: NewWorker
) -> None:
    class Odd(dict[str, Any]):
        def __iter__(self) -> Any:
            raise RuntimeError("no items")

        def values(self) -> Any:
            raise RuntimeError("no values")

    def fails() -> None:
        raise TaskError("X", "no", Odd(a=None))

    result = await outcome(engine, new_worker(), fails)

    assert (result["status"], result["error"]["code"]) == ("failure", "INTERNAL_ERROR")


async def test_any_other_exception_is_an_internal_error(engine: FakeEngine, new_worker: NewWorker) -> None:
    def broken() -> None:
        {}["missing"]

    result = await outcome(engine, new_worker(), broken)
    assert result["error"]["code"] == "INTERNAL_ERROR"
    assert result["error"]["message"] == "KeyError: 'missing'"


async def leave() -> None:
    sys.exit(3)


def leave_thread() -> None:
    sys.exit(3)


def stop_iteration() -> None:
    raise StopIteration


@pytest.mark.parametrize("function", [leave, leave_thread, stop_iteration])
async def test_a_task_cannot_end_the_worker(
    engine: FakeEngine, new_worker: NewWorker, function: Callable[[], None]
) -> None:
    assert (await outcome(engine, new_worker(), function))["error"]["code"] == "INTERNAL_ERROR"


async def test_a_task_that_cancels_itself_has_failed(engine: FakeEngine, new_worker: NewWorker) -> None:
    async def odd() -> None:
        raise asyncio.CancelledError

    assert (await outcome(engine, new_worker(), odd))["error"]["code"] == "INTERNAL_ERROR"


@pytest.mark.parametrize("value", [object(), math.nan, [{"x": math.inf}], 2**70, {1, 2}])
async def test_what_json_cannot_say_violates_the_contract(
    engine: FakeEngine, new_worker: NewWorker, value: object
) -> None:
    async def wrong() -> Any:
        return value

    assert (await outcome(engine, new_worker(), wrong))["error"]["code"] == "CONTRACT_VIOLATION_ERROR"


async def test_an_output_that_is_too_large_violates_the_contract(engine: FakeEngine, new_worker: NewWorker) -> None:
    async def large() -> str:
        return "x" * 100

    result = await outcome(engine, new_worker(limits=Limits(output_bytes_max=100)), large)
    assert result["error"]["code"] == "CONTRACT_VIOLATION_ERROR"
    assert "102 bytes" in result["error"]["message"]


async def test_params_that_do_not_fit_are_an_invalid_input_error(engine: FakeEngine, new_worker: NewWorker) -> None:
    async def add(a: int, b: int) -> int:
        return a + b

    result = await outcome(engine, new_worker(), add, {"a": 1, "b": "2"})
    assert result["error"] == {
        "code": "INVALID_INPUT_ERROR",
        "message": "params.b: expected a whole number, found the text '2'",
        "details": {"path": "params.b"},
    }


async def test_a_kind_that_the_worker_does_not_have_is_refused_for_good(
    engine: FakeEngine, new_worker: NewWorker
) -> None:
    worker = new_worker()
    worker.task("known")(leave)
    engine.offer("unknown")
    async with worker:
        assert (await engine.result())["error"]["code"] == "PERMANENT_ERROR"


async def test_a_task_knows_what_it_belongs_to(engine: FakeEngine, new_worker: NewWorker, clock: HandClock) -> None:
    seen: list[TaskContext] = []

    async def look(context: TaskContext) -> None:
        seen.append(context)

    worker = new_worker()
    worker.task("look")(look)
    engine.offer(
        "look", attempt=2, idempotency_key="k", deadline=1060, timestamp=1000, tracing_context={"traceparent": "00-a"}
    )
    async with worker:
        await engine.result()
    context = seen[0]
    assert (context.job_id, context.task_id, context.kind) == ("job-1", "task-1", "look")
    assert (context.attempt, context.idempotency_key, context.traceparent) == (2, "k", "00-a")
    assert context.deadline is not None
    assert context.deadline.timestamp() == NEW_YEAR + timedelta(seconds=60).total_seconds()


async def test_no_more_tasks_run_at_a_time_than_the_concurrency(engine: FakeEngine, new_worker: NewWorker) -> None:
    all_three, under_way, most = asyncio.Event(), 0, 0

    async def work() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 3:
            all_three.set()
        await all_three.wait()
        under_way -= 1

    worker = new_worker(concurrency=3)
    worker.task("work")(work)
    for _ in range(10):
        engine.offer("work")
    async with worker:
        await engine.until(lambda: len(engine.results) == 10)
    assert most == 3
    assert engine.polls[0]["max"] == "3"


async def test_progress_is_sent_from_async_functions_and_from_threads(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    go = threading.Event()

    async def slow(context: TaskContext) -> None:
        await context.progress(0.5, "half")
        await asyncio.Event().wait()

    def plain(context: TaskContext) -> None:
        context.report_progress(0.25)
        go.wait(10)

    worker = new_worker(limits=Limits(drain_s=0, cancel_grace_s=0))
    worker.task("slow")(slow)
    worker.task("plain")(plain)
    engine.offer("slow")
    async with worker:
        await engine.until(lambda: len(engine.events) == 1)
        engine.offer("plain")
        await clock.pass_by(lambda seconds: seconds == 1)
        await engine.until(lambda: len(engine.events) == 2)
        go.set()
        await engine.until(lambda: len(engine.results) == 1)
        worker.stop()
        await clock.pass_by(lambda seconds: seconds == 0)
    first, second = engine.events
    assert first["event_type"] == "progress"
    assert (first["target_job_id"], first["target_task_id"]) == ("job-1", "task-1")
    assert first["payload"] == {"progress": 0.5, "message": "half"}
    assert second["payload"] == {"progress": 0.25, "message": ""}


async def test_progress_that_cannot_be_delivered_does_not_fail_the_task(
    engine: FakeEngine, new_worker: NewWorker
) -> None:
    async def slow(context: TaskContext) -> str:
        await context.progress(0.5)
        await engine.until(lambda: bool(engine.events))
        return "done"

    engine.refuse("event", 500)
    assert (await outcome(engine, new_worker(), slow))["data"] == "done"


async def test_a_fraction_outside_of_0_to_1_is_refused(engine: FakeEngine, new_worker: NewWorker) -> None:
    async def eager(context: TaskContext) -> None:
        await context.progress(50)

    assert "fraction" in (await outcome(engine, new_worker(), eager))["error"]["message"]


def test_two_functions_for_one_kind_are_refused() -> None:
    worker = Worker("http://localhost")
    worker.task("kind")(leave)
    with pytest.raises(ValueError, match="already"):
        worker.task("kind")(leave)


@pytest.mark.parametrize(
    "options", [{"url": "localhost:8080"}, {"worker_id": "a/b"}, {"worker_id": ""}, {"concurrency": 0}]
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not"):
        Worker(**{"url": "http://localhost", **options})


async def test_a_worker_without_tasks_is_refused(new_worker: NewWorker) -> None:
    with pytest.raises(ValueError, match="no tasks"):
        await new_worker().serve()
