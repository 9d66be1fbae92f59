"""Know which queues may hold work, and wake one waiting poll when one does; the store is asked only when it may help.

A poll that found its queues empty makes them known as empty, unless news came while it was under way. News come from
the store (`Wakeups.queue`), and every second for queues that somebody waits for, because messages may be lost.

News are of one task as far as is known, so one poll asks for it, and others wait for what that one finds. Once a claim
has left something behind, all may ask at a time, until one finds nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

QUEUES_KNOWN_MAX = 20_000

Place = tuple[int, str]
"""A queue in a partition."""


@dataclass(slots=True)
class Known:
    """What is known of one queue: how many news came, how many claims ask since the newest, and what they found."""

    news: int = 0
    asking: int = 0
    is_empty: bool = False
    has_many: bool = False

    @property
    def is_worth_asking(self) -> bool:
        """Whether there may be a task that nobody is about to take."""
        return not self.is_empty and (self.has_many or self.asking == 0)


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim under way: the queues that it asks, each with the number of its news then."""

    asked: Sequence[tuple[str, Known, int]]


class Queues:
    """What this replica knows of the queues, and the polls that wait here, each queue's in the order of their
    coming.
    """

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._known: dict[Place, Known] = {}
        self._waiting: defaultdict[str, deque[asyncio.Future[bool]]] = defaultdict(deque)
        self._next_partition = 0
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def worth_asking(self, queues: Sequence[str], *, at_once: bool = False) -> list[tuple[int, list[str]]]:
        """The partitions, a different one first each time, with those of the queues that may hold work there.

        `at_once` is for a poll that cannot wait for what another one finds.
        """
        self._next_partition += 1
        found = []
        for offset in range(self._partitions):
            partition = (self._next_partition + offset) % self._partitions
            known = {queue: self._of(partition, queue) for queue in queues}
            names = [queue for queue, one in known.items() if one.is_worth_asking or (at_once and not one.is_empty)]
            if names:
                found.append((partition, names))
        return found

    def claim(self, partition: int, queues: Iterable[str]) -> Claim:
        """The store is about to be asked for tasks of these queues; `answered` must follow."""
        asked = []
        for queue in queues:
            known = self._of(partition, queue)
            known.asking += 1
            asked.append((queue, known, known.news))
        return Claim(asked)

    def answered(self, claim: Claim, taken: Collection[str] | None) -> None:
        """A claim took tasks from these queues; None: its answer never came.

        If it took nothing, all queues that it asked are empty, unless news came since; else those that it took
        from, for the store tells when it leaves something there. Of the others it tells nothing: another poll may look.
        """
        for queue, known, news in claim.asked:
            if known.news != news:
                known.has_many = known.has_many or (taken is not None and queue in taken)
                continue
            known.asking -= 1
            if taken is not None and (not taken or queue in taken):
                known.is_empty, known.has_many = True, False
            else:
                self.wake(queue)

    def has_work(self, partition: int, queue: str) -> None:
        """A queue has work: wake the poll that has waited for it longest."""
        known = self._of(partition, queue)
        known.news += 1
        known.asking = 0
        known.is_empty = False
        self.wake(queue)

    def _of(self, partition: int, queue: str) -> Known:
        known = self._known.get((partition, queue))
        if known is None:
            if len(self._known) >= QUEUES_KNOWN_MAX:
                self._known.clear()
            known = self._known[partition, queue] = Known()
        return known

    def wake(self, queue: str) -> None:
        """Wake the poll that has waited longest for this queue, if any does."""
        waiting = self._waiting.get(queue)
        while waiting:
            poll = waiting.popleft()
            if not poll.done():
                poll.set_result(True)
                return

    def wake_all(self, queue: str) -> None:
        """Wake every poll that waits for this queue: there is another one that they may not know."""
        for poll in list(self._waiting.get(queue, ())):
            if not poll.done():
                poll.set_result(True)

    def look_again(self) -> None:
        """News may have been lost: no queue is known to be empty, and one poll of each looks."""
        for known in self._known.values():
            known.news += 1
            known.asking = 0
            known.is_empty = False
        for queue in list(self._waiting):
            self.wake(queue)

    async def wait(self, queues: Sequence[str], seconds: float) -> bool:
        """Wait until one of the queues may hold work; False when the time is over, or the engine is stopping.

        News that came while the store was being asked found nobody waiting: then there is no waiting at all.
        """
        if self._closed:
            return False
        if self._may_hold_work(queues):
            return True
        loop = self._loop = self._loop or asyncio.get_running_loop()  # which costs a system call in Python 3.11
        poll: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(seconds, _send_home, poll)
        for queue in queues:
            self._waiting[queue].append(poll)
        try:
            return await poll
        except asyncio.CancelledError:
            if poll.done() and not poll.cancelled() and poll.result():
                self.pass_on(queues)
            raise
        finally:
            timer.cancel()
            self._forget(poll, queues)

    def _may_hold_work(self, queues: Sequence[str]) -> bool:
        partitions = range(self._partitions)
        return any(self._of(partition, queue).is_worth_asking for queue in queues for partition in partitions)

    def pass_on(self, queues: Iterable[str]) -> None:
        """A poll that was woken cannot take anything: others look instead."""
        for queue in queues:
            self.wake(queue)

    def polls_waiting(self) -> int:
        """How many polls wait here."""
        return len({poll for waiting in self._waiting.values() for poll in waiting})

    def close(self) -> None:
        """Send every waiting poll home, and those to come."""
        self._closed = True
        for waiting in list(self._waiting.values()):
            for poll in list(waiting):
                _send_home(poll)

    def _forget(self, poll: asyncio.Future[bool], queues: Sequence[str]) -> None:
        for queue in queues:
            waiting = self._waiting.get(queue)
            if waiting is None:
                continue
            if poll in waiting:
                waiting.remove(poll)
            if not waiting:
                del self._waiting[queue]


def _send_home(poll: asyncio.Future[bool]) -> None:
    if not poll.done():
        poll.set_result(False)
