"""The rule about durations that were stored: they are texts, and two texts are joined, or go by their letters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from avtomat.blueprint.checks.rules.literals import texts_of
from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.language import syntax
from avtomat.blueprint.language.lexer import scan
from avtomat.blueprint.language.limits import NODES_MAX
from avtomat.blueprint.language.parser import Parser, UnreadableError
from avtomat.blueprint.language.scope import Scope, TooComplexError
from avtomat.blueprint.spec import entries_of
from avtomat.blueprint.yaml.nodes import Node, Scalar

_MAKERS = frozenset({"duration", "seconds"})
_ORDERS = frozenset({"<", "<=", ">", ">="})


def stored_durations_are_read_as_durations(subject: Subject) -> Iterator[Finding]:
    """`data.spent + data.limit` of two variables that every `set` gives a duration has two texts."""
    stored = _stored(subject)
    if not stored:
        return
    for reading in subject.readings.all:
        if sum(use.path[0] == "data" and use.path[1:2] != () and use.path[1] in stored for use in reading.uses) < 2:
            continue
        for scalar in texts_of(reading.site.node):
            yield from _two_texts(subject, scalar, stored, is_guard=reading.site.is_guard)


def _stored(subject: Subject) -> frozenset[str]:
    """The variables that are given durations, and nothing else."""
    sets: list[Node | None] = [subject.blueprint.part("data"), *(state.sets for state in subject.states)]
    sets += [arm.sets for arms in (*subject.catches, *(state.arms for state in subject.states)) for arm in arms]
    given: dict[str, bool] = {}
    for name, node in (entry for each in sets for entry in entries_of(each)):
        given[name] = given.get(name, True) and isinstance(node, Scalar) and _is_duration(node.text)
    return frozenset(name for name, is_duration in given.items() if is_duration)


def _is_duration(text: str) -> bool:
    if "duration" not in text and "seconds" not in text:
        return False
    tree = _tree(*_inside(text, is_guard=False))
    return isinstance(tree, syntax.Call) and isinstance(tree.function, syntax.Name) and tree.function.name in _MAKERS


def _inside(text: str, *, is_guard: bool) -> tuple[str, int]:
    """The expression that a text is alone, and where it begins; empty when it is none."""
    if is_guard:
        return text, 0
    start, end = text.find("{{") + 2, text.rfind("}}")
    alone = start >= 2 and end >= start and not text[: start - 2].strip() and not text[end + 2 :].strip()
    return (text[start:end].strip("-"), start + text.startswith("-", start)) if alone else ("", 0)


def _tree(source: str, _start: int) -> syntax.Node | None:
    try:
        return Parser(scan(source).tokens, Scope("expression", NODES_MAX)).whole()
    except (UnreadableError, TooComplexError, RecursionError):
        return None


def _two_texts(subject: Subject, scalar: Scalar, stored: frozenset[str], *, is_guard: bool) -> Iterator[Finding]:
    source, start = _inside(scalar.text, is_guard=is_guard)
    for sign, left, right in _pairs(_tree(source, start)):
        first, second = _variable(left), _variable(right)
        if first in stored and second in stored and isinstance(right, syntax.Member):
            length = right.key_at + len(right.key) - left.at
            message = f"`{sign}` has two texts here: `data.{first}` and `data.{second}` are stored durations"
            hint = f"write duration(data.{first}) {sign} duration(data.{second})"
            span = scalar.place(start + left.at, subject.source, length)
            yield codes.STORED_DURATIONS.at(span, message, hint)


def _variable(node: syntax.Node) -> str | None:
    is_path = isinstance(node, syntax.Member) and isinstance(node.base, syntax.Name) and node.base.name == "data"
    return node.key if is_path and isinstance(node, syntax.Member) else None


def _pairs(tree: syntax.Node | None) -> Iterator[tuple[str, syntax.Node, syntax.Node]]:
    """All sums and comparisons of order in an expression."""
    pending: list[object] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, tuple):
            pending += node
            continue
        if isinstance(node, syntax.Binary) and node.sign == "+":
            yield "+", node.left, node.right
        elif isinstance(node, syntax.Comparison):
            before = node.first
            for sign, operand in node.rest:
                if sign in _ORDERS:
                    yield sign, before, operand
                before = operand
        if hasattr(node, "__dataclass_fields__"):
            pending += [getattr(node, each.name) for each in fields(node)]  # type: ignore[arg-type]
