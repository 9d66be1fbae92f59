"""Take a token out of the text of clients.toml or workers.toml, and leave all else as it is, comments included.

The line of a token goes whole where nothing else is on it but a comment, which was about the token.
"""

from __future__ import annotations

import re
from typing import Final

from avtomat.access.toml import Path, TomlText

_BEFORE: Final = re.compile(r"[ \t]*\Z")
_ALONE: Final = re.compile(r"[ \t]*,?[ \t]*(#[^\n]*)?(\r?\n|\Z)")
_COMMA_AFTER: Final = re.compile(r"[ \t]*,[ \t]*")
_COMMA_BEFORE: Final = re.compile(r",[ \t\r\n]*\Z")


def without_item(text: TomlText, path: Path) -> str:
    """The text without the item of a list that stands at `path`."""
    source = text.text
    start, end = text.places[path].value
    line = source.rfind("\n", 0, start) + 1
    alone = _ALONE.match(source, end)
    if alone is not None and not source[line:start].strip():
        return source[:line] + source[alone.end() :]
    after = _COMMA_AFTER.match(source, end)
    if after is not None:
        return source[:start] + source[after.end() :]
    before = _COMMA_BEFORE.search(source, 0, start)
    return source[: start if before is None else before.start()] + source[end:]
