"""Set up one check: a scripted engine, a worker of the command under test, and what both know of each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from avtomat.conformance.engine import ScriptedEngine
from avtomat.conformance.faults import FaultError
from avtomat.conformance.process import WorkerProcess

KINDS: Final = (
    "conformance.echo",
    "conformance.status",
    "conformance.fail",
    "conformance.crash",
    "conformance.context",
    "conformance.slow",
    "conformance.progress",
)
START_FACTOR: Final = 3
"""Starting may take so many times as long as anything else: some workers have to start a virtual machine."""
DRAIN_S: Final = 2
"""What AVTOMAT_WORKER_DRAIN_S says: running tasks have so long after SIGTERM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a check works with. `launch` starts the worker; the check decides when."""

    engine: ScriptedEngine
    launch: Callable[[], WorkerProcess]
    concurrency: int

    @property
    def start_s(self) -> float:
        """So long may a worker take to register."""
        return START_FACTOR * self.engine.patience_s

    @property
    def stop_s(self) -> float:
        """So long may a stop take, the time for running tasks included."""
        return DRAIN_S + self.engine.patience_s

    async def ready(self) -> None:
        """Wait until the worker has registered and polls."""
        await self.engine.until(lambda: self.engine.of("register"), "a registration", self.start_s)
        await self.engine.until(lambda: self.engine.of("poll"), "a poll")

    async def echo(self) -> None:
        """See that the worker still does what it should: a task of conformance.echo succeeds."""
        params = {"still": "here"}
        result = await self.engine.result(self.engine.offer("conformance.echo", params))
        demand(result.get("data") == params, f"the task after it ended with {result}")

    async def stopped(self, worker: WorkerProcess, within_s: float | None = None) -> None:
        """Wait for the end of a worker that was asked to stop: its exit code is 0."""
        most_s = self.stop_s if within_s is None else within_s
        code = await worker.exited(most_s)
        demand(code is not None, f"the worker still ran {most_s:g} s after SIGTERM")
        demand(code == 0, f"the worker ended with {code}")


def demand(met: object, otherwise: str) -> None:
    """FaultError with the text `otherwise` unless `met`."""
    if not met:
        raise FaultError(otherwise)
