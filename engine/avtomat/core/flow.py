"""Move a scope through its states: enter, leave, fail, end.

The rules
  * A state is entered, does something or nothing, and is left by the first transition whose guard holds. States that
    wait for nothing are crossed within the same decision; a scope stops only where it must wait, or where it ends.
  * Leaving a state: its output is there; its `set` is merged; the guards see the new data; the chosen arm's `set`. A
    state that names no transition ends its machine. When any of this fails, none of it has happened: the state fails,
    and its output does not enter `outputs`.
  * A failed state is tried again by its `retry`; else its own `catch` takes the error, else the blueprint's; else the
    job fails, or is parked. LIMIT_EXCEEDED and DEADLINE are taken by nobody.
  * An error in an arm of a `catch` goes to the next list outward, never to the same one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from avtomat.core.blocks import Block, fork_of, output_of
from avtomat.core.formula import Json, Problem
from avtomat.core.messages import (
    Change,
    DispatchTask,
    JoinDecided,
    ScopeEnded,
    TaskBody,
)
from avtomat.core.model import (
    UNCATCHABLE,
    Error,
    OnFork,
    OnRetry,
    OnTask,
    OnTimer,
    Ref,
    Status,
)
from avtomat.core.program import (
    ANY,
    END,
    CatchArm,
    FailState,
    ForeachState,
    ParallelState,
    PassState,
    State,
    SucceedState,
    TaskState,
    Unhandled,
    WaitState,
)
from avtomat.core.taskwork import task_limits
from avtomat.core.unwind import end_job, note_attempt
from avtomat.core.walk import AuthorError, Names, Walk

CODE_LENGTH_MAX = 128
_NOT_OF_CODES = re.compile(r"[^A-Za-z0-9]+")

Step = str | Change
"""Where the scope goes on: the name of the state to enter next, or the Change that the decision ends with."""


# --- entering states, one after the other -----------------------------------------------------------------------------


def go_on(walk: Walk, step: Step) -> Change:
    """Enter states until one of them waits or ends the scope."""
    while isinstance(step, str):
        limits = walk.program.limits
        if len(walk.trail) >= limits.transitions_at_once:
            cycle = " -> ".join([*walk.trail[-4:], step])
            text = f"{len(walk.trail)} transitions without waiting for anything; the last ones: {cycle}"
            return end_failed(walk, make_error(walk, "LIMIT_EXCEEDED", text))
        if walk.hops >= limits.transitions:
            return end_failed(walk, make_error(walk, "LIMIT_EXCEEDED", f"more than {limits.transitions} transitions"))
        step = _enter(walk, walk.stand_in(step))
    return step


def _enter(walk: Walk, state: State) -> Step:
    try:
        match state:
            case PassState():
                return leave(walk, state)
            case TaskState():
                return _ask_workers(walk, state)
            case WaitState():
                return walk.wait_for(OnTimer(until=_wait_until(walk, state), wall=state.until is not None))
            case ParallelState() | ForeachState():
                return fork(walk, state, OnRetry(until=walk.now, attempt=1, deadline=_block_deadline(walk, state)))
            case SucceedState():
                return _end_well(walk, walk.render(state.result, walk.names()).value)
            case FailState():
                return _end_by_fail(walk, state)
    except AuthorError as fault:
        return fail(walk, walk.fault_as_error(fault))
    assert_never(state)


def _ask_workers(walk: Walk, state: TaskState) -> Change:
    names = walk.names()
    rendered = walk.render(state.params, names)
    limits = task_limits(walk, state.timeouts, names)
    if state.compensate is not None and state.compensate.attempted:
        note_attempt(walk, state)
    body = TaskBody(
        kind=state.kind,
        params=rendered.value,
        secrets=rendered.secrets,
        requirements=state.requirements,
        priority=walk.head.priority if state.priority is None else state.priority,
    )
    return walk.wait_for(OnTask(attempt=1, limits=limits), DispatchTask(attempt=1, limits=limits, body=body))


def _wait_until(walk: Walk, state: WaitState) -> datetime:
    names = walk.names()
    if state.until is not None:
        return walk.render_time(state.until, names)
    return walk.now + max(walk.render_span(state.amount, names) or timedelta(), timedelta())


# --- entering blocks --------------------------------------------------------------------------------------------------


def _block_deadline(walk: Walk, block: Block) -> datetime | None:
    span = walk.render_timeout(block.timeout, walk.names())
    return None if span is None else walk.now + span


def fork(walk: Walk, block: Block, due: OnRetry) -> Step:
    """Begin the bodies of a block for the attempt that is `due`; one that needs none of them is done at once."""
    order = fork_of(walk, block)
    walk.forks += 1
    if order.need == 0:
        nothing = JoinDecided(number=order.number, met=True, ok=0, failed=0, outputs=(None,) * order.total)
        return leave(walk, block, output_of(block, nothing, order.total))
    waiting = OnFork(
        number=order.number, total=order.total, attempt=due.attempt, deadline=due.deadline, taken=due.taken
    )
    return walk.wait_for(waiting, fork=order)


# --- leaving a state --------------------------------------------------------------------------------------------------


def leave(walk: Walk, state: State, output: Json | Ref = None, status: str | None = None) -> Step:
    """Leave `state` as one that did what it should: by the first transition that holds."""
    taken = walk.snapshot()
    try:
        return _choose(walk, state, output, status)
    except AuthorError as fault:
        walk.restore(taken)
        attempt = walk.before.waiting.attempt if isinstance(walk.before.waiting, OnTask) and not walk.trail else 0
        return fail(walk, walk.fault_as_error(fault, attempt))


def _choose(walk: Walk, state: State, output: Json | Ref, status: str | None) -> Step:
    seen: Names | None = None
    if not isinstance(state, PassState | WaitState):
        seen = walk.names_of_leaving(output, status)
        walk.keep_output(output)
    if state.sets:
        walk.apply(state.sets, walk.names(seen))
    if not state.transitions:
        return _end_well(walk, walk.value_of(output))
    for transition in state.transitions:
        if transition.when is not None and not walk.evaluate_guard(transition.when, walk.names(seen)):
            continue
        if transition.sets:
            walk.apply(transition.sets, walk.names(seen))
        return _end_well(walk, walk.value_of(output)) if transition.target == END else transition.target
    raise AuthorError("NO_TRANSITION", f"no transition of {state.name} holds")


# --- failing ----------------------------------------------------------------------------------------------------------


def fail(walk: Walk, error: Error) -> Step:
    """Give the error to the lists of `catch` that may take it, from the state outward, each at most once."""
    state, taken = walk.current, walk.snapshot()
    own = () if isinstance(state, SucceedState | FailState) else state.catch
    blueprints = walk.program.catch if walk.is_root and not walk.rescued else ()
    for arms, outermost in ((own, False), (blueprints, True)):
        if error.code in UNCATCHABLE:
            break
        try:
            step = _take(walk, state, arms, error)
        except AuthorError as fault:
            walk.restore(taken)
            error = walk.fault_as_error(fault, error.attempt)
            continue
        if step is not None:
            walk.rescued = walk.rescued or outermost
            return step
    return end_failed(walk, error)


def _take(walk: Walk, state: State, arms: Sequence[CatchArm], error: Error) -> Step | None:
    """The first arm that takes the error says how to go on; None when there is none."""
    names = walk.names({"error": error.as_json()})
    for arm in arms:
        if not _catches(arm, error) or (arm.when is not None and not walk.evaluate_guard(arm.when, names)):
            continue
        output = None if arm.output is None else walk.render(arm.output, names).value
        walk.apply(arm.sets, names)
        walk.error = error
        if arm.target is None:
            return _choose(walk, state, output, None)
        return _end_well(walk, None) if arm.target == END else arm.target
    return None


def _catches(arm: CatchArm, error: Error) -> bool:
    return arm.errors is None or ANY in arm.errors or error.code in arm.errors


# --- ending -----------------------------------------------------------------------------------------------------------


def _end_well(walk: Walk, result: Json) -> Change:
    if not walk.is_root:
        return _end_body(walk, result)
    problems = walk.program.result.problems(result) if walk.program.result is not None else ()
    if problems:
        error = contract_error("the result is not what the blueprint's `result` describes", problems)
        return end_failed(walk, replace(error, state=walk.place))
    return walk.end(ScopeEnded(output=result))


def _end_body(walk: Walk, output: Json) -> Change:
    """A body leaves its output, or what `collect` makes of it; a failure there fails the body."""
    collect = walk.machine.collect
    try:
        kept = output if collect is None else walk.render(collect, walk.names({"output": output})).value
    except AuthorError as fault:
        return walk.end(ScopeEnded(error=walk.fault_as_error(fault), status=Status.FAILED))
    return walk.end(ScopeEnded(output=kept))


def _end_by_fail(walk: Walk, state: FailState) -> Change:
    names = walk.names()
    if state.code is None:
        again = walk.caught or make_error(walk, "PERMANENT_ERROR", f"{state.name} fails again, but no error was caught")
        return _end_badly(walk, again, compensate=state.compensate)
    said = walk.render(state.code, names).value
    message = "" if state.message is None else walk.render_text(state.message, names)
    details = None if state.details is None else walk.render(state.details, names).value
    code = code_of_failure(said)
    if code != said:
        details = {"code": said, "details": details}
    return _end_badly(walk, make_error(walk, code, message, details), compensate=state.compensate)


def end_failed(walk: Walk, error: Error) -> Change:
    """End the scope with an error that nothing took; a blueprint may want its job parked instead."""
    if walk.is_root and walk.program.unhandled is Unhandled.QUARANTINE and error.code not in UNCATCHABLE:
        return walk.park(error)
    return _end_badly(walk, error)


def _end_badly(walk: Walk, error: Error, *, compensate: bool = True) -> Change:
    ended = ScopeEnded(error=error, status=Status.FAILED)
    return end_job(walk, ended, compensate=compensate) if walk.is_root else walk.end(ended)


def make_error(walk: Walk, code: str, message: str, details: Json = None) -> Error:
    """An error of the state that the scope stands in."""
    return Error(code=code, message=message, details=details, state=walk.place)


def contract_error(text: str, problems: Sequence[Problem]) -> Error:
    """The error of a value that is not what its schema describes."""
    details = [{"pointer": problem.pointer, "message": problem.message} for problem in problems]
    return Error(code="CONTRACT_VIOLATION_ERROR", message=text, details=details)


def code_of_failure(said: Json) -> str:
    """The error code for what a worker or a `fail` gave as one: `S3_NOSUCHBUCKET` for `S3.NoSuchBucket`.

    PERMANENT_ERROR where nothing fits: no text, one that is empty, too long or does not begin with a letter, or a code
    of the engine's own that nothing catches.
    """
    if not isinstance(said, str) or len(said) > CODE_LENGTH_MAX:
        return "PERMANENT_ERROR"
    code = said if _is_error_code(said) else _NOT_OF_CODES.sub("_", said).strip("_").upper()
    return code if _is_error_code(code) and code not in UNCATCHABLE else "PERMANENT_ERROR"


def _is_error_code(text: str) -> bool:
    """Tell whether `text` has the form of an error's code: a capital letter, then capital letters, digits and `_`."""
    return text.isascii() and text[:1].isupper() and text.replace("_", "").isalnum() and text == text.upper()
