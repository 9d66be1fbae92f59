"""Take what workers say of how their attempts ended: use each result once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.messages import LeaseLost, TaskFailed, WorkerAnswer
from avtomat.core.reads import secrets_read
from avtomat.core.scope import ROOT
from avtomat.runtime.jobs.executor import Executor
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.runtime.work.blanking import blanked, says_words
from avtomat.runtime.work.registrations import Registrations
from avtomat.runtime.work.results import cause_of, event_of, verdict
from avtomat.secrets import Secrets
from avtomat.storage.port.answers import Committed, Outcome
from avtomat.storage.port.rules import is_task_id, job_of_task
from avtomat.storage.port.store import Store
from avtomat.storage.port.writes import ResultCause

_SPOILT: Final = frozenset(
    {"INTERNAL_ERROR", "DEPENDENCY_ERROR", "RESOURCE_EXHAUSTED_ERROR", "CONTRACT_VIOLATION_ERROR", "SECURITY_ERROR"}
)
"""Errors of the worker rather than of what it was asked to do."""


class Settling:
    """The ends of attempts, as workers tell them to one replica."""

    def __init__(
        self, store: Store, executor: Executor, scopes: Scopes, registrations: Registrations, vault: Secrets
    ) -> None:
        self._store = store
        self._executor = executor
        self._scopes = scopes
        self._registrations = registrations
        self._vault = vault

    async def result(self, body: Mapping[str, Json]) -> dict[str, Json]:
        """Use a worker's result once; the answer says whether it was, and if not, why."""
        worker, task_id, job = str(body.get("worker_id") or ""), str(body["task_id"]), str(body["job_id"])
        if not is_task_id(task_id, self._store.partitions) or job_of_task(task_id) != job:
            return verdict(Committed(outcome=Outcome.UNKNOWN))
        event = event_of(body)
        if self._vault.names and says_words(event):
            event = await self._blanked(event, job, task_id)
        return await self.settle(job, cause_of(task_id, worker, body, event), event)

    async def settle(self, job: str, cause: ResultCause, event: WorkerAnswer) -> dict[str, Json]:
        """Let the job go on with how an attempt ended."""
        handled = await self._executor.handle(job, ROOT, cause, event, task_id=cause.task_id)
        seat = self._registrations.seats.find(cause.worker)
        if seat is not None and cause.task_id in seat.held:
            del seat.held[cause.task_id]
            seat.merit.let_go()
            seat.merit.ended(well=not _is_spoilt(event))
            self._registrations.moved(seat)
        return verdict(handled.answer)

    async def _blanked(self, event: WorkerAnswer, job: str, task_id: str) -> WorkerAnswer:
        """The answer without the secrets that the attempt was given, in case the worker repeats one in its words."""
        kept = await self._scopes.at(job, ROOT, None, task_id)
        names = frozenset[str]() if kept is None else secrets_read(kept.program, kept.scope)
        return blanked(event, self._vault, names)


def _is_spoilt(event: WorkerAnswer) -> bool:
    """Whether the worker, and not the task, is to blame for how the attempt ended."""
    match event:
        case TaskFailed():
            return event.code in _SPOILT
        case LeaseLost():
            return True
    return False
