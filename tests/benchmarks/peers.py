"""Compare with Celery, the usual way of Python to run tasks: one task and three in a row, 16 workers, 32 clients.

Celery has no server: what the engine does, its clients and workers do. So the figure to compare is the CPU time of
everything together – engine or Celery's worker, clients, Redis – and throughput and latency. Celery is installed for
the benchmark into an environment of its own, and removed afterwards.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.benchmarks.figures import Row
from tests.benchmarks.load import Sample, drive, jobs, workers
from tests.benchmarks.stage import Server, Stage

PROGRAM = str(Path(__file__).with_name("celery_peer.py"))
REQUIREMENT = "celery[redis]>=5.5,<6"
WORKERS = 16
CLIENTS = 32
ROUND_S_MAX = 120
SHAPES = (("one task", "task", 1), ("three tasks in a row", "three_tasks", 3))


def install(folder: Path) -> Path:
    """Make an environment with Celery; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", REQUIREMENT], check=True, capture_output=True)
    return python


async def compare(stage: Stage, python: Path, *, rounds: int, seconds: float) -> list[Row]:
    """Rows for both, shape by shape, measured in turns."""
    url = f"{stage.redis.url[:-1]}2"
    worker = stage.start_beside([PROGRAM, "worker", url], python=python, ready="ready.")
    rows = []
    try:
        async with workers(stage, WORKERS):
            for title, blueprint, tasks in SHAPES:
                ours, theirs = [], []
                for _ in range(rounds):
                    ours.append(await _engine(stage, blueprint, seconds))
                    theirs.append(await asyncio.to_thread(_celery, stage, python, worker, (url, tasks, seconds)))
                rows += [_row(f"{title}, avtomat", ours), _row(f"{title}, Celery", theirs)]
    finally:
        worker.stop()
    return rows


async def _engine(stage: Stage, blueprint: str, seconds: float) -> Sample:
    used_before = time.process_time()
    sample = await drive(jobs(stage, blueprint), clients=CLIENTS, seconds=seconds)
    used = time.process_time() - used_before
    return _sample(sample.seconds, sample.cpu_s + sample.redis_cpu_s + used, sample.latencies_ms)


def _celery(stage: Stage, python: Path, worker: Server, asked: tuple[str, int, float]) -> Sample:
    command = [str(python), PROGRAM, "client", *map(str, (*asked, worker.pid, stage.redis.pid))]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=ROUND_S_MAX)
    told = json.loads(said.stdout)
    return _sample(told["seconds"], told["cpu_s"], told["latencies_ms"])


def _sample(seconds: float, used_s: float, latencies_ms: Sequence[float]) -> Sample:
    return Sample(count=len(latencies_ms), seconds=seconds, cpu_s=used_s, latencies_ms=latencies_ms)


def _row(title: str, samples: Sequence[Sample]) -> Row:
    return Row(
        case="p",
        title=f"{title}, all CPU",
        cpu_us=median(sample.cpu_us for sample in samples),
        rate=median(sample.rate for sample in samples),
        p50_ms=median(sample.percentile_ms(50) for sample in samples),
        p99_ms=median(sample.percentile_ms(99) for sample in samples),
    )
