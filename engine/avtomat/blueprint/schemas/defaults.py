"""Check the defaults that authors write in JSON Schemas, as they are filled into inputs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple
from urllib.parse import quote

from avtomat.blueprint.schemas.checked import KEYWORDS, ROOT, SchemaFault, compile_schema
from avtomat.blueprint.schemas.explainer import PROBLEMS_MAX
from avtomat.blueprint.yaml.nodes import Mapping, Node, Sequence
from avtomat.core.defaults import DefaultsTooLargeError, filled_default
from avtomat.core.formula import Json

VALUES_MAX = 10_000
"""So many values may all defaults of a schema be made of, those inside others counted."""


class _Default(NamedTuple):
    pointer: str
    schema: Mapping
    value: Json


def wrong_defaults(root: Node) -> list[SchemaFault]:
    """Return the defaults that their own schemas refuse: every input that leaves them out would be refused, too."""
    room = VALUES_MAX
    found: list[_Default] = []
    for pointer, schema in _schemas_with_default(root, ""):
        try:
            value = filled_default(root.value, schema.value)
            room -= _count(value, room)
        except DefaultsTooLargeError:
            room = 0
        if room <= 0:
            message = f"the defaults are made of more than {VALUES_MAX:,} values"
            return [SchemaFault(span=schema.keys["default"].span, message=message, hint="write smaller defaults")]
        found.append(_Default(pointer, schema, value))
    return [_fault(default) for default in islice(_wrong(root, found), PROBLEMS_MAX)]


def _wrong(root: Node, defaults: list[_Default]) -> Iterator[_Default]:
    """Those that do not fit, found by halving: the whole schema is compiled for each question."""
    if not defaults or _all_fit(root, defaults):
        return
    if len(defaults) == 1:
        yield from defaults
        return
    middle = len(defaults) // 2
    yield from _wrong(root, defaults[:middle])
    yield from _wrong(root, defaults[middle:])


def _schemas_with_default(node: Node, pointer: str) -> Iterator[tuple[str, Mapping]]:
    if not isinstance(node, Mapping):
        return
    if "default" in node.items:
        yield pointer, node
    for key, value in node.items.items():
        match KEYWORDS.get(key):
            case "schema":
                yield from _schemas_with_default(value, f"{pointer}/{key}")
            case "map of schemas" if isinstance(value, Mapping):
                for name, inner in value.items.items():
                    yield from _schemas_with_default(inner, f"{pointer}/{key}/{_step(name)}")
            case "list of schemas" if isinstance(value, Sequence):
                for index, inner in enumerate(value.items):
                    yield from _schemas_with_default(inner, f"{pointer}/{key}/{index}")


def _step(name: str) -> str:
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~")


def _count(value: Json, most: int) -> int:
    """Return how many values `value` is made of, at most about `most`; parts may be shared."""
    count, pending = 0, [value]
    while pending and count <= most:
        top = pending.pop()
        count += 1
        if isinstance(top, dict | list) and len(top) <= most:
            pending += top.values() if isinstance(top, dict) else top
        elif isinstance(top, dict | list):
            return most
    return count


def _all_fit(root: Node, defaults: list[_Default]) -> bool:
    refers = {str(index): {"$ref": f"{ROOT}#{default.pointer}"} for index, default in enumerate(defaults)}
    check = compile_schema({"properties": refers}, root=root.value)
    return bool(check.is_valid({str(index): default.value for index, default in enumerate(defaults)}))


def _fault(default: _Default) -> SchemaFault:
    node = default.schema.items["default"]
    kind = default.schema.value.get("type")
    names_type = isinstance(kind, str) and not isinstance(node, Mapping | Sequence)
    hint = f"write one of type {kind}" if names_type else "write one that the schema takes"
    if kind == "boolean" and node.value in {"yes", "no", "on", "off"}:
        hint = f"write {'true' if node.value in {'yes', 'on'} else 'false'}"
    return SchemaFault(span=node.span, message="its own schema refuses this default", hint=hint)
