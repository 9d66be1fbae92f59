"""Open attempts, arm their limits, end them.

A scope has one open attempt at most (`scopes.task_id`). An open attempt has one due member at most: the earliest of its
limits, or of when it may be queued. An attempt that a worker holds when it is ended stays `held`, and counts as a live
lease, until the worker is heard of or its lease ends; one that nobody holds leaves no record.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from avtomat.storage.port.answers import Revoked
from avtomat.storage.port.rules import earliest
from avtomat.storage.port.store import (
    ENDED_ATTEMPT_KEPT_MS,
    STICKY_GRACE_MS,
    STICKY_KEPT_MS,
    STICKY_NAMES_MAX,
)
from avtomat.storage.port.writes import Dispatch
from avtomat.storage.sqlite.counts import LEASES
from avtomat.storage.sqlite.scopes import Spot, note_extras, packed
from avtomat.storage.sqlite.writer import Step

_ADD: Final = """
INSERT INTO attempts (task_id, partition, n, path, visit, attempt, queue, client, priority, place, phase, since_ms,
    not_before_ms, queue_ms, queue_at_ms, attempt_ms, lease_ms, total_at_ms, undoable, worker, sticky)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""

_REQUIRE: Final = "INSERT OR REPLACE INTO requirements VALUES (?, ?, ?)"

_LIMIT: Final = """
INSERT INTO due (n, path, slot, partition, kind, number, time_ms, at_ms) VALUES (?, ?, 'task', ?, ?, ?, ?, ?)
ON CONFLICT (n, path, slot) DO UPDATE SET kind = excluded.kind, number = excluded.number, time_ms = excluded.time_ms,
    at_ms = excluded.at_ms, returned = 0, aside = 0
WHERE (kind, number, time_ms) <> (excluded.kind, excluded.number, excluded.time_ms)"""

_NO_LIMIT: Final = "DELETE FROM due WHERE n = ? AND path = ? AND slot = 'task'"

_GET: Final = """
SELECT task_id, partition, n, path, attempt, queue, priority, place, phase, worker, hash, why, ended_ms,
    not_before_ms, queue_ms, queue_at_ms, attempt_at_ms, lease_ms, leased_ms, lease_until_ms, total_at_ms,
    undoable
FROM attempts WHERE task_id = ?"""

_USE: Final = """
UPDATE attempts SET phase = 'ended', why = 'result', hash = ?, ended_ms = ?, progress = NULL WHERE task_id = ?"""
_END: Final = "UPDATE attempts SET phase = ?, why = ?, ended_ms = ?, progress = NULL WHERE task_id = ?"
_LET_GO: Final = "UPDATE attempts SET phase = 'ended' WHERE task_id = ? AND phase = 'held'"
_DEAD: Final = """
INSERT INTO due (n, path, slot, partition, kind, number, time_ms, at_ms) VALUES (?, ?, ?, ?, 'dead', ?, ?, ?)"""
_NOT_DEAD: Final = "DELETE FROM due WHERE n = ? AND path = ? AND slot = ?"
_LEAVE: Final = "INSERT INTO left_scopes VALUES (?, ?)"
_LEFT: Final = "SELECT scope FROM left_scopes WHERE task_id = ?"
_NOT_LEFT: Final = "DELETE FROM left_scopes WHERE task_id = ?"
_DROP: Final = "DELETE FROM attempts WHERE task_id = ?"
_QUEUE: Final = """
UPDATE attempts SET phase = ?, since_ms = ?, place = ?, queue_at_ms = ?, attempt_at_ms = NULL, lease_until_ms = NULL,
    worker = NULL, nonce = NULL, progress = NULL WHERE task_id = ?"""
_STICKY: Final = "SELECT worker FROM sticky WHERE partition = ? AND name = ? AND until_ms > ?"
_STICK: Final = "INSERT OR REPLACE INTO sticky VALUES (?, ?, ?, ?)"
_LAPSED_STICKY: Final = "DELETE FROM sticky WHERE partition = ? AND until_ms <= ?"
_TOO_MANY_STICKY: Final = """
DELETE FROM sticky WHERE partition = ?1 AND until_ms <=
    (SELECT until_ms FROM sticky WHERE partition = ?1 ORDER BY until_ms DESC LIMIT 1 OFFSET ?2)"""
_LIVE: Final = "SELECT count(*) FROM attempts WHERE task_id >= ? AND task_id < ? AND phase IN ('leased', 'held')"


@dataclass(slots=True)
class Attempt:
    """An attempt as it is kept."""

    task_id: str
    partition: int
    n: int
    path: str
    attempt: int
    queue: str
    priority: int
    place: int
    phase: str
    worker: str | None
    hash: str | None
    why: str | None
    ended_ms: int | None
    not_before_ms: int | None
    queue_ms: int | None
    queue_at_ms: int | None
    attempt_at_ms: int | None
    lease_ms: int | None
    leased_ms: int | None
    lease_until_ms: int | None
    total_at_ms: int | None
    undoable: int

    def is_remembered(self, now: int) -> bool:
        """Whether the store still knows this attempt, however long it takes to clean up."""
        return self.ended_ms is None or self.phase == "held" or now < self.ended_ms + ENDED_ATTEMPT_KEPT_MS


def get(db: sqlite3.Connection, task_id: str, now: int) -> Attempt | None:
    """The attempt with this wire id: open, or ended not too long ago."""
    row = db.execute(_GET, (task_id,)).fetchone()
    attempt = None if row is None else Attempt(*row)
    return attempt if attempt is not None and attempt.is_remembered(now) else None


def dispatch(step: Step, spot: Spot, visit: int, task: Dispatch) -> None:
    """Open an attempt in the scope's queue: delayed, queued, or parked with its job. The row is the caller's."""
    delayed = task.not_before_ms is not None and task.not_before_ms > step.now
    worker = sticky_worker(step, spot.partition, task.sticky) if task.sticky and not delayed else None
    not_before = task.not_before_ms if delayed else None
    if worker is not None:
        delayed, not_before = True, step.now + STICKY_GRACE_MS
        step.workers[spot.partition, worker] = None
    phase = "delayed" if delayed else "parked" if spot.parked else "queued"
    queue_at = None if delayed or task.queue_ms is None else step.now + task.queue_ms
    assert spot.priority is not None
    step.db.execute(
        _ADD,
        (
            task.task_id,
            spot.partition,
            spot.n,
            spot.path,
            visit,
            task.attempt,
            spot.queue,
            spot.client,
            spot.priority,
            0 if delayed else step.place(spot.partition, spot.priority),
            phase,
            step.now,
            not_before,
            task.queue_ms,
            queue_at,
            task.attempt_ms,
            task.lease_ms,
            task.total_at_ms,
            task.undoable,
            worker,
            task.sticky or None,
        ),
    )
    if phase == "queued":
        assert spot.queue is not None
        step.moved[spot.partition, spot.queue] += 1
        step.queues[spot.partition, spot.queue] = None
    if task.requirements is not None:
        step.db.execute(_REQUIRE, (spot.partition, spot.queue, task.requirements))
    limit = earliest(("total", task.total_at_ms), ("delayed", not_before), ("queue", queue_at))
    if limit is not None:
        set_limit(step, (spot.n, spot.path, spot.partition), limit, task.attempt)


def sticky_worker(step: Step, partition: int, name: str) -> str | None:
    """The worker that should have attempts of this name, if one is remembered."""
    row: tuple[str] | None = step.db.execute(_STICKY, (partition, name, step.now)).fetchone()
    return None if row is None else row[0]


def stick(step: Step, partition: int, name: str, worker: str) -> None:
    """The worker took an attempt of this name."""
    step.db.execute(_STICK, (partition, name, worker, step.now + STICKY_KEPT_MS))
    step.db.execute(_LAPSED_STICKY, (partition, step.now))
    step.db.execute(_TOO_MANY_STICKY, (partition, STICKY_NAMES_MAX))


def put_in_queue(step: Step, attempt: Attempt, *, parked: bool) -> None:
    """Queue an attempt that was delayed (as one that comes now) or is given back (in the place that it had)."""
    if attempt.phase == "delayed":
        attempt.place = step.place(attempt.partition, attempt.priority)
    else:
        step.moved[LEASES] -= 1
    attempt.phase = "parked" if parked else "queued"
    attempt.queue_at_ms = None if attempt.queue_ms is None else step.now + attempt.queue_ms
    row = (attempt.phase, step.now, attempt.place, attempt.queue_at_ms, attempt.task_id)
    step.db.execute(_QUEUE, row)
    arm_attempt(step, attempt)
    if not parked:
        step.moved[attempt.partition, attempt.queue] += 1
        step.queues[attempt.partition, attempt.queue] = None


def disarm_attempt(step: Step, spot: Spot) -> None:
    """Remove the due member of the scope's attempt."""
    step.db.execute(_NO_LIMIT, (spot.n, spot.path))


def arm_attempt(step: Step, attempt: Attempt) -> None:
    """Set the attempt's due member by what it waits for now."""
    match attempt.phase:
        case "leased":
            running = ("attempt", attempt.attempt_at_ms), ("lease", attempt.lease_until_ms)
        case "delayed":
            running = ("delayed", attempt.not_before_ms), ("queue", None)
        case _:
            running = ("queue", attempt.queue_at_ms), ("queue", None)
    limit = earliest(("total", attempt.total_at_ms), *running)
    set_limit(step, (attempt.n, attempt.path, attempt.partition), limit, attempt.attempt)


def set_limit(step: Step, where: tuple[int, str, int], limit: tuple[str, int] | None, number: int) -> None:
    """Set the member of an attempt at (n, path, partition); one that keeps its kind and time is left as it is."""
    n, path, partition = where
    if limit is None:
        step.db.execute(_NO_LIMIT, (n, path))
    else:
        kind, at = limit
        step.db.execute(_LIMIT, (n, path, partition, kind, number, at, at))


def use(step: Step, spot: Spot, task_id: str, result_hash: str) -> None:
    """End a scope's open attempt by its result. The scope's row and the due member are the caller's."""
    step.db.execute(_USE, (result_hash, step.now, task_id))
    step.moved[LEASES] -= 1
    spot.task_id = None


def end(step: Step, spot: Spot, task_id: str, why: str, *, counts: bool) -> list[Revoked]:
    """End a scope's open attempt otherwise; the answer names the worker that holds it. The scope's row and the due
    member are the caller's. `counts`: a success that comes late may still have to be undone.
    """
    attempt = get(step.db, task_id, step.now)
    assert attempt is not None
    if attempt.phase != "leased":
        step.db.execute(_DROP, (task_id,))
        if attempt.phase == "queued":
            step.moved[attempt.partition, attempt.queue] -= 1
        return []
    step.moved[LEASES] -= 1
    assert attempt.worker is not None
    assert attempt.lease_until_ms is not None
    if attempt.lease_until_ms > step.now:
        step.db.execute(_END, ("held", why, step.now, task_id))
        note_extras(step.db, spot)
        until = attempt.lease_until_ms
        step.db.execute(
            _DEAD, (attempt.n, attempt.path, f"dead {task_id}", attempt.partition, attempt.attempt, until, until)
        )
        if counts and attempt.undoable:
            step.db.execute(_LEAVE, (task_id, packed(step.db, spot)))
    else:
        step.db.execute(_END, ("ended", why, step.now, task_id))
    return [Revoked(task_id=task_id, worker=attempt.worker)]


def let_go(step: Step, attempt: Attempt) -> None:
    """The worker of a held attempt was heard of, or its lease has ended: it is no longer live."""
    step.db.execute(_LET_GO, (attempt.task_id,))
    step.db.execute(_NOT_DEAD, (attempt.n, attempt.path, f"dead {attempt.task_id}"))
    if attempt.undoable:
        step.db.execute(_NOT_LEFT, (attempt.task_id,))


def left_behind(db: sqlite3.Connection, attempt: Attempt) -> bytes | None:
    """The scope that went on without a held attempt, packed, if a success of it still counts."""
    if attempt.phase != "held" or not attempt.undoable:
        return None
    row = db.execute(_LEFT, (attempt.task_id,)).fetchone()
    return None if row is None else row[0]


def use_late(step: Step, attempt: Attempt, result_hash: str) -> None:
    """End a held attempt by its result."""
    step.db.execute(_USE, (result_hash, step.now, attempt.task_id))
    let_go(step, attempt)


def live_leases(db: sqlite3.Connection, job: str) -> int:
    """How many workers may still be at work for a job."""
    return int(db.execute(_LIVE, of_job(job)).fetchone()[0])


def of_job(job: str) -> tuple[str, str]:
    """The bounds of the wire ids of a job's attempts."""
    return f"{job}-", f"{job}."
