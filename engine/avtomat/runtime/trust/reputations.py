"""Keep the reputation of workers, by what became of the attempts that they had.

It stands in the store, under the worker's name, so it outlives registrations, restarts and replicas. Nothing that a
worker or anybody else sends sets it. A replica hears of ends by itself and tells the store of them every few seconds,
and only where that changes a reputation: of workers that spoil nothing it never tells anything. What it heard last a
killed replica takes with it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.value import value
from avtomat.runtime.trust.agreement import Agreement
from avtomat.runtime.trust.outcomes import FAULTS, Outcome
from avtomat.runtime.trust.reputation import (
    FULL,
    Heard,
    Standing,
    after,
    faults_as_json,
    reputation,
    standing_of,
)
from avtomat.storage.port.store import Store

TOPIC: Final = "reputation"
TELL_EVERY_S: Final = 3.0
HEARD_OF_MAX: Final = 10_000
"""Of so many workers a replica remembers what it has heard; then the one goes that was heard of longest ago."""

KEPT_MAX: Final = 2_000
"""Of so many workers something is kept; then those go that are nearest to 1."""

TOLD_AT_ONCE_MAX: Final = 500
NOTICED: Final = 0.01
"""A smaller change of a reputation for the better is not told by itself."""

_NOTHING: Final = Heard()


@value
class Probation:
    """The settings: half of what is known fades in `half_life_ms`; a worker whose reputation is `below` this has at
    most so many `tasks` at a time.
    """

    half_life_ms: int
    below: float
    tasks: int


class Reputations:
    """The reputations, as one replica knows them."""

    def __init__(self, store: Store, probation: Probation) -> None:
        self._store = store
        self._probation = probation
        self._agreed = Agreement(store, TOPIC)
        self._heard: OrderedDict[str, Heard] = OrderedDict()
        self._faulty: set[str] = set()
        self._scores: dict[str, float] = {}
        self._news = asyncio.Event()
        self._changed: Callable[[str], None] = lambda _: None

    def listen(self, changed: Callable[[str], None]) -> None:
        """Call this from now on with each worker whose reputation is another one."""
        self._changed = changed

    def of(self, worker: str) -> float:
        """The worker's reputation, as it was a few seconds ago."""
        return self._scores.get(worker, 1.0) if self._scores else 1.0

    def tasks_of(self, worker: str) -> int:
        """How many attempts the worker may have at a time because it is on probation; 0: it is not."""
        return self._probation.tasks if self.of(worker) < self._probation.below else 0

    def on_probation(self) -> int:
        """How many workers are on probation."""
        return sum(score < self._probation.below for score in self._scores.values())

    def known(self) -> Collection[str]:
        """The workers of which something is kept."""
        return self._agreed.records.keys()

    def shown(self, worker: str) -> dict[str, Json]:
        """What people see of a worker's reputation."""
        record = self._agreed.records.get(worker)
        return {
            "reputation": round(self.of(worker), 3),
            "probation": self.tasks_of(worker) > 0,
            "faults": [] if record is None else faults_as_json(standing_of(record)),
        }

    def look_again(self) -> None:
        """What is known here may be of another store."""
        self._agreed.look_again()

    def wake(self) -> None:
        """Look at once: the clock was turned by hand."""
        self._news.set()

    def note(self, outcome: Outcome) -> None:
        """An attempt of the worker has ended."""
        worker = outcome.worker
        heard = self._heard.get(worker)
        if heard is None:
            heard = _NOTHING
            if len(self._heard) >= HEARD_OF_MAX:
                self._faulty.discard(self._heard.popitem(last=False)[0])
        self._heard[worker] = heard.with_one(outcome, self._store.now_ms())
        if outcome.word in FAULTS:
            self._faulty.add(worker)

    # --- the duty -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Rest, then tell the store what was heard and learn what others told: a duty."""
        try:
            async with asyncio.timeout(TELL_EVERY_S):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()
        await self.keep()

    async def keep(self) -> None:
        """Bring this replica and the store together."""
        await self._agreed.follow()
        told = self._to_tell()
        if told:
            heard = {worker: self._heard.pop(worker) for worker in told}
            self._faulty -= heard.keys()
            try:
                await self._agreed.change(heard, lambda worker, record: self._replaced(record, heard[worker]))
            except Exception:
                self._heard = OrderedDict({**heard, **self._heard})
                self._faulty |= {worker for worker, each in heard.items() if each.bad}
                raise
        await self._forget()
        self._learn()

    def _to_tell(self) -> list[str]:
        """Workers of which something was heard that changes their reputation."""
        if not self._faulty and not self._agreed.records:
            return []
        known = [worker for worker in self._agreed.records if worker in self._heard and worker not in self._faulty]
        noticed = [worker for worker in known if self._gains(worker) >= NOTICED]
        return [*self._faulty, *noticed][:TOLD_AT_ONCE_MAX]

    def _gains(self, worker: str) -> float:
        standing, now_ms = standing_of(self._agreed.records[worker]), self._store.now_ms()
        better = after(standing, self._heard[worker], self._probation.half_life_ms, now_ms)
        return self._score(better, now_ms) - self._score(standing, now_ms)

    def _replaced(self, record: bytes | None, heard: Heard) -> bytes:
        now_ms = self._store.now_ms()
        standing = after(standing_of(record), heard, self._probation.half_life_ms, now_ms)
        return b"" if self._score(standing, now_ms) >= FULL else standing.as_bytes()

    async def _forget(self) -> None:
        """Take away the records of workers that have recovered, and those nearest to it where there are too many."""
        now_ms = self._store.now_ms()
        scores = {worker: self._score(standing_of(record), now_ms) for worker, record in self._agreed.records.items()}
        best = sorted(scores, key=lambda worker: -scores[worker])[: max(0, len(scores) - KEPT_MAX)]
        gone = {worker: self._agreed.records[worker] for worker, score in scores.items() if score >= FULL}
        gone |= {worker: self._agreed.records[worker] for worker in best}
        if gone:
            await self._agreed.change(
                list(gone)[:TOLD_AT_ONCE_MAX], lambda worker, record: b"" if record == gone[worker] else None
            )

    def _learn(self) -> None:
        now_ms, before = self._store.now_ms(), self._scores
        self._scores = {
            worker: self._score(standing_of(record), now_ms) for worker, record in self._agreed.records.items()
        }
        for worker in before.keys() | self._scores.keys():
            if before.get(worker, 1.0) != self._scores.get(worker, 1.0):
                self._changed(worker)

    def _score(self, standing: Standing, now_ms: int) -> float:
        return reputation(standing, self._probation.half_life_ms, now_ms)
