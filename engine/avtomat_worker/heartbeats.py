"""Keep the leases of what the worker holds, and hear what the engine wants of it.

A heartbeat goes out every third of the shortest lease held, by a task or by a result on its way, a little early by
chance, so that a thousand workers that started together do not beat together. While tasks run they are at most
`cancel_heard_s` apart. While the engine is away the tasks go on: a lease that was lost is told by the first answer
after it, in `cancel_task_ids`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable

from avtomat_worker.errors import EngineError, UnknownWorkerError
from avtomat_worker.limits import Limits
from avtomat_worker.outbox import Outbox
from avtomat_worker.ports import EnginePort, Orders
from avtomat_worker.running import RunningTasks, Why
from avtomat_worker.waiting import Backoff, Clock

logger = logging.getLogger(__name__)


class Heartbeats:
    """The pulse of one worker. `body` encodes a heartbeat, `register` makes the worker known again."""

    def __init__(
        self,
        *,
        client: EnginePort,
        running: RunningTasks,
        outbox: Outbox,
        body: Callable[[], bytes],
        register: Callable[[], Awaitable[None]],
        limits: Limits,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._client = client
        self._running = running
        self._outbox = outbox
        self._body = body
        self._register = register
        self._limits = limits
        self._clock = clock
        self._rng = rng
        self._backoff = Backoff(limits, rng)
        self._wake = asyncio.Event()
        self._due_at = clock.monotonic()

    def beat_at_once(self) -> None:
        """Send the next heartbeat now."""
        self._due_by(0)

    def task_started(self) -> None:
        """Send the next heartbeat in time for a lease that may be shorter than those before."""
        self._due_by(self._interval_s())

    async def beat_forever(self) -> None:
        """Send heartbeats until cancelled."""
        while True:
            await self._until_due()
            self._due_at = math.inf  # what becomes due while the answer is awaited is not forgotten
            try:
                orders = await self._client.heartbeat(self._body())
            except EngineError as error:
                await self._failed(error)
            else:
                await self._obey(orders)

    def _interval_s(self) -> float:
        leases_s = self._running.shortest_lease_s(), self._outbox.shortest_lease_s()
        third_s = min((each for each in leases_s if each is not None), default=self._limits.lease_default_s) / 3
        return min(third_s, self._limits.cancel_heard_s) if self._running.task_ids else third_s

    def _due_by(self, seconds: float) -> None:
        at = self._clock.monotonic() + seconds
        if at < self._due_at:
            self._due_at = at
            self._wake.set()

    async def _until_due(self) -> None:
        while (left_s := self._due_at - self._clock.monotonic()) > 0:
            self._wake.clear()
            await self._clock.wait(self._wake, left_s)

    async def _obey(self, orders: Orders) -> None:
        self._backoff.reset()
        for task_id in orders.cancel_task_ids:
            self._running.cancel(task_id, Why.UNWANTED)
        interval_s = self._interval_s()
        asked_s = min(self._rng.uniform(0, orders.jitter_s), interval_s / 2)
        self._due_by(interval_s * self._rng.uniform(0.8, 1) + asked_s)
        if orders.register_again:
            await self._register()

    async def _failed(self, error: EngineError) -> None:
        pause_s = min(self._backoff.next_s(error), max(self._interval_s(), self._limits.backoff_first_s))
        self._due_by(pause_s)
        logger.warning("no heartbeat, the next one in %.1f s: %s", pause_s, error)
        if isinstance(error, UnknownWorkerError):
            await self._register()
