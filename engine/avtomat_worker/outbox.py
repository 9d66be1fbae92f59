"""Deliver results until the engine has them.

- What a task returned is kept until the engine says accepted or ignored, at most `result_kept_s`.
- Results that became ready while a request was under way go together in the next one.
- A batch that is refused is sent one by one, so that one wrong result harms no other. A result that is refused alone
  is replaced by a failure that says so: otherwise the job would wait for the end of the lease.
- Where the engine offers it, results ask for the next tasks (`wanted`), and `took` gets what came with their receipts.
- The memory is bounded by asking for no new tasks: see `has_room`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from avtomat_worker.errors import EngineError, EngineRefusedError, UnknownWorkerError
from avtomat_worker.limits import Limits
from avtomat_worker.messages import Assignment
from avtomat_worker.ports import Delivery, EnginePort, Poll, Receipt
from avtomat_worker.waiting import Backoff, Clock, Signal

logger = logging.getLogger(__name__)

NORMAL_REASONS = frozenset({"job_cancelled", "job_already_terminated"})
"""Why the engine ignores the result of an attempt that lost a race: its job, or another branch, ended first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """An encoded result on its way. `complaint` makes the failure that takes its place when it is refused;
    `is_given_up`: it only says that the attempt was given up.
    """

    task_id: str
    body: bytes
    lease_s: float
    ready_at: float
    complaint: Callable[[str], bytes] | None
    is_given_up: bool


class Outbox:
    """The results that the engine does not have yet."""

    def __init__(
        self,
        *,
        client: EnginePort,
        register: Callable[[], Awaitable[None]],
        limits: Limits,
        clock: Clock,
        changed: Signal,
        rng: random.Random,
        wanted: Callable[[], Poll | None],
        took: Callable[[Sequence[Assignment]], None],
    ) -> None:
        self._wanted = wanted
        self._took = took
        self._client = client
        self._register = register
        self._limits = limits
        self._clock = clock
        self._changed = changed
        self._backoff = Backoff(limits, rng)
        self._parcels: dict[str, Parcel] = {}
        self._bytes = 0
        self._one_by_one: set[str] = set()
        self._never = asyncio.Event()
        self._is_paused = False
        self.is_asking = False

    @property
    def task_ids(self) -> list[str]:
        """The attempts whose results are on their way."""
        return list(self._parcels)

    @property
    def is_empty(self) -> bool:
        """Whether the engine has all results."""
        return not self._parcels

    @property
    def is_due(self) -> bool:
        """Whether there are results that are sent now."""
        return bool(self._parcels) and not self._is_paused

    @property
    def has_room(self) -> bool:
        """Whether more results may come."""
        limits = self._limits
        return len(self._parcels) < limits.results_held_max and self._bytes < limits.results_held_bytes_max

    def shortest_lease_s(self) -> float | None:
        """The lease that ends first when no heartbeat comes; a result is of no use after it. None without results."""
        return min((parcel.lease_s for parcel in self._parcels.values()), default=None)

    def put(
        self,
        task_id: str,
        body: bytes,
        complaint: Callable[[str], bytes],
        *,
        lease_s: float,
        is_given_up: bool = False,
    ) -> None:
        """Take a result. The engine gets it as soon as it can."""
        parcel = Parcel(
            task_id=task_id,
            body=body,
            lease_s=lease_s,
            ready_at=self._clock.monotonic(),
            complaint=complaint,
            is_given_up=is_given_up,
        )
        self._bytes += len(body)
        self._parcels[task_id] = parcel
        self._changed.notify()

    async def deliver_forever(self) -> None:
        """Deliver what comes in, until cancelled."""
        while True:
            await self._changed.until(lambda: not self.is_empty)
            self._drop_expired()
            batch = self._next_batch()
            if batch:
                await self._try(batch)

    def _next_batch(self) -> list[Parcel]:
        """Return the oldest results that fit one request; one is taken however large it is."""
        batch: list[Parcel] = []
        size = 0
        for parcel in self._parcels.values():
            size += len(parcel.body)
            alone = parcel.task_id in self._one_by_one
            if batch and (alone or size > self._limits.batch_bytes_max or len(batch) >= self._limits.batch_max):
                break
            batch.append(parcel)
            if alone:
                break
        return batch

    async def _try(self, batch: list[Parcel]) -> None:
        try:
            delivery = await self._ask([parcel.body for parcel in batch])
        except EngineRefusedError as error:
            await self._refused(batch, error)
        except EngineError as error:
            await self._put_off(error)
        else:
            self._backoff.reset()
            for parcel, receipt in zip(batch, delivery.receipts, strict=True):
                self._delivered(parcel, receipt)

    async def _ask(self, bodies: Sequence[bytes]) -> Delivery:
        wanted = self._wanted()
        self.is_asking = wanted is not None
        try:
            delivery = await self._client.deliver(bodies, wanted)
        finally:
            self.is_asking = False
            self._changed.notify()
        if wanted is not None:
            self._took(delivery.assignments)
        return delivery

    async def _put_off(self, error: EngineError) -> None:
        pause_s = self._backoff.next_s(error)
        logger.warning("results wait %.1f s more: %s", pause_s, error)
        self._is_paused = True
        self._changed.notify()  # polls need not wait for results that wait themselves
        await self._clock.wait(self._never, pause_s)
        self._is_paused = False
        if isinstance(error, UnknownWorkerError):
            await self._register()

    async def _refused(self, batch: list[Parcel], error: EngineRefusedError) -> None:
        if error.is_about_the_token:  # an operator can fix it; the results are worth the wait
            await self._put_off(error)
        elif len(batch) > 1:
            self._one_by_one.update(parcel.task_id for parcel in batch)
        else:
            self._replace(batch[0], error)

    def _replace(self, parcel: Parcel, error: EngineRefusedError) -> None:
        logger.error("the result of task %s was refused: %s", parcel.task_id, error)
        self._remove(parcel)
        if parcel.complaint is not None:
            body = parcel.complaint(str(error))
            self._parcels[parcel.task_id] = replace(parcel, body=body, complaint=None)
            self._bytes += len(body)

    def _delivered(self, parcel: Parcel, receipt: Receipt) -> None:
        if not receipt.accepted:
            is_normal = parcel.is_given_up or receipt.reason in NORMAL_REASONS
            level = logging.INFO if is_normal else logging.WARNING
            logger.log(level, "the result of task %s was ignored: %s", parcel.task_id, receipt.reason)
        self._remove(parcel)

    def _drop_expired(self) -> None:
        oldest = self._clock.monotonic() - self._limits.result_kept_s
        for parcel in [each for each in self._parcels.values() if each.ready_at < oldest]:
            logger.error("the result of task %s could not be delivered and is dropped", parcel.task_id)
            self._remove(parcel)

    def _remove(self, parcel: Parcel) -> None:
        if self._parcels.pop(parcel.task_id, None) is not None:
            self._bytes -= len(parcel.body)
        self._one_by_one.discard(parcel.task_id)
        self._changed.notify()
