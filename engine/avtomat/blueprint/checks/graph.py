"""Where one can get to in a machine, and from where one cannot get out.

Nodes are the names of states; edges are transitions and the arms of catches. Everything is worked out from the authored
form, so that it holds for machines that do not compile yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from avtomat.blueprint.checks.reach import Reach
from avtomat.blueprint.kinds.table import kind_of
from avtomat.blueprint.spec import Arm, BlueprintSpec, MachineSpec, StateSpec, is_end

Edges = Mapping[str, frozenset[str]]


def edges_of(machine: MachineSpec) -> Edges:
    """For each state the states that may follow it, errors included; targets that do not exist are left out."""
    return {name: frozenset(_targets(state, machine)) for name, state in machine.states.items()}


def entries_into(blueprint: BlueprintSpec, machine: MachineSpec) -> frozenset[str]:
    """The states in which a machine may begin: its first, and for the root those that the job's catch leads to."""
    first = {machine.first} if machine.first in machine.states else set()
    caught = _existing(blueprint.catch, machine) if machine.outer is None else set()
    return frozenset(name for name in (*first, *caught) if name is not None)


def reachable(edges: Edges, starts: Iterable[str]) -> frozenset[str]:
    """Every state that can be entered from `starts`, these included."""
    found: set[str] = set()
    ahead = list(starts)
    while ahead:
        name = ahead.pop()
        if name not in found and name in edges:
            found.add(name)
            ahead.extend(edges[name])
    return frozenset(found)


def may_come_after(reach: Reach, blueprint: BlueprintSpec, machine: MachineSpec, name: str, later: str) -> bool:
    """Whether `later` can come after `name`, also because something failed on the way and the job's catch took it."""
    if reach.leads(name, later):
        return True
    if machine.outer is not None or machine.first is None or not _is_or_leads(reach, machine.first, name):
        return False
    return any(_is_or_leads(reach, caught, later) for caught in _existing(blueprint.catch, machine))


def _is_or_leads(reach: Reach, name: str, other: str) -> bool:
    return name == other or reach.leads(name, other)


def reversed_edges(edges: Edges) -> Edges:
    """The same edges the other way round."""
    back: dict[str, set[str]] = {name: set() for name in edges}
    for name, targets in edges.items():
        for target in targets:
            back[target].add(name)
    return {name: frozenset(sources) for name, sources in back.items()}


def with_way_out(edges: Edges, machine: MachineSpec) -> frozenset[str]:
    """The states from which the machine with these edges can come to its end."""
    ends = [name for name, state in machine.states.items() if may_end(state)]
    return reachable(reversed_edges(edges), ends)


def may_end(state: StateSpec) -> bool:
    """Whether the machine may end when this state is left; a state without any way on is not asked for another."""
    if kind_of(state).ends or not (state.arms or state.part("next") or state.part("transitions")):
        return True
    return any(arm.target is not None and is_end(arm.target) for arm in (*state.arms, *state.catch))


def after_a_catch(edges: Edges, blueprint: BlueprintSpec, machine: MachineSpec) -> frozenset[str]:
    """The states in which `error` can be read: those that a catch leads to, and what follows them."""
    arms: list[Arm] = [arm for state in machine.states.values() for arm in state.catch]
    if machine.outer is None:
        arms += blueprint.catch
    return reachable(edges, _existing(arms, machine))


def _targets(state: StateSpec, machine: MachineSpec) -> Iterator[str]:
    yield from _existing((*state.arms, *state.catch), machine)


def _existing(arms: Iterable[Arm], machine: MachineSpec) -> set[str]:
    return {arm.target.text for arm in arms if arm.target is not None and arm.target.text in machine.states}
