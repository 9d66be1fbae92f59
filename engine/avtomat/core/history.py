"""Tell what a commit changed, and put it together again.

A scope's record is a map of JSON values. `delta` gives what differs between two of them, `fold` applies it. Job
variables and outputs are compared by their top-level names, because that is how states set them; names that are there
no longer stand under `gone`. Elsewhere a `null` removes what stood there: no field of a record is null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from avtomat.core.formula import Json

_BY_NAME = ("data", "outputs")
_GONE = "gone"


def delta(before: Mapping[str, Json], after: Mapping[str, Json]) -> dict[str, Json]:
    """Return the smallest map that makes `after` of `before`."""
    changed: dict[str, Json] = {}
    gone: dict[str, list[str]] = {}
    for key, value in after.items():
        old = before.get(key)
        if key in _BY_NAME and isinstance(old, Mapping):
            gone[key] = _gone(old, value)
            names = {name: value[name] for name in value if not _stays(name, old, value, gone[key])}
            if names:
                changed[key] = names
        elif not _same(old, value):
            changed[key] = value
    changed.update({key: None for key in before if key not in after})
    removed = {key: names for key, names in gone.items() if names}
    return {**changed, _GONE: removed} if removed else changed


def fold(changes: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    """Return the record that these changes, oldest first, make of nothing."""
    record: dict[str, Json] = {}
    for change in changes:
        for key, names in change.get(_GONE, {}).items():
            record[key] = {name: value for name, value in record[key].items() if name not in names}
        for key, value in change.items():
            if key in _BY_NAME and isinstance(record.get(key), dict) and isinstance(value, Mapping):
                record[key] = {**record[key], **value}
            elif value is None:
                record.pop(key, None)
            elif key != _GONE:
                record[key] = value
    return record


def _gone(old: Mapping[str, Json], new: Mapping[str, Json]) -> list[str]:
    """The names to remove: all of them where those that stay change their order, because order is content too."""
    stay = [name for name in old if name in new]
    return [name for name in old if name not in new] if stay == list(new)[: len(stay)] else list(old)


def _stays(name: str, old: Mapping[str, Json], new: Mapping[str, Json], gone: list[str]) -> bool:
    return name in old and name not in gone and _same(old[name], new[name])


def _same(old: Json, new: Json) -> bool:
    """Equality that tells true from 1, 1 from 1.0, and one order of keys from another; the same object is the same."""
    if old is new:
        return True
    if type(old) is not type(new):
        return False
    if isinstance(old, dict):
        return list(old) == list(new) and all(_same(value, new[key]) for key, value in old.items())
    if isinstance(old, list):
        return len(old) == len(new) and all(map(_same, old, new))
    return bool(old == new)
