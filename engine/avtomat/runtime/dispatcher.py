"""Do what workers ask: know them, hand out tasks under leases, take results, tell them what to cancel.

A task waits in its queue until a worker polls that may take it; nothing is pushed to workers that did not ask. Of a
worker's record nothing but what it registered can be set by it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from avtomat.core.formula import Json
from avtomat.core.messages import TaskFailed, WorkerAnswer
from avtomat.core.model import ROOT
from avtomat.core.reads import secrets_read
from avtomat.errors import SecretError, StoreError
from avtomat.runtime.blanking import blanked
from avtomat.runtime.chance import random_hex
from avtomat.runtime.executor import Executor
from avtomat.runtime.handout import payload
from avtomat.runtime.matching import fulfils
from avtomat.runtime.queues import Queues
from avtomat.runtime.repeating import repeat
from avtomat.runtime.results import OPEN_ATTEMPT, event_of, progress_of, result_hash, verdict
from avtomat.runtime.scopes import Scopes
from avtomat.secrets import Secrets
from avtomat.storage.answers import Committed, Handout, Outcome, Revoked
from avtomat.storage.codec import answer_as_json, dumps, loads
from avtomat.storage.ports import Store
from avtomat.storage.rules import is_task_id, job_of_task
from avtomat.storage.writes import ResultCause

REQUIREMENTS_FRESH_S = 1.0
KINDS_PER_POLL_MAX = 500
TASKS_PER_POLL_MAX = 100
TASKS_PER_HEARTBEAT_MAX = 500
"""So many attempts are looked at in one step of the store, where others wait meanwhile."""

WORKERS_KEPT_MAX = 10_000
UNANSWERED_MAX = 100
POLL_FRESH_MS = 120_000
"""A worker that did not poll for so long is not taken for one that will; a poll may wait for half of it."""

NONCE_BYTES = 6
REGISTRATION_MS_MIN = 90_000
"""A registration outlives a short lease: idle workers send a heartbeat every half a minute."""

_SKILLS = ("supported_skills", "available_skills", "hot_skills", "skills_hash")

Send = Callable[[Mapping[str, Json]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One worker's wish for tasks. `holding` lists the attempts it has: others that were handed to it are given
    back.
    """

    worker: str
    kinds: tuple[str, ...]
    timeout_s: float
    tasks_max: int = 1
    nonce: str = ""
    holding: frozenset[str] | None = None


@dataclass(slots=True)
class Seat:
    """What this replica knows of one worker: what it registered, for which kinds it polled here last and when, what it
    was handed here, its sockets here, and the nonces of claims whose answers were lost.
    """

    record: Mapping[str, Json] = field(default_factory=dict)
    polled_kinds: tuple[str, ...] = ()
    polled_ms: int = 0
    held: set[str] = field(default_factory=set)
    sockets: list[Send] = field(default_factory=list)
    unanswered: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=UNANSWERED_MAX))

    def unanswered_in(self, partition: int) -> str | None:
        """Take the nonce of a claim in this partition whose answer was lost."""
        found = next((claim for claim in self.unanswered if claim[0] == partition), None)
        if found is None:
            return None
        self.unanswered.remove(found)
        return found[1]


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
        self._seats: dict[str, Seat] = {}
        self._requirements: Mapping[str, Mapping[str, Json]] = {}
        self._requirements_until = 0.0

    # --- who is there -------------------------------------------------------------------------------------------------

    async def register(self, body: Mapping[str, Json]) -> None:
        """Keep what a worker says of itself, for every replica, until it falls silent."""
        worker = str(body["worker_id"])
        record = {key: value for key, value in body.items() if key not in ("security", "timestamp", "metadata")}
        await repeat(lambda: self._store.put_worker(worker, dumps(record), self._known_ms))
        self._seat(worker).record = record

    async def heartbeat(self, worker: str, body: Mapping[str, Json]) -> dict[str, Json] | None:
        """Extend the worker's leases and its registration; None when it is not registered (it must register again)."""
        store, lease_ms = self._store, self._lease_ms
        stored = await repeat(lambda: store.touch_worker(worker, self._known_ms))
        if stored is None:
            return None
        record = self._seat(worker).record = loads(stored)
        if body.get("supported_skills"):
            await self.register({**record, **{key: body[key] for key in _SKILLS if key in body}})
        tasks, dead = self._ours(body.get("current_tasks") or ()), []
        for first in range(0, len(tasks), TASKS_PER_HEARTBEAT_MAX):
            named = tasks[first : first + TASKS_PER_HEARTBEAT_MAX]
            dead += await repeat(partial(store.heartbeat, worker, named, lease_ms=lease_ms))
        answer: dict[str, Json] = {"status": "ok"}
        if dead:
            answer["cancel_task_ids"] = dead
        if not body.get("supported_skills") and body.get("skills_hash", _hash(record)) != _hash(record):
            answer["require_full_sync"] = True
        return answer

    def connect(self, worker: str, send: Send) -> None:
        """A socket to the worker: commands go there as well."""
        self._seat(worker).sockets.append(send)

    def disconnect(self, worker: str, send: Send) -> None:
        """The socket is gone."""
        sockets = self._seat(worker).sockets
        if send in sockets:
            sockets.remove(send)

    def revoked(self, attempts: Sequence[Revoked]) -> None:
        """Attempts that workers hold are dead: tell those whose socket is here; the others learn it by heartbeat."""
        for attempt in attempts:
            seat = self._seat(attempt.worker)
            seat.held.discard(attempt.task_id)
            job = attempt.task_id.partition("-")[0]
            for send in seat.sockets:
                send({"command": "cancel_task", "task_id": attempt.task_id, "job_id": job})

    def kinds_polled(self) -> dict[str, tuple[str, ...]]:
        """For which kinds each worker polled last, of those that polled here lately."""
        since_ms = self._store.now_ms() - max(self._lease_ms, POLL_FRESH_MS)
        return {worker: seat.polled_kinds for worker, seat in self._seats.items() if seat.polled_ms > since_ms}

    # --- handing out --------------------------------------------------------------------------------------------------

    async def poll(self, asked: Poll, gone: Callable[[], bool]) -> list[dict[str, Json]]:
        """Wait for tasks, at most `asked.timeout_s`, and take them.

        `gone` tells that the worker's connection is lost: nothing is taken then, and another poll is woken instead.
        """
        until = time.monotonic() + asked.timeout_s
        self._note_poll(asked)
        if asked.holding is not None:
            await self.release(asked.worker, sorted(self._seat(asked.worker).held - asked.holding))
        while asked.tasks_max > 0:
            queues = await self._queues_for(asked)
            if gone():
                self._queues.pass_on(queues)
                return []
            tasks = await self._take(asked, queues)
            left = until - time.monotonic()
            if tasks or left <= 0 or not await self._queues.wait(queues, left):
                return tasks
        return []

    async def release(self, worker: str, task_ids: Sequence[str]) -> None:
        """Give attempts back unworked; they keep their place and their number."""
        if task_ids:
            self._seat(worker).held.difference_update(task_ids)
            await repeat(lambda: self._store.release(worker, task_ids))

    def has_work(self, partition: int, queue: str) -> None:
        """The store says that a queue has work. Polls that do not know it yet look which queues there are."""
        self._queues.has_work(partition, queue)
        if "#" in queue and queue not in self._requirements:
            self._requirements_until = 0.0
            self._queues.wake_all(queue.partition("#")[0])

    async def _take(self, asked: Poll, queues: Sequence[str]) -> list[dict[str, Json]]:
        for partition, names in self._queues.worth_asking(queues, at_once=asked.timeout_s <= 0):
            claim, taken = self._queues.claim(partition, names), None
            try:
                handouts, tasks = await self._claim(partition, asked, names)
                taken = {handout.queue for handout in handouts}
            finally:
                self._queues.answered(claim, taken)
            if tasks:
                return tasks
        return []

    async def _claim(
        self, partition: int, asked: Poll, names: Sequence[str]
    ) -> tuple[list[Handout], list[dict[str, Json]]]:
        """Take tasks from the store, and make them ready for the worker. A claim whose answer was lost, on either way,
        is repeated by the worker's next poll, as the same one.
        """
        seat = self._seat(asked.worker)
        nonce = asked.nonce or seat.unanswered_in(partition) or random_hex(NONCE_BYTES)
        tasks_max = min(asked.tasks_max, TASKS_PER_POLL_MAX)
        try:
            handouts = await repeat(
                lambda: self._store.poll(
                    partition, asked.worker, names, nonce=nonce, max_tasks=tasks_max, lease_ms=self._lease_ms
                )
            )
            ready = [await self._hand_out(asked.worker, handout) for handout in handouts]
            return handouts, [task for task in ready if task is not None]
        except StoreError:
            seat.unanswered.append((partition, nonce))
            raise

    async def _hand_out(self, worker: str, handout: Handout) -> dict[str, Json] | None:
        """The task as the worker gets it, secrets put in; without one of its secrets the attempt fails."""
        if not self._scopes.knows(handout.task_id) and (loaded := handout.loaded) is not None:
            await self._scopes.keep(loaded, handout.task_id)
        try:
            task = payload(handout, self._vault, self._store.now_ms())
        except SecretError as missing:
            event = TaskFailed(attempt=OPEN_ATTEMPT, code="DEPENDENCY_ERROR", message=missing.message)
            await self._settle(handout.task_id, handout.job, worker, event, "")
            return None
        self._seat(worker).held.add(handout.task_id)
        return task

    async def _queues_for(self, asked: Poll) -> list[str]:
        """The queues that this worker may take from: its kinds, and those whose requirements it fulfils."""
        record = self._seat(asked.worker).record
        kinds = (asked.kinds or kinds_of(record))[:KINDS_PER_POLL_MAX]
        if time.monotonic() >= self._requirements_until:
            await self._refresh_requirements()
        if not self._requirements:
            return list(kinds)
        asking = [
            queue
            for queue, wanted in self._requirements.items()
            if (kind := queue.partition("#")[0]) in kinds and fulfils(record, wanted, kind)
        ]
        return [*kinds, *asking]

    def _note_poll(self, asked: Poll) -> None:
        seat = self._seat(asked.worker)
        self._seats[asked.worker] = self._seats.pop(asked.worker)  # the last one of all
        seat.polled_kinds, seat.polled_ms = asked.kinds or kinds_of(seat.record), self._store.now_ms()

    async def _refresh_requirements(self) -> None:
        """Ask which queues have requirements, once a second at most, and only while somebody polls."""
        self._requirements_until = time.monotonic() + REQUIREMENTS_FRESH_S
        found: dict[str, Mapping[str, Json]] = {}
        for partition in range(self._store.partitions):
            found.update({queue: loads(body) for queue, body in (await self._store.queues(partition)).items()})
        self._requirements = found

    # --- taking results -----------------------------------------------------------------------------------------------

    async def result(self, body: Mapping[str, Json]) -> dict[str, Json]:
        """Use a worker's result once; the answer says whether it was, and if not, why."""
        worker = str(body.get("worker_id") or "")
        return await self._settle(str(body["task_id"]), str(body["job_id"]), worker, event_of(body), result_hash(body))

    async def event(self, body: Mapping[str, Json]) -> None:
        """Keep the progress that a worker reports with its attempt; other events are not kept."""
        tasks, progress = self._ours([body.get("target_task_id")]), body.get("payload")
        if body.get("event_type") == "progress" and tasks and isinstance(progress, dict):
            note = dumps(progress_of(progress))
            await repeat(lambda: self._store.progress(str(body["worker_id"]), tasks[0], note))

    async def _settle(self, task_id: str, job: str, worker: str, event: WorkerAnswer, said: str) -> dict[str, Json]:
        if not self._ours([task_id]) or job_of_task(task_id) != job:
            return verdict(Committed(outcome=Outcome.UNKNOWN))
        if isinstance(event, TaskFailed) and self._vault.names:
            event = await self._blanked(event, job, task_id)
        cause = ResultCause(task_id=task_id, worker=worker, hash=said, event=dumps(answer_as_json(event)))
        handled = await self._executor.handle(job, ROOT, cause, event, task_id=task_id)
        self._seat(worker).held.discard(task_id)
        return verdict(handled.answer)

    async def _blanked(self, event: TaskFailed, job: str, task_id: str) -> TaskFailed:
        """The failure without the secrets that the attempt was given, in case the worker repeats one in its words."""
        kept = await self._scopes.at(job, ROOT, None, task_id)
        names = frozenset[str]() if kept is None else secrets_read(kept.program, kept.scope)
        return blanked(event, self._vault, names)

    def _ours(self, task_ids: Sequence[Json]) -> list[str]:
        """Those that can be tasks of this engine: a worker may serve several, and names the tasks of all."""
        partitions = self._store.partitions
        return [task for task in task_ids if isinstance(task, str) and is_task_id(task, partitions)]

    def _seat(self, worker: str) -> Seat:
        """The worker's seat; when there are too many, the one goes whose worker polled longest ago."""
        seat = self._seats.get(worker)
        if seat is None:
            seat = self._seats[worker] = Seat()
            if len(self._seats) > WORKERS_KEPT_MAX:
                del self._seats[next(iter(self._seats))]
        return seat


def kinds_of(record: Mapping[str, Json]) -> tuple[str, ...]:
    """The kinds of task that a registration names."""
    skills = (skill["name"] if isinstance(skill, dict) else skill for skill in record.get("supported_skills") or ())
    return tuple(skill for skill in skills if isinstance(skill, str))


def _hash(record: Mapping[str, Json]) -> Json:
    return record.get("skills_hash")
