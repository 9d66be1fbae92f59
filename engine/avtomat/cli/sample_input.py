"""Make up an input that a blueprint would accept, to show how a job of it is started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from avtomat.core.formula import Json

DEPTH_MAX: Final = 5
_SIMPLE: Final[Mapping[str, Json]] = {"string": "text", "integer": 1, "number": 1, "boolean": True, "null": None}


def sample_of(schema: Json, depth: int = 0) -> Json:
    """A value for the schema: what it offers itself (default, example, const, enum), else the smallest of its type.

    It is an illustration: constraints between values, patterns and references are not looked at.
    """
    if not isinstance(schema, dict) or depth > DEPTH_MAX:
        return {} if depth == 0 else None
    if "const" in schema:
        return schema["const"]
    if "default" in schema:
        return schema["default"]
    for key in ("examples", "enum"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    return _of_type(schema, depth)


def _of_type(schema: Mapping[str, Json], depth: int) -> Json:
    declared = schema.get("type", "object" if depth == 0 or "properties" in schema else "string")
    match declared[0] if isinstance(declared, list) and declared else declared:
        case "object":
            properties = schema.get("properties") or {}
            return {name: sample_of(properties.get(name, {}), depth + 1) for name in schema.get("required") or ()}
        case "array":
            return [sample_of(schema.get("items"), depth + 1)] if schema.get("minItems", 0) or "items" in schema else []
        case "integer" | "number" if isinstance(schema.get("minimum"), int | float):
            return schema["minimum"]
        case simple:
            return _SIMPLE.get(str(simple))
