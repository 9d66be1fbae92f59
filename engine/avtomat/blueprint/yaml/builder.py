"""Build Nodes from the events of the YAML parser, and collect what the language does not allow.

One Builder reads one text. It goes on after a finding wherever it can, so that one run shows them all; a broken limit
or a fault of syntax ends it, and then there is no value.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ruamel.yaml.cyaml import CParser  # type: ignore[attr-defined] # the package lists no exports
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from avtomat.blueprint.findings import codes_source as codes
from avtomat.blueprint.findings.finding import Code, Finding
from avtomat.blueprint.yaml import accidents, syntax_faults
from avtomat.blueprint.yaml.lookalikes import CLOSING_QUOTES
from avtomat.blueprint.yaml.nodes import Mapping, Mark, Node, Scalar, Sequence, Span, span_between
from avtomat.blueprint.yaml.scalars import SUSPECT, is_out_of_range, note_on, quoted, resolve
from avtomat.blueprint.yaml.surrogates import SurrogatePairs

DEPTH_MAX = 64
ALIASES_MAX = 50
NODES_MAX = 100_000
_QUOTES = "\"'" + CLOSING_QUOTES

Event = Any


class _Stop(Exception):  # noqa: N818 - not an error: the way out of a deep recursion
    """What follows cannot be read; the finding is already there."""


class Builder:
    """Turns one YAML text into a Node. `findings` are in the order in which they were made."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.findings: list[Finding] = []
        self._pairs = SurrogatePairs(text)
        self._parser = CParser(self._pairs.text)
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._unfinished: set[str] = set()
        self._nodes = 0
        self._aliases = 0
        self._open: list[Event] = []
        self._last: Scalar | None = None

    def build(self) -> Node | None:
        """Return the value of the one document, or None when there is none that can be used."""
        try:
            root = self._document()
        except _Stop:
            return None
        except MarkedYAMLError as error:
            lone = self._pairs.lone_at(error)
            if lone is not None:
                hint = "a character past U+FFFF is a pair such as \\ud83d\\ude00; remove the half, or write the whole"
                self._find(codes.FORBIDDEN_CHARACTER, lone, "half of a character stands alone here", hint)
                return None
            known = {finding.span.line for finding in self.findings if finding.code in accidents.CODES}
            explained = syntax_faults.explain(error, self.text, self._last, self._open)
            if explained.span.line not in known:
                self.findings.append(explained)
            return None
        return root

    def _document(self) -> Node | None:
        parser = self._parser
        parser.get_event()
        event = parser.get_event()
        if isinstance(event, StreamEndEvent):
            return None
        self._check_directives(event)
        root = self._node(parser.get_event(), 1)
        parser.get_event()
        following = parser.get_event()
        if isinstance(following, DocumentStartEvent):
            span = span_between(following.start_mark, following.end_mark)
            self._find(codes.MANY_DOCUMENTS, span, "a second document begins here", "put it in a file of its own")
        return None if isinstance(root, Scalar) and root.is_empty else root

    def _check_directives(self, event: Event) -> None:
        if event.version is not None or event.tags:
            message = "directives (lines that begin with %) are not used"
            self._find(codes.MANY_DOCUMENTS, Span(line=1, column=1), message, "remove the line")

    # --- nodes -------------------------------------------------------------------------------------------------------

    def _node(self, event: Event, depth: int) -> Node:
        self._nodes += 1
        if depth > DEPTH_MAX or self._nodes > NODES_MAX:
            raise self._too_large(event, depth)
        node: Node
        if event.__class__ is ScalarEvent:
            node = self._scalar(event)
        elif event.__class__ is AliasEvent:
            return self._alias(event, depth)
        else:
            node = self._collection(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, _weigh(node))
        return node

    def _collection(self, event: Event, depth: int) -> Node:
        if event.tag is not None:
            self._find_tag(event, "")
        if event.anchor is not None:
            self._unfinished.add(event.anchor)
        self._open.append(event)
        node: Node
        node = self._mapping(event, depth) if isinstance(event, MappingStartEvent) else self._sequence(event, depth)
        self._open.pop()
        self._unfinished.discard(event.anchor)
        return node

    def _key(self, event: Event, depth: int) -> Node:
        """A key is a text, whatever it looks like."""
        if event.__class__ is not ScalarEvent or event.ctag is not None or event.anchor is not None:
            return self._node(event, depth)
        self._nodes += 1
        text = self._pairs.read(event)
        self._last = key = Scalar(text, text, event.style or "", event.start_mark, event.end_mark)
        return key

    def _scalar(self, event: Event) -> Scalar:
        text = self._pairs.read(event)
        style: str = event.style or ""
        if style:
            scalar = Scalar(text, text, style, event.start_mark, event.end_mark)
            if style == '"' and "\0" in text:
                self._find(codes.FORBIDDEN_CHARACTER, scalar.span, "character U+0000 is not allowed", "remove it")
        else:
            scalar = self._plain(event, text)
        if event.ctag is not None:
            scalar = self._tagged(event, scalar)
        self._last = scalar
        return scalar

    def _tagged(self, event: Event, scalar: Scalar) -> Scalar:
        """A stand-in for a value with a tag: the text that was probably meant."""
        self._find_tag(event, scalar.text)
        meant = f"{event.tag.lstrip('!')} {scalar.text}".strip() if event.tag[:2] != "!!" else scalar.text
        return Scalar(meant, meant, "'", scalar.start, scalar.end)

    def _plain(self, event: Event, text: str) -> Scalar:
        value = resolve(text)
        scalar = Scalar(value, text, "", event.start_mark, event.end_mark)
        if value is text and text[0] in SUSPECT:
            self._check_number(scalar)
        if value is text and text[-1] in _QUOTES:
            self.findings.extend(accidents.stray_quote(scalar))
        if self.text.startswith(" #", scalar.end.index):
            self.findings.extend(accidents.cut_by_comment(scalar, self.text))
        return scalar

    def _check_number(self, scalar: Scalar) -> None:
        text = scalar.text
        if is_out_of_range(text):
            self._find(codes.NUMBER_RANGE, scalar.span, f"{text[:40]} is too large a number", "put it in quotes")
        elif note := note_on(text):
            self._find(codes.TEXT_LIKE_A_NUMBER, scalar.span, note)

    def _sequence(self, event: Event, depth: int) -> Node:
        items: list[Node] = []
        get_event = self._parser.get_event
        while (following := get_event()).__class__ is not SequenceEndEvent:
            items.append(self._node(following, depth + 1))
        sequence = Sequence(
            value=[item.value for item in items], items=tuple(items), start=event.start_mark, end=following.end_mark
        )
        if event.flow_style:
            self.findings.extend(accidents.items_cut_by_comma(sequence, self.text))
        return sequence

    def _mapping(self, event: Event, depth: int) -> Node:
        keys: dict[str, Scalar] = {}
        items: dict[str, Node] = {}
        merged: list[Mapping] = []
        known = len(self.findings)
        bad_key: Node | None = None
        cut_after: str | None = None
        inside = depth + 1
        get_event = self._parser.get_event
        while (following := get_event()).__class__ is not MappingEndEvent:
            key = self._key(following, inside)
            value = self._node(get_event(), inside)
            if key.__class__ is not Scalar:
                bad_key = bad_key or key
            elif key.text == "<<" and not key.style:
                merged.extend(self._merged(value))
            elif cut_after is not None and _is_empty(value):
                cut_after = self._go_on_cutting(keys, items, cut_after, key)
            elif (key.text and key.text not in keys) or self._accept_key(key, keys):
                keys[key.text] = key
                items[key.text] = value
                cut_after = None
                if not key.style and key.text[-1] in _QUOTES:
                    self.findings.extend(accidents.stray_quote(key))
                if value.__class__ is Scalar and not value.style:
                    cut_after = key.text if event.flow_style and accidents.is_cut_short(value) else None
                    if not value.text:
                        self._check_empty(key, value)
        if bad_key is not None:
            self.findings[known:] = [f for f in self.findings[known:] if f.code is not codes.EMPTY_VALUE]
            return self._mapping_without_keys(event, following, bad_key)
        return _mapping_of(keys, items, merged, event.start_mark, following.end_mark)

    def _mapping_without_keys(self, event: Event, ending: Event, key: Node) -> Scalar:
        """A map whose key is not a text: in practice a template without quotes; stand in for it as a text."""
        start, end = event.start_mark, ending.end_mark
        written = self.text[start.index : end.index]
        if written.startswith("{{"):
            span = span_between(start, end)
            rest = self._rest_of_the_line(end)
            stray = self.text[end.index : end.index + 1] in {'"', "'"}  # the quote that closes it is there
            if span.end_column is not None and (rest or stray):
                span = Span(line=span.line, column=span.column, end_column=span.end_column + (len(rest) or 1))
            told = accidents.bare_template(span, written)
            hint = f"write {quoted(written + rest)}" if rest else told.hint
            self.findings.append(replace(told, hint=hint))
        else:
            self._find(codes.KEY_NOT_TEXT, key.span, "a map or a list cannot be a key", "write a text before the colon")
        return Scalar(value=written, text=written, style="'", start=start, end=end)

    def _rest_of_the_line(self, end: Mark) -> str:
        """What follows a value that ends too early, where no bracket around it bounds the value."""
        if any(event.flow_style for event in self._open[:-1]):
            return ""
        line_end = self.text.find("\n", end.index)
        rest = self.text[end.index : line_end if line_end >= 0 else None]
        return rest.split(" #")[0].rstrip()

    def _go_on_cutting(self, keys: dict[str, Scalar], items: dict[str, Node], name: str, rest: Scalar) -> str | None:
        """Join a value in a flow map that a comma had cut, and say so once the whole of it is there."""
        first = items[name]
        written = self.text[first.start.index : rest.end.index]
        whole = Scalar(value=written, text=written, style="'", start=first.start, end=rest.end)
        items[name] = whole
        if accidents.is_unbalanced(written):
            return name
        self.findings.append(accidents.cut_by_comma(keys[name].text, whole))
        return None

    # --- keys --------------------------------------------------------------------------------------------------------

    def _accept_key(self, key: Scalar, keys: dict[str, Scalar]) -> bool:
        if key.is_empty:
            self._find(
                codes.KEY_NOT_TEXT, key.span, "there is no key before the colon", "write one, or remove the colon"
            )
            return False
        if key.text in keys:
            first = keys[key.text].span
            message = f"`{key.text}` stands here a second time; the first is in line {first.line}"
            self._find(codes.DUPLICATE_KEY, key.span, message, "remove one of the two, or rename it")
            return False
        return True

    def _check_empty(self, key: Scalar, value: Node) -> None:
        if not accidents.begins_comment(value, self.text):
            message = f"`{key.text}` has no value"
            hint = "if the lines below belong to it, indent them; if it is empty on purpose, write null"
            self._find(codes.EMPTY_VALUE, key.span, message, hint)

    def _merged(self, value: Node) -> list[Mapping]:
        candidates = value.items if isinstance(value, Sequence) else (value,)
        maps = [candidate for candidate in candidates if isinstance(candidate, Mapping)]
        if len(maps) != len(candidates) or not maps:
            hint = "write an alias of a map, such as `<<: *common`"
            self._find(codes.MERGE, value.span, "`<<` needs a map, or a list of maps", hint)
        return maps

    # --- aliases, tags, limits ---------------------------------------------------------------------------------------

    def _alias(self, event: Event, depth: int) -> Node:
        span = span_between(event.start_mark, event.end_mark)
        self._aliases += 1
        node, weight = self._anchors.get(event.anchor, (None, 0))
        if node is None:
            self.findings.append(accidents.unknown_alias(event.anchor, span, cyclic=event.anchor in self._unfinished))
            return Scalar(value=None, text="null", style="", start=event.start_mark, end=event.end_mark)
        self._nodes += weight
        if self._aliases > ALIASES_MAX or self._nodes > NODES_MAX or depth + _height(node) > DEPTH_MAX + 1:
            raise self._too_large(event, depth)
        return node

    def _too_large(self, event: Event, depth: int) -> _Stop:
        span = span_between(event.start_mark, event.end_mark)
        if self._aliases > ALIASES_MAX:
            message = f"there are more than {ALIASES_MAX} aliases"
        elif self._nodes > NODES_MAX:
            message = f"there are more than {NODES_MAX:,} values, aliases followed"
        else:
            message = f"values are nested deeper than {DEPTH_MAX} levels"
        self._find(codes.TOO_LARGE, Span(line=span.line, column=span.column), message, "split it up, or repeat less")
        return _Stop(depth)

    def _find_tag(self, event: Event, text: str) -> None:
        self.findings.append(accidents.tag(event, text))

    def _find(self, code: Code, span: Span, message: str, hint: str | None = None) -> None:
        self.findings.append(code.at(span, message, hint))


def _mapping_of(
    keys: dict[str, Scalar], items: dict[str, Node], merged: list[Mapping], start: Mark, end: Mark
) -> Mapping:
    """Put a map together; what stands in it itself wins over what it takes over, and the earlier map over the later."""
    for other in merged:
        for name, node in other.items.items():
            if name not in items:
                keys[name] = other.keys[name]
                items[name] = node
    value = {name: node.value for name, node in items.items()}
    return Mapping(value=value, keys=keys, items=items, start=start, end=end)


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.is_empty


def _children(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Mapping):
        return tuple(node.items.values())
    return node.items if isinstance(node, Sequence) else ()


def _weigh(node: Node) -> int:
    return 1 + sum(map(_weigh, _children(node)))


def _height(node: Node) -> int:
    return 1 + max(map(_height, _children(node)), default=0)
