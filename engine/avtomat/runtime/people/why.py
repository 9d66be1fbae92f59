"""Find out why a job does not move: look at each scope that waits, and collect what explains it.

It is for people, so it may read what a decision never needs; yet what is read is bounded: of the bodies of blocks so
many are explained, of a long history only what stands near the time in question is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, assert_never

from avtomat.core.awaited_child import OnChild
from avtomat.core.awaited_decision import OnApproval
from avtomat.core.formula import Json
from avtomat.core.model import ENDED, Status
from avtomat.core.scope import ROOT
from avtomat.core.timestamp import format_time, from_ms
from avtomat.core.value import value
from avtomat.core.waiting import OnFinally, OnFork, OnRetry, OnSignal, OnStart, OnTask, OnTimer, OnUndo, OnUnwind
from avtomat.runtime.jobs.clients import ClientOperations
from avtomat.runtime.jobs.histories import Histories
from avtomat.runtime.jobs.jobview import is_reserved, scope_of_row, status_word
from avtomat.runtime.jobs.kept import Kept, state_path
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.runtime.people import causes, child_causes, withheld
from avtomat.runtime.people.asking import choices_of
from avtomat.runtime.people.causes import Waiter, Worker
from avtomat.runtime.repeating import repeat
from avtomat.runtime.schedules.making import CLIENT as SCHEDULE_CLIENT
from avtomat.runtime.schedules.making import LABEL as SCHEDULE_LABEL
from avtomat.runtime.schedules.making import LABEL_OF_TIME as TIME_LABEL
from avtomat.runtime.trust.breaker import as_json as breaker_as_json
from avtomat.runtime.trust.trust import Trust
from avtomat.runtime.work.dispatcher import Dispatcher
from avtomat.runtime.work.seats import kinds_of
from avtomat.storage.port.answers import HistoryEntry, JobRow, OpenTask
from avtomat.storage.port.codec import loads
from avtomat.storage.port.rules import partition_of
from avtomat.storage.port.store import Store

BODIES_EXPLAINED_MAX: Final = 20
LEASES_SHOWN_MAX: Final = 20
HISTORY_PAGE: Final = 200
HISTORY_PAGES_MAX: Final = 5

Causes = list[dict[str, Json]]


@value
class Facts:
    """What is read once for a whole answer."""

    row: JobRow
    tasks: Mapping[str, OpenTask]
    workers: tuple[Worker, ...]
    queued: Mapping[str, int]
    requirements: Mapping[str, bytes]


class Explainer:
    """Explains jobs. `draining` tells whether this engine hands out no more tasks."""

    def __init__(
        self,
        store: Store,
        scopes: Scopes,
        clients: ClientOperations,
        dispatcher: Dispatcher,
        histories: Histories,
        trust: Trust,
        *,
        draining: Callable[[], bool],
    ) -> None:
        self._store = store
        self._scopes = scopes
        self._clients = clients
        self._dispatcher = dispatcher
        self._histories = histories
        self._trust = trust
        self._draining = draining

    async def why(self, job_id: str, client: str | None) -> dict[str, Json] | None:
        """Every cause for which the job stands where it does, the outermost scope first; None when there is no such
        job that this client may see.
        """
        row = await self._clients.row(job_id, client)
        if row is None:
            return None
        status = status_word(row.status, scope_of_row(row).waiting, row.tasks)
        return {"job_id": job_id, "status": status, "causes": await self._causes(row), **_made_by(row)}

    async def _causes(self, row: JobRow, facts: Facts | None = None, room: list[int] | None = None) -> Causes:
        """The causes of a job; `facts` and `room` are given where it explains another one."""
        waiter = Waiter(job=row.job, scope=ROOT, state=row.state or None)
        if row.status in ENDED:
            return [causes.ended(waiter, row.status, from_ms(row.finished_ms or row.updated_ms))]
        if row.status == Status.PAUSED:
            entry = await self._entry(row, row.updated_ms, _is_pause)
            return [causes.paused(waiter, None if entry is None else _with_time(entry))]
        if row.status == Status.QUARANTINED:
            return [causes.quarantined(waiter, None if row.reason is None else loads(row.reason))]
        facts = await self._facts(row) if facts is None else facts
        found = await self._of_scope(facts, ROOT, [BODIES_EXPLAINED_MAX] if room is None else room)
        return [causes.draining(waiter), *found] if self._draining() and room is None else found

    async def _facts(self, row: JobRow) -> Facts:
        store, partition = self._store, partition_of(row.job)
        return Facts(
            row=row,
            tasks={task.path: task for task in row.tasks},
            workers=self._workers(await repeat(store.workers)),
            queued=await repeat(store.counts),
            requirements=await repeat(lambda: store.queues(partition)),
        )

    def _workers(self, registered: Mapping[str, bytes]) -> tuple[Worker, ...]:
        """Those that are registered, and those that poll here without having registered."""
        polled, leaving = self._dispatcher.kinds_polled(), self._dispatcher.leaving()
        records = {name: loads(record) for name, record in registered.items()}
        return tuple(
            Worker(
                name=name,
                record=record,
                registered=kinds_of(record),
                polled=polled.get(name),
                leaving=leaving.get(name),
                few=self._trust.reputations.tasks_of(name),
            )
            for name in sorted({*records, *polled})
            for record in [records.get(name, {})]
        )

    # --- one scope ----------------------------------------------------------------------------------------------------

    async def _of_scope(self, facts: Facts, path: str, room: list[int]) -> Causes:
        """What this scope waits for, and then what its bodies do; `room` is for so many bodies in all."""
        job = facts.row.job
        loaded = await repeat(lambda: self._store.load(job, path))
        if loaded is None or loaded.scope is None:
            return []  # it has ended meanwhile
        kept = await self._scopes.keep(loaded)
        waiter, waiting = Waiter(job=job, scope=path, state=state_path(kept)), kept.scope.waiting
        match waiting:
            case OnTask():
                return [await self._of_task(facts, waiter)]
            case OnChild():
                return await self._of_child(facts, waiter, waiting, room)
            case OnTimer() | OnStart() | OnRetry() | OnSignal() | OnApproval() | None:
                return [_of_itself(waiter, kept, waiting)]
            case OnFork():
                return await self._of_fork(facts, waiter, waiting, room)
            case OnUnwind():
                return await self._of_unwind(facts, waiter, waiting, room)
            case OnUndo():
                return [_of_undo(waiter, kept, waiting), await self._of_task(facts, waiter)]
            case OnFinally(number=number):
                return [causes.finishing(waiter, waiting), *await self._below(facts, waiter, number, room)]
        assert_never(waiting)

    async def _of_child(self, facts: Facts, waiter: Waiter, waiting: OnChild, room: list[int]) -> Causes:
        """The child, and why that one waits; the next one, where it failed."""
        if waiting.until is not None:
            return [child_causes.child_retry(waiter, waiting)]
        return [child_causes.child_awaited(waiter, waiting), *await self._of_job(facts, waiting.job, room)]

    async def _of_unwind(self, facts: Facts, waiter: Waiter, waiting: OnUnwind, room: list[int]) -> Causes:
        """Workers that were told to cancel, and children that undo what they did."""
        held = await repeat(lambda: self._store.held(facts.row.job, LEASES_SHOWN_MAX))
        jobs, leases = [each.worker for each in held if not each.until_ms], [each for each in held if each.until_ms]
        if not jobs:
            return [causes.leases_awaited(waiter, waiting, leases)]
        found = [causes.leases_awaited(waiter, waiting, leases)] if leases else []
        found.append(child_causes.children_awaited(waiter, waiting, jobs))
        for job in jobs[: room[0]]:
            room[0] -= 1
            found += await self._of_job(facts, job, room)
        return found

    async def _of_job(self, facts: Facts, job: str, room: list[int]) -> Causes:
        """Why a child waits: its causes name it as their `job`."""
        row = await self._clients.row(job, None)
        if row is None:
            return []
        facts = replace(facts, row=row, tasks={task.path: task for task in row.tasks})
        return [{"job": job, **each} for each in await self._causes(row, facts, room)]

    async def _of_fork(self, facts: Facts, waiter: Waiter, waiting: OnFork, room: list[int]) -> Causes:
        """The block, and as many of its bodies as there is room for."""
        job, limit = facts.row.job, room[0]
        below = await repeat(lambda: self._store.below(job, waiter.scope, waiting.number, limit))
        if below is None or below.live == 0:
            return [causes.moving(waiter)]
        room[0] -= len(below.paths)
        found = [causes.branches(waiter, below, len(below.paths))]
        for path in below.paths:
            found += await self._of_scope(facts, path, room)
        return found

    async def _below(self, facts: Facts, waiter: Waiter, number: int, room: list[int]) -> Causes:
        """What the one body of a fork waits for."""
        below = await repeat(lambda: self._store.below(facts.row.job, waiter.scope, number, 1))
        paths = () if below is None else below.paths
        return [each for path in paths for each in await self._of_scope(facts, path, room)]

    async def _of_task(self, facts: Facts, waiter: Waiter) -> dict[str, Json]:
        task = facts.tasks.get(waiter.scope)
        if task is None:
            return causes.moving(waiter)
        if task.phase == "leased":
            return causes.running(waiter, task, self._dispatcher.leaving().get(task.worker or ""))
        if is_reserved(task):
            return withheld.worker_awaited(waiter, task)
        if task.phase == "delayed":
            return causes.delayed(waiter, task, await self._error_before(facts.row, task))
        kind = causes.kind_of(task)
        breaker = self._trust.breakers.of(kind)
        if breaker is not None:
            return withheld.breaker_open(waiter, breaker_as_json(kind, breaker))
        asked = loads(facts.requirements[task.queue]) if task.queue in facts.requirements else {}
        others = max(0, facts.queued.get(f"queue:{task.queue}", 1) - 1)
        return causes.queued(waiter, task, asked, facts.workers, others)

    # --- what history tells -------------------------------------------------------------------------------------------

    async def _error_before(self, row: JobRow, task: OpenTask) -> Mapping[str, Json] | None:
        """The error for which this attempt follows another; None when it is too far back."""

        def orders(entry: HistoryEntry) -> bool:
            return entry.path == task.path and loads(entry.record).get("dispatch", {}).get("attempt") == task.attempt

        entry = await self._entry(row, task.since_ms, orders)
        return None if entry is None else _error_of(loads(entry.record))

    async def _entry(self, row: JobRow, at_ms: int, fits: Callable[[HistoryEntry], bool]) -> HistoryEntry | None:
        """The last entry that fits, of those that were made up to a time and not long before."""
        last = await self._last_seq(row, at_ms)
        for _ in range(HISTORY_PAGES_MAX):
            after = max(0, last - HISTORY_PAGE)
            page = await self._histories.entries(row.job, after, last - after, row.seq)
            found = next((entry for entry in reversed(page) if fits(entry)), None)
            if found is not None or after == 0:
                return found
            last = after
        return None

    async def _last_seq(self, row: JobRow, at_ms: int) -> int:
        """The number of the last entry up to this time: times never run backwards within a job."""
        low, high = 1, row.seq
        while low < high:
            middle = (low + high + 1) // 2
            found = await self._histories.entries(row.job, middle - 1, 1, row.seq)
            if found and found[0].at_ms <= at_ms:
                low = middle
            else:
                high = middle - 1
        return low


def _of_itself(
    waiter: Waiter, kept: Kept, waiting: OnTimer | OnStart | OnRetry | OnSignal | OnApproval | None
) -> dict[str, Json]:
    """The cause of a wait that explains itself."""
    match waiting:
        case OnTimer():
            return causes.timer(waiter, waiting)
        case OnStart():
            return causes.start_at(waiter, waiting)
        case OnRetry():
            return causes.block_retry(waiter, waiting)
        case OnSignal():
            return causes.signal_awaited(waiter, waiting)
        case OnApproval():
            return causes.decision_awaited(waiter, waiting, choices_of(kept))
        case None:
            return causes.moving(waiter)
    assert_never(waiting)


def _of_undo(waiter: Waiter, kept: Kept, waiting: OnUndo) -> dict[str, Json]:
    undo = kept.undos[waiting.index] if waiting.index < len(kept.undos) else None
    return causes.compensating(
        waiter, waiting, None if undo is None else undo.place, None if undo is None else undo.body.kind
    )


def _is_pause(entry: HistoryEntry) -> bool:
    return bool(loads(entry.record)["type"] == "PauseRequested")


def _with_time(entry: HistoryEntry) -> dict[str, Json]:
    return {**loads(entry.record), "at": format_time(from_ms(entry.at_ms))}


def _error_of(record: Mapping[str, Json]) -> dict[str, Json]:
    """The error of an attempt, from the entry of its end."""
    match record["type"]:
        case "TaskFailed":
            return {"code": record["code"], "message": record.get("message", "")}
        case "LeaseLost":
            message = "its worker gave it up" if record.get("gave_up") else "its worker sent no heartbeat in time"
            return {"code": "WORKER_LOST", "message": message}
        case "TaskTimedOut" if record.get("limit") == "queue":
            return {"code": "NO_WORKER", "message": "no worker took it in time"}
        case "TaskTimedOut":
            return {"code": "TIMEOUT_ERROR", "message": "it took longer than its timeout"}
        case _:
            return {"code": "CONTRACT_VIOLATION_ERROR", "message": "its output is not what `expects` describes"}


def _made_by(row: JobRow) -> dict[str, Json]:
    """The schedule that made a job, and the time for which it did."""
    if row.client != SCHEDULE_CLIENT or (head := loads(row.head)).get("parent_id") is not None:
        return {}
    labels = head.get("labels", {})
    name = f"{row.blueprint}/{labels.get(SCHEDULE_LABEL, '')}"
    return {"schedule": {"name": name, "scheduled_for": labels.get(TIME_LABEL)}}
