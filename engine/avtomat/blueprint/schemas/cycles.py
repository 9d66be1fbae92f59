"""Find the references of a JSON Schema that lead back to where they stand without a step into the value.

`{$defs: {d: {$ref: '#/$defs/d'}}}` describes nothing: whoever follows it is never done, and the library, which stops
there, checks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from avtomat.blueprint.schemas.checked import KEYWORDS, SchemaFault
from avtomat.blueprint.yaml.nodes import Mapping, Node, Sequence, Span

_OF_SAME_VALUE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
"""Keywords whose schemas look at the same value as the schema around them."""
_HINT = "write what the value should be; a schema may name itself below properties or items"

Step = tuple[Mapping, Span]
"""A schema that looks at the same value, and the place that leads to it."""


def endless_references(root: Node) -> list[SchemaFault]:
    """Return the places that close a circle, one of each."""
    found: list[SchemaFault] = []
    done: set[int] = set()
    for schema in _schemas(root):
        found += [_fault(span) for span in _circles(root, schema, done)]
    return found


def _circles(root: Node, start: Mapping, done: set[int]) -> Iterator[Span]:
    """Go every way from `start` that was not gone yet; no call within a call, because ways may be long."""
    way = [] if id(start) in done else [(start, _steps(root, start))]
    on_way = {id(schema) for schema, _steps_on in way}
    while way:
        schema, steps = way[-1]
        target, span = next(steps, (None, schema.span))
        if target is None:
            way.pop()
            on_way.discard(id(schema))
            done.add(id(schema))
        elif id(target) in on_way:
            yield span
        elif id(target) not in done:
            on_way.add(id(target))
            way.append((target, _steps(root, target)))


def _steps(root: Node, schema: Mapping) -> Iterator[Step]:
    reference = schema.items.get("$ref")
    if reference is not None and isinstance(target := _behind(root, str(reference.value)), Mapping):
        yield target, reference.span
    for key in _OF_SAME_VALUE:
        if key in schema.items:
            yield from ((inner, inner.span) for inner in _inner(key, schema.items[key]))


def _behind(root: Node, reference: str) -> Node | None:
    """What a pointer leads to; None for other references."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    at: Node | None = root
    for step in unquote(reference).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(at, Mapping):
            at = at.items.get(name)
        elif isinstance(at, Sequence) and name.isdecimal() and int(name) < len(at.items):
            at = at.items[int(name)]
        else:
            return None
    return at


def _schemas(node: Node) -> Iterator[Mapping]:
    """A schema and all that stand in it, those around first."""
    if isinstance(node, Mapping):
        yield node
        for key, value in node.items.items():
            for inner in _inner(key, value):
                yield from _schemas(inner)


def _inner(key: str, value: Node) -> Iterator[Mapping]:
    """The schemas directly below a keyword, without those that are true or false."""
    kind = KEYWORDS.get(key)
    inner: tuple[Node, ...] = ()
    if kind == "schema":
        inner = (value,)
    elif kind == "map of schemas" and isinstance(value, Mapping):
        inner = tuple(value.items.values())
    elif kind == "list of schemas" and isinstance(value, Sequence):
        inner = tuple(value.items)
    yield from (each for each in inner if isinstance(each, Mapping))


def _fault(span: Span) -> SchemaFault:
    message = "this schema leads back to itself without a step into the value: it would check nothing"
    return SchemaFault(span=span, message=message, hint=_HINT)
