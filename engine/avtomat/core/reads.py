"""Tell which outputs one decision may read, so that only these are loaded.

From the state that a scope stands in, a decision can reach the states behind its transitions and catches, and through
states that it may cross at once further ones, up to the params of the next task. Everything read on these ways counts.
A state that can be crossed is one that waits for nothing, a block that may have nothing to do, and whatever fails on
entering and goes on by a `catch` with an `output`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from avtomat.core.formula import Formula, Template
from avtomat.core.model import OnUndo, Scope
from avtomat.core.program import (
    Amount,
    CatchArm,
    FailState,
    ForeachState,
    ParallelState,
    PassState,
    Program,
    State,
    SucceedState,
    TaskState,
    Timeouts,
    Transition,
    WaitState,
)

_Part = Formula | Template


def outputs_read(program: Program, machine: str, state: str | None) -> frozenset[str] | None:
    """Names of the states whose outputs may be read by the next decision of a scope that stands in `state`.

    None: any of them (an expression reads `outputs` as a whole).
    """
    states = _reachable(program, machine, state)
    parts = [part for each in states for part in _parts(each)]
    parts += [part for arm in program.catch for part in _arm_parts(arm)]
    parts += _values([program.machines[machine].collect])
    paths = {path for part in parts for path in part.reads if path[0] == "outputs"}
    if any(len(path) == 1 for path in paths):
        return None
    return frozenset(path[1] for path in paths)


def secrets_read(program: Program, scope: Scope) -> frozenset[str]:
    """Names of the secrets that the task which the scope waits for may have been given."""
    if isinstance(scope.waiting, OnUndo):
        states = [state for machine in program.machines.values() for state in machine.states.values()]
        undos = [state.compensate for state in states if isinstance(state, TaskState) and state.compensate is not None]
        return frozenset(name for undo in undos for name in undo.params.secrets)
    state = program.machines[scope.machine].states.get(scope.state or "")
    return state.params.secrets if isinstance(state, TaskState) else frozenset()


def secrets_named(program: Program) -> frozenset[str]:
    """Names of all secrets that tasks of the program, undos too, may be given."""
    tasks = [state for state in _states(program) if isinstance(state, TaskState)]
    templates = [task.params for task in tasks]
    templates += [task.compensate.params for task in tasks if task.compensate is not None]
    return frozenset(name for template in templates for name in template.secrets)


def constants_needed(program: Program) -> frozenset[str]:
    """Names of the constants of `config` that must be there: those that stand inside `has` or `default` need not."""
    parts = [part for state in _states(program) for part in _parts(state)]
    parts += [part for arm in program.catch for part in _arm_parts(arm)]
    parts += _values(template for _, template in program.data)
    parts += _values(machine.collect for machine in program.machines.values())
    return frozenset(path[1] for part in parts for path in part.needs if path[0] == "config" and len(path) > 1)


def _states(program: Program) -> Iterator[State]:
    for machine in program.machines.values():
        yield from machine.states.values()


def _reachable(program: Program, machine: str, state: str | None) -> list[State]:
    """The states that one decision may leave or enter."""
    states = program.machines[machine].states
    found: dict[str, State] = {}
    ahead = [state if state is not None else program.machines[machine].start]
    ahead += [arm.target for arm in program.catch if arm.target is not None]
    while ahead:
        name = ahead.pop()
        if name in found or name not in states:
            continue
        found[name] = states[name]
        if name == state or _may_be_crossed(program, states[name]):
            ahead.extend(_targets(states[name]))
        else:
            ahead.extend(arm.target for arm in states[name].catch if arm.target is not None)
    return list(found.values())


def _may_be_crossed(program: Program, state: State) -> bool:
    goes_on = any(arm.output is not None for arm in (*state.catch, *program.catch))
    return goes_on or isinstance(state, PassState | ParallelState | ForeachState)


def _targets(state: State) -> Iterator[str]:
    for transition in state.transitions:
        yield transition.target
    for arm in state.catch:
        if arm.target is not None:
            yield arm.target


def _parts(state: State) -> Iterator[_Part]:
    yield from _values(template for _, template in state.sets)
    for transition in state.transitions:
        yield from _transition_parts(transition)
    for arm in state.catch:
        yield from _arm_parts(arm)
    match state:
        case TaskState(params=params, timeouts=times, compensate=undo):
            yield from _values((params, *_times(times)))
            if undo is not None:
                yield from _values((undo.params, undo.when, *_times(undo.timeouts)))
        case WaitState(amount=amount, until=until):
            yield from _values((amount, until))
        case SucceedState(result=result):
            yield result
        case FailState(code=code, message=message, details=details):
            yield from _values((code, message, details))
        case ParallelState(timeout=timeout, join=join):
            yield from _values((timeout, join.at_least))
        case ForeachState(items=items, timeout=timeout, join=join):
            yield from _values((items, timeout, join.at_least, state.concurrency, state.tolerate))


def _transition_parts(transition: Transition) -> Iterator[_Part]:
    if transition.when is not None:
        yield transition.when
    yield from _values(template for _, template in transition.sets)


def _arm_parts(arm: CatchArm) -> Iterator[_Part]:
    if arm.when is not None:
        yield arm.when
    yield from _values(template for _, template in arm.sets)
    if arm.output is not None:
        yield arm.output


def _times(times: Timeouts) -> tuple[Amount | None, ...]:
    return times.queue, times.attempt, times.heartbeat, times.total


def _values(parts: Iterable[_Part | timedelta | int | str | None]) -> Iterator[_Part]:
    """What may be rendered; a duration or a number that is written out reads nothing."""
    for part in parts:
        if part is not None and not isinstance(part, timedelta | int | str):
            yield part
