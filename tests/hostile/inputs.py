"""Schemas and values that cost much to compare, or to explain, for their size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

Json = Any


def _nested(levels: int, width: int, key: str = "all", leaf: Json = None) -> Json:
    """Maps in lists in maps; each is a value of its own."""
    if levels == 0:
        return {"is": 1} if leaf is None else leaf
    return {
        key: [_nested(levels - 1, width if levels <= 4 else 1, key, leaf) for _ in range(width if levels <= 4 else 1)]
    }


FILTER: Final = {
    "$ref": "#/$defs/filter",
    "$defs": {
        "filter": {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in ("all", "any", "no", "is")]},
        "all": {"type": "object", "required": ["all"], "properties": {"all": {"items": {"$ref": "#/$defs/filter"}}}},
        "any": {"type": "object", "required": ["any"], "properties": {"any": {"items": {"$ref": "#/$defs/filter"}}}},
        "no": {"type": "object", "required": ["no"], "properties": {"no": {"$ref": "#/$defs/filter"}}},
        "is": {"type": "object", "required": ["is"], "properties": {"is": {"type": "string"}},
               "additionalProperties": False},
    },
}  # fmt: skip
_ONE_OF: Final = {**FILTER, "$defs": {**FILTER["$defs"], "filter": {"oneOf": FILTER["$defs"]["filter"]["anyOf"]}}}
_TREE: Final = {
    "$ref": "#/$defs/node",
    "$defs": {"node": {"type": "object", "required": ["v"], "properties": {
        "v": {"type": "integer"}, "left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"}}}},
}  # fmt: skip


def _tree(depth: int) -> Json:
    return {"v": "x"} if depth == 0 else {"v": 1, "left": _tree(depth - 1), "right": _tree(depth - 1)}


def _cards(count: int) -> Json:
    return {
        "oneOf": [{"properties": {"kind": {"const": f"k{n}"}, "x": {"type": "string"}}, "required": ["kind", "x"]}
                  for n in range(count)]
    }  # fmt: skip


CASES: Final[Mapping[str, Callable[[], tuple[Json, Json]]]] = {
    "a filter 30 deep": lambda: (FILTER, _nested(28, 1)),
    "a filter 30 deep and wide at its end": lambda: (FILTER, _nested(28, 5)),
    "a wide filter": lambda: (FILTER, {"all": [{"is": 1} for _ in range(5_000)]}),
    "a filter that excludes": lambda: (FILTER, {"no": _nested(20, 3)}),
    "a filter of exactly one alternative": lambda: (_ONE_OF, _nested(12, 2)),
    "a filter whose leaf is a list": lambda: (FILTER, _nested(20, 2, leaf=[[]])),
    "a filter that is a text": lambda: (FILTER, "x" * 100_000),
    "a tree of 4,000 nodes with wrong leaves": lambda: (_TREE, _tree(11)),
    "a list of 50,000 wrong numbers": lambda: ({"type": "array", "items": {"type": "string"}}, list(range(50_000))),
    "a map of 50,000 unexpected keys": lambda: (
        {"type": "object", "additionalProperties": False}, {f"k{n}": n for n in range(50_000)}
    ),
    "2,000 required keys that are missing": lambda: ({"required": [f"k{n}" for n in range(2_000)]}, {}),
    "500 alternatives told apart by a word": lambda: (_cards(500), {"kind": "k499"}),
    "500 alternatives of which none fits": lambda: (_cards(500), {"kind": "nobody"}),
    "1,000 alternatives of types": lambda: ({"anyOf": [{"const": n} for n in range(1_000)]}, "x"),
    "20,000 words of an enum": lambda: ({"enum": [f"w{n}" for n in range(20_000)]}, "x"),
    "an enum of long words": lambda: ({"enum": ["w" * 10_000 for _ in range(50)]}, "x"),
    "5,000 items that are all to be unlike": lambda: (
        {"type": "array", "uniqueItems": True}, [{"n": n % 4_999} for n in range(5_000)]
    ),
    "a long text against a pattern": lambda: ({"pattern": "^(a|b)*c$"}, "ab" * 50_000),
    "200 patterns for each of 500 keys": lambda: (
        {"type": "object", "patternProperties": {f"^a{n}": {"type": "string"} for n in range(200)}},
        {f"a{n}": n for n in range(500)},
    ),
    "names that do not fit": lambda: (
        {"propertyNames": {"maxLength": 3}}, {f"name{n}": 1 for n in range(5_000)}
    ),
    "200 allOf in one another": lambda: (
        {"allOf": [{"allOf": [{"required": [f"k{n}"]}]} for n in range(200)]}, {}
    ),
    "if, then and else 20 times": lambda: (
        {"allOf": [{"if": {"required": [f"k{n}"]}, "then": {"required": ["x"]}, "else": {"required": [f"k{n}"]}}
                   for n in range(20)]}, {},
    ),
    "what contains is not there": lambda: ({"contains": {"const": "x"}, "minContains": 3}, list(range(20_000))),
    "1,000 prefix items": lambda: ({"prefixItems": [{"type": "string"}] * 1_000}, list(range(1_000))),
    "what depends on 500 keys": lambda: (
        {"dependentRequired": {f"k{n}": [f"m{n}"] for n in range(500)}}, {f"k{n}": 1 for n in range(500)}
    ),
    "a value nested 60 deep under no schema": lambda: ({"type": "string"}, _nested(29, 1)),
    "a text of a megabyte that is too long": lambda: ({"type": "string", "maxLength": 10}, "x" * 1_000_000),
    "an integer that is to be a text, 10,000 times": lambda: (
        {"additionalProperties": {"type": "string"}}, {f"k{n}": n for n in range(10_000)}
    ),
    "formats of 10,000 texts": lambda: ({"items": {"format": "date-time"}}, ["x"] * 10_000),
    "refs that lead to refs 50 times": lambda: (
        {"$ref": "#/$defs/d0", "$defs": {**{f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(49)},
                                         "d49": {"type": "string"}}}, 1,
    ),
    "unevaluated properties of 2,000": lambda: (
        {"allOf": [{"properties": {"a": True}}], "unevaluatedProperties": False}, {f"k{n}": n for n in range(2_000)}
    ),
    "what not excludes": lambda: ({"not": {"type": "array"}}, list(range(50_000))),
}  # fmt: skip
