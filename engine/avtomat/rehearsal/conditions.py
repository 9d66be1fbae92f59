"""Read conditions of tests, and tell whether they hold: the expressions of the language, with names of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from avtomat.blueprint.checks.rules.names import code_of
from avtomat.blueprint.findings import codes_rules, codes_tests
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.language.expression import Expression, parse_expression
from avtomat.blueprint.language.spelling import listed, nearest_hint
from avtomat.blueprint.yaml.nodes import Scalar, Span
from avtomat.core.formula import Environment, Failure, Json
from avtomat.core.value import value

NAMES_OF_ANSWERS = ("params", "attempt")
NAMES_OF_CHILDREN = ("input", "attempt")
NAMES_AT_THE_END = ("result", "error", "data", "input", "status", "path")


@value
class Condition:
    """An expression that must come to true or false, and where it stands."""

    expression: Expression
    span: Span

    def holds(self, names: Mapping[str, Json], now: datetime) -> bool | Finding:
        """Whether it holds; a finding when it comes to something else, or to nothing."""
        found = self.expression.evaluate(Environment(names=names, now=now, seed=""))
        if isinstance(found, bool):
            return found
        if isinstance(found, Failure):
            return codes_tests.NOT_A_CONDITION.at(self.span, found.message)
        message = f"`{self.expression.source.strip()}` comes to {_kind(found)}, not to true or false"
        return codes_tests.NOT_A_CONDITION.at(self.span, message)


def read_condition(node: Scalar, names: Collection[str], source: str) -> Condition | list[Finding]:
    """Read one condition that may see these names, or say what is wrong with it."""
    parsed = parse_expression(node.text)
    faults = parsed.failing if isinstance(parsed, Expression) else parsed
    found = [
        code_of(fault).at(node.place(fault.offset, source, fault.length), fault.message, fault.hint) for fault in faults
    ]
    if isinstance(parsed, Expression):
        found += _unknown(parsed, node, names, source)
        return found or Condition(expression=parsed, span=node.span)
    return found


def _unknown(expression: Expression, node: Scalar, names: Collection[str], source: str) -> Iterator[Finding]:
    for use in expression.uses:
        name = use.path[0]
        if name not in names:
            hint = nearest_hint(name, names) or f"known here: {listed(names)}"
            span = node.place(use.offset, source, len(name))
            yield codes_rules.UNKNOWN_NAME.at(span, f"unknown name `{name}`", hint)


def _kind(found: Json) -> str:
    kinds = {dict: "a map", list: "a list", str: "a text", type(None): "null"}
    return kinds.get(type(found), "a number")
