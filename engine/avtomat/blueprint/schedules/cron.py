"""Read a cron line, or say where it is wrong and what to write instead.

Five fields: minute, hour, day of month, month, day of week. A field is `*`, a number, a range, a list of these, and `*`
or a range may have a step; months and days of the week have names of three letters; 0 and 7 are Sunday. A day fits when
both of its fields do; where neither has a `*`, when one of them does, as in cron(5).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

YEARS_MAX: Final = 50
"""A date that does not come in so many years does not come at all: 29 February is a Sunday every 40 years at least."""

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WORD: Final = re.compile(r"\S+")
_PART: Final = re.compile(r"(\*|(\w+)(?:-(\w+))?)(?:/(\w+))?", re.ASCII)
_LONG_NAME: Final = re.compile(r"[A-Za-z]{4,}", re.ASCII)
LINE_CHARACTERS_MAX: Final = 200
_NICKNAMES: Final = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What one of the five fields is called, and what may stand in it."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The values that there are, in words."""
        names = f", or {self.names[0]} to {self.names[-1]}" if self.names else ""
        return f"{self.low} to {self.high}{names}"


FIELDS: Final = (
    Field(name="minute", low=0, high=59),
    Field(name="hour", low=0, high=23),
    Field(name="day of month", low=1, high=31),
    Field(name="month", low=1, high=12, names=_MONTHS),
    Field(name="day of week", low=0, high=7, names=_DAYS),
)


class CronFault(Exception):  # noqa: N818 - a finding of the checker's
    """What is wrong with a line: the place of the first character in it, how many, and what to do."""

    def __init__(self, message: str, hint: str, at: int = 0, length: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.at = at
        self.length = length


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A line that was read. `either`: of the two fields of a day one is enough. `is_fixed`: neither minute nor hour
    has a `*` or a step, so that it names times of day.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    is_fixed: bool

    def is_day(self, day: date) -> bool:
        """Whether it fits a day of a month that it names."""
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return in_month or in_week if self.either else in_month and in_week

    def local_times(self, start: datetime) -> Iterator[datetime]:
        """Times on a clock that never changes, from `start` on, in order, for YEARS_MAX."""
        for day in self._days(start.date()):
            earliest = start.time() if day == start.date() else time()
            for hour in self.hours:
                if hour < earliest.hour:
                    continue
                for minute in self.minutes:
                    moment = time(hour, minute)
                    if moment >= earliest:
                        yield datetime.combine(day, moment)

    def _days(self, start: date) -> Iterator[date]:
        year, month, first = start.year, start.month, start.day
        for _ in range(12 * YEARS_MAX + 1):
            if month in self.months:
                for number in range(first, calendar.monthrange(year, month)[1] + 1):
                    if self.is_day(day := date(year, month, number)):
                        yield day
            year, month, first = (year, month + 1, 1) if month < 12 else (year + 1, 1, 1)
            if year > date.max.year:
                return


def parse_cron(line: str) -> Cron:
    """Read a line. Raises CronFault."""
    words = [*_WORD.finditer(line[: LINE_CHARACTERS_MAX + 1])]
    _check_whole(line, words)
    found = [_field(field, word[0], word.start()) for field, word in zip(FIELDS, words, strict=True)]
    minutes, hours, days, months, weekdays = found
    texts = [word[0] for word in words]
    cron = Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(day % 7 for day in weekdays),
        either="*" not in texts[2] and "*" not in texts[4],
        is_fixed=not any(sign in text for text in texts[:2] for sign in "*/"),
    )
    if next(cron.local_times(datetime(2026, 1, 1)), None) is None:  # noqa: DTZ001 - a clock without a zone
        message = f"`{line.strip()}` never comes: no month that it names has such a day"
        raise CronFault(message, "February has 29 days at most, April, June, September and November have 30")
    return cron


def _check_whole(line: str, words: list[re.Match[str]]) -> None:
    """Refuse what has not five fields."""
    if len(line) > LINE_CHARACTERS_MAX:
        raise CronFault(f"a cron line has at most {LINE_CHARACTERS_MAX} characters", "write a shorter one")
    texts = [word[0] for word in words]
    if texts and texts[0].startswith("@"):
        _refuse_nickname(texts[0])
    if len(texts) == 6:
        rest = " ".join(texts[1:])
        message = "this cron line has six fields: seconds cannot be chosen, schedules go by the minute"
        raise CronFault(message, f"leave out the seconds: write '{rest}'", words[0].start(), len(texts[0]))
    if len(texts) != 5:
        message = f"a cron line has five fields, this one {len(texts)}"
        raise CronFault(message, "write minute, hour, day of month, month and day of week, such as '0 6 * * 1-5'")


def _refuse_nickname(word: str) -> None:
    line = _NICKNAMES.get(word.lower())
    if line is not None:
        raise CronFault(f"`{word}` is a short form of other systems", f"write '{line}'")
    hint = "write '*/5 * * * *' for every five minutes, '0 */2 * * *' for every two hours"
    raise CronFault(f"`{word}` is no cron line: it has five fields", hint)


def _field(field: Field, text: str, at: int) -> set[int]:
    values: set[int] = set()
    place = at
    for part in text.split(","):
        values |= _values(field, part, place)
        place += len(part) + 1
    return values


def _values(field: Field, part: str, at: int) -> set[int]:
    """What one part of a field's list names."""
    found = _PART.fullmatch(part)
    if found is None:
        raise _unreadable(field, part, at)
    _, first, last, step_text = found.groups()
    if first is None:
        low, high = field.low, 6 if field.high == 7 else field.high
    else:
        low = _number(field, first, at)
        high = low if last is None else _number(field, last, at + len(first) + 1)
        if last is not None and high < low:
            if field.high == 7 and high == 0:
                high = 7
            else:
                raise _backwards(field, part, at, (first, last))
    if step_text is None:
        return set(range(low, high + 1))
    return set(range(low, high + 1, _step(field, found, (low, high), at)))


def _number(field: Field, text: str, at: int) -> int:
    if text.isdigit() and len(text) <= 4 and field.low <= int(text) <= field.high:
        return int(text)
    name = text.lower()
    if name in field.names:
        return field.names.index(name) + (field.low if field.high == 12 else 0)
    hint = f"write {field.shown}"
    if _LONG_NAME.fullmatch(text) and name[:3] in field.names:
        hint = f"write {name[:3]}: names have three letters"
    elif field.low == 1 and text == "0":
        hint = f"the first {field.name} is 1"
    elif text == "24" and field.name == "hour":
        hint = "midnight is 0"
    elif text == "60" and field.name == "minute":
        hint = "the full hour is 0"
    elif special := _special(field, text):
        return _raise(special, at, len(text))
    raise CronFault(f"`{text}` is no {field.name}", hint, at, len(text))


def _raise(fault: CronFault, at: int, length: int) -> int:
    fault.at, fault.length = at, length
    raise fault


def _step(field: Field, found: re.Match[str], bounds: tuple[int, int], at: int) -> int:
    _, first, last, text = found.groups()
    low, high = bounds
    place = at + found.start(4)
    if not text.isdigit() or len(text) > 4 or int(text) == 0:
        raise CronFault(f"`{text}` is no step", "a step is a whole number from 1, such as */15", place, len(text))
    if first is not None and last is None:
        message = f"`{found[0]}` has a step, but not how far it goes"
        raise CronFault(message, f"write {first}-{6 if field.high == 7 else field.high}/{text}", at, len(found[0]))
    if int(text) > high - low:
        message = f"a step of {text} is longer than {low} to {high}: only {low} would be left"
        hint = f"write {low}, or a step up to {high - low}"
        if field.low == 0 and field.high > 7 and int(text) > field.high:
            hint += "; the steps begin anew with each " + ("hour" if field.high == 59 else "day")
        raise CronFault(message, hint, at, len(found[0]))
    return int(text)


def _backwards(field: Field, part: str, at: int, ends: tuple[str, str]) -> CronFault:
    first, last = ends
    top = field.names[-1] if field.names and not first.isdigit() else str(6 if field.high == 7 else field.high)
    bottom = field.names[0] if field.names and not last.isdigit() else str(field.low)
    one = first if first.lower() == top else f"{first}-{top}"
    other = last if last.lower() == bottom else f"{bottom}-{last}"
    return CronFault(f"`{part}` goes backwards", f"write {one},{other}", at, len(part))


def _unreadable(field: Field, part: str, at: int) -> CronFault:
    special = _special(field, part)
    if special is not None:
        special.at, special.length = at, len(part)
        return special
    if not part:
        return CronFault("a list has a number on each side of its comma", "leave out the comma", at, 1)
    hint = f"write *, a number ({field.shown}), a range such as 1-5, a list such as 1,15, or a step such as */5"
    return CronFault(f"`{part}` cannot be read as {field.name}", hint, at, len(part))


def _special(field: Field, part: str) -> CronFault | None:
    """Signs of other systems' cron lines."""
    if part == "?":
        return CronFault("`?` is a sign of other systems", "write *")
    if field.name == "day of month" and re.fullmatch(r"L|LW|L-\d+|\d+W", part, re.IGNORECASE):
        message = f"`{part}` is a sign of other systems: cron lines count from the first day of a month"
        return CronFault(message, "write 28-31, and let the first state choose: end where tomorrow is in this month")
    if field.name == "day of week" and re.fullmatch(r"\w+L|\w+#\d", part, re.IGNORECASE):
        message = f"`{part}` is a sign of other systems: cron lines count no weeks of a month"
        return CronFault(message, "write the day alone, and let the first state choose by the day of the month")
    return None


def ceil_to_minute(moment: datetime) -> datetime:
    """The next full minute on a clock, or the one that it shows."""
    whole = moment.replace(second=0, microsecond=0)
    return whole if whole == moment else whole + timedelta(minutes=1)
