"""Our cron lines beside two libraries', over ten years: the same moments, but for differences that have a reason.

`make test` compares some zones, the nightly run every one whose clocks were put in those years. Lines that run often
are compared around each change of the clocks, and for a week without one. All three use the same data of zones.

  twice                 croniter runs twice at a time of day that is shown twice
  after the gap         croniter runs once after a gap for `*` or a step in it
  step taken for times  cronsim takes a step without `*`, as in `0-23/2`, for times of day: it runs after a gap, and
                        once where a time is shown twice
  odd change            both lose or move moments near a change by no full hour, by more than one, or at another time
                        than a full hour
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import takewhile

import pytest
from cronsim import CronSim

from avtomat.blueprint.language.zones import local_time
from avtomat.blueprint.schedules.timetable import timetable_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from croniter import croniter

BEGIN, END = datetime(2010, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
AROUND = timedelta(days=2)
HOUR = timedelta(hours=1)
SELDOM = ("30 2 * * *", "0 0 * * *", "5 1,2 * * 6,0", "30 0 1 * *", "15 2 1-7,24-31 3,4,9-11 *", "0 3 13 * fri")
OFTEN = ("0 * * * *", "*/20 * * * *", "*/30 2 * * *", "30 */2 * * *", "15,45 0-3 * * *", "0 0-23/2 * * *", "* 1 * * *")
SAMPLE = ("Europe/Berlin", "Australia/Lord_Howe")
Moments = Callable[[str, str, datetime, datetime], list[datetime]]


def ours(line: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    return [*takewhile(lambda each: each < end, timetable_of(line, zone).all_after(start))]


def by_cronsim(line: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    every = (each.astimezone(UTC) for each in CronSim(line, local_time(start, zone)))
    return [*takewhile(lambda each: each < end, every)]


def by_croniter(line: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    found = croniter(line, local_time(start, zone), ret_type=datetime)
    every = (found.get_next().astimezone(UTC) for _ in iter(int, 1))
    return [*takewhile(lambda each: each < end, every)]


def offset(moment: datetime, zone: str) -> timedelta:
    return local_time(moment, zone).utcoffset() or timedelta()


def changes(zone: str) -> list[tuple[datetime, timedelta]]:
    """When the clocks of a zone were put, to the minute, and by how much."""
    found, at = [], BEGIN
    while at < END:
        end = at + timedelta(days=1)
        if offset(end, zone) != offset(at, zone):
            low, high = at, end
            while high - low > timedelta(minutes=1):
                middle = (low + (high - low) / 2).replace(second=0, microsecond=0)
                low, high = (middle, high) if offset(middle, zone) == offset(at, zone) else (low, middle)
            found.append((high, offset(high, zone) - offset(low, zone)))
        at = end
    return found


def spans(line: str, put: list[tuple[datetime, timedelta]]) -> Iterator[tuple[datetime, datetime]]:
    if line in SELDOM:
        yield BEGIN, END
        return
    yield datetime(2014, 7, 7, tzinfo=UTC), datetime(2014, 7, 14, tzinfo=UTC)
    for at, _ in put:
        yield at - AROUND, at + AROUND


def reason(library: str, line: str, zone: str, moment: datetime, put: list[tuple[datetime, timedelta]]) -> str | None:
    """Why one of the two has this moment and the other has not; None: there is none that is known."""
    near = [(at, by) for at, by in put if abs(at - moment) <= max(abs(by), HOUR) + HOUR]
    if not near:
        return None
    at, by = near[0]
    minute, hour = line.split()[:2]
    if by % HOUR or abs(by) > HOUR or at.minute:
        return "odd change"
    if library == "cronsim":
        is_step = "/" in minute + hour and not minute.startswith("*") and not hour.startswith("*")
        return "step taken for times" if is_step else None
    is_fixed = not set("*/") & set(minute + hour)
    if is_fixed and local_time(moment, zone).fold:
        return "twice"
    return "after the gap" if not is_fixed and by > timedelta() and moment == at else None


def compare(zone: str) -> Counter[tuple[str, str]]:
    """The reasons for all differences in a zone, by library."""
    put, reasons = changes(zone), Counter[tuple[str, str]]()
    libraries: dict[str, Moments] = {"cronsim": by_cronsim, "croniter": by_croniter}
    for line in SELDOM + OFTEN:
        for start, end in spans(line, put):
            own = ours(line, zone, start, end)
            assert own == sorted(set(own))
            for library, moments in libraries.items():
                for moment in set(own) ^ set(moments(line, zone, start, end)):
                    why = reason(library, line, zone, moment, put)
                    assert why is not None, (library, line, zone, moment, moment in own)
                    reasons[library, why] += 1
    return reasons


def zones_with_changes() -> list[str]:
    """The zones whose clocks were put, of those that are the same in these years the first."""
    names = files("tzdata").joinpath("zones").read_text("utf-8").split()
    known = {(offset(BEGIN, name), *put): name for name in reversed(names) if (put := changes(name))}
    return sorted(known.values())


@pytest.mark.parametrize("zone", SAMPLE)
def test_ten_years_of_a_zone_are_the_same_but_for_what_has_a_reason(zone: str) -> None:
    known = {("cronsim", "step taken for times"), ("croniter", "twice"), ("croniter", "after the gap")}
    odd = {("cronsim", "odd change"), ("croniter", "odd change")}

    assert compare(zone).keys() <= (odd if zone == "Australia/Lord_Howe" else known)


@pytest.mark.nightly
@pytest.mark.timeout(0)
def test_ten_years_of_every_zone_whose_clocks_were_put_are_the_same_but_for_what_has_a_reason() -> None:
    compared = [compare(zone) for zone in zones_with_changes()]

    assert len(compared) > 80
    print(sum(compared, Counter()))
