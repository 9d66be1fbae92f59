"""Remove jobs whose retention is over, so that no step holds the writer up however large a job was.

A job leaves at once: its row goes, and with it its id, key and place in listings. The records of a small one go in the
same step; those of a large one stay behind under its number, which nothing reaches any more, and `sweep` removes them a
page at a time.
"""

from __future__ import annotations

from typing import Final

from avtomat.storage.port.rules import PROGRAM_KEPT_MS
from avtomat.storage.sqlite.attempts import of_job
from avtomat.storage.sqlite.counters import forget_ended
from avtomat.storage.sqlite.counts import LEASES
from avtomat.storage.sqlite.writer import Step

ROWS_MAX: Final = 500
"""Records that one step removes at most, as far as their number is known beforehand."""
SMALL_ROWS: Final = 50

_EXPIRED: Final = """
SELECT n, job, seq, extras FROM jobs WHERE partition = ? AND expires_ms <= ?
ORDER BY expires_ms, job LIMIT ?"""
_MANY_MAIL_IDS: Final = "SELECT 1 FROM mail_ids WHERE n = ? LIMIT 1 OFFSET ?"
_REMOVE_JOB: Final = "DELETE FROM jobs WHERE n = ?"
_LEAVE: Final = "INSERT INTO leaving VALUES (?, ?, ?)"
_REMOVE_SWEEPS: Final = "DELETE FROM sweeps WHERE partition = ? AND n = ?"
_UNUSED_PROGRAMS: Final = """
DELETE FROM programs WHERE partition = ?1 AND asked_ms <= ?2
    AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.digest = programs.digest AND jobs.partition = ?1)
    AND NOT EXISTS (SELECT 1 FROM needs WHERE needs.digest = programs.digest AND needs.partition = ?1)"""

_SMALL: Final = (
    "DELETE FROM history WHERE n = ?",
    "DELETE FROM scopes WHERE n = ?",
    "DELETE FROM large_values WHERE n = ?",
    "DELETE FROM mail_ids WHERE n = ?",
    "DELETE FROM mail_counts WHERE n = ?",
)
"""What a job without extras has, beside its attempts."""

_FIND: Final = {
    "history": "SELECT n, seq FROM history WHERE n = ? LIMIT ?",
    "scopes": "SELECT n, path FROM scopes WHERE n = ? LIMIT ?",
    "forks": "SELECT n, path, number FROM forks WHERE n = ? LIMIT ?",
    "fences": "SELECT n, path FROM fences WHERE n = ? LIMIT ?",
    "outputs": "SELECT n, path, fork, place FROM outputs WHERE n = ? LIMIT ?",
    "large_values": "SELECT n, id FROM large_values WHERE n = ? LIMIT ?",
    "undos": "SELECT n, seq FROM undos WHERE n = ? LIMIT ?",
    "due": "SELECT n, path, slot FROM due WHERE n = ? LIMIT ?",
    "mail": "SELECT arrived FROM mail WHERE n = ? AND path IS NOT NULL LIMIT ?",
    "signals": "SELECT arrived FROM mail WHERE n = ? AND path IS NULL LIMIT ?",
    "mail_ids": "SELECT n, id FROM mail_ids WHERE n = ? LIMIT ?",
    "needs": "SELECT n, digest FROM needs WHERE n = ? LIMIT ?",
    "mail_counts": "SELECT n, word FROM mail_counts WHERE n = ? LIMIT ?",
}
_REMOVE: Final = {
    "history": "DELETE FROM history WHERE n = ? AND seq = ?",
    "scopes": "DELETE FROM scopes WHERE n = ? AND path = ?",
    "forks": "DELETE FROM forks WHERE n = ? AND path = ? AND number = ?",
    "fences": "DELETE FROM fences WHERE n = ? AND path = ?",
    "outputs": "DELETE FROM outputs WHERE n = ? AND path = ? AND fork = ? AND place = ?",
    "large_values": "DELETE FROM large_values WHERE n = ? AND id = ?",
    "undos": "DELETE FROM undos WHERE n = ? AND seq = ?",
    "due": "DELETE FROM due WHERE n = ? AND path = ? AND slot = ?",
    "mail": "DELETE FROM mail WHERE arrived = ?",
    "signals": "DELETE FROM mail WHERE arrived = ?",
    "mail_ids": "DELETE FROM mail_ids WHERE n = ? AND id = ?",
    "needs": "DELETE FROM needs WHERE n = ? AND digest = ?",
    "mail_counts": "DELETE FROM mail_counts WHERE n = ? AND word = ?",
}
_FIND_ATTEMPTS: Final = """
SELECT task_id, partition, queue, phase FROM attempts WHERE task_id >= ? AND task_id < ? LIMIT ?"""
_REMOVE_ATTEMPT: Final = "DELETE FROM attempts WHERE task_id = ?"

_LEAVING: Final = "SELECT n, job FROM leaving WHERE partition = ? LIMIT 1"
_LEFT: Final = "DELETE FROM leaving WHERE partition = ? AND n = ?"


def trim(step: Step, partition: int, limit: int) -> int:
    """See `Store.trim`."""
    rows, left = 0, 0
    for n, job, seq, extras in step.db.execute(_EXPIRED, (partition, step.now, limit)).fetchall():
        if rows >= ROWS_MAX:
            break
        is_large = extras or seq > SMALL_ROWS or step.db.execute(_MANY_MAIL_IDS, (n, SMALL_ROWS)).fetchone()
        step.db.execute(_REMOVE_JOB, (n,))
        if is_large:
            step.db.execute(_LEAVE, (partition, n, job))
            step.db.execute(_REMOVE_SWEEPS, (partition, n))
        else:
            for statement in _SMALL:
                step.db.execute(statement, (n,))
            rows += seq + _remove_attempts(step, job, ROWS_MAX)
        rows += 1
        left += 1
    step.db.execute(_UNUSED_PROGRAMS, (partition, step.now - PROGRAM_KEPT_MS))
    forget_ended(step, partition)
    return left


def remove_left(step: Step, partition: int, limit: int) -> int:
    """Remove up to `limit` records of jobs that have left; how many it were."""
    done = 0
    while done < limit:
        row = step.db.execute(_LEAVING, (partition,)).fetchone()
        if row is None:
            break
        n, job = row
        done += _remove_some(step, n, job, limit - done)
        if done < limit:
            step.db.execute(_LEFT, (partition, n))
            done += 1
    return done


def _remove_some(step: Step, n: int, job: str, limit: int) -> int:
    """Remove up to `limit` records of a job; fewer: none is left."""
    done = _remove_attempts(step, job, limit)
    for table, statement in _FIND.items():
        if done >= limit:
            break
        found = step.db.execute(statement, (n, limit - done)).fetchall()
        step.db.executemany(_REMOVE[table], found)
        done += len(found)
    return done


def _remove_attempts(step: Step, job: str, limit: int) -> int:
    """Of a job that ended attempts may be open still: those that `sweep` had not come by yet."""
    found = step.db.execute(_FIND_ATTEMPTS, (*of_job(job), limit)).fetchall()
    for task_id, partition, queue, phase in found:
        step.db.execute(_REMOVE_ATTEMPT, (task_id,))
        if phase == "queued":
            step.moved[partition, queue] -= 1
        elif phase == "leased":
            step.moved[LEASES] -= 1
    return len(found)
