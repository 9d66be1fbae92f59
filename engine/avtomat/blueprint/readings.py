"""Read the expressions and templates of a blueprint.

A FormulaSite is a value with formulas in it, at one moment of a state's life. `Readings` reads each once; the rules
look at what was read, and the Program gets the same formulas.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from avtomat.blueprint.language.expression import Expression, parse_expression
from avtomat.blueprint.language.faults import Fault, Read
from avtomat.blueprint.language.template import CompiledTemplate, compile_value
from avtomat.blueprint.spec import MachineSpec, StateSpec
from avtomat.blueprint.yaml.nodes import Mapping, Node, Scalar, Sequence, Span
from avtomat.core.value import value

Formula_ = Expression | CompiledTemplate


class Moment(StrEnum):
    """When a formula is evaluated; which names there are depends on it."""

    SUBMIT = "when the job is submitted"
    HOOK = "when a request of a hook comes"
    SEARCH = "when the job is listed"
    ENTER = "when the state is entered"
    LEAVE = "when the state is left"
    CATCH = "in a catch"
    UNDO = "in compensate"
    ITEM = "when an item has ended"


@value
class FormulaSite:
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
    """What was read at a site: the formula (None when it is refused), and its faults, each with the text's pointer."""

    site: FormulaSite
    formula: Formula_ | None
    uses: tuple[Read, ...] = ()
    faults: tuple[tuple[str, Fault], ...] = ()

    def span(self, pointer: str, offset: int, length: int, source: str) -> Span:
        """Where a character of one of its texts is written."""
        node = _at_pointer(self.site.node, pointer)
        return node.place(offset, source, length) if isinstance(node, Scalar) else node.span


class UnreadableFormulaError(Exception):
    """Reading a formula raised `cause`, which nothing that an author writes should make it do."""

    def __init__(self, span: Span, cause: Exception) -> None:
        super().__init__(str(cause))
        self.span = span
        self.cause = cause


class Readings:
    """All readings of a file, and the formulas by the node that they were read from."""

    def __init__(self, sites: Iterable[FormulaSite]) -> None:
        self.all = tuple(_read_placed(site) for site in sites)
        self._formulas = {(id(r.site.node), r.site.is_guard): r.formula for r in self.all}

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


def _read_placed(site: FormulaSite) -> Reading:
    try:
        return _read(site)
    except Exception as problem:  # the compiler makes a finding of it, and needs the site
        raise UnreadableFormulaError(site.node.span, problem) from problem


def _read(site: FormulaSite) -> Reading:
    if site.is_guard:
        assert isinstance(site.node, Scalar)
        parsed = parse_expression(site.node.text)
        if isinstance(parsed, list):
            return Reading(site=site, formula=None, faults=tuple(("", fault) for fault in parsed))
        return Reading(
            site=site, formula=parsed, uses=parsed.uses, faults=tuple(("", fault) for fault in parsed.failing)
        )
    compiled = compile_value(site.node.value, allow_secrets=True)  # where they may not stand, a rule says so
    if isinstance(compiled, list):
        return Reading(site=site, formula=None, faults=tuple(compiled))
    return Reading(site=site, formula=compiled, uses=compiled.uses, faults=compiled.failing)


def _at_pointer(node: Node, pointer: str) -> Node:
    """The text at a JSON pointer; the key itself where the pointer leads to a map's value that is none."""
    for step in pointer.split("/")[1:]:
        if isinstance(node, Mapping):
            node = node.items[step.replace("~1", "/").replace("~0", "~")]
        elif isinstance(node, Sequence):
            node = node.items[int(step)]
    return node
