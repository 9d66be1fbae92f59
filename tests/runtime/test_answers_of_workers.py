"""What a worker answers becomes of the attempt what it said, on every store, and nothing secret is kept of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from avtomat.core.messages import PauseRequested, ResumeRequested
from avtomat.secrets import InlineSecret
from tests.conftest import RedisServer
from tests.runtime.bench import Bench, bench_of

Start = Callable[..., AbstractAsyncContextManager[Bench]]
Json = Any

WORK = "states: {a: {task: work, retry: none, next: end}}\n"
KEY = "pay-key-123456"


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    store = request.param
    if store == "redis":
        server: RedisServer = request.getfixturevalue("fresh_redis")
        store = server.url
    async with AsyncExitStack() as stack:

        async def start(text: str, **settings: Any) -> Bench:
            return await stack.enter_async_context(bench_of(text, tmp_path, store, **settings))

        yield start


async def ended(bench: Bench, **said: Json) -> tuple[dict[str, Json], list[dict[str, Json]]]:
    """The job whose one task was answered so, and its history."""
    await bench.register("w1", "work")
    job = await bench.submit()
    assert await bench.answer(await bench.take(), **said) == {"status": "accepted"}
    return await bench.until_status(job, "finished", "failed"), await bench.history(job)


@pytest.mark.parametrize("status", ["failure", "FAILURE", "failed", "Error"])
async def test_every_word_of_failure_is_one(bench: Callable[..., Any], status: str) -> None:
    job, _ = await ended(await bench(WORK), status=status, error={"code": "X", "message": "no"})

    assert (job["status"], job["error"]["code"], job["error"]["message"]) == ("failed", "X", "no")


@pytest.mark.parametrize("said", [{}, {"status": "done"}, {"status": "cancelled"}])
async def test_an_error_is_a_failure_whatever_the_status(bench: Callable[..., Any], said: dict[str, Json]) -> None:
    job, _ = await ended(await bench(WORK), error={"code": "X"}, **said)

    assert (job["status"], job["error"]["code"]) == ("failed", "X")


async def test_an_error_beside_a_success_that_is_written_out_is_kept_in_history(bench: Callable[..., Any]) -> None:
    job, history = await ended(await bench(WORK), status="Success", data=1, error={"code": "WARNED"})

    assert job["status"] == "finished"
    [entry] = [each for each in history if each["type"] == "TaskSucceeded"]
    assert (entry["status"], entry["error"]) == ("success", {"code": "WARNED"})


@pytest.mark.parametrize("status", ["two words", "одобрено", "NeedsReview"])
async def test_a_status_word_is_a_text_of_any_script(bench: Callable[..., Any], status: str) -> None:
    text = "states: {a: {task: work, set: {said: '{{ status }}'}, next: b}, b: {succeed: '{{ data.said }}'}}\n"
    job, _ = await ended(await bench(text), status=status)

    assert (job["status"], job["result"]) == ("finished", status)


@pytest.mark.parametrize("status", ["", 7, "two\nlines", "x" * 129, ["success"], False])
async def test_what_can_be_no_status_fails_the_attempt(bench: Callable[..., Any], status: Json) -> None:
    job, _ = await ended(await bench(WORK), status=status, data=1)

    assert (job["status"], job["error"]["code"]) == ("failed", "CONTRACT_VIOLATION_ERROR")
    assert job["error"]["details"]["field"] == "status"


@pytest.mark.parametrize("said", [{"costs": 7}, {"metadata": ["a"]}, {"status": "fine", "costs": "cheap"}])
async def test_what_is_told_beside_a_success_is_a_map(bench: Callable[..., Any], said: dict[str, Json]) -> None:
    job, _ = await ended(await bench(WORK), data=1, **said)
    [field] = said.keys() - {"status"}

    assert (job["status"], job["error"]["code"]) == ("failed", "CONTRACT_VIOLATION_ERROR")
    assert (job["error"]["details"]["field"], job["error"]["details"]["expected"]) == (field, "a map")


@pytest.mark.parametrize(
    ("said", "entry_type"),
    [
        ({"data": 1}, "TaskSucceeded"),
        ({"status": "failure", "error": {"code": "X"}}, "TaskFailed"),
        ({"status": "cancelled"}, "LeaseLost"),
    ],
)
async def test_costs_and_metadata_are_kept_in_history(
    bench: Callable[..., Any], said: dict[str, Json], entry_type: str
) -> None:
    costs, metadata = {"seconds": 1.5, "euros": None}, {"model": "m", "tags": [1]}
    _, history = await ended(await bench(WORK), costs=costs, metadata=metadata, **said)

    [entry] = [each for each in history if each["type"] == entry_type]
    assert (entry["costs"], entry["metadata"]) == (costs, metadata)


async def test_costs_of_a_result_that_came_to_a_paused_job_are_kept_as_well(bench: Callable[..., Any]) -> None:
    engine: Bench = await bench(WORK)
    await engine.register("w1", "work")
    job = await engine.submit()
    task = await engine.take()
    await engine.operate(job, PauseRequested(by="ann"))
    await engine.answer(task, data=1, costs={"seconds": 2})
    await engine.operate(job, ResumeRequested(by="ann"))
    await engine.until_status(job, "finished")

    [entry] = [each for each in await engine.history(job) if each["type"] == "TaskSucceeded"]
    assert entry["costs"] == {"seconds": 2}


async def test_what_a_failure_has_as_data_is_kept_in_history(bench: Callable[..., Any]) -> None:
    _, history = await ended(
        await bench(WORK), status="failure", error={"code": "X"}, data={"part": 1}, metadata={"a": "x" * 5_000}, costs=7
    )

    [entry] = [each for each in history if each["type"] == "TaskFailed"]
    assert (entry["data"], "metadata" in entry, "costs" in entry) == ({"part": 1}, False, False)
    assert entry["not_kept"] == {
        "metadata": "it has 5008 bytes; at most 4096 are kept",
        "costs": "it is not a map",
    }


async def test_a_worker_that_gives_an_attempt_up_is_not_said_to_be_silent(bench: Callable[..., Any]) -> None:
    job, history = await ended(await bench(WORK), status="cancelled")

    assert (job["error"]["code"], job["error"]["message"]) == ("WORKER_LOST", "the worker gave the attempt up")
    assert job["error"]["details"] == {"reason": "gave_up"}
    assert [each.get("worker") for each in history if each["type"] == "LeaseLost"] == ["w1"]


async def test_an_attempt_given_back_by_a_worker_that_stops_goes_to_another_as_the_same(
    bench: Callable[..., Any],
) -> None:
    engine: Bench = await bench(WORK)
    await engine.register("w1", "work")
    await engine.register("w2", "work")
    job = await engine.submit()

    first = await engine.take("w1")
    assert await engine.answer(first, status="cancelled", given_back=True) == {"status": "accepted"}
    second = await engine.take("w2")
    late = await engine.answer(first, data="late")
    await engine.answer(second, "w2", data="good")

    assert (first["attempt"], second["attempt"]) == (1, 1)
    assert first["idempotency_key"] == second["idempotency_key"]
    assert first["task_id"] != second["task_id"]
    assert late["status"] == "ignored"
    assert (await engine.until_status(job, "finished", "failed"))["status"] == "finished"


async def test_an_attempt_given_back_to_a_paused_job_is_offered_when_it_goes_on(bench: Callable[..., Any]) -> None:
    engine: Bench = await bench(WORK)
    await engine.register("w1", "work")
    job = await engine.submit()
    task = await engine.take()
    await engine.operate(job, PauseRequested(by="ann"))

    assert await engine.answer(task, status="cancelled", given_back=True) == {"status": "accepted"}
    await engine.operate(job, ResumeRequested(by="ann"))
    again = await engine.take()

    assert again["attempt"] == 1


async def test_a_secret_that_a_worker_repeats_in_its_error_is_stored_nowhere(bench: Callable[..., Any]) -> None:
    text = "states: {a: {task: work, retry: none, params: {k: 'Bearer {{ secrets.key }}', s: '{{ secrets.short }}'}}}\n"
    secrets = {"key": InlineSecret(text=KEY), "short": InlineSecret(text="abc"), "other": InlineSecret(text="x" * 12)}
    engine: Bench = await bench(text, secrets=secrets)
    error = {
        "code": "X",
        "message": f"401 for {KEY}",
        "details": {"headers": [f"Bearer {KEY}"], KEY: "abc", "o": "x" * 12},
    }
    job, history = await ended(engine, status="failure", error=error, metadata={"asked": [KEY]})

    assert job["error"]["message"] == "401 for ********"
    assert job["error"]["details"] == {"headers": ["Bearer ********"], "********": "abc", "o": "x" * 12}
    assert KEY not in repr((job, history))


async def test_a_secret_beside_an_output_is_blanked_and_the_output_is_not_touched(bench: Callable[..., Any]) -> None:
    text = "states: {a: {task: work, params: {k: '{{ secrets.key }}'}, next: end}}\n"
    engine: Bench = await bench(text, secrets={"key": InlineSecret(text=KEY)})
    _, history = await ended(engine, data=KEY, metadata={"asked": f"with {KEY}"})

    [entry] = [each for each in history if each["type"] == "TaskSucceeded"]
    assert entry["metadata"] == {"asked": "with ********"}
    assert KEY in repr(entry["set"])


async def test_an_attempt_can_be_given_back_five_times_in_a_row(bench: Callable[..., Any]) -> None:
    engine: Bench = await bench(WORK)
    await engine.register("w1", "work")
    job = await engine.submit()
    attempts = []
    for _ in range(6):
        task = await engine.take()
        attempts.append(task["attempt"])
        await engine.answer(task, status="cancelled", given_back=True)
    found = await engine.until_status(job, "failed")

    assert attempts == [1] * 6
    assert (found["error"]["code"], found["error"]["details"]) == ("WORKER_LOST", {"reason": "gave_up"})


async def test_a_secret_of_an_undo_is_blanked_as_well(bench: Callable[..., Any]) -> None:
    text = (
        "states:\n  a: {task: work, compensate: {task: undo, retry: none, params: {k: '{{ secrets.key }}'}}, next: b}\n"
        "  b: {fail: {code: NO}}\n"
    )
    engine: Bench = await bench(text, secrets={"key": InlineSecret(text=KEY)})
    await engine.register("w1", "work", "undo")
    job = await engine.submit()
    await engine.answer(await engine.take(), data=1)
    await engine.answer(await engine.take("w1", "undo"), status="failure", error={"code": "X", "message": f"bad {KEY}"})

    found = await engine.until_status(job, "quarantined")

    assert KEY not in repr((found, await engine.history(job)))


@pytest.mark.parametrize("named", ["zz", "other"])
async def test_an_error_for_an_attempt_of_another_job_is_ignored(bench: Callable[..., Any], named: str) -> None:
    text = "states: {a: {task: work, params: {k: '{{ secrets.key }}'}, next: end}}\n"
    engine: Bench = await bench(text, secrets={"key": InlineSecret(text=KEY)})
    await engine.register("w1", "work")
    await engine.submit()
    task = {**await engine.take(), "job_id": named}

    answer = await engine.answer(task, status="failure", error={"code": "X", "message": KEY})

    assert answer == {"status": "ignored", "reason": "job_not_found"}
