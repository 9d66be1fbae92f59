"""The shape of blueprints: the schema that editors read, and what the checker says about shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import jsonschema_rs
import pytest

from avtomat.blueprint.checks.shape import check_shape, kind_names
from avtomat.blueprint.language.spelling import meant
from avtomat.blueprint.schemas import defaults as schema_defaults
from avtomat.blueprint.schemas.checked import SchemaCheck, check_schema, compile_schema
from avtomat.blueprint.schemas.defaults import wrong_defaults
from avtomat.blueprint.spec import KINDS
from avtomat.blueprint.yaml.nodes import node_of
from avtomat.blueprint.yaml.source import read_source
from avtomat.core.formula import Json
from avtomat.resources import schema_text
from tests.blueprint.evaluating import evaluate

SCHEMAS = {name: json.loads(schema_text(name)) for name in ("blueprint", "test")}
HEAD = "avtomat: 1\nblueprint: sample\n"


def parts(schema: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Every schema inside the schema."""
    yield path, schema
    for key in ("properties", "patternProperties", "definitions"):
        for name, inner in schema.get(key, {}).items():
            yield from parts(inner, f"{path}/{key}/{name}")
    for key in ("then", "else", "items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from parts(schema[key], f"{path}/{key}")


def told(text: str) -> list[tuple[str, str, str | None]]:
    root = read_source(HEAD + text).root
    assert root is not None
    return [(finding.code.number, finding.message, finding.hint) for finding in check_shape(root).findings]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_is_one_of_draft_7(name: str) -> None:
    jsonschema_rs.meta.validate(SCHEMAS[name])
    assert SCHEMAS[name]["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize("schema_name", SCHEMAS)
def test_every_key_has_a_text_for_hovering(schema_name: str) -> None:
    silent, definitions = [], SCHEMAS[schema_name]["definitions"]
    for path, schema in parts(SCHEMAS[schema_name]):
        for name, inner in schema.get("properties", {}).items():
            target = definitions[inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
            if len(target.get("description", "")) < 7:
                silent.append(f"{path}/{name}")

    assert not silent


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_definition_is_used_and_every_map_is_closed(name: str) -> None:
    whole = SCHEMAS[name]
    text = json.dumps(whole)
    unused = [name for name in whole["definitions"] if f"#/definitions/{name}" not in text]
    open_maps = [
        path for path, schema in parts(whole) if "properties" in schema and "additionalProperties" not in schema
    ]

    assert (unused, open_maps) == ([], [])


def test_the_schema_and_the_compiler_know_the_same_kinds() -> None:
    assert kind_names() == KINDS


def test_keys_with_x_are_ignored_at_every_level() -> None:
    text = "x-note: 1\nstates:\n  x-common: 1\n  a: {task: greet, x-why: [1], transitions: [{to: end, x-a: 1}]}\n"

    assert told(text) == []


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("if", ["when", "to"], "when"),
        ("then", ["when", "to"], "to"),
        ("steps", ["states", "start"], "states"),
        ("onError", ["catch"], "catch"),
        ("maxDelay", ["max_delay", "delay"], "max_delay"),
        ("Timeout", ["timeout"], "timeout"),
        ("retires", ["retry", "timeout"], None),
        ("zebra", ["when", "to"], None),
    ],
)
def test_words_of_other_systems_are_understood(word: str, known: list[str], expected: str | None) -> None:
    assert meant(word, known) == expected


def test_a_misspelt_key_is_read_as_what_was_meant_so_that_it_causes_nothing_else() -> None:
    text = "steps:\n  a: {tsak: greet, then: b}\n  b: {succed: 1}\n"

    assert told(text) == [
        ("AVT101", "unknown key `steps`", "write states"),
        ("AVT101", "unknown key `tsak`", "write task"),
        ("AVT101", "unknown key `then`", "write next"),
        ("AVT101", "unknown key `succed`", "write succeed"),
    ]


def test_a_misspelt_key_beside_the_right_one_is_not_taken_for_it() -> None:
    assert told("states:\n  a: {task: greet, taks: other}\n")[0][:2] == ("AVT101", "unknown key `taks`")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}},
        {"oneOf": [{"const": 1}, True], "default": {"anything": "goes"}},
        {"type": "string", "format": "email", "pattern": "^a"},
    ],
)
def test_schemas_of_authors_that_are_right_are_taken(schema: Json) -> None:
    assert check_schema(node_of(schema)) == []


@pytest.mark.parametrize(
    "schema",
    [
        {"name": "string"},
        {"type": "strin"},
        {"properties": {"a": "string"}},
        {"properties": {"a": {"typ": "string"}}},
        {"items": [{"type": "string"}]},
        {"minimum": "3"},
        {"required": "a"},
        {"$ref": "https://example.com/s.json"},
        {"$ref": "#/$defs/missing"},
        {"pattern": "(a"},
        {"pattern": "(?<=a)b"},
        {"allOf": [{"typ": 1}]},
    ],
)
def test_schemas_of_authors_that_say_something_else_are_refused(schema: Json) -> None:
    assert check_schema(node_of(schema))


def test_a_value_is_checked_and_its_own_text_stays_out_of_the_message() -> None:
    check = SchemaCheck(
        {"type": "object", "required": ["id"], "properties": {"a/b": {"type": "integer"}, "mail": {"format": "email"}}}
    )

    problems = check.problems({"a/b": "hunter2", "mail": "hunter2"})

    assert {problem.pointer for problem in problems} == {"", "/a~1b", "/mail"}
    assert not any("hunter2" in problem.message for problem in problems)
    assert check.problems({"id": 1}) == []


def test_no_more_than_a_dozen_problems_are_told() -> None:
    assert len(SchemaCheck({"items": {"type": "string"}}).problems([*range(100)])) == 12


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^\s$", "\u00a0"), (r"^\s$", " "), (r"\bé", "é"), (r"^\S$", "\u00a0"), (r"[[:alpha:]]", "a"), (r"\w", "é"),
        (r"^\p{L}$", "é"), (r"\d", "٣"), (r"^a$", "a\n"), (r"[\d-x]", "-"), (r"a{,3}", "a"), (r"(?i)k", "\u212a"),
    ],
)  # fmt: skip
def test_a_pattern_means_the_same_in_a_schema_and_in_matches(pattern: str, text: str) -> None:
    found = evaluate("matches(data.text, data.pattern)", data={"text": text, "pattern": pattern})

    assert SchemaCheck({"pattern": pattern}).problems(text) is not found
    assert SchemaCheck({"properties": {"p": {"pattern": pattern}}}).problems({"p": text}) is not found
    assert SchemaCheck({"not": {"pattern": pattern}}).problems(text) == [] or found
    assert SchemaCheck({"pattern": pattern}).problems(5) == []


def test_a_text_without_its_pattern_is_told_so() -> None:
    check = SchemaCheck({"properties": {"p": {"pattern": "^a", "allOf": [{"minLength": 3}]}}})

    assert [(each.pointer, each.message) for each in check.problems({"p": "bcd"})] == [
        ("/p", "expected a text that matches ^a")
    ]
    assert [each.message for each in check.problems({"p": "a"})] == ["minLength is 3"]


def test_one_wrong_default_among_many_is_found_by_halving(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = 0

    def counted(*given: Json, **more: Json) -> Json:
        nonlocal compiled
        compiled += 1
        return compile_schema(*given, **more)

    monkeypatch.setattr(schema_defaults, "compile_schema", counted)
    properties: Json = {f"p{number}": {"type": "integer", "default": number} for number in range(1_000)}
    properties |= {name: {"type": "integer", "default": "five"} for name in ("y", "z")}

    faults = wrong_defaults(node_of({"properties": properties}))

    assert [fault.message for fault in faults] == ["its own schema refuses this default"] * 2
    assert compiled < 50


def test_defaults_that_grow_without_measure_are_refused() -> None:
    schema: Json = {"properties": {"p": {"$ref": "#/$defs/n0"}}, "$defs": {"n40": {"default": 1}}}
    for number in range(40):
        inner = {"$ref": f"#/$defs/n{number + 1}"}
        schema["$defs"][f"n{number}"] = {"default": {}, "properties": {"a": inner, "b": inner}}

    assert [fault.message for fault in wrong_defaults(node_of(schema))] == [
        "the defaults are made of more than 10,000 values"
    ]


def test_a_default_with_many_items_that_lack_many_properties_is_refused() -> None:
    properties: Json = {f"p{number}": {"default": number} for number in range(100)}
    schema: Json = {"properties": {"l": {"default": [{}] * 5_000, "items": {"properties": properties}}}}

    assert [fault.message for fault in wrong_defaults(node_of(schema))] == [
        "the defaults are made of more than 10,000 values"
    ]
