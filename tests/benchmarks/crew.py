"""Work for an engine from a process of its own, so that other work does not wait behind these workers' own time.

Run as a program: PORT KIND COUNT, the workers' token in AVTOMAT_WORKER_TOKEN. The process gives way to others (nice).
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvloop

from tests.benchmarks.load import Workforce, work
from tests.benchmarks.stage import Door, Stage
from tests.benchmarks.wire import connect

NICE = 10
_TOKEN = "AVTOMAT_WORKER_TOKEN"


@contextmanager
def crew(stage: Stage, kind: str, count: int) -> Iterator[None]:
    """Workers in another process until the block is left."""
    command = [sys.executable, "-m", "tests.benchmarks.crew", str(stage.door.port), kind, str(count)]
    process = subprocess.Popen(command, env={**os.environ, _TOKEN: stage.door.token})
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def _work_for(door: Door, kind: str, count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(work(door, f"{kind}-{number}", await connect(door.port), Workforce(), kind))


if __name__ == "__main__":
    os.nice(NICE)
    uvloop.run(_work_for(Door(port=int(sys.argv[1]), token=os.environ[_TOKEN]), sys.argv[2], int(sys.argv[3])))
