"""Times and durations: a type inside expressions, RFC 3339 in UTC and `1h30m` outside.

A time needs its offset (`Z`, `+02:00`); a date alone is its midnight in UTC.
"""

import re
from datetime import UTC, datetime, timedelta

from avtomat.blueprint.limits import EvaluationError
from avtomat.core.duration import duration_hint, parse_span
from avtomat.core.formula import Json

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d))?", re.ASCII)


def parse_time(text: str) -> datetime | None:
    """Return the time that `text` spells in RFC 3339, in UTC, or None."""
    if not _RFC3339.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text.upper())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_rfc3339(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC; a fraction of a second only where there is one."""
    utc = moment.astimezone(UTC)
    whole = f"{utc.year:04}-{utc.month:02}-{utc.day:02}T{utc.hour:02}:{utc.minute:02}:{utc.second:02}"
    fraction = f".{utc.microsecond:06}".rstrip("0") if utc.microsecond else ""
    return f"{whole}{fraction}Z"


def time_of(value: Json) -> datetime:
    """Return `value` as a time; a text must spell one."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        found = parse_time(value)
        if found is not None:
            return found
        raise EvaluationError("a time is needed, and this text is none: write it like 2026-01-31T23:00:00Z")
    raise EvaluationError("a time is needed here: now(), time(…) or a text like 2026-01-31T23:00:00Z")


def duration_of(value: Json) -> timedelta:
    """Return `value` as a duration; a text must spell one."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        found = parse_span(value)
        if found is not None:
            return found
        raise EvaluationError("a duration is needed, and this text is none: write it like 30s, 5m or 1h30m")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    hint = duration_hint(str(value)) if number else "write duration('5m')"
    raise EvaluationError(f"a duration is needed here: {hint}")
