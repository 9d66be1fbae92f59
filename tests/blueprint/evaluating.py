"""Evaluate expressions and render templates over a small job, for the tests of the language."""

from datetime import UTC, datetime
from typing import Any

from avtomat.blueprint.language.expression import Expression, parse_expression
from avtomat.blueprint.language.faults import Fault
from avtomat.blueprint.language.limits import Frame
from avtomat.blueprint.language.template import CompiledTemplate, compile_value
from avtomat.core.formula import Environment, Failure

NOW = datetime(2026, 1, 31, 23, 0, tzinfo=UTC)
NAMES: dict[str, Any] = {
    "input": {
        "total": 1200,
        "price": 9.5,
        "name": "Ada",
        "none": None,
        "flag": True,
        "from": "home",
        "größe": 42,
        "items": [{"sku": "b", "n": 2, "ok": True}, {"sku": "a", "n": 3, "ok": False}],
        "tags": ["x", "y"],
        "due": "2026-02-01T00:00:00Z",
    },
    "data": {"n": 0, "map": {"k": {"deep": 1}}, "big": "a" * 60_000},
    "outputs": {"pack": {"bin": 7}},
}


def environment(items_max: int = 100_000, **names: Any) -> Environment:
    return Environment(names={**NAMES, **names}, now=NOW, seed="job-1 pack 1", items_max=items_max)


def evaluate(source: str, items_max: int = 100_000, **names: Any) -> Any:
    parsed = parse_expression(source)
    assert isinstance(parsed, Expression), parsed
    return parsed.evaluate(environment(items_max, **names))


def steps(source: str, **names: Any) -> int:
    """What an evaluation has spent when it ends, well or not."""
    parsed = parse_expression(source)
    assert isinstance(parsed, Expression), parsed
    frame = Frame(environment(**names))
    parsed.attempt(frame, omittable=True)
    return frame.steps


def failure(source: str, **names: Any) -> Failure:
    found = evaluate(source, **names)
    assert isinstance(found, Failure), found
    return found


def faults(source: str, *, allow_secrets: bool = False) -> list[Fault]:
    parsed = parse_expression(source, allow_secrets=allow_secrets)
    assert isinstance(parsed, list), parsed
    return parsed


def fault(source: str, *, allow_secrets: bool = False) -> Fault:
    return faults(source, allow_secrets=allow_secrets)[0]


def compiled(value: Any, *, allow_secrets: bool = False) -> CompiledTemplate:
    template = compile_value(value, allow_secrets=allow_secrets)
    assert isinstance(template, CompiledTemplate), template
    return template


def render(value: Any, **names: Any) -> Any:
    rendered = compiled(value).render(environment(**names))
    assert not isinstance(rendered, Failure), rendered
    return rendered.value


def render_failure(value: Any, **names: Any) -> Failure:
    rendered = compiled(value).render(environment(**names))
    assert isinstance(rendered, Failure), rendered
    return rendered


def template_fault(value: Any, *, allow_secrets: bool = False) -> Fault:
    found = compile_value(value, allow_secrets=allow_secrets)
    assert isinstance(found, list), found
    return found[0][1]
