"""Make the calls of jobs: take them from their queue as a worker does, send them, and answer.

A call is a task under a lease, so one whose replica is killed costs an attempt and nothing else. A replica takes as
many as it has room for, and each waits for its server by itself. It asks the store for none until there was news of
one, or a sample of the store has one.

A replica that stops takes no more, and lets those under way end within a time. What is left then is given back, unless
it may have had its effect and must not be repeated: such an attempt is lost.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.kinds.calls import ACTS_ONCE, CALL, RESERVED
from avtomat.core.timestamp import from_ms
from avtomat.errors import StoreError
from avtomat.runtime.chance import random_hex
from avtomat.runtime.measures import Measures
from avtomat.runtime.outgoing.client import Outgoing
from avtomat.runtime.outgoing.messages import Answer, Sending, Unanswered
from avtomat.runtime.work.dispatcher import Dispatcher
from avtomat.runtime.work.polls import TASKS_PER_POLL_MAX, Poll
from avtomat.runtime.work.registrations import TASKS_PER_HEARTBEAT_MAX
from avtomat.runtime.work.requests import UnfitRequest, request_of, result_of, unfit_result
from avtomat.storage.port.store import Store

log = logging.getLogger(__name__)

POLL_S: Final = 30.0
LOOK_EVERY_S: Final = 1.0
"""So often a replica that has heard of no call looks at the sample of the store: messages may be lost."""

EAGER_S: Final = 600.0
"""So long after the last call, or the last news of one, it waits in line for the next."""

BEAT_S_MIN: Final = 0.05
DELIVER_AGAIN_S_MAX: Final = 10.0
DEADLINE_GRACE_S: Final = 2.0
"""The store is the judge of a call's own time, which is told in whole seconds: no answer is awaited longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long a call may take that says nothing, how long any may, and how long a stopping replica lets them; and the
    lease under which they are taken.
    """

    lease: timedelta
    usual: timedelta
    most: timedelta
    drain: timedelta


@dataclass(slots=True, eq=False)
class Held:
    """A call under way, and how far it has come."""

    task: Mapping[str, Json]
    lease_s: float
    seen: Sending
    doing: asyncio.Task[None] | None = None
    is_dead: bool = False


class Caller:
    """The calls of one replica, as the worker `name`."""

    def __init__(
        self, store: Store, dispatcher: Dispatcher, client: Outgoing, measures: Measures, *, at_once: int, times: Times
    ) -> None:
        self.name = _own_name()
        self._store = store
        self._dispatcher = dispatcher
        self._client = client
        self._measures = measures
        self._tally = measures.tally
        self._at_once = at_once
        self._times = times
        self._lease_ms = round(times.lease.total_seconds() * 1000)
        self._held: dict[str, Held] = {}
        self._news = asyncio.Event()
        self._freed = asyncio.Event()
        self._begun = asyncio.Event()
        self._eager_until = 0.0
        self._drained_at: float | None = None
        self._connected = False

    @property
    def under_way(self) -> int:
        """How many calls are under way here."""
        return len(self._held)

    def has_news(self) -> None:
        """There may be a call to take."""
        self._news.set()

    async def run(self) -> None:
        """Take what there is room for: a duty."""
        if self._drained_at is not None:
            await asyncio.Event().wait()
        room = self._at_once - len(self._held)
        if room <= 0:
            self._freed.clear()
            await self._freed.wait()
            return
        eager = time.monotonic() < self._eager_until
        if not eager and not await self._news_within(LOOK_EVERY_S):
            if self._is_queued():
                self._news.set()
            return
        if self._news.is_set():
            self._news.clear()
            self._eager_until = time.monotonic() + EAGER_S
        await self._take(room, POLL_S)

    async def keep(self) -> None:
        """Extend the leases of the calls under way: a duty."""
        if not self._held:
            self._begun.clear()
            await self._begun.wait()
        leases = [held.lease_s for held in self._held.values()]
        await asyncio.sleep(max(min(leases, default=0.0) / 3, BEAT_S_MIN))
        ids = list(self._held)
        for first in range(0, len(ids), TASKS_PER_HEARTBEAT_MAX):
            named = ids[first : first + TASKS_PER_HEARTBEAT_MAX]
            for dead in await self._store.heartbeat(self.name, named, lease_ms=self._lease_ms):
                self._kill(dead)

    def drain(self) -> None:
        """Take no more calls."""
        if self._drained_at is None:
            self._drained_at = time.monotonic()

    async def stop(self) -> None:
        """Let the calls under way end within what is left of the time to drain; then give back the rest."""
        self.drain()
        assert self._drained_at is not None
        left_s = self._drained_at + self._times.drain.total_seconds() - time.monotonic()
        doing = [held.doing for held in self._held.values() if held.doing is not None]
        if doing and left_s > 0:
            await asyncio.wait(doing, timeout=left_s)
        rest = list(self._held.values())
        for held in rest:
            if held.doing is not None:
                held.doing.cancel()
        await asyncio.gather(*(held.doing for held in rest if held.doing is not None), return_exceptions=True)
        try:
            await self._give_back(rest)
        except StoreError as away:
            log.warning("%d calls are given back when their leases end: %s", len(rest), away.message)
        self._held.clear()
        await self._client.close()

    # --- one call ----------------------------------------------------------------------------------------------------

    def _is_queued(self) -> bool:
        """Whether the newest sample of the store has calls in their queue: news of them may have been lost."""
        sample = self._measures.latest
        return sample is not None and sample.counts.get(f"queue:{CALL}", 0) > 0

    async def _news_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def _take(self, room: int, timeout_s: float) -> None:
        if not self._connected:
            self._connected = True
            self._dispatcher.connect(self.name, self._obey)
        asked = Poll(worker=self.name, kinds=(CALL,), timeout_s=timeout_s, tasks_max=min(room, TASKS_PER_POLL_MAX))
        for task in await self._dispatcher.poll(asked, lambda: self._drained_at is not None):
            self._eager_until = time.monotonic() + EAGER_S
            held = self._held[task["task_id"]] = Held(task=task, lease_s=task["lease_s"], seen=Sending())
            held.doing = asyncio.create_task(self._do(held))
            self._begun.set()

    async def _do(self, held: Held) -> None:
        task = held.task
        try:
            body = await self._result(held)
            await self._deliver({**_ids(task, self.name), **body})
        except asyncio.CancelledError:
            if not held.is_dead:
                raise  # `stop` gives it back
            with suppress(StoreError):  # else the lease runs out
                await self._store.release(self.name, [task["task_id"]])
        except Exception:
            log.exception("the call of job %s failed unexpectedly; its lease expires", task["job_id"])
        self._held.pop(task["task_id"], None)
        self._freed.set()

    async def _result(self, held: Held) -> dict[str, Json]:
        params, trace = held.task["params"], held.task["tracing_context"].get("traceparent")
        try:
            request = request_of(params, held.task["idempotency_key"], trace)
        except UnfitRequest as unfit:
            self._tally.calls["request.invalid"] += 1
            return unfit_result(params, unfit)
        came = await self._client.send(request, timeout_s=self._time_s(held.task), seen=held.seen)
        self._tally.calls[_outcome(came)] += 1
        return result_of(params, came, from_ms(self._store.now_ms()))

    def _time_s(self, task: Mapping[str, Json]) -> float:
        """How long an answer is awaited: the call's own time, which the store ends, or the usual one."""
        if "deadline" not in task:
            return self._times.usual.total_seconds()
        left_s: float = task["deadline"] - self._store.now_ms() / 1000 + DEADLINE_GRACE_S
        return min(max(left_s, DEADLINE_GRACE_S), self._times.most.total_seconds())

    async def _deliver(self, result: Mapping[str, Json]) -> None:
        """Hand the result over, however long the store is away: the lease is extended meanwhile."""
        pause_s = 1.0
        while True:
            try:
                await self._dispatcher.result(result)
            except StoreError as away:
                log.warning("the answer of a call of job %s waits: %s", result["job_id"], away.message)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, DELIVER_AGAIN_S_MAX)
            else:
                return

    # --- ending early ------------------------------------------------------------------------------------------------

    def _obey(self, command: Mapping[str, Json]) -> None:
        if command.get("command") == "cancel_task":
            self._kill(command["task_id"])

    def _kill(self, task_id: str) -> None:
        """The attempt is dead: its request is broken off."""
        held = self._held.get(task_id)
        if held is not None and held.doing is not None and not held.is_dead:
            held.is_dead = True
            self._tally.calls["cancelled"] += 1
            held.doing.cancel()

    async def _give_back(self, rest: list[Held]) -> None:
        lost = [held for held in rest if held.seen.sent and held.task["params"]["method"] in ACTS_ONCE]
        unsent = [held.task["task_id"] for held in rest if held not in lost]
        self._tally.calls["given_back"] += len(unsent)
        await self._dispatcher.release(self.name, unsent)
        for held in lost:
            await self._dispatcher.result({**_ids(held.task, self.name), "status": "cancelled"})


def _ids(task: Mapping[str, Json], name: str) -> dict[str, Json]:
    return {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": name}


def _outcome(came: Answer | Unanswered) -> str:
    """The word under which it is counted: the class of the status, or why there is no answer."""
    if isinstance(came, Unanswered):
        return came.reason.value
    return f"{came.status // 100}xx" if came.cut is None else came.cut.value


def _own_name() -> str:
    """A name for this replica among workers, which says where it runs."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:60] or "host"
    return f"{RESERVED}{host}-{os.getpid()}-{random_hex(3)}"
