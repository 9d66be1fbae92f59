"""Say in which period of a quota, or in which span of a rate, a moment lies.

The name of a period is the name of its counter, so that what is counted under it ends with it. Spans of a rate follow
each other from the epoch on; periods of a quota are those of the calendar in its time zone: a day may have 23 hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from avtomat.access.model import Per, Quota, Rate
from avtomat.blueprint.language.zones import local_time, moment_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `start_ms` up to, and without, `end_ms`."""

    name: str
    start_ms: int
    end_ms: int


def span_of(rate: Rate, now_ms: int) -> Period:
    """The span of a rate that is now."""
    start_ms = now_ms - now_ms % rate.per_ms
    return Period(name=f"rate {rate.per_ms} {start_ms}", start_ms=start_ms, end_ms=start_ms + rate.per_ms)


def period_of(quota: Quota, now_ms: int) -> Period:
    """The period of a quota that is now."""
    start, end = _bounds(quota.per, local_time(_EPOCH + now_ms * _MS, quota.zone))
    start_ms, end_ms = (int((moment - _EPOCH) // _MS) for moment in (start, end))
    return Period(name=f"jobs {quota.per} {start_ms}", start_ms=start_ms, end_ms=end_ms)


def _bounds(per: Per, local: datetime) -> tuple[datetime, datetime]:
    if per is Per.HOUR:  # when clocks are put back, one hour of the calendar is there twice
        start = local.astimezone(UTC) - timedelta(
            minutes=local.minute, seconds=local.second, microseconds=local.microsecond
        )
        return start, start + timedelta(hours=1)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    match per:
        case Per.DAY:
            first, after = midnight, midnight + timedelta(days=1)
        case Per.WEEK:
            first = midnight - timedelta(days=midnight.weekday())
            after = first + timedelta(days=7)
        case Per.MONTH:
            first = midnight.replace(day=1)
            after = (first + timedelta(days=31)).replace(day=1)
        case Per.YEAR:
            first = midnight.replace(month=1, day=1)
            after = first.replace(year=first.year + 1)
    return moment_of(first), moment_of(after)
