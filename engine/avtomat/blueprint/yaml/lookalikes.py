"""Characters that look like the signs of YAML and are none: from word processors, chats and other keyboards."""

from __future__ import annotations

import re

_SHOWN_MAX = 40
_COLON = re.compile(r"([A-Za-z_][\w.-]{0,63})[ \u00a0]?([\uff1a\ufe55\ua789]|:(?=\u00a0))\s*(.*)", re.DOTALL)
"""A key, then a colon of another script, or a colon after which a no-break space stands."""
OPENING_QUOTES = "“„‘‚«"
CLOSING_QUOTES = "”“’‘»"


def colon_hint(text: str) -> str | None:
    """Say how a plain text is written that was meant as a key and its value; None if no such colon is in it."""
    found = _COLON.match(text)
    if found is None:
        return None
    key, sign, value = found[1], found[2], " ".join(found[3].split())
    what = "the space after the colon is a no-break space" if sign == ":" else f"{sign} is not the colon of YAML"
    return f"{what}: write {key}: {value}".rstrip() if len(value) <= _SHOWN_MAX else f"{what}: write {key}: …"


def is_in_curly_quotes(text: str) -> bool:
    """Whether a text stands as a whole in quotes that YAML does not know."""
    return len(text) > 1 and text[0] in OPENING_QUOTES and text[-1] in CLOSING_QUOTES
