"""Let a client wait for the end of its job without asking the store again and again."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Self, TypeAlias

from avtomat.core.formula import Json

JobJson = Mapping[str, Json]
Tickets: TypeAlias = "defaultdict[str, set[Ticket]]"


class Ticket:
    """One wait for news of a job. `ended` holds the whole job if this replica ended it."""

    __slots__ = ("_job", "_loop", "_news", "_tickets", "_told", "ended")

    def __init__(self, tickets: Tickets, job: str, loop: asyncio.AbstractEventLoop) -> None:
        self.ended: JobJson | None = None
        self._tickets = tickets
        self._job = job
        self._loop = loop
        self._told = False
        self._news: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        self._tickets[self._job].add(self)
        return self

    def __exit__(self, *_: object) -> None:
        tickets = self._tickets[self._job]
        tickets.discard(self)
        if not tickets:
            del self._tickets[self._job]

    def tell(self) -> None:
        """There is news."""
        self._told = True
        if self._news is not None:
            _wake(self._news)

    async def news(self, seconds: float) -> None:
        """Return when there is news that no earlier call has returned for, or the time is over."""
        if not self._told:
            self._news = self._loop.create_future()
            timer = self._loop.call_later(seconds, _wake, self._news)
            try:
                await self._news
            finally:
                timer.cancel()
                self._news = None
        self._told = False


def _wake(news: asyncio.Future[None]) -> None:
    if not news.done():
        news.set_result(None)


class Waiters:
    """Who waits for which job on this replica. `is_deaf`: the store's messages do not come for now, so that an end on
    another replica makes no news here.
    """

    def __init__(self) -> None:
        self.is_deaf = False
        self._tickets: Tickets = defaultdict(set)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    def ticket(self, job: str) -> Ticket:
        """A wait for this job, for as long as a `with` block lasts."""
        self._loop = self._loop or asyncio.get_running_loop()  # which costs a system call in Python 3.11
        return Ticket(self._tickets, job, self._loop)

    def awaited(self, job: str) -> bool:
        """Whether anybody waits for this job here."""
        return job in self._tickets

    def tell(self, job: str, ended: JobJson | None = None) -> None:
        """The job changed; `ended` is the whole job if it is known here that it ended."""
        for ticket in self._tickets.get(job, ()):
            ticket.ended = ended or ticket.ended
            ticket.tell()

    def deaf(self, is_deaf: bool) -> None:
        """The store's messages do not come any more, or come again: everybody looks."""
        self.is_deaf = is_deaf
        self.tell_all()

    def close(self) -> None:
        """The engine stops: nobody waits any longer."""
        self.closed = True
        self.tell_all()

    def tell_all(self) -> None:
        """News may have been missed: everybody looks again."""
        for tickets in self._tickets.values():
            for ticket in tickets:
                ticket.tell()
