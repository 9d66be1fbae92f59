"""Wait: for a time, for a condition, or for the end of a pause after a failure.

Time is a port. The SDK reads no clock but through `Clock`, so tests turn it by hand.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Protocol

from avtomat_worker.errors import EngineError, EngineUnavailableError
from avtomat_worker.limits import Limits


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Return Unix seconds, as this machine sees them; for timestamps only."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow; for durations."""
        ...

    async def wait(self, wake: asyncio.Event, seconds: float) -> bool:
        """Wait until `wake` is set (True), at most `seconds` (False)."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()

    async def wait(self, wake: asyncio.Event, seconds: float) -> bool:
        """Wait until `wake` is set (True), at most `seconds` (False)."""
        try:
            async with asyncio.timeout(seconds):
                return await wake.wait()
        except TimeoutError:
            return False


class Signal:
    """Something changed: everybody who waits for a condition looks again."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Let all who wait look at their conditions."""
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return as soon as `condition` holds. It is looked at now and after each `notify`."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()


class Backoff:
    """The pauses after failures in a row: doubling, jittered, never shorter than the engine asked for."""

    def __init__(self, limits: Limits, rng: random.Random) -> None:
        self._limits = limits
        self._rng = rng
        self.failures = 0

    def reset(self) -> None:
        """Forget the failures: something succeeded."""
        self.failures = 0

    def next_s(self, error: EngineError | None = None) -> float:
        """Count one more failure and return how long to pause after it."""
        limits = self._limits
        ceiling_s = min(limits.backoff_max_s, limits.backoff_first_s * 2.0 ** min(self.failures, 30))
        self.failures += 1
        pause_s = ceiling_s * self._rng.uniform(0.5, 1)
        asked_s = error.retry_after_s if isinstance(error, EngineUnavailableError) else None
        return max(pause_s, min(asked_s or 0, limits.retry_after_max_s))
