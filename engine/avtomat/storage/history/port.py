"""State what a database of histories promises: it takes over what stores hand out, keeps it, and gives it back by job.

A store with an outbox writes each entry of history there, in the step that makes it; a replica carries entries to the
database, oldest first, and the store forgets them. So the database holds a prefix of each partition's stream, and
every operation may be repeated: (job, seq, epoch) names an entry for ever.

Epochs. A store that was set back (a restored backup, a failover that lost its tail) makes some numbers of a job anew,
with other contents. The database sees it when it is given another entry under a number that it has: from then on the
partition's entries bear the next epoch. What was written before is kept; of a job's entries those count that no entry
of a later epoch with the same or a lower number has overruled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from avtomat.storage.port.answers import HistoryEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """An entry on its way to the database, with what it says of its job: `client` when it creates it, `ends` when it
    ends it.
    """

    entry: HistoryEntry
    client: str | None = None
    ends: bool = False


class HistoryDatabase(Protocol):
    """Where histories are kept for longer. It connects when it is first used, and again whenever it must.

    Every operation raises StoreError (`history.unavailable`) while the database cannot be used.
    """

    async def position(self, partition: int) -> str | None:
        """The position in the partition's outbox up to which the database has all; None when it has nothing yet."""

    async def append(self, partition: int, before: str | None, after: str, carried: Sequence[Carried]) -> bool:
        """Take these entries and move the partition's position from `before` to `after`, in one transaction.

        False, and nothing is changed, when the position is not `before`: another replica was first. Entries that are
        there already are passed over.
        """

    async def entries(self, job: str, after: int, limit: int) -> list[HistoryEntry]:
        """The job's entries with seq > `after`, oldest first, without a gap."""

    async def client(self, job: str) -> str | None:
        """Whose job this is, empty where that is not known; None when the database has no such job."""

    async def trim(self, ended_before_ms: int, limit: int) -> int:
        """Remove up to `limit` jobs that ended before this time, with their entries. Returns how many left."""

    async def close(self) -> None:
        """Disconnect."""
