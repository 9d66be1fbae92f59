"""Tell what a plain scalar is: null, true, false, a decimal number, or a text.

Only a number that would be written back the same is one, be it by the JSON writers of Python, JavaScript or Go. `1.10`,
`0755`, `1_000`, `1e3` stay texts, so that a version, a postcode or a file mode is not changed on its way; the author
gets a note.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from avtomat.core.formula import Json

INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1

_WORDS: dict[str, Json] = {"null": None, "true": True, "false": False, "": None}
_ALMOST_WORDS = {
    "~": "null", "Null": "null", "NULL": "null",
    "True": "true", "TRUE": "true", "False": "false", "FALSE": "false",
}  # fmt: skip
_INTEGER = re.compile(r"-?[0-9]{1,400}", re.ASCII)
_FLOAT = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][-+]?[0-9]{1,5})?", re.ASCII)
_ALMOST_NUMBER = re.compile(
    r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9_]+)([eE][-+]?[0-9]+)?|[-+]?0[xo][0-9a-fA-F_]+|[-+]?\.(inf|nan)",
    re.IGNORECASE,
)
_LETTERS = frozenset("ntfNTF~")
SUSPECT = _LETTERS | frozenset("-+.0123456789")
"""What a plain scalar that is not a text, or should not be one, begins with."""


def resolve(text: str) -> Json:
    """Return the value of a plain scalar."""
    first = text[:1]
    if first not in SUSPECT or first in _LETTERS:
        return _WORDS.get(text, text)
    if _INTEGER.fullmatch(text):
        integer = int(text)
        return integer if str(integer) == text and INTEGER_MIN <= integer <= INTEGER_MAX else text
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) and _is_written_so(number, text) else text
    return text


def _is_written_so(number: float, text: str) -> bool:
    """Whether a JSON writer gives this text for the number: 1e-7, 1e-07 or 0.0000001, and 1e+21 or 1e21."""
    shown = repr(number)
    mantissa, _, exponent = shown.partition("e")
    if shown == text or not exponent:
        return shown == text
    short = int(exponent)
    forms = {f"{mantissa}e{short}", f"{mantissa}e{short:+}"}
    return text in forms or (short < 0 and f"{Decimal(shown):f}" == text)


def is_out_of_range(text: str) -> bool:
    """Whether a text that `resolve` left alone is a number that no JSON reader keeps exactly."""
    if text[0] in _LETTERS:
        return False
    if _INTEGER.fullmatch(text):
        return str(int(text)) == text and not INTEGER_MIN <= int(text) <= INTEGER_MAX
    return bool(_FLOAT.fullmatch(text)) and math.isinf(float(text))


def note_on(text: str) -> str | None:
    """Return what to tell about a text that looks like a number, a boolean or null; None when it looks like a text."""
    if text in _ALMOST_WORDS:
        return f"{text} is a text here; write {_ALMOST_WORDS[text]} if that is meant, or put it in quotes"
    if text[0] not in _LETTERS and _ALMOST_NUMBER.fullmatch(text):
        return f"{text} is a text here, because as a number it would be written differently; put it in quotes to say so"
    return None


def quoted(text: str) -> str:
    """Return `text` as it can be written in YAML."""
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"
