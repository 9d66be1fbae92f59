"""Divide the processor: the engine alone on one core, everything else on another; read what a process used of it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_SCHEDULED = 2
"""CPUCLOCK_SCHED: what the scheduler counted, in nanoseconds, for all threads, those that have ended included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Which core is whose. On a machine with one core both are the same, and the figures show it."""

    engine: int
    others: int


def divide() -> Cores:
    """Leave the last core to the engine; this process, and what it starts from now on, goes to the first."""
    allowed = sorted(os.sched_getaffinity(0))
    cores = Cores(engine=allowed[-1], others=allowed[0])
    os.sched_setaffinity(0, {cores.others})
    return cores


def pin(pid: int, core: int) -> None:
    """Move a process with all its threads to a core; threads that it starts later stay there too."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def cpu_s(pid: int) -> float:
    """The CPU time that a process has used. The clock's number is that of clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | _SCHEDULED)
