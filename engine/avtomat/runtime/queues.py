"""Know which queues may hold work, and wake one waiting poll when one does; the store is asked only when it may help.

A poll that found its queues empty makes them known as empty, unless news came while it was under way. News come from
the store (`Wakeups.queue`), and every second for queues that somebody waits for, because messages may be lost.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence

QUEUES_KNOWN_MAX = 20_000

Place = tuple[int, str]
"""A queue in a partition."""


class Queues:
    """What this replica knows of the queues, and the polls that wait here, each queue's in the order of their
    coming.
    """

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._empty: set[Place] = set()
        self._news: defaultdict[Place, int] = defaultdict(int)
        self._waiting: defaultdict[str, deque[asyncio.Future[bool]]] = defaultdict(deque)
        self._next_partition = 0
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def worth_asking(self, queues: Sequence[str]) -> list[tuple[int, list[str]]]:
        """The partitions, a different one first each time, with those of the queues that may hold work there."""
        self._next_partition += 1
        found = []
        for offset in range(self._partitions):
            partition = (self._next_partition + offset) % self._partitions
            names = [queue for queue in queues if (partition, queue) not in self._empty]
            if names:
                found.append((partition, names))
        return found

    def remember(self, partition: int, queues: Iterable[str]) -> dict[Place, int]:
        """How many news of these queues have come so far: taken before a poll of the store."""
        return {(partition, queue): self._news[partition, queue] for queue in queues}

    def found_empty(self, before: Mapping[Place, int]) -> None:
        """A poll took what it could from these queues; they are empty unless news came since."""
        if len(self._empty) > QUEUES_KNOWN_MAX:
            self._empty.clear()
            self._news.clear()
        self._empty.update(place for place, news in before.items() if self._news[place] == news)

    def has_work(self, partition: int, queue: str) -> None:
        """A queue has work: wake the poll that has waited for it longest."""
        self._news[partition, queue] += 1
        self._empty.discard((partition, queue))
        self.wake(queue)

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
        self._empty.clear()
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
        empty, partitions = self._empty, range(self._partitions)
        return any((partition, queue) not in empty for queue in queues for partition in partitions)

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
