"""Carry history from the store's outbox to a database: at least once, oldest first, by any replica.

What the database has taken is forgotten by the store, in this order: a replica that dies between the two leaves
entries that the next one offers again, and the database passes over. Nothing is dropped while the database is away:
the outbox grows, jobs go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from avtomat.core.formula import Json
from avtomat.core.scope import ROOT
from avtomat.errors import StoreError
from avtomat.storage.history.port import Carried, HistoryDatabase
from avtomat.storage.port.answers import HistoryEntry
from avtomat.storage.port.codec import loads
from avtomat.storage.port.store import Store

BATCH_MAX = 200
LOOK_EVERY_S = 0.5
TRIM_EVERY_S = 60.0
TRIM_BATCH_MAX = 500


class Relay:
    """The duties of one replica towards a database of histories."""

    def __init__(self, store: Store, database: HistoryDatabase, *, retention: timedelta) -> None:
        self._store = store
        self._database = database
        self._positions: dict[int, str | None] = {}
        self._retention_ms = round(retention.total_seconds() * 1000)
        self.trouble: StoreError | None = None
        """Why nothing can be carried at present."""

    async def run_carrying(self) -> None:
        """Carry what there is, then rest for a moment: a duty. Raises StoreError while store or database is away."""
        try:
            carried = [await self.carry(partition) for partition in range(self._store.partitions)]
        except StoreError as error:
            self.trouble = error
            raise
        self.trouble = None
        if max(carried) < BATCH_MAX:
            await asyncio.sleep(LOOK_EVERY_S)

    async def run_trimming(self) -> None:
        """Remove what ended long ago, then rest: a duty."""
        await self.trim()
        await asyncio.sleep(TRIM_EVERY_S)

    async def carry(self, partition: int) -> int:
        """Carry one batch of a partition. Returns how many entries this replica carried.

        The position is known before the outbox is read: if it has not moved when the entries arrive, they are what
        follows it. It is asked for only after another replica was first, or something failed.
        """
        if partition not in self._positions:
            self._positions[partition] = await self._database.position(partition)
        waiting = await self._store.outbox(partition, BATCH_MAX)
        if not waiting:
            return 0
        before, after = self._positions.pop(partition), waiting[-1][0]
        if not await self._database.append(partition, before, after, carried_of([entry for _, entry in waiting])):
            return 0
        self._positions[partition] = after
        await self._store.outbox_trim(partition, after)
        return len(waiting)

    async def trim(self) -> None:
        """Remove jobs from the database that ended longer ago than the retention."""
        ended_before_ms = self._store.now_ms() - self._retention_ms
        while await self._database.trim(ended_before_ms, TRIM_BATCH_MAX) == TRIM_BATCH_MAX:
            pass


def carried_of(entries: Sequence[HistoryEntry]) -> list[Carried]:
    """The entries with what their records say of their jobs: whose they are, and that they end."""
    return [_carried(entry) for entry in entries]


def _carried(entry: HistoryEntry) -> Carried:
    if entry.seq == 1:
        said = _said(entry)
        return Carried(entry=entry, client=str(said.get("client", "")), ends="ended" in said)
    # Most records are of neither kind: they are searched, and not parsed.
    ends = entry.path == ROOT and b'"ended":' in entry.record and "ended" in _said(entry)
    return Carried(entry=entry, ends=ends)


def _said(entry: HistoryEntry) -> dict[str, Json]:
    """The record's fields. One that cannot be read is carried all the same: it must not hold up those behind it."""
    try:
        record = loads(entry.record)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
