"""Decide what happens next to a job.

Every function here is a pure function of its arguments: it reads no clock, does no I/O, and raises for programmer
errors only. The executor loads a scope, calls `decide`, and commits the Decision in one atomic write. So one event
always gives one Decision, and these rules are tested without a store and without an event loop.

How a scope moves from state to state is in `flow`; here stands what each event means to the state that it finds.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from avtomat.core.blocks import Block, output_of, status_of
from avtomat.core.flow import contract_error, end_failed, fail, fork, go_on, leave, make_error
from avtomat.core.messages import (
    AttemptReturned,
    CancelRequested,
    Change,
    DeadlinePassed,
    Decision,
    DispatchTask,
    Event,
    Ignored,
    JoinDecided,
    LeaseLost,
    Limit,
    PauseRequested,
    ReleaseRequested,
    RerunRequested,
    ResumeRequested,
    ScopeBegun,
    ScopeEnded,
    SizeExceeded,
    SkipRequested,
    StartReached,
    TaskFailed,
    TaskSucceeded,
    TaskTimedOut,
    TimerFired,
    UnwindReady,
    View,
    WorkerAnswer,
)
from avtomat.core.model import (
    ENDED,
    ROOT,
    Error,
    Head,
    OnFork,
    OnRetry,
    OnStart,
    OnTask,
    OnTimer,
    OnUndo,
    OnUnwind,
    Scope,
    Status,
)
from avtomat.core.operate import operate
from avtomat.core.program import (
    Program,
    TaskState,
)
from avtomat.core.retry import try_after
from avtomat.core.taskwork import error_of_attempt, returned_again
from avtomat.core.unwind import answer_undo, end_job, go_on_undoing, note_bad_effect, note_effect
from avtomat.core.walk import AuthorError, Walk


def start(program: Program, head: Head, now: datetime, start_at: datetime | None = None) -> tuple[Head, Change]:
    """Return the head completed by the blueprint (labels, deadline) and what must be written to begin the job.

    With `start_at` in the future the job is accepted and enters its first state then.
    """
    later = start_at is not None and start_at > now
    walk = Walk(program, View(head=head, scope=Scope()), now)
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
    walk = Walk(program, View(head=head, scope=Scope()), now)
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
            return _answer_task(walk, event)
        case TimerFired(visit=visit):
            return _answer_timer(walk, visit)
        case StartReached():
            return _begin(walk)
        case ScopeBegun():
            return _begin_body(walk)
        case JoinDecided():
            return _answer_join(walk, event)
        case DeadlinePassed():
            return _miss_deadline(walk)
        case SizeExceeded(message=message, event=cause):
            return _exceed(walk, message, cause)
        case CancelRequested():
            return _cancel(walk, event)
        case UnwindReady():
            return _unwind(walk)
        case PauseRequested() | ResumeRequested() | RerunRequested() | ReleaseRequested() | SkipRequested():
            return operate(walk, event)
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


# --- what workers answer ---------------------------------------------------------------------------------------------


def _answer_task(walk: Walk, event: WorkerAnswer | TaskTimedOut) -> Decision:
    waiting = walk.before.waiting
    if isinstance(event, AttemptReturned):
        return _offer_again(walk, event)
    if isinstance(waiting, OnUndo):
        return answer_undo(walk, waiting, event)
    if not isinstance(waiting, OnTask) or waiting.attempt != event.attempt:
        return Ignored(reason="the attempt is over")
    state = walk.current
    assert isinstance(state, TaskState)
    if isinstance(event, TaskSucceeded):
        bad = _take_effect(walk, state, waiting, event)
        if bad is None:
            return go_on(walk, leave(walk, state, event.output, event.status))
        waiting, error = replace(waiting, owes=True), bad
    else:
        error = error_of_attempt(event)
    error = replace(error, state=walk.place, attempt=event.attempt)
    if isinstance(event, TaskTimedOut) and event.limit is Limit.TOTAL:
        return go_on(walk, fail(walk, error))
    return _retry_or_fail(walk, state, waiting, error)


def _take_effect(walk: Walk, state: TaskState, waiting: OnTask, event: TaskSucceeded) -> Error | None:
    """The worker did its work: note what undoes it. The error, if the output is not what was expected."""
    problems = state.expects.problems(event.output) if state.expects is not None else ()
    if not problems:
        note_effect(walk, state, event.output, event.status, owes=waiting.owes)
        return None
    error = contract_error("the output is not what `expects` describes", problems)
    if not waiting.owes:
        note_bad_effect(walk, state, replace(error, state=walk.place, attempt=event.attempt))
    return error


def _exceed(walk: Walk, message: str, cause: Event | None) -> Decision:
    """What was decided on `cause` is too large to be written: the scope fails instead, and an effect is noted."""
    waiting, state = walk.before.waiting, walk.machine.states.get(walk.state or "")
    if isinstance(state, TaskState) and isinstance(waiting, OnTask):
        if isinstance(cause, TaskSucceeded):
            _take_effect(walk, state, waiting, cause)
        elif isinstance(cause, SkipRequested):
            note_effect(walk, state, cause.output, None, owes=waiting.owes)
    return end_failed(walk, make_error(walk, "LIMIT_EXCEEDED", message))


def _offer_again(walk: Walk, event: AttemptReturned) -> Decision:
    """A worker stops before the attempt is done: the same attempt goes to another one."""
    waiting = walk.before.waiting
    if not isinstance(waiting, OnTask | OnUndo) or waiting.attempt != event.attempt:
        return Ignored(reason="the attempt is over")
    again = returned_again(waiting)
    if again is None:
        return _answer_task(walk, LeaseLost(attempt=event.attempt, gave_up=True, worker=event.worker))
    return walk.wait_for(again, DispatchTask(attempt=waiting.attempt, limits=waiting.limits))


def _retry_or_fail(walk: Walk, state: TaskState, waiting: OnTask, error: Error) -> Change:
    again = try_after(state.retry, error, seed=walk.seed, taken=waiting.taken)
    if again is None:
        return go_on(walk, fail(walk, error))
    order = DispatchTask(attempt=waiting.attempt + 1, limits=waiting.limits, not_before=walk.now + again.delay)
    awaited = OnTask(attempt=order.attempt, limits=waiting.limits, owes=waiting.owes, taken=again.taken)
    return walk.wait_for(awaited, order)


# --- ending early ----------------------------------------------------------------------------------------------------


def _cancel(walk: Walk, event: CancelRequested) -> Decision:
    if isinstance(walk.before.waiting, OnUnwind | OnUndo) and event.compensate:
        return Ignored(reason="the job is undoing what it did")
    error = Error(code="CANCELLED", message=event.reason) if event.reason else None
    return end_job(walk, ScopeEnded(error=error, status=Status.CANCELLED), compensate=event.compensate)


def _miss_deadline(walk: Walk) -> Decision:
    if isinstance(walk.before.waiting, OnUnwind | OnUndo):
        return Ignored(reason="the job's timeout no longer counts: it is undoing what it did")
    return end_failed(walk, make_error(walk, "DEADLINE", "the job's timeout passed"))


def _unwind(walk: Walk) -> Decision:
    waiting = walk.before.waiting
    return go_on_undoing(walk, waiting) if isinstance(waiting, OnUnwind) else Ignored(reason="nothing is to be undone")


# --- what blocks and times answer -------------------------------------------------------------------------------------


def _answer_join(walk: Walk, event: JoinDecided) -> Decision:
    waiting = walk.before.waiting
    if not isinstance(waiting, OnFork) or waiting.number != event.number:
        return Ignored(reason="the block was left before")
    block = walk.current
    assert isinstance(block, Block)
    walk.joined = True
    if event.ok + event.failed < waiting.total:
        walk.close = (waiting.number,)
    if event.met:
        return go_on(walk, leave(walk, block, output_of(block, event, waiting.total), status_of(block, event)))
    error = event.error or make_error(walk, "INTERNAL_ERROR", "a body failed without an error")
    return _retry_block_or_fail(walk, block, waiting, error)


def _retry_block_or_fail(walk: Walk, block: Block, waiting: OnFork, error: Error) -> Change:
    again = try_after(block.retry, replace(error, attempt=waiting.attempt), seed=walk.seed, taken=waiting.taken)
    if again is None:
        return go_on(walk, fail(walk, error))
    until, attempt = walk.now + again.delay, waiting.attempt + 1
    return walk.wait_for(OnRetry(until=until, attempt=attempt, deadline=waiting.deadline, taken=again.taken))


def _answer_timer(walk: Walk, visit: int) -> Decision:
    """A time that the scope waited for has come: the end of a wait, of a block's pause, or of its timeout."""
    waiting = walk.before.waiting
    if visit != walk.visit:
        return Ignored(reason="the timer belongs to an earlier visit")
    match waiting:
        case OnTimer():
            return go_on(walk, leave(walk, walk.current))
        case OnUnwind():
            return go_on_undoing(walk, waiting)
        case OnFork(deadline=deadline) | OnRetry(deadline=deadline) if _passed(deadline, walk.now):
            return go_on(walk, fail(walk, make_error(walk, "TIMEOUT_ERROR", "the block took longer than its timeout")))
        case OnRetry():
            return _fork_again(walk, waiting)
        case _:
            return Ignored(reason="the scope waits for no time")


def _fork_again(walk: Walk, waiting: OnRetry) -> Change:
    block = walk.current
    assert isinstance(block, Block)
    try:
        return go_on(walk, fork(walk, block, waiting))
    except AuthorError as fault:
        return go_on(walk, fail(walk, walk.fault_as_error(fault, waiting.attempt)))


def _passed(deadline: datetime | None, now: datetime) -> bool:
    return deadline is not None and deadline <= now
