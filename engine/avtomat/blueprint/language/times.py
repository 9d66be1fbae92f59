"""Times and durations: a type inside expressions, RFC 3339 in UTC and `1h30m` outside.

A time needs its offset (`Z`, `+02:00`); a date alone is its midnight in UTC.
"""

from datetime import datetime, timedelta

from avtomat.blueprint.language.limits import EvaluationError
from avtomat.core.duration import duration_hint, format_duration, parse_span
from avtomat.core.formula import Json
from avtomat.core.timestamp import parse_time, time_hint


def time_of(value: Json) -> datetime:
    """Return `value` as a time; a text must spell one."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        found = parse_time(value)
        if found is not None:
            return found
        raise EvaluationError(f"a time is needed, and this text is none: {time_hint(value[:64])}")
    raise EvaluationError("a time is needed here: now(), time(…) or a text like 2026-01-31T23:00:00Z")


def duration_of(value: Json) -> timedelta:
    """Return `value` as a duration; a text must spell one."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        found = parse_span(value)
        if found is not None:
            return found
        hint = duration_hint(value[:64])
        better = f" ({hint})" if hint.startswith("write ") else ""
        raise EvaluationError(f"a duration is needed, and this text is none: write it like 30s, 5m or 1h30m{better}")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    hint = duration_hint(str(value)) if number else "write duration('5m')"
    raise EvaluationError(f"a duration is needed here: {hint}")


def spells_duration(text: str) -> bool:
    """Tell whether `text` is a duration as the engine writes it; most texts are seen to be none at once."""
    if not text or text[-1] not in "smhd" or not (text[0].isdigit() or text[0] == "-"):
        return False
    found = parse_span(text)
    return found is not None and format_duration(found) == text
