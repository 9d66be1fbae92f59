"""Run the checks against a command, several at a time, and say how each ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from avtomat.conformance.check import Check
from avtomat.conformance.checks import following, leases, polling, results, starting, stopping, tasks
from avtomat.conformance.engine import ScriptedEngine
from avtomat.conformance.faults import FaultError, NotOfferedError
from avtomat.conformance.process import WorkerProcess
from avtomat.conformance.stage import DRAIN_S, Stage

MODULES: Final = (starting, tasks, results, leases, polling, following, stopping)
CHECKS: Final[tuple[Check, ...]] = tuple(check for module in MODULES for check in module.CHECKS.all)
TOKEN: Final = "conformance-token"  # noqa: S105  a word between this engine and its worker
BREACHES_SHOWN: Final = 5

Verdict = Literal["good", "not offered", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a check ended. `seen` says why it is not good, `output` is the end of what the worker wrote then."""

    check: Check
    verdict: Verdict
    seen: str = ""
    output: str = ""
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is tested, and how."""

    command: str
    concurrency: int
    """Tasks that the worker is told to run at a time."""
    lanes: int
    """Checks at a time."""
    patience_s: float
    """So long may take what must happen."""
    signing: bool = False
    """Whether the worker is told to sign its messages, and must."""
    told: Callable[[Report], None]
    """Hears of each check as it ends."""


async def run_checks(trial: Trial, checks: Sequence[Check]) -> list[Report]:
    """Run each check with an engine and a worker of its own.

    When the worker of the first check sends nothing at all, the others are not run: each would wait as long.
    """
    if not checks:
        return []
    first, came_up = await _run(trial, checks[0], "w0")
    if not came_up:
        return [first]
    room = asyncio.Semaphore(trial.lanes)

    async def run_in_turn(number: int, check: Check) -> Report:
        async with room:
            return (await _run(trial, check, f"w{number}"))[0]

    return [first, *await asyncio.gather(*(run_in_turn(number, check) for number, check in enumerate(checks[1:], 1)))]


async def _run(trial: Trial, check: Check, name: str) -> tuple[Report, bool]:
    """How the check ended, and whether the worker sent anything."""
    began_s = time.monotonic()
    worker = f"conformance-{name}"
    launched: list[WorkerProcess] = []
    async with ScriptedEngine(worker=worker, token=TOKEN, patience_s=trial.patience_s, signing=trial.signing) as engine:
        variables = {
            "AVTOMAT_URL": f"http://127.0.0.1:{engine.port}",
            "AVTOMAT_WORKER_TOKEN": TOKEN,
            "AVTOMAT_WORKER_ID": worker,
            "AVTOMAT_WORKER_CONCURRENCY": str(trial.concurrency),
            "AVTOMAT_WORKER_DRAIN_S": str(DRAIN_S),
            **({"AVTOMAT_WORKER_SIGNING": "1"} if trial.signing else {}),
        }

        def launch() -> WorkerProcess:
            launched.append(WorkerProcess(trial.command, variables))
            return launched[-1]

        verdict, seen = await _look(check, Stage(engine=engine, launch=launch, concurrency=trial.concurrency))
        came_up = bool(engine.calls)
    output = launched[-1].kept_output if launched and verdict == "failed" else ""
    report = Report(check=check, verdict=verdict, seen=seen, output=output, took_s=time.monotonic() - began_s)
    trial.told(report)
    return report, came_up


async def _look(check: Check, stage: Stage) -> tuple[Verdict, str]:
    verdict: Verdict = "good"
    seen = []
    try:
        await check.look(stage)
    except FaultError as fault:
        verdict, seen = "failed", [str(fault)]
    except NotOfferedError as left_out:
        verdict, seen = "not offered", [str(left_out)]
    if stage.engine.breaches:
        verdict = "failed"
        seen += dict.fromkeys(stage.engine.breaches[:BREACHES_SHOWN])
    return verdict, "; ".join(seen)
