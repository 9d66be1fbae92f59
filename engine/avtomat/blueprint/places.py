"""Find every expression and template of a blueprint, and say which names may be used there.

A Place is a value with formulas in it, at one moment of a state's life. `Readings` reads each once; the rules look at
what was read, and the Program gets the same formulas.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from avtomat.blueprint.language.expression import Expression, parse_expression
from avtomat.blueprint.language.faults import Fault, Read
from avtomat.blueprint.language.template import CompiledTemplate, compile_value
from avtomat.blueprint.spec import Arm, BlueprintSpec, MachineSpec, StateSpec, entries_of, flag, part_of
from avtomat.blueprint.yaml.nodes import Mapping, Node, Scalar, Sequence, Span
from avtomat.core.value import value

Formula_ = Expression | CompiledTemplate


class Moment(StrEnum):
    """When a formula is evaluated; which names there are depends on it."""

    SUBMIT = "when the job is submitted"
    SEARCH = "when the job is listed"
    ENTER = "when the state is entered"
    LEAVE = "when the state is left"
    CATCH = "in a catch"
    UNDO = "in compensate"
    ITEM = "when an item has ended"


@value
class Place:
    """A value with formulas. `is_guard`: it is the expression of a `when`; `secrets`, `callback`: these are there."""

    node: Node
    moment: Moment
    machine: MachineSpec
    state: StateSpec | None = None
    is_guard: bool = False
    secrets: bool = False
    callback: bool = False


@value
class Reading:
    """What was read at a place: the formula (None when it is refused), and its faults, each with the text's pointer."""

    place: Place
    formula: Formula_ | None
    uses: tuple[Read, ...] = ()
    faults: tuple[tuple[str, Fault], ...] = ()

    def span(self, pointer: str, offset: int, length: int, source: str) -> Span:
        """Where a character of one of its texts is written."""
        node = _at_pointer(self.place.node, pointer)
        return node.place(offset, source, length) if isinstance(node, Scalar) else node.span


class UnreadableFormulaError(Exception):
    """Reading a formula raised `cause`, which nothing that an author writes should make it do."""

    def __init__(self, span: Span, cause: Exception) -> None:
        super().__init__(str(cause))
        self.span = span
        self.cause = cause


class Readings:
    """All readings of a file, and the formulas by the node that they were read from."""

    def __init__(self, places: Iterable[Place]) -> None:
        self.all = tuple(_read_placed(place) for place in places)
        self._formulas = {(id(r.place.node), r.place.is_guard): r.formula for r in self.all}

    def expression(self, node: Scalar) -> Expression:
        """The expression of a `when`."""
        formula = self._formulas[id(node), True]
        assert isinstance(formula, Expression)
        return formula

    def template(self, node: Node) -> CompiledTemplate:
        """The template that a value is."""
        formula = self._formulas[id(node), False]
        assert isinstance(formula, CompiledTemplate)
        return formula


def find_places(blueprint: BlueprintSpec) -> Iterator[Place]:
    """Return all places, in no order."""
    yield from _places_of_job(blueprint)
    for machine in blueprint.machines.values():
        for state in machine.states.values():
            yield from _places_of_state(machine, state)


def _read_placed(place: Place) -> Reading:
    try:
        return _read(place)
    except Exception as problem:  # the compiler makes a finding of it, and needs the place
        raise UnreadableFormulaError(place.node.span, problem) from problem


def _read(place: Place) -> Reading:
    if place.is_guard:
        assert isinstance(place.node, Scalar)
        parsed = parse_expression(place.node.text)
        if isinstance(parsed, list):
            return Reading(place=place, formula=None, faults=tuple(("", fault) for fault in parsed))
        return Reading(
            place=place, formula=parsed, uses=parsed.uses, faults=tuple(("", fault) for fault in parsed.failing)
        )
    compiled = compile_value(place.node.value, allow_secrets=True)  # where they may not stand, a rule says so
    if isinstance(compiled, list):
        return Reading(place=place, formula=None, faults=tuple(compiled))
    return Reading(place=place, formula=compiled, uses=compiled.uses, faults=compiled.failing)


def _at_pointer(node: Node, pointer: str) -> Node:
    """The text at a JSON pointer; the key itself where the pointer leads to a map's value that is none."""
    for step in pointer.split("/")[1:]:
        if isinstance(node, Mapping):
            node = node.items[step.replace("~1", "/").replace("~0", "~")]
        elif isinstance(node, Sequence):
            node = node.items[int(step)]
    return node


# --- where they are --------------------------------------------------------------------------------------------------


def _places_of_job(blueprint: BlueprintSpec) -> Iterator[Place]:
    root = blueprint.root
    for part in ("data", "labels"):
        for _name, node in entries_of(blueprint.part(part)):
            yield Place(node=node, moment=Moment.SUBMIT, machine=root)
    timeout = blueprint.part("timeout")
    if isinstance(timeout, Scalar):
        yield Place(node=timeout, moment=Moment.SUBMIT, machine=root)
    key = part_of(blueprint.part("concurrency"), "key")
    if key is not None:
        yield Place(node=key, moment=Moment.SUBMIT, machine=root)
    for _name, node in entries_of(blueprint.part("search")):
        yield Place(node=node, moment=Moment.SEARCH, machine=root)
    for arm in blueprint.catch:
        yield from _places_of_arm(arm, Moment.CATCH, root, None)
    usual_timeout = part_of(blueprint.defaults, "timeout")
    if usual_timeout is not None:
        yield from _times(usual_timeout, root, None)


def _places_of_state(machine: MachineSpec, state: StateSpec) -> Iterator[Place]:
    yield from _places_of_kind(machine, state)
    timeout = state.part("timeout")
    if timeout is not None:
        yield from _times(timeout, machine, state)
    for _name, node in entries_of(state.sets):
        yield Place(node=node, moment=Moment.LEAVE, machine=machine, state=state)
    for arm in state.arms:
        yield from _places_of_arm(arm, Moment.LEAVE, machine, state)
    for arm in state.catch:
        yield from _places_of_arm(arm, Moment.CATCH, machine, state)
    undo = state.part("compensate")
    if isinstance(undo, Mapping):
        yield from _places_of_undo(undo, machine, state)


_ENTERED = {
    "foreach": ("foreach", "concurrency", "tolerate"),
    "signal": ("key",),
    "approval": ("approval", "assignees"),
    "run": ("input",),
    "succeed": ("succeed",),
}


def _places_of_kind(machine: MachineSpec, state: StateSpec) -> Iterator[Place]:
    callback = flag(state.part("callback")) or flag(part_of(state.part("call"), "callback"))

    def entering(node: Node, *, secrets: bool = False) -> Place:
        return Place(node=node, moment=Moment.ENTER, machine=machine, state=state, secrets=secrets, callback=callback)

    for key in _ENTERED.get(state.kind, ()):
        if (node := state.part(key)) is not None:
            yield entering(node)
    if state.kind == "task" and (params := state.part("params")) is not None:
        yield entering(params, secrets=True)
    if state.kind == "call":
        for node, secrets in _parts_of_call(state.part("call")):
            yield entering(node, secrets=secrets)
    if state.kind == "wait":
        wait = state.part("wait")
        yield from (entering(node) for _name, node in entries_of(wait))
        if isinstance(wait, Scalar):
            yield entering(wait)
    if state.kind == "fail":
        yield from (entering(node) for key, node in entries_of(state.part("fail")) if key != "compensate")
    yield from (entering(node) for _name, node in entries_of(state.part("join")))
    collect = state.part("collect")
    if collect is not None:
        yield Place(node=collect, moment=Moment.ITEM, machine=machine, state=state)


def _parts_of_call(call: Node | None) -> Iterator[tuple[Node, bool]]:
    """The templates of a request, and whether secrets may stand in them: never in the url."""
    for key, node in entries_of(call):
        if key in {"url", "query"}:
            yield node, False
        elif key in {"headers", "auth", "json", "form", "text"}:
            yield node, True


def _times(timeout: Node, machine: MachineSpec, state: StateSpec | None) -> Iterator[Place]:
    parts = [timeout] if isinstance(timeout, Scalar) else [node for _name, node in entries_of(timeout)]
    moment = Moment.ENTER if state is not None else Moment.SUBMIT
    for part in parts:
        if isinstance(part, Scalar) and isinstance(part.value, str):
            yield Place(node=part, moment=moment, machine=machine, state=state)


def _places_of_arm(arm: Arm, moment: Moment, machine: MachineSpec, state: StateSpec | None) -> Iterator[Place]:
    if arm.when is not None:
        yield Place(node=arm.when, moment=moment, machine=machine, state=state, is_guard=True)
    for _name, node in entries_of(arm.sets):
        yield Place(node=node, moment=moment, machine=machine, state=state)
    if arm.output is not None:
        yield Place(node=arm.output, moment=moment, machine=machine, state=state)


def _places_of_undo(undo: Mapping, machine: MachineSpec, state: StateSpec) -> Iterator[Place]:
    when = undo.items.get("when")
    if isinstance(when, Scalar):
        yield Place(node=when, moment=Moment.UNDO, machine=machine, state=state, is_guard=True)
    timeout = undo.items.get("timeout")
    if timeout is not None:
        yield from _times(timeout, machine, state)
    if (params := undo.items.get("params")) is not None:
        yield Place(node=params, moment=Moment.UNDO, machine=machine, state=state, secrets=True)
    for node, secrets in _parts_of_call(undo.items.get("call")):
        yield Place(node=node, moment=Moment.UNDO, machine=machine, state=state, secrets=secrets)
