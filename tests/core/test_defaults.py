"""Which defaults of a schema are filled into an input."""

from __future__ import annotations

import pytest

from avtomat.core.defaults import Defaults, defaults_of
from avtomat.core.formula import Json

KIND = {"type": "string", "default": "x"}


@pytest.mark.parametrize(
    ("schema", "value", "filled"),
    [
        ({"properties": {"p": {"default": 1}}}, {}, {"p": 1}),
        ({"properties": {"p": {"default": 1}}}, {"p": None}, {"p": None}),
        ({"properties": {"p": {"default": None}}}, {}, {"p": None}),
        ({"properties": {"p": {"$ref": "#/$defs/kind"}}, "$defs": {"kind": KIND}}, {}, {"p": "x"}),
        ({"properties": {"p": {"$ref": "#/$defs/kind", "default": "y"}}, "$defs": {"kind": KIND}}, {}, {"p": "y"}),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"properties": {"p": KIND}}}}, {}, {"p": "x"}),
        ({"properties": {"p": {"default": {}, "properties": {"a": {"default": 1}}}}}, {}, {"p": {"a": 1}}),
        ({"properties": {"p": {"properties": {"a": {"default": 1}}}}}, {"p": {}}, {"p": {"a": 1}}),
        ({"items": {"properties": {"a": {"default": 1}}}}, [{}, {"a": 2}, 3], [{"a": 1}, {"a": 2}, 3]),
        ({"properties": {"p": {"$ref": "#/$defs/none"}}}, {}, {}),
        ({"properties": {"p": {"default": [{}], "items": {"properties": {"a": KIND}}}}}, {}, {"p": [{"a": "x"}]}),
    ],
)
def test_a_missing_property_gets_its_default(schema: Json, value: Json, filled: Json) -> None:
    assert Defaults(schema).fill(value) == filled


def test_a_default_that_would_stand_in_itself_ends() -> None:
    node = {"default": {}, "properties": {"next": {"$ref": "#/$defs/node"}}}

    schema = {"properties": {"p": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}

    assert Defaults(schema).fill({}) == {"p": {"next": {}}}


def test_references_in_a_circle_end() -> None:
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}

    assert Defaults(schema).fill({"x": 1}) == {"x": 1}


def test_the_schema_and_the_input_stay_as_they_are() -> None:
    schema: Json = {"properties": {"p": {"default": {}, "properties": {"a": {"default": 1}}}}}
    given: Json = {}

    Defaults(schema).fill(given)

    assert schema["properties"]["p"]["default"] == {}
    assert given == {}


@pytest.mark.parametrize(
    ("schema", "names_one"),
    [
        (None, False),
        ({"properties": {"p": {"type": "string"}}, "items": [{"enum": ["default"]}]}, False),
        ({"properties": {"p": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"default": None}}}, True),
        ({"properties": {"p": {"items": [{"properties": {"q": {"default": 1}}}]}}}, True),
    ],
)
def test_a_schema_without_a_default_fills_nothing(schema: Json, names_one: bool) -> None:
    assert (defaults_of(schema) is not None) == names_one
