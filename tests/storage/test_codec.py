"""What the core decides comes back from a store as it went in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from avtomat.core.model import Head, Ref
from avtomat.core.timestamp import from_ms, to_ms
from avtomat.storage.port.codec import dumps, head_as_json, head_from_json, loads

HEAD = Head(job="00a", blueprint="b", digest="d", input=None, created_at=datetime(2026, 1, 31, tzinfo=UTC), config={})


def stored_and_read(head: Head) -> Head:
    record = loads(dumps(head_as_json(head, None)))
    return head_from_json(record, job="00a", blueprint="b", digest="d", status="open", deadline_ms=None)


@pytest.mark.parametrize("value", [None, {}, [], "", 0, False, 1.0, {"a": {}, "b": None}, Ref("input", 40_000)])
def test_an_input_is_read_as_it_was_sent(value: Any) -> None:
    read = stored_and_read(replace(HEAD, input=value)).input

    assert (read, type(read)) == (value, type(value))


def test_what_a_client_asked_for_is_read_as_it_was_sent() -> None:
    head = replace(HEAD, labels={"a": ""}, priority=0, timeout=timedelta(seconds=90), config={"shop": "x"})

    assert stored_and_read(head) == head


LAST = datetime.max.replace(tzinfo=UTC)


def test_the_last_times_that_there_are_come_back_as_times_of_their_year() -> None:
    assert from_ms(to_ms(LAST)).year == 9999
    assert LAST - from_ms(to_ms(LAST)) < timedelta(milliseconds=2)
