"""The cases: what each one does and which figures it gives. Each compares with the bare handler (a) in turns."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.benchmarks.beside import beside
from tests.benchmarks.figures import Pair, Row, of_pairs
from tests.benchmarks.filling import submit_many
from tests.benchmarks.idling import idle_share
from tests.benchmarks.load import LARGE_RESULT, RESULT, Target, bare, drive, jobs, workers
from tests.benchmarks.machine import Cores, cpu_s
from tests.benchmarks.peers import compare, install
from tests.benchmarks.redis_meter import asked, memory_bytes
from tests.benchmarks.stage import REDIS, SQLITE, Stage

CLIENTS = 32
WARM_UP_S = 0.5
DRAIN_S_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured."""

    rounds: int
    seconds: float
    """Of each half of a pair."""
    queued: int
    idle_s: float
    metered: int
    """Jobs during which the store's commands are counted."""
    ended: int
    parked: int
    items: int


FULL = Scale(rounds=7, seconds=1.5, queued=20_000, idle_s=15, metered=300, ended=100_000, parked=20_000, items=10_000)
QUICK = Scale(rounds=3, seconds=0.5, queued=2_000, idle_s=4, metered=100, ended=5_000, parked=1_000, items=2_000)


class Bench:
    """The scale, and the stages that were asked for: one for each store, shared by the cases, and fresh ones."""

    def __init__(self, scale: Scale, cores: Cores, folder: Path, stages: ExitStack) -> None:
        self.scale = scale
        self._cores = cores
        self.folder = folder
        self._stages = stages
        self._shared: dict[str, Stage] = {}

    async def shared(self, store: str) -> Stage:
        """The stage of this store, warm."""
        if store not in self._shared:
            self._shared[store] = await self.fresh(store, f"shared-{store}")
        return self._shared[store]

    async def fresh(self, store: str, name: str) -> Stage:
        """Another stage, warm, until the benchmark ends."""
        stage = self._stages.enter_context(Stage(store, self.folder / name, self._cores))
        for target in (bare(stage), jobs(stage, "passive")):
            await drive(target, clients=CLIENTS, seconds=WARM_UP_S)
        return stage

    async def pairs(self, first: Target, second: Target, clients: int = CLIENTS) -> list[Pair]:
        """Both in turns, so that whatever else the machine does hits both."""
        seconds, found = self.scale.seconds, []
        for _ in range(self.scale.rounds):
            one = await drive(first, clients=clients, seconds=seconds)
            found.append((one, await drive(second, clients=clients, seconds=seconds)))
        return found


Case = Callable[[Bench, str], Awaitable[list[Row]]]
"""A case, given where stages come from and on which store."""


async def limit(bench: Bench, store: str) -> list[Row]:
    """(a): what everything is compared with, beside itself: how far a ratio can be believed."""
    target = bare(await bench.shared(store))
    return [of_pairs("a", "the limit: bare handler, ten commands", await bench.pairs(target, target), "1")]


async def passive(bench: Bench, store: str) -> list[Row]:
    """(b)."""
    stage = await bench.shared(store)
    found = await bench.pairs(bare(stage), jobs(stage, "passive"))
    return [of_pairs("b", f"three passive states, {store}", found, "× (a) ≤ 1.2")]


async def one_task(bench: Bench, store: str) -> list[Row]:
    """(c)."""
    stage = await bench.shared(store)
    rows = []
    for count in (4, 16):
        async with _at_work(stage, count) as target:
            found = await bench.pairs(bare(stage), target)
        rows.append(of_pairs("c", f"one task, {count} workers, {store}", found, "× (a) ≤ 3, aim 2; p99 < 10 p50"))
    return rows


async def large_result(bench: Bench, store: str) -> list[Row]:
    """(k): (c) with a result of 30 kB."""
    stage = await bench.shared(store)
    async with _at_work(stage, 16, data=LARGE_RESULT) as target:
        found = await bench.pairs(bare(stage), target)
    return [of_pairs("k", f"one task, a result of 30 kB, {store}", found, "≤ 0.7 × the build before")]


async def queued(bench: Bench, store: str) -> list[Row]:
    """(d): submit without workers, weigh, then let 16 workers drain."""
    stage, count = await bench.shared(store), bench.scale.queued
    before = _bytes(stage)
    submitted = await submit_many(stage, "task", count)
    weight = (_bytes(stage) - before) / count
    used_before, began = cpu_s(stage.engine.pid), perf_counter()
    async with workers(stage, 16, goal=count) as force, asyncio.timeout(DRAIN_S_MAX):
        await force.reached.wait()
        took, used = perf_counter() - began, cpu_s(stage.engine.pid) - used_before
    more = {"bytes a job": weight, "submitting, CPU µs": submitted.cpu_us, "submitting, per s": submitted.rate}
    title = f"{count:,} queued jobs drained, {store}"
    wanted = "≤ 2,048 bytes a job" if store == REDIS else ""
    return [Row(case="d", title=title, cpu_us=used / count * 1e6, rate=count / took, more=more, target=wanted)]


async def _drained(stage: Stage, count: int, *, takes_next: bool) -> tuple[float, float]:
    """Queue so many jobs, and let 16 workers drain them: CPU of the engine for each in µs, and how many a second."""
    await submit_many(stage, "task", count)
    used_before, began = cpu_s(stage.engine.pid), perf_counter()
    async with workers(stage, 16, goal=count, takes_next=takes_next) as force, asyncio.timeout(DRAIN_S_MAX):
        await force.reached.wait()
        took, used = perf_counter() - began, cpu_s(stage.engine.pid) - used_before
    return used / count * 1e6, count / took


async def idle(bench: Bench, store: str) -> list[Row]:
    """(e)."""
    share = await idle_share(await bench.shared(store), seconds=bench.scale.idle_s)
    return [Row(case="e", title=f"100 idle workers, {store}", more={"% of a core": share * 100}, target="< 1 %")]


async def lone(bench: Bench, store: str) -> list[Row]:
    """(f): one client, one worker."""
    stage = await bench.shared(store)
    async with _at_work(stage, 1) as target:
        found = await bench.pairs(bare(stage), target, clients=1)
    bare_p50_ms = median(first.percentile_ms(50) for first, _ in found)
    more = {"p50 of (a) alone, ms": bare_p50_ms}
    return [of_pairs("f", f"a lone one-task job, {store}", found, "p50 < 4 ms", more)]


async def commands(bench: Bench, store: str) -> list[Row]:
    """How often Redis is asked for a one-task job, alone and under load."""
    stage = await bench.shared(store)
    more: dict[str, float] = {}
    for workers_count, clients, name in ((1, 1, "alone"), (16, CLIENTS, "under load")):
        async with _at_work(stage, workers_count) as target:
            trips, inside = await _asked_a_job(stage, target, clients, bench.scale)
        more |= {f"round trips, {name}": trips, f"commands, {name}": inside}
    return [Row(case="r", title="Redis a one-task job", more=more, target="3 round trips")]


async def taking_along(bench: Bench, store: str) -> list[Row]:
    """(n): (c) with 16 workers that poll beside 16 that take the next task with each result, each on its own store."""
    polling, taking = await bench.fresh(store, "polling"), await bench.fresh(store, "taking along")
    title = f"one task, 16 workers that take the next with the result, {store}"
    more: dict[str, float] = {}
    async with _at_work(polling, 16) as first, _at_work(taking, 16, takes_next=True) as second:
        found = await bench.pairs(first, second)
        for stage, target, name in ((polling, first, "polling"), (taking, second, "taking along")):
            trips, _ = await _asked_a_job(stage, target, CLIENTS, bench.scale)
            more[f"round trips, {name}"] = trips
    for stage, name in ((polling, "polling"), (taking, "taking along")):
        more[f"draining, CPU µs, {name}"], _ = await _drained(stage, bench.scale.queued, takes_next=stage is taking)
    return [of_pairs("n", title, found, "CPU ≤ 0.7 × polling; 2.1 round trips", more)]


async def full_store(bench: Bench, store: str) -> list[Row]:
    """(c) beside itself, with many ended and queued jobs in the second one's store."""
    scale, title = bench.scale, "one task in a full store"
    empty, full = await bench.fresh(store, "empty"), await bench.fresh(store, "full")
    await submit_many(full, "passive", scale.ended)
    await submit_many(full, "parked", scale.parked)
    async with _at_work(empty, 16) as first, _at_work(full, 16) as second:
        row = of_pairs("s", title, await bench.pairs(first, second), "× empty ≤ 1.15; as many commands")
    more = {"jobs ended": scale.ended, "jobs queued": scale.parked, "CPU × empty store": row.ratio or 0}
    for stage, name in ((empty, "empty"), (full, "full")):
        async with _at_work(stage, 1) as target:
            more[f"commands, {name}"] = sum(await _asked_a_job(stage, target, 1, scale))
    return [
        Row(case="s", title=title, cpu_us=row.cpu_us, rate=row.rate, p50_ms=row.p50_ms, p99_ms=row.p99_ms, more=more,
            target=row.target)
    ]  # fmt: skip


async def beside_a_foreach(bench: Bench, store: str) -> list[Row]:
    """(j)."""
    stage, scale = await bench.shared(store), bench.scale
    seconds = scale.rounds * scale.seconds
    return [await beside(stage, items=scale.items, clients=clients, seconds=seconds) for clients in (1, 16)]


async def embedded(bench: Bench, _: str) -> list[Row]:
    """(g): the others on SQLite."""
    rows = []
    for case in (passive, one_task, lone, idle, queued):
        rows += await case(bench, SQLITE)
    return rows


async def peers(bench: Bench, store: str) -> list[Row]:
    """(p): Celery; only when it is named, because it is installed from the package index."""
    python = await asyncio.to_thread(install, bench.folder / "peer")
    stage, scale = await bench.shared(store), bench.scale
    return await compare(stage, python, rounds=scale.rounds, seconds=scale.seconds)


CASES: Mapping[str, Case] = {
    "a": limit,
    "b": passive,
    "c": one_task,
    "k": large_result,
    "e": idle,
    "f": lone,
    "r": commands,
    "n": taking_along,
    "j": beside_a_foreach,
    "d": queued,
    "g": embedded,
    "s": full_store,
    "p": peers,
}
"""By name, in the order in which they run: those that fill the store come last."""

DEFAULT = tuple(name for name in CASES if name != "p")
"""What runs when nothing is named."""


@asynccontextmanager
async def _at_work(
    stage: Stage, count: int, data: object = RESULT, *, takes_next: bool = False
) -> AsyncIterator[Target]:
    """Workers at work, warm; gives the job to be done."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(workers(stage, count, data=data, takes_next=takes_next))
        target = jobs(stage, "task")
        await drive(target, clients=count, seconds=WARM_UP_S)
        yield target


async def _asked_a_job(stage: Stage, target: Target, clients: int, scale: Scale) -> tuple[float, float]:
    """Round trips and commands within scripts, a job."""
    async with asked(stage.redis) as counts:
        sample = await drive(target, clients=clients, count=scale.metered)
    return counts.sent.total() / sample.count, counts.in_scripts.total() / sample.count


def _bytes(stage: Stage) -> int:
    if stage.store == REDIS:
        return memory_bytes(stage.redis)
    with sqlite3.connect(f"file:{stage.database}?mode=ro", uri=True) as reader:
        pages, size = (reader.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    reader.close()
    return int(pages * size)
