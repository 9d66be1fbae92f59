"""Run the checks against a command, several at a time, and say how each ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from avtomat.conformance.check import Check
from avtomat.conformance.checks import leases, polling, results, starting, stopping, tasks
from avtomat.conformance.engine import ScriptedEngine
from avtomat.conformance.faults import FaultError, NotOfferedError
from avtomat.conformance.process import WorkerProcess
from avtomat.conformance.stage import DRAIN_S, Stage

CHECKS: Final[tuple[Check, ...]] = tuple(
    check for module in (starting, tasks, results, leases, polling, stopping) for check in module.CHECKS.all
)
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


async def run_checks(
    command: str,
    checks: Sequence[Check],
    *,
    concurrency: int,
    lanes: int,
    told: Callable[[Report], None],
) -> list[Report]:
    """Run each check with an engine and a worker of its own, `lanes` at a time. `told` hears of each as it ends.

    A worker that does not come up fails the first check; the others are then not run, for each would wait as long.
    """
    reports = [await _run(checks[0], command, concurrency, "w0", told)] if checks else []
    if any(report.verdict == "failed" for report in reports):
        return reports
    room = asyncio.Semaphore(lanes)

    async def run_in_turn(number: int, check: Check) -> Report:
        async with room:
            return await _run(check, command, concurrency, f"w{number}", told)

    return reports + await asyncio.gather(*(run_in_turn(number, check) for number, check in enumerate(checks[1:], 1)))


async def _run(check: Check, command: str, concurrency: int, name: str, told: Callable[[Report], None]) -> Report:
    began_s = time.monotonic()
    worker = f"conformance-{name}"
    launched: list[WorkerProcess] = []
    report = partial(Report, check=check)
    async with ScriptedEngine(worker=worker, token=TOKEN) as engine:
        variables = {
            "AVTOMAT_URL": f"http://127.0.0.1:{engine.port}",
            "AVTOMAT_WORKER_TOKEN": TOKEN,
            "AVTOMAT_WORKER_ID": worker,
            "AVTOMAT_WORKER_CONCURRENCY": str(concurrency),
            "AVTOMAT_WORKER_DRAIN_S": str(DRAIN_S),
        }

        def launch() -> WorkerProcess:
            launched.append(WorkerProcess(command, variables))
            return launched[-1]

        verdict: Verdict
        try:
            await check.look(Stage(engine=engine, launch=launch, concurrency=concurrency))
        except FaultError as fault:
            seen, verdict = str(fault), "failed"
        except NotOfferedError as left_out:
            seen, verdict = str(left_out), "not offered"
        else:
            seen, verdict = "", "good"
        if engine.breaches:
            verdict = "failed"
            seen = "; ".join(filter(None, [seen, *dict.fromkeys(engine.breaches[:BREACHES_SHOWN])]))
    output = launched[-1].kept_output if launched and verdict == "failed" else ""
    done = report(verdict=verdict, seen=seen, output=output, took_s=time.monotonic() - began_s)
    told(done)
    return done
