"""The functions on times.

They see no clock: `now` is the time of the event that is being decided, so a replay sees the same one. Names of days
and months are English, whatever the machine's locale is.
"""

# ruff: noqa: D103 – how each is called stands in the table of `functions`

import calendar
import re
from datetime import UTC, datetime, timedelta

from avtomat.blueprint.language.functions.text import number_of, text_of, whole_number_of
from avtomat.blueprint.language.limits import EvaluationError, Frame
from avtomat.blueprint.language.operators import is_number
from avtomat.blueprint.language.times import duration_of, time_of
from avtomat.blueprint.language.zones import local_time, moment_of
from avtomat.core.formula import Json

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_FORMAT_CHARS_MAX = 256
_UNITS = ("minute", "hour", "day", "week", "month", "year")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_DATED = frozenset("Yy")
_DAYS_OF_A_DATE = frozenset("mdjbB")


def now(frame: Frame) -> datetime:
    """In milliseconds, as it is stored."""
    frame.with_times = True
    moment = frame.now.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)


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


def seconds(frame: Frame, value: Json) -> timedelta:
    frame.with_times = True
    number = number_of(value, "seconds()'s argument")
    try:
        return timedelta(seconds=number)
    except (OverflowError, ValueError):
        raise EvaluationError("the duration is too long") from None


def add_days(frame: Frame, value: Json, days: Json, zone: Json = "UTC") -> datetime:
    """The same clock time so many days later."""
    local, count = _local(time_of(value), zone), whole_number_of(days, "the number of days")
    frame.with_times = True
    return moment_of(_days_later(local, count))


def add_months(frame: Frame, value: Json, months: Json, zone: Json = "UTC") -> datetime:
    """The same day and clock time so many months later; the last day of the month where there is no such day."""
    local, count = _local(time_of(value), zone), whole_number_of(months, "the number of months")
    year, month = divmod(local.year * 12 + local.month - 1 + count, 12)
    if not 1 <= year <= 9999:
        raise EvaluationError("the time lies outside the years 1 to 9999")
    frame.with_times = True
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return moment_of(local.replace(year=year, month=month + 1, day=day, fold=0))


def at(frame: Frame, value: Json, clock: Json, zone: Json = "UTC") -> datetime:
    """When the clocks of `zone` show `clock`, on the day that they show at the time `value`."""
    local, shown = _local(time_of(value), zone), _CLOCK.fullmatch(text_of(clock, "at()'s clock time"))
    if shown is None:
        raise EvaluationError("at() takes a clock time from 00:00 to 23:59, such as 09:00 or 17:30:15")
    hour, minute, second = (int(part or 0) for part in shown.groups())
    frame.with_times = True
    return moment_of(local.replace(hour=hour, minute=minute, second=second, microsecond=0, fold=0))


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
        start = _days_later(start, -start.weekday())
    if rank >= 4:
        start = start.replace(day=1)
    if unit == "year":
        start = start.replace(month=1)
    frame.with_times = True
    return moment_of(start)


def _days_later(local: datetime, days: int) -> datetime:
    try:
        return (local + timedelta(days=days)).replace(fold=0)
    except OverflowError:
        raise EvaluationError("the time lies outside the years 1 to 9999") from None


def format_time(frame: Frame, value: Json, pattern: Json, zone: Json = "UTC") -> str:
    layout = text_of(pattern, "format_time()'s pattern")
    if len(layout) > _FORMAT_CHARS_MAX:
        raise EvaluationError(f"format_time()'s pattern may have at most {_FORMAT_CHARS_MAX} characters")
    frame.spend(len(layout) * 6)
    fills = _fills(_local(time_of(value), zone))
    parts = [part.split("%") for part in layout.split("%%")]
    _check_directives([field[:1] for _head, *fields in parts for field in fields], fills)
    return "%".join(head + "".join(fills[field[0]] + field[1:] for field in fields) for head, *fields in parts)


def _check_directives(letters: list[str], fills: dict[str, str]) -> None:
    """Refuse what is not known, and a week beside the year of a date: the first days of January may be in week 53."""
    for letter in letters:
        if letter not in fills:
            hint = "; for a number without zeros in front write int(format_time(…))" if letter == "-" else ""
            known = f"%{' %'.join(fills)} and %%"
            raise EvaluationError(f"format_time() does not know %{letter}; it knows {known}{hint}")
    if "V" in letters and not _DATED.isdisjoint(letters) and "G" not in letters and _DAYS_OF_A_DATE.isdisjoint(letters):
        raise EvaluationError("%V is the week of the year %G, which is not always %Y: write %G-W%V")
    if "G" in letters and "V" not in letters and "Y" not in letters and not _DAYS_OF_A_DATE.isdisjoint(letters):
        raise EvaluationError("%G is the year of the week %V, which is not always that of the date: write %Y")


def _fills(local: datetime) -> dict[str, str]:
    offset = local.strftime("%z")
    week = local.isocalendar()
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
        "G": f"{week.year:04}",
        "V": f"{week.week:02}",
        "u": f"{week.weekday}",
        "a": _DAYS[local.weekday()][:3],
        "A": _DAYS[local.weekday()],
        "b": _MONTHS[local.month - 1][:3],
        "B": _MONTHS[local.month - 1],
        "z": f"{offset[:3]}:{offset[3:5]}",
    }


def _local(moment: datetime, zone: Json) -> datetime:
    return local_time(moment, text_of(zone, "the time zone"))
