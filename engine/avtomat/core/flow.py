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

from avtomat.core.amounts import AuthorError
from avtomat.core.finishing import end_root
from avtomat.core.formula import Json, Problem
from avtomat.core.kinds.state import ActiveState, Step
from avtomat.core.messages import Change, ScopeEnded
from avtomat.core.model import UNCATCHABLE, Error, Ref, Status
from avtomat.core.program import ANY, END, CatchArm, State, Unhandled
from avtomat.core.unwind import end_job
from avtomat.core.waiting import OnTask
from avtomat.core.walk import Names, Walk

CODE_LENGTH_MAX = 128
_NOT_OF_CODES = re.compile(r"[^A-Za-z0-9]+")


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
    assert isinstance(state, ActiveState)
    try:
        return state.enter(walk)
    except AuthorError as fault:
        return fail(walk, walk.fault_as_error(fault))


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
    if state.HAS_OUTPUT:
        seen = walk.names_of_leaving(output, status)
        walk.keep_output(output)
    if state.sets:
        walk.apply(state.sets, walk.names(seen))
    if not state.transitions:
        return end_well(walk, walk.value_of(output))
    for transition in state.transitions:
        if transition.when is not None and not walk.evaluate_guard(transition.when, walk.names(seen)):
            continue
        if transition.sets:
            walk.apply(transition.sets, walk.names(seen))
        return end_well(walk, walk.value_of(output)) if transition.target == END else transition.target
    raise AuthorError("NO_TRANSITION", f"no transition of {state.name} holds")


# --- failing ----------------------------------------------------------------------------------------------------------


def fail(walk: Walk, error: Error) -> Step:
    """Give the error to the lists of `catch` that may take it, from the state outward, each at most once."""
    state, taken = walk.current, walk.snapshot()
    blueprints = walk.program.catch if walk.is_root and not walk.rescued else ()
    for arms, outermost in ((state.catch, False), (blueprints, True)):
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
        return end_well(walk, None) if arm.target == END else arm.target
    return None


def _catches(arm: CatchArm, error: Error) -> bool:
    return arm.errors is None or ANY in arm.errors or error.code in arm.errors


# --- ending -----------------------------------------------------------------------------------------------------------


def end_well(walk: Walk, result: Json) -> Change:
    """End the scope with a result; the job's own must be what the blueprint describes."""
    if not walk.is_root:
        return _end_body(walk, result)
    problems = walk.program.result.problems(result) if walk.program.result is not None else ()
    if problems:
        error = contract_error("the result is not what the blueprint's `result` describes", problems)
        return end_failed(walk, replace(error, state=walk.place))
    return end_root(walk, ScopeEnded(output=result))


def _end_body(walk: Walk, output: Json) -> Change:
    """A body leaves its output, or what `collect` makes of it; a failure there fails the body."""
    collect = walk.machine.collect
    try:
        kept = output if collect is None else walk.render(collect, walk.names({"output": output})).value
    except AuthorError as fault:
        return walk.end(ScopeEnded(error=walk.fault_as_error(fault), status=Status.FAILED))
    return walk.end(ScopeEnded(output=kept))


def end_failed(walk: Walk, error: Error) -> Change:
    """End the scope with an error that nothing took; a blueprint may want its job parked instead."""
    if walk.is_root and walk.program.unhandled is Unhandled.QUARANTINE and error.code not in UNCATCHABLE:
        return walk.park(error)
    return end_badly(walk, error)


def end_badly(walk: Walk, error: Error, *, compensate: bool = True) -> Change:
    """End the scope as failed; unless it is declined, a job undoes first what it did."""
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
