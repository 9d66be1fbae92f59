"""Keep the reputation of workers, by what became of the attempts that they had.

It stands in the store, under the worker's name, so it outlives registrations, restarts and replicas. Nothing that a
worker or anybody else sends sets it. A replica hears of ends by itself and tells the store of them every few seconds,
and only where that changes a reputation: of workers that spoil nothing it never tells anything. What it heard last a
killed replica takes with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
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
        self._good: dict[str, int] = {}
        self._faulty: dict[str, Heard] = {}
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

    def well(self, worker: str) -> None:
        """An attempt of the worker has ended, and not by its fault."""
        good = self._good
        if worker not in good and len(good) >= HEARD_OF_MAX:
            del good[next(iter(good))]
        good[worker] = good.get(worker, 0) + 1

    def note(self, outcome: Outcome) -> None:
        """An attempt of the worker has ended."""
        worker = outcome.worker
        if outcome.word not in FAULTS:
            self.well(worker)
        elif worker in self._faulty or len(self._faulty) < HEARD_OF_MAX:
            self._faulty[worker] = self._faulty.get(worker, _NOTHING).with_fault(outcome, self._store.now_ms())

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
        told = {worker: self._take(worker) for worker in self._to_tell()}
        if told:
            try:
                await self._agreed.change(told, lambda worker, record: self._replaced(record, told[worker]))
            except Exception:
                for worker, heard in told.items():
                    self._put_back(worker, heard)
                raise
        await self._forget()
        self._learn()

    def _take(self, worker: str) -> Heard:
        """What was heard of a worker, to be told."""
        return replace(self._faulty.pop(worker, _NOTHING), good=self._good.pop(worker, 0))

    def _put_back(self, worker: str, heard: Heard) -> None:
        """It could not be told: the next time."""
        self._good[worker] = self._good.get(worker, 0) + heard.good
        if heard.bad:
            self._faulty[worker] = heard.followed_by(self._faulty.get(worker, _NOTHING))

    def _to_tell(self) -> list[str]:
        """Workers of which something was heard that changes their reputation."""
        if not self._faulty and not self._agreed.records:
            return []
        known = [worker for worker in self._agreed.records if worker in self._good and worker not in self._faulty]
        noticed = [worker for worker in known if self._gains(worker) >= NOTICED]
        return [*self._faulty, *noticed][:TOLD_AT_ONCE_MAX]

    def _gains(self, worker: str) -> float:
        standing, now_ms = standing_of(self._agreed.records[worker]), self._store.now_ms()
        heard = Heard(good=self._good[worker])
        better = after(standing, heard, self._probation.half_life_ms, now_ms)
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
