"""Fill in the defaults that an author's JSON Schema names."""

from __future__ import annotations

from avtomat.core.formula import Json


def fill_defaults(schema: Json, value: Json) -> Json:
    """Return `value` with each missing property that has a `default` in `schema`, at any depth, as a new value."""
    if not isinstance(schema, dict):
        return value
    if isinstance(value, dict) and isinstance(schema.get("properties"), dict):
        return _fill_properties(schema["properties"], value)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [fill_defaults(schema["items"], item) for item in value]
    return value


def _fill_properties(properties: dict[str, Json], value: dict[str, Json]) -> dict[str, Json]:
    filled = {name: fill_defaults(properties.get(name), item) for name, item in value.items()}
    for name, schema in properties.items():
        if name not in filled and isinstance(schema, dict) and "default" in schema:
            filled[name] = schema["default"]
    return filled
