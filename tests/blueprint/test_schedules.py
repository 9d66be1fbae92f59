"""Cron lines: what they name, and the moments that they are in a time zone, at each kind of change of its clocks."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from avtomat.blueprint.compiler import examine_text
from avtomat.blueprint.language.limits import EvaluationError
from avtomat.blueprint.language.zones import local_time
from avtomat.blueprint.schedules.cron import CronFault, parse_cron
from avtomat.blueprint.schedules.timetable import delay_of, timetable_of


def shown(line: str, zone: str, after: str, count: int) -> list[str]:
    """The next moments, as the clocks of the zone show them."""
    start = datetime.fromisoformat(after).replace(tzinfo=UTC)
    found = islice(timetable_of(line, zone).all_after(start), count)
    return [local_time(each, zone).isoformat(timespec="minutes") for each in found]


@pytest.mark.parametrize(
    ("line", "zone", "after", "expected"),
    [
        # a time that is left out is the moment right after the gap, once
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        ("0,15,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
        ("0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
        ("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00", ["2026-04-24T01:00+03:00", "2026-04-25T00:00+03:00"]),
        ("10 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00", ["2026-10-04T02:30+11:00", "2026-10-05T02:10+11:00"]),
        ("30 1 * * *", "Antarctica/Troll", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T01:30+02:00"]),
        # and so on a day that is left out as a whole
        ("0 6 * * *", "Pacific/Apia", "2011-12-29T12:00", ["2011-12-29T06:00-10:00", "2011-12-31T00:00+14:00"]),
        ("0 6 30 12 *", "Pacific/Apia", "2011-12-01T12:00", ["2011-12-31T00:00+14:00", "2012-12-30T06:00+14:00"]),
        # a time that is shown twice is the first, once
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00", ["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"]),
        ("30 0 * * *", "America/Havana", "2024-11-02T12:00", ["2024-11-03T00:30-04:00", "2024-11-04T00:30-05:00"]),
        # with `*` and steps each time that is shown counts
        ("*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["2026-03-30T02:00+02:00", "2026-03-30T02:30+02:00"]),
        ("0 * * * *", "Europe/Berlin", "2026-03-29T00:30", ["2026-03-29T03:00+02:00", "2026-03-29T04:00+02:00"]),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:30",
            ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"],
        ),
        (
            "*/20 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T14:15",
            ["2026-04-05T01:20+11:00", "2026-04-05T01:40+11:00", "2026-04-05T01:40+10:30", "2026-04-06T01:00+10:30"],
        ),
        ("30 0-4/2 * * *", "Europe/Berlin", "2026-03-29T00:00", ["2026-03-29T04:30+02:00", "2026-03-30T00:30+02:00"]),
        # days
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00", ["2028-02-29T00:00+00:00", "2032-02-29T00:00+00:00"]),
        ("0 0 13 * fri", "UTC", "2026-02-07T00:00", ["2026-02-13T00:00+00:00", "2026-02-20T00:00+00:00"]),
        ("0 0 1 * mon", "UTC", "2026-02-27T00:00", ["2026-03-01T00:00+00:00", "2026-03-02T00:00+00:00"]),
        ("0 0 */10 * mon", "UTC", "2026-01-01T00:00", ["2026-05-11T00:00+00:00", "2026-06-01T00:00+00:00"]),
        ("0 0 * * 7", "UTC", "2026-02-27T00:00", ["2026-03-01T00:00+00:00", "2026-03-08T00:00+00:00"]),
        ("59 23 31 12 *", "UTC", "9998-06-01T00:00", ["9998-12-31T23:59+00:00", "9999-12-31T23:59+00:00"]),
    ],
)
def test_a_line_is_these_moments(line: str, zone: str, after: str, expected: list[str]) -> None:
    assert shown(line, zone, after, len(expected)) == expected


def test_the_moment_itself_is_not_after_it() -> None:
    table = timetable_of("0 6 * * *", "UTC")
    at = datetime(2026, 1, 1, 6, tzinfo=UTC)
    assert table.after(at) == at + timedelta(days=1)
    assert table.after(at - timedelta(microseconds=1)) == at
    every = timetable_of("* * * * *", "UTC")
    assert every.after(at) == at + timedelta(minutes=1)
    assert every.after(at - timedelta(microseconds=1)) == at


def test_the_end_of_the_calendar_ends_the_moments() -> None:
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    assert timetable_of("0 0 1 1 *", "UTC").after(last) is None
    assert timetable_of("*/5 0 1 1 *", "UTC").after(last) is None


@pytest.mark.parametrize("line", ["*/7 * * * *", "15 3 * * *", "0 12 1 * *", "0 0 29 2 *"])
def test_the_latest_moments_are_the_last_of_all(line: str) -> None:
    table, start = timetable_of(line, "Europe/Berlin"), datetime(2026, 1, 1, tzinfo=UTC)
    every = [*islice(table.all_after(start), 400)]
    until = every[-1] + timedelta(seconds=30)
    for most in (1, 2, 100):
        assert table.latest(start, until, most) == every[-most:]
    assert table.latest(every[-3], until, 100) == every[-2:]
    assert table.latest(until, start, 5) == []


def test_names_lists_ranges_and_steps_are_numbers() -> None:
    assert parse_cron("5,1-3 */6 1-9/4 JAN,jun-Aug fri-sun") == parse_cron("1,2,3,5 0-23/6 1,5,9 1,6,7,8 5,6,0")
    assert parse_cron("0 0 * * 0-7").weekdays == frozenset(range(7))
    assert parse_cron("  0\t6  * * * ") == parse_cron("0 6 * * *")


@pytest.mark.parametrize(
    "line", ["", "* * * *", "x", "0 6 * * * *", "1-2-3 * * * *", "٣ * * * *", "-1 * * * *", "0 " * 300]
)
def test_what_is_no_line_is_refused_with_a_hint(line: str) -> None:
    with pytest.raises(CronFault) as fault:
        parse_cron(line)
    assert fault.value.hint


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(EvaluationError):
        timetable_of("0 6 * * *", "Europe/Berlim")


def test_a_delay_is_below_its_bound_and_always_the_same() -> None:
    most = timedelta(minutes=5)
    delays = {delay_of(f"a/b@{number}", most) for number in range(1_000)}
    assert delays == {delay_of(f"a/b@{number}", most) for number in range(1_000)}
    assert all(timedelta() <= each < most for each in delays)
    assert len(delays) > 900
    assert delay_of("a", timedelta()) == timedelta()


PAGE = Path(__file__).parents[2] / "docs/language/schedules.md"
ROW = re.compile(r"\| `([^`]+)` \| ([\w/]+) \| (\d{4}[-\dT:]+)Z \| ([^|]+) \|")


def test_the_moments_on_the_page_about_schedules_are_these() -> None:
    rows = ROW.findall(PAGE.read_text("utf-8"))
    assert len(rows) == 8
    for line, zone, after, moments in rows:
        expected = [each.strip() for each in moments.split(",")]
        assert shown(line, zone, after, len(expected)) == expected, line


def test_the_blueprint_on_the_page_about_schedules_is_right() -> None:
    [blueprint] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert examine_text(blueprint).findings == ()
