"""Choose which waiting poll is woken for a queue that has work.

This is the one place where work and workers are matched. A poll stands in one line for each queue that it may take
from: the queues of its kinds, and those queues with requirements whose requirements its worker fulfils. The first in
the line of a queue is woken: by the strategy that the queue's tasks ask for, and among equals the one whose worker has
been without a new task for longest. Polls that may not take from the queue stand in other lines and cost nothing.

The name of a queue has the digest of what it asks of workers, so that is learnt once and never changes. It is compared
with a worker's registration once, however often either turns up.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Final

from avtomat.core.formula import Json
from avtomat.runtime.work.matching import fulfils
from avtomat.runtime.work.strategies import BY_MERIT, PLAIN, Merit, Rank, rank
from avtomat.storage.port.codec import loads

LEARNT_MAX: Final = 1_000
"""So many queues with requirements are known; then the half goes that had no news for longest."""

COMPACTED_FROM: Final = 16
_NOTHING: Final[Mapping[str, Json]] = {}


def kind_of(queue: str) -> str:
    """The kind of the tasks in a queue."""
    return queue.partition("#")[0]


@dataclass(slots=True, eq=False, weakref_slot=True)
class Profile:
    """What of a registration counts for matching, as JSON; `kinds` are those that it names (none: any kind).

    Workers of equal registrations share one. `fits` are the queues with requirements that they may take from, among the
    first `seen` of the queues that are known.
    """

    kinds: frozenset[str]
    text: bytes
    fits: dict[str, None] = field(default_factory=dict)
    seen: int = 0
    generation: int = 0


@dataclass(slots=True, eq=False)
class Standing:
    """A poll and its place in the lines, which it keeps while it waits, is woken in vain and waits again.

    `number` is the place of its worker, `own` its own among the polls of that worker. `queues` are those that it might
    take from when it looked; it looks again before it waits if that `is_old`. With `is_by_merit` it stands in a line
    whose order changes with what its worker does.
    """

    number: int
    own: int
    merit: Merit
    is_by_merit: bool = False
    is_old: bool = False
    learnt: int = 0
    queues: list[str] = field(default_factory=list)
    told: tuple[str, ...] = ()
    profile: Profile | None = None
    turn: int = 0
    called: asyncio.Future[bool] | None = None


class Line:
    """The polls that wait for one queue, by rank and then by number. An entry whose poll left stays until it is first,
    or until half of the entries are such.
    """

    __slots__ = ("_entries", "_gone")

    def __init__(self) -> None:
        self._entries: list[tuple[Rank, int, int, int, Standing]] = []
        self._gone = 0

    def __len__(self) -> int:
        return len(self._entries) - self._gone

    def __iter__(self) -> Iterator[Standing]:
        return (standing for *_, turn, standing in self._entries if standing.turn == turn)

    def join(self, standing: Standing, place: Rank) -> None:
        """The poll waits from now on, in this place."""
        heappush(self._entries, (place, standing.number, standing.own, standing.turn, standing))

    def first(self) -> Standing:
        """The poll whose place is the first, of those that wait."""
        while (entry := self._entries[0])[4].turn != entry[3]:
            heappop(self._entries)
            self._gone -= 1
        return entry[4]

    def first_place(self) -> tuple[Rank, float]:
        """The rank and the number of the poll whose place is the first."""
        self.first()
        return self._entries[0][:2]

    def one_left(self) -> None:
        """One of the polls waits no longer: its turn is over."""
        self._gone += 1
        if self._gone > COMPACTED_FROM and self._gone * 2 > len(self._entries):
            self._entries = [entry for entry in self._entries if entry[4].turn == entry[3]]
            heapify(self._entries)
            self._gone = 0


class Matchmaker:
    """The waiting polls of one replica, and what the queues that it knows ask of workers."""

    def __init__(self) -> None:
        self._numbers = count()
        self._lines: dict[str, Line] = {}
        self._asked: OrderedDict[str, Mapping[str, Json]] = OrderedDict()
        self._order: list[str] = []
        self._generation = 0
        self.learnt = 0
        self.waiting = 0

    # --- what may be taken --------------------------------------------------------------------------------------------

    def standing(self, merit: Merit) -> Standing:
        """The place of a poll that comes now, of a worker with this merit."""
        own = next(self._numbers)
        if merit.number is None:
            merit.number = own
        return Standing(merit.number, own, merit)

    def queues_for(self, kinds: Sequence[str], profile: Profile | None) -> list[str]:
        """The queues that a worker with this registration may take from, of these kinds."""
        if not self._order or profile is None:
            return list(kinds)
        wanted = frozenset(kinds)
        return [*kinds, *(queue for queue in self._fits(profile) if kind_of(queue) in wanted)]

    def is_old(self, standing: Standing) -> bool:
        """Whether the poll may take from other queues by now than when it looked."""
        return standing.is_old or standing.learnt != self.learnt

    def knows(self, queue: str) -> bool:
        """Whether it is known what this queue, of which there are news, asks of workers."""
        if "#" not in queue:
            return True
        if queue in self._asked:
            self._asked.move_to_end(queue)
            return True
        return False

    def learn(self, queue: str, asked: Mapping[str, Json]) -> bool:
        """The queue asks this of workers: the polls that may take from it stand in its line from now on. False: that
        was known.
        """
        if queue in self._asked:
            return False
        if len(self._asked) >= LEARNT_MAX:
            self._forget_half()
        self._asked[queue] = asked
        self._order.append(queue)
        self.learnt += 1
        stand_there = set(self._lines.get(queue, ()))  # since before the queue was forgotten
        for standing in list(self._lines.get(kind_of(queue), ())):
            if standing in stand_there or standing.profile is None:
                continue
            if queue in self._fits(standing.profile):
                standing.queues.append(queue)
                self._join(queue, standing)
        return True

    def _fits(self, profile: Profile) -> dict[str, None]:
        if profile.generation != self._generation:
            profile.fits, profile.seen, profile.generation = {}, 0, self._generation
        if profile.seen < len(self._order):
            record = loads(profile.text)
            for queue in self._order[profile.seen :]:
                kind = kind_of(queue)
                if (not profile.kinds or kind in profile.kinds) and fulfils(record, self._asked[queue], kind):
                    profile.fits[queue] = None
            profile.seen = len(self._order)
        return profile.fits

    def _forget_half(self) -> None:
        for _ in range(len(self._asked) // 2):
            self._asked.popitem(last=False)
        self._order = list(self._asked)
        self._generation += 1

    # --- who is woken -------------------------------------------------------------------------------------------------

    def call(self, queue: str) -> bool:
        """Wake the poll that is to take from this queue: the first of those that may. False: none waits."""
        line = self._lines.get(queue)
        if line is None:
            return False
        self._end(line.first(), woken=True)
        return True

    def call_one_of_each(self) -> None:
        """Wake one poll for each queue that is waited for."""
        for queue in list(self._lines):
            self.call(queue)

    def call_all(self, *, woken: bool) -> None:
        """End the wait of every poll; `woken` says whether it is to look again."""
        while self._lines:
            self._end(next(iter(self._lines.values())).first(), woken=woken)

    def awaited(self, queue: str) -> bool:
        """Whether a poll that may take from this queue waits."""
        return queue in self._lines

    def recall(self, standing: Standing) -> None:
        """What this poll's worker may take has changed: it looks again, at once or before it waits."""
        standing.is_old = True
        if standing.called is not None:
            self._end(standing, woken=True)

    def reorder(self, standing: Standing) -> None:
        """What its worker does has changed the place of this poll."""
        if standing.called is not None and standing.is_by_merit:
            standing.turn += 1
            for queue in standing.queues:
                self._lines[queue].one_left()
                self._join(queue, standing)

    def comes_first(self, queue: str, merit: Merit) -> bool:
        """Whether nobody waits for this queue who comes before a worker with this merit."""
        line = self._lines.get(queue)
        if line is None:
            return True
        number = inf if merit.number is None else merit.number
        return (self._place(queue, merit), number) < line.first_place()

    def first(self, queue: str) -> Standing | None:
        """The poll that would be woken for this queue."""
        line = self._lines.get(queue)
        return None if line is None else line.first()

    async def wait(self, standing: Standing, seconds: float) -> bool:
        """Stand in line until the poll is woken; False when the time is over, or the engine is stopping."""
        loop = asyncio.get_running_loop()
        called: asyncio.Future[bool] = loop.create_future()
        standing.called = called
        standing.is_by_merit = False
        for queue in standing.queues:
            self._join(queue, standing)
        self.waiting += 1
        timer = loop.call_later(seconds, self._time_over, standing, called)
        try:
            return await called
        finally:
            timer.cancel()
            if standing.called is called:
                self._leave(standing)

    def _time_over(self, standing: Standing, called: asyncio.Future[bool]) -> None:
        if standing.called is called:
            self._end(standing, woken=False)

    def _end(self, standing: Standing, *, woken: bool) -> None:
        called = standing.called
        self._leave(standing)
        if called is not None and not called.done():
            called.set_result(woken)

    def _leave(self, standing: Standing) -> None:
        """Take the poll out of all lines at once."""
        standing.turn += 1
        standing.called = None
        self.waiting -= 1
        for queue in standing.queues:
            line = self._lines[queue]
            line.one_left()
            if not len(line):
                del self._lines[queue]

    def _join(self, queue: str, standing: Standing) -> None:
        line = self._lines.get(queue)
        if line is None:
            line = self._lines[queue] = Line()
        if "#" in queue:
            is_by_merit = self._strategy(queue) in BY_MERIT or standing.merit.few > 0
            standing.is_by_merit = standing.is_by_merit or is_by_merit
        elif standing.merit.few:
            standing.is_by_merit = True
        line.join(standing, self._place(queue, standing.merit))

    def _place(self, queue: str, merit: Merit) -> Rank:
        if "#" in queue:
            return rank(self._strategy(queue), merit, kind_of(queue))
        return rank(None, merit, queue) if merit.costs or merit.hot or merit.few else PLAIN

    def _strategy(self, queue: str) -> str | None:
        return self._asked.get(queue, _NOTHING).get("strategy")
