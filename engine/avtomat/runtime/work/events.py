"""Take what workers tell while they work: progress is kept with the attempt, any other event is a signal for its job.

An event is a signal of its type's name only for the job of an attempt that the worker holds; its id is the signal's, so
that one which is told again is taken once. What the job could not use is refused: nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.signals import Signal
from avtomat.runtime.repeating import repeat
from avtomat.runtime.work.registrations import Registrations
from avtomat.runtime.work.results import progress_of
from avtomat.storage.port.codec import dumps
from avtomat.storage.port.rules import job_of_task, own_tasks
from avtomat.storage.port.store import Store

PAYLOAD_BYTES_MAX: Final = 64 * 1024
PROGRESS: Final = "progress"

SendSignal = Callable[[str, str | None, Signal, str], Awaitable[bool | None]]
"""Delivers a signal to a job: see `Signals.send`."""


class WorkerEvents:
    """The events of workers near one replica. `send` is set once there is somebody who delivers signals."""

    def __init__(self, store: Store, registrations: Registrations) -> None:
        self._store = store
        self._registrations = registrations
        self.send: SendSignal | None = None

    async def event(self, body: Mapping[str, Json]) -> None:
        """Keep progress, and deliver any other event as a signal. Raises RequestRefused where that cannot be, with
        statuses upon which no client registers again.
        """
        worker, payload = str(body["worker_id"]), body.get("payload")
        tasks = own_tasks([body.get("target_task_id")], self._store.partitions)
        if body.get("event_type") == PROGRESS:
            if tasks and isinstance(payload, dict):
                note = dumps(progress_of(payload))
                await repeat(lambda: self._store.progress(worker, tasks[0], note))
            return
        if not tasks or not await self._holds(worker, tasks[0]):
            text = "an event is for the job of an attempt that the worker holds: target_task_id names none"
            raise RequestRefused(text, status=422, code="event.no_attempt")
        await self._signal(worker, job_of_task(tasks[0]), body)

    async def _holds(self, worker: str, task_id: str) -> bool:
        """An attempt that was handed out here is known; of others the store is asked."""
        if self._registrations.holds(worker, task_id):
            return True
        row = await repeat(lambda: self._store.show(job_of_task(task_id)))
        return row is not None and any(each.task_id == task_id and each.worker == worker for each in row.tasks)

    async def _signal(self, worker: str, job: str, body: Mapping[str, Json]) -> None:
        size = len(dumps(body["payload"]))
        if size > PAYLOAD_BYTES_MAX:
            text = f"the payload takes {size} bytes, an event has at most {PAYLOAD_BYTES_MAX}"
            raise RequestRefused(text, status=413, code="signal.too_large")
        signal = Signal(name=str(body["event_type"]), payload=body["payload"], id=str(body["event_id"]))
        assert self.send is not None
        try:
            await self.send(job, None, signal, f"worker:{worker}")
        except RequestRefused as refused:
            if refused.status != 404:
                raise
            raise RequestRefused(refused.message, status=422, code=refused.code, hint=refused.hint) from None
