"""What a time is, wherever one is written: in `time()`, in `until`, and in `start_at` of a submission."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from avtomat.api.clients.submissions import read_submission
from avtomat.blueprint.compiler import examine_text
from avtomat.core.timestamp import format_time, parse_time, time_hint
from avtomat.errors import RequestRefused
from tests.blueprint.evaluating import evaluate

TIMES = [
    ("2026-01-31T23:00:00Z", datetime(2026, 1, 31, 23, tzinfo=UTC)),
    ("2026-01-31t23:00:00.5z", datetime(2026, 1, 31, 23, 0, 0, 500_000, tzinfo=UTC)),
    ("2026-02-01 01:00:00+02:00", datetime(2026, 1, 31, 23, tzinfo=UTC)),
    ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
]
NO_TIMES = [
    "2026-01-02T00:00:00", "2026-01-02T00:00", "20260102T000000Z", "2026-W01-1", "2026-02-30", "2026-01-02T25:00:00Z",
    "0001-01-01T00:00:00+23:00", "tomorrow", "",
]  # fmt: skip


def start_at(text: str) -> datetime | None:
    return read_submission({"start_at": text}, blueprint="b", client="c").start_at


def found_in_until(text: str) -> list[str]:
    content = f'avtomat: 1\nblueprint: b\nstates:\n  a: {{wait: {{until: "{text}"}}}}\n'
    return [finding.code.number for finding in examine_text(content).findings]


@pytest.mark.parametrize(("text", "time"), TIMES)
def test_a_time_is_one_everywhere(text: str, time: datetime) -> None:
    assert parse_time(text) == time
    assert evaluate("time(data.at)", data={"at": text}) == format_time(time)
    assert found_in_until(text) == []
    assert start_at(text) == time


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_none_anywhere(text: str) -> None:
    assert parse_time(text) is None
    assert not isinstance(evaluate("time(data.at)", data={"at": text}), str)
    assert "AVT404" in found_in_until(text)
    with pytest.raises(RequestRefused):
        start_at(text)


def test_a_time_without_an_offset_is_told_how_to_have_one() -> None:
    hint = "a time needs its offset: write 2026-01-02T00:00:00Z, or 2026-01-02T00:00:00+02:00"

    assert time_hint("2026-01-02T00:00:00") == time_hint("2026-01-02T00:00") == hint


def test_times_are_written_at_one_width_and_cut_off_at_the_millisecond() -> None:
    moment = datetime(2026, 1, 31, 23, 0, 0, 1_999, tzinfo=timezone(timedelta(hours=1)))

    assert format_time(moment) == "2026-01-31T22:00:00.001Z"
    assert format_time(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00.000Z"
