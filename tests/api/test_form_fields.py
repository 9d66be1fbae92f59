"""Fields of forms: which a schema becomes, and what value a browser's texts become."""

from __future__ import annotations

from typing import Any

import pytest

from avtomat.api.public.form_fields import FIELDS_MAX, WHOLE, fields_of, value_of

Json = Any


def kinds(schema: Json) -> list[str]:
    return [field.kind for field in fields_of({"properties": {"a": schema}})]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "long"),
        ({"type": "string", "maxLength": 200}, "text"),
        ({"type": "string", "maxLength": 201}, "long"),
        ({"type": "string", "pattern": "^A"}, "text"),
        ({"type": "string", "format": "date"}, "text"),
        ({"type": "integer"}, "number"),
        ({"type": "number"}, "number"),
        ({"type": "boolean"}, "flag"),
        ({"enum": [1, "a", None]}, "choice"),
        ({"type": "array", "items": {"enum": ["a"]}}, "several"),
        ({"type": "array", "items": {"type": "string"}}, "json"),
        ({"type": ["string", "null"]}, "json"),
        ({"type": "object"}, "json"),
        ({"$ref": "#/$defs/x"}, "json"),
        ({"enum": list(range(FIELDS_MAX + 1))}, "json"),
        ({}, "json"),
        (True, "json"),
    ],
)
def test_each_property_becomes_a_field_of_its_kind(schema: Json, kind: str) -> None:
    assert kinds(schema) == [kind]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array"},
        {"type": "object"},
        {"properties": {f"p{n}": {} for n in range(FIELDS_MAX + 1)}},
        {"oneOf": []},
    ],
)
def test_what_has_no_properties_to_show_is_one_box_of_json(schema: Json) -> None:
    fields = fields_of(schema)

    assert [(field.name, field.kind == "json") for field in fields] == [(WHOLE, True)]
    assert value_of(fields, {WHOLE: ['{"a": [1, 2.5]}']}) == {"a": [1, 2.5]}
    assert value_of(fields, {}) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        (" 1.50 ", 1.5),
        ("-3", -3),
        ("1e3", 1000.0),
        ("many", "many"),
        ("1e999", "1e999"),
        ("NaN", "NaN"),
        ("true", "true"),
        ("[1]", "[1]"),
        ("1,5", "1,5"),
        ("9" * 30, "9" * 30),
    ],
)
def test_a_number_is_read_and_what_is_none_stays_a_text_for_the_schema_to_refuse(text: str, value: Json) -> None:
    assert value_of(fields_of({"properties": {"a": {"type": "number"}}}), {"f0": [text]}) == {"a": value}


@pytest.mark.parametrize(("text", "value"), [("0", "x"), ("1", 7), ("2", "2"), ("-1", "-1"), ("x", "x"), ("٣", "٣")])
def test_a_choice_is_sent_by_its_number(text: str, value: Json) -> None:
    assert value_of(fields_of({"properties": {"a": {"enum": ["x", 7]}}}), {"f0": [text]}) == {"a": value}


def test_an_empty_field_is_left_out_but_a_box_says_no() -> None:
    fields = fields_of({"properties": {"a": {"type": "string"}, "b": {"type": "boolean"}, "c": {"enum": [1]}}})

    assert value_of(fields, {"f0": [""], "f2": [""]}) == {"b": False}


def test_names_of_properties_are_no_names_of_fields() -> None:
    fields = fields_of({"properties": {"choice": {"type": "integer"}, 'a"<b>/~': {"type": "integer"}}})

    assert [field.name for field in fields] == ["f0", "f1"]
    assert fields[1].pointer == '/a"<b>~1~0'
    assert value_of(fields, {"choice": ["approve"], "f0": ["1"]}) == {"choice": 1}
