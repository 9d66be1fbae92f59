"""Fill in the defaults that an author's JSON Schema names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from avtomat.core.formula import Json

_REFERENCES_MAX = 32
_ABSENT: Json = object()


def defaults_of(schema: Json) -> Defaults | None:
    """The defaults of a schema; None for one that names none."""
    return Defaults(schema) if _names_default(schema) else None


def filled_default(root: Json, schema: Json) -> Json:
    """Return the default of a part of the schema `root`, with the defaults inside filled in."""
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
        self.made: dict[int, Json] = {}
        self.open: set[int] = set()
        self.parts: dict[int, tuple[dict[str, Json], ...]] = {}

    def fill(self, value: Json) -> Json:
        """Return `value` with each missing property that has a `default` in the schema, at any depth, as a new value.

        A `$ref` is followed, and a default is filled in itself; one that would stand in itself without end is left out.
        """
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
        for name, schema in properties.items():
            if name not in filled and (default := self._default(schema)) is not _ABSENT:
                filled[name] = default
        return filled

    def _default(self, schema: Json) -> Json:
        place = id(schema)
        if place in self.open:
            return _ABSENT
        if place not in self.made:
            written = next((part["default"] for part in self._parts(schema) if "default" in part), _ABSENT)
            self.open.add(place)
            self.made[place] = written if written is _ABSENT else self.fill_in(schema, written)
            self.open.discard(place)
        return self.made[place]

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
