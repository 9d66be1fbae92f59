"""Find the moments that a cron line names in a time zone.

A line whose minute and hour are numbers names times of day. One that a clock leaves out when it is put forward is the
moment right after the gap, one that it shows twice when it is put back is the first. A line with `*` or a step in its
minute or hour runs at each moment at which the clock shows a time that fits: never in a gap, twice where the clock
shows it twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import sha256
from itertools import takewhile
from typing import Final

from avtomat.blueprint.language.zones import local_time, moment_of
from avtomat.blueprint.schedules.cron import Cron, ceil_to_minute, parse_cron

_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
_BACK: Final = (timedelta(hours=1), timedelta(days=1), timedelta(days=31), timedelta(days=400))


@dataclass(frozen=True, slots=True)
class Timetable:
    """The moments of a line in a zone, all of them in UTC."""

    cron: Cron
    zone: str

    def after(self, moment: datetime) -> datetime | None:
        """The first moment after this one; None where none comes."""
        try:
            return self._next_fixed(moment) if self.cron.is_fixed else self._next_shown(moment)
        except OverflowError:  # the end of the calendar
            return None

    def all_after(self, moment: datetime) -> Iterator[datetime]:
        """All after this one, in order."""
        found = self.after(moment)
        while found is not None:
            yield found
            found = self.after(found)

    def latest(self, after: datetime, until: datetime, most: int) -> list[datetime]:
        """The last moments, at most so many, that are after `after` and not after `until`, in order. What it costs
        does not grow with the span.
        """
        found: list[datetime] = []
        end = until
        for back in (*_BACK, until - after):
            start = max(after, until - back)
            found = [*self._between(start, end), *found][-most:]
            if len(found) >= most or start <= after:
                break
            end = start
        return found

    def _between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        return takewhile(lambda each: each <= until, self.all_after(after) if after < until else ())

    # --- times of day -------------------------------------------------------------------------------------------------

    def _next_fixed(self, moment: datetime) -> datetime | None:
        shown = local_time(moment, self.zone)
        start = ceil_to_minute(shown.replace(tzinfo=None))
        for local in self.cron.local_times(start):
            found = moment_of(local.replace(tzinfo=shown.tzinfo))
            if found > moment:
                return found
        return None

    # --- each time that a clock shows ---------------------------------------------------------------------------------

    def _next_shown(self, moment: datetime) -> datetime | None:
        at = moment + timedelta(microseconds=1)
        zone = local_time(at, self.zone).tzinfo
        assert zone is not None
        while True:
            offset = _offset(at, zone)
            local = next(self.cron.local_times(ceil_to_minute(at.replace(tzinfo=None) + offset)), None)
            if local is None:
                return None
            found = (local - offset).replace(tzinfo=UTC)
            end = _same_offset_until(at, zone, offset)
            if found < end:
                return found
            at = max(end, found - 2 * _DAY)  # no clock was ever put by more than a day


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _same_offset_until(moment: datetime, zone: tzinfo, offset: timedelta) -> datetime:
    """When the clock is put, or a day later where it is not put before."""
    end = moment + _DAY
    if _offset(end, zone) == offset:
        return end
    low, high = 0, -(-_DAY // _SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(moment + middle * _SECOND, zone) == offset else (low, middle)
    return (moment + high * _SECOND).replace(microsecond=0)


def timetable_of(line: str, zone: str) -> Timetable:
    """The timetable of a line. Raises CronFault, and EvaluationError for a zone that there is not."""
    local_time(datetime(2026, 1, 1, tzinfo=UTC), zone)
    return Timetable(parse_cron(line), zone)


def delay_of(seed: str, most: timedelta) -> timedelta:
    """A delay below `most` that is always the same for the same seed."""
    share = int.from_bytes(sha256(seed.encode()).digest()[:6], "big") / 2**48
    return timedelta(milliseconds=int(share * (most / timedelta(milliseconds=1))))
