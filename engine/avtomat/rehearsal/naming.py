"""Check that what a file of tests names is in its blueprint: kinds of task, paths of states, states."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from avtomat.blueprint.checks.shape import span_of_key
from avtomat.blueprint.findings import codes_tests as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.language.spelling import listed, nearest_hint
from avtomat.blueprint.spec import entries_of, items_of, part_of, text_of
from avtomat.blueprint.yaml.nodes import Node
from avtomat.core.kinds.approvals import ApprovalState
from avtomat.core.kinds.blocks import ForeachState, ParallelState
from avtomat.core.kinds.signals import SignalState
from avtomat.core.kinds.state import State
from avtomat.core.kinds.task import TaskState
from avtomat.core.program import FINALLY, Program
from avtomat.core.value import value

_INDEX = re.compile(r"\[\d+\]")
_ANY_INDEX = "[]"


@value
class Known:
    """What a blueprint can be asked about. `tasks` are states that do something, by path, where `[]` is any item."""

    tasks: Mapping[str, TaskState]
    states: Collection[str]
    signals: Collection[str]
    approvals: Collection[str]

    @property
    def kinds(self) -> Collection[str]:
        """The kinds of task that it asks for, those of undos too."""
        asked = (kind for state in self.tasks.values() for kind in (state.kind, _undo_kind(state)))
        return dict.fromkeys(filter(None, asked))

    @property
    def undone(self) -> Collection[str]:
        """The paths of states that can be undone."""
        return [path for path, state in self.tasks.items() if state.compensate is not None]


def check_names(root: Node, program: Program) -> Iterator[Finding]:
    """Findings for every name in the file that the blueprint does not have."""
    signals = {state.signal for state in program.states if isinstance(state, SignalState)}
    states = list(_states(program, "", ""))
    if FINALLY in program.machines:
        states += _states(program, FINALLY, "finally")
    known = Known(
        tasks={path: state for path, state in states if isinstance(state, TaskState)},
        states=program.machines[""].states,
        signals=signals,
        approvals=[path for path, state in states if isinstance(state, ApprovalState)],
    )
    cases = items_of(part_of(root, "cases"))
    for owner in (part_of(root, "defaults"), *cases):
        yield from _tasks_named(part_of(owner, "tasks"), known)
        yield from _signals_named(part_of(owner, "signals"), known)
        yield from _approvals_named(part_of(owner, "approvals"), known)
    for expect in (part_of(case, "expect") for case in cases):
        yield from _tasks_named(part_of(expect, "tasks"), known)
        yield from _tasks_named(part_of(expect, "params"), known)
        yield from _states_named(part_of(expect, "path"), known.states, "a state of the outermost machine")
        finals = program.machines[FINALLY].states if FINALLY in program.machines else ()
        yield from _states_named(part_of(expect, "finally"), finals, "a state of `finally`")
        yield from _states_named(part_of(expect, "compensated"), known.undone, "a state that has `compensate`")


def _states(program: Program, address: str, place: str) -> Iterator[tuple[str, State]]:
    """The states of a machine, and of those below it, by path."""
    machine = program.machines[address]
    for name, state in machine.states.items():
        own = _joined(address, name)
        here = place if machine.lone else _joined(place, name)
        yield here, state
        match state:
            case ParallelState(branches=branches):
                for branch in branches:
                    yield from _states(program, f"{own}.{branch}", f"{here}.{branch}")
            case ForeachState():
                yield from _states(program, own, f"{here}{_ANY_INDEX}")


def _joined(before: str, name: str) -> str:
    return f"{before}.{name}" if before else name


def _undo_kind(state: TaskState) -> str | None:
    return None if state.compensate is None else state.compensate.kind


def _tasks_named(node: Node | None, known: Known) -> Iterator[Finding]:
    for key, _ in entries_of(node):
        if key not in known.kinds and not _is_path(key, known.tasks):
            assert node is not None
            hint = _hint(key, (*known.kinds, *map(_plain, known.tasks)))
            yield codes.UNKNOWN_TASK.at(span_of_key(node, key), f"the blueprint asks for no task `{key}`", hint)


def _signals_named(node: Node | None, known: Known) -> Iterator[Finding]:
    for key, _ in entries_of(node):
        if key not in known.signals:
            assert node is not None
            message = f"the blueprint waits for no signal `{key}`"
            yield codes.UNKNOWN_SIGNAL.at(span_of_key(node, key), message, _hint(key, sorted(known.signals)))


def _approvals_named(node: Node | None, known: Known) -> Iterator[Finding]:
    for key, _ in entries_of(node):
        if not _is_path(key, known.approvals):
            assert node is not None
            message = f"`{key}` is no state that asks people"
            hint = _hint(key, [*map(_plain, known.approvals)])
            yield codes.UNKNOWN_APPROVAL.at(span_of_key(node, key), message, hint)


def _states_named(node: Node | None, known: Collection[str], what: str) -> Iterator[Finding]:
    for each in items_of(node):
        name = text_of(each) or ""
        if not _is_path(name, known):
            yield codes.UNKNOWN_STATE.at(each.span, f"`{name}` is not {what}", _hint(name, [*map(_plain, known)]))


def _hint(name: str, known: Collection[str]) -> str:
    there = f"known here: {listed(dict.fromkeys(known))}" if known else "there is none"
    return nearest_hint(name, known) or there


def _is_path(key: str, known: Collection[str]) -> bool:
    """Whether a path is known: with the numbers of all items in it, or with none."""
    return _INDEX.sub(_ANY_INDEX, key) in known or key in map(_plain, known)


def _plain(path: str) -> str:
    return path.replace(_ANY_INDEX, "")
