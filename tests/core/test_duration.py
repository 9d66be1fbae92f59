"""Durations as authors write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtomat.core.duration import duration_hint, format_duration, parse_duration, parse_span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30),
        ("5m", 300),
        ("2h", 7_200),
        ("3d", 259_200),
        ("1h30m", 5_400),
        ("1m500ms", 60.5),
        ("0s", 0),
    ],
)
def test_a_duration_is_whole_numbers_with_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "1.5h",
        "-5m",
        "5 m",
        "30m1h",
        "5m5m",
        "PT30S",
        "5M",
        "1w",
        "٣s",
        "5m\n",
        " 5m",
        "99999999d",
        "1h-5m",
        "s",
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("PT30S", "write 30s"),
        ("P1DT2H", "write 1d2h"),
        ("pt5m", "write 5m"),
        ("P2W", "write 14d"),
        ("30", "30s are seconds"),
        ("1.5", "fractions are written in the smaller unit"),
        ("5 minutes", "write 5m"),
        ("1 hour 30 min", "write 1h30m"),
        ("10 sec", "write 10s"),
        ("2w", "write 14d"),
        ("5M", "write 5m"),
        ("soon", "durations are written 250ms"),
        ("P", "durations are written 250ms"),
        ("", "durations are written 250ms"),
    ],
)
def test_a_refused_form_gets_the_words_to_write_instead(text: str, hint: str) -> None:
    assert hint in duration_hint(text)


@given(st.integers(0, 10**11).map(lambda ms: timedelta(milliseconds=ms)))
def test_what_is_formatted_reads_back(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


def test_a_negative_duration_is_shown_with_its_sign() -> None:
    assert format_duration(-timedelta(minutes=90)) == "-1h30m"


@given(st.text(max_size=20))
def test_no_text_makes_parsing_or_hinting_raise(text: str) -> None:
    assert parse_duration(text) is not None or duration_hint(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("-5m", -300), ("-1h30m", -5_400), ("90s", 90), ("86399.877s", 86_399.877), ("-0.5s", -0.5), ("1e-05s", 1e-05)],
)
def test_a_span_that_was_computed_may_be_negative_or_have_a_fraction(text: str, seconds: float) -> None:
    assert parse_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "-", "--5m", "1.5h", "5m-", ".5s", "1.s", "9" * 38 + ".5s", "1." + "0" * 10**6 + "s"]
)
def test_anything_else_is_no_span(text: str) -> None:
    assert parse_span(text) is None


@given(st.integers(min_value=-(10**12), max_value=10**12))
def test_a_span_is_read_back_as_it_was_written(milliseconds: int) -> None:
    span = timedelta(milliseconds=milliseconds)

    assert parse_span(format_duration(span)) == span
