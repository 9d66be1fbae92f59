"""What is left of a time, counted by an expression: an engine and `avtomat test` read it alike."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RedisServer
from tests.rehearsal.told import messages, run_text
from tests.runtime.bench import Bench, bench_of

COUNTED = "{{ str(epoch(time(data.limit)) - epoch(now)) + 's' }}"
SUBTRACTED = "{{ time(data.limit) - now }}"
LONG_OVER = "2001-02-03T04:05:06.789Z"
WAITING = """
data: {{limit: "{{{{ now + duration('1h') if input.limit == null else input.limit }}}}"}}
states:
  rest: {{wait: "{span}", next: work}}
  work: {{task: work, next: end}}
"""


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[str], Any]]:
    store = request.param
    if store == "redis":
        server: RedisServer = request.getfixturevalue("fresh_redis")
        store = server.url
    async with AsyncExitStack() as stack:

        async def start(text: str) -> Bench:
            engine = await stack.enter_async_context(bench_of(text, tmp_path, store))
            await engine.register("w1", "work")
            return engine

        yield start


@pytest.mark.parametrize("span", [COUNTED, SUBTRACTED])
async def test_a_wait_for_what_is_left_ends_when_nothing_is_left(bench: Callable[[str], Any], span: str) -> None:
    engine: Bench = await bench(WAITING.format(span=span))
    job = await engine.submit({"limit": None})
    assert [cause["cause"] for cause in await engine.why(job)] == ["timer"]

    engine.turn(3_601)
    await engine.answer(await engine.take())

    await engine.until_status(job, "finished")


@pytest.mark.parametrize("span", [COUNTED, SUBTRACTED])
async def test_a_wait_for_a_time_that_is_over_ends_at_once(bench: Callable[[str], Any], span: str) -> None:
    engine: Bench = await bench(WAITING.format(span=span))
    job = await engine.submit({"limit": LONG_OVER})

    await engine.answer(await engine.take())

    await engine.until_status(job, "finished")


@pytest.mark.parametrize("span", [COUNTED, SUBTRACTED])
@pytest.mark.parametrize(
    ("limit", "elapsed"),
    [(None, "1h"), ("2026-01-01T01:00:00Z", "59m59s613ms"), ("2026-01-01T00:00:00.386Z", "0s"), (LONG_OVER, "0s")],
)
def test_a_rehearsal_waits_as_long_as_an_engine(tmp_path: Path, span: str, limit: str | None, elapsed: str) -> None:
    given = json.dumps({"limit": limit})
    cases = f"cases: [{{name: c, input: {given}, tasks: {{work: {{}}}}, expect: {{elapsed: {elapsed}}}}}]\n"

    assert messages(run_text(tmp_path, WAITING.format(span=span), cases)) == []


@pytest.mark.parametrize(
    ("blueprint", "code"),
    [
        ("timeout: SPAN\nstates: {work: {task: work, next: end}}", "DEADLINE"),
        ("states: {work: {task: work, timeout: SPAN, next: end}}", "TIMEOUT_ERROR"),
        ("states: {work: {task: work, timeout: {total: SPAN}, next: end}}", "TIMEOUT_ERROR"),
        ("states: {work: {task: work, timeout: {queue: SPAN}, next: end}}", "NO_WORKER"),
        ("states: {all: {foreach: [1], timeout: SPAN, do: {task: work}, next: end}}", "TIMEOUT_ERROR"),
    ],
)
async def test_a_timeout_that_is_over_has_passed_and_nothing_is_tried(
    bench: Callable[[str], Any], blueprint: str, code: str
) -> None:
    engine: Bench = await bench(blueprint.replace("SPAN", '"{{ time(input.by) - now }}"'))

    ended = await engine.until_status(await engine.submit({"by": LONG_OVER}), "failed")

    assert (ended["error"]["code"], ended["error"]["attempt"]) == (code, 0)
