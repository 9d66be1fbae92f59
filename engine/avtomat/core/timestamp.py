"""The one form of a time: RFC 3339 with its offset, and how the engine writes it.

A time that is written always has milliseconds and `Z`, so that two such texts compare as their times do. A date alone
is its midnight in UTC; a time of day without an offset is no time, because it would not say in which zone.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

TIMES_WRITTEN_MAX = 1_024
"""Times are written again and again: the same for a job's beginning, its change and its end."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d))?", re.ASCII)
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?", re.ASCII)


def parse_time(text: str) -> datetime | None:
    """Return the time that `text` spells, in UTC, or None."""
    if not _RFC3339.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text.upper())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=TIMES_WRITTEN_MAX)
def format_time(moment: datetime) -> str:
    """Return `moment` in UTC; what is finer than a millisecond is cut off."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def to_ms(time: datetime) -> int:
    """Milliseconds since the epoch, rounded down."""
    return (time - _EPOCH) // _MS


def from_ms(ms: int) -> datetime:
    """The time, in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def span_ms(span: timedelta | None) -> int | None:
    """Milliseconds of a span, at least one."""
    return None if span is None else max(1, round(span.total_seconds() * 1000))


def time_hint(text: str) -> str:
    """Return what to write instead of `text`, which `parse_time` refused."""
    written = text.strip()
    if _LOCAL.fullmatch(written):
        whole = written if written.count(":") > 1 else f"{written}:00"
        return f"a time needs its offset: write {whole}Z, or {whole}+02:00"
    return "write a time such as 2026-01-31T23:00:00Z"
