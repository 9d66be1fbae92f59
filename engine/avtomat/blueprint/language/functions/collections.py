"""The functions on lists and maps.

Nothing is changed in place: lists and maps of the job are shared with whoever reads them. A `key` argument is the name
of a key of each item, or a path of names: 'a.b', or ['a', 'b'] where a name has a dot. Results keep the order of what
they were made from.
"""

# ruff: noqa: D103 – how each is called stands in the table of `functions`

from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

from avtomat.blueprint.language.functions.text import text_of, whole_number_of, written
from avtomat.blueprint.language.limits import (
    CHARS_PER_STEP,
    INTEGER_MAX,
    INTEGER_MIN,
    TIME_STEPS,
    EvaluationError,
    Frame,
    MissingError,
    weigh,
)
from avtomat.blueprint.language.operators import (
    BINARY,
    OMIT,
    checked_number,
    contains,
    is_number,
    kind_of,
    ordered,
    truth,
    whole_of,
)
from avtomat.blueprint.language.times import duration_of, time_of
from avtomat.core.formula import Json

_UNIQUE_WEIGHT_MAX = 1_048_576
_ORDERS = ("asc", "desc")  # no set: what an author gives may have no hash
_SORTED_STEPS = 9
_UNIQUE_STEPS = 12
_GROUPED_STEPS = 10


def list_of(value: Json, what: str) -> list[Json]:
    """Return `value` if it is a list."""
    if isinstance(value, list):
        return value
    raise EvaluationError(f"{what} needs a list, not {kind_of(value)}")


def map_of(value: Json, what: str) -> dict[str, Json]:
    """Return `value` if it is a map."""
    if isinstance(value, dict):
        return value
    raise EvaluationError(f"{what} needs a map, not {kind_of(value)}")


def length(_frame: Frame, value: Json) -> int:
    if isinstance(value, str | list | dict):
        return len(value)
    raise EvaluationError(f"len() needs a text, a list or a map, not {kind_of(value)}")


def smallest(frame: Frame, *values: Json) -> Json:
    return _extreme(frame, values, "min", largest_wins=False)


def largest(frame: Frame, *values: Json) -> Json:
    return _extreme(frame, values, "max", largest_wins=True)


def _extreme(frame: Frame, values: tuple[Json, ...], name: str, *, largest_wins: bool) -> Json:
    candidates = list_of(values[0], f"{name}() of one argument") if len(values) == 1 else list(values)
    if not candidates:
        raise MissingError(lambda: f"{name}() of an empty list: write default({name}(…), 0) if that may be")
    best = candidates[0]
    frame.spend(len(candidates) * 4)
    ordered(frame, best, best, name)
    for candidate in candidates[1:]:
        held, tried = ordered(frame, best, candidate, name)
        best = tried if ((tried > held) if largest_wins else (tried < held)) else held
    return best


def total(frame: Frame, items: Json) -> Json:
    numbers = list_of(items, "sum()")
    if not numbers:
        return 0
    frame.spend(len(numbers) * 8)
    result = numbers[0]
    if not (is_number(result) or isinstance(result, timedelta)):
        raise EvaluationError(f"sum() adds numbers, not {kind_of(result)}")
    for number in numbers[1:]:
        result = BINARY["+"](frame, result, number)
    return checked_number(result)


def contains_item(frame: Frame, container: Json, item: Json) -> bool:
    return contains(frame, container, item)


def keys(_frame: Frame, value: Json) -> list[str]:
    return list(map_of(value, "keys()"))


def values(_frame: Frame, value: Json) -> list[Json]:
    return list(map_of(value, "values()").values())


def entries(frame: Frame, value: Json) -> list[dict[str, Json]]:
    frame.spend(len(map_of(value, "entries()")) * 6)
    return [{"key": key, "value": each} for key, each in map_of(value, "entries()").items()]


def merge(frame: Frame, *maps: Json) -> dict[str, Json]:
    frame.spend(sum(len(map_of(each, "merge()")) * 3 + 6 for each in maps))
    return {key: value for each in maps for key, value in map_of(each, "merge()").items()}


def pick(frame: Frame, value: Json, *names: Json) -> dict[str, Json]:
    wanted = _names(frame, names, "pick()")
    source = map_of(value, "pick()")
    return {name: source[name] for name in wanted if name in source}


def without(frame: Frame, value: Json, *names: Json) -> dict[str, Json]:
    unwanted = set(_names(frame, names, "without()"))
    frame.spend(len(map_of(value, "without()")) * 3)
    return {key: each for key, each in map_of(value, "without()").items() if key not in unwanted}


def _names(frame: Frame, names: tuple[Json, ...], what: str) -> list[str]:
    listed = names[0] if len(names) == 1 and isinstance(names[0], list) else names
    frame.spend(len(listed) * 8)
    label = f"each key that {what} names"
    return [text_of(name, label) for name in listed]


def _fields(frame: Frame, items: list[Json], key: Json, what: str) -> list[Json]:
    """Return what stands at the dotted path `key` of each item; without a key, the items."""
    if key is None:
        return items
    path = _path(key, what)
    frame.spend(len(items) * (4 + 3 * len(path)))
    return [_field(item, path, what) for item in items]


def _path(key: Json, what: str) -> list[str]:
    if isinstance(key, list) and key:
        return [text_of(name, f"each name of {what}'s key") for name in key]
    return text_of(key, f"{what}'s key").split(".")


def _field(item: Json, path: list[str], what: str) -> Json:
    found = item
    for name in path:
        if not isinstance(found, dict) or name not in found:
            raise MissingError(partial(_no_field, path, what))
        found = found[name]
    return found


def _no_field(path: list[str], what: str) -> str:
    whole = ".".join(path)
    hint = f"; a key with a dot in its name is written ['{whole}']" if len(path) > 1 else ""
    return f"{what}: not every item has the key '{whole}'{hint}"


def sort(frame: Frame, items: Json, key: Json = None, order: Json = "asc") -> list[Json]:
    source = list_of(items, "sorted()")
    if order not in _ORDERS:
        raise EvaluationError("sorted() is written sorted(list, 'key', 'desc'); the order is 'asc' or 'desc'")
    doublings = len(source).bit_length()
    frame.spend(len(source) * (_SORTED_STEPS + doublings))
    fields = _fields(frame, source, key, "sorted()")
    for field in fields:
        _check_sortable(frame, field, doublings)
    keys_of_order = _sort_keys(frame, fields)
    for before, after in pairwise(keys_of_order):
        ordered(frame, before, after, "sorted()")
    ranks = sorted(range(len(source)), key=keys_of_order.__getitem__, reverse=order == "desc")
    return [source[rank] for rank in ranks]


def _sort_keys(frame: Frame, fields: list[Json]) -> list[Json]:
    """Return what Python orders: beside one time all are times, beside one duration all are durations."""
    kinds = set(map(type, fields))
    if len(kinds) < 2 or kinds.isdisjoint((datetime, timedelta)):
        return fields
    frame.spend(len(fields) * TIME_STEPS)
    return list(map(time_of if datetime in kinds else duration_of, fields))


def _check_sortable(frame: Frame, field: Json, doublings: int) -> None:
    """Refuse what has no order; a text is compared as often as the list can be halved."""
    if isinstance(field, str):
        frame.spend(len(field) * doublings // CHARS_PER_STEP)
    elif not (is_number(field) or isinstance(field, datetime | timedelta)):
        raise EvaluationError(f"sorted() cannot order {kind_of(field)}; name a key of the items: sorted(list, 'price')")


def unique(frame: Frame, items: Json, key: Json = None) -> list[Json]:
    found: dict[Json, Json] = {}
    source = list_of(items, "unique()")
    frame.spend(len(source) * _UNIQUE_STEPS)
    for item, field in zip(source, _fields(frame, source, key, "unique()"), strict=True):
        found.setdefault(_identity(frame, field), item)
    return list(found.values())


def _identity(frame: Frame, value: Json) -> Json:
    """Return something that hashes and compares as `equal` does: 1 as 1.0 but not as true."""
    if isinstance(value, list | dict):
        frame.spend(weigh(frame, value, _UNIQUE_WEIGHT_MAX) * 2)
    elif isinstance(value, str):
        frame.spend(len(value) // CHARS_PER_STEP * 2)
    return _frozen(value)


def _frozen(value: Json) -> Json:
    if isinstance(value, list):
        return ("list", tuple(map(_frozen, value)))
    if isinstance(value, dict):
        return ("map", frozenset((key, _frozen(each)) for key, each in value.items()))
    return (kind_of(value), value)


def flatten(frame: Frame, items: Json) -> list[Json]:
    source = list_of(items, "flatten()")
    frame.spend(len(source) * 3)
    frame.allow_items(sum(len(item) if isinstance(item, list) else 1 for item in source))
    return [each for item in source for each in (item if isinstance(item, list) else (item,))]


def group_by(frame: Frame, items: Json, key: Json) -> dict[str, list[Json]]:
    """One group for each value as `==` tells them apart, under the text that it is written as.

    Where a text of the list would be written the same as another value, that one's kind is added: `null (null)`.
    """
    groups: dict[Json, tuple[str, list[Json]]] = {}
    source = list_of(items, "group_by()")
    frame.spend(len(source) * _GROUPED_STEPS)
    fields = _fields(frame, source, key, "group_by()")
    texts = {field for field in fields if isinstance(field, str)}
    for item, field in zip(source, fields, strict=True):
        identity = field if isinstance(field, str) else _identity(frame, _same(field))
        if identity not in groups:
            groups[identity] = (_group_name(frame, field, texts), [])  # refuses lists and maps
        groups[identity][1].append(item)
    return dict(groups.values())


def _group_name(frame: Frame, field: Json, texts: set[str]) -> str:
    if isinstance(field, str):
        return field
    name = "null" if field is None else written(frame, _same(field))
    while name in texts:
        name = f"{name} ({kind_of(field).removeprefix('a ')})"
    return name


def _same(field: Json) -> Json:
    """Return 1 for 1.0, so that what is equal is written the same."""
    whole = whole_of(field) if isinstance(field, float) else None
    return field if whole is None or not INTEGER_MIN <= whole <= INTEGER_MAX else whole


def chunk(frame: Frame, items: Json, size: Json) -> list[list[Json]]:
    source, step = list_of(items, "chunk()"), whole_number_of(size, "the size of a chunk")
    if step < 1:
        raise EvaluationError("a chunk has at least one item")
    frame.spend(len(source) + len(source) // step * 4)
    return [source[start : start + step] for start in range(0, len(source), step)]


def number_range(frame: Frame, *bounds: Json) -> list[int]:
    whole = [whole_number_of(bound, "range()'s argument") for bound in bounds]
    if len(whole) == 3 and whole[2] == 0:
        raise EvaluationError("range() needs a step that is not 0")
    numbers = range(*whole)
    frame.allow_items(_range_length(numbers))
    return list(numbers)


def _range_length(numbers: range) -> int:
    """`len` fails on a range longer than a machine word, so count by hand."""
    span = numbers.stop - numbers.start
    return max(0, -(-span // numbers.step))


def zip_lists(frame: Frame, *lists: Json) -> list[list[Json]]:
    columns = [list_of(each, "zip()") for each in lists]
    frame.spend(min(map(len, columns)) * (4 + len(columns)))
    return [list(row) for row in zip(*columns, strict=False)]


def first(_frame: Frame, items: Json) -> Json:
    return _end(items, 0, "first()")


def last(_frame: Frame, items: Json) -> Json:
    return _end(items, -1, "last()")


def _end(items: Json, index: int, what: str) -> Json:
    source = list_of(items, what)
    if not source:
        raise MissingError(lambda: f"{what} of an empty list: write default({what[:-1]}…), …) if that may be")
    return source[index]


def compact(_frame: Frame, items: Json) -> list[Json]:
    return [item for item in list_of(items, "compact()") if item is not None]


def any_true(_frame: Frame, items: Json) -> bool:
    return any(truth(item) for item in list_of(items, "any()"))


def all_true(_frame: Frame, items: Json) -> bool:
    return all(truth(item) for item in list_of(items, "all()"))


def is_text(_frame: Frame, value: Json) -> bool:
    return isinstance(value, str)


def is_numeric(_frame: Frame, value: Json) -> bool:
    return is_number(value)


def is_list(_frame: Frame, value: Json) -> bool:
    return isinstance(value, list)


def is_map(_frame: Frame, value: Json) -> bool:
    return isinstance(value, dict)


def without_omitted(items: list[Json]) -> list[Json]:
    """Return the items that are not `omit`."""
    return [item for item in items if item is not OMIT]
