"""Take what workers say of how their attempts ended: use each result once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from avtomat.core.formula import Json
from avtomat.core.messages import Event, WorkerAnswer
from avtomat.core.reads import secrets_read
from avtomat.core.scope import ROOT
from avtomat.runtime.jobs.executor import Executor, Handled
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.runtime.work.blanking import blanked, says_words
from avtomat.runtime.work.registrations import Registrations
from avtomat.runtime.work.results import cause_of, event_of, verdict
from avtomat.secrets import Secrets
from avtomat.storage.port.answers import Committed, Outcome
from avtomat.storage.port.rules import is_task_id, job_of_task
from avtomat.storage.port.store import Store
from avtomat.storage.port.writes import ResultCause, TaskRequest, Writes

Note = Callable[[Handled, Event | None, str, str], None]
"""Is told what became of an event, of which worker and which attempt it was."""


class Along(Protocol):
    """What a worker wants beside the answer to its result: `wanted` is asked once the decision is known, and `answer`
    is the store's to both.
    """

    answer: Committed | None

    def wanted(self, writes: Writes) -> TaskRequest | None:
        """What the store is to give in the step of this commit."""


class Settling:
    """The ends of attempts, as workers tell them to one replica."""

    def __init__(
        self,
        store: Store,
        executor: Executor,
        scopes: Scopes,
        registrations: Registrations,
        vault: Secrets,
        note: Note,
    ) -> None:
        self._store = store
        self._executor = executor
        self._scopes = scopes
        self._registrations = registrations
        self._vault = vault
        self._note = note

    async def result(self, body: Mapping[str, Json], along: Along | None = None) -> dict[str, Json]:
        """Use a worker's result once; the answer says whether it was, and if not, why. `along` is what the store is to
        give the worker in the same step.
        """
        worker, task_id, job = str(body.get("worker_id") or ""), str(body["task_id"]), str(body["job_id"])
        if not is_task_id(task_id, self._store.partitions) or job_of_task(task_id) != job:
            return verdict(Committed(outcome=Outcome.UNKNOWN))
        event = event_of(body)
        if self._vault.names and says_words(event):
            event = await self._blanked(event, job, task_id)
        return await self.settle(job, cause_of(task_id, worker, body, event), event, along)

    async def settle(
        self, job: str, cause: ResultCause, event: WorkerAnswer, along: Along | None = None
    ) -> dict[str, Json]:
        """Let the job go on with how an attempt ended."""
        wanted = None if along is None else along.wanted
        handled = await self._executor.handle(job, ROOT, cause, event, task_id=cause.task_id, wanted=wanted)
        if along is not None:
            along.answer = handled.answer
        seat = self._registrations.seats.find(cause.worker)
        if seat is not None and cause.task_id in seat.held:
            del seat.held[cause.task_id]
            seat.merit.let_go()
            self._registrations.moved(seat)
        self._note(handled, event, event.worker, cause.task_id)
        return verdict(handled.answer)

    async def _blanked(self, event: WorkerAnswer, job: str, task_id: str) -> WorkerAnswer:
        """The answer without the secrets that the attempt was given, in case the worker repeats one in its words."""
        kept = await self._scopes.at(job, ROOT, None, task_id)
        names = frozenset[str]() if kept is None else secrets_read(kept.program, kept.scope)
        return blanked(event, self._vault, names)
