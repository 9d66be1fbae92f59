from __future__ import annotations

from datetime import UTC, datetime, timedelta

from avtomat.storage.codec import from_ms, to_ms

LAST = datetime.max.replace(tzinfo=UTC)


def test_the_last_times_that_there_are_come_back_as_times_of_their_year() -> None:
    assert from_ms(to_ms(LAST)).year == 9999
    assert LAST - from_ms(to_ms(LAST)) < timedelta(milliseconds=2)
