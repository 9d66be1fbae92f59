"""Which defaults of a schema are filled into an input."""

from __future__ import annotations

from pathlib import Path

import pytest

from avtomat.core import defaults
from avtomat.core.defaults import Defaults, DefaultsTooLargeError, defaults_of
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


ITEMS: Json = {"items": {"properties": {"a": {"default": "x"}, "b": {"default": [1, 2]}}}}


def test_what_defaults_add_is_counted_with_all_that_is_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "ADDED_VALUES_MAX", 8)

    assert len(Defaults(ITEMS).fill([{}, {}])) == 2
    with pytest.raises(DefaultsTooLargeError, match="would add more than 8 values"):
        Defaults(ITEMS).fill([{}, {}, {}])


def test_what_defaults_add_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    schema: Json = {"items": {"properties": {"a": {"default": "x" * 100}}}}
    monkeypatch.setattr(defaults, "ADDED_BYTES_MAX", 250)

    assert len(Defaults(schema).fill([{}, {}])) == 2
    with pytest.raises(DefaultsTooLargeError, match="would add more than 250 bytes"):
        Defaults(schema).fill([{}, {}, {}])


def test_what_is_given_is_not_counted_as_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "ADDED_VALUES_MAX", 8)
    given: Json = [{"a": "y", "b": [3] * 100}] * 100

    assert Defaults(ITEMS).fill(given) == given


def test_each_input_is_counted_for_itself_also_after_one_that_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "ADDED_VALUES_MAX", 8)
    filler = Defaults(ITEMS)
    with pytest.raises(DefaultsTooLargeError):
        filler.fill([{}] * 100)

    assert [filler.fill([{}, {}]) for _ in range(3)] == [[{"a": "x", "b": [1, 2]}] * 2] * 3


def test_defaults_inside_defaults_are_counted_in_each_place_and_refused_before_they_are_many() -> None:
    schema: Json = {"properties": {"p": {"$ref": "#/$defs/n0"}}, "$defs": {"n40": {"default": 1}}}
    for number in range(40):
        inner = {"$ref": f"#/$defs/n{number + 1}"}
        schema["$defs"][f"n{number}"] = {"default": [{}] * 10, "items": {"properties": {"a": inner}}}
    filler = Defaults(schema)

    for _ in range(2):
        with pytest.raises(DefaultsTooLargeError):
            filler.fill({})


def test_the_page_says_what_defaults_may_add() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs/language/README.md").read_text("utf-8").split())

    assert f"at most {defaults.ADDED_VALUES_MAX:,} values and {defaults.ADDED_BYTES_MAX // 10**6} MB" in page
