"""Find the quote that was never closed, when the parser stumbled somewhere behind it.

To YAML a quoted text goes on to the next quote, in whatever line that stands, so the parser complains there. This reads
the lines again as an author does: a text ends before the next key. One pass over the lines, only after a fault of
syntax; what it is not sure of it leaves to others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from avtomat.blueprint.findings import codes_source as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.yaml.nodes import Span
from avtomat.blueprint.yaml.scalars import quoted

_SPACES_MAX = 200
"""So many spaces at most are looked at before a quote."""
_WRITTEN_CHARS_MAX = 60
"""So long a text is shown as it should be written."""
_LINE = re.compile(
    r"(?P<lead> *(?:- +)*)"
    r"(?P<key>(?:[^\s\"'#\[\]{},&*!|>%@-][^\"'#:{}\[\]]*|\"[^\"\\]*\"|'[^']*'):(?: +|$))?"
    r"(?:[&!][^\s,\[\]{}]* +)*"
)
"""The beginning of a line outside of brackets: dashes, a key, an anchor."""
_ENTRY = re.compile(r" *(?:- |-$|#|[^\s\"'{\[-][^\"'{}\[\]]*:(?: |$)|\"[\w.-]+\":|'[\w.-]+':)")
"""What a line looks like that begins something new."""
_BLOCK_TEXT = re.compile(r"[|>][-+0-9]*\s*(?:#.*)?$")
_CLOSING = {'"': re.compile(r'(?:[^"\\]|\\.)*+"'), "'": re.compile(r"(?:[^']|'')*+'(?!')")}
_TO_QUOTE_OR_BRACKET = re.compile(r"[\"'\[\]{}]| #")
_FLOW_AFTER = re.compile(r" *(?:[,\]}:]|$| #)")
_BLOCK_AFTER = re.compile(r" *(?::(?: |$)|$| #)")
_KEY_END = re.compile(r":(?: |$)")
_NEXT_ENTRY = re.compile(r", *[\w.-]+:\s")
_SEPARATED = re.compile(r"(?:[:,] +|[\[{(] *)$")
_BRACKETS = {"{": "}", "[": "]"}


def open_quote(lines: Sequence[str], until: int) -> Finding | None:
    """Return what to say of the first quote in lines up to `until`, counted from 0, that surely was not closed."""
    reader = _Reader(lines)
    while reader.line <= min(until, len(lines) - 1) and not reader.is_lost:
        found = reader.read_line()
        if found is not None:
            return _finding(found)
    return None


class _OpenQuote(NamedTuple):
    """Where a quote opens, both counted from 0, and the text that was probably meant to stand in it."""

    line: int
    column: int
    text: str


def _finding(found: _OpenQuote) -> Finding:
    is_short = found.text != "" and len(found.text) <= _WRITTEN_CHARS_MAX
    end_column = found.column + 2 + (len(found.text) if is_short else 0)
    span = Span(line=found.line + 1, column=found.column + 1, end_column=end_column)
    hint = f"write {quoted(found.text)}" if is_short else "close it where the text ends"
    return codes.NOT_CLOSED.at(span, "the quote that opens here is never closed", hint)


class _Reader:
    """Goes over the lines; `depth` counts the brackets that are open."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.line = 0
        self.depth = 0
        self.indent = 0
        self.column_after = 0  # where a text that was read inside brackets has ended
        self.is_lost = False

    def read_line(self) -> _OpenQuote | None:
        """Read one line, and those on which its last text goes on."""
        text = self.lines[self.line]
        if self.depth:
            self.indent = len(text) - len(text.lstrip(" "))
            return self._read_flow(0)
        head = _LINE.match(text)
        assert head is not None
        at = head.end()
        self.indent = len(head["lead"])
        first = text[at : at + 1]
        if _BLOCK_TEXT.match(text, at):
            self._skip_block_text(len(head["lead"]) if head["key"] else max(head["lead"].rfind("-"), 0))
        elif first and first in "\"'":
            return self._read_quoted(at)
        elif first and first in "[{":
            return self._read_flow(at)
        else:
            self.line += 1
        return None

    def _skip_block_text(self, indent: int) -> None:
        self.line += 1
        while self.line < len(self.lines):
            text = self.lines[self.line]
            if text.strip() and len(text) - len(text.lstrip(" ")) <= indent:
                return
            self.line += 1

    def _read_flow(self, at: int) -> _OpenQuote | None:
        """Go on inside brackets, to their end or the end of the line."""
        while True:
            text = self.lines[self.line]
            found = _TO_QUOTE_OR_BRACKET.search(text, at)
            if found is None or found.group() == " #":
                break
            mark, at = found.group(), found.end()
            if mark in "[{":
                self.depth += 1
            elif mark in "]}":
                self.depth -= 1
            elif _begins_value(text, found.start()):
                before = self.line
                unclosed = self._read_quoted(found.start())
                if unclosed is not None or self.is_lost:
                    return unclosed
                at = self.column_after
                if self.line != before:
                    self.indent = len(self.lines[self.line]) - len(self.lines[self.line].lstrip(" "))
            if self.depth <= 0:
                self.depth = 0
                break
        self.line += 1
        return None

    def _read_quoted(self, start: int) -> _OpenQuote | None:
        """Read a text to the quote that closes it."""
        line, text = self.line, self.lines[self.line]
        closing = _CLOSING[text[start]]
        end = closing.match(text, start + 1)
        is_key = not self.depth and text.rstrip().endswith(":") and not text[:start].strip()
        while end is None:
            self.line += 1
            text = self.lines[self.line] if self.line < len(self.lines) else "#"
            if (is_key or len(text) - len(text.lstrip(" ")) <= self.indent) and _ENTRY.match(text):
                return self._unclosed(line, start)
            end = closing.match(text)
        after = _FLOW_AFTER if self.depth else _BLOCK_AFTER
        if after.match(text, end.end()) is None:
            self.is_lost = True
            return self._unclosed(line, start) if self._was_to_open(line, text, end) else None
        self.column_after = end.end()
        if not self.depth:
            self.line += 1
        return None

    def _was_to_open(self, line: int, text: str, end: re.Match[str]) -> bool:
        """Whether the quote that ends the text stands where a text begins, and none is missing between the two."""
        before = text[: end.end() - 1]
        if "{{" in end.group() and "}}" not in end.group():
            return False
        if line != self.line:
            return not before.strip() or _SEPARATED.search(before) is not None
        return _SEPARATED.search(before) is not None and text.count(text[end.end() - 1]) % 2 == 1

    def _unclosed(self, line: int, column: int) -> _OpenQuote:
        rest = self.lines[line][column + 1 :].split(" #")[0]
        if self.depth:
            return _OpenQuote(line, column, _before_bracket(_NEXT_ENTRY.split(rest)[0]).rstrip(" ,"))
        is_key = not self.lines[line][:column].strip(" -")
        return _OpenQuote(line, column, (_KEY_END.split(rest, 1)[0] if is_key else rest).rstrip())


def _begins_value(text: str, at: int) -> bool:
    """Whether a quote inside brackets opens a text, and is no part of one."""
    before = text[max(0, at - _SPACES_MAX) : at].rstrip(" ")
    return not before or before[-1] in "[{,:"


def _before_bracket(text: str) -> str:
    """The text up to a bracket that closes nothing in it."""
    expected: list[str] = []
    for at, char in enumerate(text):
        if char in _BRACKETS:
            expected.append(_BRACKETS[char])
        elif char in "]}":
            if not expected or expected[-1] != char:
                return text[:at]
            expected.pop()
    return text
