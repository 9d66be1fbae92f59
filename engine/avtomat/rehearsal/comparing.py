"""Compare a value with what a test expects, and tell each difference at the place where it was expected.

Maps and lists are compared as a whole, whatever the order of keys; 1 and 1.0 are the same, true and 1 are not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from avtomat.blueprint.checks.shape import span_of_key
from avtomat.blueprint.yaml.nodes import Mapping as MappingNode
from avtomat.blueprint.yaml.nodes import Node, Span
from avtomat.blueprint.yaml.nodes import Sequence as SequenceNode
from avtomat.core.formula import Json

SHOWN_MAX = 120
NAMES_SHOWN_MAX = 24

Difference = tuple[Span, str]
"""Where it was expected, and what is different."""


def differences(expected: Node, got: Json, name: str, *, partly: bool = False) -> Iterator[Difference]:
    """All differences; with `partly` the outermost map may have more keys than are expected."""
    if isinstance(expected, MappingNode) and isinstance(got, dict):
        yield from _of_maps(expected, got, name, partly=partly)
    elif isinstance(expected, SequenceNode) and isinstance(got, list):
        yield from _of_lists(expected, got, name)
    elif not same(expected.value, got):
        yield expected.span, f"{name}: expected {shown(expected.value)}, got {shown(got)}"


def _of_maps(expected: MappingNode, got: dict[str, Json], name: str, *, partly: bool) -> Iterator[Difference]:
    for key, node in expected.items.items():
        if key in got:
            yield from differences(node, got[key], f"{name}.{key}")
        else:
            yield span_of_key(expected, key), f"{name}.{key}: expected {shown(node.value)}, but it is not there"
    for key in got if not partly else ():
        if key not in expected.items:
            yield expected.span, f"{name}.{key}: not expected, but it is there: {shown(got[key])}"


def _of_lists(expected: SequenceNode, got: list[Json], name: str) -> Iterator[Difference]:
    for at, node in enumerate(expected.items[: len(got)]):
        yield from differences(node, got[at], f"{name}[{at}]")
    if len(expected.items) != len(got):
        span = expected.items[len(got)].span if len(expected.items) > len(got) else expected.span
        yield span, f"{name}: expected {len(expected.items)} in the list, got {len(got)}: {shown(got)}"


def order_differs(expected: Node, got: Sequence[str], name: str, arrow: str) -> Iterator[Difference]:
    """One difference for a row of names: at the first that is another."""
    nodes = expected.items if isinstance(expected, SequenceNode) else ()
    wanted = [str(node.value) for node in nodes]
    if wanted != [*got]:
        pairs = zip_longest(nodes, got)
        first = next((node for node, one in pairs if node is None or node.value != one), None)
        text = f"{name}: expected {row(wanted, arrow)}, got {row(got, arrow)}"
        yield (expected if first is None else first).span, text


def same(expected: Json, got: Json) -> bool:
    """Equality of JSON: numbers by their value, true and false apart from numbers."""
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    if isinstance(expected, dict) and isinstance(got, dict):
        return expected.keys() == got.keys() and all(same(value, got[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and all(map(same, expected, got))
    return bool(expected == got)


def shown(found: Json) -> str:
    """A value in a message."""
    text = json.dumps(found, ensure_ascii=False)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


def row(names: Sequence[str], arrow: str) -> str:
    """Names in a message; of many the first and the last ones."""
    if len(names) > NAMES_SHOWN_MAX:
        half = NAMES_SHOWN_MAX // 2
        names = [*names[:half], f"… {len(names) - 2 * half} more …", *names[-half:]]
    return arrow.join(names) or "none"
