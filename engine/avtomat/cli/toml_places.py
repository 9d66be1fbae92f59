"""Find where a key stands in a TOML file: the parser of the standard library keeps no places.

Only lines that begin with a key or a table are looked at, each once. A file that is written so that a key stands
elsewhere, such as in a table within one line, has the place of what is around it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from avtomat.blueprint.yaml.nodes import Span

_TABLE: Final = re.compile(r"\s*\[+\s*([^\[\]#]+?)\s*\]")
_ENTRY: Final = re.compile(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
_PART: Final = re.compile(r"[\w-]+|\"[^\"]*\"|'[^']*'")
_LONG_TEXT: Final = re.compile("'''|\"\"\"")
_TOLD: Final = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


_BEGINNING: Final = Span(line=1, column=1)


def place_of(text: str, keys: Sequence[str]) -> Span:
    """Where the entry stands to which the keys lead, or the nearest around it; the beginning when there is none."""
    best, most = _BEGINNING, 0
    table: list[str] = []
    is_text = False
    for number, line in enumerate(text.split("\n"), 1):
        was_text = is_text
        is_text ^= len(_LONG_TEXT.findall(line)) % 2 == 1
        head = None if was_text else _TABLE.match(line)
        entry = None if was_text or head else _ENTRY.match(line)
        found = head or entry
        if found is None:
            continue
        path = [part.strip("\"'") for part in _PART.findall(found[1])]
        if head:
            table = path
        else:
            path = [*table, *path]
        if len(path) > most and path == list(keys[: len(path)]):
            best, most = Span(line=number, column=found.start(1) + 1, end_column=found.end(1) + 1), len(path)
    return best


def place_of_fault(text: str, message: str) -> tuple[Span, str]:
    """The place that the parser names at the end of its message, and the message without it."""
    told = _TOLD.search(message)
    if told is None:
        return _BEGINNING, message
    lines = text.rstrip("\n").split("\n")
    line, column = (int(told[1]), int(told[2])) if told[1] else (len(lines), len(lines[-1]) + 1)
    return Span(line=line, column=column), message[: told.start()]
