"""What each function gives, and what it says when it cannot."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from avtomat.blueprint.language.evaluation import UNKNOWN, value_of
from avtomat.blueprint.language.expression import Expression, parse_expression
from avtomat.blueprint.language.functions.table import FORMS, FUNCTIONS
from avtomat.blueprint.language.limits import EvaluationError, Frame
from avtomat.blueprint.language.probing import STAND_INS
from avtomat.core.formula import Environment, Json
from tests.blueprint.evaluating import NOW, compiled, environment, evaluate, failure, render

SPECIFIED = """
len min max sum abs round fixed floor ceil int float str bool lower upper title trim starts_with ends_with contains
matches replace split join pad glob keys values entries has default merge pick without sorted unique flatten group_by
chunk range zip first last compact any all now time duration seconds format_time add_days add_months at start_of epoch
to_json from_json base64 from_base64 url_encode hash uuid is_text is_number is_list is_map
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
    ("fixed(-0.004, 2)", "0.00"),
    ("[fixed(-0.04, 1), str(round(-0.04, 1)), str(0.0 * -1), str(-(0.0))]", ["0.0", "0.0", "0.0", "0.0"]),
    ("[floor(-1.5), ceil(-1.5), floor(2), ceil(2.1), ceil(-0.5)]", [-2, -1, 2, 3, 0]),
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
    ("sorted([{'a.b': 2}, {'a.b': 1}], ['a.b'])[0]['a.b']", 1),
    ("unique([{'a.b': {'c': 1}}, {'a.b': {'c': 1.0}}], ['a.b', 'c'])", [{"a.b": {"c": 1}}]),
    ("keys(group_by([{'t': null}, {'t': 'null'}], 't'))", ["null (null)", "null"]),
    ("keys(group_by([{'t': '1'}, {'t': 1.0}, {'t': 1}, {'t': true}], 't'))", ["1", "1 (number)", "true"]),
    ("keys(group_by([{'t': null}, {'t': 1.0}, {'t': true}], 't'))", ["null", "1", "true"]),
    ("flatten([[1], 2, [[3]]])", [1, 2, [3]]),
    (
        "group_by([{'t': 1, 'n': 1}, {'t': 2, 'n': 2}, {'t': 1, 'n': 3}], 't')['1']",
        [{"t": 1, "n": 1}, {"t": 1, "n": 3}],
    ),
    ("chunk([1, 2, 3], 2.0)", [[1, 2], [3]]),
    ("range(2.0)", [0, 1]),
    ("fixed(1.25, 1.0) + pad(7, 2.0, '0')", "1.307"),
    ("input.tags[1.0] + input.tags[0.0:1.0][0]", "yx"),
    ("input.tags[null:1]", ["x"]),
    ("range(3)", [0, 1, 2]),
    ("range(5, 1, -2)", [5, 3]),
    ("range(3, 0)", []),
    ("zip([1, 2], ['a'])", [[1, "a"]]),
    ("first(input.tags) + last(input.tags)", "xy"),
    ("default(first([]), 'none')", "none"),
    ("compact([0, null, '', false])", [0, "", False]),
    ("any([false, 1])", True),
    ("all([])", True),
    ("now()", "2026-01-31T23:00:00.000Z"),
    ("now", "2026-01-31T23:00:00.000Z"),
    ("time('2026-02-01T00:30:00+01:00')", "2026-01-31T23:30:00.000Z"),
    ("time('2026-02-01')", "2026-02-01T00:00:00.000Z"),
    ("time(0.5)", "1970-01-01T00:00:00.500Z"),
    ("duration('90m')", "1h30m"),
    ("now + duration('1d')", "2026-02-01T23:00:00.000Z"),
    ("now - '30m'", "2026-01-31T22:30:00.000Z"),
    ("'2h' + now", "2026-02-01T01:00:00.000Z"),
    ("input.due + duration('1h')", "2026-02-01T01:00:00.000Z"),
    ("input.due - now", "1h"),
    ("epoch(time(input.due) - now)", 3600),
    ("(input.due - now) / duration('1m')", 60.0),
    ("duration('1h') * 2 + duration('1m')", "2h1m"),
    ("sum([duration('1m'), duration('2m')])", "3m"),
    ("-duration('1m')", "-1m"),
    ("duration('-5m') + duration('2m')", "-3m"),
    ("duration('-0.25s')", "-250ms"),
    ("now - '-5m' == now + '5m' and now + '-5m' == now - '5m'", True),
    ("'5m' + duration('1h') == duration('1h') + '5m' and '-5m' + duration('1h') == duration('55m')", True),
    ("'5m' - duration('1h')", "-55m"),
    ("duration('60s') == '1m' and '1m' == duration('60s') and duration('60s') in ['2m', '1m']", True),
    ("duration('60s') != '61s' and duration('60s') == duration('1m')", True),
    ("input.due > now and now < input.due and time(input.due) == input.due", True),
    ("max(now, time(input.due))", "2026-02-01T00:00:00.000Z"),
    ("format_time(now, '%d.%m.%Y %H:%M %A %z 100%%', 'Europe/Berlin')", "01.02.2026 00:00 Sunday +01:00 100%"),
    ("add_months(now, 1)", "2026-02-28T23:00:00.000Z"),
    ("add_months(now, -11)", "2025-02-28T23:00:00.000Z"),
    ("seconds(90)", "1m30s"),
    ("seconds(0.25) + duration('1s')", "1s250ms"),
    ("now + seconds(input.total)", "2026-01-31T23:20:00.000Z"),
    ("add_days(now, 1)", "2026-02-01T23:00:00.000Z"),
    ("at(now, '09:00')", "2026-01-31T09:00:00.000Z"),
    ("at(now, '09:00:30', 'Europe/Berlin')", "2026-02-01T08:00:30.000Z"),
    ("add_months('2026-03-31T22:30:00Z', -1, 'Europe/Berlin')", "2026-02-28T23:30:00.000Z"),
    ("format_time('2027-01-01T00:00:00Z', '%G-W%V-%u')", "2026-W53-5"),
    ("format_time('2026-12-31T00:00:00Z', '%d.%m.%Y (%V)')", "31.12.2026 (53)"),
    ("start_of(now, 'day')", "2026-01-31T00:00:00.000Z"),
    ("start_of(now, 'day', 'Europe/Berlin')", "2026-01-31T23:00:00.000Z"),
    ("start_of(now, 'week')", "2026-01-26T00:00:00.000Z"),
    ("start_of('2026-05-17T10:11:12Z', 'year')", "2026-01-01T00:00:00.000Z"),
    ("start_of('2026-05-17T10:11:12Z', 'minute')", "2026-05-17T10:11:00.000Z"),
    ("epoch('1970-01-02')", 86400),
    ("{'at': [now, duration('1m')]}", {"at": ["2026-01-31T23:00:00.000Z", "1m"]}),
    ("to_json({'a': [1.0, null, now]})", '{"a":[1.0,null,"2026-01-31T23:00:00.000Z"]}'),
    ("from_json('{\"a\": [1.0, null]}')", {"a": [1.0, None]}),
    ("base64('größe')", "Z3LDtsOfZQ=="),
    ("from_base64('Z3LDtsOfZQ==')", "größe"),
    ("url_encode('a b/ü')", "a%20b%2F%C3%BC"),
    ("hash('abc')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("hash({'a': 1, 'b': 2}) == hash({'b': 2, 'a': 1})", True),
    ("hash({'a': [1.0, true]}) == hash({'a': [1, true]}) and hash(1) != hash(true)", True),
    ("hash('abc', 'md5')", "900150983cd24fb0d6963f7d28e17f72"),
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
        ("data.spent + data.limit", "write duration(a) + duration(b); to join the texts write join([a, b])"),
        ("data.spent < data.limit", "write duration(a) < duration(b)"),
        ("max(data.spent, data.limit)", "two texts that are durations: write duration(…) around each"),
        ("sorted(['10h', '9h'])", "two texts that are durations"),
        ("duration('60s') < 'soon'", "a duration is needed, and this text is none"),
        ("time('2026-01-02T00:00')", "write 2026-01-02T00:00:00Z, or 2026-01-02T00:00:00+02:00"),
        ("range(2.5)", "range()'s argument must be a whole number, not 2.5"),
        ("input.tags[0.5]", "takes a key or a position"),
        ("input.tags[0.5:]", "takes whole numbers"),
        ("format_time(now, '%Y-W%V')", "write %G-W%V"),
        ("format_time(now, '%-d')", "int(format_time(…))"),
        ("start_of(now, 'day', 'localtime')", "no such time zone"),
        ("at(now, '24:00')", "from 00:00 to 23:59"),
        ("at(now, '9:00')", "such as 09:00"),
        ("add_days('9999-12-31T23:00:00Z', 1)", "outside the years"),
        ("hash('a', 'crc32')", "md5, sha1"),
        ("seconds(1e300)", "too long"),
        ("sorted([{'a.b': 1}], 'a.b')", "is written ['a.b']"),
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
    found = failure(source, data={"spent": "2h", "limit": "1h30m"})

    assert found.code == "EXPRESSION_ERROR"
    assert text in found.message


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("at('2026-03-29T12:00:00Z', '09:00', 'Europe/Berlin')", "2026-03-29T07:00:00.000Z"),
        ("at('2026-03-28T12:00:00Z', '09:00', 'Europe/Berlin')", "2026-03-28T08:00:00.000Z"),
        ("add_days('2026-03-28T08:00:00Z', 1, 'Europe/Berlin')", "2026-03-29T07:00:00.000Z"),
        # 02:30 is left out, 02:30 is shown twice
        ("at('2026-03-29T12:00:00Z', '02:30', 'Europe/Berlin')", "2026-03-29T01:00:00.000Z"),
        ("at('2026-10-25T12:00:00Z', '02:30', 'Europe/Berlin')", "2026-10-25T00:30:00.000Z"),
        ("add_days('2026-10-24T00:30:00Z', 1, 'Europe/Berlin')", "2026-10-25T00:30:00.000Z"),
        ("add_months('2026-02-28T01:30:00Z', 1, 'Europe/Berlin')", "2026-03-28T01:30:00.000Z"),
        # half an hour, at midnight, a whole day, for a month of days with other rules, a negative summer time
        ("at('2026-10-04T00:00:00Z', '02:10', 'Australia/Lord_Howe')", "2026-10-03T15:30:00.000Z"),
        ("at('2026-04-05T00:00:00Z', '01:45', 'Australia/Lord_Howe')", "2026-04-04T14:45:00.000Z"),
        ("start_of('2018-11-04T12:00:00Z', 'day', 'America/Sao_Paulo')", "2018-11-04T03:00:00.000Z"),
        ("add_days('2011-12-29T19:00:00Z', 1, 'Pacific/Apia')", "2011-12-30T10:00:00.000Z"),
        ("at('2026-03-20T12:00:00Z', '09:00', 'Africa/Casablanca')", "2026-03-20T09:00:00.000Z"),
        ("at('2026-06-20T12:00:00Z', '09:00', 'Africa/Casablanca')", "2026-06-20T08:00:00.000Z"),
        ("at('2026-01-20T12:00:00Z', '09:00', 'Europe/Dublin')", "2026-01-20T09:00:00.000Z"),
        ("at('2026-01-20T12:00:00Z', '09:00', 'Asia/Kathmandu')", "2026-01-20T03:15:00.000Z"),
        # years in which offsets had seconds
        ("at('1890-06-01T12:00:00Z', '09:00', 'Europe/Amsterdam')", "1890-06-01T08:42:30.000Z"),
    ],
)
def test_a_clock_time_in_a_zone_is_the_first_moment_that_shows_it(source: str, value: str) -> None:
    assert evaluate(source) == value


def test_stored_times_compare_as_their_times_do() -> None:
    early, late = (evaluate(f"time({seconds})") for seconds in ("1769900400", "1769900400.5"))

    assert evaluate("data.a < data.b and max(data.a, data.b) == data.b", data={"a": early, "b": late}) is True
    assert evaluate("sorted([data.b, data.a])", data={"a": early, "b": late}) == [early, late]
    assert len(early) == len(late) == len("2026-01-31T23:00:00.000Z")


def test_now_is_what_is_stored_of_it() -> None:
    environment_now = Environment(names={}, now=NOW.replace(microsecond=123_456), seed="")
    parsed = parse_expression("now == str(now)")

    assert isinstance(parsed, Expression)
    assert parsed.evaluate(environment_now) is True


def test_the_time_is_that_of_the_event_and_one_for_the_whole_evaluation() -> None:
    assert evaluate("now() == now and now() - now() == duration('0s')") is True


@pytest.mark.parametrize(
    "source",
    [
        "format_time(data.t, data.p, data.z)", "format_time(now, '%d')", "at(data.t, data.c)", "range(0, data.n)",
        "range(data.n, 3, int(format_time(now, '%S')))", "default(first([]), 1)", "has(data.x) and duration(data.x)",
        "sorted(data.l, data.k, 'desc')", "pad(data.t, 3, data.f)", "range(100000)", "uuid()", "first([data.x])",
        "min([1, 2])", "round(1.5, data.n)", "[duration('1h') * x for x in [1, 2]]",
    ],
)  # fmt: skip
def test_a_call_that_may_work_is_not_complained_about(source: str) -> None:
    parsed = parse_expression(source)

    assert isinstance(parsed, Expression)
    assert parsed.failing == ()


@pytest.mark.parametrize("name", STAND_INS)
def test_the_stand_ins_of_a_function_are_taken_by_it(name: str) -> None:
    function = FUNCTIONS[name]

    for count in range(function.least, function.most + 1):
        function.call(Frame(environment()), *STAND_INS[name][:count])


@pytest.mark.parametrize("source", ["range(9000)", "pad(1, 60000)", "[range(9000), pad(1, 60000)]"])
def test_large_values_are_not_kept_with_a_call(source: str) -> None:
    parsed = parse_expression(source)

    assert isinstance(parsed, Expression)
    assert value_of(parsed.code) is UNKNOWN


def test_small_values_are_followed_from_call_to_call() -> None:
    parsed = parse_expression("format_time(data.at, join(split('%,Q', ','), ''))")

    assert isinstance(parsed, Expression)
    assert "does not know %Q" in parsed.failing[0].message


def test_a_call_that_always_fails_is_placed_in_its_text() -> None:
    template = compiled({"a": ["x", "{{ input.n }} {{ duration('soon') }}"]})

    assert [(pointer, fault.offset, fault.length) for pointer, fault in template.failing] == [("/a/1", 17, 8)]


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
