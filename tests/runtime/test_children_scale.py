"""A foreach over very many children costs the store a fixed number of calls for each, and the engine little memory.

`make test` runs CHILDREN of them, the nightly run CHILDREN_NIGHTLY. The figures are printed (`pytest -s`).
"""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from avtomat.core.formula import Json
from avtomat.runtime.jobs.submission import Submission
from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.port.answers import Query
from avtomat.storage.port.store import Store
from avtomat.storage.proof.invariants import violations
from avtomat.storage.redis.store import RedisStore
from avtomat.storage.sqlite.store import SqliteStore
from tests.runtime.replicas import Crew, SharedStore, replica_on
from tests.servers import RedisServer
from tests.storage.faults import Faults, faulty

PARENT = """
avtomat: 1
blueprint: parent
states:
  each:
    foreach: "{{ range(input.n) }}"
    concurrency: 64
    collect: false
    do: {run: child, input: {n: "{{ item }}"}}
"""
CHILD = "avtomat: 1\nblueprint: child\nstates: {one: {task: item, params: {n: '{{ input.n }}'}}}\n"
CHILDREN, CHILDREN_NIGHTLY = 1_000, 10_000
WORKERS = 16
CALLS_PER_CHILD_MAX = 7.0
"""Begin with the child, poll, result, the child's end; and a share of looks at what is due, and of polls in vain."""
MEMORY_BYTES_MAX = 64 * 1024 * 1024
WAIT_S = 3_000


async def run(store: Store, folder: Path, count: int, *, traced: bool = False) -> None:
    (folder / "parent.yaml").write_text(PARENT)
    (folder / "child.yaml").write_text(CHILD)
    shared = SharedStore(store)
    await shared.begin()
    seen, faults = faulty(shared.store, Faults())
    service = await replica_on(seen, folder)
    crew = Crew(("item",), _echo, WORKERS)
    crew.start(service)
    faults.calls.clear()
    begun, cpu = time.perf_counter(), time.process_time()
    if traced:
        tracemalloc.start()

    asked = Submission(blueprint="parent", input={"n": count}, client="c")
    accepted = await service.clients.submit(asked, wait_s=WAIT_S)

    peak = tracemalloc.get_traced_memory()[1] if traced else 0
    tracemalloc.stop()
    span, spent = time.perf_counter() - begun, time.process_time() - cpu
    calls = Counter(faults.calls)
    print(
        f"\n{count} children on {type(store).__name__}: {span:.1f} s, {spent / count * 1e6:.0f} µs of CPU a child, "
        f"{len(faults.calls) / count:.2f} calls a child {dict(calls)}, {peak / 1e6:.1f} MB at the peak"
    )
    page = await store.list_jobs(Query(parent=accepted.job_id, status="finished", limit=10))
    await crew.stop()
    await service.stop()
    if count <= CHILDREN:
        assert violations(await store.dump()) == []  # type: ignore[arg-type]
    await shared.end()
    assert accepted.ended is not None
    assert accepted.ended["result"] == {"total": count, "succeeded": count, "failed": 0}
    assert len(page.rows) == 10
    assert len(faults.calls) / count < CALLS_PER_CHILD_MAX
    assert peak < MEMORY_BYTES_MAX


def _echo(task: Mapping[str, Json]) -> Json:
    return task["params"]["n"]


async def test_children_touch_the_memory_store_a_fixed_number_of_times(tmp_path: Path) -> None:
    await run(MemoryStore(), tmp_path, CHILDREN // 2)


@pytest.mark.parametrize("count", [CHILDREN, pytest.param(CHILDREN_NIGHTLY, marks=pytest.mark.nightly)])
@pytest.mark.timeout(600)
async def test_children_touch_sqlite_a_fixed_number_of_times(tmp_path: Path, count: int) -> None:
    await run(SqliteStore(tmp_path / "store.db"), tmp_path, count)


@pytest.mark.parametrize("count", [CHILDREN, pytest.param(CHILDREN_NIGHTLY, marks=pytest.mark.nightly)])
@pytest.mark.timeout(600)
async def test_children_touch_redis_a_fixed_number_of_times(
    tmp_path: Path, fresh_redis: RedisServer, count: int
) -> None:
    await run(RedisStore(fresh_redis.url), tmp_path, count)


async def test_an_engine_keeps_little_of_many_children(tmp_path: Path, fresh_redis: RedisServer) -> None:
    await run(RedisStore(fresh_redis.url), tmp_path, CHILDREN, traced=True)
