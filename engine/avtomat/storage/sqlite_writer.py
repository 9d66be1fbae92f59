"""Do all writing of an embedded store: one thread, and one commit for all that came while the last was under way.

An operation that fails takes only itself back: the batch is done once more, with a savepoint for each (savepoints for
all, always, would cost a third more). Answers and wake-ups go out when COMMIT has returned, which is when they are on
disk. Checkpoints follow the answers, never the other way round.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from avtomat.storage.answers import Wakeups
from avtomat.storage.sqlite_counts import Counts, Place
from avtomat.storage.sqlite_errors import store_error
from avtomat.storage.sqlite_lane import Lane, Work

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

LOG_CHANGES_MAX: Final = 4_000
LOG_BYTES_MAX: Final = 32 * 1024 * 1024

_LAST_PLACE: Final = """
SELECT max((SELECT coalesce(max(place), 0) FROM attempts), (SELECT coalesce(max(signal_place), 0) FROM scopes),
    (SELECT coalesce(max(n), 0) FROM jobs), (SELECT coalesce(max(n), 0) FROM leaving))"""


@dataclass(slots=True)
class Step:
    """What an operation works with: the database in a transaction, the time, and whom to wake after the commit.

    `places` gives numbers that never fall: of jobs, the order of queues and of signal waits. With `outbox` history goes
    there.
    `moved` is by how much the step changes each number that is kept (`sqlite_counts`).
    """

    db: sqlite3.Connection
    places: Iterator[int]
    outbox: bool
    now: int = 0
    queues: dict[tuple[int, str], None] = field(default_factory=dict)
    jobs: dict[str, None] = field(default_factory=dict)
    moved: Counter[str | Place] = field(default_factory=Counter)


class Writer:
    """The thread that writes, and its connection."""

    def __init__(
        self,
        db: sqlite3.Connection,
        path: Path,
        *,
        clock: Callable[[], int],
        wakeups: Wakeups,
        gather_s: float,
        outbox: bool,
    ) -> None:
        self._db = db
        self._path = path
        self._clock = clock
        self._wakeups = wakeups
        self._outbox = outbox
        self.counts = Counts(db)
        self._places = count(db.execute(_LAST_PLACE).fetchone()[0] + 1)
        self._log = path.with_name(path.name + "-wal")
        self._checkpointed_at = 0
        self._lane = Lane("avtomat-writer", str(path), self._process, after=self._checkpoint, gather_s=gather_s)

    def submit(
        self,
        operation: Callable[Concatenate[Step, Arguments], Answer],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> asyncio.Future[Answer]:
        """Have `operation(step, *arguments)` done in a transaction; the answer comes once it is on disk."""
        return self._lane.submit(operation, *arguments, **named)

    async def close(self) -> None:
        """Finish what was submitted, move the log into the file, close the connection."""
        await self._lane.close()
        with contextlib.suppress(sqlite3.Error):  # the log is read when the file is opened next
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
        step = Step(self._db, self._places, self._outbox)
        committing = False
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for work in batch:
                step.now = self._clock()
                do(work, step)
            committing = True
            self._db.execute("COMMIT")
        except _Failed:
            self._roll_back()
            raise
        except sqlite3.Error as error:
            self._roll_back()
            for work in batch:
                work.answer, work.error = None, store_error(error, str(self._path), committing=committing)
            return None
        return lambda: self._wake(step)

    def _do(self, work: Work, step: Step) -> None:
        """Do an operation as part of the whole; one that fails takes the whole back."""
        try:
            work.answer = work.run(step)
        except Exception as error:
            raise _Failed from error

    def _do_guarded(self, work: Work, step: Step) -> None:
        """Do an operation so that a failure takes back nothing but itself."""
        woken, moved = (len(step.queues), len(step.jobs)), step.moved.copy()
        self._db.execute("SAVEPOINT operation")
        try:
            work.answer = work.run(step)
        except Exception as error:
            if not self._db.in_transaction:  # SQLite took the whole transaction back: the disk is full, or broken
                raise
            work.error = self._told(error)
            self._db.execute("ROLLBACK TO operation")
            _forget(step.queues, woken[0])
            _forget(step.jobs, woken[1])
            step.moved = moved
        self._db.execute("RELEASE operation")

    def _told(self, error: Exception) -> Exception:
        return store_error(error, str(self._path)) if isinstance(error, sqlite3.Error) else error

    def _roll_back(self) -> None:
        if self._db.in_transaction:  # SQLite may have done it: the disk is full, or broken
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    def _checkpoint(self) -> None:
        """Move the log into the file once it has grown: with all readers gone for an instant it starts anew."""
        if self._db.total_changes - self._checkpointed_at < LOG_CHANGES_MAX and self._log_bytes() < LOG_BYTES_MAX:
            return
        self._checkpointed_at = self._db.total_changes
        mode = "PASSIVE" if self._log_bytes() < LOG_BYTES_MAX else "TRUNCATE"
        with contextlib.suppress(sqlite3.Error):  # a full disk or a long reader: the next commits try it again
            self._db.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()

    def _log_bytes(self) -> int:
        try:
            return self._log.stat().st_size
        except FileNotFoundError:
            return 0

    # --- on the event loop --------------------------------------------------------------------------------------------

    def _wake(self, step: Step) -> None:
        self.counts.move(step.moved)
        for partition, queue in step.queues:
            self._wakeups.queue(partition, queue)
        for job in step.jobs:
            self._wakeups.job(job)


class _Failed(Exception):  # noqa: N818 - a signal within this module
    """An operation of the batch failed."""


def _forget(marks: dict[Any, None], kept: int) -> None:
    """Drop what was marked after the first `kept`."""
    for mark in list(marks)[kept:]:
        del marks[mark]
