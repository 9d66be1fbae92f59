"""Which defaults of a schema are filled into an input."""

from __future__ import annotations

import pytest

from avtomat.core.defaults import fill_defaults
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
    assert fill_defaults(schema, value) == filled


def test_a_default_that_would_stand_in_itself_ends() -> None:
    node = {"default": {}, "properties": {"next": {"$ref": "#/$defs/node"}}}

    assert fill_defaults({"properties": {"p": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}, {}) == {
        "p": {"next": {}}
    }


def test_references_in_a_circle_end() -> None:
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}

    assert fill_defaults(schema, {"x": 1}) == {"x": 1}


def test_the_schema_and_the_input_stay_as_they_are() -> None:
    schema: Json = {"properties": {"p": {"default": {}, "properties": {"a": {"default": 1}}}}}
    given: Json = {}

    fill_defaults(schema, given)

    assert schema["properties"]["p"]["default"] == {}
    assert given == {}
