"""Values of a YAML file that know where they were written.

A Node keeps the plain JSON in `value` and the marks of the parser beside it, so that any finding can be placed: on a
value, on a key, or on one character inside a text (`Scalar.place`). Lines and columns count from 1, in characters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from avtomat.core.formula import Json


class Mark(Protocol):
    """A place as the parser counts it: from 0, `index` in characters of the whole text."""

    @property
    def line(self) -> int:
        """The line, from 0."""

    @property
    def column(self) -> int:
        """The column, from 0."""

    @property
    def index(self) -> int:
        """The character, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Span:
    """What a finding points at. `end_column` is one past the last character, if that is on the same line."""

    line: int
    column: int
    end_column: int | None = None


class Scalar(NamedTuple):
    """One text, number, boolean or null: `text` as the parser read it, `style` "" (plain), a quote, `|` or `>`."""

    value: Json
    text: str
    style: str
    start: Mark
    end: Mark

    @property
    def span(self) -> Span:
        """Where it stands."""
        return span_between(self.start, self.end)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was written where a value could stand."""
        return not self.style and not self.text

    def place(self, offset: int, source: str, length: int = 1) -> Span:
        """Where the character `offset` of a text was written, escapes, folding and indentation considered."""
        index = source_index(self, source, offset)
        line_start = source.rfind("\n", 0, index) + 1
        line_end = source.find("\n", index)
        line_end = len(source) if line_end < 0 else line_end
        column = index - line_start + 1
        return Span(
            line=self.start.line + source.count("\n", self.start.index, index) + 1,
            column=column,
            end_column=min(column + max(length, 1), line_end - line_start + 1) if line_end > index else None,
        )


class Sequence(NamedTuple):
    """A list."""

    value: list[Json]
    items: tuple[Node, ...]
    start: Mark
    end: Mark

    @property
    def span(self) -> Span:
        """Where it begins."""
        return span_between(self.start, self.end)


class Mapping(NamedTuple):
    """A map with text keys, in file order. `keys` holds the keys as they stand in the file, `items` the values."""

    value: dict[str, Json]
    keys: MappingABC[str, Scalar]
    items: MappingABC[str, Node]
    start: Mark
    end: Mark

    @property
    def span(self) -> Span:
        """Where it begins."""
        return span_between(self.start, self.end)


Node = Scalar | Sequence | Mapping


def span_between(start: Mark, end: Mark) -> Span:
    """The span of two marks; only its beginning when it goes on in the next line."""
    same_line = start.line == end.line and end.column > start.column
    return Span(line=start.line + 1, column=start.column + 1, end_column=end.column + 1 if same_line else None)


_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b",
    "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}


def source_index(scalar: Scalar, source: str, offset: int) -> int:
    """The index in `source` of the character `offset` of a scalar's text.

    It walks the text and the source side by side. White space may have been folded, stripped or indented, so only the
    other characters must agree; for white space the answer is the nearest place, which is all that a caret needs.
    """
    at = scalar.start.index
    end = scalar.end.index
    if scalar.style in {"|", ">"}:
        at = source.find("\n", at, end) + 1 or end
    elif scalar.style:
        at += 1
    for char in scalar.text[:offset]:
        at = _after(source, _skip_to(source, at, end, char, scalar.style), end, char, scalar.style)
    following = scalar.text[offset : offset + 1]
    at = _skip_to(source, at, end, following, scalar.style) if following else at
    return min(at, end)


def _skip_to(source: str, at: int, end: int, char: str, style: str) -> int:
    """Pass what the parser dropped before `char`: indentation, folded line breaks, escaped line breaks."""
    if char.isspace():
        return at
    while at < end:
        if source[at].isspace():
            at += 1
        elif style == '"' and source.startswith("\\\n", at):
            at += 2
        else:
            break
    return at


def _after(source: str, at: int, end: int, char: str, style: str) -> int:
    if at >= end:
        return end
    if style == "'" and source.startswith("''", at):
        return at + 2
    if style == '"' and source[at] == "\\":
        digits = _ESCAPE_DIGITS.get(source[at + 1])
        if digits is not None:
            is_pair = digits == 4 and ord(char) > 0xFFFF
            return at + (2 + digits) * (2 if is_pair else 1)
        if _ESCAPES.get(source[at + 1], source[at + 1]) == char:
            return at + 2
    if char.isspace():
        return at + 1 if source[at] == char or (source[at] == "\n" and char == " ") else at
    return at + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nowhere:
    line: int = 0
    column: int = 0
    index: int = 0


_NOWHERE = _Nowhere()


def node_of(value: Json) -> Node:
    """Return plain JSON as a Node that stands nowhere."""
    if isinstance(value, dict):
        items = {key: node_of(inner) for key, inner in value.items()}
        keys = {key: _scalar_of(key) for key in value}
        return Mapping(value=value, keys=keys, items=items, start=_NOWHERE, end=_NOWHERE)
    if isinstance(value, list):
        return Sequence(value=value, items=tuple(map(node_of, value)), start=_NOWHERE, end=_NOWHERE)
    return _scalar_of(value)


def _scalar_of(value: Json) -> Scalar:
    text = value if isinstance(value, str) else json.dumps(value)
    return Scalar(value=value, text=text, style="'", start=_NOWHERE, end=_NOWHERE)
