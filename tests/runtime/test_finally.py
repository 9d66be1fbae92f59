"""What runs at the end of a job, on every store: operators, limits, large results, and an engine that comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from avtomat.core.messages import PauseRequested, ReleaseRequested, RerunRequested, ResumeRequested, SkipRequested
from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.signals import Signal
from avtomat.runtime.jobs.submission import Submission
from tests.conftest import RedisServer
from tests.runtime.bench import Bench, bench_of

Json = Any
Start = Callable[..., Any]

TELLS = "{task: last, params: {status: '{{ job.status }}', error: '{{ job.error }}', result: '{{ job.result }}'}}"
PLAIN = f"states: {{a: {{task: work, retry: none, next: end}}}}\nfinally: {TELLS}\n"
SAGA = f"""
states:
  book: {{task: work, compensate: {{task: undo}}, next: pay}}
  pay: {{task: work, retry: none, next: end}}
finally: {TELLS}
"""


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Start]:
    store = request.param
    if store == "redis":
        server: RedisServer = request.getfixturevalue("fresh_redis")
        store = server.url
    async with AsyncExitStack() as stack:

        async def start(text: str, **settings: Any) -> Bench:
            engine = await stack.enter_async_context(bench_of(text, tmp_path, store, **settings))
            await engine.register("w1", "work", "undo", "last")
            return engine

        yield start


async def finishing(engine: Bench, output: Json = None) -> tuple[str, dict[str, Json]]:
    """A job whose only task is done, and the task of its `finally`."""
    job = await engine.submit()
    await engine.answer(await engine.take(), data=output)
    return job, await engine.take("w1", "last")


async def test_whoever_waits_sees_the_end_when_finally_has_run(bench: Start) -> None:
    engine: Bench = await bench(PLAIN)
    asked = Submission(blueprint="sample", input={}, client="ann")
    waiting = asyncio.create_task(engine.service.clients.submit(asked, 30.0))
    await engine.answer(await engine.take(), data={"n": 1.0})
    last = await engine.take("w1", "last")
    assert (await engine.job(last["job_id"]))["status"] == "finishing"
    assert not waiting.done()

    await engine.answer(last)

    assert (await waiting).status == "finished"
    found = await engine.job(last["job_id"])
    assert (found["result"], found["outputs"], "finally_error" in found) == ({"n": 1.0}, {"a": {"n": 1.0}}, False)
    assert [e["ended"] for e in await engine.history(last["job_id"]) if e["scope"] == "/" and "ended" in e] == [
        "finished"
    ]


async def test_its_failure_is_in_the_job_and_in_history(bench: Start) -> None:
    engine: Bench = await bench(PLAIN.replace("{task: last,", "{task: last, retry: none,"))
    job, last = await finishing(engine)

    await engine.fail(last, "TIRED")

    found = await engine.until_status(job, "finished", "failed")
    assert (found["status"], found["finally_error"]["code"], found["error"]) == ("finished", "TIRED", None)
    told = [entry["set"]["finally_error"]["code"] for entry in await engine.history(job) if "finally_error" in
            entry.get("set", {})]  # fmt: skip
    assert told == ["TIRED"]


@pytest.mark.parametrize("size", [10_000, 40_000, 7_900_000])
async def test_a_large_result_outlives_finally(bench: Start, size: int) -> None:
    engine: Bench = await bench(PLAIN.replace("result: '{{ job.result }}'", "size: '{{ len(job.result.x) }}'"))
    output = {"x": "y" * size, "n": 1.0}
    job, last = await finishing(engine, output)
    assert last["params"]["size"] == size

    await engine.answer(last)

    assert (await engine.until_status(job, "finished"))["result"] == output


async def test_a_result_beside_data_at_its_limit_outlives_finally(bench: Start) -> None:
    engine: Bench = await bench(
        "limits: {data_bytes: 9000}\nstates: {a: {task: work, set: {x: \"{{ pad('', 8800) }}\"}, next: b}, "
        "b: {succeed: \"{{ pad('', 5000) }}\"}}\nfinally: {task: last, params: {n: '{{ len(job.result) }}'}}\n"
    )
    job, last = await finishing(engine)
    assert last["params"] == {"n": 5000}

    await engine.answer(last)

    assert len((await engine.until_status(job, "finished", "failed"))["result"]) == 5000


async def test_it_runs_after_a_limit_was_exceeded(bench: Start) -> None:
    engine: Bench = await bench(
        f"limits: {{data_bytes: 1000}}\nstates: {{a: {{task: work, set: {{x: '{{{{ range(1000) }}}}'}}, next: end}}}}\n"
        f"finally: {TELLS}\n"
    )
    job, last = await finishing(engine)
    assert last["params"]["error"]["code"] == "LIMIT_EXCEEDED"

    await engine.answer(last, data="done")

    found = await engine.until_status(job, "failed")
    assert (found["error"]["code"], found.get("finally_error")) == ("LIMIT_EXCEEDED", None)


async def test_operators_can_pause_and_skip_it_and_nothing_else(bench: Start) -> None:
    engine: Bench = await bench(PLAIN)
    job, _last = await finishing(engine)
    for refused in (
        engine.operate(job, RerunRequested(by="ann", state="a")),
        engine.service.operators.cancel(job, None, by="ann", reason="", compensate=True),
        engine.service.operators.cancel(job, None, by="ann", reason="", compensate=False),
    ):
        with pytest.raises(RequestRefused, match="finally"):
            await refused
    await engine.operate(job, PauseRequested(by="ann"))
    assert (await engine.job(job))["status"] == "paused"
    await engine.operate(job, ResumeRequested(by="ann"))
    assert (await engine.job(job))["status"] == "finishing"
    causes = [each["cause"] for each in await engine.why(job)]
    assert causes[0] == "finishing"

    await engine.operate(job, SkipRequested(by="ann"))

    found = await engine.until_status(job, "finished")
    assert found["finally_error"]["code"] == "SKIPPED"


async def test_a_paused_job_holds_its_finally(bench: Start) -> None:
    engine: Bench = await bench("states: {a: {task: work, next: end}}\nfinally: {states: {w: {wait: 1m, next: l}, "
                                "l: {task: last, next: end}}}\n")  # fmt: skip
    job = await engine.submit()
    await engine.answer(await engine.take())
    await engine.until_status(job, "finishing")
    await engine.operate(job, PauseRequested(by="ann"))
    engine.turn(120)
    await engine.look("w1", "last")

    await engine.operate(job, ResumeRequested(by="ann"))

    await engine.answer(await engine.take("w1", "last"))
    assert (await engine.until_status(job, "finished"))["result"] is None


async def test_the_jobs_own_timeout_no_longer_counts(bench: Start) -> None:
    engine: Bench = await bench(f"timeout: 1m\n{PLAIN}")
    job, last = await finishing(engine)

    engine.turn(70)
    await engine.answer(last)

    assert (await engine.until_status(job, "finished", "failed"))["status"] == "finished"


async def test_it_is_ended_when_its_hour_is_over(bench: Start) -> None:
    engine: Bench = await bench(
        "states: {a: {task: work, next: end}}\nfinally: {parallel: {x: {wait: 2h}, y: {wait: 3h}}}\n"
    )
    job = await engine.submit()
    await engine.answer(await engine.take())
    await engine.until_status(job, "finishing")

    engine.turn(3600)

    assert (await engine.until_status(job, "finished"))["finally_error"]["code"] == "TIMEOUT_ERROR"


@pytest.mark.parametrize("compensate", [True, False])
async def test_a_cancelled_job_undoes_and_then_finishes(bench: Start, compensate: bool) -> None:
    engine: Bench = await bench(SAGA)
    job = await engine.submit()
    await engine.answer(await engine.take())
    await engine.until_status(job, "running", "waiting_for_worker")

    await engine.service.operators.cancel(job, None, by="ann", reason="enough", compensate=compensate)

    if compensate:
        await engine.look("w1", "last")
        await engine.answer(await engine.take("w1", "undo"))
    last = await engine.take("w1", "last")
    assert last["params"]["status"] == "cancelled"
    await engine.answer(last)
    await engine.until_status(job, "cancelled")
    await engine.look("w1", "undo")


async def test_a_finishing_job_goes_on_with_the_next_engine(tmp_path: Path, fresh_redis: RedisServer) -> None:
    for store in ("sqlite", fresh_redis.url):
        async with bench_of(PLAIN, tmp_path, store) as engine:
            await engine.register("w1", "work", "last")
            job, last = await finishing(engine, {"x": "y" * 50_000})
        async with bench_of(PLAIN, tmp_path, store) as engine:
            assert (await engine.job(job))["status"] == "finishing"

            await engine.answer(last)

            assert (await engine.until_status(job, "finished"))["result"] == {"x": "y" * 50_000}


async def test_a_paused_finally_can_be_skipped(bench: Start) -> None:
    engine: Bench = await bench(PLAIN)
    job, last = await finishing(engine, {"n": 1})
    await engine.operate(job, PauseRequested(by="ann"))

    await engine.operate(job, SkipRequested(by="ann"))

    found = await engine.until_status(job, "finished")
    assert (found["result"], found["finally_error"]["code"]) == ({"n": 1}, "SKIPPED")
    assert (await engine.answer(last))["status"] == "ignored"


async def test_a_job_that_is_quarantined_while_it_finishes_goes_on_when_it_is_released(bench: Start) -> None:
    engine: Bench = await bench(PLAIN)
    job, last = await finishing(engine, {"n": 1})
    await engine.service._executor.park(job, "/", None, "the engine failed")
    assert (await engine.job(job))["status"] == "quarantined"
    assert (await engine.answer(last))["status"] == "accepted"
    assert (await engine.job(job))["status"] == "quarantined"

    assert (await engine.operate(job, ReleaseRequested(by="ann")))["status"] == "finishing"

    found = await engine.until_status(job, "finished", "failed")
    assert (found["status"], found["result"], "finally_error" in found) == ("finished", {"n": 1}, False)


async def test_a_signal_is_awaited_and_used_within_it(bench: Start) -> None:
    engine: Bench = await bench(
        "states: {a: {task: work, next: end}}\nfinally:\n  states:\n    asked: {signal: nod, timeout: 1h, next: told}\n"
        "    told: {task: last, params: {said: '{{ outputs.asked }}', of: '{{ job.status }}'}, next: end}\n"
    )
    job = await engine.submit()
    await engine.answer(await engine.take())
    await engine.until_status(job, "finishing")

    await engine.service.signals.send(job, None, Signal(name="nod", payload="yes", id="s1"), "ann")

    last = await engine.take("w1", "last")
    assert last["params"] == {"said": "yes", "of": "finished"}
    await engine.answer(last)
    assert "finally_error" not in await engine.until_status(job, "finished")


async def test_it_has_room_of_its_own_beside_data_at_the_limit(bench: Start) -> None:
    engine: Bench = await bench(
        "limits: {data_bytes: 1000}\nstates: {a: {task: work, set: {x: \"{{ pad('', 900) }}\"}, next: end}}\n"
        "finally: {task: last, params: {x: '{{ data.x }}'}, set: {y: '{{ output }}'}}\n"
    )
    job, last = await finishing(engine)
    assert len(last["params"]["x"]) == 900

    await engine.answer(last, data="y" * 400)

    found = await engine.until_status(job, "finished", "failed")
    assert (found["status"], "finally_error" in found, len(found["data"]["x"])) == ("finished", False, 900)
