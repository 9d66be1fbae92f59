"""Say what a program asks of workers: the kinds of its tasks; and make one that asks nothing more of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from avtomat.core.kinds.calls import CALL
from avtomat.core.kinds.task import TaskState
from avtomat.core.program import Machine, Program, State


def kinds_of(program: Program) -> list[str]:
    """The kinds of task that the program may ask for, those of its undos too, each once."""
    states = (state for machine in program.machines.values() for state in machine.states.values())
    return list(dict.fromkeys(kind for state in states for kind in _kinds_of_state(state) if kind != CALL))


def _kinds_of_state(state: State) -> Iterator[str]:
    if isinstance(state, TaskState):
        yield state.kind
        if state.compensate is not None:
            yield state.compensate.kind


def without_requirements(program: Program) -> Program:
    """The same program with tasks that any worker may take."""
    return replace(program, machines={address: _free(machine) for address, machine in program.machines.items()})


def _free(machine: Machine) -> Machine:
    return replace(machine, states={name: _free_state(state) for name, state in machine.states.items()})


def _free_state(state: State) -> State:
    if not isinstance(state, TaskState):
        return state
    undo = None if state.compensate is None else replace(state.compensate, requirements=None, sticky=None)
    return replace(state, requirements=None, sticky=None, compensate=undo)
