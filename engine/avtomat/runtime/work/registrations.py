"""Know workers: keep what each registered, extend its leases, tell it over its sockets what to cancel.

Of a worker's record nothing but what it registered can be set by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from avtomat.core.formula import Json
from avtomat.runtime.repeating import repeat
from avtomat.runtime.trust.reputations import Reputations
from avtomat.runtime.work.queues import Queues
from avtomat.runtime.work.seats import LEAVING, Seat, Seats, Send
from avtomat.storage.port.answers import Revoked
from avtomat.storage.port.codec import dumps, loads
from avtomat.storage.port.rules import own_tasks
from avtomat.storage.port.store import Store

TASKS_PER_HEARTBEAT_MAX = 500
"""So many attempts are looked at in one step of the store, where others wait meanwhile."""

AVAILABLE_MAX = 500
"""So many kinds may a heartbeat add to a poll that waits."""

NAMELESS_MAX = 100
"""So many sockets without an id hear of commands that may be theirs."""

POLL_FRESH_MS = 120_000
"""A worker that did not poll for so long is not taken for one that will; a poll may wait for half of it."""

REGISTRATION_MS_MIN = 90_000
"""A registration outlives a short lease: idle workers send a heartbeat every half a minute."""

REGISTRATION_FRESH_MS = 40_000
"""A registration that was not heard of here for so long may have been changed at another replica: a poll reads it."""

REGISTRATION_ASKED_MS = 1_000
"""So often at most it is asked whether a worker has registered at another replica."""

_SKILLS = ("supported_skills", "available_skills", "hot_skills", "skills_hash")


class Registrations:
    """The workers near one replica."""

    def __init__(self, store: Store, queues: Queues, reputations: Reputations, *, lease_ms: int) -> None:
        self._store = store
        self._reputations = reputations
        self._queues = queues
        self._lease_ms = lease_ms
        self._known_ms = max(lease_ms, REGISTRATION_MS_MIN)
        self._nameless: dict[Send, Callable[[str], bool]] = {}
        self.seats = Seats(store.now_ms, queues.hot, kept_ms=max(self._known_ms, POLL_FRESH_MS))

    async def register(self, body: Mapping[str, Json]) -> None:
        """Keep what a worker says of itself, for every replica, until its heartbeats stop. Raises RequestRefused for a
        registration that is too large, or one too many.
        """
        worker = str(body["worker_id"])
        record = dumps({key: value for key, value in body.items() if key not in ("security", "timestamp", "metadata")})
        with self.seats.room_for(worker, record):
            await repeat(lambda: self._store.put_worker(worker, record, self._known_ms))
            seat = self.seats.of(worker)
            seat.leaving = None
            self._registered(seat, record)

    async def heartbeat(self, worker: str, body: Mapping[str, Json]) -> dict[str, Json] | None:
        """Extend the worker's leases and its registration; None when it is not registered (it must register again).

        A heartbeat with a `load` is that of an older client, which registers only once: where it is not known, its
        heartbeat is its registration as far as it says what it can do. The oldest name no `current_tasks`: all that
        were handed to it here are its own.
        """
        store, lease_ms = self._store, self._lease_ms
        stored, is_older = await repeat(lambda: store.touch_worker(worker, self._known_ms)), "load" in body
        if stored is None:
            if not is_older or not body.get("supported_skills"):
                return None
            stored = dumps({"worker_id": worker})
        seat = self.seats.of(worker)
        if body.get("supported_skills"):
            await self.register({**loads(stored), **{key: body[key] for key in _SKILLS if key in body}})
        else:
            self._registered(seat, stored)
        status = body.get("status")
        seat.leaving = status if isinstance(status, str) and status in LEAVING else None
        self._noted(seat, body)
        current = list(seat.held) if is_older and "current_tasks" not in body else body.get("current_tasks")
        tasks, dead = own_tasks(current or (), store.partitions), []
        for first in range(0, len(tasks), TASKS_PER_HEARTBEAT_MAX):
            named = tasks[first : first + TASKS_PER_HEARTBEAT_MAX]
            dead += await repeat(partial(store.heartbeat, worker, named, lease_ms=lease_ms))
        answer: dict[str, Json] = {"status": "ok"}
        if dead:
            answer["cancel_task_ids"] = dead
        if not body.get("supported_skills") and body.get("skills_hash", seat.skills_hash) != seat.skills_hash:
            answer["require_full_sync"] = True
        return answer

    def told_hot(self, seat: Seat, kinds: Iterable[Json]) -> None:
        """The worker is hot for these kinds by now."""
        before = seat.merit.hot
        self.seats.is_hot_for(seat, kinds)
        if seat.merit.hot != before:
            for standing in tuple(seat.standings):
                self._queues.recall(standing)

    def moved(self, seat: Seat) -> None:
        """What the worker does has changed: so may the places of its polls."""
        for standing in tuple(seat.standings):
            if seat.merit.few:
                self._queues.recall(standing)
            else:
                self._queues.reorder(standing)

    def reserved(self, partition: int, worker: str) -> None:
        """An attempt is reserved for this worker: its polls here look."""
        seat = self.seats.find(worker)
        if seat is not None:
            seat.reserved.add(partition)
            for standing in tuple(seat.standings):
                self._queues.recall(standing)

    def regarded(self, worker: str) -> None:
        """The worker has another reputation: so may its polls have other places."""
        seat = self.seats.find(worker)
        if seat is not None:
            self._regard(worker, seat)

    def _regard(self, worker: str, seat: Seat) -> None:
        merit, score, few = seat.merit, self._reputations.of(worker), self._reputations.tasks_of(worker)
        if (merit.reputation, merit.few) == (score, few):
            return
        is_turned = merit.few != few
        merit.reputation, merit.few = score, few
        for standing in tuple(seat.standings):
            if is_turned:
                self._queues.recall(standing)
            else:
                self._queues.reorder(standing)

    def seat_of_poller(self, worker: str, kinds: tuple[str, ...]) -> Seat:
        """The seat of a worker that polls for these kinds, with what is known here of it."""
        seat = self.seats.of(worker)
        self._regard(worker, seat)
        seat.polled_kinds, seat.polled_ms = seat.takes(kinds), seat.heard_ms
        return seat

    def is_old(self, seat: Seat) -> bool:
        """Whether the worker may have registered at another replica since it was asked what stands there."""
        fresh_ms = REGISTRATION_ASKED_MS if seat.digest is None else REGISTRATION_FRESH_MS
        return seat.polled_ms >= seat.asked_ms + fresh_ms

    async def read_again(self, worker: str, seat: Seat, kinds: tuple[str, ...]) -> None:
        """Learn what a worker that polls for these kinds registered, at any replica."""
        seat.asked_ms = seat.polled_ms
        self._registered(seat, await repeat(lambda: self._store.touch_worker(worker, self._known_ms)))
        seat.polled_kinds = seat.takes(kinds)

    def connect(self, worker: str, send: Send) -> None:
        """A socket to the worker: commands go there as well."""
        self.seats.of(worker).sockets.append(send)

    def disconnect(self, worker: str, send: Send) -> None:
        """The socket is gone."""
        seat = self.seats.find(worker)
        if seat is not None and send in seat.sockets:
            seat.sockets.remove(send)

    def connect_nameless(self, send: Send, is_for: Callable[[str], bool]) -> None:
        """A socket to a worker that has not said which one it is; `is_for` says which it may be. Of more than
        NAMELESS_MAX those hear no commands that were there first.
        """
        self._nameless[send] = is_for
        if len(self._nameless) > NAMELESS_MAX:
            del self._nameless[next(iter(self._nameless))]

    def disconnect_nameless(self, send: Send) -> None:
        """The socket is gone, or known to be a worker's."""
        self._nameless.pop(send, None)

    def holder(self, task_id: str) -> str | None:
        """The worker to which this attempt was handed here."""
        return next((worker for worker, seat in self.seats if task_id in seat.held), None)

    def holds(self, worker: str, task_id: str) -> bool:
        """Whether this attempt was handed to the worker here, and is not known to be dead."""
        seat = self.seats.find(worker)
        return seat is not None and task_id in seat.held

    def revoked(self, attempts: Sequence[Revoked]) -> None:
        """Attempts that workers hold are dead: tell those whose socket is here; the others learn it by heartbeat."""
        for attempt in attempts:
            seat = self.seats.find(attempt.worker)
            if seat is None:
                continue
            if seat.held.pop(attempt.task_id, None) is not None:
                seat.merit.let_go()
                self.moved(seat)
            job = attempt.task_id.partition("-")[0]
            sends = seat.sockets or [send for send, is_for in self._nameless.items() if is_for(attempt.worker)]
            for send in sends:
                send({"command": "cancel_task", "task_id": attempt.task_id, "job_id": job})

    def kinds_polled(self) -> dict[str, tuple[str, ...]]:
        """For which kinds each worker polled last, of those that polled here lately."""
        since_ms = self._store.now_ms() - max(self._lease_ms, POLL_FRESH_MS)
        return {worker: seat.polled_kinds for worker, seat in self.seats if seat.polled_ms > since_ms}

    def leaving(self) -> dict[str, str]:
        """The workers that said here that they stop, and with which word."""
        return {worker: seat.leaving for worker, seat in self.seats if seat.leaving is not None}

    def _registered(self, seat: Seat, record: bytes | None) -> None:
        """The worker's registration is this: polls of it that wait here look again if they may take something else."""
        if self.seats.registered(seat, record):
            for standing in tuple(seat.standings):
                self._queues.recall(standing)

    def _noted(self, seat: Seat, body: Mapping[str, Json]) -> None:
        """What a heartbeat says of how the worker is."""
        if (hot := body.get("hot_skills")) is not None:
            self.told_hot(seat, hot)
        if (tasks := body.get("current_tasks")) is not None:
            seat.merit.load = len(tasks)
            self.moved(seat)
        if available := body.get("available_skills"):
            self._told_available(seat, available)

    def _told_available(self, seat: Seat, kinds: Sequence[Json]) -> None:
        """The worker may take these kinds by now: polls of it that did not name one of them are wider from now on."""
        named = tuple(kind for kind in kinds[:AVAILABLE_MAX] if isinstance(kind, str))
        for standing in seat.standings:
            if any(kind not in standing.queues for kind in named):
                more = [kind for kind in seat.takes(named) if kind not in standing.queues]
                standing.told = tuple(dict.fromkeys((*standing.told, *more)))[:AVAILABLE_MAX]
                seat.polled_kinds = tuple(dict.fromkeys((*seat.polled_kinds, *more)))[:AVAILABLE_MAX]
                self._queues.recall(standing)
