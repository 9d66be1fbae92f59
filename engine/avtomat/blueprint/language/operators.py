"""What the operators of the language do with JSON values, times and durations.

Stricter than Python where authors would be surprised: `true` is not a number, text is never repeated or formatted, and
nothing is converted silently, except that a text beside a time is read as a time or a duration. Every result is JSON
again (64-bit integers, finite numbers) or one of the two kinds of time; anything else is an EvaluationError.
"""

import math
import operator
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from avtomat.blueprint.language.limits import (
    CHARS_PER_STEP,
    EXPONENT_MAX,
    INTEGER_MAX,
    INTEGER_MIN,
    TIME_STEPS,
    EvaluationError,
    Frame,
)
from avtomat.blueprint.language.times import duration_of, spells_duration, time_of
from avtomat.core.duration import parse_span
from avtomat.core.formula import Json
from avtomat.core.timestamp import parse_time

_EQUAL_STEPS = 5
_ORDERED_STEPS = 5
_SIGNS = frozenset({"+", "<", "<=", ">", ">="})


class Omit:
    """The value of the word `omit`: the key or item that it stands for is left out."""

    __slots__ = ()


OMIT = Omit()

_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a map",
    datetime: "a time",
    timedelta: "a duration",
    Omit: "omit",
}


def kind_of(value: Json) -> str:
    """Return what `value` is, in the author's words."""
    return _KINDS.get(type(value), "no JSON value")


def is_number(value: Json) -> bool:
    """Tell whether `value` is a number; booleans are none."""
    kind = type(value)
    return kind is int or kind is float


def equal(frame: Frame, left: Json, right: Json) -> bool:
    """Compare by JSON value: 1 is 1.0 and not true, the order of keys does not count.

    A text beside a time or a duration is read as one, as the other comparisons do.
    """
    kind, other = type(left), type(right)
    if kind is other:
        if kind is list or kind is dict:
            return _collections_equal(frame, left, right)
        frame.spend(_EQUAL_STEPS + (len(left) // CHARS_PER_STEP if kind is str else 0))
        return bool(left == right)
    frame.spend(_EQUAL_STEPS)
    if kind is str or other is str:
        return _spelled_equal(frame, left, right)
    return is_number(left) and is_number(right) and left == right


def _collections_equal(frame: Frame, left: Json, right: Json) -> bool:
    frame.spend(_EQUAL_STEPS * 4)
    if len(left) != len(right):
        return False
    if type(left) is dict:
        frame.spend(len(left) * 2)
        if left.keys() != right.keys():
            return False
        left, right = left.values(), [right[key] for key in left]
    return all(map(partial(equal, frame), left, right))


def _spelled_equal(frame: Frame, left: Json, right: Json) -> bool:
    """Compare a text with a value of another kind; a text that spells no time is not equal to one."""
    text, other = (left, right) if isinstance(left, str) else (right, left)
    if isinstance(other, datetime):
        frame.spend(TIME_STEPS)
        return parse_time(text) == other
    if isinstance(other, timedelta):
        frame.spend(TIME_STEPS)
        return parse_span(text) == other
    return False


def contains(frame: Frame, container: Json, item: Json) -> bool:
    """Tell whether a list has the item, a map the key, or a text the other text."""
    if isinstance(container, list):
        return _is_among(frame, container, item)
    if isinstance(container, dict):
        return isinstance(item, str) and item in container
    if isinstance(container, str) and isinstance(item, str):
        frame.spend_on_search(container, item)
        return item in container
    raise EvaluationError(f"`in` looks for {kind_of(item)} in {kind_of(container)}; it looks in lists, maps and texts")


def _is_among(frame: Frame, items: list[Json], item: Json) -> bool:
    """Tell whether one of the items is equal to `item`.

    Python's own search knows of fewer differences (for it 1 is true), so what it does not find is not there. Times are
    another matter, because a text may spell one, and so are collections, whose sizes are not known beforehand.
    """
    if not (frame.with_times or isinstance(item, list | dict)):
        frame.spend(len(items) * (1 + (len(item) // CHARS_PER_STEP if isinstance(item, str) else 0)))
        if item not in items:
            return False
    return any(equal(frame, each, item) for each in items)


def ordered(frame: Frame, left: Json, right: Json, sign: str) -> tuple[Json, Json]:
    """Return both sides as values that Python orders; only like goes before like."""
    frame.spend(_ORDERED_STEPS)
    if is_number(left) and is_number(right):
        return left, right
    if isinstance(left, str) and isinstance(right, str):
        frame.spend(min(len(left), len(right)) // CHARS_PER_STEP)
        _refuse_durations(left, right, sign)
        return left, right
    frame.spend(TIME_STEPS)
    if isinstance(left, datetime) or isinstance(right, datetime):
        return time_of(left), time_of(right)
    if isinstance(left, timedelta) or isinstance(right, timedelta):
        return duration_of(left), duration_of(right)
    raise EvaluationError(
        f"`{sign}` compares {kind_of(left)} with {kind_of(right)}; it needs two numbers, texts or times"
    )


def _refuse_durations(left: str, right: str, sign: str) -> None:
    """Texts go by their letters: 10h before 9h, and 2h + 30m is a text. Two stored durations are not meant so."""
    if spells_duration(left) and spells_duration(right):
        hint = f"write duration(a) {sign} duration(b)" if sign in _SIGNS else "write duration(…) around each"
        joined = "; to join the texts write join([a, b])" if sign == "+" else ""
        raise EvaluationError(f"`{sign}` has two texts that are durations: {hint}{joined}")


def _ordering(sign: str, compare: Callable[[Json, Json], Json]) -> Callable[[Frame, Json, Json], bool]:
    def run(frame: Frame, left: Json, right: Json) -> bool:
        if is_number(left) and is_number(right):
            return bool(compare(left, right))
        return bool(compare(*ordered(frame, left, right, sign)))

    return run


def _add(frame: Frame, left: Json, right: Json) -> Json:
    if is_number(left) and is_number(right):
        return checked_number(left + right)
    if isinstance(left, str) and isinstance(right, str):
        _refuse_durations(left, right, "+")
        frame.allow_text(len(left) + len(right))
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        frame.allow_items(len(left) + len(right))
        return left + right
    if isinstance(left, datetime | timedelta) or isinstance(right, datetime | timedelta):
        frame.spend(TIME_STEPS)
    if isinstance(left, datetime) or isinstance(right, datetime):
        moment, span = (left, right) if isinstance(left, datetime) else (right, left)
        return shifted(frame, moment, duration_of(span))
    if isinstance(left, timedelta) or isinstance(right, timedelta):
        return _add_duration(frame, left, right)
    raise EvaluationError(f"`+` cannot add {kind_of(right)} to {kind_of(left)}{_add_hint(left, right)}")


def _add_duration(frame: Frame, left: Json, right: Json) -> Json:
    other, span = (right, left) if isinstance(left, timedelta) else (left, right)
    return duration_of(other) + span if _is_span(other) else shifted(frame, time_of(other), span)


def _is_span(value: Json) -> bool:
    """Whether it is a duration, as such or as the text that one is stored as."""
    return isinstance(value, timedelta) or (isinstance(value, str) and parse_span(value) is not None)


def _add_hint(left: Json, right: Json) -> str:
    if isinstance(left, str) or isinstance(right, str):
        return ": write str(…) around what is not a text"
    if isinstance(left, dict) and isinstance(right, dict):
        return ": write merge(a, b)"
    return ""


def _subtract(frame: Frame, left: Json, right: Json) -> Json:
    if is_number(left) and is_number(right):
        return checked_number(left - right)
    frame.spend(TIME_STEPS)
    if isinstance(left, timedelta):
        return left - duration_of(right)
    if isinstance(right, timedelta):
        return duration_of(left) - right if _is_span(left) else shifted(frame, time_of(left), -right)
    frame.spend(TIME_STEPS)
    if isinstance(left, datetime) and _is_span(right):
        return shifted(frame, left, -duration_of(right))
    if isinstance(left, datetime) or isinstance(right, datetime):
        frame.with_times = True
        return time_of(left) - time_of(right)
    raise EvaluationError(f"`-` cannot take {kind_of(right)} from {kind_of(left)}; it needs two numbers, or times")


def shifted(frame: Frame, moment: datetime, span: timedelta) -> datetime:
    """Return the time that is `span` after `moment`."""
    frame.with_times = True
    try:
        return moment.astimezone(UTC) + span
    except OverflowError:
        raise EvaluationError("the time lies outside the years 1 to 9999") from None


def _multiply(frame: Frame, left: Json, right: Json) -> Json:
    if is_number(left) and is_number(right):
        return checked_number(left * right)
    if isinstance(left, timedelta) or isinstance(right, timedelta):
        span, factor = (left, right) if isinstance(left, timedelta) else (right, left)
        if is_number(factor):
            frame.with_times = True
            return span * factor
    raise EvaluationError(f"`*` multiplies numbers, and durations by numbers, not {kind_of(left)} by {kind_of(right)}")


def _divide(frame: Frame, left: Json, right: Json) -> Json:
    if isinstance(left, timedelta):
        divisor = right if is_number(right) else duration_of(right)
        frame.with_times = True
        return left / divisor
    return checked_number(_numbers("/", left, right, lambda a, b: a / b))


def _floor_divide(_frame: Frame, left: Json, right: Json) -> Json:
    return checked_number(_numbers("//", left, right, lambda a, b: a // b))


def _remainder(_frame: Frame, left: Json, right: Json) -> Json:
    return checked_number(_numbers("%", left, right, lambda a, b: a % b))


def _power(_frame: Frame, left: Json, right: Json) -> Json:
    return checked_number(_numbers("**", left, right, _bounded_power))


def _bounded_power(base: Json, exponent: Json) -> Json:
    if abs(exponent) > EXPONENT_MAX:
        raise EvaluationError(f"an exponent may be at most {EXPONENT_MAX}")
    if base < 0 and not float(exponent).is_integer():
        raise EvaluationError("a negative number has no power with a fractional exponent")
    return base**exponent


def _numbers(sign: str, left: Json, right: Json, calculate: Callable[[Json, Json], Json]) -> Json:
    if not (is_number(left) and is_number(right)):
        hint = "; a text takes values as `{{ … }}`" if sign == "%" and isinstance(left, str) else ""
        raise EvaluationError(f"`{sign}` needs two numbers, not {kind_of(left)} and {kind_of(right)}{hint}")
    return calculate(left, right)


def checked_number(value: Json) -> Json:
    """Return `value` if JSON has a place for it; there is no zero with a minus."""
    if type(value) is int:
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            raise EvaluationError("the number is larger than 64 bits")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise EvaluationError("the number is too large")
        return value + 0.0
    return value


def whole_of(value: Json) -> int | None:
    """Return the whole number that `value` is, or None: 2.0 is 2, and true is not a number."""
    if type(value) is int:
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None


def negate(_frame: Frame, value: Json) -> Json:
    """Return minus `value`."""
    if is_number(value):
        return checked_number(-value)
    if isinstance(value, timedelta):
        return -value
    raise EvaluationError(f"`-` needs a number, not {kind_of(value)}")


def truth(value: Json) -> bool:
    """Tell whether `value` counts as true: false, null, 0 and what is empty do not."""
    if value is OMIT:
        raise EvaluationError("`omit` may only be the value of a key or an item, not a condition")
    return bool(value)


def _arithmetic(operate: Callable[[Frame, Json, Json], Json]) -> Callable[[Frame, Json, Json], Json]:
    def guarded(frame: Frame, left: Json, right: Json) -> Json:
        try:
            return operate(frame, left, right)
        except ZeroDivisionError:
            raise EvaluationError("division by zero") from None
        except OverflowError:
            raise EvaluationError("the number or the time is too large") from None

    return guarded


BINARY: dict[str, Callable[[Frame, Json, Json], Json]] = {
    "+": _arithmetic(_add),
    "-": _arithmetic(_subtract),
    "*": _arithmetic(_multiply),
    "/": _arithmetic(_divide),
    "//": _arithmetic(_floor_divide),
    "%": _arithmetic(_remainder),
    "**": _arithmetic(_power),
}

COMPARISONS: dict[str, Callable[[Frame, Json, Json], bool]] = {
    "==": equal,
    "!=": lambda frame, left, right: not equal(frame, left, right),
    "<": _ordering("<", operator.lt),
    "<=": _ordering("<=", operator.le),
    ">": _ordering(">", operator.gt),
    ">=": _ordering(">=", operator.ge),
    "in": lambda frame, left, right: contains(frame, right, left),
    "not in": lambda frame, left, right: not contains(frame, right, left),
}
