"""A job that comes to its limit fails, is cancelled and is undone like any other; no effect is forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from avtomat.core.messages import ReleaseRequested, SkipRequested
from avtomat.errors import RequestRefused
from tests.conftest import RedisServer
from tests.runtime.bench import Bench, bench_of

Json = Any
Start = Callable[..., Any]

CHARGE = "charge: {task: work, compensate: {task: undo, params: {txn: '{{ output.txn }}'}}"
REFUND = {"txn": 7}


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Start]:
    store = request.param
    if store == "redis":
        server: RedisServer = request.getfixturevalue("fresh_redis")
        store = server.url
    async with AsyncExitStack() as stack:

        async def start(text: str, **settings: Any) -> Bench:
            engine = await stack.enter_async_context(bench_of(text, tmp_path, store, **settings))
            await engine.register("w1", "work", "undo")
            return engine

        yield start


async def undone(engine: Bench, job: str) -> dict[str, Json]:
    """Do the one undo that is offered, and return the job as it ended."""
    task = await engine.take("w1", "undo")
    assert task["params"] == REFUND
    await engine.answer(task)
    return await engine.until_status(job, "failed", "cancelled", "finished")


@pytest.mark.parametrize(
    ("limits", "after", "output"),
    [
        ("{}", "set: {x: \"{{ [pad('', 1000) for _i in range(300)] }}\"}", {"txn": 7}),
        ("{data_bytes: 1000}", "title: t", {"txn": 7, "note": "x" * 2_000}),
        ("{data_bytes: 200}", 'set: {x: "{{ range(1000) }}"}', {"txn": 7}),
    ],
)
async def test_what_was_done_is_undone_although_what_is_written_after_it_is_too_large(
    bench: Start, limits: str, after: str, output: Json
) -> None:
    engine: Bench = await bench(f"limits: {limits}\nstates: {{{CHARGE}, {after}, next: end}}}}\n".replace("_i", "i"))
    job = await engine.submit()
    await engine.answer(await engine.take(), data=output)

    ended = await undone(engine, job)

    assert (ended["status"], ended["error"]["code"]) == ("failed", "LIMIT_EXCEEDED")


async def test_a_later_state_that_is_too_large_forgets_no_undo(bench: Start) -> None:
    second = '{set: {x: "{{ range(1000) }}"}, next: end}'
    text = f"limits: {{data_bytes: 200}}\nstates:\n  {CHARGE}, next: b}}\n  b: {second}\n"
    engine: Bench = await bench(text)
    job = await engine.submit()
    await engine.answer(await engine.take(), data={"txn": 7})

    ended = await undone(engine, job)

    assert (ended["status"], ended["error"]["code"], ended["error"]["state"]) == ("failed", "LIMIT_EXCEEDED", "charge")


async def test_an_effect_of_an_item_is_undone_although_its_output_is_too_large(bench: Start) -> None:
    text = (
        f"limits: {{data_bytes: 1000}}\nstates: {{all: {{foreach: [1], do: {{{CHARGE[8:]}}}, next: end}}}}\n".replace(
            "{{task", "{task"
        )
    )
    engine: Bench = await bench(text)
    job = await engine.submit()
    await engine.answer(await engine.take(), data={"txn": 7, "note": "x" * 2_000})

    ended = await undone(engine, job)

    assert (ended["status"], ended["error"]["code"]) == ("failed", "LIMIT_EXCEEDED")


NEAR = (
    "limits: {data_bytes: 400}\ndata: {x: '%s'}\nstates:\n  %s, next: b}\n  b: {task: work, retry: none, next: end}\n"
)


async def near_the_limit(bench: Start) -> tuple[Bench, str]:
    """A job whose variables and outputs all but fill what they may, with an undo noted."""
    engine: Bench = await bench(NEAR % ("x" * 340, CHARGE))
    job = await engine.submit()
    await engine.answer(await engine.take(), data={"txn": 7})
    return engine, job


async def test_a_long_error_near_the_limit_fails_the_job_and_undoes_it(bench: Start) -> None:
    engine, job = await near_the_limit(bench)
    error = {"code": "NO", "message": "m" * 300, "details": ["d" * 50_000]}
    await engine.answer(await engine.take(), status="failure", error=error)

    ended = await undone(engine, job)

    assert (ended["status"], ended["error"]["code"], ended["error"]["message"]) == ("failed", "NO", "m" * 300)


async def test_a_job_near_the_limit_can_be_cancelled(bench: Start) -> None:
    engine, job = await near_the_limit(bench)
    task = await engine.take()
    await engine.service.operators.cancel(job, None, "ann", "r" * 1_000)
    await engine.answer(task, status="cancelled")

    assert (await undone(engine, job))["status"] == "cancelled"


async def test_variables_that_are_too_large_from_the_start_fail_the_job(bench: Start) -> None:
    engine: Bench = await bench("limits: {data_bytes: 100}\ndata: {x: '{{ input.x }}'}\nstates: {a: {task: work}}\n")

    job = await engine.job(await engine.submit({"x": "x" * 200}))

    assert (job["status"], job["error"]["code"]) == ("failed", "LIMIT_EXCEEDED")


FAILS = (
    "states:\n  a: {task: work, compensate: {task: undo, params: {txn: '{{ output.txn }}'}}, next: b}\n"
    "  b: {fail: {code: NO}}\n"
)


async def test_an_undo_whose_params_are_not_known_waits_for_an_operator_who_gives_them(bench: Start) -> None:
    engine: Bench = await bench(FAILS)
    job = await engine.submit()
    await engine.answer(await engine.take(), data={"other": 1})

    parked = await engine.until_status(job, "quarantined")
    with pytest.raises(RequestRefused, match="the undo has no params"):
        await engine.operate(job, ReleaseRequested(by="ann"))
    await engine.operate(job, ReleaseRequested(by="ann", params=REFUND))

    assert parked["error"]["code"] == "COMPENSATION_FAILED"
    assert parked["error"]["details"]["code"] in {"EXPRESSION_ERROR", "TEMPLATE_ERROR"}
    assert (await undone(engine, job))["error"]["code"] == "NO"


async def test_an_undo_whose_params_are_not_known_can_be_skipped(bench: Start) -> None:
    engine: Bench = await bench(FAILS)
    job = await engine.submit()
    await engine.answer(await engine.take(), data={"other": 1})
    await engine.until_status(job, "quarantined")

    await engine.operate(job, SkipRequested(by="ann"))

    assert (await engine.until_status(job, "failed"))["error"]["code"] == "NO"


EXPECTS = (
    "states:\n  a: {task: work, expects: {required: [txn]}, retry: {errors: [ANY], attempts: 2, delay: 1s},\n"
    "    compensate: {task: undo, params: {txn: '{{ output.txn }}'}}, next: b}\n  b: {fail: {code: NO}}\n"
)


async def test_an_effect_with_a_bad_output_is_not_forgotten(bench: Start) -> None:
    engine: Bench = await bench(EXPECTS.replace("attempts: 2", "attempts: 1"))
    job = await engine.submit()
    await engine.answer(await engine.take(), data={"other": 1})

    parked = await engine.until_status(job, "quarantined")
    await engine.operate(job, ReleaseRequested(by="ann", params=REFUND))

    assert parked["error"]["details"]["code"] == "CONTRACT_VIOLATION_ERROR"
    assert (await undone(engine, job))["error"]["code"] == "CONTRACT_VIOLATION_ERROR"


async def test_a_later_attempt_that_ends_well_settles_what_an_earlier_one_left(bench: Start) -> None:
    engine: Bench = await bench(EXPECTS)
    job = await engine.submit()
    await engine.answer(await engine.take(), data={"other": 1})
    engine.turn(2)
    await engine.answer(await engine.take(), data={"txn": 7})

    assert (await undone(engine, job))["error"]["code"] == "NO"


async def test_a_later_attempt_that_has_nothing_to_undo_settles_what_an_earlier_one_left(bench: Start) -> None:
    engine: Bench = await bench(EXPECTS.replace("compensate: {", "compensate: {when: output.txn > 0, "))
    job = await engine.submit()
    await engine.answer(await engine.take(), data={"other": 1})
    engine.turn(2)
    await engine.answer(await engine.take(), data={"txn": 0})

    assert (await engine.until_status(job, "failed", "quarantined"))["status"] == "failed"
