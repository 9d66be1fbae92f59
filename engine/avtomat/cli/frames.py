"""Print what the checker found: to people with the line and a caret, to programs as JSON, to GitHub as annotations."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from avtomat.blueprint.files import is_file, read_file
from avtomat.diagnostics import Diagnostic, Severity, visible

_LINE_MAX = 160
_FRAMES_OF_LINE_MAX = 10
"""So many findings at one line are shown with it: a file of one line has all its findings there."""
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
"""What a terminal would obey instead of showing it."""
_COLOURS = {Severity.ERROR: "31;1", Severity.WARNING: "33;1", Severity.NOTE: "36;1"}
_GITHUB = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def wants_colour(stream: TextIO) -> bool:
    """Whether a stream shows colours: a terminal does. NO_COLOR forbids them, FORCE_COLOR has them anywhere."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def as_text(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], *, colour: bool = False) -> Iterator[str]:
    """Each finding as `file:line:col: error AVT204: …`, its line with a caret, and the hint. Of many at one line the
    first are shown so, and the others in short, one below the other.
    """
    lines = {file: text.split("\n") if text else [] for file, text in sources.items()}
    last = {each.file: each for each in diagnostics}
    found: Counter[tuple[str, int]] = Counter()
    short: list[str] = []
    for each in diagnostics:
        found[each.file, each.line] += 1
        if found[each.file, each.line] > _FRAMES_OF_LINE_MAX:
            short += _in_short(each, is_last=each is last[each.file], colour=colour)
            continue
        if short:
            yield "\n".join(short)
            short = []
        yield "\n".join(_frame(each, lines.get(each.file, []), colour=colour))
    if short:
        yield "\n".join(short)


def as_json(diagnostics: Sequence[Diagnostic], files: int) -> str:
    """One object for programs."""
    return json.dumps({"diagnostics": [*map(as_map, diagnostics)], "files": files}, ensure_ascii=False)


def as_map(diagnostic: Diagnostic) -> dict[str, str | int | None]:
    """One finding for programs."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "file": diagnostic.file,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "end_line": diagnostic.line,
        "end_column": diagnostic.end_column or diagnostic.column + 1,
        "hint": diagnostic.hint,
        "page": page_of(diagnostic.code),
    }


def page_of(code: str) -> str:
    """Where the documentation explains a code."""
    return f"docs/diagnostics.md#{code.lower()}"


def as_github(diagnostics: Sequence[Diagnostic]) -> Iterator[str]:
    """Workflow commands, which GitHub shows beside the lines of a pull request."""
    for each in diagnostics:
        place = f"file={_escaped(each.file)},line={each.line},col={each.column}"
        end = f",endColumn={each.end_column}" if each.end_column else ""
        message = f"{each.message}{f' ({each.hint})' if each.hint else ''}"
        text = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        yield f"::{_GITHUB[each.severity]} {place}{end},title={each.code}::{text}"


def sources_of(diagnostics: Iterable[Diagnostic]) -> dict[str, str]:
    """The texts of the files that something was found in, with the line ends that findings count. What is no file is
    not read again: a pipe would have nobody at its other end.
    """
    texts: dict[str, str] = {}
    for file in {each.file for each in diagnostics if is_file(Path(each.file))}:
        content = read_file(Path(file))
        if isinstance(content, bytes):
            texts[file] = source_text(content)
    return texts


def source_text(content: bytes) -> str:
    """The text of a file with the line ends that findings count."""
    return content.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def summary(diagnostics: Sequence[Diagnostic], files: int) -> str:
    """How much was found in how many files."""
    counts = Counter(each.severity for each in diagnostics)
    parts = [counted(counts[severity], severity) for severity in Severity if counts[severity]]
    return f"{', '.join(parts) or 'no findings'} in {counted(files, 'file')}"


def counted(count: int, noun: str) -> str:
    """A number of things."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _escaped(text: str) -> str:
    table = {"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"}
    return "".join(table.get(char, char) for char in text)


def _frame(diagnostic: Diagnostic, lines: Sequence[str], *, colour: bool) -> Iterator[str]:
    yield _head(diagnostic, diagnostic.message, colour=colour)
    if diagnostic.line <= len(lines):
        yield from _excerpt(diagnostic, lines[diagnostic.line - 1], colour=colour)
    if diagnostic.hint:
        yield _hint(diagnostic.hint, colour=colour)


def _in_short(diagnostic: Diagnostic, *, is_last: bool, colour: bool) -> Iterator[str]:
    """One line. The last of a file has its hint, too: it may say how many others there are."""
    message = diagnostic.message
    cut = message if len(message) <= _LINE_MAX else f"{message[:_LINE_MAX]}…"
    yield _head(diagnostic, cut, colour=colour)
    if is_last and diagnostic.hint:
        yield _hint(diagnostic.hint, colour=colour)


def _head(diagnostic: Diagnostic, message: str, *, colour: bool) -> str:
    word = painted(f"{diagnostic.severity} {diagnostic.code}", _COLOURS[diagnostic.severity], colour)
    return f"{diagnostic.file}:{diagnostic.line}:{diagnostic.column}: {word}: {visible(message)}"


def _hint(hint: str, *, colour: bool) -> str:
    return f"  {painted('hint', '1', colour)}: {visible(hint)}"


def _excerpt(diagnostic: Diagnostic, line: str, *, colour: bool) -> Iterator[str]:
    start = diagnostic.column - 1
    cut = max(0, start - _LINE_MAX // 2) if len(line) > _LINE_MAX else 0
    shown = _CONTROLS.sub("\ufffd", line[cut : cut + _LINE_MAX].replace("\t", " ")).rstrip()
    width = max(1, (diagnostic.end_column or diagnostic.column + 1) - diagnostic.column)
    width = max(1, min(width, len(shown) - (start - cut)))
    gutter = f"{diagnostic.line:>5}"
    yield f"{gutter} | {shown}"
    yield f"{' ' * len(gutter)} | {' ' * (start - cut)}{painted('^' * width, _COLOURS[diagnostic.severity], colour)}"


def painted(text: str, codes: str, colour: bool) -> str:
    """A text in these colours, where colours are shown."""
    return f"\x1b[{codes}m{text}\x1b[0m" if colour else text
