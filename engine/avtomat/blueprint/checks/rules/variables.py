"""The rule about the names of variables."""

from __future__ import annotations

import json
from collections.abc import Iterator

from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.spec import entries_of
from avtomat.blueprint.yaml.nodes import Mapping, Node, Scalar, Span
from avtomat.blueprint.yaml.scalars import quoted
from avtomat.core.formula import Json


def variables_have_plain_names(subject: Subject) -> Iterator[Finding]:
    """`set: {a.b: 1}` would make a variable called a.b, beside the map `data.a`."""
    at_the_top = subject.blueprint.part("data")
    for name, span, keys, value in _dotted(at_the_top):
        nested = _nested(keys, value)
        hint = f"write {nested}" if nested else f"write maps in one another: {keys[0]}: {{{keys[1]}: …}}"
        yield codes.DOTTED_NAME.at(span, f"`{name}` is not a name of a variable", hint)
    known = {name for name, _value in entries_of(at_the_top)}
    arms = [arm for arms in (*subject.catches, *(state.arms for state in subject.states)) for arm in arms]
    for sets in (*(arm.sets for arm in arms), *(state.sets for state in subject.states)):
        for name, span, keys, value in _dotted(sets):
            merged = _merged(keys, _expression(value) or "…", is_known=keys[0] in known)
            yield codes.DOTTED_NAME.at(span, f"`{name}` is not a name of a variable", f"write {merged}")


def _dotted(sets: Node | None) -> Iterator[tuple[str, Span, list[str], Node]]:
    for name, value in entries_of(sets):
        if "." in name and isinstance(sets, Mapping):
            yield name, sets.keys[name].span, name.split("."), value


def _nested(keys: list[str], value: Node) -> str | None:
    """The same as maps in one another."""
    if not isinstance(value, Scalar):
        return None
    shown = json.dumps(value.value, ensure_ascii=False) if not isinstance(value.value, str) else quoted(value.value)
    for key in reversed(keys[1:]):
        shown = f"{{{key}: {shown}}}"
    return f"{keys[0]}: {shown}"


def _merged(keys: list[str], written: str, *, is_known: bool) -> str:
    """The map that has the key, with the new value in it."""
    for depth in range(len(keys) - 1, 0, -1):
        old = f"data.{'.'.join(keys[:depth])}"
        old = old if is_known and depth == 1 else f"default({old}, {{}})"
        written = f"merge({old}, {{'{keys[depth]}': {written}}})"
    return f"{keys[0]}: " + quoted(f"{{{{ {written} }}}}")


def _expression(node: Node) -> str | None:
    """The value as it stands in an expression."""
    value: Json = node.value
    if isinstance(value, bool) or value is None or isinstance(value, int | float):
        return json.dumps(value)
    if not isinstance(value, str) or "'" in value or "\\" in value or "\n" in value:
        return None
    inside = value.strip()
    if inside.startswith("{{") and inside.endswith("}}") and inside.count("{{") == 1:
        return inside[2:-2].strip()
    return None if "{{" in value or "{%" in value else f"'{value}'"
