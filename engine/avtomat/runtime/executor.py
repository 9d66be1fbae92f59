"""Carry events to jobs: decide on the kept scope, commit, and tell who waits.

One event costs one commit and no read: the scope that this replica keeps is decided on, and the commit says when it
was stale and brings the fresh one, on which is decided again. A call whose answer was lost is repeated as the same
call; the store answers it as a repeat. What fails without being an author's error parks its job, so that nothing is
retried for ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from avtomat.core.formula import Json
from avtomat.core.machine import decide
from avtomat.core.messages import (
    Change,
    Decision,
    Event,
    Ignored,
    LeaseLost,
    SizeExceeded,
    TaskFailed,
    TaskSucceeded,
    View,
)
from avtomat.core.model import ROOT, Error, OnTask, Ref, Scope, Status
from avtomat.core.program import Program
from avtomat.core.reads import outputs_read
from avtomat.errors import StoreAnswerLost, StoreError, StoreNotExecuted
from avtomat.runtime.jobview import ended_job
from avtomat.runtime.kept import Kept, KeptScopes
from avtomat.runtime.programs import Programs
from avtomat.runtime.results import OPEN_ATTEMPT
from avtomat.runtime.submission import Beginning
from avtomat.runtime.waiters import Waiters
from avtomat.runtime.writing import TooLargeError, Written, encode, page_ids
from avtomat.storage.answers import Committed, Created, Loaded, Outcome, Revoked
from avtomat.storage.codec import dumps, from_ms, head_from_json, loads, scope_from_record
from avtomat.storage.ports import Store
from avtomat.storage.writes import Cause, ResultCause, Writes

log = logging.getLogger(__name__)

DECISIONS_MAX = 20
"""How often one event is decided again because its scope moved, before the call gives up for now."""

REPEATS_MAX = 4
REPEAT_AFTER_S = 0.05
NO_VERSION = -1
"""A version that no scope has: a commit with it writes nothing and only says what became of its cause."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What became of an event: the store's answer, and the decision if it was written."""

    answer: Committed
    change: Change | None = None


class Executor:
    """Decides and commits, for all jobs of this replica."""

    def __init__(
        self,
        store: Store,
        programs: Programs,
        waiters: Waiters,
        kept: KeptScopes,
        *,
        on_revoked: Callable[[tuple[Revoked, ...]], None],
        on_timer: Callable[[int], None],
    ) -> None:
        self.store = store
        self.programs = programs
        self.waiters = waiters
        self.kept = kept
        self._on_revoked = on_revoked
        self._on_timer = on_timer
        self._under_way: dict[str, int] = {}

    def now(self) -> datetime:
        """The store's clock."""
        return from_ms(self.store.now_ms())

    # --- beginnings --------------------------------------------------------------------------------------------------

    async def create(self, beginning: Beginning) -> Created:
        """Write a job that begins, and tell who waits for it; not fresh: its key named a job before."""
        new, kept = beginning.new, beginning.kept
        with self._busy(new.job):
            created = await self.repeat(lambda: self.store.create(new))
            if created.fresh:
                self._publish(kept, beginning.change, new.writes)
                if new.start_ms is not None:
                    self._on_timer(new.start_ms)
        return created

    # --- events ------------------------------------------------------------------------------------------------------

    async def handle(
        self,
        job: str,
        path: str,
        cause: Cause,
        event: Event,
        *,
        loaded: Loaded | None = None,
        task_id: str | None = None,
    ) -> Handled:
        """Decide on `event` and commit it under `cause`. Raises StoreError while the store is away: nothing is lost
        then.

        `loaded` is the scope where the caller has it; `task_id` finds the scope when its path is not known.
        """
        kept = await self._scope(job, path, loaded, task_id)
        if kept is None:
            return Handled(answer=Committed(outcome=Outcome.UNKNOWN))
        with self._busy(job):
            return await self._handle(kept, cause, event)

    async def _handle(self, kept: Kept, cause: Cause, event: Event) -> Handled:
        for _ in range(DECISIONS_MAX):
            try:
                decision, written = await self._decide(kept, event)
            except StoreError:
                raise
            except Exception as broken:  # whatever it is, the job must not be tried for ever
                return await self._quarantine(kept, cause, broken)
            if isinstance(decision, Ignored) or written is None:
                answer = await self._settle_ignored(kept, cause)
            else:
                answer = await self._commit(kept, cause, written.writes)
            if answer.outcome is not Outcome.MOVED or answer.loaded is None:
                break
            kept = await self.keep(answer.loaded)
        else:
            raise StoreNotExecuted("the job's scope kept moving; the call may be repeated")
        if answer.outcome is Outcome.OK and isinstance(decision, Change) and written is not None:
            self._publish(_after(kept, decision, written), decision, written.writes)
            if answer.revoked:
                self._on_revoked(answer.revoked)
            return Handled(answer=answer, change=decision)
        self.kept.drop(kept.head.job, kept.scope.path)
        self.waiters.tell(kept.head.job)
        return Handled(answer=answer)

    async def keep(self, loaded: Loaded, task_id: str | None = None) -> Kept:
        """Keep a scope that the store brought."""
        program = self.programs.known(loaded.digest) or await self.programs.by_digest(loaded.digest)
        at_hand = self.kept.at(loaded.job, loaded.path)
        if at_hand is not None and at_hand.scope.version == loaded.version and at_hand.head.status == loaded.status:
            kept = at_hand
        else:
            kept = await self._kept_of(program, loaded)
        self.kept.put(kept, task_id)
        return kept

    async def repeat(self, call: Callable[[], Awaitable[T]]) -> T:
        """Do a call of the store; where nothing happened, or the answer was lost, do the same call again for a
        while.
        """
        for number in range(1, REPEATS_MAX + 1):
            try:
                return await call()
            except (StoreNotExecuted, StoreAnswerLost):
                if number == REPEATS_MAX:
                    raise
                await asyncio.sleep(REPEAT_AFTER_S * 2**number)
        raise AssertionError("unreachable")

    # --- deciding ----------------------------------------------------------------------------------------------------

    async def _scope(self, job: str, path: str, loaded: Loaded | None, task_id: str | None) -> Kept | None:
        kept = self.kept.at(job, path) if task_id is None else self.kept.of_task(task_id)
        if kept is None or kept.head.job != job:
            loaded = loaded or await self.repeat(lambda: self.store.load(job, path, task_id=task_id))
            kept = None if loaded is None else await self.keep(loaded)
        return kept

    async def _kept_of(self, program: Program, loaded: Loaded) -> Kept:
        fixed = loads(loaded.head)
        head = head_from_json(
            fixed,
            job=loaded.job,
            blueprint=program.name,
            digest=loaded.digest,
            status=loaded.status,
            deadline_ms=loaded.deadline_ms,
        )
        if isinstance(head.input, Ref):
            head = replace(head, input=await self.value(loaded.job, head.input))
        record = {} if loaded.scope is None else loads(loaded.scope)
        return Kept(
            program=program,
            head=head,
            scope=scope_from_record(record, loaded.path, loaded.version),
            record=record,
            client=loaded.client,
            trace=fixed.get("trace"),
            updated_ms=loaded.updated_ms,
            size=len(loaded.head) + len(loaded.scope or b""),
        )

    async def _decide(self, kept: Kept, event: Event) -> tuple[Decision, Written | None]:
        now_ms = max(self.store.now_ms(), kept.updated_ms)
        view = View(head=kept.head, scope=kept.scope, names=kept.names, values=await self._values(kept))
        decision = decide(kept.program, view, _numbered(event, kept.scope), from_ms(now_ms))
        if isinstance(decision, Ignored):
            return decision, None
        try:
            return decision, self._encode(kept, decision, event, now_ms)
        except TooLargeError as large:
            smaller = decide(kept.program, view, SizeExceeded(message=str(large)), from_ms(now_ms))
            assert isinstance(smaller, Change)
            return smaller, self._encode(kept, smaller, event, now_ms)

    def _encode(self, kept: Kept, change: Change, event: Event, now_ms: int) -> Written:
        return encode(
            change,
            kept.record,
            job=kept.head.job,
            event=describe(event),
            limits=kept.program.limits,
            trace=kept.trace,
            now=from_ms(now_ms),
        )

    async def _values(self, kept: Kept) -> Mapping[str, Json]:
        """The outputs kept by reference that this decision may read."""
        refs = {name: value for name, value in kept.scope.outputs.items() if isinstance(value, Ref)}
        if not refs:
            return {}
        read = outputs_read(kept.program, kept.scope.machine, kept.scope.state)
        wanted = [ref for name, ref in refs.items() if read is None or name in read]
        return {ref.id: await self.value(kept.head.job, ref) for ref in wanted}

    async def value(self, job: str, ref: Ref) -> Json:
        """A value that is kept by reference."""
        found = await self.repeat(lambda: self.store.values(job, page_ids(ref)))
        return loads(b"".join(page or b"" for page in found))

    # --- committing --------------------------------------------------------------------------------------------------

    async def _commit(self, kept: Kept, cause: Cause, writes: Writes) -> Committed:
        scope = kept.scope
        return await self.repeat(
            lambda: self.store.commit(kept.head.job, scope.path, scope.version, cause, writes),
        )

    async def _settle_ignored(self, kept: Kept, cause: Cause) -> Committed:
        """Nothing is to be written: ask what became of a result, or put mail and due members away."""
        writes = Writes(scope=b"", visit=0, record=b"")
        job, path = kept.head.job, kept.scope.path
        answer = await self.repeat(lambda: self.store.commit(job, path, NO_VERSION, cause, writes))
        fresh = answer.loaded
        if answer.outcome is Outcome.MOVED and fresh is not None and fresh.version == kept.scope.version:
            if not isinstance(cause, ResultCause):
                await self.repeat(lambda: self.store.dismiss(job, path, cause))
            return Committed(outcome=Outcome.UNKNOWN)
        return answer

    async def _quarantine(self, kept: Kept, cause: Cause, broken: Exception) -> Handled:
        """Deciding raised: park the job, with the reason, so that somebody looks."""
        log.error("job %s cannot be decided and is quarantined", kept.head.job, exc_info=broken)
        text = f"the engine failed to decide: {type(broken).__name__}"
        await self.park(kept.head.job, kept.scope.path, cause, text)
        self.kept.drop(kept.head.job, kept.scope.path)
        return Handled(answer=Committed(outcome=Outcome.PARKED))

    async def park(self, job: str, path: str, cause: Cause | None, text: str) -> None:
        """Quarantine a job without a decision."""
        reason = Error(code="INTERNAL_ERROR", message=text).as_json()
        record = dumps({"type": "Quarantined", "error": reason})
        await self.repeat(lambda: self.store.quarantine(job, path, cause, dumps(reason), record))

    # --- afterwards --------------------------------------------------------------------------------------------------

    def _publish(self, kept: Kept, change: Change, writes: Writes) -> None:
        """Keep what is true now, and tell timers and those who wait for the job."""
        job, path = kept.head.job, kept.scope.path
        if change.ended is None:
            self.kept.put(kept, writes.dispatch.task_id if writes.dispatch else None)
        else:
            self.kept.drop(job, path)
            if path == ROOT and self.waiters.awaited(job):
                whole = not any(isinstance(value, Ref) for value in kept.scope.outputs.values())
                now = from_ms(writes.at_ms)
                self.waiters.tell(job, ended_job(kept.head, kept.scope, change.ended, now) if whole else None)
        due = due_of(writes)
        if due is not None:
            self._on_timer(due)

    @contextmanager
    def _busy(self, job: str) -> Iterator[None]:
        """While a commit of this job is under way here, its answer tells those who wait, not the store's message."""
        self._under_way[job] = self._under_way.get(job, 0) + 1
        try:
            yield
        finally:
            self._under_way[job] -= 1
            if not self._under_way[job]:
                del self._under_way[job]

    def job_changed(self, job: str) -> None:
        """The store says that a job changed, here or elsewhere."""
        if job not in self._under_way:
            self.waiters.tell(job)


def _after(kept: Kept, change: Change, written: Written) -> Kept:
    """The scope as it is once `change` is committed."""
    head = kept.head if change.quarantine is None else replace(kept.head, status=Status.QUARANTINED)
    return replace(
        kept,
        head=head,
        scope=written.scope,
        record=written.record,
        updated_ms=written.writes.at_ms,
        size=len(written.writes.scope),
    )


def _numbered(event: Event, scope: Scope) -> Event:
    """A worker's event names no attempt: it is about the open one, and the store knows by its token whether that is
    true.
    """
    if isinstance(event, TaskSucceeded | TaskFailed | LeaseLost) and event.attempt == OPEN_ATTEMPT:
        waiting = scope.waiting
        return replace(event, attempt=waiting.attempt) if isinstance(waiting, OnTask) else event
    return event


def due_of(writes: Writes) -> int | None:
    """When the store must be asked for what came due because of this write; None when it set no time."""
    dispatch = writes.dispatch
    times = [writes.timer_ms]
    if dispatch is not None:
        times += [dispatch.not_before_ms, dispatch.total_at_ms]
        if dispatch.queue_ms is not None:
            times.append((dispatch.not_before_ms or writes.at_ms) + dispatch.queue_ms)
    return min((time for time in times if time is not None), default=None)


def describe(event: Event) -> dict[str, Json]:
    """The event as history tells it: its name, and what is not in the scope's record anyway."""
    fields = {name: getattr(event, name) for name in type(event).__dataclass_fields__}
    fields.pop("output", None)
    return {"type": type(event).__name__, **{name: value for name, value in fields.items() if value not in ("", None)}}
