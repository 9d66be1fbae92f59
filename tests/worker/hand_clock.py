"""A clock that is turned by hand, and says who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from avtomat_worker.waiting import Signal

NEW_YEAR = 1_800_000_000.0


@dataclass(slots=True, eq=False)
class Waiter:
    seconds: float
    due_at: float
    over: asyncio.Event = field(default_factory=asyncio.Event)


class HandClock:
    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.waiters: list[Waiter] = []
        self.waits: list[float] = []
        self._changed = Signal()

    def now(self) -> float:
        return NEW_YEAR + self.elapsed_s

    def monotonic(self) -> float:
        return self.elapsed_s

    async def wait(self, wake: asyncio.Event, seconds: float) -> bool:
        waiter = Waiter(seconds, self.elapsed_s + seconds)
        self.waiters.append(waiter)
        self.waits.append(seconds)
        self._changed.notify()
        both = [asyncio.create_task(wake.wait()), asyncio.create_task(waiter.over.wait())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            return wake.is_set()
        finally:
            if waiter in self.waiters:
                self.waiters.remove(waiter)
            for each in both:
                each.cancel()

    def turn(self, seconds: float) -> None:
        self.elapsed_s += seconds
        for waiter in [each for each in self.waiters if each.due_at <= self.elapsed_s]:
            self.waiters.remove(waiter)
            waiter.over.set()

    async def someone_waits(self, accept: Callable[[float], bool]) -> float:
        """Return as soon as somebody waits for a time that `accept` takes."""
        await self._changed.until(lambda: any(accept(waiter.seconds) for waiter in self.waiters))
        return next(waiter.seconds for waiter in self.waiters if accept(waiter.seconds))

    async def pass_by(self, accept: Callable[[float], bool]) -> float:
        """Wait until somebody waits for such a time, and let it pass."""
        seconds = await self.someone_waits(accept)
        self.turn(seconds)
        return seconds

    async def pass_always(self, accept: Callable[[float], bool]) -> None:
        """Let every such time pass, until cancelled."""
        while True:
            await self.pass_by(accept)
