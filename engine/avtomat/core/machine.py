"""Decide what happens next to a job.

Every function here is a pure function of its arguments: it reads no clock, does no I/O, and raises for programmer
errors only. The executor loads a scope, calls `decide`, and commits the Decision in one atomic write. So one event
always gives one Decision, and these rules are tested without a store and without an event loop.

How a scope moves from state to state is in `flow`, what each kind of state does in `kinds`; here stands which of them
an event is for.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from avtomat.core.amounts import AuthorError
from avtomat.core.finishing import answer_finally, miss_finally
from avtomat.core.flow import end_failed, go_on, make_error
from avtomat.core.kinds.approvals import answer_approval
from avtomat.core.kinds.blocks import answer_join
from avtomat.core.kinds.signals import answer_signal
from avtomat.core.kinds.state import NO_TIME, ActiveState
from avtomat.core.kinds.task import TaskState, answer_late, answer_task, take_effect, take_output
from avtomat.core.messages import (
    ApprovalDecided,
    AttemptReturned,
    CancelRequested,
    Change,
    DeadlinePassed,
    Decision,
    Event,
    Ignored,
    JoinDecided,
    LateSuccess,
    LeaseLost,
    PauseRequested,
    ReleaseRequested,
    RerunRequested,
    ResumeRequested,
    ScopeBegun,
    ScopeEnded,
    SignalReceived,
    SizeExceeded,
    SkipRequested,
    StartReached,
    TaskFailed,
    TaskSucceeded,
    TaskTimedOut,
    TimerFired,
    UnwindReady,
    View,
)
from avtomat.core.model import ENDED, Error, Head, Status
from avtomat.core.operate import FINISHING, operate
from avtomat.core.program import Program
from avtomat.core.scope import ROOT, Scope
from avtomat.core.unwind import end_job, go_on_undoing
from avtomat.core.waiting import OnFinally, OnStart, OnTask, OnUndo, OnUnwind
from avtomat.core.walk import Walk

Awaited = TimerFired | JoinDecided | SignalReceived | ApprovalDecided
"""What a scope may have waited for, if it was no worker."""

_UNBEGUN: Final = Scope()
"""The root of a job that is about to begin."""


def start(program: Program, head: Head, now: datetime, start_at: datetime | None = None) -> tuple[Head, Change]:
    """Return the head completed by the blueprint (labels, deadline) and what must be written to begin the job.

    With `start_at` in the future the job is accepted and enters its first state then.
    """
    later = start_at is not None and start_at > now
    walk = Walk(program, View(head=head, scope=_UNBEGUN), now)
    begins_at = start_at if start_at is not None and later else now
    try:
        walk.complete_head(_complete_head(walk, begins_at))
        if _passed(walk.head.deadline, begins_at):
            late = make_error(walk, "DEADLINE", "the job's timeout had passed before it began")
            return walk.head, walk.end(ScopeEnded(error=late, status=Status.FAILED))
        if start_at is not None and later:
            return walk.head, walk.wait_for(OnStart(until=start_at))
    except AuthorError as fault:
        return walk.head, walk.end(ScopeEnded(error=walk.fault_as_error(fault), status=Status.FAILED))
    return walk.head, _enter_first(walk)


def start_too_large(program: Program, head: Head, now: datetime, message: str) -> Change:
    """Return what must be written instead of a beginning that is larger than the limits allow: the job has failed."""
    walk = Walk(program, View(head=head, scope=_UNBEGUN), now)
    return walk.end(ScopeEnded(error=make_error(walk, "LIMIT_EXCEEDED", message), status=Status.FAILED))


def decide(program: Program, view: View, event: Event, now: datetime) -> Decision:
    """Return what must be written after `event`: the scope that follows, and what it asks for.

    The store has fenced late, repeated and foreign causes; an event that does not fit what the scope waits for is
    ignored with its reason all the same, so that nothing depends on the order in which mail comes.
    """
    if _is_over(view):
        return Ignored(reason="the scope has ended")
    walk = Walk(program, view, now)
    match event:
        case TaskSucceeded() | TaskFailed() | LeaseLost() | TaskTimedOut() | AttemptReturned():
            return answer_task(walk, event)
        case CancelRequested():
            return _cancel(walk, event)
        case DeadlinePassed():
            return _miss_deadline(walk)
        case SizeExceeded(message=message, event=cause):
            return _exceed(walk, message, cause)
        case UnwindReady():
            return _unwind(walk)
        case LateSuccess():
            return answer_late(walk, event)
        case StartReached():
            return _begin(walk)
        case ScopeBegun():
            return _begin_body(walk)
        case PauseRequested() | ResumeRequested() | RerunRequested() | ReleaseRequested() | SkipRequested():
            return operate(walk, event)
        case _:
            return _answer(walk, event)


def _answer(walk: Walk, event: Awaited) -> Decision:
    """Go on after something for which a scope may have waited."""
    match event:
        case TimerFired():
            return _answer_timer(walk, event)
        case JoinDecided():
            waiting = walk.before.waiting
            return answer_finally(walk, waiting, event) if isinstance(waiting, OnFinally) else answer_join(walk, event)
        case SignalReceived():
            return answer_signal(walk, event)
        case ApprovalDecided():
            return answer_approval(walk, event)
    assert_never(event)


def _is_over(view: View) -> bool:
    """Whether the job, or the body that this scope is, has ended."""
    scope = view.scope
    return view.head.status in ENDED or (scope.path != ROOT and scope.version > 0 and scope.waiting is None)


# --- beginning --------------------------------------------------------------------------------------------------------


def _complete_head(walk: Walk, begins_at: datetime) -> Head:
    head, program = walk.head, walk.program
    if not program.labels and program.timeout is None and head.timeout is None:
        return head
    names = walk.names()
    labels = {name: walk.render_text(template, names) for name, template in program.labels.items()}
    spans = [span for span in (head.timeout, walk.render_span(program.timeout, names)) if span is not None]
    deadline = begins_at + min(spans) if spans else None
    return replace(head, labels={**labels, **head.labels}, deadline=deadline)


def _begin(walk: Walk) -> Decision:
    if not isinstance(walk.before.waiting, OnStart):
        return Ignored(reason="the job has begun")
    return _enter_first(walk)


def _enter_first(walk: Walk) -> Change:
    """Set the job's variables and enter its first state; nothing is done yet that could be taken, parked or undone."""
    try:
        walk.apply(walk.program.data, walk.names())
    except AuthorError as fault:
        return walk.end(ScopeEnded(error=walk.fault_as_error(fault), status=Status.FAILED))
    return go_on(walk, walk.machine.start)


def _begin_body(walk: Walk) -> Decision:
    if walk.is_root or walk.before.version > 0:
        return Ignored(reason="the body has begun")
    return go_on(walk, walk.machine.start)


# --- ending early ----------------------------------------------------------------------------------------------------


def _cancel(walk: Walk, event: CancelRequested) -> Decision:
    if isinstance(walk.before.waiting, OnFinally):
        return Ignored(reason=FINISHING)
    if isinstance(walk.before.waiting, OnUnwind | OnUndo) and event.compensate:
        return Ignored(reason="the job is undoing what it did")
    error = Error(code="CANCELLED", message=event.reason) if event.reason else None
    return end_job(walk, ScopeEnded(error=error, status=Status.CANCELLED), compensate=event.compensate)


def _miss_deadline(walk: Walk) -> Decision:
    if isinstance(walk.before.waiting, OnFinally):
        return Ignored(reason=FINISHING)
    if isinstance(walk.before.waiting, OnUnwind | OnUndo):
        return Ignored(reason="the job's timeout no longer counts: it is undoing what it did")
    return end_failed(walk, make_error(walk, "DEADLINE", "the job's timeout passed"))


def _unwind(walk: Walk) -> Decision:
    waiting = walk.before.waiting
    return go_on_undoing(walk, waiting) if isinstance(waiting, OnUnwind) else Ignored(reason="nothing is to be undone")


def _exceed(walk: Walk, message: str, cause: Event | None) -> Decision:
    """What was decided on `cause` is too large to be written: the scope fails instead, and an effect is noted."""
    if isinstance(cause, LateSuccess):
        return answer_late(walk, cause, too_large=message)
    waiting, state = walk.before.waiting, walk.machine.states.get(walk.state or "")
    if isinstance(state, TaskState) and isinstance(waiting, OnTask):
        if isinstance(cause, TaskSucceeded):
            take_effect(walk, state, waiting, cause)
        elif isinstance(cause, SkipRequested):
            take_output(walk, cause.output)
    return end_failed(walk, make_error(walk, "LIMIT_EXCEEDED", message))


def _answer_timer(walk: Walk, event: TimerFired) -> Decision:
    """A time that the scope waited for has come."""
    if event.visit != walk.visit:
        return Ignored(reason="the timer belongs to an earlier visit")
    waiting = walk.before.waiting
    if isinstance(waiting, OnUnwind):
        return go_on_undoing(walk, waiting)
    if isinstance(waiting, OnFinally):
        return miss_finally(walk, waiting)
    state = walk.current if walk.state else None
    return state.time_came(walk, waiting, event) if isinstance(state, ActiveState) else NO_TIME


def _passed(deadline: datetime | None, now: datetime) -> bool:
    return deadline is not None and deadline <= now
