"""Tell which parts of a blueprint its cases exercise: what is written there, with its place, against what was seen.

Counted is what an author wrote: each state, each transition, each arm of a catch, each policy of a `retry`, each time
of a `timeout` that a state or the job itself has, and each schedule. What stands under `defaults` belongs to no state
and is not counted; neither are the retries and timeouts of undos.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from avtomat.blueprint.findings import codes_tests as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.parts import TIMES
from avtomat.blueprint.spec import Arm, BlueprintSpec, MachineSpec, StateSpec, entries_of, items_of, part_of, text_of
from avtomat.blueprint.yaml.nodes import Node, Scalar, Sequence, Span
from avtomat.core.value import value
from avtomat.rehearsal.marks import JOB_TIMEOUT, VISIT, Kind, Mark


@value
class Part:
    """One thing that can be exercised: where it is written, and what to say when it was not."""

    mark: Mark
    span: Span
    untouched: str


@value
class Coverage:
    """What a blueprint's cases exercised of its parts."""

    file: str
    parts: tuple[Part, ...]
    seen: frozenset[Mark]

    @property
    def missed(self) -> list[Part]:
        """The parts that no case exercised, in the order of the file."""
        return sorted((part for part in self.parts if part.mark not in self.seen), key=lambda part: part.span)

    @property
    def findings(self) -> list[Finding]:
        """A note for each part that no case exercised."""
        return [codes.UNEXERCISED.at(part.span, part.untouched) for part in self.missed]

    def count(self, kind: Kind | None = None) -> tuple[int, int]:
        """How many parts of this kind (None: of all) were exercised, and how many there are."""
        parts = [part for part in self.parts if kind in (None, part.mark.kind)]
        return sum(part.mark in self.seen for part in parts), len(parts)


def per_cent(done: int, total: int) -> int:
    """A share in whole per cent, rounded down: 100 means all of it."""
    return 100 * done // total if total else 100


def coverage_of(blueprint: BlueprintSpec, file: str, seen: Iterable[Mark]) -> Coverage:
    """The blueprint's parts against what was seen."""
    return Coverage(file=file, parts=tuple(_parts(blueprint)), seen=frozenset(seen))


def together(covered: Iterable[Coverage]) -> list[Coverage]:
    """One for each blueprint, where several files of tests are about the same."""
    merged: dict[Path, Coverage] = {}
    for each in covered:
        file = Path(each.file).resolve()
        known = merged.get(file)
        merged[file] = each if known is None else replace(known, seen=known.seen | each.seen)
    return [*merged.values()]


def _parts(blueprint: BlueprintSpec) -> Iterator[Part]:
    for machine in blueprint.machines.values():
        for state in machine.states.values():
            yield from _parts_of_state(state, _called(machine, state))
    yield from _catches(blueprint.catch, "", None, "the blueprint")
    for entry in items_of(blueprint.part("schedule")):
        name = text_of(part_of(entry, "name")) or ""
        mark, untouched = Mark(Kind.SCHEDULE, "", None, name), f"no case is a job of the schedule `{name}`"
        yield Part(mark=mark, span=entry.span, untouched=untouched)
    timeout = blueprint.part("timeout")
    if timeout is not None:
        yield Part(mark=JOB_TIMEOUT, span=timeout.span, untouched="the job's timeout never passes")


def _called(machine: MachineSpec, state: StateSpec) -> str:
    """What people call a state; a body of one state is called by its branch, or as the items that it is for."""
    if not machine.is_lane:
        return f"`{state.path}`"
    block = f"{machine.outer}.{machine.owner}" if machine.outer else machine.owner
    return f"each item of `{block}`" if machine.address == block else f"`{machine.address}`"


def _parts_of_state(state: StateSpec, called: str) -> Iterator[Part]:
    yield Part(
        mark=Mark(Kind.STATE, state.machine, state.name), span=state.span, untouched=f"{called} is never entered"
    )
    for at, arm in enumerate(state.arms):
        target = arm.target.text if arm.target else "?"
        text = f"the transition from {called} to `{target}`{_condition(arm)} is never taken"
        yield Part(mark=Mark(Kind.TRANSITION, state.machine, state.name, at), span=arm.span, untouched=text)
    yield from _catches(state.catch, state.machine, state.name, called)
    yield from _retries(state, called)
    yield from _timeouts(state, called)


def _catches(arms: tuple[Arm, ...], machine: str, state: str | None, called: str) -> Iterator[Part]:
    for at, arm in enumerate(arms):
        errors = "ANY" if arm.errors is None else ", ".join(error.text for error in arm.errors)
        text = f"the catch of {called} for {errors}{_condition(arm)} is never taken"
        yield Part(mark=Mark(Kind.CATCH, machine, state, at), span=arm.span, untouched=text)


def _condition(arm: Arm) -> str:
    return "" if arm.when is None else f" when `{' '.join(arm.when.text.split())}`"


def _retries(state: StateSpec, called: str) -> Iterator[Part]:
    node = state.part("retry")
    policies = node.items if isinstance(node, Sequence) else () if node is None else (node,)
    for at, policy in enumerate(policy for policy in policies if text_of(policy) != "none"):
        name = f" by the policy `{policy.text}`" if isinstance(policy, Scalar) else ""
        text = f"{called} is never tried again{name}"
        yield Part(mark=Mark(Kind.RETRY, state.machine, state.name, at), span=policy.span, untouched=text)


def _timeouts(state: StateSpec, called: str) -> Iterator[Part]:
    node = state.part("timeout")
    if node is None:
        return
    usual = "attempt" if state.kind == "task" else VISIT
    times: list[tuple[str, Node]] = [(usual, node)] if isinstance(node, Scalar) else [*entries_of(node)]
    for name, time in times:
        text = f"the timeout of {called}{f' ({name})' if name in TIMES else ''} never passes"
        yield Part(mark=Mark(Kind.TIMEOUT, state.machine, state.name, name), span=time.span, untouched=text)
