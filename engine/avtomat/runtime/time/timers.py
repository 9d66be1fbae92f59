"""Turn what came due into events: timeouts, lost leases, timers, deadlines, mail.

Any replica may do this for any job: the store gives each member to one of them at a time, and again to another one
when it was not answered. What was given out too often without an answer parks its job.
"""

from __future__ import annotations

import asyncio
import logging

from avtomat.core.messages import (
    ApprovalDecided,
    CancelRequested,
    DeadlinePassed,
    Event,
    LeaseLost,
    Limit,
    ScopeBegun,
    SignalReceived,
    StartReached,
    TaskTimedOut,
    TimerFired,
    UnwindReady,
    WorkerAnswer,
)
from avtomat.errors import StoreError
from avtomat.runtime.jobs.executor import Executor
from avtomat.runtime.jobs.joining import join_of_mail
from avtomat.runtime.jobs.late import late_success
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.runtime.people.operator_mail import operator_event
from avtomat.runtime.work.settling import Note
from avtomat.storage.port.answers import Due, DueKind
from avtomat.storage.port.codec import answer_from_json, loads
from avtomat.storage.port.store import DUE_RETURNS_MAX, Store
from avtomat.storage.port.writes import DueCause, Mail, MailCause

log = logging.getLogger(__name__)

BATCH_MAX = 100
REARM_MS = 10_000

_LIMITS = {DueKind.QUEUE: Limit.QUEUE, DueKind.ATTEMPT: Limit.ATTEMPT, DueKind.TOTAL: Limit.TOTAL}


class Timers:
    """Answers what came due in this store's partitions."""

    def __init__(self, store: Store, executor: Executor, scopes: Scopes, note: Note = lambda *_: None) -> None:
        self._store = store
        self._scopes = scopes
        self._executor = executor
        self._note = note

    async def run_due(self, partition: int) -> int:
        """Take one batch of due members and answer them. Returns how many there were."""
        found = await self._store.due(partition, BATCH_MAX, rearm_ms=REARM_MS)
        scopes: dict[tuple[str, str], list[Due]] = {}
        for due in found:
            if not self._is_under_way(due):
                scopes.setdefault((due.job, due.path), []).append(due)
        await asyncio.gather(*map(self._answer_in_turn, scopes.values()))
        return len(found)

    async def _answer_in_turn(self, members: list[Due]) -> None:
        """Answer what came due for one scope: mail first, so that a signal which is there counts before the time that
        was given for it.
        """
        for due in sorted(members, key=lambda due: due.kind is not DueKind.MAIL):
            await self._answer(due)

    def _is_under_way(self, due: Due) -> bool:
        """A body that is beginning here anyway; it comes again if that should fail."""
        return due.kind is DueKind.BEGIN and self._executor.begins(due.job, due.path)

    async def _answer(self, due: Due) -> None:
        cause = _cause(due)
        try:
            if due.returned > DUE_RETURNS_MAX:
                await self._executor.park(
                    due.job, due.path, cause, f"{due.kind} was tried {DUE_RETURNS_MAX} times without success"
                )
                return
            event = await self._event(due)
            if event is None:
                await self._store.dismiss(due.job, due.path, cause)
            else:
                handled = await self._executor.handle(due.job, due.path, cause, event, loaded=due.loaded)
                self._note(handled, event, *_holder(due, event))
        except StoreError as away:
            log.warning("job %s: %s is answered later: %s", due.job, due.kind, away.message)
        except Exception:  # what it is does not matter to the others; it comes again, and in the end its job is parked
            log.exception("job %s: %s could not be answered", due.job, due.kind)

    async def _event(self, due: Due) -> Event | None:
        """The event that a due member stands for; None for what this engine has no use for."""
        if due.mail is not None and due.mail.kind == "late":
            return await late_success(self._scopes, due.job, due.mail, due.loaded)
        return _event(due)


def _holder(due: Due, event: Event) -> tuple[str, str]:
    """The worker that had the attempt which the event is about, and the attempt; empty where it is about none."""
    if due.mail is not None and isinstance(event, WorkerAnswer):
        return event.worker, due.mail.id.partition(":")[2]
    return due.worker, due.task_id


def _cause(due: Due) -> MailCause | DueCause:
    return DueCause(kind=due.kind, number=due.number) if due.mail is None else MailCause(id=due.mail.id)


def _event(due: Due) -> Event | None:
    """The event that a due member stands for; None for what this engine has no use for."""
    match due.kind:
        case DueKind.QUEUE | DueKind.ATTEMPT | DueKind.TOTAL:
            return TaskTimedOut(attempt=due.number, limit=_LIMITS[due.kind])
        case DueKind.LEASE:
            return LeaseLost(attempt=due.number)
        case DueKind.TIMER:
            return TimerFired(visit=due.number)
        case DueKind.DEADLINE:
            return DeadlinePassed()
        case DueKind.START:
            return StartReached()
        case DueKind.MAIL:
            return None if due.mail is None else event_of_mail(due.mail)
        case DueKind.BEGIN:
            return ScopeBegun()


def event_of_mail(mail: Mail) -> Event | None:
    """What a piece of mail says; None for kinds that this engine does not know."""
    match mail.kind:
        case "cancel":
            return CancelRequested(**loads(mail.body))
        case "result" | "effect":
            return answer_from_json(loads(mail.body))
        case "join":
            return join_of_mail(mail)
        case "unwind":
            return UnwindReady()
        case "signal":
            return SignalReceived(**loads(mail.body))
        case "approval":
            return ApprovalDecided(**loads(mail.body))
        case "operate":
            return operator_event(loads(mail.body))
        case _:
            return None
