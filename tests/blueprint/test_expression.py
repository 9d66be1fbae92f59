"""What expressions mean."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtomat.blueprint.language.expression import Expression, parse_expression
from avtomat.core.formula import Failure
from tests.blueprint.evaluating import environment, evaluate, failure, render


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("input.total > 1000", True),
        ("input.total > 1000 and input.name == 'Ada'", True),
        ("1 < 2 < 3", True),
        ("not input.flag", False),
        ("input.total / 100", 12.0),
        ("input.total // 7 + 1", 172),
        ("7 % 3", 1),
        ("2 ** 10", 1024),
        ("2 ** 3 ** 2", 512),
        ("-3 ** 2", -9),
        ("2 ** -1", 0.5),
        ("-2 * -3 - -1", 7),
        ("not 1 == 2 and not false", True),
        ("1 + 2 * 3 // 2 % 4 - 1", 3),
        ("1 if false else 2 if false else 3", 3),
        ("'__class__x' in data", False),
        ("-input.total", -1200),
        ("'a' + 'b'", "ab"),
        ("[1] + [2]", [1, 2]),
        ("'x' in input.tags", True),
        ("'z' not in input.tags", True),
        ("'name' in input", True),
        ("'d' in input.name", True),
        ("'big' if input.total > 10 else 'small'", "big"),
        ("[i.sku for i in input.items if i.ok]", ["b"]),
        ("{i.sku: i.n for i in input.items}", {"b": 2, "a": 3}),
        ("[a * b for a, b in zip([1, 2], [3, 4])]", [3, 8]),
        ("sum(i.n for i in input.items)", 5),
        ("input.items[0].sku", "b"),
        ("input.items[-1]['sku']", "a"),
        ("input.tags[0:1]", ["x"]),
        ("input['name']", "Ada"),
        ("data.map[input.tags[0]] if has(data.map.x) else null", None),
        ("{'a': 1, 'b': omit}", {"a": 1}),
        ("[1, omit, 2]", [1, 2]),
        ("{'a': default(data.missing, omit)}", {}),
        ("null == null", True),
        ("input.none == null", True),
        ("1.0", 1.0),
        ("'it''s' if false else \"it's\"".replace("'it''s'", "'no'"), "it's"),
        (r"'a\n\d\\'", "a\n\\d\\"),
        ("'\\u00e9'", "é"),
        ("input.name or 'nobody'", "Ada"),
        ("data.n or 5", 5),
        ("(\n  1 +\n  2\n)", 3),
    ],
)
def test_an_expression_has_the_value_that_an_author_expects(source: str, value: Any) -> None:
    found = evaluate(source)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "source", ["2 ** input.items[1].n ** 2", "-input.items[1].n ** 2", "input.total | str", "7 // 2 * 2"]
)
def test_an_expression_has_one_value_alone_and_in_a_text(source: str) -> None:
    alone = render(f"{{{{ {source} }}}}")

    assert render(f"{{{{ {source} }}}} s") == f"{json.dumps(alone) if not isinstance(alone, str) else alone} s"
    assert render(f"{{% if {source} == {source} %}}{{{{ {source} }}}} s{{% endif %}}") == render(
        f"{{{{ {source} }}}} s"
    )


@pytest.mark.parametrize(
    "source", ["true == 1", "false == 0", "1 in [true]", "[1] == [true]", "{'a': 1} == {'a': true}"]
)
def test_a_boolean_is_never_equal_to_a_number(source: str) -> None:
    assert evaluate(source) is False


def test_equality_ignores_the_order_of_keys_and_the_form_of_numbers() -> None:
    assert evaluate("{'a': 1, 'b': [2.0]} == {'b': [2], 'a': 1.0}") is True


def test_a_dot_reads_the_key_and_nothing_else() -> None:
    names = {"box": {"items": 1, "keys": 2, "get": 3, "class": 4, "from": 5, "_id": 6}}

    assert evaluate("[box.items, box.keys, box.get, box.class, box.from, box._id]", **names) == [1, 2, 3, 4, 5, 6]


def test_keys_are_read_as_they_are_written_in_any_script() -> None:
    assert evaluate("input.größe + 1") == 43
    assert evaluate("box.\ufb01n", box={"\ufb01n": 1, "fin": 2}) == 1


def test_a_missing_key_is_an_error_that_names_the_path_and_what_is_there() -> None:
    found = failure("input.totl > 5")

    assert found.code == "EXPRESSION_ERROR"
    assert "input has no key 'totl'; did you mean 'total'?" in found.message
    assert "name" in found.message
    assert "Ada" not in found.message


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("input.name.first", "input.name is a text, so it has no key 'first'"),
        ("input.none.x", "input.none is null"),
        ("input.items[7]", "input.items has 2 items"),
        ("input.items[0].skuu", "did you mean 'sku'?"),
        ("input[data.map]", "takes a key or a position, not a map"),
        ("input.tags['length']", "its length is len(input.tags)"),
        ("error.code", "there is no error here"),
        ("[x.nope for x in input.items]", "x has no key 'nope'"),
        ("data.map['x' + 'y']", "has no such key. It has k."),
        ("1 + 'a'", "write str(…)"),
        ("{} + {}", "write merge(a, b)"),
        ("1 < 'a'", "compares a number with a text"),
        ("true < 2", "compares a boolean"),
        ("1 >= null", "`>=` compares a number with null"),
        ("true + 1", "cannot add"),
        ("'%s' % 1", "needs two numbers"),
        ("'a' * 3", "multiplies numbers"),
        ("1 / 0", "division by zero"),
        ("1 in 5", "looks in lists, maps and texts"),
        ("[x for x in data.map]", "entries(…)"),
        ("[a for a, b in entries(data.map)]", "read e.key and e.value"),
        ("{1: 2}", "the keys of a map are texts"),
        ("{input.name: 1, 'A' + 'da': 2}", "two keys of the map are the same text"),
        ("omit", "may only be the value of a key"),
        ("len(omit)", "not an argument"),
        ("1 if omit else 2", "not a condition"),
    ],
)
def test_a_failure_says_what_was_found_and_what_to_do(source: str, text: str) -> None:
    found = failure(source)

    assert found.code == "EXPRESSION_ERROR"
    assert text in found.message


def test_no_failure_shows_a_value_of_the_job() -> None:
    secret = "s3cret-value"
    for source in (
        "x.y",
        "x + 1",
        "x < 1",
        "x[0:true]",
        "box[x]",
        "int(x)",
        "time(x)",
        "duration(x)",
        "from_json(x)",
        "box.q",
    ):
        assert secret not in failure(source, x=secret, box={"k": secret}).message


@pytest.mark.parametrize(
    "source", ["has(data.a)", "has(data.a.b.c)", "has(input.name.x)", "has(input.none.x)", "has(nope.x)"]
)
def test_has_is_false_wherever_the_path_breaks_off(source: str) -> None:
    assert evaluate(source) is False


def test_default_stands_in_for_a_missing_path_and_not_for_null() -> None:
    assert evaluate("default(data.a.b.c, 7)") == 7
    assert evaluate("default(input.items[9].sku, 'none')") == "none"
    assert evaluate("default(input.none, 7)") is None


def test_default_does_not_hide_other_errors() -> None:
    assert "division by zero" in failure("default(1 / 0, 7)").message


@pytest.mark.parametrize(
    ("piped", "called"),
    [
        ("input.name | upper", "upper(input.name)"),
        ("input.price | round(0) | str", "str(round(input.price, 0))"),
        ("(1 - 4) | abs", "abs(1 - 4)"),
        ("input.tags | join('-') == 'x-y'", "join(input.tags, '-') == 'x-y'"),
        ("data.q | default(5)", "default(data.q, 5)"),
        ("input.tags | length", "len(input.tags)"),
        ("input.tags | tojson", "to_json(input.tags)"),
    ],
)
def test_the_bar_calls_a_function_with_what_stands_left_of_it(piped: str, called: str) -> None:
    assert evaluate(piped) == evaluate(called)


def test_and_or_and_conditionals_evaluate_only_what_they_need() -> None:
    assert evaluate("has(data.x) and data.x.y > 1") is False
    assert evaluate("true or data.x") is True
    assert evaluate("1 if true else data.x") == 1


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("outputs.pack.bin", {("outputs", "pack", "bin")}),
        ("outputs['pack'].bin + data.n", {("outputs", "pack", "bin"), ("data", "n")}),
        ("input.items[0].sku", {("input", "items")}),
        ("outputs[data.n].bin", {("outputs",), ("data", "n")}),
        ("[x.sku for x in input.items if x.n > data.n]", {("input", "items"), ("data", "n")}),
        ("has(error.code) and now > job.created_at", {("error", "code"), ("job", "created_at")}),
        ("1 + 1", set()),
    ],
)
def test_reads_are_the_paths_up_to_a_computed_index(source: str, reads: set[tuple[str, ...]]) -> None:
    parsed = parse_expression(source)

    assert isinstance(parsed, Expression)
    assert parsed.reads == reads


def test_uses_say_where_a_path_stands_and_whether_it_may_be_missing() -> None:
    parsed = parse_expression("  größe > 1 and default(data.größe.x, input.n) or has(error)")

    assert isinstance(parsed, Expression)
    assert [(use.path, use.offset, use.guarded) for use in parsed.uses] == [
        (("größe",), 2, False),
        (("data", "größe", "x"), 24, True),
        (("input", "n"), 38, False),
        (("error",), 54, True),
    ]


def test_evaluation_changes_nothing_that_it_was_given() -> None:
    items = [{"n": 2}, {"n": 1}]

    evaluate("[sorted(items, 'n'), items + items, merge(items[0], {'n': 5}), flatten([items])]", items=items)

    assert items == [{"n": 2}, {"n": 1}]


def test_a_value_comes_out_as_it_went_in() -> None:
    value = {"z": None, "a": 1.0, "m": [1e16, 0.1, True]}

    assert evaluate("box", box=value) is value


def test_identifiers_are_the_same_on_replay_and_differ_within_an_evaluation() -> None:
    first, second = evaluate("[uuid(), uuid()]"), evaluate("[uuid(), uuid()]")

    assert first == second
    assert first[0] != first[1]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]


@given(left=json_values, right=json_values, sign=st.sampled_from(OPERATORS))
def test_operators_answer_any_two_values(left: Any, right: Any, sign: str) -> None:
    parsed = parse_expression(f"a {sign} b")

    assert isinstance(parsed, Expression)
    found = parsed.evaluate(environment(a=left, b=right))
    assert isinstance(found, Failure) or found is not NotImplemented


@given(value=json_values)
def test_every_value_equals_itself(value: Any) -> None:
    assert evaluate("a == a and [a] == [a] and a in [a]", a=value) is True
