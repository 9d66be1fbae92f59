"""The authored form of a blueprint: machines, states and arms, each with its place in the file.

It is read from Nodes whose shape was checked, but does not count on it: what has the wrong shape is left out, since its
finding is there already. Machines are flat, by address, as in a Program: "" is the root, `tell.mail` the body of the
branch `mail` of the state `tell`, `pack` the body of the foreach `pack`, and so on inwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as MappingABC
from dataclasses import field
from typing import NamedTuple

from avtomat.blueprint.yaml.nodes import Mapping, Node, Scalar, Sequence, Span
from avtomat.core.formula import Json
from avtomat.core.program import END, FINALLY
from avtomat.core.value import value

KINDS = ("task", "call", "parallel", "foreach", "wait", "signal", "approval", "run", "succeed", "fail")
_KINDS = frozenset(KINDS)
KINDLESS = "pass"
TEMPLATES_OF_HOOK = ("id", "input", "job", "key", "payload")
"""The keys of a hook whose values are templates."""
LANE = "do"
"""The name of the one state of a body that is written without `states`."""


class Name(NamedTuple):
    """A word that names something else."""

    text: str
    node: Scalar

    @property
    def span(self) -> Span:
        """Where it is written."""
        return self.node.span


@value
class Arm:
    """A transition, or an arm of a catch. `errors` None stands for any; `target` None for `output` or a mistake.

    `node` is where it is written: the arm itself, or the key `next`.
    """

    node: Node
    when: Scalar | None = None
    target: Name | None = None
    sets: Mapping | None = None
    errors: tuple[Name, ...] | None = None
    output: Node | None = None

    @property
    def span(self) -> Span:
        """Where it begins."""
        return self.node.span


@value
class StateSpec:
    """A state as it was written: `title` is its name there. `machine` is the address of the machine that it is in."""

    name: str
    title: Node
    machine: str
    kind: str
    body: Mapping
    arms: tuple[Arm, ...] = ()
    sets: Mapping | None = None
    catch: tuple[Arm, ...] = ()
    inner: MappingABC[str, str] = field(default_factory=dict)
    """Addresses of bodies, by branch; a foreach has one, LANE."""

    @property
    def span(self) -> Span:
        """Where it begins."""
        return self.title.span

    def part(self, key: str) -> Node | None:
        """The value of one of its keys."""
        return self.body.items.get(key)

    def key_span(self, key: str) -> Span:
        """Where one of its keys is written."""
        return self.body.keys[key].span if key in self.body.keys else self.span

    @property
    def path(self) -> str:
        """What messages call it."""
        return f"{self.machine}.{self.name}" if self.machine else self.name

    @property
    def notes_undo_early(self) -> bool:
        """Whether its undo is noted before there is an output: as soon as it is attempted."""
        return text_of(part_of(self.part("compensate"), "after")) == "attempted"


@value
class MachineSpec:
    """A machine as it was written. `is_lane`: it is one state body, without a name of its own."""

    address: str
    outer: str | None
    """The address of the machine around it; None for the root."""
    owner: str | None
    """The state that it is a body of; None for the root, and for `finally`."""
    states: MappingABC[str, StateSpec]
    start: Name | None = None
    is_lane: bool = False
    items: tuple[str, ...] = ()
    """The names of the items of the foreach states around it, the innermost last."""

    @property
    def first(self) -> str | None:
        """The name of the state in which it begins."""
        if self.start is not None:
            return self.start.text
        return next(iter(self.states), None)


@value
class BlueprintSpec:
    """A whole file."""

    node: Mapping
    machines: MappingABC[str, MachineSpec]
    policies: MappingABC[str, Mapping]
    catch: tuple[Arm, ...]
    defaults: Mapping | None

    def part(self, key: str) -> Node | None:
        """The value of a key at the top."""
        return self.node.items.get(key)

    @property
    def finally_timeout(self) -> Node | None:
        """How long a machine that is `finally` may take; that of a lone state is the state's own."""
        last = self.part("finally")
        return None if part_of(last, "states") is None else part_of(last, "timeout")

    @property
    def root(self) -> MachineSpec:
        """The outermost machine."""
        return self.machines[""]

    @property
    def states(self) -> Iterator[StateSpec]:
        """All states, of inner machines too."""
        for machine in self.machines.values():
            yield from machine.states.values()

    def around(self, machine: MachineSpec) -> Iterator[MachineSpec]:
        """The machine itself, and those around it, outwards."""
        at: MachineSpec | None = machine
        while at is not None:
            yield at
            at = None if at.outer is None else self.machines[at.outer]


def read_spec(root: Node) -> BlueprintSpec | None:
    """Read a file; None when it is not even a map."""
    if not isinstance(root, Mapping):
        return None
    reader = _Reader()
    reader.machine(root, address="", outer=None, owner=None, items=())
    last = root.items.get("finally")
    if isinstance(last, Mapping):
        reader.machine(last, address=FINALLY, outer="", owner=None, items=())
    return BlueprintSpec(
        node=root,
        machines={address: reader.machines[address] for address in sorted(reader.machines)},
        policies={k: v for k, v in entries_of(root.items.get("policies")) if isinstance(v, Mapping)},
        catch=_arms(root.items.get("catch")),
        defaults=_mapping(root.items.get("defaults")),
    )


# --- reading without trust -------------------------------------------------------------------------------------------


def text_of(node: Node | None) -> str | None:
    """The text, if it is one."""
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None


def value_of(node: Node | None) -> Json:
    """The plain value; null when there is none."""
    return None if node is None else node.value


def flag(node: Node | None) -> bool:
    """Whether it is true."""
    return isinstance(node, Scalar) and node.value is True


def name_of(node: Node | None) -> Name | None:
    """The text as a name, if it is one."""
    return Name(node.value, node) if isinstance(node, Scalar) and isinstance(node.value, str) else None


def entries_of(node: Node | None) -> Iterator[tuple[str, Node]]:
    """The entries of a map, without what begins with `x-`."""
    if isinstance(node, Mapping):
        for key, value in node.items.items():
            if not key.startswith("x-"):
                yield key, value


def part_of(node: Node | None, key: str) -> Node | None:
    """The value of one key, if it is a map that has it."""
    return node.items.get(key) if isinstance(node, Mapping) else None


PARTS_OF_CALL: MappingABC[str, bool] = {
    "url": False,
    "query": False,
    "headers": True,
    "auth": True,
    "json": True,
    "form": True,
    "text": True,
}
"""The parts of a request that hold templates, and whether secrets may stand in them: never in the url."""


def parts_of_call(call: Node | None) -> Iterator[tuple[Node, bool]]:
    """The templates of a request, and whether secrets may stand in them."""
    for key, node in entries_of(call):
        if key in PARTS_OF_CALL:
            yield node, PARTS_OF_CALL[key]


def items_of(node: Node | None) -> tuple[Node, ...]:
    """The items of a list."""
    return node.items if isinstance(node, Sequence) else ()


def _mapping(node: Node | None) -> Mapping | None:
    return node if isinstance(node, Mapping) else None


def _scalar(node: Node | None) -> Scalar | None:
    return node if isinstance(node, Scalar) else None


class _Reader:
    """Collects the machines of one file."""

    def __init__(self) -> None:
        self.machines: dict[str, MachineSpec] = {}

    def machine(
        self, node: Mapping, *, address: str, outer: str | None, owner: str | None, items: tuple[str, ...]
    ) -> None:
        is_lane = outer is not None and "states" not in node.items
        bodies = [(LANE, node)] if is_lane else [*entries_of(node.items.get("states"))]
        states = {
            name: self._state(name, body, title=_title(node, name, is_lane), address=address, items=items)
            for name, body in bodies
            if isinstance(body, Mapping)
        }
        self.machines[address] = MachineSpec(
            address=address,
            outer=outer,
            owner=owner,
            states=states,
            start=None if is_lane else name_of(node.items.get("start")),
            is_lane=is_lane,
            items=items,
        )

    def _state(self, name: str, body: Mapping, *, title: Node, address: str, items: tuple[str, ...]) -> StateSpec:
        written = _KINDS & body.items.keys()
        kind = next((kind for kind in KINDS if kind in written), KINDLESS) if written else KINDLESS
        return StateSpec(
            name=name,
            title=title,
            machine=address,
            kind=kind,
            body=body,
            arms=_next(body) or _arms(body.items.get("transitions")),
            sets=_mapping(body.items.get("set")),
            catch=_arms(body.items.get("catch")),
            inner=dict(self._inner(name, kind, body, address, items)),
        )

    def _inner(
        self, name: str, kind: str, body: Mapping, address: str, items: tuple[str, ...]
    ) -> Iterator[tuple[str, str]]:
        if kind == "foreach":
            items = (*items, text_of(body.items.get("as")) or "item")
            branches = [(LANE, body.items.get("do"))]
        else:
            branches = [*entries_of(body.items.get("parallel"))] if kind == "parallel" else []
        own = f"{address}.{name}" if address else name
        for branch, inner in branches:
            if isinstance(inner, Mapping):
                inner_address = own if kind == "foreach" else f"{own}.{branch}"
                yield branch, inner_address
                self.machine(inner, address=inner_address, outer=address, owner=name, items=items)


def _title(node: Mapping, name: str, is_lane: bool) -> Node:
    states = node.items.get("states")
    return node if is_lane or not isinstance(states, Mapping) else states.keys[name]


def _next(body: Mapping) -> tuple[Arm, ...]:
    target = name_of(body.items.get("next"))
    return () if target is None else (Arm(node=body.keys["next"], target=target),)


def _arms(node: Node | None) -> tuple[Arm, ...]:
    return tuple(_arm(item) for item in items_of(node) if isinstance(item, Mapping))


def _arm(node: Mapping) -> Arm:
    errors = node.items.get("errors")
    return Arm(
        node=node,
        when=_scalar(node.items.get("when")),
        target=name_of(node.items.get("to")),
        sets=_mapping(node.items.get("set")),
        errors=None if errors is None else tuple(filter(None, map(name_of, items_of(errors)))),
        output=node.items.get("output"),
    )


def is_end(target: Name) -> bool:
    """Whether a target ends the machine."""
    return target.text == END
