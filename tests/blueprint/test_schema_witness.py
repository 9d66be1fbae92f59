"""jsonschema, another reader of the same draft, is asked the same: both say yes or no to the same values.

What differs on purpose, or is the library's, stands in the table DIFFERENCES with the reason.
"""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avtomat.blueprint.schemas.checked import SchemaCheck

PERSON = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "minLength": 1}, "age": {"type": "integer", "minimum": 0}},
    "additionalProperties": False,
}
TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {"type": "array", "maxItems": 3, "items": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}
    },
}
SCHEMAS: list[dict[str, Any]] = [
    {},
    {"type": "integer"},
    {"type": ["string", "null"]},
    {"type": "number", "exclusiveMinimum": 0, "maximum": 10, "multipleOf": 0.5},
    {"type": "string", "minLength": 2, "maxLength": 3},
    {"type": "string", "pattern": "^a[0-9]*$"},
    {"enum": [1, "1", None, [1], {"a": 1}, True]},
    {"const": {"a": [1, 2]}},
    {"type": "array", "items": {"type": "integer"}, "minItems": 1, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    {"type": "array", "contains": {"const": 1}, "minContains": 1, "maxContains": 2},
    {"type": "array", "prefixItems": [{"type": "integer"}], "unevaluatedItems": False},
    PERSON,
    {"type": "object", "patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": {"type": "string"}},
    {"type": "object", "propertyNames": {"maxLength": 2}, "minProperties": 1, "maxProperties": 2},
    {"type": "object", "dependentRequired": {"a": ["b"]}, "dependentSchemas": {"b": {"required": ["c"]}}},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "unevaluatedProperties": False},
    {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}]},
    {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 2}]},
    {"allOf": [{"type": "object"}, {"required": ["a"]}]},
    {"not": {"type": "array"}},
    {"if": {"type": "integer"}, "then": {"minimum": 1}, "else": {"type": "string"}},
    TREE,
]

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 12)
    | st.sampled_from([0.5, 1.0, 2.25, 10.0, "", "a", "a1", "1", "abc", "é", "a\n"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "c", "name", "age", "abc"]), inner, max_size=3)
    ),
    max_leaves=6,
)

DIFFERENCES: list[tuple[dict[str, Any], Any, str]] = [
    (
        {"type": "string", "pattern": "^a[0-9]*$"},
        "a\n",
        "`$` is the end of the text here; in Python it may stand before a last line break",
    ),
]


def conforms(schema: dict[str, Any], value: Any) -> bool:
    return not SchemaCheck(schema).problems(value)


def by_witness(schema: dict[str, Any], value: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: "-".join(schema) or "empty")
@settings(max_examples=150)
@given(value=VALUES)
def test_both_readers_of_the_draft_say_the_same(schema: dict[str, Any], value: Any) -> None:
    known = any(schema == each and value == other and type(value) is type(other) for each, other, _why in DIFFERENCES)

    assert known or conforms(schema, value) == by_witness(schema, value)


@pytest.mark.parametrize(("schema", "value", "why"), DIFFERENCES)
def test_a_known_difference_is_still_one(schema: dict[str, Any], value: Any, why: str) -> None:
    assert conforms(schema, value) != by_witness(schema, value), why
