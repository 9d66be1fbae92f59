"""Give a worker its next tasks together with the answer to its result.

The store takes them in the step of the commit, so that a worker with work before it costs a request and a step of the
store less for each task. Nothing is waited for, and nobody is passed over: a queue is asked only where no poll waits
here that comes before this worker, and none is on its way to the queue.

Whatever becomes of the result, the worker is free and gets tasks: also when the result is ignored or a repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from avtomat.core.formula import Json
from avtomat.errors import StoreError
from avtomat.runtime.work.matchmaker import kind_of
from avtomat.runtime.work.polls import KINDS_PER_POLL_MAX, Poll, Polls
from avtomat.runtime.work.queues import Claim, Queues
from avtomat.runtime.work.registrations import Registrations
from avtomat.runtime.work.seats import Seat
from avtomat.runtime.work.settling import Settling
from avtomat.storage.port.answers import Committed, Outcome
from avtomat.storage.port.rules import partition_of
from avtomat.storage.port.writes import TaskRequest, Writes


class Along:
    """The claim that goes along with one commit. `wanted` is made when the decision is known, and is the same when the
    commit comes again; `answer` is the store's, None until it came.
    """

    def __init__(self, polls: Polls, queues: Queues, asked: Poll, seat: Seat, names: Sequence[str], job: str) -> None:
        self._polls = polls
        self._queues = queues
        self._asked = asked
        self._seat = seat
        self._names = names
        self._claim: Claim | None = None
        self._made: TaskRequest | None = None
        self._has_looked = False
        self.partition = partition_of(job)
        self.answer: Committed | None = None
        self._is_repeat = False

    def wanted(self, writes: Writes) -> TaskRequest | None:
        """What the worker wants of the store with this commit; None where there is nothing for it.

        A worker on probation asks when its result is used, for until then it has its few attempts. Of a kind whose
        breaker is not closed nothing goes along: a probe is asked for by itself.
        """
        seat, partition = self._seat, self.partition
        if self._claim is None and self._names and not seat.merit.few:
            self._has_looked = True
            repeats = partition in seat.repeated_in(self._asked.nonce)
            if (names := self._worth_asking(writes, repeats=repeats)) or repeats:
                reserved = self._polls.is_apart(partition, seat) or _may_be_reserved(writes)
                room = self._polls.room(self._asked, seat)
                self._claim = self._queues.claim(partition, names)
                self._made, self._is_repeat = self._polls.wanted(
                    partition, self._asked, seat, names, room, reserved=reserved
                )
        return self._made

    @property
    def has_looked(self) -> bool:
        """Whether the queues of this partition were looked at: what the commit queued since is for those it woke."""
        return self._has_looked and (
            self._made is None or (self.answer is not None and self.answer.handouts is not None)
        )

    async def tasks(self) -> list[dict[str, Json]]:
        """What the store gave, ready for the worker. Must follow once the commit is over, however."""
        wanted, claim = self._made, self._claim
        if wanted is None or claim is None:
            return []
        handouts = None if self.answer is None else self.answer.handouts
        taken, tasks = None, list[dict[str, Json]]()
        try:
            if handouts is None:
                self._seat.unanswered.append((self.partition, wanted.nonce))
            else:
                taken, tasks = await self._polls.ready(
                    self.partition, self._asked, self._seat, wanted, handouts, is_repeat=self._is_repeat
                )
        finally:
            self._queues.answered(claim, taken)
            if wanted.reserved and (tasks or handouts is None):
                self._seat.reserved.add(self.partition)  # there may be more
        if tasks:
            self._polls.took(self._seat, len(tasks))
        return tasks

    def _worth_asking(self, writes: Writes, *, repeats: bool) -> Sequence[str]:
        """The queues that may hold work which this worker is the next to get, that of the commit's own task among
        them; all where it repeats a claim, or something may be reserved for it.
        """
        queues, partition, shut = self._queues, self.partition, self._queues.shut
        names = [queue for queue in self._names if kind_of(queue) not in shut] if shut else self._names
        if repeats or partition in self._seat.reserved:
            return names
        dispatch = writes.dispatch
        own = None if dispatch is None or dispatch.not_before_ms is not None else dispatch.queue
        return [queue for queue in names if queues.is_next(partition, queue, self._seat.merit, own)]


def _may_be_reserved(writes: Writes) -> bool:
    """Whether the commit opens an attempt that the store may reserve for a worker."""
    return writes.dispatch is not None and bool(writes.dispatch.sticky)


class Following:
    """Results that ask for the next tasks, near one replica."""

    def __init__(self, registrations: Registrations, queues: Queues, settling: Settling, polls: Polls) -> None:
        self._registrations = registrations
        self._queues = queues
        self._settling = settling
        self._polls = polls

    async def result(
        self, body: Mapping[str, Json], asked: Poll, gone: Callable[[], bool]
    ) -> tuple[dict[str, Json], list[dict[str, Json]]]:
        """Use a result as `Settling.result` does; with its answer come tasks, if there are some at once. The worker is
        the one of `asked`.
        """
        seat = self._registrations.seat_of_poller(asked.worker, asked.kinds)
        if self._registrations.is_old(seat):
            await self._registrations.read_again(asked.worker, seat, asked.kinds)
        if self._queues.is_closed or seat.leaving is not None or asked.tasks_max <= 0:
            return await self._settling.result(body), []
        if asked.hot is not None:
            self._registrations.told_hot(seat, asked.hot)
        if self._queues.unread:
            await self._polls.learn_requirements()
        kinds, may_do = seat.takes(asked.kinds), asked.may_do
        if may_do is not None:
            kinds = tuple([kind for kind in kinds if may_do(kind)])
        names = self._queues.queues_for(kinds[:KINDS_PER_POLL_MAX], seat.profile)
        if gone():
            return await self._settling.result(body), []
        along = Along(self._polls, self._queues, asked, seat, names, str(body["job_id"]))
        try:
            said = await self._settling.result(body, along)
        except BaseException:
            await along.tasks()
            raise
        tasks = await along.tasks()
        if not tasks and not gone():
            with suppress(StoreError):  # the result is used: the next poll brings what was taken
                tasks = await self._elsewhere(asked, seat, names, along)
        return said, tasks

    async def _elsewhere(self, asked: Poll, seat: Seat, names: Sequence[str], along: Along) -> list[dict[str, Json]]:
        """What waits where the commit did not look: in another partition; or here, when there was no commit, or for a
        probe, or reserved. A repeat may be one of a request whose tasks another replica handed out.
        """
        if not names:
            return []
        answer, partitions = along.answer, range(self._queues.partitions)
        is_again = answer is not None and answer.outcome is Outcome.DUPLICATE and bool(asked.nonce)
        looked_at = along.partition if along.has_looked and not is_again else None
        repeated = set(partitions) if is_again else seat.repeated_in(asked.nonce) - {looked_at}
        asking = dict[int, Sequence[str]]()
        for partition in partitions:
            if partition in seat.reserved and not seat.merit.is_full:
                mine = names
            else:
                mine = self._next_in(partition, names, seat, only_shut=partition == looked_at)
            if mine or partition in repeated:
                asking[partition] = mine
        return await self._polls.take(asked, seat, asking, repeated)

    def _next_in(self, partition: int, names: Sequence[str], seat: Seat, *, only_shut: bool) -> Sequence[str]:
        """The queues there which the worker is the next to take from. `only_shut`: of the kinds whose breakers are not
        closed alone.
        """
        shut = self._queues.shut
        if only_shut:
            names = [queue for queue in names if kind_of(queue) in shut] if shut else ()
        return [queue for queue in names if self._queues.is_next(partition, queue, seat.merit)]
