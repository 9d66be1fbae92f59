"""Hand out tasks: a poll waits until there are some that its worker may take, and takes them under leases.

A task waits in its queue until a worker polls that may take it; nothing is pushed to workers that did not ask.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from avtomat.core.formula import Json
from avtomat.core.messages import TaskFailed
from avtomat.core.value import value
from avtomat.errors import SecretError, StoreError
from avtomat.runtime.chance import random_hex
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.runtime.repeating import repeat
from avtomat.runtime.work.handout import payload
from avtomat.runtime.work.matchmaker import Standing, kind_of
from avtomat.runtime.work.queues import Queues
from avtomat.runtime.work.registrations import Registrations
from avtomat.runtime.work.seats import Seat
from avtomat.runtime.work.settling import Settling
from avtomat.secrets import Secrets
from avtomat.storage.port.answers import Handout
from avtomat.storage.port.codec import answer_as_json, dumps, loads
from avtomat.storage.port.rules import STRIDE
from avtomat.storage.port.store import EQUAL, Store
from avtomat.storage.port.writes import ResultCause, TaskRequest

KINDS_PER_POLL_MAX = 500
TASKS_PER_POLL_MAX = 100
"""So many attempts are looked at in one step of the store, where others wait meanwhile."""

NONCE_BYTES = 6

Admit = Callable[[str, str, str], Awaitable[bool]]
"""Whether an attempt of a kind whose breaker is not closed may go to this worker."""


@value
class Poll:
    """One worker's request for tasks. `hot` are the kinds that it is hot for (None: as it said before).

    `holding` lists the attempts that it has: others that were handed to it are given back, but for those under the same
    nonce, which come again. `may_do` says which kinds its token allows (None: all).
    """

    worker: str
    kinds: tuple[str, ...]
    timeout_s: float
    tasks_max: int = 1
    nonce: str = ""
    hot: tuple[str, ...] | None = None
    holding: frozenset[str] | None = None
    may_do: Callable[[str], bool] | None = None


class Polls:
    """The polls of workers near one replica."""

    def __init__(
        self,
        store: Store,
        scopes: Scopes,
        queues: Queues,
        vault: Secrets,
        registrations: Registrations,
        settling: Settling,
        admit: Admit,
        *,
        lease_ms: int,
        task_secret: str | None,
    ) -> None:
        self._store = store
        self._scopes = scopes
        self._queues = queues
        self._vault = vault
        self._registrations = registrations
        self._settling = settling
        self._admit = admit
        self._lease_ms = lease_ms
        self._task_secret = task_secret
        self._strides: Mapping[str, int] = EQUAL
        self._learning = asyncio.Lock()

    async def poll(self, asked: Poll, gone: Callable[[], bool]) -> list[dict[str, Json]]:
        """Wait for tasks, at most `asked.timeout_s`, and take them.

        `gone` tells that the worker's connection is lost: nothing is taken then. However a poll ends, what it was woken
        for and did not take wakes the next one.
        """
        until = time.monotonic() + asked.timeout_s
        seat = self._registrations.seat_of_poller(asked.worker, asked.kinds)
        if self._registrations.is_old(seat):
            await self._registrations.read_again(asked.worker, seat, asked.kinds)
        if asked.holding is not None:
            await self.release(asked.worker, seat.not_received(asked.holding, asked.nonce))
            seat.merit.load = len(asked.holding)
        if asked.tasks_max <= 0:
            return []
        if asked.hot is not None:
            self._registrations.told_hot(seat, asked.hot)
        standing = self._queues.standing(seat.merit)
        seat.standings.add(standing)
        try:
            while True:
                if self._queues.unread:
                    await self.learn_requirements()
                named = (*asked.kinds, *standing.told) if standing.told and asked.kinds else asked.kinds
                kinds, may_do = seat.takes(named), asked.may_do
                if may_do is not None:
                    kinds = tuple([kind for kind in kinds if may_do(kind)])
                self._queues.look(standing, kinds[:KINDS_PER_POLL_MAX], seat.profile)
                if gone():
                    return []
                asking, repeated = self._asking(asked, seat, standing)
                tasks = await self.take(asked, seat, asking, repeated)
                left = until - time.monotonic()
                if tasks or left <= 0 or not await self._queues.wait(standing, left):
                    return tasks
        finally:
            seat.standings.discard(standing)
            self._queues.leave(standing)

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Give clients these shares of a queue that several wait for; of those that are not named it is 1."""
        self._strides = {client: max(1, round(STRIDE / weight)) for client, weight in weights.items()}

    async def release(self, worker: str, task_ids: Sequence[str]) -> None:
        """Give attempts back unworked; they keep their place and their number."""
        if task_ids:
            seat = self._registrations.seats.of(worker)
            for task_id in task_ids:
                if seat.held.pop(task_id, None) is not None:
                    seat.merit.let_go()
            await repeat(lambda: self._store.release(worker, task_ids))

    def _asking(
        self, asked: Poll, seat: Seat, standing: Standing
    ) -> tuple[Mapping[int, Sequence[str]], Collection[int]]:
        """The partitions that the poll asks now, with the queues of each, and those in which it repeats a claim."""
        queues = standing.queues
        asking = dict(self._queues.worth_asking(queues, seat.merit, at_once=asked.timeout_s <= 0))
        repeated = {partition: queues for partition in seat.repeated_in(asked.nonce) if queues}
        apart = {partition: queues for partition in seat.reserved if queues} if seat.reserved else {}
        if seat.merit.is_full:
            apart = {}
        return repeated | asking | apart if repeated or apart else asking, repeated

    async def take(
        self, asked: Poll, seat: Seat, asking: Mapping[int, Sequence[str]], repeated: Collection[int]
    ) -> list[dict[str, Json]]:
        """Take what is there now: ask partition by partition for these queues, until there is something. Those of
        `repeated` are asked although no queue of theirs may be.
        """
        for partition, names in asking.items():
            is_apart, room = self.is_apart(partition, seat), self.room(asked, seat)
            if not self._queues.shut:
                tasks = await self._ask(partition, asked, seat, names, room, reserved=is_apart)
            else:
                with self._queues.passing(names) as (open_names, probe):
                    if not open_names and partition not in repeated:
                        continue
                    room = room if probe is None else 1
                    tasks = await self._ask(partition, asked, seat, open_names, room, reserved=is_apart)
            if tasks:
                if is_apart:
                    seat.reserved.add(partition)  # there may be more
                self.took(seat, len(tasks))
                return tasks
        return []

    def is_apart(self, partition: int, seat: Seat) -> bool:
        """Whether attempts may be reserved for the worker there, and it may have them. They are about to be asked for:
        nothing is known of more.
        """
        if partition not in seat.reserved or seat.merit.is_full:
            return False
        seat.reserved.discard(partition)
        return True

    def room(self, asked: Poll, seat: Seat) -> int:
        """How many attempts the worker may be given now."""
        return seat.merit.room(min(asked.tasks_max, TASKS_PER_POLL_MAX))

    def took(self, seat: Seat, tasks: int) -> None:
        """The worker was given so many attempts."""
        seat.merit.took(tasks, self._lease_ms / 1000)

    async def _ask(
        self, partition: int, asked: Poll, seat: Seat, names: Sequence[str], tasks_max: int, *, reserved: bool
    ) -> list[dict[str, Json]]:
        """Ask the store for tasks of these queues, and note what is known of them by its answer."""
        claim, taken = self._queues.claim(partition, names), None
        try:
            taken, tasks = await self._claim(partition, asked, seat, names, tasks_max, reserved=reserved)
        finally:
            self._queues.answered(claim, taken)
        return tasks

    async def _claim(
        self, partition: int, asked: Poll, seat: Seat, names: Sequence[str], tasks_max: int, *, reserved: bool
    ) -> tuple[set[str] | None, list[dict[str, Json]]]:
        """Take tasks from the store, and make them ready for the worker; with the queues that they were taken from."""
        wanted, is_repeat = self.wanted(partition, asked, seat, names, tasks_max, reserved=reserved)
        try:
            handouts = await repeat(
                lambda: self._store.poll(
                    partition,
                    wanted.worker,
                    wanted.queues,
                    nonce=wanted.nonce,
                    max_tasks=wanted.max_tasks,
                    lease_ms=wanted.lease_ms,
                    strides=wanted.strides,
                    reserved=wanted.reserved,
                )
            )
        except (StoreError, asyncio.CancelledError):
            seat.unanswered.append((partition, wanted.nonce))
            raise
        return await self.ready(partition, asked, seat, wanted, handouts, is_repeat=is_repeat)

    def wanted(
        self, partition: int, asked: Poll, seat: Seat, names: Sequence[str], tasks_max: int, *, reserved: bool
    ) -> tuple[TaskRequest, bool]:
        """What a poll wants of these queues, and whether it is a claim that comes again.

        A claim whose answer was lost, on either way, is repeated by the worker's next poll, as the same one, or by the
        next under its nonce.
        """
        unanswered = seat.unanswered_in(partition, asked.nonce)
        wanted = TaskRequest(
            worker=asked.worker,
            queues=tuple(names),
            nonce=asked.nonce or unanswered or random_hex(NONCE_BYTES),
            max_tasks=tasks_max,
            lease_ms=self._lease_ms,
            strides=self._strides,
            reserved=reserved,
        )
        return wanted, unanswered is not None

    async def ready(
        self,
        partition: int,
        asked: Poll,
        seat: Seat,
        wanted: TaskRequest,
        handouts: Sequence[Handout],
        *,
        is_repeat: bool,
    ) -> tuple[set[str] | None, list[dict[str, Json]]]:
        """The tasks that the store gave, as the worker gets them, with the queues that they were taken from.

        What a repeat brings was taken before, so nothing is known of the queues now (None); nor is it where some may
        have been reserved for the worker, and so in no queue. Secrets are put in now; an attempt of which one is
        missing fails.
        """
        if handouts and asked.nonce:
            seat.brought = partition, asked.nonce
        taken, tasks, is_repeat = set[str](), list[dict[str, Json]](), is_repeat or wanted.reserved
        try:
            for handout in handouts:
                taken.add(handout.queue)
                is_repeat = is_repeat or handout.task_id in seat.held
            for handout in await self._let_through(asked.worker, seat, handouts) if self._queues.shut else handouts:
                if not self._scopes.knows(handout.task_id) and (loaded := handout.loaded) is not None:
                    await self._scopes.keep(loaded, handout.task_id)
                try:
                    task = payload(handout, self._vault, self._store.now_ms(), self._task_secret)
                except SecretError as missing:
                    await self._fail(asked.worker, handout, missing)
                else:
                    seat.hold(handout.task_id, wanted.nonce)
                    tasks.append(task)
        except (StoreError, asyncio.CancelledError):
            seat.unanswered.append((partition, wanted.nonce))
            raise
        return None if taken and is_repeat else taken, tasks

    async def _let_through(self, worker: str, seat: Seat, handouts: Sequence[Handout]) -> list[Handout]:
        """Those that the breakers of their kinds let go to the worker, or that it has already; the others go back."""
        through, refused = [], []
        for handout in handouts:
            kind, task_id = kind_of(handout.queue), handout.task_id
            is_open = kind not in self._queues.shut or task_id in seat.held
            if is_open or await self._admit(kind, task_id, worker):
                through.append(handout)
            else:
                refused.append(task_id)
        await self.release(worker, refused)
        return through

    async def _fail(self, worker: str, handout: Handout, missing: SecretError) -> None:
        """One of the task's secrets cannot be had: the attempt fails, and the worker gets nothing."""
        event = TaskFailed(attempt=None, code="DEPENDENCY_ERROR", message=missing.message)
        cause = ResultCause(task_id=handout.task_id, worker=worker, hash="", event=dumps(answer_as_json(event)))
        await self._settling.settle(handout.job, cause, event)

    async def learn_requirements(self) -> None:
        """Read what the queues ask of workers that are not known here yet. Polls that come meanwhile do not wait for
        that: they are put in line when it is known.
        """
        unread = self._queues.unread
        async with self._learning:
            while unread:
                partition = unread.pop()
                try:
                    for queue, asked in (await self._store.queues(partition)).items():
                        self._queues.learn(queue, loads(asked))
                except BaseException:
                    unread.add(partition)
                    raise
