"""The functions on texts and numbers.

Each takes the frame and plain values, and gives a plain value. The caller has counted the arguments and charged their
sizes; what may grow past that is measured here before it is made.
"""

# ruff: noqa: D103 – how each is called stands in the table of `functions`

import math
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

import orjson
import re2

from avtomat.blueprint.language.limits import (
    REGEX_CELLS_PER_STEP,
    REGEX_COMPILE_STEPS,
    REGEX_MEMORY_BYTES_MAX,
    REGEX_PATTERN_CHARS_MAX,
    REGEX_SEARCH_STEPS,
    REGEX_TEXT_CHARS_MAX,
    SEARCHED_CHARS_PER_STEP,
    TIME_STEPS,
    EvaluationError,
    Frame,
    LimitError,
)
from avtomat.blueprint.language.operators import checked_number, is_number, kind_of, whole_of
from avtomat.core.duration import format_duration
from avtomat.core.formula import Json
from avtomat.core.timestamp import format_time

_SIDES = ("left", "right")  # no set: what an author gives may have no hash
_WRITTEN_STEPS = 5
_GLOB_STEPS = 12


def text_of(value: Json, what: str) -> str:
    """Return `value` if it is a text."""
    if isinstance(value, str):
        return value
    raise EvaluationError(f"{what} must be a text, not {kind_of(value)}")


def whole_number_of(value: Json, what: str) -> int:
    """Return `value` if it is a whole number, 2.0 as 2."""
    number = whole_of(value)
    if number is not None:
        return number
    shown = value if isinstance(value, float) else kind_of(value)
    raise EvaluationError(f"{what} must be a whole number, not {shown}")


def number_of(value: Json, what: str) -> int | float:
    """Return `value` if it is a number."""
    if is_number(value):
        number: int | float = value
        return number
    raise EvaluationError(f"{what} must be a number, not {kind_of(value)}")


def written(frame: Frame, value: Json) -> str:
    """Return a single value as it stands in a text: numbers and booleans as in JSON, times as RFC 3339."""
    if isinstance(value, str):
        return value
    frame.spend(_WRITTEN_STEPS)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return orjson.dumps(value).decode()
    frame.spend(TIME_STEPS)
    if hasattr(value, "isoformat"):
        return format_time(value)
    if hasattr(value, "total_seconds"):
        return format_duration(value)
    raise EvaluationError(f"{kind_of(value)} cannot stand in a text: write to_json(…)" + _null_hint(value))


def _null_hint(value: Json) -> str:
    return ", or choose a text for the null: `x if x != null else '…'`" if value is None else ""


def to_text(frame: Frame, value: Json) -> str:
    return written(frame, value)


def to_integer(_frame: Frame, value: Json) -> int:
    if isinstance(value, str):
        digits = value[:64].strip()
        if len(value) > 64 or len(digits) > 20 or not digits.removeprefix("-").removeprefix("+").isascii():
            raise EvaluationError("int() needs a text of decimal digits")
        try:
            value = int(digits.replace("_", "?"))
        except ValueError:
            raise EvaluationError("int() needs a text of decimal digits") from None
    if isinstance(value, bool):
        return int(value)
    whole = math.trunc(number_of(value, "int()'s argument"))
    return checked_number(whole)  # type: ignore[no-any-return]


def to_float(_frame: Frame, value: Json) -> float:
    if isinstance(value, str):
        if len(value) > 64 or "_" in value or not value.isascii():
            raise EvaluationError("float() needs a text that spells a number")
        try:
            value = float(value)
        except ValueError:
            raise EvaluationError("float() needs a text that spells a number") from None
    number = float(number_of(value, "float()'s argument"))
    return checked_number(number)  # type: ignore[no-any-return]


def to_boolean(_frame: Frame, value: Json) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "false": False}
    if isinstance(value, str) and len(value) <= 64 and value.strip().lower() in known:
        return known[value.strip().lower()]
    raise EvaluationError(
        f"bool() takes true, false or a text that says so, not {kind_of(value)}; compare instead: x != 0"
    )


def absolute(_frame: Frame, value: Json) -> Json:
    if hasattr(value, "total_seconds"):
        return abs(value)
    return checked_number(abs(number_of(value, "abs()'s argument")))


def rounded(_frame: Frame, value: Json, places: Json = 0) -> Json:
    digits = _places(places)
    number = _quantized(number_of(value, "round()'s argument"), digits)
    return checked_number(float(number) if digits > 0 else int(number))


def fixed(_frame: Frame, value: Json, places: Json = 2) -> str:
    number = _quantized(number_of(value, "fixed()'s argument"), _places(places))
    return f"{abs(number) if number.is_zero() else number:f}"


def floor(_frame: Frame, value: Json) -> Json:
    return checked_number(math.floor(number_of(value, "floor()'s argument")))


def ceil(_frame: Frame, value: Json) -> Json:
    return checked_number(math.ceil(number_of(value, "ceil()'s argument")))


_ROUNDING = Context(prec=40, rounding=ROUND_HALF_UP)
"""Room for all digits of the largest number with the most decimals; the usual context has only 28."""


def _places(places: Json) -> int:
    digits = whole_number_of(places, "the number of decimals")
    if 0 <= digits <= 15:
        return digits
    raise EvaluationError("the number of decimals must be from 0 to 15")


def _quantized(number: int | float, digits: int) -> Decimal:
    """Round half away from zero, by the digits that a reader sees: 2.675 is 2.68, though its binary form lies below."""
    if abs(number) > 10**18:
        raise EvaluationError("the number is too large to be rounded")
    exact = Decimal(number) if isinstance(number, int) else Decimal(repr(number))
    return exact.quantize(Decimal(1).scaleb(-digits), context=_ROUNDING)


def lower(frame: Frame, text: Json) -> str:
    source = text_of(text, "lower()'s argument")
    frame.spend_on_letters(source)
    return source.lower()


def upper(frame: Frame, text: Json) -> str:
    source = text_of(text, "upper()'s argument")
    frame.spend_on_letters(source)
    return source.upper()


def title(frame: Frame, text: Json) -> str:
    source = text_of(text, "title()'s argument")
    frame.spend_on_letters(source)
    frame.spend(source.count(" ") * 8)
    words = source.split(" ")
    return " ".join(word[:1].upper() + word[1:].lower() for word in words)


def trim(frame: Frame, text: Json) -> str:
    source = text_of(text, "trim()'s argument")
    frame.spend(len(source) // SEARCHED_CHARS_PER_STEP)
    return source.strip()


def starts_with(_frame: Frame, text: Json, start: Json) -> bool:
    return text_of(text, "starts_with()'s first argument").startswith(text_of(start, "the start"))


def ends_with(_frame: Frame, text: Json, end: Json) -> bool:
    return text_of(text, "ends_with()'s first argument").endswith(text_of(end, "the end"))


def replace(frame: Frame, text: Json, old: Json, new: Json) -> str:
    whole, gone, come = (
        text_of(text, "replace()'s first argument"),
        text_of(old, "the old text"),
        text_of(new, "the new text"),
    )
    if not gone:
        raise EvaluationError("replace() needs something to look for: its second argument is empty")
    frame.spend_on_search(whole, gone)
    frame.spend_on_search(whole, gone)
    frame.allow_text(len(whole) + whole.count(gone) * (len(come) - len(gone)))
    return whole.replace(gone, come)


def split(frame: Frame, text: Json, separator: Json = None) -> list[str]:
    whole = text_of(text, "split()'s first argument")
    if separator is None:
        frame.spend(len(whole) // SEARCHED_CHARS_PER_STEP)
        words = whole.split(None, frame.items_max)
        frame.allow_items(len(words))
        return words
    cut = text_of(separator, "the separator")
    if not cut:
        raise EvaluationError("split() needs a separator that is not empty")
    frame.spend_on_search(whole, cut)
    frame.spend_on_search(whole, cut)
    frame.allow_items(whole.count(cut) + 1)
    return whole.split(cut)


def join(frame: Frame, items: Json, separator: Json = "") -> str:
    if not isinstance(items, list):
        raise EvaluationError(f"join() needs a list, not {kind_of(items)}")
    between = text_of(separator, "the separator")
    frame.spend(len(items) * 3)
    parts = [written(frame, item) for item in items]
    frame.allow_text(sum(map(len, parts)) + len(between) * max(len(parts) - 1, 0))
    return between.join(parts)


def pad(frame: Frame, value: Json, width: Json, fill: Json = " ", side: Json = "left") -> str:
    text, filler = written(frame, value), text_of(fill, "the fill")
    length = whole_number_of(width, "the width")
    if len(filler) != 1 or side not in _SIDES:
        raise EvaluationError("pad() is written pad(x, width, '0') or pad(x, width, ' ', 'right'), with one fill")
    frame.allow_text(max(length, 0))
    frame.spend(max(length, 0) // SEARCHED_CHARS_PER_STEP)
    return text.rjust(length, filler) if side == "left" else text.ljust(length, filler)


def matches(frame: Frame, text: Json, pattern: Json) -> bool:
    return _search(frame, text_of(text, "matches()'s first argument"), text_of(pattern, "the pattern"))


def glob(frame: Frame, text: Json, pattern: Json) -> bool:
    written_pattern = text_of(pattern, "the pattern")
    frame.spend(min(len(written_pattern), REGEX_PATTERN_CHARS_MAX) * _GLOB_STEPS)
    if len(written_pattern) > REGEX_PATTERN_CHARS_MAX:
        raise EvaluationError(f"a pattern may have at most {REGEX_PATTERN_CHARS_MAX:,} characters")
    signs = {"*": "(?s:.*)", "?": "(?s:.)"}
    _check_characters(written_pattern)
    translated = "".join(signs.get(each) or re2.escape(each) for each in written_pattern)
    return _search(frame, text_of(text, "glob()'s first argument"), rf"\A{translated}\z")


def _search(frame: Frame, text: str, pattern: str) -> bool:
    """Search in time that is linear in the text and paid for beforehand, at the price of the slowest pattern."""
    if len(text) > REGEX_TEXT_CHARS_MAX:
        raise LimitError(f"a pattern searches at most {REGEX_TEXT_CHARS_MAX:,} characters")
    frame.spend(REGEX_SEARCH_STEPS)
    if pattern not in frame.patterns:
        frame.spend(REGEX_COMPILE_STEPS)
        frame.patterns.add(pattern)
    problem = regex_problem(pattern)
    if problem is not None:
        raise EvaluationError(problem)
    compiled = compiled_pattern(pattern)
    frame.spend(compiled.programsize * len(text) // REGEX_CELLS_PER_STEP)
    _check_characters(text)
    return compiled.search(text) is not None


def _check_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise EvaluationError("half of a character cannot be searched") from None


def regex_problem(pattern: str) -> str | None:
    """Return why `pattern` cannot be searched for in linear time, or None when it can."""
    if len(pattern) > REGEX_PATTERN_CHARS_MAX:
        return f"a pattern may have at most {REGEX_PATTERN_CHARS_MAX:,} characters"
    try:
        compiled_pattern(pattern)
    except (re2.error, UnicodeError, ValueError) as problem:
        return f"this pattern cannot be used: {_reason(problem)}"
    return None


def _reason(problem: Exception) -> str:
    first = problem.args[0] if problem.args else "not understood"
    return first.decode(errors="replace") if isinstance(first, bytes) else str(first)


@lru_cache(maxsize=1_024)
def compiled_pattern(pattern: str) -> "re2._Regexp[str]":
    """Return a pattern of RE2 in the one way in which this language searches."""
    options = re2.Options()
    options.max_mem = REGEX_MEMORY_BYTES_MAX
    options.log_errors = False
    return re2.compile(pattern, options)
