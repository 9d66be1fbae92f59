"""What an expression may cost: every bound is met by counting, none by waiting."""

import pytest

from tests.blueprint.evaluating import evaluate, failure


@pytest.mark.parametrize(
    "source",
    [
        "[i for i in range(100000) for j in range(100000)]",
        "[[[0 for a in range(1000)] for b in range(1000)] for c in range(1000)]",
        "any(i == j for i in range(50000) for j in range(50000))",
        "[contains(range(50000), i) for i in range(50000)]",
        "[range(50000) == range(50000) for i in range(1000)]",
        "[sum(range(1000)) for i in range(50000)]",
        "[sorted(range(1000)) for i in range(50000)]",
        "[unique(range(1000)) for i in range(50000)]",
        "[to_json(range(1000)) for i in range(50000)]",
        "[hash(data.big) for i in range(50000)]",
        "[data.big == data.big + '' for i in range(50000)]",
        "['b' in data.big for i in range(50000)]",
        "[replace(data.big, 'a', 'b') for i in range(50000)]",
        "[title(data.big) for i in range(50000)]",
        "[matches('a', 'a{100}' + str(i)) for i in range(1000)]",
        "[matches('xab', '[xa]*x[xab]{300}y') for i in range(100000)]",
        "[from_json('[1,2,3]') for i in range(100000)]",
        "[format_time(now, '%A %B %d', 'Europe/Berlin') for i in range(100000)]",
        "[uuid() for i in range(100000)]",
        "flatten([range(100000) for i in range(15)])",
        "range(100001)",
        "range(-9223372036854775807, 9223372036854775807)",
        "data.big + data.big",
        "join([data.big for i in range(1000)])",
        "replace(data.big, 'a', 'bb')",
        "pad('a', 1000000)",
        "pad('a', 9223372036854775807)",
        "url_encode(pad('ä', 60000, 'ä'))",
        "base64(pad('a', 60000))",
        "to_json([data.big, data.big, data.big])",
        "[[data.big for i in range(100)] for j in range(100)]",
        "matches(data.big, 'b')",
        "glob(data.big, 'b*')",
    ],
)
def test_a_costly_expression_is_refused_by_count_or_size(source: str) -> None:
    assert failure(source).code == "LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    "source",
    [
        "9223372036854775807 + 1",
        "0 - 9223372036854775807 - 2",
        "9223372036854775807 * 9223372036854775807",
        "2 ** 63",
        "2 ** 65",
        "10 ** -65",
        "0 ** -1",
        "(0 - 8) ** 0.5",
        "1e308 * 10",
        "1e200 ** 2",
        "9 ** 64 ** 64",
        "abs(0 - 9223372036854775807 - 1)",
        "int('9223372036854775808')",
        "int('9' + '9' * 3)",
        "int(1e300)",
        "float('inf')",
        "float('nan')",
        "sum([9223372036854775807, 1])",
        "duration('36500d') * 1e300",
        "duration('36500d') * 9223372036854775807",
        "now + duration('36500d') * 100",
        "add_months(now, 9223372036854775807)",
        "time(1e300)",
        "start_of(time('0001-01-01'), 'day', 'Asia/Tokyo')",
        "format_time(time('0001-01-01'), '%H', 'America/New_York')",
    ],
)
def test_a_number_or_time_out_of_range_is_a_failure(source: str) -> None:
    assert failure(source).code == "EXPRESSION_ERROR"


def test_the_longest_list_is_the_blueprints_own_limit() -> None:
    assert len(evaluate("range(1000)", items_max=1_000)) == 1_000
    assert "limits.items" in evaluate("range(1001)", items_max=1_000).message
    assert "limits.items" in evaluate("[x for x in a + a]", items_max=1_000, a=[1] * 501).message


def test_a_long_list_of_ordinary_items_is_within_the_budget() -> None:
    items = [{"ok": True, "n": number, "sku": "a"} for number in range(100_000)]

    assert len(evaluate("[x.sku for x in items if x.ok and x.n > 3]", items=items)) == 99_996


def test_a_large_value_that_is_only_passed_on_is_not_walked() -> None:
    shared = ["a" * 60_000] * 100_000

    assert evaluate("box.rows", box={"rows": shared}) is shared
    assert evaluate("len(box.rows) > 3", box={"rows": shared}) is True


def test_a_value_that_is_nested_too_deep_is_a_failure() -> None:
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]

    for source in ("a == b", "hash(a)", "to_json(a)", "unique([a])"):
        assert failure(source, a=deep, b=[*deep]).code in {"LIMIT_EXCEEDED", "EXPRESSION_ERROR"}


def test_the_budget_does_not_depend_on_what_ran_before() -> None:
    source = "[matches('a', 'b' + str(i)) for i in range(385)]"

    assert [len(evaluate(source)) for _ in range(2)] == [385, 385]
