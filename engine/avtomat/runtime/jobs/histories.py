"""Read a job's history from wherever its parts are: the store, the database, the outbox between the two.

The parts follow each other in this order, and an answer has no gap: where the next number is not found, it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from avtomat.runtime.repeating import repeat
from avtomat.storage.history.port import HistoryDatabase
from avtomat.storage.port.answers import HistoryEntry
from avtomat.storage.port.rules import partition_of
from avtomat.storage.port.store import Store

OUTBOX_LOOKED_AT_MAX = 1_000
"""An outbox that is longer holds entries that are not shown until the database has caught up."""


class Histories:
    """Histories of all jobs; without a database the store has them whole."""

    def __init__(self, store: Store, database: HistoryDatabase | None) -> None:
        self._store = store
        self._database = database

    async def client(self, job: str) -> str | None:
        """Whose a job is that the store has no longer (empty: not known); None when the database has none either."""
        return None if self._database is None else await self._database.client(job)

    async def entries(self, job: str, after: int, limit: int, newest: int | None) -> list[HistoryEntry]:
        """Entries with seq > `after`, oldest first, up to `newest` (None: the store has the job no longer).

        What a store that was set back has lost may still be in the database: nothing after `newest` is shown.
        """
        found: list[HistoryEntry] = []
        if newest is not None:
            found = await repeat(lambda: self._store.history(job, after, limit))
        if self._database is None:
            return found
        found = await _with_carried(self._database, found, job, after, limit, newest)
        if len(found) == limit or _last(found, after) == newest:
            return found
        # What leaves the outbox now is in the database by then: so the outbox is read first, then the database again.
        waiting = await self._in_outbox(job, _last(found, after), limit)
        found = await _with_carried(self._database, found, job, after, limit, newest)
        last = _last(found, after)
        return (found + _following(last, (entry for entry in waiting if entry.seq > last), newest))[:limit]

    async def _in_outbox(self, job: str, after: int, limit: int) -> list[HistoryEntry]:
        partition = partition_of(job)
        if partition >= self._store.partitions:
            return []
        waiting = await repeat(lambda: self._store.outbox(partition, OUTBOX_LOOKED_AT_MAX))
        return [entry for _, entry in waiting if entry.job == job and entry.seq > after][:limit]


async def _with_carried(
    database: HistoryDatabase, found: list[HistoryEntry], job: str, after: int, limit: int, newest: int | None
) -> list[HistoryEntry]:
    """What was found, and what the database has after it."""
    last = _last(found, after)
    if len(found) == limit or last == newest:
        return found
    return found + _following(last, await database.entries(job, last, limit - len(found)), newest)


def _last(found: Sequence[HistoryEntry], after: int) -> int:
    return found[-1].seq if found else after


def _following(last: int, entries: Iterable[HistoryEntry], newest: int | None) -> list[HistoryEntry]:
    """The entries that follow number `last` without a gap, up to `newest`."""
    following: list[HistoryEntry] = []
    for entry in entries:
        last += 1
        if entry.seq != last or (newest is not None and last > newest):
            break
        following.append(entry)
    return following
