"""What each function gives, and what it says when it cannot."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from avtomat.blueprint.functions import FORMS, FUNCTIONS
from avtomat.blueprint.limits import EvaluationError, Frame
from avtomat.core.formula import Json
from tests.blueprint.evaluating import environment, evaluate, failure, render

SPECIFIED = """
len min max sum abs round fixed int float str bool lower upper title trim starts_with ends_with contains matches replace
split join pad glob keys values entries has default merge pick without sorted unique flatten group_by chunk range zip
first last compact any all now time duration format_time add_months start_of epoch to_json from_json base64 from_base64
url_encode hash uuid is_text is_number is_list is_map
"""

VALUES: list[tuple[str, Any]] = [
    ("len('größe')", 5),
    ("len(input.items) + len(data.map)", 3),
    ("min([3, 1.5, 2])", 1.5),
    ("max(1, 2)", 2),
    ("max(['a', 'b'])", "b"),
    ("default(max([]), 0)", 0),
    ("sum([1, 2.5])", 3.5),
    ("sum([])", 0),
    ("abs(-3)", 3),
    ("round(2.5)", 3),
    ("round(-2.5)", -3),
    ("round(2.675, 2)", 2.68),
    ("round(7, 2)", 7.0),
    ("round(9e17, 15)", 9e17),
    ("fixed(9e17, 15)", "900000000000000000.000000000000000"),
    ("fixed(1000000000000000000, 15)", "1000000000000000000.000000000000000"),
    ("fixed(2.675, 2)", "2.68"),
    ("fixed(5)", "5.00"),
    ("fixed(-0.004, 2)", "-0.00"),
    ("int('42')", 42),
    ("int(' -7 ')", -7),
    ("int(3.9)", 3),
    ("int(-3.9)", -3),
    ("int(true)", 1),
    ("float('1.5e3')", 1500.0),
    ("float(3)", 3.0),
    ("str(1.0)", "1.0"),
    ("str(true)", "true"),
    ("bool('False')", False),
    ("lower('ÄB')", "äb"),
    ("upper('äb')", "ÄB"),
    ("title('ada lOVElace it\\'s')", "Ada Lovelace It's"),
    ("trim('  a ')", "a"),
    ("starts_with('abc', 'ab') and ends_with('abc', 'bc')", True),
    ("contains(['a'], 'a') and contains('abc', 'b') and contains(data.map, 'k')", True),
    ("contains([1], true)", False),
    ("matches('order-12', '\\d+')", True),
    ("matches('order', '^\\d+$')", False),
    ("replace('a.b.c', '.', '')", "abc"),
    ("split('a,b', ',')", ["a", "b"]),
    ("split(' a  b ')", ["a", "b"]),
    ("join([1, 'a', true, 1.5], '-')", "1-a-true-1.5"),
    ("join([])", ""),
    ("pad(7, 3, '0')", "007"),
    ("pad('a', 3, '.', 'right')", "a.."),
    ("pad('abc', 2)", "abc"),
    ("glob('a/b.txt', 'a*.txt')", True),
    ("glob('a+b', 'a+?')", True),
    ("glob('xab', 'a*')", False),
    ("keys({'b': 1, 'a': 2})", ["b", "a"]),
    ("values({'b': 1, 'a': 2})", [1, 2]),
    ("entries({'b': 1})", [{"key": "b", "value": 1}]),
    ("merge({'a': 1, 'b': 1}, {'b': null})", {"a": 1, "b": None}),
    ("pick({'a': 1, 'b': 2}, 'b', 'c')", {"b": 2}),
    ("pick({'a': 1, 'b': 2}, ['a'])", {"a": 1}),
    ("without({'a': 1, 'b': 2}, 'b')", {"a": 1}),
    ("sorted([3, 1, 2])", [1, 2, 3]),
    ("sorted(['b', 'a'], null, 'desc')", ["b", "a"]),
    ("[i.sku for i in sorted(input.items, 'sku')]", ["a", "b"]),
    ("[i.n for i in sorted(input.items, 'n', 'desc')]", [3, 2]),
    ("sorted([{'a': {'b': 2}}, {'a': {'b': 1}}], 'a.b')[0].a.b", 1),
    ("unique([1, true, 1.0, 'a', 'a', [1], [1], {'a': 1}, {'a': 1.0}])", [1, True, "a", [1], {"a": 1}]),
    ("len(unique(input.items, 'ok'))", 2),
    ("flatten([[1], 2, [[3]]])", [1, 2, [3]]),
    (
        "group_by([{'t': 1, 'n': 1}, {'t': 2, 'n': 2}, {'t': 1, 'n': 3}], 't')['1']",
        [{"t": 1, "n": 1}, {"t": 1, "n": 3}],
    ),
    ("chunk([1, 2, 3], 2)", [[1, 2], [3]]),
    ("range(3)", [0, 1, 2]),
    ("range(5, 1, -2)", [5, 3]),
    ("range(3, 0)", []),
    ("zip([1, 2], ['a'])", [[1, "a"]]),
    ("first(input.tags) + last(input.tags)", "xy"),
    ("default(first([]), 'none')", "none"),
    ("compact([0, null, '', false])", [0, "", False]),
    ("any([false, 1])", True),
    ("all([])", True),
    ("now()", "2026-01-31T23:00:00Z"),
    ("now", "2026-01-31T23:00:00Z"),
    ("time('2026-02-01T00:30:00+01:00')", "2026-01-31T23:30:00Z"),
    ("time('2026-02-01')", "2026-02-01T00:00:00Z"),
    ("time(0.5)", "1970-01-01T00:00:00.5Z"),
    ("duration('90m')", "1h30m"),
    ("now + duration('1d')", "2026-02-01T23:00:00Z"),
    ("now - '30m'", "2026-01-31T22:30:00Z"),
    ("'2h' + now", "2026-02-01T01:00:00Z"),
    ("input.due + duration('1h')", "2026-02-01T01:00:00Z"),
    ("input.due - now", "1h"),
    ("epoch(time(input.due) - now)", 3600),
    ("(input.due - now) / duration('1m')", 60.0),
    ("duration('1h') * 2 + duration('1m')", "2h1m"),
    ("sum([duration('1m'), duration('2m')])", "3m"),
    ("-duration('1m')", "-1m"),
    ("input.due > now and now < input.due and time(input.due) == input.due", True),
    ("max(now, time(input.due))", "2026-02-01T00:00:00Z"),
    ("format_time(now, '%d.%m.%Y %H:%M %A %z 100%%', 'Europe/Berlin')", "01.02.2026 00:00 Sunday +01:00 100%"),
    ("add_months(now, 1)", "2026-02-28T23:00:00Z"),
    ("add_months(now, -11)", "2025-02-28T23:00:00Z"),
    ("start_of(now, 'day')", "2026-01-31T00:00:00Z"),
    ("start_of(now, 'day', 'Europe/Berlin')", "2026-01-31T23:00:00Z"),
    ("start_of(now, 'week')", "2026-01-26T00:00:00Z"),
    ("start_of('2026-05-17T10:11:12Z', 'year')", "2026-01-01T00:00:00Z"),
    ("start_of('2026-05-17T10:11:12Z', 'minute')", "2026-05-17T10:11:00Z"),
    ("epoch('1970-01-02')", 86400),
    ("{'at': [now, duration('1m')]}", {"at": ["2026-01-31T23:00:00Z", "1m"]}),
    ("to_json({'a': [1.0, null, now]})", '{"a":[1.0,null,"2026-01-31T23:00:00Z"]}'),
    ("from_json('{\"a\": [1.0, null]}')", {"a": [1.0, None]}),
    ("base64('größe')", "Z3LDtsOfZQ=="),
    ("from_base64('Z3LDtsOfZQ==')", "größe"),
    ("url_encode('a b/ü')", "a%20b%2F%C3%BC"),
    ("hash('abc')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("hash({'a': 1, 'b': 2}) == hash({'b': 2, 'a': 1})", True),
    ("len(uuid())", 36),
    ("is_text('') and is_number(1) and is_list([]) and is_map({})", True),
    ("is_number(true) or is_text(now)", False),
]


@pytest.mark.parametrize(("source", "value"), VALUES)
def test_a_function_gives_the_value_that_its_name_promises(source: str, value: Any) -> None:
    found = evaluate(source)

    assert found == value
    assert type(found) is type(value)


def test_the_table_holds_the_functions_of_the_language_and_no_others() -> None:
    assert {*FUNCTIONS, *FORMS} == set(SPECIFIED.split())


def test_every_function_is_tried_here() -> None:
    tried = " ".join(source for source, _ in VALUES)

    assert [name for name in {*FUNCTIONS, "default"} if f"{name}(" not in tried] == []


def test_functions_are_the_same_in_texts() -> None:
    assert render("x {{ fixed(input.price, 2) }} {{ input.price | fixed(2) }}") == "x 9.50 9.50"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("len(1)", "len() needs a text, a list or a map, not a number"),
        ("min([])", "min() of an empty list"),
        ("max([1, 'a'])", "needs two numbers, texts or times"),
        ("sum(['a'])", "sum() adds numbers"),
        ("abs('a')", "must be a number, not a text"),
        ("round(1.5, 99)", "from 0 to 15"),
        ("round(1e300)", "too large to be rounded"),
        ("int('1_000')", "decimal digits"),
        ("int('٣')", "decimal digits"),
        ("int(null)", "must be a number, not null"),
        ("float('1_0')", "spells a number"),
        ("float('x')", "spells a number"),
        ("bool(1)", "x != 0"),
        ("str(null)", "to_json"),
        ("str([1])", "to_json"),
        ("upper(1)", "must be a text, not a number"),
        ("replace('a', '', 'b')", "something to look for"),
        ("split('a', '')", "not empty"),
        ("join([[1]])", "to_json"),
        ("join('abc')", "join() needs a list"),
        ("pad('a', 3, 'xx')", "one fill"),
        ("matches('a', '(' + '')", "this pattern cannot be used"),
        ("keys([])", "keys() needs a map, not a list"),
        ("merge({}, 1)", "merge() needs a map"),
        ("pick({}, 1)", "must be a text"),
        ("sorted([1, 'a'])", "two numbers, texts or times"),
        ("sorted(input.items)", "name a key of the items"),
        ("sorted(input.items, 'nope')", "not every item has the key 'nope'"),
        ("sorted([1], null, 'down')", "'asc' or 'desc'"),
        ("group_by(input.items, 'nope')", "not every item has the key"),
        ("chunk([1], 0)", "at least one item"),
        ("range(0, 1, 0)", "a step that is not 0"),
        ("range(1.5)", "must be a whole number"),
        ("first([])", "first() of an empty list"),
        ("first('a')", "first() needs a list"),
        ("time('tomorrow')", "2026-01-31T23:00:00Z"),
        ("time('2026-02-30')", "this text is none"),
        ("time('2026-01-31T23:00:00')", "this text is none"),
        ("time(null)", "now(), time(…)"),
        ("duration('PT30S')", "like 30s, 5m or 1h30m"),
        ("duration(30)", "30s are seconds"),
        ("now + 5", "a number needs its unit"),
        ("now < 'soon'", "this text is none"),
        ("now < 5", "a time is needed"),
        ("pad('a', 5, ' ', [])", "pad() is written"),
        ("sorted([1], null, [])", "sorted() is written"),
        ("format_time(now, '%Q')", "does not know %Q"),
        ("format_time(now, '%')", "does not know %"),
        ("format_time(now, '%Y', 'Mars/Base')", "no such time zone"),
        ("format_time(now, '%Y', '../../etc/passwd')", "no such time zone"),
        ("start_of(now, 'decade')", "minute, hour, day"),
        ("from_json('{')", "valid JSON"),
        ("from_json('NaN')", "valid JSON"),
        ('from_json(\'{"a": 1, "a": 2}\')', "no key twice"),
        ("from_json('99999999999999999999')", "64-bit"),
        ("from_json('1e999')", "valid JSON"),
        ("from_json('\"\\\\ud800\"')", "valid JSON"),
        ("from_json('" + "[" * 70 + "]" * 70 + "')", "at most 64 levels"),
        ("from_json('" + "[" * 2_000 + "')", "valid JSON"),
        ("from_base64('a')", "base64 of a text"),
        ("from_base64('/w==')", "base64 of a text"),
    ],
)
def test_a_function_that_cannot_says_what_it_needs(source: str, text: str) -> None:
    found = failure(source)

    assert found.code == "EXPRESSION_ERROR"
    assert text in found.message


def test_the_time_is_that_of_the_event_and_one_for_the_whole_evaluation() -> None:
    assert evaluate("now() == now and now() - now() == duration('0s')") is True


ODD: list[Json] = [
    None, True, -1, 2**63 - 1, 1e308, 5e-324, "", "\ud800", "9" * 30, "2026-01-31T23:00:00Z", "0001-01-01", "1h", "(",
    "%", '{"a": 1e999}', [], [1, "a", None], [[1], [2]], [{"a": 1}, {"a": 2.5}], {}, {"a": {"b": 1}}, "Europe/Berlin",
    datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC), timedelta(days=-36500), 15, 64,
]  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_raises_nothing_but_what_it_needs(name: str) -> None:
    function = FUNCTIONS[name]
    for first, second, third in product(
        ODD, ODD if function.most > 1 else [None], ODD[::4] if function.most > 2 else [1]
    ):
        for count in range(function.least, min(function.most, 4) + 1):
            with suppress(EvaluationError):
                function.call(Frame(environment()), *[first, second, third, third][:count])
