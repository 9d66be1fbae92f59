"""Know which queues may hold work, so that the store is asked only when it may help, and have one waiting poll woken.

A poll that found its queues empty makes them known as empty, unless news came while it was under way. News come from
the store (`Wakeups.queue`), and every second for queues that somebody waits for, because messages may be lost.

Where a worker near here is hot for the kind, a queue that was empty is for such workers alone for a moment
(HOT_GRACE_S), so that the one which is about to ask gets the task. After that, and as long as the queue holds more, it
is for all.

Of a kind whose breaker is not closed no queue is asked, but for one poll at a time when a probe may go out; and by a
worker on probation that has its few attempts none at all.

News are of one task as far as is known, so one poll asks for it, and others wait for what that one finds. Once a claim
has left something behind, all may ask at a time, until one finds nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from avtomat.core.formula import Json
from avtomat.runtime.work.matchmaker import Matchmaker, Profile, Standing, kind_of
from avtomat.runtime.work.strategies import Merit
from avtomat.storage.port.rules import PartitionQueue

QUEUES_KNOWN_MAX: Final = 20_000
HOT_GRACE_S: Final = 0.2
NO_MERIT: Final = Merit()


@dataclass(slots=True)
class Known:
    """What is known of one queue: how many news came, how many claims ask since the newest, and what they found. While
    `is_for_hot` others do not ask.
    """

    news: int = 0
    asking: int = 0
    is_empty: bool = False
    has_many: bool = False
    is_for_hot: bool = False

    @property
    def is_worth_asking(self) -> bool:
        """Whether there may be a task that nobody is about to take."""
        return not self.is_empty and (self.has_many or self.asking == 0)


Claim = Sequence[tuple[str, Known, int]]
"""A claim under way: the queues that it asks, each with the number of its news then."""


class Queues:
    """What this replica knows of the queues. The polls that wait here stand with its matchmaker.

    `unread` are the partitions in which there may be queues whose requirements are not known here; `hot` counts the
    workers near here that are hot for a kind; `shut` are the kinds whose breakers are not closed.
    """

    def __init__(self, partitions: int) -> None:
        self.hot: Counter[str] = Counter()
        self.shut: AbstractSet[str] = frozenset()
        self._probes: AbstractSet[str] = frozenset()
        self._probing: set[str] = set()
        self.partitions = partitions
        self._known: dict[PartitionQueue, Known] = {}
        self._matchmaker = Matchmaker()
        self._next_partition = 0
        self._closed = False
        self.unread = set(range(partitions))

    def worth_asking(
        self, queues: Sequence[str], merit: Merit = NO_MERIT, *, at_once: bool = False
    ) -> list[tuple[int, list[str]]]:
        """The partitions, a different one first each time, with those of the queues that may hold work there for a
        worker with this merit.

        `at_once` is for a poll that cannot wait for what another one finds.
        """
        self._next_partition += 1
        found: list[tuple[int, list[str]]] = []
        if merit.is_full:
            return found
        for offset in range(self.partitions):
            partition = (self._next_partition + offset) % self.partitions
            names = []
            for queue in queues:
                one = self._of(partition, queue)
                if (at_once and not one.is_empty) or (
                    one.is_worth_asking and not (one.is_for_hot and _is_cold(merit, queue))
                ):
                    names.append(queue)
            if self.shut:
                names = [queue for queue in names if self._is_passable(queue)]
            if names:
                found.append((partition, names))
        return found

    @contextmanager
    def passing(self, queues: Sequence[str]) -> Iterator[tuple[Sequence[str], str | None]]:
        """Those of the queues that may be asked now, while the breaker of some kind is not closed; where a probe of a
        kind is to go out those of this kind alone, and the kind. Meanwhile nobody else here asks for it.
        """
        kinds = (kind_of(queue) for queue in queues)
        probe = next((kind for kind in kinds if kind in self._probes and kind not in self._probing), None)
        if probe is None:
            yield [queue for queue in queues if kind_of(queue) not in self.shut], None
            return
        self._probing.add(probe)
        try:
            yield [queue for queue in queues if kind_of(queue) == probe], probe
        finally:
            self._probing.discard(probe)

    def shut_for(self, kinds: AbstractSet[str], probes: AbstractSet[str]) -> None:
        """From now on the breakers of these kinds are not closed, and of `probes` one attempt may be handed out: who
        waits for others, or for a probe, looks.
        """
        if not kinds and not self.shut:
            return
        opened = (self.shut - kinds) | (probes - self._probes)
        self.shut, self._probes = kinds, probes
        if opened:
            for (_, queue), known in self._known.items():
                if kind_of(queue) in opened:
                    known.news += 1
                    known.asking = 0
                    known.is_empty = False
                    self._call(queue)

    def claim(self, partition: int, queues: Iterable[str]) -> Claim:
        """The store is about to be asked for tasks of these queues; `answered` must follow."""
        asked = []
        for queue in queues:
            known = self._of(partition, queue)
            known.asking += 1
            asked.append((queue, known, known.news))
        return asked

    def answered(self, claim: Claim, taken: Collection[str] | None) -> None:
        """A claim took tasks from these queues; None: its answer never came.

        If it took nothing, all queues that it asked are empty, unless news came since; else those that it took
        from, for the store tells when it leaves something there. Of the others it tells nothing: another poll may look.
        """
        for queue, known, news in claim:
            if known.news != news:
                known.has_many = known.has_many or (taken is not None and queue in taken)
                continue
            known.asking -= 1
            if taken is not None and (not taken or queue in taken):
                known.is_empty, known.has_many = True, False
            else:
                self._call(queue)

    def has_work(self, partition: int, queue: str) -> None:
        """A queue has work: wake the poll that is to take it. Where it is not known what the queue asks of workers, any
        poll of its kind is woken to find out.
        """
        known = self._of(partition, queue)
        if self.hot and known.is_empty and kind_of(queue) in self.hot:
            known.is_for_hot = True
            asyncio.get_running_loop().call_later(HOT_GRACE_S, self._for_all, known, queue)
        known.news += 1
        known.asking = 0
        known.is_empty = False
        if self._matchmaker.knows(queue):
            self._call(queue)
        else:
            self.unread.add(partition)
            self._matchmaker.call(kind_of(queue))

    def _of(self, partition: int, queue: str) -> Known:
        known = self._known.get((partition, queue))
        if known is None:
            if len(self._known) >= QUEUES_KNOWN_MAX:
                self._known.clear()
            known = self._known[partition, queue] = Known()
        return known

    # --- a result that asks for more ----------------------------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """Whether the engine is stopping."""
        return self._closed

    def queues_for(self, kinds: Sequence[str], profile: Profile | None) -> Sequence[str]:
        """The queues that a worker with this registration may take from now."""
        return self._matchmaker.queues_for(kinds, profile)

    def is_next(self, partition: int, queue: str, merit: Merit, own: str | None = None) -> bool:
        """Whether a worker with this merit, which did not wait, is the next to take from this queue, if it may hold
        work: no poll that comes before it waits for that or is on its way. `own` is a queue that is about to get work.
        """
        if merit.is_full or (self.shut and not self._is_passable(queue)):
            return False
        known = self._of(partition, queue)
        is_for_hot = known.is_for_hot
        if not known.is_worth_asking:
            if queue != own or not known.is_empty:
                return False
            is_for_hot = kind_of(queue) in self.hot
        return not (is_for_hot and _is_cold(merit, queue)) and self._matchmaker.comes_first(queue, merit)

    # --- polls --------------------------------------------------------------------------------------------------------

    def standing(self, merit: Merit) -> Standing:
        """The place of a poll that comes now, of a worker with this merit; `leave` must follow."""
        return self._matchmaker.standing(merit)

    def look(self, standing: Standing, kinds: Sequence[str], profile: Profile | None) -> Sequence[str]:
        """The queues that the poll may take from now; `profile` is what its worker registered."""
        queues = self._matchmaker.queues_for(kinds, profile)
        if standing.queues and standing.queues != queues:
            self.leave(standing)  # what it was woken for may be among those that it may no longer take from
        standing.profile, standing.queues = profile, queues
        standing.is_old, standing.learnt = False, self._matchmaker.learnt
        return queues

    async def wait(self, standing: Standing, seconds: float) -> bool:
        """Wait until one of the poll's queues may hold work; False when the time is over, or the engine is stopping.

        News that came while the store was being asked found nobody waiting: then there is no waiting at all.
        """
        if self._closed:
            return False
        if (
            self.unread
            or self._matchmaker.is_old(standing)
            or any(self._may_hold_work(queue, standing.merit) for queue in standing.queues)
        ):
            return True
        return await self._matchmaker.wait(standing, seconds)

    def leave(self, standing: Standing) -> None:
        """The poll ends, however: what it was woken for and did not take is for the next one."""
        for queue in standing.queues:
            if self._matchmaker.awaited(queue) and (self.unread or self._may_hold_work(queue)):
                self._call(queue)

    def recall(self, standing: Standing) -> None:
        """What the poll's worker registered has changed: it looks again."""
        self._matchmaker.recall(standing)

    def learn(self, queue: str, asked: Mapping[str, Json]) -> None:
        """The queue asks this of workers: wake the poll that is to take from it, if there may be work."""
        if self._matchmaker.learn(queue, asked) and self._may_hold_work(queue):
            self._call(queue)

    def reorder(self, standing: Standing) -> None:
        """What the poll's worker does has changed its place, where workers are chosen by that."""
        self._matchmaker.reorder(standing)

    def look_again(self) -> None:
        """News may have been lost: no queue is known to be empty, and one poll of each looks."""
        for known in self._known.values():
            known.news += 1
            known.asking = 0
            known.is_empty = known.is_for_hot = False
        self.unread.update(range(self.partitions))
        self._matchmaker.call_one_of_each()

    def polls_waiting(self) -> int:
        """How many polls wait here."""
        return self._matchmaker.waiting

    def close(self) -> None:
        """End the wait of every poll, and of those to come."""
        self._closed = True
        self._matchmaker.call_all(woken=False)

    def _call(self, queue: str) -> None:
        """Wake the poll that is to take from this queue, if it may by now."""
        if self.hot or self.shut:
            first = self._matchmaker.first(queue)
            if first is None or not (self.unread or self._may_hold_work(queue, first.merit)):
                return
        self._matchmaker.call(queue)

    def _for_all(self, known: Known, queue: str) -> None:
        """The moment in which the queue was for hot workers alone is over."""
        if known.is_for_hot:
            known.is_for_hot = False
            if known.is_worth_asking:
                self._matchmaker.call(queue)

    def _may_hold_work(self, queue: str, merit: Merit | None = None) -> bool:
        """Whether there may be work for a worker with this merit (None: for any)."""
        if (merit is not None and merit.is_full) or (self.shut and not self._is_passable(queue)):
            return False
        for partition in range(self.partitions):
            known = self._of(partition, queue)
            if known.is_worth_asking and not (known.is_for_hot and merit is not None and _is_cold(merit, queue)):
                return True
        return False

    def _is_passable(self, queue: str) -> bool:
        """Whether the breaker of the queue's kind lets somebody ask."""
        kind = kind_of(queue)
        return kind not in self.shut or (kind in self._probes and kind not in self._probing)


def _is_cold(merit: Merit, queue: str) -> bool:
    return kind_of(queue) not in merit.hot
