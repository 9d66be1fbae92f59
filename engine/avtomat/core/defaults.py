"""Fill in the defaults that an author's JSON Schema names."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.core.formula import Json

_REFERENCES_MAX = 32
_ABSENT: Json = object()


def fill_defaults(schema: Json, value: Json) -> Json:
    """Return `value` with each missing property that has a `default` in `schema`, at any depth, as a new value.

    A `$ref` is followed, and a default is filled in itself; one that would stand in itself without end is left out.
    """
    return _Filler(schema).fill(schema, value)


def filled_default(root: Json, schema: Json) -> Json:
    """Return the default of a part of the schema `root`, with the defaults inside filled in."""
    return _Filler(root).fill(schema, schema["default"])


class _Filler:
    """The defaults of one schema; each is made once, however often it is used."""

    def __init__(self, root: Json) -> None:
        self.root = root
        self.made: dict[int, Json] = {}
        self.open: set[int] = set()

    def fill(self, schema: Json, value: Json) -> Json:
        for part in self._parts(schema):
            properties = part.get("properties")
            if isinstance(value, dict) and isinstance(properties, dict):
                value = self._fill_properties(properties, value)
            elif isinstance(value, list) and isinstance(part.get("items"), dict):
                value = [self.fill(part["items"], item) for item in value]
        return value

    def _fill_properties(self, properties: dict[str, Json], value: dict[str, Json]) -> dict[str, Json]:
        filled = {
            name: self.fill(properties[name], item) if name in properties else item for name, item in value.items()
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
            self.made[place] = written if written is _ABSENT else self.fill(schema, written)
            self.open.discard(place)
        return self.made[place]

    def _parts(self, schema: Json) -> Iterator[dict[str, Json]]:
        """The schema, and those that it refers to."""
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
