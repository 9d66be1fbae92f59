"""Begin the bodies of blocks: a few at a time, each job in its turn, and large blocks only as fast as others allow.

A commit names bodies whose turn it is, often many at once. They wait here as a few words each, not as tasks.

  * The first BULK_AFTER bodies of a job begin at once, AT_ONCE at a time over all jobs.
  * A job that began more in one go is bulk: its further bodies have AT_ONCE places of their own, so that nothing small
    waits behind them.
  * While other jobs are at work here, bulk has no more places than they have commits under way (`beside` at least), and
    a place rests after each body as long as the body took to begin. That span holds the waiting in this process and in
    the store, so bulk gives way the more, the busier both are. What begins slowly asks for little else: a body's task
    is taken and answered only once it is there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence, Sized

from avtomat.core.value import value
from avtomat.errors import StoreError
from avtomat.runtime.jobs.kept import Kept

log = logging.getLogger(__name__)

AT_ONCE = 10
"""Enough to keep the store's connection full, few enough that other calls need not wait behind them."""

AT_ONCE_GROUPED = 2
"""Places of bulk beside others where the store flushes commits together: waiting for the disk holds nobody up."""

BULK_AFTER = 200
PAUSE_S = 1.0
"""A job that began nothing for so long begins anew as a small one; other jobs count as at work for so long."""

JOBS_COUNTED_MAX = 1_000


@value
class Body:
    """A body that may begin: its fork's scope or one beside it, its path, and what the fork gives it."""

    near: Kept
    path: str
    environment: bytes


Begin = Callable[[Body], Awaitable[None]]


class Begins:
    """The bodies that are to begin here. `stop` leaves what waits to whoever asks the store what is due.

    `under_way` are the jobs with commits under way here; bulk has `beside` places beside them at least.
    """

    def __init__(self, begin: Begin, under_way: Sized, *, beside: int = 1) -> None:
        self._known: set[tuple[str, str]] = set()
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._others_at = -PAUSE_S
        self._under_way = under_way
        self._beside = beside
        self._small = _Lane(self._settle(begin), lambda: AT_ONCE, lambda: False)
        self._bulk = _Lane(
            self._settle(begin), lambda: self._places_beside() if self._gives_way() else AT_ONCE, self._gives_way
        )

    def __contains__(self, place: tuple[str, str]) -> bool:
        """Whether the body of this job at this path is to begin here, or is beginning."""
        return place in self._known

    def add(self, near: Kept, paths: Sequence[str], environment: bytes) -> None:
        """Begin these when it is their turn."""
        job, now = near.head.job, time.monotonic()
        for path in paths:
            self._known.add((job, path))
            count = self._count(job, now)
            if count == BULK_AFTER + 1:
                self._others_at = -PAUSE_S  # those at work may have been this job alone
            lane = self._bulk if count > BULK_AFTER else self._small
            lane.add(Body(near=near, path=path, environment=environment))

    def at_work(self, job: str) -> None:
        """An event of this job is handled here: bulk of others gives way."""
        if job not in self._counts or not self._is_bulk(job):
            self._others_at = time.monotonic()

    def stop(self) -> None:
        """Begin nothing more."""
        self._small.stop()
        self._bulk.stop()
        self._known.clear()

    def _settle(self, begin: Begin) -> Begin:
        async def settled(body: Body) -> None:
            job = body.near.head.job
            try:
                await begin(body)
            except StoreError as away:
                log.warning("job %s: %s begins later: %s", job, body.path, away.message)
            except Exception:
                log.exception("job %s: %s begins later", job, body.path)
            finally:
                self._known.discard((job, body.path))

        return settled

    def _gives_way(self) -> bool:
        return time.monotonic() - self._others_at < PAUSE_S

    def _places_beside(self) -> int:
        """As many as other jobs have, as far as this moment tells."""
        return min(AT_ONCE, max(self._beside, len(self._under_way) - 1))

    def _is_bulk(self, job: str) -> bool:
        return self._counts.get(job, (0, 0))[0] > BULK_AFTER

    def _count(self, job: str, now: float) -> int:
        """How many bodies the job has begun without a pause, this one included."""
        count, before = self._counts.pop(job, (0, now))
        count = count + 1 if now - before < PAUSE_S else 1
        self._counts[job] = count, now
        if len(self._counts) > JOBS_COUNTED_MAX:
            self._counts.popitem(last=False)
        return count


class _Lane:
    """Bodies that wait for a place, a queue for each job. `places` says how many there are now, `rests` whether a place
    rests after each body.
    """

    def __init__(self, begin: Begin, places: Callable[[], int], rests: Callable[[], bool]) -> None:
        self._begin = begin
        self._places = places
        self._rests = rests
        self._waiting: OrderedDict[str, deque[Body]] = OrderedDict()
        self._taken = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, body: Body) -> None:
        self._waiting.setdefault(body.near.head.job, deque()).append(body)
        self._fill_place()

    def stop(self) -> None:
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()

    def _fill_place(self) -> None:
        if self._waiting and self._taken < self._places():
            self._taken += 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        """Begin one body after the other, while there is one and a place for it."""
        try:
            while self._waiting and self._taken <= self._places():
                begun = time.monotonic()
                await self._begin(self._next())
                if self._rests():
                    await asyncio.sleep(time.monotonic() - begun)
                self._fill_place()
        finally:
            self._taken -= 1

    def _next(self) -> Body:
        """The oldest body of the job whose turn it is."""
        job, bodies = self._waiting.popitem(last=False)
        body = bodies.popleft()
        if bodies:
            self._waiting[job] = bodies
        return body
