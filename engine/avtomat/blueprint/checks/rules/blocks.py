"""Rules about blocks: joins that can be met, bodies that are not too deep, and keys that would say nothing there."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.spec import MachineSpec, StateSpec, part_of, text_of, value_of
from avtomat.blueprint.yaml.nodes import Scalar, Sequence
from avtomat.core.program import FINALLY, Limits


def joins_can_be_met(subject: Subject) -> Iterator[Finding]:
    """No join waits for more successes than there are bodies, and `tolerate` stands where it has a say."""
    for state in subject.states:
        if not state.inner:
            continue
        total = _bodies(state)
        needed = part_of(state.part("join"), "at_least")
        number = value_of(needed)
        if needed is not None and total is not None and isinstance(number, int) and number > total:
            message = f"`{state.path}` has {total} {'branch' if state.kind == 'parallel' else 'item'}"
            message += f"{_plural(state, total)}, so {number} of them cannot succeed"
            yield codes.JOIN_NEVER_MET.at(needed.span, message, f"write at_least: {total}, or less")
        if state.part("tolerate") is not None and (needed is not None or text_of(state.part("join")) == "any"):
            message = "`tolerate` has no effect here: `join` already says how many must succeed"
            yield codes.JOIN_NEVER_MET.at(state.key_span("tolerate"), message, "keep one of the two")


def _bodies(state: StateSpec) -> int | None:
    """How many bodies there will be; None when that is known only when it runs."""
    if state.kind == "parallel":
        return len(state.inner)
    items = state.part("foreach")
    return len(items.items) if isinstance(items, Sequence) else None


def _plural(state: StateSpec, total: int) -> str:
    if total == 1:
        return ""
    return "es" if state.kind == "parallel" else "s"


def blocks_are_not_too_deep(subject: Subject) -> Iterator[Finding]:
    """Blocks are nested no deeper than `limits.depth`."""
    node = part_of(subject.blueprint.part("limits"), "depth")
    allowed = node.value if isinstance(node, Scalar) and isinstance(node.value, int) else Limits().depth
    for machine in subject.machines:
        depth = _depth(subject, machine) + 1
        for state in machine.states.values():
            if state.inner and depth == allowed + 1:
                message = f"`{state.path}` is a block {depth} deep, and the limit is {allowed}"
                hint = f"write limits: {{depth: {depth}}}, or let one foreach go through what is nested"
                yield codes.TOO_DEEP.at(state.key_span(state.kind), message, hint)


def _depth(subject: Subject, machine: MachineSpec) -> int:
    """How many blocks are around a machine."""
    return sum(1 for _ in subject.blueprint.around(machine)) - 1


def finally_has_no_undos(subject: Subject) -> Iterator[Finding]:
    """Nothing in `finally` has a `compensate`: the job is over, and nobody would run it."""
    for machine in subject.machines:
        if any(each.address == FINALLY for each in subject.blueprint.around(machine)):
            for state in machine.states.values():
                if state.kind in {"task", "call"} and state.part("compensate") is not None:
                    message = "no `compensate` may stand in `finally`: it runs when all undos have run"
                    yield codes.UNDO_IN_FINALLY.at(state.key_span("compensate"), message, "leave it out")


def only_the_job_declines_its_undos(subject: Subject) -> Iterator[Finding]:
    """`compensate: false` stands where a `fail` ends the job."""
    for machine in subject.machines:
        for state in machine.states.values() if machine.outer is not None else ():
            for owner in (state.part("fail"), state.body) if state.kind == "fail" else ():
                declined = part_of(owner, "compensate")
                if declined is not None and declined.value is False:
                    message = "this `fail` ends its branch or item alone, so there is nothing that it could decline"
                    hint = "let a `catch` of the outermost block lead to a state with fail: {compensate: false}"
                    yield codes.DECLINES_NOTHING.at(declined.span, message, hint)
