"""Wait for what must become true, and say what did not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

LOOK_EVERY_S = 0.02

T = TypeVar("T")


def until(found: Callable[[], T], what: str, *, within_s: float = 30) -> T:
    """Return what `found` finds as soon as that is anything; AssertionError names `what` when it never is."""
    end = time.monotonic() + within_s
    pause = threading.Event()
    while not (value := found()):
        assert time.monotonic() < end, f"no {what} within {within_s} s"
        pause.wait(LOOK_EVERY_S)
    return value


def for_the_time(seconds: float) -> None:
    """Let the world go on for a while: an outage has a length, and a crash comes at a moment of its own."""
    threading.Event().wait(seconds)
