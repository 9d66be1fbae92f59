"""Find the scope that an operation is about, and what is needed to decide for it.

A scope is open while neither its job has ended nor a fence stands at it or above it. A closed scope has no row, but for
what a closing has left to `sweep`, and for the root.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from typing import Any, Final

from avtomat.storage.port.answers import Loaded
from avtomat.storage.port.rules import ENDED, PARKED, ROOT, UNDOING, LeftScope, fences_of, packed_left, parent_of
from avtomat.storage.port.store import LOADED_BYTES_MAX

_FIND: Final = """
SELECT j.n, j.job, j.partition, j.status, j.seq, j.updated_ms, j.unwind_seq, j.unwound, j.extras,
    coalesce(s.version, 0), s.task_id, s.signal_place, j.client, s.queue, s.priority
FROM jobs j LEFT JOIN scopes s ON s.n = j.n AND s.path = ? WHERE j.job = ?"""

_EXTRAS: Final = "UPDATE jobs SET extras = 1 WHERE n = ?"
_FENCE: Final = "SELECT why FROM fences WHERE n = ? AND path = ?"
_ENVIRONMENT: Final = "SELECT environment FROM forks WHERE n = ? AND path = ? AND number = ? AND NOT closed"
_ENVIRONMENT_THEN: Final = "SELECT environment FROM forks WHERE n = ? AND path = ? AND number = ?"
_RECORD: Final = "SELECT version, record FROM scopes WHERE n = ? AND path = ?"
_IN_FORK: Final = """
SELECT f.total FROM jobs j JOIN forks f ON f.n = j.n
WHERE j.job = ? AND f.path = ? AND f.number = ? AND NOT f.closed"""

LOADED: Final = """
j.n, j.job, j.digest, j.head, j.status, j.client, j.deadline_ms, j.updated_ms, j.labels, s.version, s.record"""
"""Columns of a job `j` and its scope `s` that make a `Loaded`."""

_LOAD: Final = f"SELECT {LOADED} FROM jobs j LEFT JOIN scopes s ON s.n = j.n AND s.path = ? WHERE j.job = ?"  # noqa: S608 - columns of ours

_UNDO: Final = "SELECT seq, undo FROM undos WHERE n = ? ORDER BY seq DESC LIMIT 1"


@dataclass(slots=True)
class Spot:
    """A scope in its job, as an operation finds it and changes it. `version` 0: it has not begun. `mailed`: mail was
    put into a mailbox of the job on the way.
    """

    path: str
    n: int
    job: str
    partition: int
    status: str
    seq: int
    updated_ms: int
    unwind_seq: int | None = None
    unwound: int = 0
    extras: int = 0
    version: int = 0
    task_id: str | None = None
    signal_place: int | None = None
    client: str = ""
    queue: str | None = None
    priority: int | None = None
    mailed: bool = False

    @property
    def ended(self) -> bool:
        """Whether the job has ended."""
        return self.status in ENDED

    @property
    def parked(self) -> bool:
        """Whether nothing of the job moves but for operators' mail and the deadline."""
        return self.status in PARKED

    def at(self, path: str) -> Spot:
        """Another scope of the job, of which only the path is known."""
        return replace(self, path=path, version=0, task_id=None, signal_place=None, queue=None, priority=None)


def find(db: sqlite3.Connection, job: str, path: str) -> Spot | None:
    """The scope at `path`, begun or not; None when there is no such job."""
    row = db.execute(_FIND, (path, job)).fetchone()
    return None if row is None else Spot(path, *row)


def note_extras(db: sqlite3.Connection, spot: Spot) -> None:
    """Remember that the end of the job has more to clear than tasks and times."""
    if not spot.extras:
        spot.extras = 1
        db.execute(_EXTRAS, (spot.n,))


def is_closed(db: sqlite3.Connection, spot: Spot) -> bool:
    """Whether the scope, or anything above it, is closed."""
    return spot.ended or (spot.path != ROOT and fence(db, spot.n, spot.path) is not None)


def fence(db: sqlite3.Connection, n: int, path: str) -> str | None:
    """Why a scope of an open job is closed; None while it is open."""
    for above in fences_of(path):
        row = db.execute(_FENCE, (n, above)).fetchone()
        if row is not None:
            return str(row[0])
    return None


def covered(fence: str) -> tuple[str, str]:
    """The bounds (first included, last not) of all paths that a fence closes, the root excepted; `.` < `/` < `0`."""
    return ("/0", "0") if fence == ROOT else (fence, f"{fence}0")


def load(db: sqlite3.Connection, job: str, path: str) -> Loaded | None:
    """The scope at a path, as `Store.load` says."""
    found = loaded(db, job, path)
    if found is None or found.version or path == ROOT:
        return found
    parent, number, index = parent_of(path)
    fork = db.execute(_IN_FORK, (job, parent, number)).fetchone()
    return found if fork is not None and 0 <= index < fork[0] else None


def loaded(db: sqlite3.Connection, job: str, path: str) -> Loaded | None:
    """The scope as it is kept; version 0 for one that has not begun or is closed. None when the job is unknown."""
    row = db.execute(_LOAD, (path, job)).fetchone()
    return None if row is None else loaded_from(db, path, row)


def loaded_from(db: sqlite3.Connection, path: str, row: tuple[Any, ...]) -> Loaded:
    """Build a `Loaded` from the columns `LOADED`; brings the newest undo while the job compensates."""
    n, job, digest, head, status, client, deadline_ms, updated_ms, labels, version, record = row
    undo = db.execute(_UNDO, (n,)).fetchone() if status in UNDOING and path == ROOT else None
    return Loaded(
        job=job,
        path=path,
        version=version or 0,
        digest=digest,
        head=head,
        status=status,
        client=client,
        deadline_ms=deadline_ms,
        updated_ms=updated_ms,
        scope=record,
        environment=None if path == ROOT else _environment(db, n, path),
        undo=undo,
        labels=labels,
    )


def packed(db: sqlite3.Connection, spot: Spot) -> bytes:
    """The scope as it is kept now, packed, for when an attempt that is taken from it is heard of later."""
    version, record = db.execute(_RECORD, (spot.n, spot.path)).fetchone()
    environment = None
    if spot.path != ROOT:
        parent, number, _ = parent_of(spot.path)
        environment = db.execute(_ENVIRONMENT_THEN, (spot.n, parent, number)).fetchone()[0]
    return packed_left(LeftScope(path=spot.path, version=version, record=record, environment=environment))


def if_small(found: Loaded | None) -> Loaded | None:
    """The scope, unless it is too large to go along with a task or a due member."""
    if found is None:
        return None
    size = len(found.head) + len(found.scope or b"") + len(found.environment or b"")
    return found if size <= LOADED_BYTES_MAX else None


def _environment(db: sqlite3.Connection, n: int, path: str) -> bytes | None:
    parent, number, _ = parent_of(path)
    row = db.execute(_ENVIRONMENT, (n, parent, number)).fetchone()
    return None if row is None else row[0]
