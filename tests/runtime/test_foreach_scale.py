"""A foreach over very many items costs the store a fixed number of calls for each, little memory, and no other job.

Items end at once in workers in this process, so what is measured is the engine and the store. `make test` runs ITEMS
of them; `make foreach`, each night, ITEMS_NIGHTLY with the engine, its store and the workers in processes of their own.
The figures are printed (`pytest -s`).
"""

from __future__ import annotations

import asyncio
import os
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import quantiles

import pytest

from avtomat.core.formula import Json
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.port.store import Store
from avtomat.storage.redis.store import RedisStore
from avtomat.storage.sqlite.store import SqliteStore
from tests.benchmarks.beside import beside
from tests.benchmarks.figures import table
from tests.benchmarks.machine import divide
from tests.benchmarks.stage import REDIS, SQLITE, Stage
from tests.runtime.replicas import Crew, replica_on
from tests.servers import RedisServer
from tests.storage.faults import Faults, faulty

BATCH = """
avtomat: 1
blueprint: batch
limits: {items: 200000}
states:
  each:
    foreach: "{{ input.items }}"
    concurrency: 64
    collect: false
    do: {task: item, params: {n: "{{ item }}"}}
"""
FAN = """
avtomat: 1
blueprint: fan
limits: {scopes_live: 1000}
states:
  each: {foreach: "{{ range(input.n) }}", do: {task: item, params: {n: "{{ item }}"}}}
"""
SMALL = "avtomat: 1\nblueprint: small\nstates: {one: {task: item, params: {n: 0}}}\n"

ITEMS, ITEMS_NIGHTLY = 10_000, 100_000
WORKERS = 16
CALLS_PER_ITEM_MAX = 4.0
"""Begin, poll and result, and a share of polls that found nothing and of what an engine asks from time to time."""
CALLS_BESIDE_MAX = 6.0
"""Likewise beside small jobs: where a queue is short, several polls ask for the same task."""
MEMORY_BYTES_MAX = 64 * 1024 * 1024
"""What an engine may need at its peak beside what it needed before: the input's items and the bodies' outputs, decoded,
are most of it.
"""
CACHE_BYTES = {REDIS: 0, SQLITE: 80 * 1024 * 1024}
"""What an embedded store keeps of its file in this process, however large that is."""
SMALL_JOBS = 60
RETRIES_MAX = 3
WAIT_S = 3_000


@pytest.fixture
def blueprints(tmp_path: Path) -> Path:
    for name, text in (("batch", BATCH), ("fan", FAN), ("small", SMALL)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def echo(task: Mapping[str, Json]) -> Json:
    return task["params"]["n"]


def crew() -> Crew:
    return Crew(("item",), echo, WORKERS)


async def ended(service: Service, blueprint: str, given: Json, *, priority: int | None = None) -> Mapping[str, Json]:
    """Submit a job and return it as it has ended."""
    asked = Submission(blueprint=blueprint, input=given, client="c", priority=priority)
    accepted = await service.clients.submit(asked, wait_s=WAIT_S)
    assert accepted.ended is not None
    return accepted.ended


async def small_jobs_s(service: Service) -> list[float]:
    """How long small jobs take that come one after the other, before all that waits. How they fare beside a foreach
    from its start to its end is measured by the benchmark (j).
    """
    spans: list[float] = []
    while len(spans) < SMALL_JOBS:
        begun = time.perf_counter()
        await ended(service, "small", {}, priority=9)
        spans.append(time.perf_counter() - begun)
    return spans


def described(spans: Sequence[float]) -> str:
    cuts = quantiles(spans, n=100)
    return f"p50 {cuts[49] * 1000:.1f}, p99 {cuts[98] * 1000:.1f} ms of {len(spans)}"


async def run_batch(store: Store, blueprints: Path, items: int) -> None:
    seen, faults = faulty(store, Faults())
    service = await replica_on(seen, blueprints)
    workers = crew()
    workers.start(service)
    alone = await small_jobs_s(service)
    faults.calls.clear()
    begun, cpu = time.perf_counter(), time.process_time()

    batch = asyncio.create_task(ended(service, "batch", {"items": list(range(items))}))
    beside = await small_jobs_s(service)
    job = await batch

    span, spent = time.perf_counter() - begun, time.process_time() - cpu
    calls = {name: faults.calls.count(name) for name in sorted(set(faults.calls))}
    units = items + len(beside)
    print(
        f"\n{items} items on {type(store).__name__}: {span:.1f} s, {spent / items * 1e6:.0f} µs of CPU an item, "
        f"{len(faults.calls) / units:.2f} calls an item or small job {calls}; "
        f"small jobs: alone {described(alone)}, beside it {described(beside)}"
    )
    await workers.stop()
    await service.stop()
    assert job["result"] == {"total": items, "succeeded": items, "failed": 0}
    assert len(faults.calls) / units < CALLS_PER_ITEM_MAX


async def test_a_foreach_touches_the_memory_store_a_fixed_number_of_times_an_item(blueprints: Path) -> None:
    await run_batch(MemoryStore(), blueprints, ITEMS)


@pytest.mark.timeout(300)
async def test_a_foreach_touches_sqlite_a_fixed_number_of_times_an_item(blueprints: Path, tmp_path: Path) -> None:
    await run_batch(SqliteStore(tmp_path / "store.db"), blueprints, ITEMS)


@pytest.mark.timeout(300)
async def test_a_foreach_touches_redis_a_fixed_number_of_times_an_item(
    blueprints: Path, fresh_redis: RedisServer
) -> None:
    await run_batch(RedisStore(fresh_redis.url), blueprints, ITEMS)


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("store", [REDIS, SQLITE])
async def test_an_engine_runs_a_foreach_over_very_many_items_in_little_memory(store: str, tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    try:
        with Stage(store, tmp_path / "stage", divide()) as stage:
            rows = [
                await beside(stage, items=ITEMS, clients=1, seconds=5),
                await beside(stage, items=ITEMS_NIGHTLY, clients=1, seconds=5),
            ]
    finally:
        os.sched_setaffinity(0, allowed)
    print("", *table(rows), sep="\n")
    for row in rows:
        assert (row.more["RSS peak, MB"] - row.more["RSS before, MB"]) * 1e6 < MEMORY_BYTES_MAX + CACHE_BYTES[store]
        assert row.more.get("calls, items and small jobs", 0) < CALLS_BESIDE_MAX


@pytest.mark.timeout(600)
async def test_an_engine_keeps_little_of_a_foreach(blueprints: Path, fresh_redis: RedisServer) -> None:
    service, workers = await replica_on(RedisStore(fresh_redis.url), blueprints), crew()
    workers.start(service)
    await ended(service, "batch", {"items": list(range(100))})
    tracemalloc.start()

    await ended(service, "batch", {"items": list(range(ITEMS // 4))})

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"\n{ITEMS // 4} items: {peak / 1e6:.1f} MB at the peak")
    await workers.stop()
    await service.stop()
    assert peak < MEMORY_BYTES_MAX


async def test_branches_that_end_at_once_on_two_replicas_hardly_ever_decide_again(
    blueprints: Path, fresh_redis: RedisServer
) -> None:
    replicas = [await replica_on(RedisStore(fresh_redis.url), blueprints) for _ in range(2)]
    workers = [crew(), crew()]
    for one, service in zip(workers, replicas, strict=True):
        one.start(service)

    job = await ended(replicas[0], "fan", {"n": 1_000})

    conflicts = [service.measures.tally.conflicts for service in replicas]
    shares = [service.measures.tally.handed_out for service in replicas]
    print(f"\n1000 branches: {conflicts} conflicts, handed out {shares}")
    for one, service in zip(workers, replicas, strict=True):
        await one.stop()
        await service.stop()
    assert job["result"] == list(range(1_000))
    assert sum(conflicts) <= RETRIES_MAX * 1_000
    assert min(shares) > 0


async def test_a_fan_of_tasks_is_joined(blueprints: Path, fresh_redis: RedisServer) -> None:
    service, workers = await replica_on(RedisStore(fresh_redis.url), blueprints), crew()
    workers.start(service)
    spans = []
    for _ in range(5):
        begun = time.perf_counter()
        job = await ended(service, "fan", {"n": 100})
        spans.append(time.perf_counter() - begun)
        assert job["result"] == list(range(100))
    print("\na fan of 100: " + ", ".join(f"{span * 1000:.0f}" for span in spans) + " ms")
    await workers.stop()
    await service.stop()
