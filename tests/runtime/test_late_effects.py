"""A success that comes when its job is closing, or when its scope has gone on, is undone like any other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from avtomat.core.messages import PauseRequested, RerunRequested, ResumeRequested, SkipRequested
from tests.conftest import RedisServer
from tests.runtime.bench import PATIENCE_S, Bench, bench_of

Json = Any
Start = Callable[..., Any]

ENDS = ("finished", "failed", "cancelled", "quarantined")
ACCEPTED = {"status": "accepted"}
UNDO = "compensate: {task: undo, params: {txn: '{{ output.txn }}', of: '%s'}}"
CHARGE = f"{{task: work, retry: none, {UNDO % '{{ data.who }}'}, next: end}}"
ONE = f"data: {{who: ann}}\nstates: {{charge: {CHARGE}}}\n"


def racing(block: str, after: str) -> str:
    """Two branches of which the second takes no effect, and what comes after the block."""
    slow = f"{{task: slow, {UNDO % '{{ data.who }}'}}}"
    branches = f"{{a: {slow}, b: {{task: work, retry: none}}}}"
    return f"data: {{who: ann}}\nstates:\n  race: {{{block}, parallel: {branches}, {after}}}\n"


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Start]:
    store = request.param
    if store == "redis":
        server: RedisServer = request.getfixturevalue("fresh_redis")
        store = server.url
    async with AsyncExitStack() as stack:

        async def start(text: str, **settings: Any) -> Bench:
            engine = await stack.enter_async_context(bench_of(text, tmp_path, store, **settings))
            await engine.register("w1", "work", "slow", "rest", "undo")
            return engine

        yield start


async def undone(engine: Bench, job: str) -> tuple[list[Json], str]:
    """Do all undos that are offered; their params, and how the job ended."""
    seen: list[Json] = []
    ending = asyncio.create_task(engine.until_status(job, *ENDS))
    while not ending.done():
        taking = asyncio.create_task(engine.take("w1", "undo"))
        await asyncio.wait({taking, ending}, return_when=asyncio.FIRST_COMPLETED)
        if taking.done():
            seen.append(taking.result()["params"])
            await engine.answer(taking.result())
        else:
            taking.cancel()
    return seen, (await ending)["status"]


async def until_told(engine: Bench, job: str, kind: str) -> None:
    """Wait until history has an entry of this type."""
    async with asyncio.timeout(PATIENCE_S):
        while all(e["type"] != kind for e in await engine.history(job)):  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0)


async def cancel(engine: Bench, job: str, **more: bool) -> None:
    await engine.service.operators.cancel(job, None, "ops", "enough", **more)


async def test_the_success_of_a_job_that_is_cancelled_is_undone_once(bench: Start) -> None:
    engine: Bench = await bench(ONE)
    job = await engine.submit()
    task = await engine.take()
    await cancel(engine, job)
    assert (await engine.job(job))["status"] == "compensating"

    told = [await engine.answer(task, data={"txn": 7}) for _ in range(2)]

    assert told == [ACCEPTED, ACCEPTED]
    assert await undone(engine, job) == ([{"txn": 7, "of": "ann"}], "cancelled")
    [late] = [entry for entry in await engine.history(job) if entry["type"] == "LateSuccess"]
    assert (late["place"], late["attempt"], late["worker"], late["left"]) == ("charge", 1, "w1", "/")


@pytest.mark.parametrize("body", [{"status": "failure", "error": {"code": "NO"}}, {"status": "cancelled"}])
async def test_a_job_that_is_cancelled_has_nothing_to_undo_of_what_failed(bench: Start, body: Json) -> None:
    engine: Bench = await bench(ONE)
    job = await engine.submit()
    task = await engine.take()
    await cancel(engine, job)

    assert (await engine.answer(task, **body))["status"] == "ignored"

    assert await undone(engine, job) == ([], "cancelled")


async def test_the_success_of_a_job_whose_time_is_over_is_undone(bench: Start) -> None:
    engine: Bench = await bench(f"timeout: 20s\n{ONE}")
    job = await engine.submit()
    task = await engine.take()
    engine.turn(21)
    await engine.until_status(job, "compensating")

    await engine.answer(task, data={"txn": 7})

    assert await undone(engine, job) == ([{"txn": 7, "of": "ann"}], "failed")


async def test_a_branch_that_is_closed_by_the_failure_of_another_is_undone(bench: Start) -> None:
    engine: Bench = await bench(racing("join: all", "next: end"))
    job = await engine.submit()
    slow, task = await engine.take("w1", "slow"), await engine.take()
    await engine.fail(task, "NO")
    await engine.until_status(job, "compensating")

    assert await engine.answer(slow, data={"txn": 7}) == ACCEPTED

    assert await undone(engine, job) == ([{"txn": 7, "of": "ann"}], "failed")


async def lost_race(engine: Bench, answer: Json) -> str:
    """A job whose slow branch has lost, and says so now."""
    job = await engine.submit()
    slow, task = await engine.take("w1", "slow"), await engine.take()
    await engine.answer(task)
    await until_told(engine, job, "JoinDecided")
    assert await engine.answer(slow, **answer) == ACCEPTED
    await until_told(engine, job, "LateSuccess")
    return job


@pytest.mark.parametrize(("wish", "undos", "end"), [("cancel", 1, "cancelled"), ("decline", 0, "cancelled")])
async def test_the_loser_of_a_join_is_undone_if_the_job_is(bench: Start, wish: str, undos: int, end: str) -> None:
    engine: Bench = await bench(racing("join: any", "next: rest") + "  rest: {wait: 1h, next: end}\n")
    job = await lost_race(engine, {"data": {"txn": 7}})

    await cancel(engine, job, compensate=wish == "cancel")

    assert await undone(engine, job) == ([{"txn": 7, "of": "ann"}] * undos, end)


async def test_the_loser_of_a_join_changes_nothing_of_what_goes_on(bench: Start) -> None:
    engine: Bench = await bench(racing("join: any", "next: rest") + "  rest: {wait: 1h, next: end}\n")
    job = await lost_race(engine, {"data": {"txn": 7}})

    engine.turn(3_601)

    found = await engine.until_status(job, "finished")
    assert [entry["type"] for entry in await engine.history(job)][-2:] == ["LateSuccess", "TimerFired"]
    assert found["result"] is None


async def test_the_loser_whose_output_is_not_what_was_expected_parks_the_undoing(bench: Start) -> None:
    text = racing("join: any", "next: rest").replace("task: slow,", "task: slow, expects: {type: string},")
    engine: Bench = await bench(text + "  rest: {wait: 1h, next: end}\n")
    job = await lost_race(engine, {"data": {"txn": 7}})

    await cancel(engine, job)

    found = await engine.until_status(job, "quarantined")
    assert found["error"]["code"] == "COMPENSATION_FAILED"


async def test_params_that_cannot_be_rendered_park_the_undoing(bench: Start) -> None:
    engine: Bench = await bench(ONE)
    job = await engine.submit()
    task = await engine.take()
    await cancel(engine, job)
    await engine.answer(task, data={"other": 7})

    found = await engine.until_status(job, "quarantined")

    assert (found["error"]["code"], "txn" in found["error"]["message"]) == ("COMPENSATION_FAILED", True)
    await engine.operate(job, SkipRequested(by="ops"))
    assert (await engine.until_status(job, "cancelled"))["status"] == "cancelled"


NESTED = f"""
data: {{who: ann}}
states:
  all:
    foreach: [[1, 2], [3]]
    as: box
    do:
      foreach: "{{{{ box }}}}"
      as: thing
      do: {{task: work, retry: none, {UNDO % "{{ data.who }} {{ thing }} of {{ len(box) }}"}}}
    next: end
"""


async def test_items_at_every_depth_are_undone_by_what_they_saw(bench: Start) -> None:
    engine: Bench = await bench(NESTED)
    job = await engine.submit()
    tasks = [await engine.take() for _ in range(3)]
    await cancel(engine, job)

    for number, task in enumerate(tasks):
        assert await engine.answer(task, data={"txn": number}) == ACCEPTED

    undos, end = await undone(engine, job)
    assert [each["txn"] for each in undos] == [2, 1, 0]
    assert sorted(each["of"] for each in undos) == ["ann 1 of 2", "ann 2 of 2", "ann 3 of 1"]
    assert end == "cancelled"


async def test_a_state_that_an_operator_enters_anew_is_undone_for_each_visit(bench: Start) -> None:
    engine: Bench = await bench(ONE.replace("next: end}", "next: bad}, bad: {fail: {code: NO}}"))
    job = await engine.submit()
    first = await engine.take()
    await engine.operate(job, RerunRequested(by="ops", data={"who": "bob"}))
    second = await engine.take()
    assert await engine.answer(first, data={"txn": 1}) == ACCEPTED
    await until_told(engine, job, "LateSuccess")

    await engine.answer(second, data={"txn": 2})

    assert await undone(engine, job) == ([{"txn": 2, "of": "bob"}, {"txn": 1, "of": "ann"}], "failed")


async def test_a_state_that_an_operator_skipped_is_undone_once(bench: Start) -> None:
    engine: Bench = await bench(ONE.replace("next: end}", "next: rest}, rest: {wait: 1h, next: end}"))
    job = await engine.submit()
    task = await engine.take()
    await engine.operate(job, SkipRequested(by="ops", output={"txn": 1}))
    assert (await engine.answer(task, data={"txn": 2}))["status"] == "ignored"

    await cancel(engine, job)

    assert await undone(engine, job) == ([{"txn": 1, "of": "ann"}], "cancelled")


async def test_an_undo_that_was_noted_at_the_attempt_is_not_noted_again(bench: Start) -> None:
    text = ONE.replace("compensate: {task", "compensate: {after: attempted, task").replace("'{{ output.txn }}'", "1")
    engine: Bench = await bench(text)
    job = await engine.submit()
    task = await engine.take()
    await cancel(engine, job)
    await engine.answer(task, data={"txn": 7})

    assert await undone(engine, job) == ([{"txn": 1, "of": "ann"}], "cancelled")


async def test_a_result_that_a_paused_job_has_kept_is_undone(bench: Start) -> None:
    engine: Bench = await bench(ONE)
    job = await engine.submit()
    task = await engine.take()
    await engine.operate(job, PauseRequested(by="ops"))
    assert await engine.answer(task, data={"txn": 7}) == ACCEPTED

    await cancel(engine, job)

    assert await undone(engine, job) == ([{"txn": 7, "of": "ann"}], "cancelled")


async def test_a_result_that_a_branch_of_a_paused_job_has_kept_is_undone(bench: Start) -> None:
    engine: Bench = await bench(racing("join: all", "next: end"))
    job = await engine.submit()
    slow, task = await engine.take("w1", "slow"), await engine.take()
    await engine.operate(job, PauseRequested(by="ops"))
    assert [await engine.answer(slow, data={"txn": 7}), await engine.answer(task)] == [ACCEPTED, ACCEPTED]

    await cancel(engine, job)

    assert await undone(engine, job) == ([{"txn": 7, "of": "ann"}], "cancelled")


async def test_a_result_that_a_paused_job_has_kept_does_not_answer_a_later_visit(bench: Start) -> None:
    engine: Bench = await bench(ONE)
    job = await engine.submit()
    first = await engine.take()
    await engine.operate(job, PauseRequested(by="ops"))
    await engine.answer(first, data={"txn": 1})

    await engine.operate(job, RerunRequested(by="ops"))

    second = await engine.take()
    await engine.answer(second, data={"txn": 2})
    assert (await engine.until_status(job, "finished"))["result"] == {"txn": 2}
    assert second["idempotency_key"] != first["idempotency_key"]


async def test_a_result_that_comes_before_the_cancel_is_undone_once(bench: Start) -> None:
    engine: Bench = await bench(ONE.replace("next: end}", "next: rest}, rest: {wait: 1h, next: end}"))
    job = await engine.submit()
    task = await engine.take()
    await engine.answer(task, data={"txn": 7})
    await cancel(engine, job)
    assert await engine.answer(task, data={"txn": 7}) == ACCEPTED

    assert await undone(engine, job) == ([{"txn": 7, "of": "ann"}], "cancelled")


async def test_the_time_of_a_block_closes_its_bodies_and_their_effects_are_undone(bench: Start) -> None:
    text = racing("timeout: 20s, retry: none", "catch: [{to: rest}], next: end") + "  rest: {task: rest, next: end}\n"
    engine: Bench = await bench(text)
    job = await engine.submit()
    slow = await engine.take("w1", "slow")
    engine.turn(21)
    rest = await engine.take("w1", "rest")
    assert await engine.answer(slow, data={"txn": 7}) == ACCEPTED
    await until_told(engine, job, "LateSuccess")

    await cancel(engine, job)
    await engine.answer(rest, status="cancelled")

    assert await undone(engine, job) == ([{"txn": 7, "of": "ann"}], "cancelled")


async def test_a_paused_undoing_waits_and_forgets_nothing(bench: Start) -> None:
    engine: Bench = await bench(ONE)
    job = await engine.submit()
    task = await engine.take()
    await cancel(engine, job)
    await engine.operate(job, PauseRequested(by="ops"))
    assert await engine.answer(task, data={"txn": 7}) == ACCEPTED
    await engine.operate(job, ResumeRequested(by="ops"))

    assert await undone(engine, job) == ([{"txn": 7, "of": "ann"}], "cancelled")


def of_types(history: Sequence[Json], kind: str) -> list[Json]:
    return [entry for entry in history if entry["type"] == kind]


async def test_an_engine_that_never_saw_the_scope_undoes_it(tmp_path: Path) -> None:
    async with bench_of(ONE, tmp_path, "sqlite") as engine:
        await engine.register("w1", "work", "undo")
        job = await engine.submit()
        task = await engine.take()
        await cancel(engine, job)
    async with bench_of(ONE, tmp_path, "sqlite") as engine:
        await engine.register("w1", "work", "undo")
        assert await engine.answer(task, data={"txn": 7}) == ACCEPTED
        assert await undone(engine, job) == ([{"txn": 7, "of": "ann"}], "cancelled")
        assert len(of_types(await engine.history(job), "LateSuccess")) == 1
