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
from avtomat.core.kinds.calls import CALL, CallState, RequestTemplate
from avtomat.core.kinds.signals import SignalState
from avtomat.core.kinds.task import TaskState
from avtomat.core.program import FINALLY, Program, State
from avtomat.core.value import value
from avtomat.rehearsal.script import called

_INDEX = re.compile(r"\[\d+\]")
_ANY_INDEX = "[]"
_REQUEST = re.compile(r"(GET|POST|PUT|PATCH|DELETE|HEAD) https?://\S+")


@value
class Known:
    """What a blueprint can be asked about. `tasks` are states that do something, by path, where `[]` is any item;
    `calls` those among them that make requests.
    """

    calls: Mapping[str, TaskState]
    tasks: Mapping[str, TaskState]
    states: Collection[str]
    signals: Collection[str]
    approvals: Collection[str]

    @property
    def kinds(self) -> Collection[str]:
        """The kinds of task that it asks for, those of undos too."""
        every = (*self.tasks.values(), *self.calls.values())
        asked = (kind for state in every for kind in (state.kind, _undo_kind(state)))
        return dict.fromkeys(kind for kind in asked if kind not in (None, CALL))

    @property
    def requests(self) -> Collection[str] | None:
        """What the requests can be called by that are written out; None where there are others too, or only such."""
        states = [*self.tasks.values(), *self.calls.values()]
        wanted = [*(state.params for state in self.calls.values())]
        wanted += [state.compensate.params for state in states if state.compensate is not None]
        requests = [request for request in wanted if isinstance(request, RequestTemplate)]
        urls = [(request.method, request.parts["url"].fixed) for request in requests]
        names = [
            name for method, url in urls if url is not None for name in called({"method": method, "url": url.value})
        ]
        return None if any(url is None for _, url in urls) else dict.fromkeys(names)

    @property
    def undone(self) -> Collection[str]:
        """The paths of states that can be undone."""
        return [path for path, state in (*self.tasks.items(), *self.calls.items()) if state.compensate is not None]


def check_names(root: Node, program: Program) -> Iterator[Finding]:
    """Findings for every name in the file that the blueprint does not have."""
    signals = {state.signal for state in program.states if isinstance(state, SignalState)}
    states = list(_states(program, "", ""))
    if FINALLY in program.machines:
        states += _states(program, FINALLY, "finally")
    calls = {path: state for path, state in states if isinstance(state, CallState)}
    known = Known(
        calls=calls,
        tasks={path: state for path, state in states if isinstance(state, TaskState) and path not in calls},
        states=program.machines[""].states,
        signals=signals,
        approvals=[path for path, state in states if isinstance(state, ApprovalState)],
    )
    cases = items_of(part_of(root, "cases"))
    for owner in (part_of(root, "defaults"), *cases):
        yield from _tasks_named(part_of(owner, "tasks"), known)
        yield from _calls_named(part_of(owner, "calls"), known)
        yield from _signals_named(part_of(owner, "signals"), known)
        yield from _approvals_named(part_of(owner, "approvals"), known)
    for case in cases:
        yield from _schedule_named(part_of(case, "schedule"), [each.name for each in program.schedules])
        yield from _hook_named(owner, program)
    for expect in (part_of(case, "expect") for case in cases):
        yield from _tasks_named(part_of(expect, "tasks"), known)
        yield from _tasks_named(part_of(expect, "params"), known)
        yield from _calls_named(part_of(expect, "calls"), known)
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


def _calls_named(node: Node | None, known: Known) -> Iterator[Finding]:
    """A request is named by its method and url, or by the path of its state."""
    requests = known.requests
    for key, _ in entries_of(node):
        is_request = _REQUEST.fullmatch(key) is not None and (requests is None or key in requests)
        if not is_request and not _is_path(key, known.calls):
            assert node is not None
            hint = _hint(key, (*(requests or ()), *map(_plain, known.calls)))
            if requests is None and _REQUEST.fullmatch(key) is None:
                hint = 'write "POST https://example.com/orders", or the path of the state'
            yield codes.UNKNOWN_TASK.at(span_of_key(node, key), f"the blueprint makes no call `{key}`", hint)


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


def _schedule_named(node: Node | None, known: Collection[str]) -> Iterator[Finding]:
    name = text_of(node)
    if node is not None and name not in known:
        message = f"the blueprint has no schedule `{name}`"
        yield codes.UNKNOWN_SCHEDULE.at(node.span, message, _hint(name or "", known))


def _hook_named(owner: Node | None, program: Program) -> Iterator[Finding]:
    played = part_of(owner, "hook")
    name = part_of(played, "name")
    if owner is None or played is None or name is None:
        return
    starting = sorted(each for each, hook in program.hooks.items() if hook.signal is None)
    text = text_of(name) or ""
    if text not in starting:
        message = f"the blueprint has no hook `{text}` that starts a job"
        if text in program.hooks:
            message = f"the hook `{text}` sends a signal"
        hint = "play it by `signals`" if text in program.hooks else _hint(text, starting)
        yield codes.UNKNOWN_HOOK.at(name.span, message, hint)
    if part_of(owner, "input") is not None:
        message = "a job has `input` or `hook`, not both"
        yield codes.UNKNOWN_HOOK.at(span_of_key(owner, "input"), message, "leave one of them out")


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
