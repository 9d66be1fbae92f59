"""Show the whole state in the shape of `dump.py`: for tests, and for `doctor` on small stores."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import orjson

from avtomat.storage.port.rules import ENDED, ROOT, fork_path
from avtomat.storage.port.store import ENDED_ATTEMPT_KEPT_MS
from avtomat.storage.proof.dump import (
    AttemptDump,
    DueDump,
    Dump,
    EndedAttemptDump,
    JobDump,
    JoinDump,
    MailDump,
    ScopeDump,
    due_order,
    shown,
    shown_or_none,
)
from avtomat.storage.sqlite.attempts import live_leases, of_job
from avtomat.storage.sqlite.scopes import fence

_JOBS: Final = "SELECT * FROM jobs ORDER BY job"
_SCOPES: Final = "SELECT * FROM scopes WHERE n = ? ORDER BY path"
_MAIL: Final = "SELECT id, kind, body, returned FROM mail WHERE n = ? AND path = ? ORDER BY place"
_FENCES: Final = "SELECT path FROM fences WHERE n = ? ORDER BY path"
_FORKS: Final = "SELECT * FROM forks WHERE n = ? AND NOT closed ORDER BY path, number"
_OUTPUTS: Final = "SELECT place, output FROM outputs WHERE n = ? AND path = ? AND fork = ? ORDER BY place"
_ATTEMPTS: Final = """
SELECT a.*, s.body, l.scope AS left FROM attempts a LEFT JOIN scopes s ON s.n = a.n AND s.path = a.path
LEFT JOIN left_scopes l ON l.task_id = a.task_id
WHERE a.task_id >= ? AND a.task_id < ? ORDER BY a.task_id"""
_SIGNALS: Final = """
SELECT signal_name, signal_key, id FROM mail WHERE n = ? AND path IS NULL AND until_ms > ? ORDER BY arrived"""
_MAIL_IDS: Final = "SELECT id FROM mail_ids WHERE n = ? ORDER BY id"
_MAIL_COUNTS: Final = "SELECT word, count FROM mail_counts WHERE n = ? AND count > 0 ORDER BY word"
_VALUES: Final = "SELECT id, value FROM large_values WHERE n = ? ORDER BY id"
_UNDOS: Final = "SELECT seq, undo FROM undos WHERE n = ? ORDER BY seq"
_HISTORY: Final = "SELECT seq, at_ms, path, cause, record FROM history WHERE n = ? ORDER BY seq"

_KEYS: Final = "SELECT client, key, job FROM jobs WHERE key IS NOT NULL ORDER BY client, key"
_QUEUES: Final = """
SELECT partition, queue, task_id, n, path FROM attempts WHERE phase = 'queued'
ORDER BY partition, queue, place"""
_DUE: Final = "SELECT d.*, j.job, j.status FROM due d JOIN jobs j ON j.n = d.n"
_POST: Final = "SELECT job, id FROM post WHERE partition = ? ORDER BY place"
_PROGRAMS: Final = "SELECT DISTINCT digest FROM programs ORDER BY digest"
_COUNTERS: Final = "SELECT client, period, taken FROM counters WHERE until_ms > ? ORDER BY client, period"
_WORKERS: Final = "SELECT worker, record, usage FROM workers WHERE until_ms > ? ORDER BY worker"

Row = dict[str, Any]


def dump(db: sqlite3.Connection, partitions: int, now: int) -> Dump:
    """The whole state."""
    jobs = _rows(db, _JOBS)
    return Dump(
        jobs={job["job"]: _job(db, job, now) for job in jobs},
        open=[job["job"] for job in jobs if job["status"] not in ENDED],
        keys=[list(row) for row in db.execute(_KEYS)],
        queues=_queues(db),
        due=sorted((_due(row) for row in _rows(db, _DUE) if not _is_void(db, row)), key=due_order),
        post={str(number): [list(row) for row in db.execute(_POST, (number,))] for number in range(partitions)},
        programs=[digest for (digest,) in db.execute(_PROGRAMS)],
        counters=[[client, period, str(taken)] for client, period, taken in db.execute(_COUNTERS, (now,))],
        workers={name: [shown(record), shown_or_none(usage)] for name, record, usage in db.execute(_WORKERS, (now,))},
    )


def _rows(db: sqlite3.Connection, statement: str, *arguments: object) -> list[Row]:
    cursor = db.execute(statement, arguments)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _queues(db: sqlite3.Connection) -> dict[str, list[str]]:
    queues: dict[str, list[str]] = {}
    for partition, queue, task_id, n, path in db.execute(_QUEUES).fetchall():
        if path == ROOT or fence(db, n, path) is None:
            queues.setdefault(f"{partition} {queue}", []).append(task_id)
    return queues


def _is_void(db: sqlite3.Connection, row: Row) -> bool:
    """Whether a member is behind a fence, and only `sweep` has not come by yet."""
    if row["path"] == ROOT or row["kind"] == "dead":
        return False
    return row["status"] in ENDED or fence(db, row["n"], row["path"]) is not None


def _due(row: Row) -> DueDump:
    return DueDump(
        kind=row["kind"],
        job=row["job"],
        path=row["path"],
        number=row["number"],
        at_ms=row["at_ms"],
        returned=0 if row["kind"] == "mail" else row["returned"],
    )


def _job(db: sqlite3.Connection, job: Row, now: int) -> JobDump:
    n, ended = job["n"], job["status"] in ENDED
    attempts = [row for row in _rows(db, _ATTEMPTS, *of_job(job["job"])) if _is_remembered(row, now)]
    scopes = [row for row in _rows(db, _SCOPES, n) if row["path"] == ROOT or not _is_closed(db, job, row["path"])]
    open_paths = {row["path"] for row in scopes}
    history = [[*row[:4], shown(row[4])] for row in db.execute(_HISTORY, (n,))]
    return JobDump(
        client=job["client"],
        blueprint=job["blueprint"],
        digest=job["digest"],
        head=shown(job["head"]),
        status=job["status"],
        state=job["state"],
        key=job["key"],
        body_hash=job["body_hash"],
        parent=job["parent"],
        created_ms=job["created_ms"],
        updated_ms=job["updated_ms"],
        finished_ms=job["finished_ms"],
        leaves_ms=job["expires_ms"],
        deadline_ms=job["deadline_ms"],
        seq=job["seq"],
        search=dict(sorted(orjson.loads(job["search"] or "{}").items())),
        labels=shown_or_none(job["labels"]),
        reason=shown_or_none(job["reason"]),
        result=shown_or_none(job["result"]),
        error=shown_or_none(job["error"]),
        live_leases=live_leases(db, job["job"]),
        scopes={row["path"]: _scope(db, row) for row in scopes},
        closed=[ROOT] if ended else [path for (path,) in db.execute(_FENCES, (n,))],
        joins={fork_path(row["path"], row["number"]): _join(db, row) for row in _rows(db, _FORKS, n)},
        attempts={
            row["task_id"]: _attempt(row) for row in attempts if row["why"] is None and row["path"] in open_paths
        },
        ended_attempts={row["task_id"]: _ended(row) for row in attempts if row["why"] is not None},
        kept_signals=[["signal", *row] for row in db.execute(_SIGNALS, (n, now))],
        mail_ids=[mail_id for (mail_id,) in db.execute(_MAIL_IDS, (n,))],
        mail_counts=dict(db.execute(_MAIL_COUNTS, (n,)).fetchall()),
        values={name: shown(value) for name, value in db.execute(_VALUES, (n,))},
        undos={str(seq): shown(undo) for seq, undo in db.execute(_UNDOS, (n,))},
        history=history or None,
    )


def _is_remembered(row: Row, now: int) -> bool:
    return row["ended_ms"] is None or row["phase"] == "held" or now < row["ended_ms"] + ENDED_ATTEMPT_KEPT_MS


def _is_closed(db: sqlite3.Connection, job: Row, path: str) -> bool:
    return job["status"] in ENDED or fence(db, job["n"], path) is not None


def _scope(db: sqlite3.Connection, row: Row) -> ScopeDump:
    mail = db.execute(_MAIL, (row["n"], row["path"]))
    return ScopeDump(
        version=row["version"],
        visit=row["visit"],
        record=shown(row["record"]),
        task=row["task_id"],
        signal=None if row["signal_name"] is None else [row["signal_name"], row["signal_key"]],
        mail=[
            MailDump(id=mail_id, kind=kind, body=shown(body), returned=returned)
            for mail_id, kind, body, returned in mail
        ],
    )


def _join(db: sqlite3.Connection, row: Row) -> JoinDump:
    outputs = db.execute(_OUTPUTS, (row["n"], row["path"], row["number"]))
    return JoinDump(
        total=row["total"],
        need=row["need"],
        tolerated=row["tolerated"],
        window=row["at_once"],
        begun=row["begun"],
        live=row["live"],
        ok=row["ok"],
        failed=row["failed"],
        verdict=row["verdict"],
        environment=shown(row["environment"]),
        outputs={str(place): shown(output) for place, output in sorted(outputs, key=lambda one: str(one[0]))},
    )


def _attempt(row: Row) -> AttemptDump:
    return AttemptDump(
        path=row["path"],
        visit=row["visit"],
        attempt=row["attempt"],
        queue=row["queue"],
        priority=row["priority"],
        body=shown(row["body"]),
        phase="queued" if row["phase"] == "parked" else row["phase"],
        worker=row["worker"],
        lease_until_ms=row["lease_until_ms"] if row["phase"] == "leased" else None,
        progress=shown_or_none(row["progress"]),
        undoable=bool(row["undoable"]),
    )


def _ended(row: Row) -> EndedAttemptDump:
    return EndedAttemptDump(
        path=row["path"],
        worker=row["worker"] or "",
        why=row["why"],
        hash=row["hash"] or "",
        holds=row["phase"] == "held",
        left=shown_or_none(row["left"]),
    )
