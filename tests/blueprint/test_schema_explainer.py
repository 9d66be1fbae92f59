"""Promises of the words about a value that does not conform: they agree with the library's answer, and cost little."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avtomat.blueprint.schemas import explainer as schema_explainer
from avtomat.blueprint.schemas.checked import SchemaCheck, compile_schema
from avtomat.core.formula import Json

FILTER: Json = {
    "$ref": "#/$defs/filter",
    "$defs": {
        "filter": {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in ("all", "any", "is")]},
        "all": {"required": ["all"], "properties": {"all": {"items": {"$ref": "#/$defs/filter"}}}, "type": "object"},
        "any": {"required": ["any"], "properties": {"any": {"items": {"$ref": "#/$defs/filter"}}}, "type": "object"},
        "is": {"required": ["is"], "properties": {"is": {"type": "string"}}, "additionalProperties": False},
    },
}


def nested(levels: int, width: int = 1) -> Json:
    value: Json = {"is": 1}
    for _ in range(levels):
        value = {"all": [value] * width}
    return value


def test_the_alternative_that_fits_best_is_named_and_followed() -> None:
    problems = SchemaCheck(FILTER).problems({"all": [{"is": 1}]})

    assert [(each.pointer, each.message) for each in problems] == [
        ("/all/0", "fits none of the 3 alternatives of `anyOf`; nearest is `is`"),
        ("/all/0/is", "expected string, found integer"),
    ]


def filters_of(keyword: str, *, closed: bool) -> Json:
    """Seven kinds of filters, told apart by a required key, or only by what is not allowed."""
    inner = {"all": {"items": {"$ref": "#/$defs/filter"}}, "any": {"items": {"$ref": "#/$defs/filter"}},
             "no": {"$ref": "#/$defs/filter"}}  # fmt: skip
    inner |= {name: {"type": "string"} for name in ("is", "over", "under", "has")}
    told_apart = (lambda _name: {"additionalProperties": False}) if closed else (lambda name: {"required": [name]})
    kinds = {name: {"type": "object", "properties": {name: part}, **told_apart(name)} for name, part in inner.items()}
    filters = {keyword: [{"$ref": f"#/$defs/{name}"} for name in kinds]}
    return {"$ref": "#/$defs/filter", "$defs": {"filter": filters, **kinds}}


@pytest.mark.parametrize("levels", [1, 12, 20, 25, 30, 45])
@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
@pytest.mark.parametrize("closed", [True, False])
def test_one_wrong_leaf_is_found_however_deep_it_is(levels: int, keyword: str, closed: bool) -> None:
    value: Json = {"is": 1}
    for level in range(levels):
        value = {"no": value} if level % 2 else {"all": [{"is": "x"}, value, {"has": "y"}]}

    problems = SchemaCheck(filters_of(keyword, closed=closed)).problems(value)

    assert [each.message for each in problems] == [
        f"fits none of the 7 alternatives of `{keyword}`; nearest is `is`",
        "expected string, found integer",
    ]
    assert problems[1].pointer == problems[0].pointer + "/is"
    assert problems[1].pointer.count("/all/1") + problems[1].pointer.count("/no") == levels


def test_the_deepest_place_is_among_the_dozen() -> None:
    schema: Json = {"$ref": "#/$defs/node", "$defs": {"node": {"required": ["a"], "properties": {
        "leaf": {"type": "string"}, "next": {"$ref": "#/$defs/node"}}}}}  # fmt: skip
    value: Json = {"leaf": 1}
    for _ in range(20):
        value = {"next": value}

    problems = SchemaCheck(schema).problems(value)

    assert len(problems) == schema_explainer.PROBLEMS_MAX
    assert (problems[0].pointer, problems[0].message) == ("", "`a` is missing")
    assert problems[-1].pointer == "/next" * 20 + "/leaf"


def test_an_alternative_that_nothing_speaks_against_is_looked_at_alone() -> None:
    schema = {
        "anyOf": [
            {"title": "a list", "type": "array"},
            {"title": "a card", "properties": {"kind": {"const": "card"}, "pan": {"type": "string"}}},
            {"title": "cash", "properties": {"kind": {"const": "cash"}}},
        ]
    }

    problems = SchemaCheck(schema).problems({"kind": "card", "pan": 1})

    assert [(each.pointer, each.message) for each in problems] == [
        ("", "fits none of the 3 alternatives of `anyOf`; nearest is `a card`"),
        ("/pan", "expected string, found integer"),
    ]


def test_schemas_that_lead_to_one_another_do_not_fill_the_stack() -> None:
    chain = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}]} for n in range(2_000)}
    schema: Json = {"$ref": "#/$defs/d0", "$defs": {**chain, "d2000": {"type": "string"}}}

    problems = schema_explainer.explain(schema, 1, lambda _keyword, _value: True)

    assert [each.message for each in problems] == ["does not conform to its JSON Schema"]


def test_a_const_tells_which_alternative_was_meant() -> None:
    schema = {
        "oneOf": [
            {"title": "a card", "properties": {"kind": {"const": "card"}, "pan": {"type": "string"}},
             "required": ["kind", "pan", "cvc", "holder"]},
            {"title": "cash", "properties": {"kind": {"const": "cash"}}, "required": ["kind"]},
        ]
    }  # fmt: skip

    first = SchemaCheck(schema).problems({"kind": "card"})[0]

    assert first.message == "fits none of the 2 alternatives of `oneOf`; nearest is `a card`"


@pytest.mark.parametrize("value", [nested(30), nested(30, 2), nested(60, 8)])
def test_a_recursive_schema_of_alternatives_stays_within_the_budget(
    value: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    problems_of = schema_explainer._Walk._problems

    def counted(*given: Any) -> Any:
        nonlocal steps
        steps += 1
        return problems_of(*given)

    monkeypatch.setattr(schema_explainer._Walk, "_problems", counted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonschema_rs, "Draft202012Validator", _never)
        problems = schema_explainer.explain(FILTER, value, lambda _keyword, _value: True)

    assert 0 < len(problems) <= schema_explainer.PROBLEMS_MAX
    assert steps <= schema_explainer.STEPS_MAX


def test_keys_of_patterns_stay_within_the_budget() -> None:
    schema: Json = {"required": ["a"], "patternProperties": {f"^k{number}": {} for number in range(20)}}
    asked = 0

    def is_valid(_keyword: Json, _value: Json) -> bool:
        nonlocal asked
        asked += 1
        return False

    problems = schema_explainer.explain(schema, {f"k{number}": 1 for number in range(50_000)}, is_valid)

    assert [each.message for each in problems] == ["`a` is missing"]
    assert asked <= schema_explainer.STEPS_MAX + 20


def _never(*_args: Any, **_more: Any) -> Any:
    raise AssertionError("nothing is compiled here")


def test_what_no_word_explains_is_refused_in_general_words() -> None:
    problems = SchemaCheck({"properties": {"a": {}}, "unevaluatedProperties": False}).problems({"b": 1})

    assert [each.message for each in problems] == ["does not conform to its JSON Schema"]


def test_messages_are_short() -> None:
    long = "x" * 10_000
    problems = SchemaCheck({"additionalProperties": False}).problems({f"{long}{n}": 1 for n in range(100)})

    assert all(len(each.message) < 1_000 and len(each.pointer) < 1_000 for each in problems)


_LEAVES = st.sampled_from(
    [{"type": "string"}, {"type": "integer"}, {"type": ["number", "null"]}, {"const": 1}, {"enum": ["a", True, 2.0]},
     {"minimum": 2}, {"maxLength": 1}, {"pattern": "^a"}, {"uniqueItems": True}, True, False, {"minItems": 1}]
)  # fmt: skip
_SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"items": inner}),
        st.fixed_dictionaries({"prefixItems": st.lists(inner, min_size=1, max_size=2), "items": inner}),
        st.fixed_dictionaries({"properties": st.fixed_dictionaries({"a": inner}), "additionalProperties": inner}),
        st.fixed_dictionaries({"patternProperties": st.fixed_dictionaries({"^b": inner}), "required": st.just(["a"])}),
        st.fixed_dictionaries({"propertyNames": inner}),
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"contains": inner}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"if": inner, "then": inner, "else": inner}),
    ),
    max_leaves=8,
)
_VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 1.0, 2, 2.5, "", "a", "ab"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "bc"]), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(_SCHEMAS, _VALUES)
def test_the_words_agree_with_the_answer_of_the_library(schema: Json, value: Json) -> None:
    """Of these keywords each no is explained, and nothing is found in what conforms."""
    check = SchemaCheck(schema)
    general = "does not conform to its JSON Schema"
    messages = [each.message for each in schema_explainer.explain(schema, value, check._meets)]

    conforms = compile_schema(schema).is_valid(value)
    assert (messages == [general]) == conforms
    assert (check.problems(value) == []) == conforms
