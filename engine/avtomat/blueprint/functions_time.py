"""The functions on times.

They see no clock: `now` is the time of the event that is being decided, so a replay sees the same one. Names of days
and months are English, whatever the machine's locale is.
"""

# ruff: noqa: D103 – how each is called stands in the table of `functions`

import calendar
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from avtomat.blueprint.functions_text import text_of, whole_number_of
from avtomat.blueprint.limits import EvaluationError, Frame
from avtomat.blueprint.operators import is_number
from avtomat.blueprint.times import duration_of, time_of
from avtomat.core.formula import Json

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_FORMAT_CHARS_MAX = 256
_UNITS = ("minute", "hour", "day", "week", "month", "year")


def now(frame: Frame) -> datetime:
    frame.with_times = True
    return frame.now.astimezone(UTC)


def time(frame: Frame, value: Json) -> datetime:
    frame.with_times = True
    if not is_number(value):
        return time_of(value)
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        raise EvaluationError("time() of a number takes seconds since 1970, within the years 1 to 9999") from None


def duration(frame: Frame, value: Json) -> timedelta:
    frame.with_times = True
    return duration_of(value)


def epoch(_frame: Frame, value: Json) -> int | float:
    if isinstance(value, timedelta):
        return _seconds(value)
    return _seconds(time_of(value) - datetime.fromtimestamp(0, UTC))


def _seconds(span: timedelta) -> int | float:
    whole, rest = divmod(span, timedelta(seconds=1))
    return whole if not rest else span.total_seconds()


def add_months(frame: Frame, value: Json, months: Json) -> datetime:
    """The same day so many months later; the last day of the month where there is no such day."""
    moment, count = time_of(value), whole_number_of(months, "the number of months")
    year, month = divmod(moment.year * 12 + moment.month - 1 + count, 12)
    if not 1 <= year <= 9999:
        raise EvaluationError("the time lies outside the years 1 to 9999")
    frame.with_times = True
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def start_of(frame: Frame, value: Json, unit: Json, zone: Json = "UTC") -> datetime:
    """The beginning of the minute, hour, day, week (Monday), month or year, as the clocks of `zone` show it."""
    if unit not in _UNITS:
        raise EvaluationError(f"start_of() takes one of {', '.join(_UNITS)}")
    local = _local(time_of(value), zone)
    start = local.replace(second=0, microsecond=0)
    rank = _UNITS.index(unit)
    if rank >= 1:
        start = start.replace(minute=0)
    if rank >= 2:
        start = start.replace(hour=0, fold=0)
    if unit == "week":
        start = _days_before(start, start.weekday())
    if rank >= 4:
        start = start.replace(day=1)
    if unit == "year":
        start = start.replace(month=1)
    frame.with_times = True
    return _utc(start)


def _days_before(moment: datetime, days: int) -> datetime:
    try:
        return moment - timedelta(days=days)
    except OverflowError:
        raise EvaluationError("the time lies outside the years 1 to 9999") from None


def format_time(frame: Frame, value: Json, pattern: Json, zone: Json = "UTC") -> str:
    layout = text_of(pattern, "format_time()'s pattern")
    if len(layout) > _FORMAT_CHARS_MAX:
        raise EvaluationError(f"format_time()'s pattern may have at most {_FORMAT_CHARS_MAX} characters")
    frame.spend(len(layout) * 6)
    fills = _fills(_local(time_of(value), zone))
    return "%".join(_formatted(fills, part) for part in layout.split("%%"))


def _formatted(fills: dict[str, str], layout: str) -> str:
    head, *fields = layout.split("%")
    text = head
    for field in fields:
        if field[:1] not in fills:
            raise EvaluationError(f"format_time() does not know %{field[:1]}; it knows %{' %'.join(fills)} and %%")
        text += fills[field[0]] + field[1:]
    return text


def _fills(local: datetime) -> dict[str, str]:
    offset = local.strftime("%z")
    return {
        "Y": f"{local.year:04}",
        "y": f"{local.year % 100:02}",
        "m": f"{local.month:02}",
        "d": f"{local.day:02}",
        "H": f"{local.hour:02}",
        "I": f"{local.hour % 12 or 12:02}",
        "M": f"{local.minute:02}",
        "S": f"{local.second:02}",
        "f": f"{local.microsecond:06}",
        "p": "AM" if local.hour < 12 else "PM",
        "j": f"{local.timetuple().tm_yday:03}",
        "V": f"{local.isocalendar().week:02}",
        "a": _DAYS[local.weekday()][:3],
        "A": _DAYS[local.weekday()],
        "b": _MONTHS[local.month - 1][:3],
        "B": _MONTHS[local.month - 1],
        "z": f"{offset[:3]}:{offset[3:5]}",
    }


def _local(moment: datetime, zone: Json) -> datetime:
    try:
        return moment.astimezone(_zone(text_of(zone, "the time zone")))
    except OverflowError:
        raise EvaluationError("the time lies outside the years 1 to 9999") from None


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise EvaluationError("the time lies outside the years 1 to 9999") from None


@lru_cache(maxsize=1_024)
def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    if name not in _zone_names():
        raise EvaluationError("there is no such time zone; write one like Europe/Berlin")
    return ZoneInfo(name)


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())
