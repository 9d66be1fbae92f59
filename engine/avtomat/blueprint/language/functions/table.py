"""The one table of functions that expressions and texts know.

A name stands for how many arguments it takes and what it does with plain values. `has` and `default` look at paths
before these have a value, so they are forms of the language, not entries; the table knows their names all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from avtomat.blueprint.language.functions import codec, collections, text, time
from avtomat.core.formula import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """What a name does.

    `call` takes the frame and from `least` to `most` values; `usage` shows how it is written. Each call costs `steps`,
    besides what its arguments weigh.
    """

    call: Callable[..., Json]
    least: int
    most: int
    usage: str
    steps: int


def _function(
    call: Callable[..., Json], usage: str, least: int, most: int | None = None, *, steps: int = 12
) -> Function:
    return Function(call=call, least=least, most=least if most is None else most, usage=usage, steps=steps)


ARGUMENTS_MAX = 32

FUNCTIONS: dict[str, Function] = {
    # numbers and conversions
    "len": _function(collections.length, "len(x)", 1),
    "min": _function(collections.smallest, "min(list) or min(a, b)", 1, ARGUMENTS_MAX),
    "max": _function(collections.largest, "max(list) or max(a, b)", 1, ARGUMENTS_MAX),
    "sum": _function(collections.total, "sum(list)", 1),
    "abs": _function(text.absolute, "abs(x)", 1),
    "round": _function(text.rounded, "round(x) or round(x, decimals)", 1, 2, steps=75),
    "fixed": _function(text.fixed, "fixed(x, decimals)", 1, 2, steps=70),
    "floor": _function(text.floor, "floor(x)", 1, steps=16),
    "ceil": _function(text.ceil, "ceil(x)", 1, steps=16),
    "int": _function(text.to_integer, "int(x)", 1, steps=16),
    "float": _function(text.to_float, "float(x)", 1, steps=16),
    "str": _function(text.to_text, "str(x)", 1),
    "bool": _function(text.to_boolean, "bool(x)", 1),
    # texts
    "lower": _function(text.lower, "lower(text)", 1),
    "upper": _function(text.upper, "upper(text)", 1),
    "title": _function(text.title, "title(text)", 1),
    "trim": _function(text.trim, "trim(text)", 1),
    "starts_with": _function(text.starts_with, "starts_with(text, start)", 2),
    "ends_with": _function(text.ends_with, "ends_with(text, end)", 2),
    "contains": _function(collections.contains_item, "contains(list or text, x)", 2),
    "matches": _function(text.matches, "matches(text, pattern)", 2),
    "replace": _function(text.replace, "replace(text, old, new)", 3),
    "split": _function(text.split, "split(text, separator)", 1, 2),
    "join": _function(text.join, "join(list, separator)", 1, 2),
    "pad": _function(text.pad, "pad(x, width, fill, 'left' or 'right')", 2, 4, steps=30),
    "glob": _function(text.glob, "glob(text, 'a*.txt')", 2, steps=16),
    # lists and maps
    "keys": _function(collections.keys, "keys(map)", 1),
    "values": _function(collections.values, "values(map)", 1),
    "entries": _function(collections.entries, "entries(map), a list of {key, value}", 1),
    "merge": _function(collections.merge, "merge(map, map)", 1, ARGUMENTS_MAX),
    "pick": _function(collections.pick, "pick(map, 'a', 'b')", 2, ARGUMENTS_MAX),
    "without": _function(collections.without, "without(map, 'a', 'b')", 2, ARGUMENTS_MAX),
    "sorted": _function(collections.sort, "sorted(list) or sorted(list, 'key', 'desc')", 1, 3),
    "unique": _function(collections.unique, "unique(list) or unique(list, 'key')", 1, 2),
    "flatten": _function(collections.flatten, "flatten(list)", 1),
    "group_by": _function(collections.group_by, "group_by(list, 'key')", 2),
    "chunk": _function(collections.chunk, "chunk(list, size)", 2),
    "range": _function(collections.number_range, "range(n), range(from, to) or range(from, to, step)", 1, 3),
    "zip": _function(collections.zip_lists, "zip(list, list)", 1, ARGUMENTS_MAX),
    "first": _function(collections.first, "first(list)", 1),
    "last": _function(collections.last, "last(list)", 1),
    "compact": _function(collections.compact, "compact(list)", 1),
    "any": _function(collections.any_true, "any(list)", 1),
    "all": _function(collections.all_true, "all(list)", 1),
    # times
    "now": _function(time.now, "now()", 0, steps=32),
    "time": _function(time.time, "time('2026-01-31T23:00:00Z')", 1, steps=70),
    "duration": _function(time.duration, "duration('1h30m')", 1, steps=90),
    "format_time": _function(time.format_time, "format_time(time, '%Y-%m-%d', 'Europe/Berlin')", 2, 3, steps=260),
    "seconds": _function(time.seconds, "seconds(n)", 1, steps=16),
    "add_days": _function(time.add_days, "add_days(time, n, 'Europe/Berlin')", 2, 3, steps=140),
    "add_months": _function(time.add_months, "add_months(time, n, 'Europe/Berlin')", 2, 3, steps=140),
    "at": _function(time.at, "at(time, '09:00', 'Europe/Berlin')", 2, 3, steps=140),
    "start_of": _function(time.start_of, "start_of(time, 'day', 'Europe/Berlin')", 2, 3, steps=140),
    "epoch": _function(time.epoch, "epoch(time)", 1, steps=60),
    # encodings
    "to_json": _function(codec.to_json, "to_json(x)", 1, steps=20),
    "from_json": _function(codec.from_json, "from_json(text)", 1, steps=80),
    "base64": _function(codec.to_base64, "base64(text)", 1, steps=16),
    "from_base64": _function(codec.from_base64, "from_base64(text)", 1, steps=24),
    "url_encode": _function(codec.url_encode, "url_encode(text)", 1, steps=30),
    "hash": _function(codec.digest, "hash(x) or hash(x, 'sha512')", 1, 2, steps=30),
    "uuid": _function(codec.new_uuid, "uuid()", 0, steps=90),
    # what a value is
    "is_text": _function(collections.is_text, "is_text(x)", 1),
    "is_number": _function(collections.is_numeric, "is_number(x)", 1),
    "is_list": _function(collections.is_list, "is_list(x)", 1),
    "is_map": _function(collections.is_map, "is_map(x)", 1),
}

FORMS = {"has": "has(a.b.c)", "default": "default(a.b.c, 0)"}
ALIASES = {"length": "len", "tojson": "to_json"}

_ELSEWHERE = {
    "len": "size count",
    "str": "format string isoformat",
    "float": "number",
    "upper": "upcase to_upper toupper toUpperCase",
    "lower": "downcase to_lower tolower toLowerCase",
    "title": "capitalize",
    "trim": "strip lstrip rstrip",
    "starts_with": "startswith startsWith",
    "ends_with": "endswith endsWith",
    "contains": "includes indexOf find",
    "matches": "match test regex",
    "pad": "ljust rjust zfill padStart padEnd",
    "fixed": "toFixed",
    "entries": "items",
    "merge": "combine assign update",
    "default": "get coalesce",
    "has": "exists defined",
    "sorted": "sort sort_by",
    "unique": "uniq distinct",
    "flatten": "flat",
    "group_by": "groupBy groupby",
    "chunk": "batch",
    "without": "reject omitBy",
    "to_json": "toJson stringify dumps",
    "from_json": "fromJson parse loads",
    "base64": "b64encode",
    "from_base64": "b64decode",
    "url_encode": "urlencode",
    "hash": "sha256 sha1 sha512 md5 digest",
    "now": "utcnow today",
    "epoch": "timestamp",
    "format_time": "strftime",
    "duration": "timedelta",
    "at": "time_at clock set_time",
    "add_days": "plus_days addDays date_add",
    "floor": "trunc",
    "ceil": "ceiling",
    "seconds": "to_duration",
}
_FOREIGN = {word: name for name, words in _ELSEWHERE.items() for word in words.split()}
_NAME_COMPARED_MAX = 40
"""A longer name is no slip for that of a function: comparing it would only cost."""

_LOOPS = frozenset({"map", "filter", "forEach", "each", "reduce", "select", "selectattr", "rejectattr", "collect"})


def canonical(name: str) -> str:
    """Return the name in the table for `name`, which may be a Jinja name for the same."""
    return ALIASES.get(name, name)


def meant_by(name: str) -> str | None:
    """Return how to write what was probably meant by `name`, which may be a function or a method elsewhere."""
    if name in _LOOPS:
        return "[x.name for x in list if x.count > 1]"
    known = name if name in FUNCTIONS else _FOREIGN.get(name)
    if not known and len(name) > _NAME_COMPARED_MAX:
        return None
    close = [known] if known else get_close_matches(name, [*FUNCTIONS, *FORMS], n=1, cutoff=0.6)
    return (FORMS.get(close[0]) or FUNCTIONS[close[0]].usage) if close else None
