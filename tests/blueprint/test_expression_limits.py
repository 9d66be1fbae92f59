"""What an expression may cost: every bound is met by counting, none by waiting."""

import pytest

from avtomat.blueprint.language.limits import STEPS_MAX
from avtomat.core.formula import Failure
from tests.blueprint.evaluating import evaluate, failure, render, steps


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


LONG = 10_000
NUMBERS = list(range(LONG))
ROWS = [{"sku": f"s{n}", "n": LONG - n, "ok": n % 2 == 0, "tags": ["a", "b"]} for n in range(LONG)]


@pytest.mark.parametrize(
    "source",
    [
        "[x.sku for x in rows if x.ok and x.n > 3]",
        "[{'id': x.sku, 'name': upper(x.sku), 'twice': x.n * 2, 'more': default(x.more, null)} for x in rows]",
        "[x.sku + '-' + t for x in rows for t in x.tags]",
        "{x.sku: x.n for x in rows}",
        "sorted(rows, 'n')",
        "sorted([x.sku for x in rows], null, 'desc')",
        "unique(rows)",
        "group_by(rows, 'ok')",
        "flatten([x.tags for x in rows])",
        "sum([x.n for x in rows]) + max([x.n for x in rows])",
        "rows == [x for x in rows]",
        "[x for x in range(100000)]",
        "chunk(range(100000), 100)",
        "from_json(to_json([1, 2, 3, 'a'] + chunk(range(100), 5)))",
        "len(split(replace(lower(data.big[:20000]), 'a', 'b '), ' '))",
        "[x for x in rows if matches(x.sku, '^s[0-9]*7$')]",
        "[format_time(time(x), '%d.%m.%Y', 'Europe/Berlin') for x in times]",
    ],
)
def test_what_authors_do_with_ten_thousand_items_is_within_the_budget(source: str) -> None:
    found = evaluate(source, rows=ROWS, times=["2026-01-31T23:00:00Z"] * 1_000)

    assert not isinstance(found, Failure)


def test_a_list_of_a_hundred_thousand_items_may_be_gone_through() -> None:
    items = [{"id": number} for number in range(100_000)]

    assert render("{{ input.items }}", input={"items": items}) is items
    assert len(render("{{ range(100000) }}")) == 100_000
    assert len(render("{{ [{'id': x.id} for x in input.items] }}", input={"items": items})) == 100_000


@pytest.mark.parametrize(
    "source",
    [
        "[x.sku for x in items if x.n > 3]",
        "[[upper(x.sku), lower(x.sku), str(x.n), round(x.n, 2), len(x.sku), trim(x.sku)] for x in items[:10000]]",
        "sorted(range(50000))",
        "sorted(items[:40000], 'sku')",
        "[x for x in range(300) for y in range(300) if x == y]",
    ],
)
def test_the_budget_is_as_large_as_the_page_about_expressions_says(source: str) -> None:
    items = [{"sku": f"sku-{number}", "n": number} for number in range(100_000)]

    assert not isinstance(evaluate(source, items=items), Failure)


@pytest.mark.parametrize(
    ("source", "at_least"),
    [
        ("numbers == copies", 5 * LONG),
        ("empties == more_empties", 20 * LONG),
        ("rows == more_rows", 40 * LONG),
        ("-1 in numbers", LONG),
        ("'zz' in texts", LONG),
        ("long in longs", 900 * 20),
        ("[-1] in empties", 20 * LONG),
        ("now in times", 50 * 1_000),
        ("texts[0] < texts[0] + 'b'", 5),
        ("long < long + 'b'", 900),
        ("numbers[1:]", LONG),
        ("numbers + numbers", 2 * LONG),
        ("sum(numbers)", 8 * LONG),
        ("max(texts)", 9 * LONG),
        ("sorted(numbers)", 20 * LONG),
        ("sorted(longs)", 900 * 20 * 4),
        ("sorted(rows, 'n')", 30 * LONG),
        ("unique(numbers)", 12 * LONG),
        ("unique(rows)", 100 * LONG),
        ("group_by(rows, 'n')", 20 * LONG),
        ("flatten(empties)", 3 * LONG),
        ("entries({str(n): n for n in numbers})", 6 * LONG),
        ("zip(numbers, numbers)", 6 * LONG),
        ("upper(pad('', 20000, 'ß'))", 20_000),
        ("lower(pad('', 20000, 'ß'))", 20_000),
        ("title(pad('', 20000, ' '))", 8 * 20_000),
        ("'ab' in data.big", 60_000 // 16),
        ("(data.big[:63] + 'b' + data.big[:63]) in data.big", 16 * 60_000 // 16),
        ("replace(data.big, 'b', 'c')", 2 * 60_000 // 16),
        ("split(data.big)", 60_000 // 16),
        ("pad('', 60000)", 60_000 // 16),
        ("url_encode(pad('', 10000, 'ä'))", 20_000),
        ("base64(data.big[:40000])", 2 * 40_000 // 16),
        ("from_json(to_json(numbers))", 6 * 48_000),
        ("to_json(numbers)", 3 * LONG),
        ("hash(numbers)", 3 * LONG),
        ("[now, rows]", 60 * LONG),
        ("[rows]", 10 * LONG),
        ("join(floats, ',')", 8 * LONG),
        ("str(now)", 50),
        ("now - '1d'", 50),
        ("time('2026-01-31T23:00:00Z')", 50),
        ("format_time(now, '%A%%', 'Europe/Berlin')", 260),
        ("start_of(now, 'year', 'Europe/Berlin')", 140),
        ("matches('a', 'b')", 6_100),
        ("glob('a', 'b*')", 6_100),
        ("default(input.nope, 0)", 25),
        ("has(input.nope.at.all)", 25),
    ],
)
def test_the_price_follows_what_is_walked_searched_or_made(source: str, at_least: int) -> None:
    texts = [f"text {number}" for number in range(LONG)]
    spent = steps(
        source,
        numbers=NUMBERS,
        copies=[float(number) for number in NUMBERS],
        floats=[number * 1.1 for number in NUMBERS],
        texts=texts,
        longs=[f"{'x' * 60_000}{number}" for number in range(20)],
        long="x" * 60_000,
        empties=[[] for _ in NUMBERS],
        more_empties=[[] for _ in NUMBERS],
        rows=ROWS,
        more_rows=[{**row, "tags": [*row["tags"]]} for row in ROWS],
        times=["2026-01-31T22:00:00Z"] * 1_000,
    )

    assert spent >= at_least


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_each_round_of_a_loop_pays_for_all_that_stands_in_it(rounds: int) -> None:
    element = "[[x][0], {'a': x}, x + 1 if x > 0 else -x, str(x)]"

    spent = [steps(f"[{element} for x in range({count})]") for count in (0, rounds)]

    assert spent[1] - spent[0] >= rounds * 60


def test_no_evaluation_goes_on_when_its_budget_is_used_up() -> None:
    spent = steps("[x for x in numbers for y in numbers]", numbers=NUMBERS)

    assert STEPS_MAX < spent < STEPS_MAX + 100


def test_a_key_that_is_missing_is_told_at_the_same_price_however_long_the_others_are() -> None:
    long_keys = {f"{'a' * 4_000}{number}": number for number in range(1_000)}

    assert "It has" in failure(f"box.{'a' * 3_000}", box=long_keys).message
