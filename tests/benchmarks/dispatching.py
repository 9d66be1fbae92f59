"""Measure what a poll costs with few workers and with many: `python -m tests.benchmarks.dispatching [--rounds N]`.

A whole engine in this process, on the store that is named, without doors: jobs of one task each, handed to polls that
wait, answered at once. The figure is CPU time of this process for each job, from submission to its end; crowds take
turns, each turn does the same number of jobs, and the ratio is the median of those of the pairs of turns.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.opening import open_store
from avtomat.runtime.service import Service
from avtomat.runtime.work.polls import Poll
from avtomat.settings import Settings

JOBS = 500
WAITING = 16
"""So many polls wait at a time for the kind that is measured, in each crowd."""

CROWDS = {"10 workers of 1 kind": (10, 1), "10,000 workers of 100 kinds": (10_000, 100)}
WAIT_S = 1_000.0


def main() -> int:
    """Measure and print."""
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--store", default="memory", choices=("memory", "sqlite"))
    args = parser.parse_args()
    uvloop.run(_measure(args.rounds, args.store))
    return 0


async def _measure(rounds: int, store: str) -> None:
    with tempfile.TemporaryDirectory(prefix="avtomat-bench-") as folder:
        for name in ("few", "many"):
            _write_blueprint(Path(folder) / name)
        found: dict[str, list[float]] = {name: [] for name in CROWDS}
        async with _engine(Path(folder) / "few", store) as few, _engine(Path(folder) / "many", store) as many:
            for service, (workers, kinds) in zip((few, many), CROWDS.values(), strict=True):
                await _register(service, workers, kinds)
            for _ in range(rounds + 1):
                for service, name in zip((few, many), CROWDS, strict=True):
                    found[name].append(await _cpu_us(service))
        few_us, many_us = (each[1:] for each in found.values())
        for name, each in zip(CROWDS, (few_us, many_us), strict=True):
            print(f"{name}: {statistics.median(each):.0f} µs of CPU a job ({min(each):.0f} to {max(each):.0f})")
        print(f"ratio: {statistics.median(b / a for a, b in zip(few_us, many_us, strict=True)):.2f}")


def _write_blueprint(folder: Path) -> None:
    folder.mkdir()
    (folder / "one.yaml").write_text("avtomat: 1\nblueprint: one\nstates: {a: {task: kind0, next: end}}\n")


@asynccontextmanager
async def _engine(folder: Path, store: str) -> AsyncIterator[Service]:
    url = "memory:" if store == "memory" else f"sqlite:///{folder / 'jobs.db'}"
    settings = Settings(store=url, blueprints=folder / "one.yaml")
    service = Service(settings, open_store(settings))
    await service.start(watch=False)
    try:
        yield service
    finally:
        await service.stop()


async def _register(service: Service, workers: int, kinds: int) -> None:
    """Register the crowd; those that do not have the kind that is measured poll for what they have, and wait."""
    for number in range(workers):
        kind = f"kind{number % kinds}"
        await service.dispatcher.register({"worker_id": f"w{number}", "supported_skills": [{"name": kind}]})
        if number % kinds:
            poll = Poll(worker=f"w{number}", kinds=(), timeout_s=WAIT_S)
            _waiting.add(asyncio.ensure_future(service.dispatcher.poll(poll, lambda: False)))


_waiting: set[asyncio.Future[object]] = set()


async def _cpu_us(service: Service) -> float:
    """CPU time for each of JOBS jobs, done by WAITING polls of the workers of the first kind."""
    names = [name for name, seat in service.dispatcher.seats if "kind0" in seat.kinds]
    for name in names[:WAITING]:
        await service.dispatcher.heartbeat(name, {"current_tasks": []})  # else the registration lapses
    left = JOBS
    gc.collect()

    async def work(name: str) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            poll = Poll(worker=name, kinds=(), timeout_s=WAIT_S)
            [task] = await service.dispatcher.poll(poll, lambda: False)
            ids = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": name}
            await service.dispatcher.result(ids)

    async def submit() -> None:
        for _ in range(JOBS):
            await service.clients.submit(Submission(blueprint="one", input={}, client="ann"))

    began = time.process_time()
    await asyncio.gather(*(work(names[number % len(names)]) for number in range(WAITING)), submit())
    return (time.process_time() - began) / JOBS * 1e6


if __name__ == "__main__":
    sys.exit(main())
