"""Fill in the defaults that an author's JSON Schema names, up to a bound on what is added.

A list of many empty maps is a short text, and each of them may lack many properties. A default is made once and stands
in all the places where it was missing; what it adds is counted for each of them, as it will be when the input is
written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from avtomat.core.formula import Json

ADDED_VALUES_MAX: Final = 250_000
"""So many values may the defaults add to one input, those inside others counted."""

ADDED_BYTES_MAX: Final = 8_000_000
"""And so many characters of JSON, with their names."""

_REFERENCES_MAX = 32
_AROUND_BYTES = 4
"""The quotes around a name, the colon and the comma."""

_ABSENT: Json = object()


class DefaultsTooLargeError(Exception):
    """Defaults would add too much; the text says how much may be added."""


class _Made(NamedTuple):
    """A default with the defaults inside, and how much it adds where it is filled in."""

    value: Json
    values: int
    size: int


_NOTHING: Final = _Made(_ABSENT, 0, 0)


def defaults_of(schema: Json) -> Defaults | None:
    """The defaults of a schema; None for one that names none."""
    return Defaults(schema) if _names_default(schema) else None


def filled_default(root: Json, schema: Json) -> Json:
    """Return the default of a part of the schema `root`, with the defaults inside filled in. DefaultsTooLargeError."""
    return Defaults(root).fill_in(schema, schema["default"])


def _names_default(schema: Json) -> bool:
    left = [schema]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            if "default" in part:
                return True
            left += part.values()
        elif isinstance(part, list):
            left += part
    return False


class Defaults:
    """The defaults of one schema; each is made once, however often it is used."""

    def __init__(self, root: Json) -> None:
        self.root = root
        self.made: dict[int, _Made] = {}
        self.open: set[int] = set()
        self.parts: dict[int, tuple[dict[str, Json], ...]] = {}
        self._values = 0
        self._size = 0

    def fill(self, value: Json) -> Json:
        """Return `value` with each missing property that has a `default` in the schema, at any depth, as a new value.

        A `$ref` is followed, and a default is filled in itself; one that would stand in itself without end is left out.
        Raises DefaultsTooLargeError where more than ADDED_VALUES_MAX or ADDED_BYTES_MAX would be added.
        """
        self._values = self._size = 0
        return self.fill_in(self.root, value)

    def fill_in(self, schema: Json, value: Json) -> Json:
        """The same by a part of the schema."""
        for part in self._parts(schema):
            properties = part.get("properties")
            if isinstance(value, dict) and isinstance(properties, dict):
                value = self._fill_properties(properties, value)
            elif isinstance(value, list) and isinstance(part.get("items"), dict):
                value = [self.fill_in(part["items"], item) for item in value]
        return value

    def _fill_properties(self, properties: dict[str, Json], value: dict[str, Json]) -> dict[str, Json]:
        filled = {
            name: self.fill_in(properties[name], item) if name in properties else item for name, item in value.items()
        }
        values = size = 0
        for name, schema in properties.items():
            if name not in filled:
                default, its_values, its_size = self._default(schema)
                if default is not _ABSENT:
                    filled[name] = default
                    values += its_values
                    size += its_size + len(name)
        self._values += values
        self._size += size
        if self._values > ADDED_VALUES_MAX:
            raise DefaultsTooLargeError(f"the schema's defaults would add more than {ADDED_VALUES_MAX:,} values")
        if self._size > ADDED_BYTES_MAX:
            raise DefaultsTooLargeError(f"the schema's defaults would add more than {ADDED_BYTES_MAX:,} bytes")
        return filled

    def _default(self, schema: Json) -> _Made:
        place = id(schema)
        made = self.made.get(place)
        if made is None:
            if place in self.open:
                return _NOTHING
            self.open.add(place)
            try:
                made = self.made[place] = self._make(schema)
            finally:
                self.open.discard(place)
        return made

    def _make(self, schema: Json) -> _Made:
        written = next((part["default"] for part in self._parts(schema) if "default" in part), _ABSENT)
        if written is _ABSENT:
            return _NOTHING
        values, size = self._values, self._size
        value = self.fill_in(schema, written)
        inside_values, inside_size = self._values - values, self._size - size
        self._values, self._size = values, size
        own_size = len(json.dumps(written, ensure_ascii=False)) + _AROUND_BYTES
        return _Made(value, _count(written) + inside_values, own_size + inside_size)

    def _parts(self, schema: Json) -> Sequence[dict[str, Json]]:
        """The schema, and those that it refers to."""
        if not isinstance(schema, dict):
            return ()
        known = self.parts.get(id(schema))
        if known is None:
            known = self.parts[id(schema)] = tuple(self._followed(schema))
        return known

    def _followed(self, schema: Json) -> Iterator[dict[str, Json]]:
        for _ in range(_REFERENCES_MAX):
            if not isinstance(schema, dict):
                return
            yield schema
            schema = self._at(schema.get("$ref"))

    def _at(self, reference: Json) -> Json:
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        found = self.root
        for step in filter(None, reference[1:].split("/")):
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdecimal() and int(name[:9]) < len(found):
                found = found[int(name)]
            elif isinstance(found, dict) and name in found:
                found = found[name]
            else:
                return None
        return found


def _count(value: Json) -> int:
    """How many values it is made of, itself counted."""
    count, left = 0, [value]
    while left:
        top = left.pop()
        count += 1
        if isinstance(top, dict):
            left += top.values()
        elif isinstance(top, list):
            left += top
    return count
