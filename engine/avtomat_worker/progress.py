"""Send what tasks say of their progress: the last word of each task, not too often, and never at the tasks' cost."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from avtomat_worker.errors import EngineError
from avtomat_worker.limits import Limits
from avtomat_worker.messages import Assignment, progress_event
from avtomat_worker.ports import EnginePort
from avtomat_worker.waiting import Clock, Signal

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    assignment: Assignment
    fraction: float
    message: str


class ProgressFeed:
    """The reports that were not sent yet, at most one a task."""

    def __init__(self, *, client: EnginePort, worker_id: str, limits: Limits, clock: Clock) -> None:
        self._client = client
        self._worker_id = worker_id
        self._limits = limits
        self._clock = clock
        self._reports: dict[str, _Report] = {}
        self._changed = Signal()
        self._never = asyncio.Event()

    def put(self, assignment: Assignment, fraction: float, message: str) -> None:
        """Take a report; an earlier one of the same task that was not sent yet is forgotten."""
        self._reports[assignment.task_id] = _Report(assignment=assignment, fraction=fraction, message=message)
        self._changed.notify()

    def forget(self, task_id: str) -> None:
        """Drop the report of a task that has ended: its result says more."""
        self._reports.pop(task_id, None)

    async def send_forever(self) -> None:
        """Send what comes in, until cancelled."""
        while True:
            await self._changed.until(lambda: bool(self._reports))
            while self._reports:
                await self._send(self._reports.pop(next(iter(self._reports))))
            await self._clock.wait(self._never, self._limits.progress_interval_s)

    async def _send(self, report: _Report) -> None:
        body = progress_event(
            report.assignment,
            worker_id=self._worker_id,
            fraction=report.fraction,
            message=report.message,
            now=self._clock.now(),
        )
        try:
            await self._client.event(body)
        except EngineError as error:
            logger.info("progress of task %s was not delivered: %s", report.assignment.task_id, error)
