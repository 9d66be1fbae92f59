"""Do what workers ask: know them, hand out tasks under leases, take results, tell them what to cancel.

A task waits in its queue until a worker polls that may take it; nothing is pushed to workers that did not ask. Of a
worker's record nothing but what it registered can be set by it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from avtomat.core.formula import Json
from avtomat.core.messages import TaskFailed, WorkerAnswer
from avtomat.core.model import ROOT
from avtomat.core.reads import secrets_read
from avtomat.errors import SecretError, StoreError
from avtomat.runtime.chance import random_hex
from avtomat.runtime.jobs.executor import Executor
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.runtime.repeating import repeat
from avtomat.runtime.work.blanking import blanked, says_an_error
from avtomat.runtime.work.handout import payload
from avtomat.runtime.work.queues import Queues
from avtomat.runtime.work.results import OPEN_ATTEMPT, cause_of, event_of, progress_of, verdict
from avtomat.runtime.work.seats import Seat, Seats, Send
from avtomat.secrets import Secrets
from avtomat.storage.port.answers import Committed, Handout, Outcome, Revoked
from avtomat.storage.port.codec import answer_as_json, dumps, loads
from avtomat.storage.port.rules import is_task_id, job_of_task
from avtomat.storage.port.store import Store
from avtomat.storage.port.writes import ResultCause

KINDS_PER_POLL_MAX = 500
TASKS_PER_POLL_MAX = 100
TASKS_PER_HEARTBEAT_MAX = 500
"""So many attempts are looked at in one step of the store, where others wait meanwhile."""

POLL_FRESH_MS = 120_000
"""A worker that did not poll for so long is not taken for one that will; a poll may wait for half of it."""

NONCE_BYTES = 6
REGISTRATION_MS_MIN = 90_000
"""A registration outlives a short lease: idle workers send a heartbeat every half a minute."""

REGISTRATION_FRESH_MS = 40_000
"""A registration that was not heard of here for so long may have been changed at another replica: a poll reads it."""

REGISTRATION_ASKED_MS = 1_000
"""So often at most it is asked whether a worker has registered at another replica."""

_SKILLS = ("supported_skills", "available_skills", "hot_skills", "skills_hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One worker's wish for tasks. `holding` lists the attempts it has: others that were handed to it are given
    back, but for those under the same nonce, which come again. `may_do` says which kinds its token allows (None: all).
    """

    worker: str
    kinds: tuple[str, ...]
    timeout_s: float
    tasks_max: int = 1
    nonce: str = ""
    holding: frozenset[str] | None = None
    may_do: Callable[[str], bool] | None = None

    def allowed(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the kinds that may be handed to it."""
        return kinds if self.may_do is None else tuple(kind for kind in kinds if self.may_do(kind))


class Dispatcher:
    """The operations behind the workers' door, of one replica."""

    def __init__(
        self,
        store: Store,
        executor: Executor,
        scopes: Scopes,
        queues: Queues,
        vault: Secrets,
        *,
        lease: timedelta,
    ) -> None:
        self._store = store
        self._executor = executor
        self._scopes = scopes
        self._queues = queues
        self._vault = vault
        self._lease_ms = round(lease.total_seconds() * 1000)
        self._known_ms = max(self._lease_ms, REGISTRATION_MS_MIN)
        self.seats = Seats(store.now_ms, kept_ms=max(self._known_ms, POLL_FRESH_MS))
        self._learning = asyncio.Lock()

    # --- who is there -------------------------------------------------------------------------------------------------

    async def register(self, body: Mapping[str, Json]) -> None:
        """Keep what a worker says of itself, for every replica, until it falls silent. Raises RequestRefused for a
        registration that is too large, or one too many.
        """
        worker = str(body["worker_id"])
        record = dumps({key: value for key, value in body.items() if key not in ("security", "timestamp", "metadata")})
        self.seats.check(worker, record)
        await repeat(lambda: self._store.put_worker(worker, record, self._known_ms))
        self._registered(self.seats.of(worker), record)

    async def heartbeat(self, worker: str, body: Mapping[str, Json]) -> dict[str, Json] | None:
        """Extend the worker's leases and its registration; None when it is not registered (it must register again)."""
        store, lease_ms = self._store, self._lease_ms
        stored = await repeat(lambda: store.touch_worker(worker, self._known_ms))
        if stored is None:
            return None
        seat = self.seats.of(worker)
        if body.get("supported_skills"):
            await self.register({**loads(stored), **{key: body[key] for key in _SKILLS if key in body}})
        else:
            self._registered(seat, stored)
        tasks, dead = self._ours(body.get("current_tasks") or ()), []
        for first in range(0, len(tasks), TASKS_PER_HEARTBEAT_MAX):
            named = tasks[first : first + TASKS_PER_HEARTBEAT_MAX]
            dead += await repeat(partial(store.heartbeat, worker, named, lease_ms=lease_ms))
        answer: dict[str, Json] = {"status": "ok"}
        if dead:
            answer["cancel_task_ids"] = dead
        if not body.get("supported_skills") and body.get("skills_hash", seat.skills_hash) != seat.skills_hash:
            answer["require_full_sync"] = True
        return answer

    def _registered(self, seat: Seat, record: bytes | None) -> None:
        """The worker's registration is this: polls of it that wait here look again if they may take something else."""
        if self.seats.registered(seat, record):
            for standing in tuple(seat.standings):
                self._queues.recall(standing)

    def connect(self, worker: str, send: Send) -> None:
        """A socket to the worker: commands go there as well."""
        self.seats.of(worker).sockets.append(send)

    def disconnect(self, worker: str, send: Send) -> None:
        """The socket is gone."""
        seat = self.seats.find(worker)
        if seat is not None and send in seat.sockets:
            seat.sockets.remove(send)

    def revoked(self, attempts: Sequence[Revoked]) -> None:
        """Attempts that workers hold are dead: tell those whose socket is here; the others learn it by heartbeat."""
        for attempt in attempts:
            seat = self.seats.find(attempt.worker)
            if seat is None:
                continue
            seat.held.pop(attempt.task_id, None)
            job = attempt.task_id.partition("-")[0]
            for send in seat.sockets:
                send({"command": "cancel_task", "task_id": attempt.task_id, "job_id": job})

    def kinds_polled(self) -> dict[str, tuple[str, ...]]:
        """For which kinds each worker polled last, of those that polled here lately."""
        since_ms = self._store.now_ms() - max(self._lease_ms, POLL_FRESH_MS)
        return {worker: seat.polled_kinds for worker, seat in self.seats if seat.polled_ms > since_ms}

    # --- handing out --------------------------------------------------------------------------------------------------

    async def poll(self, asked: Poll, gone: Callable[[], bool]) -> list[dict[str, Json]]:
        """Wait for tasks, at most `asked.timeout_s`, and take them.

        `gone` tells that the worker's connection is lost: nothing is taken then. However a poll ends, what it was woken
        for and did not take wakes the next one.
        """
        until = time.monotonic() + asked.timeout_s
        seat = await self._seat_of(asked)
        if asked.holding is not None:
            await self.release(asked.worker, seat.not_received(asked.holding, asked.nonce))
        if asked.tasks_max <= 0:
            return []
        standing = self._queues.standing()
        seat.standings.add(standing)
        try:
            while True:
                await self._learn_requirements()
                kinds = asked.allowed(seat.takes(asked.kinds))[:KINDS_PER_POLL_MAX]
                queues = self._queues.look(standing, kinds, seat.profile)
                if gone():
                    return []
                tasks = await self._take(asked, seat, queues)
                left = until - time.monotonic()
                if tasks or left <= 0 or not await self._queues.wait(standing, left):
                    return tasks
        finally:
            seat.standings.discard(standing)
            self._queues.leave(standing)

    async def release(self, worker: str, task_ids: Sequence[str]) -> None:
        """Give attempts back unworked; they keep their place and their number."""
        if task_ids:
            seat = self.seats.of(worker)
            for task_id in task_ids:
                seat.held.pop(task_id, None)
            await repeat(lambda: self._store.release(worker, task_ids))

    async def _take(self, asked: Poll, seat: Seat, queues: Sequence[str]) -> list[dict[str, Json]]:
        asking = dict(self._queues.worth_asking(queues, at_once=asked.timeout_s <= 0))
        repeated = {partition: queues for partition in seat.repeated_in(asked.nonce) if queues}
        for partition, names in (repeated | asking).items():
            claim, taken = self._queues.claim(partition, names), None
            try:
                taken, tasks = await self._claim(partition, asked, seat, names)
            finally:
                self._queues.answered(claim, taken)
            if tasks:
                return tasks
        return []

    async def _claim(
        self, partition: int, asked: Poll, seat: Seat, names: Sequence[str]
    ) -> tuple[set[str] | None, list[dict[str, Json]]]:
        """Take tasks from the store, and make them ready for the worker; with the queues that they were taken from.

        A claim whose answer was lost, on either way, is repeated by the worker's next poll, as the same one, or by the
        next under its nonce. What this brings was taken before, so nothing is known of the queues now (None).
        """
        unanswered = seat.unanswered_in(partition, asked.nonce)
        nonce = asked.nonce or unanswered or random_hex(NONCE_BYTES)
        tasks_max = min(asked.tasks_max, TASKS_PER_POLL_MAX)
        try:
            handouts = await repeat(
                lambda: self._store.poll(
                    partition, asked.worker, names, nonce=nonce, max_tasks=tasks_max, lease_ms=self._lease_ms
                )
            )
            taken = {handout.queue for handout in handouts}
            is_repeat = unanswered is not None or any(handout.task_id in seat.held for handout in handouts)
            if taken and asked.nonce:
                seat.brought = partition, asked.nonce
            ready = [await self._hand_out(asked.worker, seat, handout, nonce) for handout in handouts]
            return None if taken and is_repeat else taken, [task for task in ready if task is not None]
        except (StoreError, asyncio.CancelledError):
            seat.unanswered.append((partition, nonce))
            raise

    async def _hand_out(self, worker: str, seat: Seat, handout: Handout, nonce: str) -> dict[str, Json] | None:
        """The task as the worker gets it, secrets put in; without one of its secrets the attempt fails."""
        if not self._scopes.knows(handout.task_id) and (loaded := handout.loaded) is not None:
            await self._scopes.keep(loaded, handout.task_id)
        try:
            task = payload(handout, self._vault, self._store.now_ms())
        except SecretError as missing:
            event = TaskFailed(attempt=OPEN_ATTEMPT, code="DEPENDENCY_ERROR", message=missing.message)
            said = dumps(answer_as_json(event))
            cause = ResultCause(task_id=handout.task_id, worker=worker, hash="", event=said)
            await self._settle(handout.job, cause, event)
            return None
        seat.hold(handout.task_id, nonce)
        return task

    async def _seat_of(self, asked: Poll) -> Seat:
        """The seat of a worker that polls, with what it registered at any replica."""
        seat = self.seats.of(asked.worker)
        seat.polled_kinds, seat.polled_ms = asked.allowed(seat.takes(asked.kinds)), self._store.now_ms()
        fresh_ms = REGISTRATION_ASKED_MS if seat.digest is None else REGISTRATION_FRESH_MS
        if seat.polled_ms >= seat.asked_ms + fresh_ms:
            seat.asked_ms = seat.polled_ms
            self._registered(seat, await repeat(lambda: self._store.touch_worker(asked.worker, self._known_ms)))
            seat.polled_kinds = asked.allowed(seat.takes(asked.kinds))
        return seat

    async def _learn_requirements(self) -> None:
        """Read what the queues ask of workers that are not known here yet. Polls that come meanwhile do not wait for
        that: they are put in line when it is known.
        """
        unread = self._queues.unread
        if not unread:
            return
        async with self._learning:
            while unread:
                partition = unread.pop()
                try:
                    for queue, asked in (await self._store.queues(partition)).items():
                        self._queues.learn(queue, loads(asked))
                except BaseException:
                    unread.add(partition)
                    raise

    # --- taking results -----------------------------------------------------------------------------------------------

    async def result(self, body: Mapping[str, Json]) -> dict[str, Json]:
        """Use a worker's result once; the answer says whether it was, and if not, why."""
        worker, task_id, job = str(body.get("worker_id") or ""), str(body["task_id"]), str(body["job_id"])
        if not self._ours([task_id]) or job_of_task(task_id) != job:
            return verdict(Committed(outcome=Outcome.UNKNOWN))
        event = event_of(body)
        if self._vault.names and says_an_error(event):
            event = await self._blanked(event, job, task_id)
        return await self._settle(job, cause_of(task_id, worker, body, event), event)

    async def event(self, body: Mapping[str, Json]) -> None:
        """Keep the progress that a worker reports with its attempt; other events are not kept."""
        tasks, progress = self._ours([body.get("target_task_id")]), body.get("payload")
        if body.get("event_type") == "progress" and tasks and isinstance(progress, dict):
            note = dumps(progress_of(progress))
            await repeat(lambda: self._store.progress(str(body["worker_id"]), tasks[0], note))

    async def _settle(self, job: str, cause: ResultCause, event: WorkerAnswer) -> dict[str, Json]:
        handled = await self._executor.handle(job, ROOT, cause, event, task_id=cause.task_id)
        seat = self.seats.find(cause.worker)
        if seat is not None:
            seat.held.pop(cause.task_id, None)
        return verdict(handled.answer)

    async def _blanked(self, event: WorkerAnswer, job: str, task_id: str) -> WorkerAnswer:
        """The answer without the secrets that the attempt was given, in case the worker repeats one in its words."""
        kept = await self._scopes.at(job, ROOT, None, task_id)
        names = frozenset[str]() if kept is None else secrets_read(kept.program, kept.scope)
        return blanked(event, self._vault, names)

    def _ours(self, task_ids: Sequence[Json]) -> list[str]:
        """Those that can be tasks of this engine: a worker may serve several, and names the tasks of all."""
        partitions = self._store.partitions
        return [task for task in task_ids if isinstance(task, str) and is_task_id(task, partitions)]
