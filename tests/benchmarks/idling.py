"""Measure what workers cost that poll and tell that they live while there is nothing to do."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from time import perf_counter

import orjson

from tests.benchmarks.load import POLL_S, BenchmarkError, poll_of, register
from tests.benchmarks.machine import cpu_s
from tests.benchmarks.stage import Stage
from tests.benchmarks.wire import Connection, connect

WORKERS = 100
HEARTBEAT_S = 15
SETTLE_S = 2


async def idle_share(stage: Stage, *, seconds: float) -> float:
    """The share of a core that the engine uses. Polls and heartbeats come evenly, as if the workers had come so."""
    async with AsyncExitStack() as stack:
        names = [f"idle-{number}" for number in range(WORKERS)]
        tasks = []
        for number, name in enumerate(names):
            polling, beating = await connect(stage.engine.port), await connect(stage.engine.port)
            stack.callback(polling.close)
            stack.callback(beating.close)
            await register(stage.door, name, polling)
            share = number / WORKERS
            tasks.append(asyncio.create_task(_poll(stage, name, polling, max(1, POLL_S * share))))
            tasks.append(asyncio.create_task(_beat(stage, name, beating, HEARTBEAT_S * share)))
        await asyncio.sleep(SETTLE_S)
        began, used_before = perf_counter(), cpu_s(stage.engine.pid)
        await asyncio.sleep(seconds)
        used, took = cpu_s(stage.engine.pid) - used_before, perf_counter() - began
        for task in tasks:
            task.cancel()
        for end in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(end, Exception):
                raise end
    return used / took


async def _poll(stage: Stage, worker: str, connection: Connection, first_s: float) -> None:
    answer = await connection.ask(poll_of(stage.door, worker, round(first_s, 2)))
    while answer.status == 204:
        answer = await connection.ask(poll_of(stage.door, worker))
    raise BenchmarkError(f"an idle poll was answered {answer.status} {answer.body!r}")


async def _beat(stage: Stage, worker: str, connection: Connection, first_s: float) -> None:
    body = orjson.dumps({"worker_id": worker, "status": "idle", "current_tasks": []})
    request = stage.door.message(worker, "PATCH", f"/workers/{worker}", body)
    pause_s = first_s
    while True:
        await asyncio.sleep(pause_s)
        answer = await connection.ask(request)
        if answer.status != 200:
            raise BenchmarkError(f"a heartbeat was answered {answer.status} {answer.body!r}")
        pause_s = HEARTBEAT_S
