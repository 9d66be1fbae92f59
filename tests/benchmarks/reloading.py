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

from avtomat.runtime.service import Service
from avtomat.runtime.submission import Submission
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
JOB = "avtomat: 1\nblueprint: job\nstates: {a: {wait: 0s, next: end}}\n"


def text_of(number: int, variant: str) -> str:
    """A blueprint of nine states."""
    return (
        TEXT.replace("{number}", str(number))
        .replace("{variant}", variant)
        .replace("{{task", "{task")
        .replace("end}}\n", "end}\n")
    )


async def jobs(engine: Service, times_ms: list[float]) -> None:
    """Run one job after the other."""
    while True:
        begun = time.perf_counter()
        await engine.clients.submit(Submission(blueprint="job", input={}, client="bench"), 5)
        times_ms.append((time.perf_counter() - begun) * 1000)
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


def p99(times_ms: Sequence[float]) -> float:
    """The time that one in a hundred exceeds."""
    return sorted(times_ms)[len(times_ms) * 99 // 100] if times_ms else 0.0


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
            spent, child = cpu_s() - begun, cpu_of_children_s()
            print(f"{what}: engine {spent:.2f} s, child {child:.2f} s of CPU, {time.perf_counter() - wall:.2f} s")
            if what == "first start":
                await engine.stop()
        await _reload(engine, folder, count)
        await engine.stop()


async def _reload(engine: Service, folder: Path, count: int) -> None:
    usual_ms: list[float] = []
    running = asyncio.create_task(jobs(engine, usual_ms))
    await asyncio.sleep(5)
    running.cancel()
    for number in range(5):
        (folder / f"b{count // 2}.yaml").write_text(text_of(count // 2, f"round{number}"))
        begun, child, times_ms = cpu_s(), cpu_of_children_s(), list[float]()
        running = asyncio.create_task(jobs(engine, times_ms))
        wall = time.perf_counter()
        assert await engine.reload()
        wall = time.perf_counter() - wall
        running.cancel()
        print(
            f"reload of 1 of {count}: engine {cpu_s() - begun:.3f} s (with jobs), child "
            f"{cpu_of_children_s() - child:.3f} s of CPU, {wall:.3f} s; p99 of jobs {p99(times_ms):.1f} ms, usually "
            f"{p99(usual_ms):.1f} ms"
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(measure(Path(made), int(sys.argv[1]) if len(sys.argv) > 1 else 2_000))
