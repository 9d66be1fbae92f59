"""Measure small jobs beside a foreach over very many items: it may not hold them up, and needs little memory itself.

The small jobs have workers of their own, so that none waits for a worker. What is usual is the same load of small jobs
without the foreach, in the same run.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from time import perf_counter

import orjson
import redis

from tests.benchmarks.crew import crew
from tests.benchmarks.figures import Row
from tests.benchmarks.load import BenchmarkError, Sample, drive, jobs, workers
from tests.benchmarks.stage import REDIS, Stage
from tests.benchmarks.wire import connect

ITEM_KIND = "bench.item"
ITEM_WORKERS = 16
WARM_UP_ITEMS = 500
WARM_UP_S = 0.5
SLOW_US = 10_000


async def beside(stage: Stage, *, items: int, clients: int, seconds: float) -> Row:
    """Small jobs of so many clients alone, then beside one foreach, from its submission to its end."""
    target = jobs(stage, "task")
    with crew(stage, ITEM_KIND, ITEM_WORKERS):
        async with workers(stage, max(2, clients)):
            await _run_batch(stage, WARM_UP_ITEMS)
            await drive(target, clients=clients, seconds=WARM_UP_S)
            usual = await drive(target, clients=clients, seconds=seconds)
            before_bytes = _memory(stage, "VmRSS")
            _forget_peak(stage)
            calls_before = _redis_calls(stage)
            ended = asyncio.Event()
            batch = asyncio.create_task(_run_batch(stage, items, ended))
            found = await drive(target, clients=clients, end=ended)
            span_s = await batch
    more = {
        "items a second": items / span_s,
        "p99 × usual": found.percentile_ms(99) / usual.percentile_ms(99),
        "p50 × usual": found.percentile_ms(50) / usual.percentile_ms(50),
        "usual p50, ms": usual.percentile_ms(50),
        "usual p99, ms": usual.percentile_ms(99),
        "slowest, ms": found.latencies_ms[-1],
        "engine busy %": found.cpu_s / found.seconds * 100,
        "RSS before, MB": before_bytes / 1e6,
        "RSS peak, MB": _memory(stage, "VmHWM") / 1e6,
    }
    if stage.store == REDIS:
        more |= _redis_figures(stage, calls_before, items, found)
    return Row(
        case="j",
        title=f"{clients} clients' small jobs beside {items:,} items, {stage.store}",
        cpu_us=(found.cpu_s - usual.cpu_s / usual.count * found.count) / items * 1e6,
        rate=found.rate,
        p50_ms=found.percentile_ms(50),
        p99_ms=found.percentile_ms(99),
        more=more,
        target="p99 < 2 × usual",
    )


async def _run_batch(stage: Stage, items: int, ended: asyncio.Event | None = None) -> float:
    """Submit the foreach and wait for its end; how long it took."""
    connection = await connect(stage.engine.port)
    body = orjson.dumps({"input": {"items": list(range(items))}})
    began = perf_counter()
    try:
        answer = await connection.ask(stage.client_message("POST", "/jobs/batch", body))
        job = orjson.loads(answer.body)
        name = job.get("job_id")
        while answer.status in {200, 202} and job["status"] not in {"finished", "failed"}:
            answer = await connection.ask(stage.client_message("GET", f"/jobs/{name}?wait=30"))
            job = orjson.loads(answer.body)
    finally:
        connection.close()
        if ended is not None:
            ended.set()
    if job.get("result") != {"gathered": items}:
        raise BenchmarkError(f"the foreach was answered {answer.status} {answer.body[:500]!r}")
    return perf_counter() - began


def _memory(stage: Stage, field: str) -> int:
    text = Path(f"/proc/{stage.engine.pid}/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) * 1024


def _forget_peak(stage: Stage) -> None:
    Path(f"/proc/{stage.engine.pid}/clear_refs").write_text("5")


def _redis_calls(stage: Stage) -> int:
    """Scripts and commands that the engine sent so far; and what is slow is noted from now on."""
    if stage.store != REDIS:
        return 0
    with redis.Redis.from_url(stage.redis.url) as client:
        client.config_set("slowlog-log-slower-than", SLOW_US)
        stats = client.info("commandstats")
    return sum(row["calls"] for name, row in stats.items() if name == "cmdstat_evalsha")


def _redis_figures(stage: Stage, before: int, items: int, small: Sample) -> dict[str, float]:
    calls = _redis_calls(stage) - before
    with redis.Redis.from_url(stage.redis.url) as client:
        slow = client.slowlog_get(128)
    return {
        "calls, items and small jobs": calls / (items + small.count),
        "scripts over 10 ms": len(slow),
    }
