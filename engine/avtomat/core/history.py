"""Tell what a commit changed, and put it together again.

A scope's record is a map of JSON values. `delta` gives what differs between two of them, `fold` applies it. Job
variables and outputs are compared by their top-level names, because that is how states set them. A `null` removes
what stood there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from avtomat.core.formula import Json

_BY_NAME = ("data", "outputs")


def delta(before: Mapping[str, Json], after: Mapping[str, Json]) -> dict[str, Json]:
    """Return the smallest map that makes `after` of `before`."""
    changed: dict[str, Json] = {}
    for key, value in after.items():
        old = before.get(key)
        if key in _BY_NAME and isinstance(old, Mapping):
            names = {name: item for name, item in value.items() if name not in old or not _same(old[name], item)}
            if names:
                changed[key] = names
        elif not _same(old, value):
            changed[key] = value
    changed.update({key: None for key in before if key not in after})
    return changed


def fold(changes: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    """Return the record that these changes, oldest first, make of nothing."""
    record: dict[str, Json] = {}
    for change in changes:
        for key, value in change.items():
            if key in _BY_NAME and isinstance(record.get(key), dict) and isinstance(value, Mapping):
                record[key] = {**record[key], **value}
            elif value is None:
                record.pop(key, None)
            else:
                record[key] = value
    return record


def _same(old: Json, new: Json) -> bool:
    """Equality that tells true from 1 and 1 from 1.0; the same object is the same value."""
    if old is new:
        return True
    if type(old) is not type(new):
        return False
    if isinstance(old, dict):
        return old.keys() == new.keys() and all(_same(value, new[key]) for key, value in old.items())
    if isinstance(old, list):
        return len(old) == len(new) and all(map(_same, old, new))
    return bool(old == new)
