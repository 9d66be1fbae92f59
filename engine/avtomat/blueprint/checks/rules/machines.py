"""Rules about machines: where ways lead, and whether they lead out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from avtomat.blueprint.checks import graph
from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.kinds.table import kind_of
from avtomat.blueprint.language.spelling import listed, nearest_hint
from avtomat.blueprint.spec import LANE, Arm, MachineSpec, Name, StateSpec, is_end, items_of, name_of, part_of
from avtomat.suggest import did_you_mean

KNOWN_ERRORS = (
    "ANY", "TRANSIENT_ERROR", "PERMANENT_ERROR", "INVALID_INPUT_ERROR", "TIMEOUT_ERROR", "RESOURCE_EXHAUSTED_ERROR",
    "CONTRACT_VIOLATION_ERROR", "DEPENDENCY_ERROR", "SECURITY_ERROR", "INTERNAL_ERROR", "EXPRESSION_ERROR",
    "TEMPLATE_ERROR", "NO_TRANSITION", "LIMIT_EXCEEDED", "DEADLINE", "NO_WORKER", "WORKER_LOST", "CALL_FAILED",
    "COMPENSATION_FAILED",
)  # fmt: skip
NEVER_CAUGHT = ("DEADLINE", "LIMIT_EXCEEDED")
NEVER_RETRIED = (*NEVER_CAUGHT, "EXPRESSION_ERROR", "TEMPLATE_ERROR", "NO_TRANSITION")
_CYCLE_SHOWN_MAX = 12
RESERVED = ("end", "null", "true", "false")


def targets_exist(subject: Subject) -> Iterator[Finding]:
    """Every `start`, `next` and `to` names a state of its machine."""
    for machine in subject.machines:
        if machine.start is not None and machine.start.text not in machine.states:
            yield _missing(subject, machine, machine.start)
        arms: list[Arm] = [arm for state in machine.states.values() for arm in (*state.arms, *state.catch)]
        arms += subject.blueprint.catch if machine.outer is None else ()
        for arm in arms:
            target = arm.target
            if target is not None and not is_end(target) and target.text not in machine.states and not machine.is_lane:
                yield _missing(subject, machine, target)


def _missing(subject: Subject, machine: MachineSpec, target: Name) -> Finding:
    message = f"there is no state `{target.text}`"
    elsewhere = next(
        (m for m in subject.machines if target.text in m.states and m is not machine and not m.is_lane), None
    )
    hint = nearest_hint(target.text, (*machine.states, "end"))
    if elsewhere is not None:
        where = f"inside `{elsewhere.address}`" if elsewhere.address else "outside of this block"
        message = f"the state `{target.text}` is {where}, and no transition leads there"
        hint = "to, next and start stay within one machine; `end` leaves it"
    elif "{{" in target.text:
        hint = "targets are literal; write one transition with `when` for each"
    elif hint is None:
        hint = f"the states here: {listed(machine.states)}" if machine.states else None
    return codes.MISSING_TARGET.at(target.span, message, hint)


def states_are_reached(subject: Subject) -> Iterator[Finding]:
    """Every state can be entered."""
    if not subject.is_whole or any(True for rule in (targets_exist, ways_on_are_written) for _ in rule(subject)):
        return
    for machine in subject.machines:
        entered = graph.reachable(subject.edges[machine.address], graph.entries_into(subject.blueprint, machine))
        for name, state in machine.states.items():
            if name not in entered:
                first = f"from `{machine.first}`, where " + ("the job begins" if machine.outer is None else "it begins")
                hint = f"add next: {name} or a transition to it, or remove it"
                yield codes.UNREACHABLE.at(state.span, f"no way leads to `{name}` {first}", hint)


def states_have_a_way_out(subject: Subject) -> Iterator[Finding]:
    """From every state one can come to an end; a cycle is reported once, where it is first entered."""
    if not subject.is_whole or any(True for _ in targets_exist(subject)):
        return
    for machine in subject.machines:
        edges = subject.edges[machine.address]
        leaving = graph.with_way_out(edges, machine)
        if leaving >= machine.states.keys():
            continue
        told: set[str] = set()
        for name in graph.reachable(edges, graph.entries_into(subject.blueprint, machine)) & machine.states.keys():
            told |= {name} if name not in leaving else set()
        reach = subject.reach(machine.address)
        for name in machine.states:
            if name in told and reach.leads(name, name):
                cycle = [other for other in machine.states if reach.leads(name, other)]
                told -= {*cycle, name}
                message = f"from `{name}` no way leads to an end ({listed(cycle)} lead only to one another)"
                hint = "add a transition to end, or to a state with succeed or fail"
                yield codes.NO_WAY_OUT.at(machine.states[name].span, message, hint)


def cycles_wait(subject: Subject) -> Iterator[Finding]:
    """States that only set data do not lead back to themselves without a condition."""
    for machine in subject.machines:
        for cycle in _idle_cycles(machine):
            shown = cycle if len(cycle) <= _CYCLE_SHOWN_MAX else [*cycle[: _CYCLE_SHOWN_MAX - 1], "…"]
            message = f"{' → '.join((*shown, cycle[0]))} waits for nothing and never stops"
            hint = "add a `when`, or a state that waits or works"
            yield codes.ENDLESS.at(machine.states[cycle[0]].span, message, hint)


def _idle_cycles(machine: MachineSpec) -> Iterator[list[str]]:
    """The cycles of states that are passed in one moment, each from the state on that stands first in the file."""
    order = {name: position for position, name in enumerate(machine.states)}
    seen: set[str] = set()
    for name in machine.states:
        passed: dict[str, None] = {}
        at: str | None = name
        while at is not None and at not in passed and at not in seen:
            passed[at] = None
            at = _always_next(machine.states.get(at))
        seen |= passed.keys()
        if at in passed:
            way = list(passed)
            cycle = way[way.index(at) :]
            first = min(range(len(cycle)), key=lambda position: order.get(cycle[position], 0))
            yield cycle[first:] + cycle[:first]


def _always_next(state: StateSpec | None) -> str | None:
    if state is None or state.kind != "pass" or not state.arms:
        return None
    first = state.arms[0]
    return first.target.text if first.target is not None and first.when is None else None


def ways_on_are_written(subject: Subject) -> Iterator[Finding]:
    """In a machine of several states, each says how it goes on."""
    for machine in subject.machines:
        if len(machine.states) < 2:
            continue
        for state in machine.states.values():
            if not (kind_of(state).ends or state.part("next") or state.part("transitions")):
                message = f"`{state.name}` does not say how to go on"
                hint = "write next: name_of_a_state; or next: end, if the machine ends here"
                yield codes.DEAD_END.at(state.span, message, hint)


def arms_can_be_taken(subject: Subject) -> Iterator[Finding]:
    """Nothing follows an arm that always fits."""
    for state in subject.states:
        yield from _after_the_last(state.arms, "a transition without `when`")
    for catch in subject.catches:
        yield from _after_the_last(catch, "an arm that takes every error")


def _after_the_last(arms: tuple[Arm, ...], what: str) -> Iterator[Finding]:
    for position, arm in enumerate(arms):
        takes_all = arm.errors is None or any(error.text == "ANY" for error in arm.errors)
        if arm.when is None and takes_all:
            for later in arms[position + 1 :]:
                message = f"this is never taken, because {what} stands in line {arm.span.line}"
                yield codes.NEVER_TAKEN.at(later.span, message, "move it up, or give the other one a condition")
            return


def names_are_free(subject: Subject) -> Iterator[Finding]:
    """No state bears a word of the language, or the name of a state around it."""
    for machine in subject.machines:
        around = [outer for outer in subject.blueprint.around(machine) if outer is not machine]
        for state in machine.states.values():
            if state.name in RESERVED:
                message = f"`{state.name}` means something already"
                yield codes.RESERVED_NAME.at(state.span, message, f"write {state.name}_state, or another name")
            if machine.is_lane:
                continue
            for outer in around:
                if state.name in outer.states:
                    line = outer.states[state.name].span.line
                    message = f"a state around this one is called `{state.name}` too, in line {line}"
                    yield codes.NAME_CLASH.at(state.span, message, "give one of them another name")


def lone_states_end(subject: Subject) -> Iterator[Finding]:
    """A branch or `do` that is one state has no way on."""
    for machine in subject.machines:
        if not machine.is_lane:
            continue
        state = machine.states[LANE]
        hint = "leave it out, or write several states: {start: …, states: {…}}"
        for key in ("next", "transitions"):
            if state.part(key) is not None:
                message = f"a body that is one state ends with it, so there is no `{key}`"
                yield codes.LONE_STATE_GOES_ON.at(state.key_span(key), message, hint)
        for arm in state.catch:
            if arm.target is not None:
                message = "a body that is one state has no other that `to` could lead to"
                hint = "write output: … instead, or several states: {start: …, states: {…}}"
                yield codes.LONE_STATE_GOES_ON.at(arm.target.span, message, hint)


def next_or_transitions(subject: Subject) -> Iterator[Finding]:
    """A state says in one way how it goes on."""
    for state, _next in subject.parts("next"):
        if state.part("transitions") is not None:
            message = "this state has both `next` and `transitions`"
            hint = "make next the last entry of transitions: - {to: …}"
            yield codes.NEXT_AND_TRANSITIONS.at(state.key_span("next"), message, hint)


def errors_can_be_taken(subject: Subject) -> Iterator[Finding]:
    """Codes in `errors` are ones that can be caught or retried, and are not misspelt."""
    for catch in subject.catches:
        for arm in catch:
            for error in arm.errors or ():
                yield from _check_error(error, NEVER_CAUGHT, "caught")
    for policy in subject.policies:
        for error in filter(None, map(name_of, items_of(part_of(policy, "errors")))):
            yield from _check_error(error, NEVER_RETRIED, "retried")


def _check_error(error: Name, never: tuple[str, ...], verb: str) -> Iterator[Finding]:
    if error.text in never:
        hint = (
            "remove it"
            if verb == "caught"
            else "remove it; a catch can take it, if it is not DEADLINE or LIMIT_EXCEEDED"
        )
        yield codes.NEVER_CAUGHT.at(error.span, f"{error.text} is never {verb}", hint)
    elif error.text not in KNOWN_ERRORS:
        known = f"{error.text}_ERROR" if f"{error.text}_ERROR" in KNOWN_ERRORS else None
        hint_text = f"did you mean {known}?" if known else _near(error.text)
        if hint_text:
            yield codes.UNUSUAL_ERROR.at(error.span, f"{error.text} is not a code that the engine knows", hint_text)


@lru_cache(maxsize=1_024)
def _near(code: str) -> str | None:
    if code in {"ALL", "ERROR", "ERRORS", "EXCEPTION", "STATES_ALL"}:
        return "ANY is every error"
    near = {"TIMEOUT": "TIMEOUT_ERROR", "TIMED_OUT": "TIMEOUT_ERROR", "HTTP_ERROR": "CALL_FAILED"}
    if code in near:
        return f"did you mean {near[code]}?"
    close = did_you_mean(code, KNOWN_ERRORS, cutoff=0.9)
    return f"did you mean {close}?" if close else None


def calls_have_one_body(subject: Subject) -> Iterator[Finding]:
    """A request sends one body."""
    for state, call in subject.parts("call"):
        bodies = [key for key in ("json", "form", "text") if part_of(call, key) is not None]
        if len(bodies) > 1:
            message = f"a request has one body, and this one has {listed(f'`{key}`' for key in bodies)}"
            yield codes.MANY_BODIES.at(state.key_span("call"), message, "keep one of them")
