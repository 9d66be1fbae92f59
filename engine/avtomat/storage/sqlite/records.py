"""Keep what is not a job's: programs, workers' registrations, post for other partitions, the outbox."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from avtomat.storage.port.answers import HistoryEntry, Shared
from avtomat.storage.port.writes import Mail, Post
from avtomat.storage.sqlite.writer import Step

_TOUCH: Final = "INSERT OR REPLACE INTO avtomat_meta VALUES ('pinged_ms', ?)"

_PUT_PROGRAM: Final = """
INSERT INTO programs VALUES (?, ?, ?, ?) ON CONFLICT (partition, digest) DO UPDATE SET asked_ms = excluded.asked_ms"""
_PROGRAM: Final = """
SELECT p.canonical FROM avtomat_meta m JOIN programs p ON p.partition < m.value AND p.digest = ?
WHERE m.name = 'partitions' LIMIT 1"""

_SHARED_NUMBER: Final = "SELECT value FROM avtomat_meta WHERE name = ?"
_COUNT_SHARED: Final = "INSERT INTO avtomat_meta VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"


class _Table(NamedTuple):
    """The statements for one kind of shared records, and the name of its number."""

    number: str
    every: str
    one: str
    put: str
    remove: str


_SHARED: Final = {
    Shared.BLUEPRINT: _Table(
        "current_number",
        "SELECT name, record FROM current",
        "SELECT record FROM current WHERE name = ?",
        "INSERT OR REPLACE INTO current VALUES (?, ?)",
        "DELETE FROM current WHERE name = ?",
    ),
    Shared.SCHEDULE: _Table(
        "schedules_number",
        "SELECT name, record FROM schedules",
        "SELECT record FROM schedules WHERE name = ?",
        "INSERT OR REPLACE INTO schedules VALUES (?, ?)",
        "DELETE FROM schedules WHERE name = ?",
    ),
}

_PUT_WORKER: Final = "INSERT OR REPLACE INTO workers VALUES (?, ?, NULL, ?)"
_TOUCH_WORKER: Final = """
UPDATE workers SET until_ms = ?, usage = coalesce(?, usage) WHERE worker = ? AND until_ms > ? RETURNING record"""
_LAPSED_WORKERS: Final = "DELETE FROM workers WHERE until_ms <= ?"
_WORKERS: Final = "SELECT worker, record FROM workers WHERE until_ms > ?"

_REQUIREMENTS: Final = "SELECT requirements FROM requirements WHERE partition = ? AND queue = ?"

_POST: Final = """
SELECT job, id, kind, body, target, signal_name, signal_key, sender FROM post
WHERE partition = ? ORDER BY place LIMIT ?"""
_POSTED: Final = "DELETE FROM post WHERE partition = ? AND id = ?"

_OUTBOX: Final = """
SELECT position, job, seq, at_ms, path, cause, record FROM outbox WHERE partition = ? ORDER BY position LIMIT ?"""
_OUTBOX_TRIM: Final = "DELETE FROM outbox WHERE partition = ? AND position <= ?"

_NEXT_DUE: Final = "SELECT min(at_ms) FROM due WHERE partition = ? AND aside = 0"

DUE_COUNTED_MAX: Final = 10_000
_DUE: Final = "SELECT count(*) FROM (SELECT 1 FROM due LIMIT ?)"
_OUTBOX_LENGTH: Final = (
    "SELECT coalesce((SELECT max(position) FROM outbox) - (SELECT min(position) FROM outbox) + 1, 0)"
)


def touch(step: Step) -> None:
    """Write something: raises when the store cannot."""
    step.db.execute(_TOUCH, (step.now,))


def put_programs(step: Step, programs: Mapping[str, str], partitions: int) -> None:
    """See `Store.put_programs`."""
    for partition in range(partitions):
        rows = [(partition, digest, text, step.now) for digest, text in programs.items()]
        step.db.executemany(_PUT_PROGRAM, rows)


def program(db: sqlite3.Connection, digest: str) -> str | None:
    """See `Store.program`."""
    row: tuple[str] | None = db.execute(_PROGRAM, (digest,)).fetchone()
    return None if row is None else row[0]


def current(db: sqlite3.Connection, seen: int, kind: Shared) -> tuple[int, Mapping[str, bytes]] | None:
    """See `Store.current`. A change between the two reads is in the records, and seen again with its number."""
    table = _SHARED[kind]
    row: tuple[int] | None = db.execute(_SHARED_NUMBER, (table.number,)).fetchone()
    number = 0 if row is None else row[0]
    return None if number == seen else (number, dict(db.execute(table.every)))


def put_current(step: Step, records: Mapping[str, bytes], was: Mapping[str, bytes], kind: Shared) -> list[str]:
    """See `Store.put_current`."""
    table, refused = _SHARED[kind], []
    for name, record in records.items():
        row: tuple[bytes] | None = step.db.execute(table.one, (name,)).fetchone()
        if (None if row is None else row[0]) != was.get(name):
            refused.append(name)
        elif record:
            step.db.execute(table.put, (name, record))
        else:
            step.db.execute(table.remove, (name,))
    if len(refused) < len(records):
        step.db.execute(_COUNT_SHARED, (table.number,))
    return refused


# --- workers ----------------------------------------------------------------------------------------------------------


def put_worker(step: Step, worker: str, record: bytes, ttl_ms: int) -> None:
    """See `Store.put_worker`."""
    step.db.execute(_LAPSED_WORKERS, (step.now,))
    step.db.execute(_PUT_WORKER, (worker, record, step.now + ttl_ms))


def touch_worker(step: Step, worker: str, ttl_ms: int, usage: bytes | None) -> bytes | None:
    """See `Store.touch_worker`."""
    row = (step.now + ttl_ms, usage, worker, step.now)
    known: list[tuple[bytes]] = step.db.execute(_TOUCH_WORKER, row).fetchall()
    return known[0][0] if known else None


def workers(db: sqlite3.Connection, now: int) -> dict[str, bytes]:
    """See `Store.workers`."""
    return dict(db.execute(_WORKERS, (now,)).fetchall())


def requirements(db: sqlite3.Connection, partition: int, queues: Sequence[str]) -> dict[str, bytes]:
    """What these queues ask of workers, of those that ask something."""
    rows = {queue: db.execute(_REQUIREMENTS, (partition, queue)).fetchone() for queue in queues}
    return {queue: row[0] for queue, row in rows.items() if row is not None}


# --- post and outbox --------------------------------------------------------------------------------------------------


def post(db: sqlite3.Connection, partition: int, limit: int) -> list[Post]:
    """See `Store.post`."""
    rows = db.execute(_POST, (partition, limit))
    return [_post(*row) for row in rows]


def _post(job: str, mail_id: str, kind: str, body: bytes, path: str, name: str | None, key: str, sender: str) -> Post:
    to = path if name is None else ("signal", name, key)
    return Post(job=job, mail=Mail(id=mail_id, kind=kind, body=body, to=to, sender=sender))


def posted(step: Step, partition: int, mail_ids: Sequence[str]) -> None:
    """See `Store.posted`."""
    step.db.executemany(_POSTED, [(partition, mail_id) for mail_id in mail_ids])


def outbox(db: sqlite3.Connection, partition: int, limit: int) -> list[tuple[str, HistoryEntry]]:
    """See `Store.outbox`."""
    rows = db.execute(_OUTBOX, (partition, limit))
    return [
        (str(position), HistoryEntry(job=job, seq=seq, at_ms=at, path=path, cause=cause, record=record))
        for position, job, seq, at, path, cause, record in rows
    ]


def outbox_trim(step: Step, partition: int, position: str) -> None:
    """See `Store.outbox_trim`."""
    step.db.execute(_OUTBOX_TRIM, (partition, int(position)))


# --- numbers ----------------------------------------------------------------------------------------------------------


def next_due_ms(db: sqlite3.Connection, partition: int) -> int | None:
    """See `Store.next_due_ms`."""
    (at_ms,) = db.execute(_NEXT_DUE, (partition,)).fetchone()
    return None if at_ms is None else int(at_ms)


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """Those of `Store.counts` that are not kept: due members, up to DUE_COUNTED_MAX, and the length of the outbox by
    its positions, which rise by one.
    """
    return {
        "due": db.execute(_DUE, (DUE_COUNTED_MAX,)).fetchone()[0],
        "outbox": db.execute(_OUTBOX_LENGTH).fetchone()[0],
    }
