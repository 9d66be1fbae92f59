"""Read a text of TOML together with the places of its keys and values.

The standard library decides what is TOML and what it means; it keeps no places. `_Scan` goes over a text that is
known to be right a second time, and notes only where things stand.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from avtomat.blueprint.findings.codes_access import NOT_TOML
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.yaml.nodes import Span

BYTES_MAX: Final = 1_000_000
Json: TypeAlias = Any
Path: TypeAlias = tuple[str | int, ...]
"""Keys, and indices of lists, from the top of the file to a value."""

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACES: Final = re.compile(r"[ \t]*")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r"""
    \"{3} (?: \\. | [^\\] )*? \"{3} \"{0,2}
    | '{3} .*? '{3} '{0,2}
    | " (?: \\. | [^"\\] )* "
    | ' [^']* '
    """,
    re.DOTALL | re.VERBOSE,
)
_OTHER: Final = re.compile(r"\d{4}-\d\d-\d\d \d[^,\]}#\n]*|[^,\]}#\s]+")
_WHERE: Final = re.compile(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Offsets:
    """Where a key stands (of an item of a list: the item), and where its value does, as offsets in the text."""

    key: tuple[int, int]
    value: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlText:
    """A text of TOML: what it means, and where each key and value stands."""

    text: str
    value: Mapping[str, Json]
    places: Mapping[Path, Offsets]
    lines: list[int] = field(repr=False)

    def key(self, path: Path) -> Span:
        """Where the last key of the path stands."""
        return self._span(*self._place(path).key)

    def at(self, path: Path) -> Span:
        """Where the value at the path stands."""
        return self._span(*self._place(path).value)

    def _place(self, path: Path) -> Offsets:
        """The place, or that of what is around it: a table that is named only by the tables in it has none."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Offsets((0, 1), (0, 1)))

    def _span(self, start: int, end: int) -> Span:
        line = bisect_right(self.lines, start)
        column = start - self.lines[line - 1] + 1
        last = column + end - start if bisect_right(self.lines, max(start, end - 1)) == line else None
        return Span(line=line, column=column, end_column=last)


def read_toml(content: bytes) -> TomlText | Finding:
    """The text with its places, or why it is none."""
    if len(content) > BYTES_MAX:
        return NOT_TOML.at(Span(line=1, column=1), f"the file is larger than {BYTES_MAX // 1_000_000} MB")
    try:
        text = content.decode()
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        return NOT_TOML.at(Span(line=line, column=1), "the file is not in UTF-8 from this line on")
    try:
        value = tomllib.loads(text)
        places = _Scan(text).all()
    except tomllib.TOMLDecodeError as wrong:
        return _refused(text, str(wrong))
    except RecursionError:
        return NOT_TOML.at(Span(line=1, column=1), "lists or tables are nested too deeply")
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    return TomlText(text=text, value=value, places=places, lines=starts)


def _refused(text: str, told: str) -> Finding:
    found = _WHERE.match(told)
    if found is None or found[2] is None:
        span = Span(line=text.rstrip("\n").count("\n") + 1, column=1)
        words = told if found is None else f"{found[1]}: the file ends here"
    else:
        span, words = Span(line=int(found[2]), column=int(found[3])), found[1]
    return NOT_TOML.at(span, words[:1].lower() + words[1:])


class _Scan:
    """Goes over a text that is TOML."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._places: dict[Path, Offsets] = {}
        self._lists: dict[Path, int] = {}

    def all(self) -> dict[Path, Offsets]:
        table: Path = ()
        while self._skip(_BLANK) < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._places

    def _skip(self, blank: re.Pattern[str]) -> int:
        found = blank.match(self._text, self._at)
        assert found is not None
        self._at = found.end()
        return self._at

    def _header(self) -> Path:
        is_list = self._text.startswith("[[", self._at)
        self._at += 1 + is_list
        path: Path = ()
        parts = self._key()
        for number, (name, start, end) in enumerate(parts):
            path = (*path, name)
            self._places.setdefault(path, Offsets((start, end), (start, end)))
            if is_list and number == len(parts) - 1:
                self._lists[path] = self._lists.get(path, 0) + 1
            if path in self._lists:
                path = (*path, self._lists[path] - 1)
                self._places.setdefault(path, Offsets((start, end), (start, end)))
        self._skip(_SPACES)
        self._at += 1 + is_list
        return path

    def _pair(self, table: Path) -> None:
        path = table
        *parents, (name, start, end) = self._key()
        for parent, parent_start, parent_end in parents:
            path = (*path, parent)
            self._places.setdefault(path, Offsets((parent_start, parent_end), (parent_start, parent_end)))
        path = (*path, name)
        self._at += 1  # the =
        value = self._value(path)
        self._places[path] = Offsets((start, end), value)

    def _key(self) -> list[tuple[str, int, int]]:
        parts = []
        while True:
            start = self._skip(_SPACES)
            quoted = self._text[start] in "\"'"
            found = (_STRING if quoted else _BARE).match(self._text, start)
            assert found is not None
            self._at = found.end()
            name = str(tomllib.loads(f"k = {found[0]}")["k"]) if quoted else found[0]
            parts.append((name, start, self._at))
            if self._text[self._skip(_SPACES)] != ".":
                return parts
            self._at += 1

    def _value(self, path: Path) -> tuple[int, int]:
        start = self._skip(_SPACES)
        match self._text[start]:
            case "[":
                self._list(path)
            case "{":
                self._inline(path)
            case opening:
                found = (_STRING if opening in "\"'" else _OTHER).match(self._text, start)
                assert found is not None
                self._at = found.end()
        return start, self._at

    def _list(self, path: Path) -> None:
        self._at += 1
        number = 0
        while self._text[self._skip(_BLANK)] != "]":
            item = (*path, number)
            value = self._value(item)
            self._places[item] = Offsets(value, value)
            number += 1
            if self._text[self._skip(_BLANK)] == ",":
                self._at += 1
        self._at += 1

    def _inline(self, path: Path) -> None:
        self._at += 1
        while self._text[self._skip(_BLANK)] != "}":
            self._pair(path)
            if self._text[self._skip(_BLANK)] == ",":
                self._at += 1
        self._at += 1
