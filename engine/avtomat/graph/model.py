"""Make a graph of a program: its states, the ways between them, and the machines inside its blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from avtomat.core.kinds.task import TaskState
from avtomat.core.program import ANY, FINALLY, CatchArm, Machine, Program, State, Transition
from avtomat.core.value import value

LABEL_CHARACTERS_MAX = 40


class Way(StrEnum):
    """Why an edge is there."""

    NEXT = "next"
    CATCH = "catch"


@value
class Edge:
    """A way from one node to another of the same machine; `label` is its condition, or the errors it takes."""

    source: str
    target: str
    way: Way = Way.NEXT
    label: str = ""


@value
class Node:
    """A state. `id` is its address (`pack.pick`), `inner` the machines inside it, by the name of the branch."""

    id: str
    name: str
    kind: str
    detail: str = ""
    inner: tuple[tuple[str, Graph], ...] = ()


@value
class Graph:
    """One machine: its nodes in file order, its edges, and where it begins."""

    address: str
    start: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    ends: bool = False
    """Whether any way leads to its end."""

    def node(self, node_id: str) -> Node:
        """The node with this id."""
        return next(node for node in self.nodes if node.id == node_id)


END_ID = "end"


def graph_of(program: Program) -> Graph:
    """The whole graph, without `finally`."""
    return _machine(program, "")


def final_graph_of(program: Program) -> Graph | None:
    """The graph of `finally`, where there is one."""
    return _machine(program, FINALLY) if FINALLY in program.machines else None


def _machine(program: Program, address: str) -> Graph:
    machine = program.machines[address]
    edges = [edge for state in machine.states.values() for edge in _edges(state, address)]
    return Graph(
        address=address,
        start=_id(address, machine.start),
        nodes=tuple(_node(program, machine, state, address) for state in machine.states.values()),
        edges=tuple(edges),
        ends=any(edge.target == _id(address, END_ID) for edge in edges),
    )


def _node(program: Program, machine: Machine, state: State, address: str) -> Node:
    own = _id(address, state.name)
    inner = tuple((branch, _machine(program, below)) for branch, below in state.bodies(own))
    return Node(id=own, name=_name(machine, state), kind=state.KEY, detail=_detail(state), inner=inner)


def _name(machine: Machine, state: State) -> str:
    if machine.lone:
        return state.kind if isinstance(state, TaskState) else state.KEY or state.name
    return state.name


def _detail(state: State) -> str:
    """What stands below the name."""
    return state.kind if isinstance(state, TaskState) and state.kind != state.name else state.KEY


def _edges(state: State, address: str) -> Iterator[Edge]:
    source = _id(address, state.name)
    for transition in state.transitions:
        yield Edge(source=source, target=_id(address, transition.target), label=_condition(transition))
    if not state.transitions and not state.KEY.startswith(("succeed", "fail")):
        yield Edge(source=source, target=_id(address, END_ID))
    for arm in state.catch:
        if arm.target is not None:
            yield Edge(source=source, target=_id(address, arm.target), way=Way.CATCH, label=_errors(arm))


def _condition(transition: Transition) -> str:
    return "" if transition.when is None else _cut(transition.when.source.strip())


def _errors(arm: CatchArm) -> str:
    return ANY if arm.errors is None or ANY in arm.errors else _cut(", ".join(sorted(arm.errors)))


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LABEL_CHARACTERS_MAX else f"{text[: LABEL_CHARACTERS_MAX - 1]}…"


def _id(address: str, name: str) -> str:
    return f"{address}.{name}" if address else name


def nodes_of(graph: Graph) -> Iterator[Node]:
    """All nodes, of inner machines too."""
    for node in graph.nodes:
        yield node
        for _branch, inner in node.inner:
            yield from nodes_of(inner)


Marks = Mapping[str, str]
"""A word for nodes by id, laid over a graph: `current`, `taken`, `failed`; others are untaken."""
