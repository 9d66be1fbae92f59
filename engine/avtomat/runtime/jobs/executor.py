"""Carry events to jobs: decide on the kept scope, commit, and tell who waits.

One event costs one commit and no read: the scope that this replica keeps is decided on, and the commit says when it
was stale and brings the fresh one, on which is decided again. A call whose answer was lost is repeated as the same
call; the store answers it as a repeat. What fails without being an author's error parks its job, so that nothing is
retried for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from avtomat.core.awaited_child import OnChild
from avtomat.core.machine import decide
from avtomat.core.messages import (
    Change,
    Event,
    Ignored,
    JoinDecided,
    RerunRequested,
    ScopeBegun,
    SizeExceeded,
    TimerFired,
    View,
)
from avtomat.core.model import Error, Ref
from avtomat.core.scope import ROOT
from avtomat.core.timestamp import from_ms
from avtomat.core.value import value
from avtomat.core.webhooks import COMPANION
from avtomat.errors import StoreError, StoreNotExecuted
from avtomat.runtime.jobs.begins import AT_ONCE_GROUPED, Begins, Body
from avtomat.runtime.jobs.bounds import TooLargeError
from avtomat.runtime.jobs.children import Children
from avtomat.runtime.jobs.decided import Decided, Read
from avtomat.runtime.jobs.encoding import after, encoded, given_by
from avtomat.runtime.jobs.events import numbered
from avtomat.runtime.jobs.jobview import ended_job
from avtomat.runtime.jobs.joining import complete, time_of_block
from avtomat.runtime.jobs.kept import Kept
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.runtime.jobs.submission import Beginning
from avtomat.runtime.jobs.waiters import Waiters
from avtomat.runtime.jobs.writing import NOTHING_BEGUN, NOTHING_BESIDE
from avtomat.runtime.repeating import repeat
from avtomat.runtime.webhooks.telling import news_of_parking, outcome_of
from avtomat.storage.port.answers import Committed, Created, DueKind, Loaded, Outcome, Revoked
from avtomat.storage.port.asking import ask
from avtomat.storage.port.codec import dumps
from avtomat.storage.port.store import Store
from avtomat.storage.port.writes import Cause, DueCause, ResultCause, TaskRequest, Writes

log = logging.getLogger(__name__)

DECISIONS_MAX = 20
"""How often one event is decided again because its scope moved, before the call gives up for now."""

WantedWith = Callable[[Writes], TaskRequest | None]
"""What a worker wants with a commit that writes this."""


@value
class Handled:
    """What became of an event: the store's answer, and the decision if it was written, or why it changes nothing.

    `kept` is the scope before a decision that was written.
    """

    answer: Committed
    change: Change | None = None
    ignored: str = ""
    kept: Kept | None = None


_NOTHING_READ: Final = Read()
_OF_BLOCKS: Final = (JoinDecided, TimerFired)
"""Events that may need what bodies of a block left."""


@value
class Listeners:
    """Who is told what a commit did: attempts that workers must stop, times at which something is due, and what became
    of an event for an endpoint.
    """

    revoked: Callable[[Sequence[Revoked]], None]
    due_at: Callable[[int], None]
    webhook: Callable[[str], None] = lambda _: None


class Executor:
    """Decides and commits, for all jobs of this replica."""

    def __init__(self, store: Store, scopes: Scopes, waiters: Waiters, children: Children) -> None:
        self._store = store
        self._scopes = scopes
        self._waiters = waiters
        self._children = children
        self._listeners = Listeners(revoked=lambda _: None, due_at=lambda _: None)
        self._under_way: dict[str, int] = {}
        self._changed_meanwhile: set[str] = set()
        self._begins = Begins(
            self._begin_body, self._under_way, beside=AT_ONCE_GROUPED if store.commits_in_groups else 1
        )

    def listen(self, listeners: Listeners) -> None:
        """Tell these from now on."""
        self._listeners = listeners

    def now(self) -> datetime:
        """The store's clock."""
        return from_ms(self._store.now_ms())

    async def create(self, beginning: Beginning) -> Created:
        """Write a job that begins, and tell who waits for it; not fresh: its key named a job before."""
        new, kept = beginning.new, beginning.kept
        self._enter(new.job)
        try:
            created = await repeat(lambda: self._store.create(new))
            if created.fresh:
                self._publish(kept, beginning.change, new.writes)
                if created.begins:
                    self._begin(kept, new.writes, created.begins)
                if created.mailed or new.writes.posts:
                    self.mail_came()
                if new.start_ms is not None:
                    self._listeners.due_at(new.start_ms)
        finally:
            self._exit(new.job)
        return created

    async def handle(
        self,
        job: str,
        path: str,
        cause: Cause,
        event: Event,
        *,
        loaded: Loaded | None = None,
        task_id: str | None = None,
        wanted: WantedWith | None = None,
    ) -> Handled:
        """Decide on `event` and commit it under `cause`. Raises StoreError while the store is away: nothing is lost
        then.

        `loaded` is the scope where the caller has it; `task_id` finds the scope when its path is not known. `wanted`
        says what the commit is to hand out beside what it writes.
        """
        kept = self._scopes.at_hand(job, path, task_id) or await self._scopes.at(job, path, loaded, task_id)
        if kept is None:
            return Handled(answer=Committed(outcome=Outcome.UNKNOWN))
        self._enter(job)
        try:
            return await self._handle(kept, cause, event, wanted)
        finally:
            self._exit(job)

    async def park(self, job: str, path: str, cause: Cause | None, text: str) -> None:
        """Quarantine a job without a decision."""
        reason = Error(code="INTERNAL_ERROR", message=text)
        record = dumps({"type": "Quarantined", "error": reason.as_json()})
        await repeat(lambda: self._store.quarantine(job, path, cause, dumps(reason.as_json()), record))
        root = await self._scopes.at(job, ROOT, None, None)
        if root is not None and root.head.webhooks:
            for post in news_of_parking(root.head, root.scope, reason, self.now()):
                await repeat(lambda post=post: self._store.deliver(post.job, post.mail))  # type: ignore[misc]
            self.mail_came()

    def mail_came(self) -> None:
        """Mail was delivered: whoever asks first has it, and that may be us, so look for it at once."""
        self._listeners.due_at(self._store.now_ms())

    def job_changed(self, job: str) -> None:
        """The store says that a job changed. A commit that is under way here tells those who wait by itself. Else it
        was another replica, and what is kept of the job here is old: it would stay for long, for few jobs come back.
        """
        if job not in self._under_way:
            self._scopes.drop_root(job)
            self._waiters.tell(job)

    def changed_elsewhere(self, job: str) -> None:
        """Another replica changed the job. While a commit is under way here, those who wait look when it is over."""
        if job in self._under_way and self._waiters.awaited(job):
            self._changed_meanwhile.add(job)

    def stop(self) -> None:
        """Begin nothing more here; what was to begin is due, for another replica or after the next start."""
        self._begins.stop()

    def begins(self, job: str, path: str) -> bool:
        """Whether this body's turn to begin has come here: it needs nobody to see to it."""
        return (job, path) in self._begins

    # --- deciding -----------------------------------------------------------------------------------------------------

    async def _handle(self, kept: Kept, cause: Cause, event: Event, wanted: WantedWith | None = None) -> Handled:
        for _ in range(DECISIONS_MAX):
            try:
                read = _NOTHING_READ
                if isinstance(event, _OF_BLOCKS) or self._scopes.has_refs(kept):
                    read = await self._read(kept, event)
                decided = await self._decide(kept, event, cause, read)
            except StoreError:
                raise
            except Exception as broken:  # whatever it is, the job must not be tried for ever
                return await self._quarantine(kept, cause, broken)
            answer = await self._commit(kept, cause, decided, wanted)
            if answer.outcome is not Outcome.MOVED or answer.loaded is None:
                return self._conclude(kept, decided, answer)
            kept = await self._scopes.keep(answer.loaded)
        raise StoreNotExecuted("the job's scope kept moving; the call may be repeated")

    async def _read(self, kept: Kept, event: Event) -> Read:
        """What the decision may read and the scope does not hold itself."""
        joined = await complete(self._store, kept, event) if isinstance(event, JoinDecided) else None
        found: Event | None = None if joined is None else joined.event
        if isinstance(event, TimerFired):
            found = await time_of_block(self._store, kept, event, self._time_for(kept))
        entering = event.state if isinstance(event, RerunRequested) else None
        values = await self._scopes.values(kept, entering=entering)
        if joined is not None and isinstance(found, JoinDecided) and isinstance(found.outputs, Ref):
            values = {**values, found.outputs.id: joined.outputs}
        return Read(values=values, event=found, beside=NOTHING_BESIDE if joined is None else joined.values)

    def _time_for(self, kept: Kept) -> datetime:
        return from_ms(max(self._store.now_ms(), kept.updated_ms))

    async def _decide(self, kept: Kept, event: Event, cause: Cause, read: Read) -> Decided:
        now = self._time_for(kept)
        event = read.event or numbered(event, kept.scope)
        view = View(
            head=kept.head,
            scope=kept.scope,
            around=kept.around,
            values=read.values,
            undos=kept.undos,
            undo_seq=kept.undo_seq,
        )
        decision, begun = decide(kept.program, view, event, now), NOTHING_BEGUN
        if isinstance(decision, Change) and decision.jobs:
            decision, begun = await self._children.decide(kept, view, event, now, decision)
        if isinstance(decision, Ignored):
            return Decided(decision=decision)
        try:
            written = encoded(kept, decision, event, now, read.beside, given_by(event, cause), begun)
            return Decided(decision=decision, written=written)
        except TooLargeError as large:
            event = SizeExceeded(message=str(large), event=event)
            smaller = decide(kept.program, view, event, now)
            assert isinstance(smaller, Change)
            return Decided(decision=smaller, written=encoded(kept, smaller, event, now, {}))

    # --- committing ---------------------------------------------------------------------------------------------------

    def _commit(self, kept: Kept, cause: Cause, decided: Decided, wanted: WantedWith | None) -> Awaitable[Committed]:
        job, scope, written = kept.head.job, kept.scope, decided.written
        if written is None:
            return self._settle_ignored(kept, cause)
        request = None if wanted is None else wanted(written.writes)
        return repeat(lambda: self._store.commit(job, scope.path, scope.version, cause, written.writes, request))

    async def _settle_ignored(self, kept: Kept, cause: Cause) -> Committed:
        """Nothing is to be written: ask what became of a result, or put mail and due members away."""
        job, path = kept.head.job, kept.scope.path
        answer = await repeat(lambda: ask(self._store, job, path, cause))
        fresh = answer.loaded
        if answer.outcome is Outcome.MOVED and fresh is not None and fresh.version == kept.scope.version:
            if not isinstance(cause, ResultCause):
                await repeat(lambda: self._store.dismiss(job, path, cause))
            return Committed(outcome=Outcome.UNKNOWN)
        return answer

    async def _quarantine(self, kept: Kept, cause: Cause, broken: Exception) -> Handled:
        """Deciding raised: park the job, with the reason, so that somebody looks."""
        log.error("job %s cannot be decided and is quarantined", kept.head.job, exc_info=broken)
        await self.park(kept.head.job, kept.scope.path, cause, f"the engine failed to decide: {type(broken).__name__}")
        self._scopes.drop(kept)
        return Handled(answer=Committed(outcome=Outcome.PARKED))

    # --- afterwards ---------------------------------------------------------------------------------------------------

    def _conclude(self, kept: Kept, decided: Decided, answer: Committed) -> Handled:
        change, written = decided.decision, decided.written
        if answer.mailed:
            self.mail_came()
        if answer.outcome is not Outcome.OK or written is None or not isinstance(change, Change):
            self._scopes.drop(kept)
            self._waiters.tell(kept.head.job)
            return Handled(answer=answer, ignored=change.reason if isinstance(change, Ignored) else "")
        kept_now = after(kept, change, written)
        if kept.program.name == COMPANION and (word := outcome_of(kept.scope, kept_now.scope, change.ended)):
            self._listeners.webhook(word)
        self._publish(kept_now, change, written.writes)
        if answer.begins:
            self._begin(kept_now, written.writes, answer.begins)
        if _tells_family(kept, change) or written.writes.posts:
            self.mail_came()
        if answer.revoked:
            self._listeners.revoked(answer.revoked)
        return Handled(answer=answer, change=change, kept=kept)

    def _publish(self, kept: Kept, change: Change, writes: Writes) -> None:
        """Keep what is true now, and tell timers and those who wait for the job."""
        due = due_of(writes)
        if change.ended is None:
            self._scopes.put(kept, writes.dispatch.task_id if writes.dispatch else None)
        else:
            self._scopes.drop(kept)
            if kept.scope.path == ROOT and self._waiters.awaited(kept.head.job):
                whole = not (kept.head.runs or any(isinstance(value, Ref) for value in kept.scope.outputs.values()))
                now = from_ms(writes.at_ms)
                ended = ended_job(kept.head, kept.scope, change.ended, now) if whole else None
                self._waiters.tell(kept.head.job, ended)
        if due is not None:
            self._listeners.due_at(due)

    def _begin(self, kept: Kept, writes: Writes, paths: Sequence[str]) -> None:
        """Begin bodies whose turn it is: a block's own, or those beside the one that just ended."""
        environment = kept.environment if writes.fork is None else writes.fork.environment
        if environment is not None:
            self._begins.add(kept, paths, environment)

    async def _begin_body(self, body: Body) -> None:
        job = body.near.head.job
        self._enter(job)
        try:
            kept = await self._scopes.body(body.near, body.path, body.environment)
            await self._handle(kept, DueCause(kind=DueKind.BEGIN, number=0), ScopeBegun())
        finally:
            self._exit(job)

    def _enter(self, job: str) -> None:
        """A commit of the job is under way here: its answer tells those who wait, not the store's message."""
        self._under_way[job] = self._under_way.get(job, 0) + 1
        self._begins.at_work(job)

    def _exit(self, job: str) -> None:
        if self._under_way[job] == 1:
            del self._under_way[job]
            if job in self._changed_meanwhile:
                self._changed_meanwhile.discard(job)
                self._waiters.tell(job)
        else:
            self._under_way[job] -= 1


def _tells_family(kept: Kept, change: Change) -> bool:
    """Whether the store may have mailed another job with this commit: the parent of one that ended, or a child that is
    left.
    """
    if change.ended is not None and kept.scope.path == ROOT and kept.head.parent_id is not None:
        return True
    left = isinstance(kept.scope.waiting, OnChild) and change.scope.waiting != kept.scope.waiting
    return bool(kept.program.runs) and (left or bool(change.close) or change.ended is not None)


def due_of(writes: Writes) -> int | None:
    """When the store must be asked for what came due because of this write; None when it set no time. Of a job that
    begins with it that is at once where bodies begin, or where it has ended.
    """
    dispatch = writes.dispatch
    if dispatch is None and not writes.jobs:
        return writes.timer_ms
    times = [writes.timer_ms]
    for new in (*writes.jobs, *(() if dispatch is None or dispatch.child is None else (dispatch.child,))):
        is_due = new.writes.fork is not None or new.writes.end is not None
        times += [new.writes.at_ms if is_due else due_of(new.writes), new.deadline_ms]
    if dispatch is not None:
        times += [dispatch.not_before_ms, dispatch.total_at_ms]
        if dispatch.queue_ms is not None:
            times.append((dispatch.not_before_ms or writes.at_ms) + dispatch.queue_ms)
    return min((time for time in times if time is not None), default=None)
