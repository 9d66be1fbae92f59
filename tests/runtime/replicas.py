"""Run replicas of the engine on one store in this process, with workers beside them.

The store outlives the replicas: it is opened once, and each replica gets its own view of it, so that one may die while
another goes on. What is done to the store for jobs is written down by the store's own word, not by a replica's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from avtomat.core.awaited_decision import ADDRESS
from avtomat.core.formula import Json
from avtomat.errors import StoreError
from avtomat.runtime.service import Service
from avtomat.runtime.work.polls import Poll
from avtomat.settings import Settings
from avtomat.storage.port.answers import Committed, Outcome, Wakeups
from avtomat.storage.port.codec import loads
from avtomat.storage.port.store import Store
from avtomat.storage.port.writes import Cause, TaskRequest, Writes

POLL_S = 30.0

Do = Callable[[Mapping[str, Json]], Json]
"""What a worker makes of a task."""


class SharedStore:
    """A store that several replicas see. `noted` are the undos that commits noted, by history entry; `undone` the
    entries whose undos commits said to have run, in their order. `asked` is set once a scope waits for people.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ears: list[Wakeups] = []
        self.noted: dict[int, list[Json]] = {}
        self.undone: list[int] = []
        self.asked = asyncio.Event()

    async def begin(self) -> None:
        """Open the store itself."""
        await self._store.open(Wakeups(queue=self._queue, job=self._job, lost=lambda: None, reserved=self._reserved))

    async def end(self) -> None:
        """Close the store itself."""
        await self._store.close()

    async def open(self, wakeups: Wakeups) -> None:
        self._ears.append(wakeups)

    async def close(self) -> None:
        """A replica leaves; the store stays."""

    def deafen(self) -> Wakeups:
        """Tell the replica that came first nothing any more; returns what it would be told by."""
        return self._ears.pop(0)

    async def commit(
        self, job: str, path: str, version: int, cause: Cause, writes: Writes, wanted: TaskRequest | None = None
    ) -> Committed:
        """Commit, and write down what it did, even when whoever asked is gone before the answer is there."""
        return await asyncio.shield(asyncio.create_task(self._commit(job, path, version, cause, writes, wanted)))

    async def _commit(
        self, job: str, path: str, version: int, cause: Cause, writes: Writes, wanted: TaskRequest | None
    ) -> Committed:
        answer = await self._store.commit(job, path, version, cause, writes, wanted)
        if answer.outcome is Outcome.OK and writes.undo is not None:
            self.noted[answer.seq] = [undo["params"] for undo in loads(writes.undo)]
        if answer.outcome is Outcome.OK and writes.undone_seq is not None:
            self.undone.append(writes.undone_seq)
        if answer.outcome is Outcome.OK and writes.signal is not None and writes.signal.name.startswith(ADDRESS):
            self.asked.set()
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _queue(self, partition: int, queue: str) -> None:
        for ear in self._ears:
            ear.queue(partition, queue)

    def _reserved(self, partition: int, worker: str) -> None:
        for ear in self._ears:
            ear.reserved(partition, worker)

    def _job(self, job: str) -> None:
        """Who changed the job is not known here: each replica hears that it may have been another."""
        for ear in self._ears:
            ear.elsewhere(job)
            ear.job(job)

    @property
    def store(self) -> Store:
        """This, to whom it is a store."""
        return cast("Store", self)


async def replica_on(store: Store, blueprints: Path, **settings: Any) -> Service:
    """A replica at work on `store`, with the blueprints of this folder."""
    service = Service(Settings(store="memory:", blueprints=blueprints, **settings), store)
    await service.start(watch=False)
    return service


class Crew:
    """Workers beside a replica. What they could not report, they report to the next one: `unsent` is handed on."""

    def __init__(self, kinds: tuple[str, ...], do: Do, workers: int, *, tasks_max: int = 1) -> None:
        self._kinds = kinds
        self._do = do
        self._workers = workers
        self._tasks_max = tasks_max
        self._at_work: list[asyncio.Task[None]] = []
        self.unsent: dict[str, dict[str, Json]] = {}

    def start(self, replica: Service) -> None:
        """Work for this replica from now on."""
        self._at_work = [asyncio.create_task(self._work(replica, f"w{number}")) for number in range(self._workers)]

    async def stop(self) -> None:
        """Go home; a worker that failed fails the test."""
        for task in self._at_work:
            task.cancel()
        for ended in await asyncio.gather(*self._at_work, return_exceptions=True):
            if not isinstance(ended, asyncio.CancelledError):
                raise ended or AssertionError("a worker left its work")

    async def _work(self, replica: Service, worker: str) -> None:
        poll = Poll(worker=worker, kinds=self._kinds, timeout_s=POLL_S, tasks_max=self._tasks_max)
        while True:
            with suppress(StoreError):
                for body in [body for body in self.unsent.values() if body["worker_id"] == worker]:
                    await self._report(replica, body)
                for task in await replica.dispatcher.poll(poll, lambda: False):
                    ids = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": worker}
                    await self._report(replica, {**ids, "data": self._do(task)})

    async def _report(self, replica: Service, body: dict[str, Json]) -> None:
        self.unsent[str(body["task_id"])] = body
        await replica.dispatcher.result(body)
        del self.unsent[str(body["task_id"])]
