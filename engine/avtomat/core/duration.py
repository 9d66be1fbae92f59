"""Durations as authors write them: `250ms`, `30s`, `5m`, `2h`, `3d`, `1h30m`.

Whole numbers, each unit at most once, from large to small. Everything else is refused, so that a bare number never
means seconds to one reader and milliseconds to another; `duration_hint` says what was probably meant.
"""

import re
from datetime import timedelta

DURATION_MAX = timedelta(days=36_500)

TEXT_CHARS_MAX = 80

_FORM = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9})s)?(?:(\d{1,12})ms)?", re.ASCII)
_SECONDS = re.compile(r"\d+\.\d+(?:e-\d+)?s|\de-\d+s", re.ASCII)
_SECONDS_LENGTH_MAX = 40
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_ISO = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII | re.IGNORECASE)
_WORDS = re.compile(r"(\d+)\s*([A-Za-z]+)", re.ASCII)
_UNITS_US = (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000))
_UNIT_OF_WORD = {
    "millisecond": "ms", "msec": "ms", "second": "s", "sec": "s", "minute": "m", "min": "m",
    "hour": "h", "hr": "h", "day": "d", "s": "s", "m": "m", "h": "h", "d": "d", "ms": "ms",
}  # fmt: skip


def parse_duration(text: str) -> timedelta | None:
    """Return the duration that `text` spells, or None when it is not one, or is longer than a hundred years."""
    found = _FORM.fullmatch(text) if len(text) <= TEXT_CHARS_MAX else None
    if not text or found is None:
        return None
    days, hours, minutes, seconds, milliseconds = (int(part or 0) for part in found.groups())
    if days > DURATION_MAX.days:
        return None
    value = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
    return value if value <= DURATION_MAX else None


def parse_span(text: str) -> timedelta | None:
    """Return the span that an expression gave: a duration, a negative one as in `-5m`, or seconds with a fraction.

    Such a span may be what is left of a time that is over; and seconds that were counted have fractions on every real
    clock. An author writes neither out, so that `parse_duration` does not read them.
    """
    size = text.removeprefix("-")
    span = parse_duration(size)
    if span is None and len(size) <= _SECONDS_LENGTH_MAX and _SECONDS.fullmatch(size):
        seconds = float(size[:-1])
        span = timedelta(seconds=seconds) if seconds <= DURATION_MAX.total_seconds() else None
    return -span if span is not None and size != text else span


def format_duration(value: timedelta) -> str:
    """Return the shortest text that `parse_span` reads back, to the millisecond; a negative one has a `-`."""
    rest_us = round(abs(value) / timedelta(milliseconds=1)) * 1_000
    text = ""
    for unit, size_us in _UNITS_US:
        count, rest_us = divmod(rest_us, size_us)
        text += f"{count}{unit}" if count else ""
    if not text:
        return "0s"
    return f"-{text}" if value < timedelta(0) else text


def duration_hint(text: str) -> str:
    """Return what to write instead of `text`, which `parse_duration` refused."""
    written = text.strip() if len(text) <= TEXT_CHARS_MAX else ""
    if _NUMBER.fullmatch(written):
        return f"a number needs its unit: {written}s are seconds, {written}ms milliseconds" + _fraction_hint(written)
    meant = _from_iso(written) or _from_words(written)
    if meant:
        return f"write {meant}"
    return "durations are written 250ms, 30s, 5m, 2h, 3d or 1h30m, from large to small, at most a hundred years"


def _fraction_hint(written: str) -> str:
    return "; fractions are written in the smaller unit, 1500ms" if "." in written else ""


def _from_iso(written: str) -> str | None:
    found = _ISO.fullmatch(written)
    if found is None or not any(found.groups()):
        return None
    weeks, days, hours, minutes, seconds = (min(int(part or 0), 10**6) for part in found.groups())
    total = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return format_duration(total)


def _from_words(written: str) -> str | None:
    parts = [
        (count, _UNIT_OF_WORD.get(word.lower().removesuffix("s") or "s")) for count, word in _WORDS.findall(written)
    ]
    if not parts or _WORDS.sub("", written).strip(" ,"):
        return None
    if len(parts) == 1 and parts[0][1] is None and written[-1:] in "wW":
        return f"{int(parts[0][0][:6]) * 7}d"
    text = "".join(f"{count}{unit}" for count, unit in parts if unit)
    return text if parse_duration(text) is not None else None
