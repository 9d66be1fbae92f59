"""Do all writing of an embedded store: one thread, and one commit for all that came while the last was under way.

An operation that fails takes only itself back: the batch is done once more, with a savepoint for each (savepoints for
all, always, would cost a third more). Answers and wake-ups go out when COMMIT has returned, which is when they are on
disk. The log is moved into the file beside it (`sqlite_log`). A file that is no longer at its path, or that is damaged,
ends all writing.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from avtomat.errors import StoreError
from avtomat.storage.port.answers import Wakeups
from avtomat.storage.port.clock import StoreClock
from avtomat.storage.port.rules import PartitionQueue, next_stamp, place_in_queue
from avtomat.storage.sqlite.counts import Counts
from avtomat.storage.sqlite.errors import store_error
from avtomat.storage.sqlite.file import OpenFile
from avtomat.storage.sqlite.format import NOTE_TIME, note_of_time
from avtomat.storage.sqlite.lane import Lane, Work
from avtomat.storage.sqlite.log import Log

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

NOTE_TIME_EVERY_MS: Final = 10_000

FINAL: Final = frozenset({"store.gone", "store.corrupt"})
"""Codes of errors after which nothing is written any more."""

_LAST_PLACE: Final = """
SELECT max((SELECT coalesce(max(signal_place), 0) FROM scopes WHERE signal_name IS NOT NULL),
    (SELECT coalesce(max(place), 0) FROM mail WHERE path IS NOT NULL),
    (SELECT coalesce(max(n), 0) FROM jobs), (SELECT coalesce(max(n), 0) FROM leaving))"""


@dataclass(slots=True)
class Step:
    """What an operation works with: the database in a transaction, the time, and whom to wake after the commit.

    `places` gives numbers that never fall: of jobs, the order of mailboxes and of signal waits; `stamps` are the last
    ones of the queues of each partition. With `outbox` history goes there.
    `moved` is by how much the step changes each number that is kept (`sqlite_counts`); `watched` when `due` last left
    nothing undone, by partition.
    """

    db: sqlite3.Connection
    clock: StoreClock
    places: Iterator[int]
    stamps: dict[int, int]
    ageing_ms: int
    outbox: bool
    watched: dict[int, int]
    now: int = 0
    queues: dict[tuple[int, str], None] = field(default_factory=dict)
    jobs: dict[str, None] = field(default_factory=dict)
    workers: dict[tuple[int, str], None] = field(default_factory=dict)
    moved: Counter[str | PartitionQueue] = field(default_factory=Counter)

    def place(self, partition: int, priority: int) -> int:
        """The place of an attempt of this priority that is queued now."""
        stamp = self.stamps[partition] = next_stamp(self.stamps.get(partition, 0), self.now)
        return place_in_queue(stamp, priority, self.ageing_ms)


class Writer:
    """The thread that writes, and its connection."""

    def __init__(
        self,
        opened: OpenFile,
        *,
        clock: StoreClock,
        wakeups: Wakeups,
        failed: Callable[[StoreError], None],
        gather_s: float,
        outbox: bool,
        ageing_ms: int,
    ) -> None:
        self._db = db = opened.writing
        self._path = str(opened.path)
        self._hold = opened.hold
        self.log = Log(opened.moving, opened.path)
        self.trouble: StoreError | None = None
        self._clock = clock
        self._wakeups = wakeups
        self._outbox = outbox
        self._ageing_ms = ageing_ms
        self._stamps: dict[int, int] = {}
        clock.start(note_of_time(db))
        self._noted_ms = clock.now_ms()
        self.counts = Counts(db)
        self._watched: dict[int, int] = {}
        self._places = count(db.execute(_LAST_PLACE).fetchone()[0] + 1)
        self._lane = Lane(
            "avtomat-writer", self._path, self._process, failed=failed, after=self._follow_up, gather_s=gather_s
        )

    def submit(
        self,
        operation: Callable[Concatenate[Step, Arguments], Answer],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> asyncio.Future[Answer]:
        """Have `operation(step, *arguments)` done in a transaction; the answer comes once it is on disk."""
        return self._lane.submit(operation, *arguments, **named)

    def fail(self, failure: StoreError) -> None:
        """Write nothing any more."""
        self._lane.fail(failure)

    async def close(self) -> None:
        """Finish what was submitted, move the log into the file, close the connections."""
        await self._lane.close()
        self.log.close()
        if self._hold.trouble() is None:
            with contextlib.suppress(sqlite3.Error):  # the log is read when the file is opened next
                self._db.execute(NOTE_TIME, (self._clock.now_ms(),))
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()

    # --- on the thread ------------------------------------------------------------------------------------------------

    def _process(self, batch: Sequence[Work]) -> Callable[[], None] | None:
        try:
            return self._transact(batch, self._do)
        except _Failed:
            return self._transact(batch, self._do_guarded)

    def _transact(self, batch: Sequence[Work], do: Callable[[Work, Step], None]) -> Callable[[], None] | None:
        """Do a batch in one transaction: whom to wake, or None when nothing was written."""
        step = Step(
            self._db, self._clock, self._places, self._stamps, self._ageing_ms, self._outbox, self._watched.copy()
        )
        committing = False
        try:
            self._db.execute("BEGIN IMMEDIATE")
            changes = self._db.total_changes
            for work in batch:
                step.now = self._clock.now_ms()
                do(work, step)
            self._check_file()
            self._note_time(step, changed=self._db.total_changes > changes)
            committing = True
            self._db.execute("COMMIT")
        except _Failed:
            self._roll_back()
            raise
        except (sqlite3.Error, StoreError) as error:
            self._roll_back()
            self.trouble = self._told(error, committing=committing)
            for work in batch:
                work.answer, work.error = None, self.trouble
            return self._give_up if self.trouble.code in FINAL else None
        self._watched = step.watched
        if self.trouble is not None and (self._db.total_changes > changes or self.trouble.code == "store.locked"):
            self.trouble = None  # a commit of nothing tells nothing of a full disk
        return lambda: self._wake(step)

    def _check_file(self) -> None:
        trouble = self._hold.trouble()
        if trouble is not None:
            raise trouble

    def _note_time(self, step: Step, *, changed: bool) -> None:
        """Keep the store's time now and then, in a commit that is made anyway, so that it goes on from there after a
        start.
        """
        if changed and step.now >= self._noted_ms + NOTE_TIME_EVERY_MS:
            self._db.execute(NOTE_TIME, (step.now,))
            self._noted_ms = step.now

    def _do(self, work: Work, step: Step) -> None:
        """Do an operation as part of the whole; one that fails takes the whole back."""
        try:
            work.answer = work.run(step)
        except Exception as error:
            raise _Failed from error

    def _do_guarded(self, work: Work, step: Step) -> None:
        """Do an operation so that a failure takes back nothing but itself."""
        woken, moved = (len(step.queues), len(step.jobs), len(step.workers)), step.moved.copy()
        self._db.execute("SAVEPOINT operation")
        try:
            work.answer = work.run(step)
        except Exception as error:
            if not self._db.in_transaction:  # SQLite took the whole transaction back: the disk is full, or broken
                raise
            work.error = self._told(error) if isinstance(error, sqlite3.Error) else error
            self._db.execute("ROLLBACK TO operation")
            _forget(step.queues, woken[0])
            _forget(step.jobs, woken[1])
            _forget(step.workers, woken[2])
            step.moved = moved
        self._db.execute("RELEASE operation")

    def _told(self, error: sqlite3.Error | StoreError, *, committing: bool = False) -> StoreError:
        return error if isinstance(error, StoreError) else store_error(error, self._path, committing=committing)

    def _follow_up(self) -> None:
        self.log.committed(self._db)

    def _roll_back(self) -> None:
        if self._db.in_transaction:  # SQLite may have done it: the disk is full, or broken
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    # --- on the event loop --------------------------------------------------------------------------------------------

    def _give_up(self) -> None:
        assert self.trouble is not None
        self._lane.fail(self.trouble)

    def _wake(self, step: Step) -> None:
        self.counts.move(step.moved)
        for partition, queue in step.queues:
            self._wakeups.queue(partition, queue)
        for partition, worker in step.workers:
            self._wakeups.reserved(partition, worker)
        for job in step.jobs:
            self._wakeups.job(job)


class _Failed(Exception):  # noqa: N818 - a signal within this module
    """An operation of the batch failed."""


def _forget(marks: dict[Any, None], kept: int) -> None:
    """Drop what was marked after the first `kept`."""
    for mark in list(marks)[kept:]:
        del marks[mark]
