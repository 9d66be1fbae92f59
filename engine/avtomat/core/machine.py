"""Decide what happens next to a job.

Every function here is a pure function of its arguments: it reads no clock, does no I/O, and raises for programmer
errors only. The executor loads a scope, calls `decide`, and commits the Decision in one atomic write. So one event
always gives one Decision, and these rules are tested without a store and without an event loop.

The rules
  * A state is entered, does something or nothing, and is left by the first transition whose guard holds. States that
    wait for nothing are crossed within the same decision; a scope stops only where it must wait, or where it ends.
  * Leaving a state: its output is there; its `set` is merged; the guards see the new data; the chosen arm's `set`.
    When any of this fails, none of it has happened: the state fails, and its output does not enter `outputs`.
  * A failed state is tried again by its `retry`; else its own `catch` takes the error, else the blueprint's; else the
    job fails, or is parked. LIMIT_EXCEEDED and DEADLINE are taken by nobody.
  * An error in an arm of a `catch` goes to the next list outward, never to the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from avtomat.core.formula import Json
from avtomat.core.messages import (
    CancelRequested,
    Change,
    DeadlinePassed,
    Decision,
    DispatchTask,
    Event,
    Ignored,
    LeaseLost,
    Limit,
    ScopeEnded,
    SizeExceeded,
    StartReached,
    TaskBody,
    TaskFailed,
    TaskSucceeded,
    TaskTimedOut,
    TimerFired,
    View,
)
from avtomat.core.model import UNCATCHABLE, Error, Head, OnStart, OnTask, OnTimer, Scope, Status, TaskLimits
from avtomat.core.program import (
    ANY,
    END,
    CatchArm,
    FailState,
    PassState,
    Program,
    State,
    SucceedState,
    TaskState,
    Timeouts,
    Unhandled,
    WaitState,
)
from avtomat.core.retry import delay_before_next
from avtomat.core.walk import AuthorError, Walk

Step = str | Change
"""Where the scope goes on: the name of the state to enter next, or the Change that the decision ends with."""


def start(program: Program, head: Head, now: datetime, start_at: datetime | None = None) -> tuple[Head, Change]:
    """Return the head completed by the blueprint (labels, deadline) and what must be written to begin the job.

    With `start_at` in the future the job is accepted and enters its first state then.
    """
    later = start_at is not None and start_at > now
    walk = Walk(program, View(head=head, scope=Scope()), now)
    try:
        walk.head = _complete_head(walk, start_at if start_at is not None and later else now)
        if start_at is not None and later:
            return walk.head, walk.wait_for(OnStart(until=start_at))
        walk.apply(program.data, walk.environment())
    except AuthorError as fault:
        return walk.head, walk.end(ScopeEnded(error=walk.fault_as_error(fault), status=Status.FAILED))
    return walk.head, _go_on(walk, walk.machine.start)


def decide(program: Program, view: View, event: Event, now: datetime) -> Decision:
    """Return what must be written after `event`: the scope that follows, and what it asks for.

    The store has fenced late, repeated and foreign causes; an event that does not fit what the scope waits for is
    ignored with its reason all the same, so that nothing depends on the order in which mail comes.
    """
    if view.head.status is Status.QUARANTINED and not isinstance(event, CancelRequested | DeadlinePassed):
        return Ignored(reason="the job is quarantined")
    walk = Walk(program, view, now)
    match event:
        case TaskSucceeded() | TaskFailed() | LeaseLost() | TaskTimedOut():
            return _answer_task(walk, event)
        case TimerFired(visit=visit):
            if not isinstance(view.scope.waiting, OnTimer) or visit != view.scope.visit:
                return Ignored(reason="the timer belongs to an earlier visit")
            return _go_on(walk, _leave(walk, walk.current))
        case StartReached():
            return _begin(walk)
        case DeadlinePassed():
            return _end_failed(walk, _error(walk, "DEADLINE", "the job's timeout passed"))
        case SizeExceeded(message=message):
            return _end_failed(walk, _error(walk, "LIMIT_EXCEEDED", message))
        case CancelRequested(reason=reason):
            error = Error(code="CANCELLED", message=reason) if reason else None
            return walk.end(ScopeEnded(error=error, status=Status.CANCELLED))
    assert_never(event)


# --- beginning --------------------------------------------------------------------------------------------------------


def _complete_head(walk: Walk, begins_at: datetime) -> Head:
    head, program, env = walk.head, walk.program, walk.environment()
    labels = {name: str(walk.render(template, env).value) for name, template in program.labels.items()}
    spans = [span for span in (head.timeout, walk.render_span(program.timeout, env)) if span is not None]
    deadline = begins_at + min(spans) if spans else None
    return replace(head, labels={**labels, **head.labels}, deadline=deadline)


def _begin(walk: Walk) -> Decision:
    if not isinstance(walk.before.waiting, OnStart):
        return Ignored(reason="the job has begun")
    try:
        walk.apply(walk.program.data, walk.environment())
    except AuthorError as fault:
        return _end_failed(walk, walk.fault_as_error(fault))
    return _go_on(walk, walk.machine.start)


# --- entering states, one after the other -----------------------------------------------------------------------------


def _go_on(walk: Walk, step: Step) -> Change:
    """Enter states until one of them waits or ends the scope."""
    while isinstance(step, str):
        limits = walk.program.limits
        if len(walk.trail) >= limits.transitions_at_once:
            cycle = " -> ".join([*walk.trail[-4:], step])
            text = f"{len(walk.trail)} transitions without waiting for anything; the last ones: {cycle}"
            return _end_failed(walk, _error(walk, "LIMIT_EXCEEDED", text))
        if walk.hops >= limits.transitions:
            return _end_failed(walk, _error(walk, "LIMIT_EXCEEDED", f"more than {limits.transitions} transitions"))
        step = _enter(walk, walk.stand_in(step))
    return step


def _enter(walk: Walk, state: State) -> Step:
    try:
        match state:
            case PassState():
                return _leave(walk, state)
            case TaskState():
                return _ask_workers(walk, state)
            case WaitState():
                return walk.wait_for(OnTimer(until=_wait_until(walk, state)))
            case SucceedState():
                return _end_well(walk, walk.render(state.result, walk.environment()).value)
            case FailState():
                return _end_by_fail(walk, state)
    except AuthorError as fault:
        return _fail(walk, walk.fault_as_error(fault))
    assert_never(state)


def _ask_workers(walk: Walk, state: TaskState) -> Change:
    env = walk.environment()
    rendered = walk.render(state.params, env)
    limits = _task_limits(walk, state.timeouts)
    body = TaskBody(
        kind=state.kind,
        params=rendered.value,
        secrets=rendered.secrets,
        requirements=state.requirements,
        priority=walk.head.priority if state.priority is None else state.priority,
    )
    return walk.wait_for(OnTask(attempt=1, limits=limits), DispatchTask(attempt=1, limits=limits, body=body))


def _task_limits(walk: Walk, timeouts: Timeouts) -> TaskLimits:
    env = walk.environment()
    total = walk.render_span(timeouts.total, env)
    return TaskLimits(
        queue=walk.render_span(timeouts.queue, env),
        attempt=walk.render_span(timeouts.attempt, env),
        heartbeat=walk.render_span(timeouts.heartbeat, env),
        total_at=None if total is None else walk.now + total,
    )


def _wait_until(walk: Walk, state: WaitState) -> datetime:
    env = walk.environment()
    if state.until is not None:
        return walk.render_time(state.until, env)
    return walk.now + (walk.render_span(state.amount, env) or timedelta())


# --- what workers answer ----------------------------------------------------------------------------------------------


def _answer_task(walk: Walk, event: TaskSucceeded | TaskFailed | LeaseLost | TaskTimedOut) -> Decision:
    waiting, state = walk.before.waiting, walk.current
    if not isinstance(waiting, OnTask) or not isinstance(state, TaskState) or waiting.attempt != event.attempt:
        return Ignored(reason="the attempt is over")
    match event:
        case TaskSucceeded(output=output, status=status):
            problems = state.expects.problems(output) if state.expects is not None else ()
            if not problems:
                return _go_on(walk, _leave(walk, state, output, status))
            details = [{"pointer": problem.pointer, "message": problem.message} for problem in problems]
            error = _error(walk, "CONTRACT_VIOLATION_ERROR", "the output is not what `expects` describes", details)
        case TaskFailed(code=code, message=message, details=details):
            error = _error(walk, code, message, details)
        case LeaseLost():
            error = _error(walk, "WORKER_LOST", "the worker that held the attempt fell silent")
        case TaskTimedOut(limit=limit):
            error = _error(walk, *_TIMEOUTS[limit])
            if limit is Limit.TOTAL:
                return _go_on(walk, _fail(walk, replace(error, attempt=event.attempt)))
        case _:
            assert_never(event)
    return _retry_or_fail(walk, state, waiting, replace(error, attempt=event.attempt))


_TIMEOUTS = {
    Limit.QUEUE: ("NO_WORKER", "no worker took the task within its queue timeout"),
    Limit.ATTEMPT: ("TIMEOUT_ERROR", "the attempt took longer than its timeout"),
    Limit.TOTAL: ("TIMEOUT_ERROR", "the task with all its attempts took longer than its total timeout"),
}


def _retry_or_fail(walk: Walk, state: TaskState, waiting: OnTask, error: Error) -> Change:
    delay = delay_before_next(state.retry, error, seed=walk.seed)
    if delay is None:
        return _go_on(walk, _fail(walk, error))
    again = DispatchTask(attempt=waiting.attempt + 1, limits=waiting.limits, not_before=walk.now + delay)
    return walk.wait_for(OnTask(attempt=again.attempt, limits=waiting.limits), again)


# --- leaving a state --------------------------------------------------------------------------------------------------


def _leave(walk: Walk, state: State, output: Json = None, status: str | None = None) -> Step:
    """Leave `state` as one that did what it should: by the first transition that holds."""
    data, outputs = walk.data, walk.outputs
    try:
        return _choose(walk, state, output, status)
    except AuthorError as fault:
        walk.data, walk.outputs = data, outputs
        attempt = walk.before.waiting.attempt if isinstance(walk.before.waiting, OnTask) and not walk.trail else 0
        return _fail(walk, walk.fault_as_error(fault, attempt))


def _choose(walk: Walk, state: State, output: Json, status: str | None) -> Step:
    seen: dict[str, Json] = {"status": status}
    if not isinstance(state, PassState | WaitState):
        seen["output"] = output
        walk.outputs = {**walk.outputs, state.name: output}
    if state.sets:
        walk.apply(state.sets, walk.environment(seen))
    env = walk.environment(seen)
    for transition in state.transitions:
        if transition.when is None or walk.evaluate_guard(transition.when, env):
            walk.apply(transition.sets, env)
            return _end_well(walk, output) if transition.target == END else transition.target
    raise AuthorError("NO_TRANSITION", f"no transition of {state.name} holds")


# --- failing ----------------------------------------------------------------------------------------------------------


def _fail(walk: Walk, error: Error) -> Step:
    """Give the error to the lists of `catch` that may take it, from the state outward, each at most once."""
    state, data, outputs = walk.current, walk.data, walk.outputs
    own = () if isinstance(state, SucceedState | FailState) else state.catch
    for arms, outermost in ((own, False), (() if walk.rescued else walk.program.catch, True)):
        if error.code in UNCATCHABLE:
            break
        try:
            step = _take(walk, state, arms, error)
        except AuthorError as fault:
            walk.data, walk.outputs = data, outputs
            error = walk.fault_as_error(fault, error.attempt)
            continue
        if step is not None:
            walk.rescued = walk.rescued or outermost
            return step
    return _end_failed(walk, error)


def _take(walk: Walk, state: State, arms: Sequence[CatchArm], error: Error) -> Step | None:
    """The first arm that takes the error says how to go on; None when there is none."""
    env = walk.environment({"error": error.as_json()})
    for arm in arms:
        if not _catches(arm, error) or (arm.when is not None and not walk.evaluate_guard(arm.when, env)):
            continue
        output = None if arm.output is None else walk.render(arm.output, env).value
        walk.apply(arm.sets, env)
        walk.error = error
        if arm.target is None:
            return _choose(walk, state, output, None)
        return _end_well(walk, None) if arm.target == END else arm.target
    return None


def _catches(arm: CatchArm, error: Error) -> bool:
    return arm.errors is None or ANY in arm.errors or error.code in arm.errors


# --- ending -----------------------------------------------------------------------------------------------------------


def _end_well(walk: Walk, result: Json) -> Change:
    problems = walk.program.result.problems(result) if walk.program.result is not None else ()
    if problems:
        details = [{"pointer": problem.pointer, "message": problem.message} for problem in problems]
        text = "the result is not what the blueprint's `result` describes"
        return _end_failed(walk, _error(walk, "CONTRACT_VIOLATION_ERROR", text, details))
    return walk.end(ScopeEnded(output=result))


def _end_by_fail(walk: Walk, state: FailState) -> Change:
    env = walk.environment()
    if state.code is None:
        again = walk.error or _error(walk, "PERMANENT_ERROR", f"{state.name} fails again, but no error was caught")
        return walk.end(ScopeEnded(error=again, status=Status.FAILED))
    code, message = walk.render(state.code, env).value, ""
    if not isinstance(code, str) or not is_error_code(code):
        raise AuthorError("TEMPLATE_ERROR", "fail.code: expected capital letters, digits and _, such as OUT_OF_STOCK")
    if state.message is not None:
        text = walk.render(state.message, env).value
        message = text if isinstance(text, str) else str(text)
    details = None if state.details is None else walk.render(state.details, env).value
    return walk.end(ScopeEnded(error=_error(walk, code, message, details), status=Status.FAILED))


def _end_failed(walk: Walk, error: Error) -> Change:
    if walk.program.unhandled is Unhandled.QUARANTINE and error.code not in UNCATCHABLE:
        return walk.park(error)
    return walk.end(ScopeEnded(error=error, status=Status.FAILED))


def _error(walk: Walk, code: str, message: str, details: Json = None) -> Error:
    return Error(code=code, message=message, details=details, state=walk.state or "")


def is_error_code(text: str) -> bool:
    """Tell whether `text` has the form of an error's code: a capital letter, then capital letters, digits and `_`."""
    return text.isascii() and text[:1].isupper() and text.replace("_", "").isalnum() and text == text.upper()
