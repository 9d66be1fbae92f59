"""Show where the engine's time goes: what a profiler saw, as shares by part of the program and by function."""

from __future__ import annotations

import json
import os
import pstats
import re
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import uvloop

from tests.benchmarks import profiled
from tests.benchmarks.load import Sample, drive, jobs, workers
from tests.benchmarks.machine import Cores
from tests.benchmarks.stage import REDIS, SQLITE, Stage

TOP = 30
SECONDS = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiled:
    """A load to look at."""

    store: str
    blueprint: str
    workers: int
    clients: int


_LOADS: Mapping[str, tuple[str, int, int]] = {"b": ("passive", 0, 32), "c": ("task", 16, 32), "f": ("task", 1, 1)}
PROFILED: Mapping[str, Profiled] = {
    name + ending: Profiled(store=store, blueprint=blueprint, workers=workers_count, clients=clients)
    for store, ending in ((REDIS, ""), (SQLITE, "-sqlite"))
    for name, (blueprint, workers_count, clients) in _LOADS.items()
}
"""By the name of the case, on Redis, or on SQLite with the ending."""

_PLACES = re.compile(r".*/(?:site-packages|engine|lib/python3\.\d+)/")


def profile(name: str, cores: Cores, folder: Path) -> Iterator[str]:
    """Run a case under both profilers, one after the other; lines to read."""
    for mode, show in (("samples", _show_samples), ("calls", _show_calls)):
        file = folder / mode
        with Stage(PROFILED[name].store, folder / f"{mode}-stage", cores, run=_command(mode, file)) as stage:
            sample = uvloop.run(_look_at(stage, PROFILED[name]))
        yield f"({name}) {mode}: {sample.count:,} jobs, {sample.cpu_us:,.0f} µs of CPU a job under the profiler"
        yield from show(file, sample.count)


def _command(mode: str, file: Path) -> list[str]:
    return [profiled.__file__, mode, str(file), "serve"]


async def _look_at(stage: Stage, what: Profiled) -> Sample:
    target = jobs(stage, what.blueprint)
    async with workers(stage, what.workers):
        await drive(target, clients=what.clients, seconds=1)
        os.kill(stage.engine.pid, signal.SIGUSR1)
        sample = await drive(target, clients=what.clients, seconds=SECONDS)
        os.kill(stage.engine.pid, signal.SIGUSR2)
    return sample


def _show_samples(file: Path, jobs: int) -> Iterator[str]:
    """Lines: by part, by function itself, by function with what it calls."""
    stacks: list[tuple[list[str], int]] = json.loads(file.read_text())
    total = sum(count for _, count in stacks) or 1
    parts: Counter[str] = Counter()
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for stack, count in stacks:
        names = [_PLACES.sub("", name) for name in stack]
        parts[_part(names[0])] += count
        own[names[0]] += count
        for name in set(names):
            whole[name] += count
    yield f"{total} samples, {jobs} jobs; share of the CPU time"
    yield from _table("by part of the program", parts, total)
    yield from _table("by function, itself", own, total)
    yield from _table("by function, with what it calls", whole, total)


def _show_calls(file: Path, jobs: int) -> Iterator[str]:
    """Lines: calls a job and time, of the functions that cost most themselves. A coroutine counts each resumption."""
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = vars(pstats.Stats(str(file)))["stats"]
    for title, column in (("itself", 2), ("with what it calls", 3)):
        yield f"\nby calls, {title}: calls a job, µs a job itself, µs a job with what it calls"
        for place, row in sorted(stats.items(), key=lambda item: -float(item[1][column]))[:TOP]:  # type: ignore[arg-type]
            name = f"{_PLACES.sub('', place[0])}:{place[1]} {place[2]}"
            yield f"{row[1] / jobs:8.1f} {row[2] / jobs * 1e6:8.1f} {row[3] / jobs * 1e6:8.1f}  {name}"


def _table(title: str, counts: Counter[str], total: int) -> Iterable[str]:
    return [f"\n{title}", *(f"{count / total:7.1%}  {name}" for name, count in counts.most_common(TOP))]


def _part(name: str) -> str:
    """avtomat by subpackage, everything else by package or module."""
    parts = name.partition(":")[0].split("/")
    return "/".join(parts[:2]) if parts[0].startswith("avtomat") else parts[0]
