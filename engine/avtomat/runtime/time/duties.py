"""Do what must be done from time to time: due members, clean-up, retention, post, and looking again for lost
messages.

Each duty is claimed from the store in small batches, by any replica; none is special. A duty that fails while the
store is away is tried again, with growing pauses, and is never given up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from avtomat.errors import AvtomatError
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.time.timers import BATCH_MAX, Timers
from avtomat.runtime.work.queues import Queues
from avtomat.storage.port.store import Store

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
SLEEP_MIN_S = 0.005
CLEAN_EVERY_S = 5.0
REFRESH_EVERY_S = 3600.0
PAUSE_MAX_S = 10.0
CLEAN_BATCH_MAX = 200

Duty = Callable[[], Awaitable[None]]
"""Does a batch of its work and rests as long as it likes; it is called again at once."""


class Duties:
    """The periodic work of one replica, as tasks that are started and stopped together. `more` are further duties by
    name.
    """

    def __init__(
        self, store: Store, timers: Timers, queues: Queues, programs: Programs, more: Mapping[str, Duty]
    ) -> None:
        self._store = store
        self._timers = timers
        self._queues = queues
        self._programs = programs
        self._more = more
        self._sooner = asyncio.Event()
        self._next_ms: int | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        duties: dict[str, Duty] = {
            "timers": self._run_timers,
            "clean-up": self._clean,
            "looking again": self._look_again,
            "refreshing programs": self._refresh,
            **self._more,
        }
        self._tasks = [asyncio.create_task(self._forever(name, duty)) for name, duty in duties.items()]

    async def stop(self) -> None:
        """End at once; what was under way is done again by another replica, or after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def due_at(self, ms: int) -> None:
        """Something becomes due then: do not sleep past it."""
        if self._next_ms is None or ms < self._next_ms:
            self._next_ms = ms
            self._sooner.set()

    def wake(self) -> None:
        """Look at once what is due: the clock may have been turned."""
        self._sooner.set()

    async def _run_timers(self) -> None:
        self._sooner.clear()
        for partition in range(self._store.partitions):
            while await self._timers.run_due(partition) >= BATCH_MAX:
                pass
        self._next_ms = None
        for partition in range(self._store.partitions):
            ahead_ms = await self._store.next_due_ms(partition)
            if ahead_ms is not None:
                self._next_ms = ahead_ms if self._next_ms is None else min(ahead_ms, self._next_ms)
        await self._sleep_until_due()

    async def _sleep_until_due(self) -> None:
        """Sleep until the next member is due, and never longer than a second: other replicas set times as well. What
        the store says is due has just been given out or is set aside, so there is a pause; not for what came up since.
        """
        loop = asyncio.get_running_loop()
        until, pause_s = loop.time() + LOOK_EVERY_S, SLEEP_MIN_S
        while True:
            left_s = until - loop.time()
            if self._next_ms is not None:
                left_s = min(left_s, (self._next_ms - self._store.now_ms()) / 1000)
            try:
                # not wait_for: before Python 3.12 it loses a cancel that comes together with the event
                async with asyncio.timeout(max(left_s, pause_s)):
                    await self._sooner.wait()
            except TimeoutError:
                return
            self._sooner.clear()
            pause_s = 0

    async def _clean(self) -> None:
        done = 0
        for partition in range(self._store.partitions):
            done += await self._store.sweep(partition, CLEAN_BATCH_MAX)
            done += await self._store.trim(partition, CLEAN_BATCH_MAX)
            await self._carry_post(partition)
        await asyncio.sleep(0 if done else CLEAN_EVERY_S)

    async def _carry_post(self, partition: int) -> None:
        """Deliver mail for jobs in other partitions: at least once, and the mailbox takes each once."""
        for post in await self._store.post(partition, CLEAN_BATCH_MAX):
            await self._store.deliver(post.job, post.mail)
            await self._store.posted(partition, [post.mail.id])

    async def _look_again(self) -> None:
        await asyncio.sleep(LOOK_EVERY_S)
        self._queues.look_again()

    async def _refresh(self) -> None:
        await asyncio.sleep(REFRESH_EVERY_S)
        await self._programs.refresh()

    async def _forever(self, name: str, duty: Duty) -> None:
        pause_s = LOOK_EVERY_S
        while True:
            try:
                await duty()
                pause_s = LOOK_EVERY_S
            except AvtomatError as failed:
                log.warning("%s: %s; again in %.0f s", name, failed.message, pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_MAX_S)
            except Exception:
                log.exception("%s failed; again in %.0f s", name, pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_MAX_S)
