"""Tell a store's time, which goes on when the system's clock is turned back.

The store's clock is the system's as long as that one goes forward. When it is turned back, the store's goes on from
where it stood, at SLOW of the true speed, until the other has caught up: a wait measures what has passed. What people
gave as a time of day (`until`, `start_at`) is held to the system's clock itself, `wall_ms`.

Two threads may ask at the same time: what is known is replaced in one assignment.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, TypeAlias

log = logging.getLogger(__name__)

SLOW: Final = 0.9
Times: TypeAlias = tuple[float, float]
"""Milliseconds since the epoch by a clock that people turn, and by one that nobody turns, from any time on."""

JUMP_TOLD_MS: Final = 5 * 60_000


def system_times() -> Times:
    """Of this machine."""
    return time.time_ns() // 1_000_000, time.monotonic() * 1000


class StoreClock:
    """The clock of one store. `offset_ms` is added to all times: tests turn it by hand, and it is no jump."""

    def __init__(
        self, *, times: Callable[[], Times] = system_times, offset_ms: Callable[[], int] | None = None
    ) -> None:
        self._times = times
        self._offset_ms = offset_ms or (lambda: 0)
        self._now_ms = 0
        self.jumps = 0
        """How often the system's clock jumped by more than JUMP_TOLD_MS."""
        self.start(0)

    def start(self, last_ms: int) -> None:
        """Begin here; `last_ms` is the last time that the store has kept, and it does not begin before that."""
        wall, passed = self._times()
        self._known = (wall, passed, max(wall, last_ms - self._offset_ms()))

    def now_ms(self) -> int:
        """The store's time, never backwards."""
        wall, passed = self._times()
        known_wall, known_passed, steady = self._known
        went_on = passed - known_passed
        steady += went_on * SLOW
        steady = max(steady, wall)
        self._known = (wall, passed, steady)
        jumped = wall - known_wall - went_on
        if not -JUMP_TOLD_MS <= jumped <= JUMP_TOLD_MS:
            self._tell(jumped)
        now_ms = int(steady) + self._offset_ms()
        self._now_ms = max(self._now_ms, now_ms)
        return self._now_ms

    def wall_ms(self) -> int:
        """The system's time."""
        return int(self._times()[0]) + self._offset_ms()

    def when_wall_is(self, ms: int) -> int:
        """The store's time at which the system's clock will show `ms`, a time to come, or a moment before: the store's
        clock may have been caught up by then, and is at full speed again.
        """
        return self.now_ms() + max(1, int((ms - self.wall_ms()) * SLOW))

    def ahead_ms(self) -> int:
        """By how much the store's clock is before the system's."""
        self.now_ms()
        wall, _, steady = self._known
        return int(steady - wall)

    def gauges(self) -> dict[str, float]:
        """In the form of `Store.gauges`."""
        return {"clock_ahead_seconds": self.ahead_ms() / 1000, "clock_jumps": self.jumps}

    def _tell(self, jumped: float) -> None:
        self.jumps += 1
        log.warning(
            "the clock was turned %s by %.0f s (or the machine slept): %s",
            "back" if jumped < 0 else "forward",
            abs(jumped) / 1000,
            "waits go on, a little slower, until it has caught up" if jumped < 0 else "waits may end early by as much",
        )
