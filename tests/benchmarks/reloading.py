"""What a reload of one changed blueprint among many costs: CPU of the engine and of its child, and the time of jobs.

Run `python -m tests.benchmarks.reloading [BLUEPRINTS]`.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from avtomat.cli.serving import _collect_less as collect_less
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.settings import Settings

TEXT = (
    """avtomat: 1
blueprint: b{number}
states:
"""
    + "".join(
        f"""  s{place}:
    task: work
    params: {{id: "{{{{ input.id }}}}", text: "{{variant}} of {{{{ input.name }}}} at {place}"}}
    next: s{place + 1}
"""
        for place in range(8)
    )
    + "  s8: {{task: work, next: end}}\n"
)
ROUNDS = 50
PAUSE_S = 0.5
CLIENTS = 4
JOB = "avtomat: 1\nblueprint: job\nstates: {a: {wait: 0s, next: end}}\n"


def text_of(number: int, variant: str) -> str:
    """A blueprint of nine states."""
    return (
        TEXT.replace("{number}", str(number))
        .replace("{variant}", variant)
        .replace("{{task", "{task")
        .replace("end}}\n", "end}\n")
    )


async def jobs(engine: Service, spans: list[tuple[float, float]]) -> None:
    """Run one job after the other; `spans` gets when each began and ended."""
    while True:
        begun = time.perf_counter()
        await engine.clients.submit(Submission(blueprint="job", input={}, client="bench"), 5)
        spans.append((begun, time.perf_counter()))
        await asyncio.sleep(0.005)


def cpu_s() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cpu_of_children_s() -> float:
    """CPU seconds of children that are running."""
    ticks = 0
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / 100


def p99(times_s: Sequence[float]) -> float:
    """The time that one in a hundred exceeds, in milliseconds."""
    return sorted(times_s)[len(times_s) * 99 // 100] * 1000 if times_s else 0.0


async def measure(folder: Path, count: int) -> None:
    """Start, start again, and reload one."""
    for number in range(count):
        (folder / f"b{number}.yaml").write_text(text_of(number, "first"))
    (folder / "job.yaml").write_text(JOB)
    with tempfile.TemporaryDirectory() as kept:
        settings = Settings(store=f"sqlite:///{kept}/jobs.db", blueprints=folder)
        for what in ("first start", "second start"):
            begun, wall = cpu_s(), time.perf_counter()
            engine = Service(settings)
            await engine.start()
            collect_less()
            spent, child = cpu_s() - begun, cpu_of_children_s()
            print(f"{what}: engine {spent:.2f} s, child {child:.2f} s of CPU, {time.perf_counter() - wall:.2f} s")
            if what == "first start":
                await engine.stop()
        await _reload(engine, folder, count)
        await engine.stop()


async def _reload(engine: Service, folder: Path, count: int) -> None:
    """Reload one file ROUNDS times while jobs run, and beside it run jobs as long without a change."""
    await engine._reloader.stop()  # else the watch loads, too, while the usual is measured
    spans, loads = list[tuple[float, float]](), list[tuple[float, float]]()
    running = [asyncio.create_task(jobs(engine, spans)) for _ in range(CLIENTS)]
    engine_s = child_s = 0.0
    for number in range(ROUNDS):
        (folder / f"b{count // 2}.yaml").write_text(text_of(count // 2, f"round{number}"))
        begun, child, wall = cpu_s(), cpu_of_children_s(), time.perf_counter()
        assert await engine.reload()
        loads.append((wall, time.perf_counter()))
        with_load_s = cpu_s() - begun
        child_s += cpu_of_children_s() - child
        await asyncio.sleep(PAUSE_S)
        begun = cpu_s()
        await asyncio.sleep(loads[-1][1] - wall)
        engine_s += with_load_s - (cpu_s() - begun)
    for each in running:
        each.cancel()
    meanwhile = [end - begin for begin, end in spans if any(begin < over and at < end for at, over in loads)]
    usual = [end - begin for begin, end in spans if not any(begin < over and at < end for at, over in loads)]
    load_s = sum(over - at for at, over in loads) / ROUNDS
    print(
        f"reload of 1 of {count}: engine {engine_s / ROUNDS:.3f} s (less what as long without it costs), child "
        f"{child_s / ROUNDS:.3f} s of CPU, {load_s:.3f} s\np99 of {len(meanwhile)} jobs meanwhile "
        f"{p99(meanwhile):.1f} ms, of {len(usual)} others {p99(usual):.1f} ms; of all, with a reload every "
        f"{PAUSE_S:g} s, {p99([*usual, *meanwhile]):.1f} ms"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(measure(Path(made), int(sys.argv[1]) if len(sys.argv) > 1 else 2_000))
