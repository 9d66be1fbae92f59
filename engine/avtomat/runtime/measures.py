"""Know the engine's numbers: what this replica did, counted as it happens, and what the store holds, sampled.

Counting is wrapped once around the store's port, so every backend is counted alike and nobody who uses a store knows
of it. The store is asked by one duty, at most every SAMPLE_EVERY_S; limits and metrics use the same sample.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from avtomat.runtime.work.queues import Queues
from avtomat.storage.port.answers import Committed, Created, Handout, Outcome
from avtomat.storage.port.asking import only_asks
from avtomat.storage.port.store import EQUAL, Store
from avtomat.storage.port.writes import Cause, NewJob, ResultCause, TaskRequest, Writes

SAMPLE_EVERY_S: Final = 2.0
OPEN_STATUSES: Final = ("open", "paused", "quarantined", "compensating", "finishing")


@dataclass(slots=True)
class Tally:
    """What this replica did since it started. A decision that changes nothing is one too."""

    created: int = 0
    decisions: int = 0
    conflicts: int = 0
    handed_out: int = 0
    commits: Counter[str] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    schedule_runs: Counter[str] = field(default_factory=Counter)
    hooks: Counter[str] = field(default_factory=Counter)
    breakers: Counter[str] = field(default_factory=Counter)
    webhooks: Counter[str] = field(default_factory=Counter)

    def committed(self, version: int, cause: Cause, outcome: Outcome) -> None:
        """A commit was answered, or the question what became of a cause that changes nothing."""
        word: str = outcome
        asked = only_asks(version)
        self.decisions += not asked
        moved = outcome is Outcome.MOVED
        if not asked:
            self.commits[word] += 1
            self.conflicts += moved
        elif moved:
            word = "ignored"
        if isinstance(cause, ResultCause) and word != Outcome.MOVED:
            self.results[word] += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the store held a moment ago: `counts` and `gauges` as it gives them; how late the oldest due member was."""

    counts: Mapping[str, int]
    gauges: Mapping[str, float] = field(default_factory=dict)
    due_lag_ms: int = 0
    open_jobs: int = field(init=False)
    """Jobs that have not ended."""

    def __post_init__(self) -> None:
        # A sample is looked at for each job that is submitted.
        object.__setattr__(self, "open_jobs", sum(self.counts[status] for status in OPEN_STATUSES))

    @property
    def history_pending(self) -> int:
        """Entries that wait for the history database."""
        return self.counts["outbox"]


class Measures:
    """The numbers of one replica. `latest` is None until the store was asked for the first time."""

    def __init__(self, store: Store, queues: Queues) -> None:
        self._store = store
        self._queues = queues
        self.tally = Tally()
        self.latest: Sample | None = None

    async def run(self) -> None:
        """Take a sample, then rest: a duty."""
        await self.sample()
        await asyncio.sleep(SAMPLE_EVERY_S)

    async def sample(self) -> None:
        """Ask the store."""
        counts = await self._store.counts()
        due = [await self._store.next_due_ms(partition) for partition in range(self._store.partitions)]
        now_ms = self._store.now_ms()
        lag_ms = max((now_ms - at_ms for at_ms in due if at_ms is not None), default=0)
        self.latest = Sample(counts=counts, gauges=self._store.gauges(), due_lag_ms=max(0, lag_ms))

    def polls_waiting(self) -> int:
        """Polls of workers that wait here for a task."""
        return self._queues.polls_waiting()


def counted(store: Store, tally: Tally) -> Store:
    """The same store; what it answers is counted in `tally`."""
    # Operations that are not counted are handed on by name, which no type checker can follow.
    return cast("Store", _Counted(store, tally))


class _Counted:
    def __init__(self, store: Store, tally: Tally) -> None:
        self._store = store
        self._tally = tally
        self.now_ms = store.now_ms  # asked so often that the way by name would be felt
        self.partitions = store.partitions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def create(self, new: NewJob) -> Created:
        created = await self._store.create(new)
        self._tally.decisions += 1
        self._tally.created += created.fresh
        return created

    async def commit(
        self, job: str, path: str, version: int, cause: Cause, writes: Writes, wanted: TaskRequest | None = None
    ) -> Committed:
        answer = await self._store.commit(job, path, version, cause, writes, wanted)
        self._tally.committed(version, cause, answer.outcome)
        self._tally.handed_out += len(answer.handouts or ())
        return answer

    async def poll(
        self,
        partition: int,
        worker: str,
        queues: Sequence[str],
        *,
        nonce: str,
        max_tasks: int,
        lease_ms: int,
        strides: Mapping[str, int] = EQUAL,
        reserved: bool = False,
    ) -> list[Handout]:
        handouts = await self._store.poll(
            partition,
            worker,
            queues,
            nonce=nonce,
            max_tasks=max_tasks,
            lease_ms=lease_ms,
            strides=strides,
            reserved=reserved,
        )
        self._tally.handed_out += len(handouts)
        return handouts
