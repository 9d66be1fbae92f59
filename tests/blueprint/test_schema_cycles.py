"""Promises of the search for references that lead in a circle: only circles are found, and long ways cost little."""

from __future__ import annotations

import json

from avtomat.blueprint.compiler import examine_text
from avtomat.core.formula import Json


def found_in(schema: Json) -> list[str]:
    head = "avtomat: 1\nblueprint: sample\nstates: {a: {task: greet}}\ninput: "
    return [finding.code.number for finding in examine_text(head + json.dumps(schema)).findings]


def test_a_circle_is_found_wherever_it_stands() -> None:
    circle = {"$defs": {"d": {"items": {"allOf": [{"$ref": "#/$defs/e"}]}, "not": {}}, "e": {"$ref": "#/$defs/e"}}}

    assert found_in(circle) == ["AVT403"]


def test_a_schema_that_names_itself_for_a_part_of_the_value_is_right() -> None:
    assert found_in({"type": "object", "properties": {"next": {"$ref": "#"}}}) == []
    assert found_in({"anyOf": [{"type": "string"}, {"items": {"$ref": "#"}}]}) == []


def test_two_ways_to_one_schema_are_no_circle() -> None:
    text = {"$ref": "#/$defs/text"}

    assert found_in({"allOf": [text, text], "$defs": {"text": {"type": "string"}}}) == []


def test_a_reference_in_a_value_is_none() -> None:
    assert found_in({"const": {"$ref": "#"}}) == []


def test_a_long_way_is_gone() -> None:
    chain = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(3_000)}
    circle = {"$ref": "#/$defs/d0", "$defs": {**chain, "d3000": {"$ref": "#/$defs/d0"}}}

    assert found_in(circle) == ["AVT403"]
