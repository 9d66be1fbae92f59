"""Read what was committed: scopes, values, history, rows, pages of a listing. Nothing here writes.

A page without a status is merged from one ordered range of an index for each stored status, so that four indexes serve
every filter and a page costs its rows, however many jobs there are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from avtomat.storage.port.answers import Below, Held, HistoryEntry, JobRow, Loaded, OpenTask, Page, Query
from avtomat.storage.port.rules import cursor_of, earliest, fork_path, place_of
from avtomat.storage.sqlite import attempts
from avtomat.storage.sqlite.scopes import load as load_scope
from avtomat.storage.sqlite.scopes import loaded

TASKS_SHOWN_MAX: Final = 1_000
STATUSES: Final = ("open", "paused", "quarantined", "compensating", "finishing", "finished", "failed", "cancelled")

_ROW: Final = """
SELECT j.job, j.client, j.blueprint, j.digest, j.status, j.state, j.head, s.record, j.created_ms, j.updated_ms,
    j.finished_ms, j.deadline_ms, j.seq, j.result, j.error, j.reason, j.labels, j.body_hash, s.task_id, j.n
FROM jobs j JOIN scopes s ON s.n = j.n AND s.path = '/'"""
_ROW_OF_JOB: Final = f"{_ROW} WHERE j.job = ?"
_ROW_OF_KEY: Final = f"{_ROW} WHERE j.client = ? AND j.key = ?"
_ROW_OF_N: Final = f"{_ROW} WHERE j.n = ?"

_TASK: Final = """
SELECT task_id, path, visit, attempt, queue, phase, since_ms, worker, lease_until_ms, not_before_ms, total_at_ms,
    attempt_at_ms, queue_at_ms, progress
FROM attempts"""
_TASK_OF_ID: Final = f"{_TASK} WHERE task_id = ?"
_TASKS_OF_JOB: Final = f"""{_TASK}
WHERE task_id IN (SELECT task_id FROM scopes WHERE n = ? AND task_id IS NOT NULL LIMIT ?) ORDER BY path"""  # noqa: S608 - columns of ours

_VALUE: Final = "SELECT v.value FROM jobs j JOIN large_values v ON v.n = j.n WHERE j.job = ? AND v.id = ?"
_OUTPUTS: Final = """
SELECT o.place, o.output FROM jobs j JOIN outputs o ON o.n = j.n
WHERE j.job = ? AND o.path = ? AND o.fork = ? AND o.place >= ? AND o.place < ?"""
_FORK: Final = """
SELECT f.n, f.total, f.begun, f.live, f.ok, f.failed FROM jobs j JOIN forks f ON f.n = j.n
WHERE j.job = ? AND j.finished_ms IS NULL AND f.path = ? AND f.number = ? AND NOT f.closed"""
_BEGUN: Final = """
SELECT path FROM scopes WHERE n = ? AND path >= ? || '.' AND path < ? || '/' AND path NOT LIKE ? || '.%/%'
ORDER BY path LIMIT ?"""
_HELD: Final = """
SELECT task_id, worker, lease_until_ms FROM attempts
WHERE task_id >= ? || '-' AND task_id < ? || '.' AND phase = 'held' ORDER BY task_id LIMIT ?"""
_HISTORY: Final = """
SELECT j.job, h.seq, h.at_ms, h.path, h.cause, h.record FROM jobs j JOIN history h ON h.n = j.n
WHERE j.job = ? AND h.seq > ? ORDER BY h.seq LIMIT ?"""


def load(db: sqlite3.Connection, now: int, job: str, path: str, task_id: str | None) -> Loaded | None:
    """See `Store.load`."""
    if task_id is None:
        return load_scope(db, job, path)
    attempt = attempts.get(db, task_id, now)
    return None if attempt is None else loaded(db, job, attempt.path)


def values(db: sqlite3.Connection, job: str, ids: Sequence[str]) -> list[bytes | None]:
    """See `Store.values`."""
    rows = [db.execute(_VALUE, (job, name)).fetchone() for name in ids]
    return [None if row is None else row[0] for row in rows]


def outputs(db: sqlite3.Connection, job: str, path: str, fork: int, start: int, count: int) -> list[bytes | None]:
    """See `Store.outputs`."""
    kept = dict(db.execute(_OUTPUTS, (job, path, fork, start, start + count)).fetchall())
    return [kept.get(place) for place in range(start, start + count)]


def below(db: sqlite3.Connection, job: str, path: str, fork: int, limit: int) -> Below | None:
    """See `Store.below`."""
    row = db.execute(_FORK, (job, path, fork)).fetchone()
    if row is None:
        return None
    n, total, begun, live, ok, failed = row
    place = fork_path(path, fork)
    paths = tuple(name for (name,) in db.execute(_BEGUN, (n, place, place, place, limit)))
    return Below(total=total, begun=begun, live=live, ok=ok, failed=failed, paths=paths)


def held(db: sqlite3.Connection, job: str, limit: int) -> list[Held]:
    """See `Store.held`."""
    rows = db.execute(_HELD, (job, job, limit))
    return [Held(task_id=task_id, worker=worker, until_ms=until or 0) for task_id, worker, until in rows]


def history(db: sqlite3.Connection, job: str, after: int, limit: int) -> list[HistoryEntry]:
    """See `Store.history`."""
    rows = db.execute(_HISTORY, (job, max(0, after), limit))
    return [
        HistoryEntry(job=name, seq=seq, at_ms=at, path=path, cause=cause, record=record)
        for name, seq, at, path, cause, record in rows
    ]


# --- rows -------------------------------------------------------------------------------------------------------------


def show(db: sqlite3.Connection, job: str) -> JobRow | None:
    """See `Store.show`."""
    row = db.execute(_ROW_OF_JOB, (job,)).fetchone()
    if row is None:
        return None
    tasks = [] if row[10] is not None else db.execute(_TASKS_OF_JOB, (row[-1], TASKS_SHOWN_MAX)).fetchall()
    return _job_row(row, tasks)


def key(db: sqlite3.Connection, client: str, key: str) -> JobRow | None:
    """See `Store.key`."""
    row = db.execute(_ROW_OF_KEY, (client, key)).fetchone()
    return None if row is None else _short_row(db, row)


def _short_row(db: sqlite3.Connection, row: tuple[Any, ...]) -> JobRow:
    """The row with the root's open task."""
    task_id = row[-2]
    return _job_row(row, [] if task_id is None else db.execute(_TASK_OF_ID, (task_id,)).fetchall())


def _job_row(row: tuple[Any, ...], tasks: Sequence[tuple[Any, ...]]) -> JobRow:
    return JobRow(
        job=row[0],
        client=row[1],
        blueprint=row[2],
        digest=row[3],
        status=row[4],
        state=row[5],
        head=row[6],
        scope=row[7],
        created_ms=row[8],
        updated_ms=row[9],
        finished_ms=row[10],
        deadline_ms=row[11],
        seq=row[12],
        result=row[13],
        error=row[14],
        reason=row[15],
        labels=row[16],
        body_hash=row[17],
        tasks=tuple(_open_task(*task) for task in tasks),
    )


def _open_task(
    task_id: str,
    path: str,
    visit: int,
    attempt: int,
    queue: str,
    phase: str,
    since: int,
    worker: str | None,
    lease_until: int | None,
    not_before: int | None,
    *limits: Any,
) -> OpenTask:
    total, attempt_at, queue_at, progress = limits
    deadline = earliest(("total", total), ("attempt", attempt_at), ("queue", queue_at))
    return OpenTask(
        task_id=task_id,
        path=path,
        visit=visit,
        attempt=attempt,
        queue=queue,
        phase=phase,
        since_ms=since,
        worker=worker,
        lease_until_ms=lease_until,
        due_ms=not_before if phase == "delayed" else None if deadline is None else deadline[1],
        progress=progress,
    )


# --- listings ---------------------------------------------------------------------------------------------------------


def list_jobs(db: sqlite3.Connection, query: Query) -> Page:
    """See `Store.list_jobs`."""
    place = None if query.cursor is None else place_of(query.cursor)
    statuses = STATUSES if query.status is None else (query.status,)
    found: list[tuple[int, str, int]] = []
    for status in statuses:
        filters = [("client", query.client), ("blueprint", query.blueprint), ("status", status)]
        known = [(column, value) for column, value in filters if value is not None]
        if query.parent:
            known.insert(0, ("parent", query.parent))
        words = tuple(value for _, value in known)
        columns = tuple(column for column, _ in known)
        statement = page_statement(columns, later=place is not None, roots=query.parent == "")
        found += db.execute(statement, (*words, *(place or ()), query.limit + 1))
    found.sort(reverse=True)
    shown = found[: query.limit]
    rows = [db.execute(_ROW_OF_N, (n,)).fetchone() for _, _, n in shown]
    cursor = cursor_of(*shown[-1][:2]) if shown and len(found) > len(shown) else None
    return Page(rows=tuple(_short_row(db, row) for row in rows), cursor=cursor)


def page_statement(columns: Sequence[str], *, later: bool, roots: bool = False) -> str:
    """The ordered range of an index that equal columns name; `later` when it goes on behind a cursor, `roots` without
    jobs that a job began.
    """
    conditions = [f"{column} = ?" for column in columns] + (["parent IS NULL"] if roots else [])
    if later:
        conditions.append("(created_ms, job) < (?, ?)")
    return (
        f"SELECT created_ms, job, n FROM jobs WHERE {' AND '.join(conditions)} "  # noqa: S608 - names of columns
        "ORDER BY created_ms DESC, job DESC LIMIT ?"
    )
