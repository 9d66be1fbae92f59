"""An undo costs the same however many were noted: a foreach whose items are all to be undone.

`make test` runs UNDOS of them and counts the store's calls and commands; `make foreach`, each night, UNDOS_NIGHTLY with
their CPU time as well. The figures are printed (`pytest -s`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from avtomat.runtime.jobs.submission import Submission
from avtomat.storage.port.store import Store
from avtomat.storage.redis.store import RedisStore
from avtomat.storage.sqlite.store import SqliteStore
from tests.benchmarks.machine import cpu_s
from tests.runtime.replicas import Crew, replica_on
from tests.servers import RedisServer
from tests.storage.faults import Faults, faulty

SAGA = """
avtomat: 1
blueprint: saga
limits: {items: 200000}
states:
  each:
    foreach: "{{ input.items }}"
    concurrency: 64
    collect: false
    do: {task: item, params: {n: "{{ item }}"}, compensate: {task: undo, params: {n: "{{ item }}"}}}
    next: given_up
  given_up: {fail: {code: GIVEN_UP, message: all of it is to be undone}}
"""
UNDOS, UNDOS_NIGHTLY = 300, 20_000
WORKERS = 8
CPU_FACTOR_MAX = 2.0
"""What the last undos may cost beside the first ones, in CPU time of the engine, its workers and the store."""
WAIT_S = 3_000

Json = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What was spent when so many undos had run."""

    calls: int
    cpu_s: float

    def since(self, before: Mark, undos: int) -> str:
        """The cost of each undo between the two, in words."""
        cpu_us = (self.cpu_s - before.cpu_s) / undos * 1e6
        return f"{(self.calls - before.calls) / undos:.2f} calls, {cpu_us:.0f} µs of CPU"


async def undo_all(store: Store, folder: Path, undos: int, pid: int | None) -> dict[int, Mark]:
    """Run the saga; marks at its first, second, last but one and last tenth."""
    (folder / "saga.yaml").write_text(SAGA)
    seen, faults = faulty(store, Faults())
    service = await replica_on(seen, folder)
    tenth, count, marks = undos // 10, 0, dict[int, Mark]()

    def do(task: Mapping[str, Json]) -> Json:
        nonlocal count
        if task["type"] == "undo":
            if count in (0, tenth, undos - tenth - 1, undos - 1):
                spent = time.process_time() + (0 if pid is None else cpu_s(pid))
                marks[count] = Mark(calls=len(faults.calls), cpu_s=spent)
            count += 1
        return None

    workers = Crew(("item", "undo"), do, WORKERS)
    workers.start(service)
    asked = Submission(blueprint="saga", input={"items": list(range(undos))}, client="c")
    async with asyncio.timeout(WAIT_S):
        accepted = await service.clients.submit(asked, wait_s=WAIT_S)
    await workers.stop()
    await service.stop()
    assert accepted.ended is not None
    assert (accepted.ended["status"], count) == ("failed", undos)
    first, last = marks[tenth].since(marks[0], tenth), marks[undos - 1].since(marks[undos - tenth - 1], tenth)
    print(f"\n{undos} undos on {type(store).__name__}: of the first tenth {first} each, of the last {last} each")
    return marks


def calls_of(marks: Mapping[int, Mark]) -> tuple[int, int]:
    """Calls of the store during the first tenth, and during the last."""
    one, two, three, four = (marks[at] for at in sorted(marks))
    return two.calls - one.calls, four.calls - three.calls


def cpu_of(marks: Mapping[int, Mark]) -> tuple[float, float]:
    """CPU time of the first tenth, and of the last."""
    one, two, three, four = (marks[at] for at in sorted(marks))
    return two.cpu_s - one.cpu_s, four.cpu_s - three.cpu_s


@pytest.mark.parametrize("kind", ["redis", "sqlite"])
@pytest.mark.timeout(300)
async def test_an_undo_makes_as_many_calls_however_many_are_left(
    kind: str, tmp_path: Path, fresh_redis: RedisServer
) -> None:
    store = RedisStore(fresh_redis.url) if kind == "redis" else SqliteStore(tmp_path / "jobs.db")
    first, last = calls_of(await undo_all(store, tmp_path, UNDOS, None))
    assert abs(first - last) <= 0.3 * max(first, last)


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("kind", ["redis", "sqlite"])
async def test_a_foreach_of_very_many_undos_pays_the_same_for_each(
    kind: str, tmp_path: Path, fresh_redis: RedisServer
) -> None:
    store = RedisStore(fresh_redis.url) if kind == "redis" else SqliteStore(tmp_path / "jobs.db")
    pid = fresh_redis.pid if kind == "redis" else None
    first, last = cpu_of(await undo_all(store, tmp_path, UNDOS_NIGHTLY, pid))
    assert max(first, last) <= CPU_FACTOR_MAX * min(first, last)
