"""What a worker gives is encoded once, sent to Redis in one copy, and kept at most twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from avtomat.core.messages import PauseRequested, ResumeRequested
from avtomat.runtime.jobs import writing
from avtomat.runtime.work import polls, registrations, results
from avtomat.storage.port import codec
from avtomat.storage.redis.wire.connection import RedisConnection
from avtomat.storage.redis.wire.url import parse_redis_url
from tests.runtime.bench import bench_of
from tests.servers import RedisServer

LAST = "states: {one: {task: work}}"
TO_THE_END = "states: {one: {task: work, next: end}}"
GOES_ON = "states: {one: {task: work, next: two}, two: {task: work, params: {n: 1}, next: end}}"
WRAPPED = "states: {one: {task: work, next: done}, done: {succeed: {all: '{{ outputs.one }}'}}}"
SET = "states: {one: {task: work, set: {it: '{{ output }}'}, next: two}, two: {wait: 1h, next: end}}"
LINES = [{"line": number, "text": "x" * 80} for number in range(840)]
INLINE, BY_REFERENCE = LINES[:280], LINES
OVERHEAD_BYTES = 2_048

Json = Any


@pytest.fixture
async def redis(fresh_redis: RedisServer) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(parse_redis_url(fresh_redis.url))
    await connection.open()
    yield connection
    await connection.aclose()


async def received_bytes(redis: RedisConnection) -> int:
    """What the server has read from its clients so far."""
    text = (await redis.execute("INFO", "stats")).decode()
    return int(text.partition("total_net_input_bytes:")[2].split()[0])


async def kept_copies(redis: RedisConnection, given: Json) -> int:
    """How often the JSON of a value is kept, whole or in pages."""
    body, found = orjson.dumps(given), 0
    for key in await redis.execute("KEYS", "av:*"):
        kind = await redis.execute("TYPE", key)
        values = await redis.execute("HVALS", key) if kind == b"hash" else []
        found += sum(value.count(body[100:20_000]) for value in values)
    return found


def counted(monkeypatch: pytest.MonkeyPatch, given: Json) -> list[str]:
    """The modules that encode the value, from now on, once for each time."""
    encoders: list[str] = []

    def holds(value: Json) -> bool:
        if value == given:
            return True
        parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        return any(holds(part) for part in parts)

    def counting(name: str) -> Callable[[Json], bytes]:
        def dumps(value: Json) -> bytes:
            if holds(value):
                encoders.append(name)
            return orjson.dumps(value)

        return dumps

    for module in (codec, polls, registrations, results, writing):
        monkeypatch.setattr(module, "dumps", counting(module.__name__))
    return encoders


@pytest.mark.parametrize("given", [INLINE, BY_REFERENCE], ids=["inline", "by reference"])
@pytest.mark.parametrize("blueprint", [LAST, TO_THE_END, GOES_ON, WRAPPED, SET])
async def test_a_result_is_encoded_once_and_sent_in_one_copy(
    tmp_path: Path,
    fresh_redis: RedisServer,
    redis: RedisConnection,
    monkeypatch: pytest.MonkeyPatch,
    blueprint: str,
    given: Json,
) -> None:
    if (blueprint, given) == (SET, BY_REFERENCE):
        pytest.skip("variables are not kept by reference")
    async with bench_of(blueprint, tmp_path, fresh_redis.url) as bench:
        job = await bench.submit()
        task = await bench.take()
        encoders = counted(monkeypatch, given)
        before = await received_bytes(redis)

        assert await bench.answer(task, data=given) == {"status": "accepted"}

        sent = await received_bytes(redis) - before
        monkeypatch.undo()
        assert encoders == ["avtomat.runtime.work.results"]
        assert sent <= 1.1 * len(orjson.dumps(given)) + OVERHEAD_BYTES
        assert await kept_copies(redis, given) == {SET: 4}.get(blueprint, 2 if given is INLINE else 1)
        found = await bench.job(job)
        if found["status"] == "finished":
            assert found["result"] == ({"all": given} if blueprint is WRAPPED else given)


async def test_a_result_that_a_parked_job_keeps_comes_back_whole(tmp_path: Path, fresh_redis: RedisServer) -> None:
    async with bench_of(LAST, tmp_path, fresh_redis.url) as bench:
        job = await bench.submit()
        task = await bench.take()
        await bench.operate(job, PauseRequested(by="ann"))
        assert await bench.answer(task, data=INLINE) == {"status": "accepted"}
        await bench.operate(job, ResumeRequested(by="ann"))

        assert (await bench.until_status(job, "finished"))["result"] == INLINE


async def test_a_large_input_is_not_sent_with_each_part_that_holds_it(
    tmp_path: Path, fresh_redis: RedisServer, redis: RedisConnection
) -> None:
    async with bench_of("data: {it: '{{ input }}'}\n" + LAST, tmp_path, fresh_redis.url) as bench:
        before = await received_bytes(redis)
        job = await bench.submit(INLINE)
        assert await received_bytes(redis) - before <= 2.1 * len(orjson.dumps(INLINE)) + OVERHEAD_BYTES
        assert (await bench.history(job))[0]["set"]["data"]["it"] == INLINE
