"""Characters past U+FFFF as JSON writers escape them: a pair such as `\\ud83d\\ude00`.

The YAML parser refuses both halves. It is given stand-ins of the same length from a part of Unicode that the file does
not use, so that all places stay right, and what it reads is turned back.
"""

from __future__ import annotations

import re
from typing import Any

from avtomat.blueprint.yaml.nodes import Span

_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)(\\u(?i:d[89ab][0-9a-f]{2})\\u(?i:d[c-f][0-9a-f]{2}))")
_LONE = re.compile(r"\\u(?i:d[89a-f][0-9a-f]{2})")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_BLOCK = 0x800
"""So many halves there are; a block of the same size stands for them."""
_FIRST = 0xD800
_BLOCKS = [*range(0xE000, 0xF800, _BLOCK), *range(0x1000, _FIRST, _BLOCK)]


class SurrogatePairs:
    """One file's pairs: `text` is what the parser may read."""

    def __init__(self, text: str) -> None:
        self.text = self._original = text
        self._block = _free_block(text) if _PAIR.search(text) else None
        if self._block is not None:
            self.text = _PAIR.sub(self._hidden, text)

    def _hidden(self, pair: re.Match[str]) -> str:
        moved = (self._block or 0) - _FIRST
        return pair[1] + _ESCAPE.sub(lambda half: f"\\u{int(half[1], 16) + moved:04x}", pair[2])

    def read(self, event: Any) -> str:
        """Return the text of a scalar as the file has it."""
        text: str = event.value
        block = self._block
        if block is None:
            return text
        if event.style != '"':
            return self._as_written(text, event, block)
        if not any(block <= ord(char) < block + _BLOCK for char in text):
            return text
        halves = (ord(char) - block + _FIRST if block <= ord(char) < block + _BLOCK else ord(char) for char in text)
        return "".join(map(chr, halves)).encode("utf-16-le", "surrogatepass").decode("utf-16-le")

    def _as_written(self, text: str, event: Any, block: int) -> str:
        """Outside double quotes an escape is none: put back what stands in the file, in its order."""
        pairs = _PAIR.finditer(self._original, event.start_mark.index, event.end_mark.index)
        written = iter([half for pair in pairs for half in (pair[2][:6], pair[2][6:])])
        return _ESCAPE.sub(
            lambda found: next(written) if block <= int(found[1], 16) < block + _BLOCK else found.group(), text
        )

    def lone_at(self, error: Any) -> Span | None:
        """Return where a half stands without the other, if that is what the parser stopped at."""
        mark = error.problem_mark
        if mark is None or "escape" not in str(error.problem):
            return None
        found = _LONE.match(self.text, max(mark.index - 2, 0))
        return None if found is None else Span(line=mark.line + 1, column=mark.column - 1, end_column=mark.column + 5)


def _free_block(text: str) -> int | None:
    used = {ord(char) // _BLOCK for char in set(text)}
    used |= {int(escape[1], 16) // _BLOCK for escape in _ESCAPE.finditer(text)}
    return next((block for block in _BLOCKS if block // _BLOCK not in used), None)
