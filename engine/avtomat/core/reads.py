"""Tell which outputs one decision may read, so that only these are loaded.

From the state that a scope stands in, a decision can reach the states behind its transitions and catches, and through
states that it may cross at once further ones, up to the params of the next task. Everything read on these ways counts.
A state that can be crossed is one that waits for nothing, a block that may have nothing to do, and whatever fails on
entering and goes on by a `catch` with an `output`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from avtomat.core.kinds.state import only_parts, parts_of
from avtomat.core.program import RESULT, CatchArm, Part, Program, Sets, State, Transition
from avtomat.core.scope import Scope
from avtomat.core.waiting import OnUndo


def outputs_read(program: Program, machine: str, state: str | None) -> frozenset[str] | None:
    """Names of the states whose outputs may be read by the next decision of a scope that stands in `state`.

    None: any of them (an expression reads `outputs` as a whole).
    """
    states = _reachable(program, machine, state)
    parts = [part for each in states for part in _parts(each)]
    parts += [part for arm in program.catch for part in _arm_parts(arm)]
    parts += parts_of(program.machines[machine].collect)
    parts += parts_of(program.finally_time) if machine == "" else ()
    paths = {path for part in parts for path in part.reads if path[0] == "outputs"}
    if any(len(path) == 1 for path in paths):
        return None
    ends = any(path[0] == "job" and path[1:2] in ((), ("result",)) for part in parts for path in part.reads)
    return frozenset(path[1] for path in paths) | ({RESULT} if ends else frozenset())


def secrets_read(program: Program, scope: Scope) -> frozenset[str]:
    """Names of the secrets that the task which the scope waits for may have been given."""
    if isinstance(scope.waiting, OnUndo):
        undos = [state.undo for state in program.states if state.undo is not None]
        return frozenset(name for undo in undos for name in undo.params.secrets)
    state = program.machines[scope.machine].states.get(scope.state or "")
    return frozenset() if state is None else state.secrets


def secrets_named(program: Program) -> frozenset[str]:
    """Names of all secrets that tasks of the program, undos too, may be given."""
    own = frozenset(name for state in program.states for name in state.secrets)
    return own | {name for state in program.states if state.undo is not None for name in state.undo.params.secrets}


def constants_needed(program: Program) -> frozenset[str]:
    """Names of the constants of `config` that must be there: those that stand inside `has` or `default` need not."""
    parts = [part for state in program.states for part in _parts(state)]
    parts += [part for arm in program.catch for part in _arm_parts(arm)]
    parts += only_parts(template for _, template in program.data)
    parts += only_parts(machine.collect for machine in program.machines.values())
    parts += [part for hook in program.hooks.values() for part in hook.parts]
    return frozenset(path[1] for part in parts for path in part.needs if path[0] == "config" and len(path) > 1)


def reads_failures(sets: Sets, transitions: Sequence[Transition], catch: Sequence[CatchArm]) -> bool:
    """Whether any of a block's arms reads the errors of its bodies."""
    parts = [*only_parts(template for _, template in sets)]
    parts += [part for transition in transitions for part in _transition_parts(transition)]
    parts += [part for arm in catch for part in _arm_parts(arm)]
    return any(path[0] == "failures" for part in parts for path in part.reads)


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
    return goes_on or state.CROSSED


def _targets(state: State) -> Iterator[str]:
    for transition in state.transitions:
        yield transition.target
    for arm in state.catch:
        if arm.target is not None:
            yield arm.target


def _parts(state: State) -> Iterator[Part]:
    yield from only_parts(template for _, template in state.sets)
    for transition in state.transitions:
        yield from _transition_parts(transition)
    for arm in state.catch:
        yield from _arm_parts(arm)
    yield from state.parts()


def _transition_parts(transition: Transition) -> Iterator[Part]:
    if transition.when is not None:
        yield transition.when
    yield from only_parts(template for _, template in transition.sets)


def _arm_parts(arm: CatchArm) -> Iterator[Part]:
    if arm.when is not None:
        yield arm.when
    yield from only_parts(template for _, template in arm.sets)
    if arm.output is not None:
        yield arm.output
