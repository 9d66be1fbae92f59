"""Fill a store with many jobs, by lists of submissions."""

from __future__ import annotations

import asyncio
from time import perf_counter

import orjson

from tests.benchmarks.load import INPUT, BenchmarkError, Sample
from tests.benchmarks.machine import cpu_s
from tests.benchmarks.stage import Stage
from tests.benchmarks.wire import connect

LIST = 100
CONNECTIONS = 4


async def submit_many(stage: Stage, blueprint: str, count: int) -> Sample:
    """Submit `count` jobs, a multiple of 100; what it cost the engine."""
    body = orjson.dumps([{"input": INPUT}] * LIST)
    request = stage.client_message("POST", f"/jobs/{blueprint}", body)
    left = iter(range(count // LIST))
    began, used_before = perf_counter(), cpu_s(stage.engine.pid)

    async def submit() -> None:
        connection = await connect(stage.engine.port)
        try:
            for _ in left:
                answer = await connection.ask(request)
                if answer.status != 202 or answer.body.count(b'"job_id"') != LIST:
                    raise BenchmarkError(f"a list was answered {answer.status} {answer.body[:500]!r}")
        finally:
            connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(submit())
    took, used = perf_counter() - began, cpu_s(stage.engine.pid) - used_before
    return Sample(count=count, seconds=took, cpu_s=used, latencies_ms=())
