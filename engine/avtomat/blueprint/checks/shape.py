"""Check the shape of a file against its schema: schemas/blueprint.schema.json, or that of tests of blueprints.

The schema says what may stand where; its `title` is what a finding says was expected. A key that is plainly a slip or
another system's word is reported and then read as what was meant, so that one wrong word does not cause ten findings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import jsonschema_rs

from avtomat.blueprint.checks.shape_words import (
    WORDS_OF_OTHERS,
    better_name,
    describe,
    enough,
    hint_on_type,
    hint_on_unknown,
    kind_of,
    name_hint,
)
from avtomat.blueprint.findings import codes_schema as codes
from avtomat.blueprint.findings.finding import FOUND_MAX, Finding
from avtomat.blueprint.language.spelling import listed, meant
from avtomat.blueprint.yaml.nodes import Mapping, Node, Scalar, Sequence, Span
from avtomat.core.duration import parse_duration
from avtomat.core.formula import Json
from avtomat.resources import schema_text

REPAIRS_MAX = 4

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)

BLUEPRINT = "blueprint"
"""The name of the schema of blueprints."""

_MISSING_IN_SCHEDULE = {"name": "give it a name: name: nightly", "cron": "say when: cron: '0 6 * * *'"}

Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A file whose shape was checked: as it was meant, and what is wrong with it."""

    root: Node
    findings: tuple[Finding, ...]


def check_shape(root: Node, schema: str = BLUEPRINT) -> Checked:
    """Check the whole file against the shipped schema of this name; the findings are in no order."""
    findings: list[Finding] = []
    for _ in range(REPAIRS_MAX):
        faults = [*islice(_validator(schema).iter_errors(root.value), FOUND_MAX)]
        if not faults:
            break
        renamed = [*islice(_misspelt(root, faults, schema), FOUND_MAX)]
        if not renamed:
            return Checked(root=root, findings=(*findings, *islice(_explain_all(root, faults, schema), FOUND_MAX)))
        findings += [finding for *_, finding in renamed]
        root = _rename(root, _tree_of(renamed))
    return Checked(root=root, findings=tuple(findings))


@cache
def _schema(name: str) -> Json:
    return json.loads(schema_text(name))


@cache
def _validator(name: str) -> Any:
    return jsonschema_rs.Draft7Validator(_schema(name))


def _definition(fault: Any, schema: str) -> dict[str, Any]:
    """The part of the schema whose keyword was not met."""
    part = _schema(schema)
    for step in list(fault.schema_path)[:-1]:
        part = part[step]
    return part if isinstance(part, dict) else {}


def _path(fault: Any) -> Path_:
    return tuple(fault.instance_path)


# --- words that were meant otherwise ---------------------------------------------------------------------------------


def _misspelt(root: Node, faults: list[Any], schema: str) -> Iterator[tuple[Path_, str, str, Finding]]:
    for fault in faults:
        if fault.kind.name != "additionalProperties":
            continue
        node = node_at(root, _path(fault))
        taken = set(node.value) if isinstance(node, Mapping) else set()
        for word in _in_order(fault.kind.unexpected, node):
            new = _meant(word, node, fault, taken, schema)
            if new is not None:
                taken.add(new)
                message = f"unknown key `{word}`"
                finding = codes.UNKNOWN_KEY.at(span_of_key(node, word), message, f"write {new}")
                yield _path(fault), word, new, finding


def _in_order(words: list[str], node: Node) -> list[str]:
    """The words as they stand in the file."""
    unexpected = set(words)
    return [key for key in node.value if key in unexpected]


def _meant(word: str, node: Node, fault: Any, taken: set[str], schema: str) -> str | None:
    kinds = kind_names(schema)
    allowed = list(_definition(fault, schema).get("properties", {}))
    if "transitions" in allowed and not taken & set(kinds):
        allowed += kinds
    if word in kinds and taken & set(kinds) - {word}:
        return None
    free = [name for name in allowed if name not in taken]
    if {"factor", "delay"} <= {*free} and isinstance(node, Mapping) and _is_duration(node.items[word]):
        free.remove("factor")
    new = meant(word, free)
    return None if new is None or (word == "type" and new == "task") else new


def _is_duration(node: Node) -> bool:
    return isinstance(node.value, str) and parse_duration(node.value) is not None


@cache
def kind_names(schema: str = BLUEPRINT) -> tuple[str, ...]:
    """The keys that make a state what it is, in the schema's order; only blueprints have states."""
    names = (name for name in _schema(schema)["definitions"] if name.endswith("State") and name != "passState")
    return tuple(name.removesuffix("State") for name in names)


@cache
def kinds_with(key: str) -> tuple[str, ...]:
    """The kinds of states that have this key."""
    definitions = _schema(BLUEPRINT)["definitions"]
    return tuple(kind for kind in kind_names() if key in definitions[f"{kind}State"]["properties"])


@dataclass(slots=True)
class _Renames:
    """The keys of one map that get another name, and those below it, by step."""

    names: dict[str, str]
    below: dict[str | int, _Renames]


def _tree_of(renamed: list[tuple[Path_, str, str, Finding]]) -> _Renames:
    root = _Renames({}, {})
    for path, old, new, _ in renamed:
        at = root
        for step in path:
            at = at.below.setdefault(step, _Renames({}, {}))
        at.names[old] = new
    return root


def _rename(node: Node, renames: _Renames) -> Node:
    """Return the same value with keys renamed, in one walk; nodes are never changed."""
    below = renames.below
    if isinstance(node, Sequence):
        items = tuple(_rename(item, below[n]) if n in below else item for n, item in enumerate(node.items))
        return Sequence(value=[item.value for item in items], items=items, start=node.start, end=node.end)
    if not isinstance(node, Mapping):
        return node
    named = {key: renames.names.get(key, key) for key in node.items}
    inner = {named[k]: _rename(v, below[k]) if k in below else v for k, v in node.items.items()}
    keys = {named.get(key, key): value for key, value in node.keys.items()}
    return Mapping(value={k: v.value for k, v in inner.items()}, keys=keys, items=inner, start=node.start, end=node.end)


# --- places ----------------------------------------------------------------------------------------------------------


def node_at(root: Node, path: Path_) -> Node:
    """The value at a path of keys and indexes."""
    for step in path:
        if isinstance(root, Mapping):
            root = root.items[str(step)]
        elif isinstance(root, Sequence):
            root = root.items[int(step)]
    return root


def span_of_key(node: Node, key: str) -> Span:
    """Where the key of a map is written."""
    return node.keys[key].span if isinstance(node, Mapping) and key in node.keys else node.span


def _span(root: Node, path: Path_) -> Span:
    """Where a finding about the value at `path` points: at the value, or at its key when nothing is written there."""
    node = node_at(root, path)
    if not path or (isinstance(node, Scalar) and not node.is_empty):
        return node.span
    parent = node_at(root, path[:-1])
    return span_of_key(parent, str(path[-1])) if isinstance(parent, Mapping) else node.span


# --- findings --------------------------------------------------------------------------------------------------------


def _explain_all(root: Node, faults: list[Any], schema: str) -> Iterator[Finding]:
    seen: set[tuple[Path_, str]] = set()
    for fault in faults:
        place = (_path(fault), fault.kind.name)
        if fault.kind.name not in {"additionalProperties", "required"} and place in seen:
            continue
        seen.add(place)
        yield from _explain(root, fault, schema)


def _explain(root: Node, fault: Any, schema: str) -> Iterator[Finding]:
    path = _path(fault)
    node = node_at(root, path)
    subject = _subject(path)
    expected = _definition(fault, schema).get("title", "something else")
    match fault.kind.name:
        case "additionalProperties":
            yield from _unknown_keys(node, fault, schema)
        case "required":
            yield _missing(root, path, node, fault.kind.property)
        case "propertyNames":
            yield from _bad_names(node)
        case "const" if path == ("avtomat",):
            hint = "write avtomat: 1"
            yield codes.LANGUAGE_VERSION.at(
                _span(root, path), f"version {kind_of(node)} of the language is not known", hint
            )
        case "enum" | "const":
            yield codes.NOT_ONE_OF.at(
                _span(root, path), f"{subject} is {expected}, not {describe(node)}", _nearest(path, node, fault)
            )
        case "pattern":
            message = f"{subject} is {expected}, not {describe(node)}"
            yield codes.BAD_NAME.at(_span(root, path), message, better_name(path, node))
        case "minimum" | "maximum":
            bound = "at least" if fault.kind.name == "minimum" else "at most"
            message = f"{subject} is {bound} {enough(fault.kind.limit)}, not {describe(node)}"
            yield codes.OUT_OF_RANGE.at(_span(root, path), message)
        case "minItems" | "minProperties":
            yield codes.EMPTY.at(_span(root, path), f"{subject} is empty", f"expected: {expected}")
        case _:
            yield _wrong_type(root, path, node, subject, expected)


def _wrong_type(root: Node, path: Path_, node: Node, subject: str, expected: str) -> Finding:
    if isinstance(node, Scalar) and node.is_empty:
        message = f"{subject} has no value, but should be {expected}"
        hint = "if the lines below belong to it, indent them deeper than it"
        return codes.WRONG_TYPE.at(_span(root, path), message, hint)
    hint_text = hint_on_type(path, node, expected)
    if path[:-1] == ("states",) and kinds_with(str(path[-1])):
        hint_text = f"`{path[-1]}` is a key of a state: indent it deeper than the state's name"
    return codes.WRONG_TYPE.at(_span(root, path), f"{subject} should be {expected}, not {describe(node)}", hint_text)


def _unknown_keys(node: Node, fault: Any, schema: str) -> Iterator[Finding]:
    present = [kind for kind in kind_names(schema) if isinstance(node, Mapping) and kind in node.items]
    definition = _definition(fault, schema)
    allowed = list(definition.get("properties", {}))
    for word in fault.kind.unexpected:
        span = span_of_key(node, word)
        if word in present:
            first = next((kind for kind in present if kind in allowed), "states")
            message = f"a state is of one kind, and this one has `{first}` and `{word}`"
            hint = f"put `{word}` into a state of its own, and go there with next"
            yield codes.TWO_KINDS.at(span, message, hint)
        elif present and kinds_with(word):
            message = f"`{word}` does not go with `{present[0]}`"
            yield codes.UNKNOWN_KEY.at(span, message, f"it goes with {listed(kinds_with(word))}")
        else:
            hint = hint_on_unknown(word, node, allowed) or f"known here: {listed(allowed, 20)}"
            yield codes.UNKNOWN_KEY.at(span, f"unknown key `{word}`", hint)


def _missing(root: Node, path: Path_, node: Node, key: str) -> Finding:
    span = _span(root, path) if path else Span(line=node.span.line, column=node.span.column)
    owner = "the file" if not path else _subject(path)
    if "schedule" in path:
        return codes.MISSING_KEY.at(span, f"{owner} has no `{key}`", _MISSING_IN_SCHEDULE.get(key))
    hints = {
        "avtomat": "write avtomat: 1 in the first line",
        "blueprint": "give it a name: blueprint: order_fulfilment",
        "states": "list the states: states: {greet: {task: greet}}",
        "to": "say where to go: to: name_of_a_state; or to: end",
        "do": "say what is done for each item: do: {task: …}",
        "foreach": "say over which list: foreach: '{{ input.items }}'",
        "test": "say which blueprint it tests: test: order_fulfilment.yaml",
        "cases": "list the cases: cases: [{name: a good day, input: {}}]",
        "name": "say in a few words what the case shows: name: a declined card gives the stock back",
    }
    return codes.MISSING_KEY.at(span, f"{owner} has no `{key}`", hints.get(key, f"add {key}"))


def _bad_names(node: Node) -> Iterator[Finding]:
    title = "a name of letters, digits and _, beginning with a letter"
    for name in node.items if isinstance(node, Mapping) else ():
        if not _NAME.fullmatch(name) and not name.startswith("x-"):
            yield codes.BAD_NAME.at(span_of_key(node, name), f"`{name}` is not {title}", name_hint(name))


def _nearest(path: Path_, node: Node, fault: Any) -> str | None:
    options = [str(option) for option in getattr(fault.kind, "options", ())]
    others = WORDS_OF_OTHERS.get(str(path[-1]) if path else "", {})
    new = others.get(kind_of(node).lower()) or meant(str(node.value), options)
    return f"write {new}" if new else None


def _subject(path: Path_) -> str:
    """What a message calls the value: its key, or the place in a list."""
    if not path:
        return "the file"
    if isinstance(path[-1], int):
        owner = next((str(step) for step in reversed(path) if isinstance(step, str)), "the list")
        return f"entry {path[-1] + 1} of `{owner}`"
    return f"`{path[-1]}`"
