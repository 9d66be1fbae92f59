"""Keep the numbers of an embedded store: open jobs by status, leases, and tasks by queue.

They are counted once, when the file is opened, and moved by each commit, so that asking for them costs the same however
much is stored. Each step notes what it changes in `Step.moved`, beside the statement that changes it; the contract's
comparison with the memory store holds the notes to the rows.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from typing import Final

from avtomat.storage.port.rules import PartitionQueue

LEASES: Final = "leases"
OPEN_STATUSES: Final = ("open", "paused", "quarantined", "compensating", "finishing")

_OPEN_JOBS: Final = "SELECT count(*) FROM jobs WHERE status = ?"
_LEASES: Final = "SELECT count(*) FROM attempts WHERE phase = 'leased'"
_QUEUED: Final = "SELECT partition, queue, count(*) FROM attempts WHERE phase = 'queued' GROUP BY partition, queue"


class Counts:
    """What the rows held at the last commit."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._numbers: Counter[str | PartitionQueue] = Counter()
        for status in OPEN_STATUSES:
            self._numbers[status] = db.execute(_OPEN_JOBS, (status,)).fetchone()[0]
        self._numbers[LEASES] = db.execute(_LEASES).fetchone()[0]
        for partition, queue, waiting in db.execute(_QUEUED):
            self._numbers[partition, queue] = waiting

    def move(self, by: Mapping[str | PartitionQueue, int]) -> None:
        """A commit changed these numbers by so much."""
        for name, change in by.items():
            self._numbers[name] += change
            if not self._numbers[name]:
                del self._numbers[name]

    def numbers(self) -> dict[str, int]:
        """In the form of `Store.counts`, without what is not kept here."""
        found = {name: self._numbers[name] for name in (*OPEN_STATUSES, LEASES)}
        for name, waiting in self._numbers.items():
            if isinstance(name, tuple):
                queue = f"queue:{name[1]}"
                found[queue] = found.get(queue, 0) + waiting
        return found

    def queues(self, partition: int) -> list[str]:
        """The queues of a partition that hold tasks."""
        return [name[1] for name in self._numbers if isinstance(name, tuple) and name[0] == partition]
