"""Which bodies of a block failed, on every store: how they are cut and counted, and what is none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from avtomat.runtime.jobs.joining import FAILURES_MAX
from tests.conftest import RedisServer
from tests.runtime.bench import Bench, bench_of

Json = Any
Start = Callable[..., Any]


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Start]:
    store = request.param
    if store == "redis":
        server: RedisServer = request.getfixturevalue("fresh_redis")
        store = server.url
    async with AsyncExitStack() as stack:

        async def start(text: str, **settings: Any) -> Bench:
            engine = await stack.enter_async_context(bench_of(text, tmp_path, store, **settings))
            await engine.register("w1", "work", "rest")
            return engine

        yield start


FAILING = """
states:
  all:
    foreach: "{{ range(input.n) }}"
    tolerate: 100%
    concurrency: 1
    collect: COLLECT
    do: {task: work, retry: none}
    transitions: [{set: {fails: "{{ failures }}", count: "{{ failed }}"}, to: end}]
"""


@pytest.mark.parametrize("collect", ["false", '"{{ output }}"'])
async def test_items_that_failed_are_told_in_order_and_cut(bench: Start, collect: str) -> None:
    engine: Bench = await bench(FAILING.replace("COLLECT", collect))
    job = await engine.submit({"n": 4})
    await engine.answer(await engine.take(), data=1)
    for message, details in (("ä" * 1_000, {"k": "v" * 2_000}), ("short", {"k": 1})):
        error = {"code": "BAD", "message": message, "details": details}
        await engine.answer(await engine.take(), status="failure", error=error)
    await engine.answer(await engine.take(), data=4)

    found = await engine.until_status(job, "finished", "failed")

    fails = found["data"]["fails"]
    assert [(each["index"], each["error"]["code"], each["error"]["details"]) for each in fails] == [
        (1, "BAD", None),
        (2, "BAD", {"k": 1}),
    ]
    assert len(fails[0]["error"]["message"].encode()) == 1_000
    assert found["data"]["count"] == 2
    expected = {"total": 4, "succeeded": 2, "failed": 2} if collect == "false" else [1, None, None, 4]
    assert found["result"] == expected


async def test_the_lowest_thousand_are_listed_and_all_are_counted(bench: Start) -> None:
    engine: Bench = await bench("""
states:
  all:
    foreach: "{{ range(input.n) }}"
    tolerate: 100%
    collect: false
    do: {fail: {code: BAD}}
    set: {count: "{{ failed }}", listed: "{{ [each.index for each in failures] }}"}
    next: end
""")
    total = FAILURES_MAX + 20

    job = await engine.submit({"n": total})

    found = await engine.until_status(job, "finished", "failed")
    assert (found["status"], found["data"]["count"]) == ("finished", total)
    assert found["data"]["listed"] == list(range(FAILURES_MAX))


TIMED = """
states:
  all:
    foreach: [0, 1, 2, 3]
    tolerate: 3
    timeout: 20s
    retry: RETRY
    do: {task: work, retry: none}
    catch: [{set: {fails: "{{ failures }}", count: "{{ failed }}", code: "{{ error.code }}"}, to: rest}]
    next: end
  rest: {task: rest, next: end}
"""


async def failures_at_rest(engine: Bench, job: str) -> Json:
    """What the job tells of failures once its time is over."""
    engine.turn(21)
    rest = await engine.take("w1", "rest")
    await engine.answer(rest)
    return (await engine.until_status(job, "finished"))["data"]


async def test_a_block_whose_time_is_over_tells_what_had_failed_by_then(bench: Start) -> None:
    engine: Bench = await bench(TIMED.replace("RETRY", "none"))
    job = await engine.submit()
    tasks = [await engine.take() for _ in range(4)]
    await engine.answer(tasks[0])
    await engine.fail(tasks[3], "LAST")
    await engine.fail(tasks[1], "FIRST")

    data = await failures_at_rest(engine, job)

    assert (data["code"], data["count"]) == ("TIMEOUT_ERROR", 2)
    assert [(each["index"], each["error"]["code"]) for each in data["fails"]] == [(1, "FIRST"), (3, "LAST")]


async def test_a_block_whose_time_is_over_before_its_next_attempt_tells_of_the_last_one(bench: Start) -> None:
    retry = "{errors: [ANY], attempts: 2, delay: 1h, max_delay: 1h, jitter: none}"
    engine: Bench = await bench(TIMED.replace("RETRY", retry).replace("tolerate: 3", "tolerate: 1"))
    job = await engine.submit()
    tasks = [await engine.take() for _ in range(4)]
    await engine.fail(tasks[0], "FIRST")
    await engine.fail(tasks[2], "THIRD")
    await engine.until(lambda: _joined(engine, job))

    data = await failures_at_rest(engine, job)

    assert (data["code"], data["count"]) == ("TIMEOUT_ERROR", 2)
    assert [(each["index"], each["error"]["code"]) for each in data["fails"]] == [(0, "FIRST"), (2, "THIRD")]


async def _joined(engine: Bench, job: str) -> bool:
    return any(entry["type"] == "JoinDecided" for entry in await engine.history(job))


async def test_what_was_cancelled_is_no_failure(bench: Start) -> None:
    engine: Bench = await bench("""
states:
  all:
    foreach: [0, 1, 2]
    join: {at_least: 2}
    do: {task: work, retry: none}
    catch: [{set: {fails: "{{ failures }}", count: "{{ failed }}"}, to: end}]
    next: end
""")
    job = await engine.submit()
    tasks = [await engine.take() for _ in range(3)]
    await engine.fail(tasks[1], "BAD")
    await engine.fail(tasks[0], "BAD")

    found = await engine.until_status(job, "finished", "failed")

    assert [each["index"] for each in found["data"]["fails"]] == [0, 1]
    assert found["data"]["count"] == 2
