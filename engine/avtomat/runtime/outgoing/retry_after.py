"""Read Retry-After: how long a server asks to be left alone."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

RETRY_AFTER_S_MAX: Final = 24 * 60 * 60
"""What a server asks beyond a day is a day."""


def seconds_of(header: str | None, now: datetime) -> int | None:
    """The seconds that the header asks for (RFC 9110: a number, or a date); None for none, or one that is neither."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:12]), RETRY_AFTER_S_MAX)
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    left_s = -(-(time - now).total_seconds() // 1)
    return int(min(max(left_s, 0), RETRY_AFTER_S_MAX))
