"""One life of a worker at its engine: register, take tasks while there is room, stop without losing any.

- One request for tasks at a time: then the list of what the worker holds is complete when a poll is sent, and the
  engine takes back what it handed out and never arrived. Where the engine offers it, results ask for the next tasks,
  and a poll waits only for what they did not bring.
- A request for tasks that failed is followed by one under the same nonce, so what the lost answer brought comes again.
- A stop: no more polls, running tasks finish within `drain_s`, the rest is cancelled and given back, results are
  delivered, and the engine is told that the worker is gone.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import socket
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence

from avtomat_worker import messages
from avtomat_worker.errors import EngineError, EngineRefusedError, EngineUnavailableError, UnknownWorkerError
from avtomat_worker.handlers import Handler, Middleware, skills_hash
from avtomat_worker.heartbeats import Heartbeats
from avtomat_worker.limits import Limits
from avtomat_worker.messages import Assignment, Cancelled, Failed, Json, Outcome
from avtomat_worker.offer import Offer
from avtomat_worker.outbox import Outbox
from avtomat_worker.ports import NEXT, EnginePort, Poll
from avtomat_worker.progress import ProgressFeed
from avtomat_worker.running import RunningTasks, Why
from avtomat_worker.waiting import Backoff, Clock, Signal

logger = logging.getLogger(__name__)


class Session:
    """The worker between registration and goodbye. `handlers` may grow meanwhile, if `learn` is called then."""

    def __init__(
        self,
        *,
        worker_id: str,
        handlers: Mapping[str, Handler],
        client: EnginePort,
        concurrency: int,
        limits: Limits,
        clock: Clock,
        rng: random.Random,
        offer: Offer | None = None,
        around: Sequence[Middleware] = (),
    ) -> None:
        self.registered = asyncio.Event()
        self.stopping = asyncio.Event()
        self._worker_id = worker_id
        self._handlers = handlers
        self._client = client
        self._limits = limits
        self._clock = clock
        self._rng = rng
        self._offer = offer or Offer()
        self._tells_hot = bool(self._offer.hot)
        self._nonce = secrets.token_urlsafe(12)
        self._changed = Signal()
        self._progress = ProgressFeed(client=client, worker_id=worker_id, limits=limits, clock=clock)
        self._offers = frozenset[str]()
        self._is_polling = False
        self._outbox = Outbox(
            client=client,
            register=self._register_again,
            limits=limits,
            clock=clock,
            changed=self._changed,
            rng=rng,
            wanted=self._wanted,
            took=self._took,
        )
        self._running = RunningTasks(
            handlers=handlers,
            concurrency=concurrency,
            limits=limits,
            clock=clock,
            changed=self._changed,
            ended=self._ended,
            report=self._progress.put,
            emit=self._emit,
            around=around,
        )
        self._heartbeats = Heartbeats(
            client=client,
            running=self._running,
            outbox=self._outbox,
            body=lambda: self._heartbeat(self._status()),
            register=self._register_again,
            limits=limits,
            clock=clock,
            rng=rng,
        )

    async def run(self) -> None:
        """Work until `stopping` is set. Raises EngineRefusedError when the engine does not want this worker."""
        if not await self._register_first():
            return
        self.registered.set()
        try:
            await self._work()
        finally:
            self._running.abandon()
        await self._briefly(self._say_goodbye())

    async def learn(self) -> None:
        """There are more handlers than before: tell the engine."""
        await self._register_again()

    def cancel(self, task_id: str) -> None:
        """Nobody wants the result of this attempt any more."""
        self._running.cancel(task_id, Why.UNWANTED)

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            polling = group.create_task(self._poll_forever())
            others = [
                group.create_task(self._heartbeats.beat_forever()),
                group.create_task(self._outbox.deliver_forever()),
                group.create_task(self._progress.send_forever()),
            ]
            await self.stopping.wait()
            polling.cancel()
            self._heartbeats.beat_at_once()
            await self._at_most(self._limits.flush_s, lambda: not self._outbox.is_asking)
            await self._briefly(self._give_back_what_never_arrived())
            await self._drain()
            for other in others:
                other.cancel()

    async def _register_first(self) -> bool:
        """Register, however long the engine takes to be there; False when a stop came first."""
        backoff = Backoff(self._limits, self._rng)
        while not self.stopping.is_set():
            try:
                self._offers = await self._client.register(self._registration())
            except EngineUnavailableError as error:
                pause_s = backoff.next_s(error)
                logger.warning("not registered, the next try in %.1f s: %s", pause_s, error)
                await self._clock.wait(self.stopping, pause_s)
            except UnknownWorkerError as error:
                raise EngineRefusedError(f"there is no engine at this URL: {error}", status=404) from error
            else:
                logger.info("worker %s registered for %s", self._worker_id, ", ".join(self._handlers))
                return True
        return False

    async def _register_again(self) -> None:
        """Make the worker known to an engine that forgot it; who needs it will ask again if this fails."""
        try:
            self._offers = await self._client.register(self._registration())
        except EngineError as error:
            logger.warning("not registered again: %s", error)

    async def _poll_forever(self) -> None:
        backoff = Backoff(self._limits, self._rng)
        while True:
            await self._changed.until(self._is_to_poll)
            asked_at = self._clock.monotonic()
            self._is_polling = True
            try:
                assignments = await self._client.poll(self._poll(self._tasks_max(), self._limits.poll_timeout_s))
            except EngineError as error:
                self._is_polling = False
                await self._poll_failed(error, backoff.next_s(error))
                continue
            self._is_polling = False
            self._took(assignments)
            if assignments or self._clock.monotonic() - asked_at >= self._limits.poll_timeout_s / 2:
                backoff.reset()
            else:  # an engine that does not let polls wait must not be asked in a loop
                await self._clock.wait(self.stopping, backoff.next_s())

    def _is_to_poll(self) -> bool:
        """Whether there is room for tasks that no result is about to bring."""
        results_ask = self._outbox.is_asking or (NEXT in self._offers and self._outbox.is_due)
        return self._running.free > 0 and self._outbox.has_room and not results_ask and bool(self._open())

    def _wanted(self) -> Poll | None:
        """What results that are sent now ask for."""
        may_ask = NEXT in self._offers and not self._is_polling and not self.stopping.is_set()
        if not (may_ask and self._running.free and self._outbox.has_room and self._open()):
            return None
        return self._poll(self._tasks_max(), 0)

    def _tasks_max(self) -> int:
        """How many tasks a request asks for: of a limited kind a second one may be one too many."""
        return 1 if self._offer.is_limited else self._running.free

    def _took(self, assignments: Sequence[Assignment]) -> None:
        """Begin what a request for tasks brought; what comes after a stop was asked for goes back."""
        self._nonce = secrets.token_urlsafe(12)
        for assignment in assignments:
            if self.stopping.is_set():
                self._ended(assignment, Cancelled(given_back=True), 0)
            else:
                self._running.start(assignment)
                self._heartbeats.task_started()

    async def _poll_failed(self, error: EngineError, pause_s: float) -> None:
        logger.warning("no tasks, the next poll in %.1f s: %s", pause_s, error)
        await self._clock.wait(self.stopping, pause_s)
        if isinstance(error, UnknownWorkerError):
            await self._register_again()

    def _poll(self, tasks_max: int, timeout_s: float) -> Poll:
        holding = (*self._running.task_ids, *self._outbox.task_ids)
        fits = sum(map(len, holding)) + len(holding) <= self._limits.holding_bytes_max
        return Poll(
            timeout_s=timeout_s,
            kinds=tuple(self._open()),
            tasks_max=min(tasks_max, self._limits.tasks_per_poll_max),
            nonce=self._nonce,
            holding=holding if fits else None,
            hot=tuple(sorted(self._offer.hot)) if self._tells_hot else None,
        )

    def _open(self) -> list[str]:
        """The kinds of which the worker takes tasks now."""
        return self._offer.open_kinds(self._handlers, self._running.by_kind)

    def warmth_changed(self) -> None:
        """The worker is hot for other kinds than before: tell the engine now."""
        self._tells_hot = True
        self._heartbeats.beat_at_once()

    async def _give_back_what_never_arrived(self) -> None:
        """After the last poll was dropped: ask for nothing, and say what is held, so that the rest is released."""
        self._nonce = secrets.token_urlsafe(12)
        try:
            for assignment in await self._client.poll(self._poll(0, 0)):
                self._ended(assignment, Cancelled(given_back=True), 0)
        except EngineError as error:
            logger.info("tasks that never arrived go back when their leases end: %s", error)

    async def _drain(self) -> None:
        await self._at_most(self._limits.drain_s, self._is_idle)
        for task_id in self._running.task_ids:
            self._running.cancel(task_id, Why.STOPPING)
        await self._at_most(self._limits.cancel_grace_s, self._is_idle)
        self._running.abandon()
        await self._at_most(self._limits.flush_s, lambda: self._outbox.is_empty)

    def _is_idle(self) -> bool:
        return not self._running.task_ids

    async def _at_most(self, seconds: float, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds, at most `seconds`."""
        held = asyncio.Event()

        async def watch() -> None:
            await self._changed.until(condition)
            held.set()

        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch())
            await self._clock.wait(held, seconds)
            watching.cancel()

    async def _briefly(self, call: Coroutine[None, None, None]) -> None:
        """Try `call`, at most `flush_s`: it is a courtesy that must not hold up the stop."""
        trying = asyncio.create_task(call)
        trying.add_done_callback(lambda _: self._changed.notify())
        await self._at_most(self._limits.flush_s, trying.done)
        trying.cancel()

    async def _say_goodbye(self) -> None:
        if self._outbox.task_ids:
            logger.error("%d results could not be delivered before the stop", len(self._outbox.task_ids))
        try:
            await self._client.heartbeat(self._heartbeat("offline"))
        except EngineError as error:
            logger.info("the engine was not told that the worker stops: %s", error)

    def _ended(self, assignment: Assignment, outcome: Outcome, took_s: float) -> None:
        def encode(what: Outcome) -> bytes:
            return messages.task_result(
                assignment, what, worker_id=self._worker_id, took_s=took_s, now=self._clock.now()
            )

        def complain(reason: str) -> bytes:
            return encode(Failed(code="CONTRACT_VIOLATION_ERROR", message=f"the result was refused: {reason}"))

        self._progress.forget(assignment.task_id)
        self._outbox.put(
            assignment.task_id,
            encode(outcome),
            complain,
            lease_s=assignment.lease_s,
            is_given_up=isinstance(outcome, Cancelled),
        )
        if self._offer.is_limited:
            self._heartbeats.beat_at_once()  # a poll that waits gets wider by it

    async def _emit(self, assignment: Assignment, name: str, payload: Mapping[str, Json]) -> None:
        """Tell an event until the engine has it, or says that it will not take it. Its id stays the same."""
        backoff, event_id = Backoff(self._limits, self._rng), str(uuid.uuid4())
        while True:
            try:
                await self._client.event(
                    messages.worker_event(
                        assignment, name, payload, worker_id=self._worker_id, event_id=event_id, now=self._clock.now()
                    )
                )
            except EngineUnavailableError as error:
                await self._clock.wait(asyncio.Event(), backoff.next_s(error))
            else:
                return

    def _status(self) -> str:
        if self.stopping.is_set():
            return "draining"
        if self._running.free == 0:
            return "full"
        return "busy" if self._running.task_ids else "idle"

    def _registration(self) -> bytes:
        return messages.registration(
            worker_id=self._worker_id,
            skills=[handler.skill() for handler in self._handlers.values()],
            skills_hash=skills_hash(self._handlers),
            host=socket.gethostname(),
            now=self._clock.now(),
            about=self._offer.about,
            hot=self._offer.hot,
        )

    def _heartbeat(self, status: str) -> bytes:
        return messages.heartbeat(
            worker_id=self._worker_id,
            status=status,
            current_tasks=[*self._running.task_ids, *self._outbox.task_ids],
            skills_hash=skills_hash(self._handlers),
            now=self._clock.now(),
            available=self._told_available(),
            hot=self._offer.hot if self._tells_hot else None,
        )

    def _told_available(self) -> list[str] | None:
        """What a limited worker takes now; `takes` may have changed its mind, so a poll that rests looks again."""
        if not self._offer.is_limited:
            return None
        self._changed.notify()
        return self._open()
