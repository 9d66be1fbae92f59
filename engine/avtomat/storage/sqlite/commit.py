"""Write what one decision changes: a new job, or the next version of a scope.

The cause was judged before (`sqlite_judge`). A job of one task costs few statements: what most commits have nothing to
say about (forks, mail, signals, undos, the head) is asked for only when the write-set or the scope's row names it.
"""

from __future__ import annotations

from typing import Final

import orjson

from avtomat.storage.port.answers import Committed, Created, Outcome, Revoked
from avtomat.storage.port.rules import ROOT, partition_of
from avtomat.storage.port.writes import Dispatch, NewJob, ScopeEnd, Writes
from avtomat.storage.sqlite import attempts, joins
from avtomat.storage.sqlite.head import change_head
from avtomat.storage.sqlite.mail import arm, send, stop_waiting, unwind, wait_for
from avtomat.storage.sqlite.scopes import Spot, note_extras
from avtomat.storage.sqlite.writer import Step

_KNOWN_JOB: Final = "SELECT job, body_hash FROM jobs WHERE job = ?"
_KNOWN_KEY: Final = "SELECT job, body_hash FROM jobs WHERE client = ? AND key = ?"

_ADD_JOB: Final = """
INSERT INTO jobs (n, job, partition, client, blueprint, status, seq, created_ms, updated_ms, deadline_ms, retention_ms,
    state, digest, key, body_hash, parent, search, head)
VALUES (?, ?, ?, ?, ?, 'open', 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""

_MOVE_JOB: Final = "UPDATE jobs SET seq = ?, updated_ms = ?, state = coalesce(?, state) WHERE n = ?"
_END_JOB: Final = """
UPDATE jobs SET seq = ?1, updated_ms = ?2, state = coalesce(?3, state), status = ?4, finished_ms = ?2,
    expires_ms = ?2 + retention_ms, result = ?5, error = ?6 WHERE n = ?7"""

_HISTORY: Final = "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?)"
_OUTBOX: Final = "INSERT INTO outbox (partition, job, seq, at_ms, path, cause, record) VALUES (?, ?, ?, ?, ?, ?, ?)"

_ADD_SCOPE: Final = """
INSERT INTO scopes (n, path, version, visit, task_id, queue, priority, record, body)
VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?)"""
_MOVE_SCOPE: Final = "UPDATE scopes SET version = ?, visit = ?, task_id = ?, record = ? WHERE n = ? AND path = ?"
_MOVE_SCOPE_WITH_TASK: Final = """
UPDATE scopes SET version = ?, visit = ?, task_id = ?, record = ?, queue = ?, priority = ?, body = ?
WHERE n = ? AND path = ?"""
_END_SCOPE: Final = """
UPDATE scopes SET version = ?, visit = ?, task_id = ?, record = ?, signal_name = NULL, signal_key = NULL,
    signal_place = NULL, body = NULL WHERE n = ? AND path = ?"""

_VALUE: Final = "INSERT INTO large_values VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_UNDO: Final = "INSERT INTO undos VALUES (?, ?, ?)"
_UNDONE: Final = "DELETE FROM undos WHERE n = ? AND seq = ?"

_NO_WAITING: Final = "DELETE FROM due WHERE n = ? AND path = ? AND slot IN ('task', 'timer')"
_NO_TASK: Final = """
UPDATE scopes SET task_id = NULL, signal_name = NULL, signal_key = NULL, signal_place = NULL WHERE n = ? AND path = ?"""
_NO_DUE: Final = "DELETE FROM due WHERE n = ?"
_NO_EXTRAS: Final = (
    "DELETE FROM mail WHERE n = ? AND path IS NOT NULL",
    "DELETE FROM mail WHERE n = ? AND path IS NULL",
    "DELETE FROM undos WHERE n = ?",
)
_NOT_LEFT: Final = "DELETE FROM left_scopes WHERE task_id >= ? AND task_id < ?"
_LET_ALL_GO: Final = "UPDATE attempts SET phase = 'ended' WHERE task_id >= ? AND task_id < ? AND phase = 'held'"


def create(step: Step, new: NewJob) -> Created:
    """See `Store.create`."""
    spot = _add_job(step, new)
    if spot is None:
        return _known(step, new)
    if new.deadline_ms:
        arm(step, spot, ROOT, "deadline", new.deadline_ms, by_wall=new.start_ms is not None)
    if new.start_ms is not None:
        arm(step, spot, ROOT, "start", new.start_ms, by_wall=True)
    written = write(step, spot, "create", new.writes)
    return Created(job=new.job, fresh=True, body_hash=new.body_hash, begins=written.begins, mailed=written.mailed)


def _add_job(step: Step, new: NewJob) -> Spot | None:
    """The root of the new job; None when its id or key is known."""
    at = min(new.writes.at_ms or step.now, step.now)
    partition = partition_of(new.job)
    search = orjson.dumps(dict(new.search)).decode() if new.search else None
    n = next(step.places)
    added = step.db.execute(
        _ADD_JOB,
        (
            n,
            new.job,
            partition,
            new.client,
            new.blueprint,
            at,
            at,
            new.deadline_ms or None,
            new.retention_ms,
            new.writes.state,
            new.digest,
            new.key,
            new.body_hash,
            new.parent,
            search,
            new.head,
        ),
    )
    if not added.rowcount:
        return None
    step.moved["open"] += 1
    return Spot(ROOT, n, new.job, partition, "open", 0, 0, client=new.client)


def _known(step: Step, new: NewJob) -> Created:
    """The answer for a job whose key, or whose id, was used before."""
    found = None if new.key is None else step.db.execute(_KNOWN_KEY, (new.client, new.key)).fetchone()
    job, body_hash = found or step.db.execute(_KNOWN_JOB, (new.job,)).fetchone()
    return Created(job=job, fresh=job == new.job, body_hash=body_hash)


# --- one write-set ----------------------------------------------------------------------------------------------------


def write(step: Step, spot: Spot, word: str, writes: Writes) -> Committed:
    """Write a decision for a scope that is as the decision found it; `word` is the cause in history."""
    append(step, spot, word, writes.record, writes.at_ms)
    _keep(step, spot, writes)
    if writes.head is not None:
        change_head(step, spot, writes.head)
    revoked = _end_waiting(step, spot, writes)
    _move_scope(step, spot, writes)
    begins = _begin_waiting(step, spot, writes)
    if writes.end is not None:
        revoked += _end(step, spot, writes)
        begins = () if spot.path == ROOT else joins.scope_ended(step, spot, writes.end)
    _move_job(step, spot, writes)
    for post in writes.posts:
        send(step, spot, post)
    unwind(step, spot)
    return Committed(
        outcome=Outcome.OK,
        version=spot.version,
        seq=spot.seq,
        begins=begins,
        revoked=tuple(revoked),
        mailed=spot.mailed,
    )


def append(step: Step, spot: Spot, word: str, record: bytes, at_ms: int) -> None:
    """Add the next entry to the job's history; its time is the job's own from now on."""
    spot.seq += 1
    spot.updated_ms = max(spot.updated_ms, min(at_ms or step.now, step.now))
    if step.outbox:
        row = (spot.partition, spot.job, spot.seq, spot.updated_ms, spot.path, word, record)
        step.db.execute(_OUTBOX, row)
    else:
        step.db.execute(_HISTORY, (spot.n, spot.seq, spot.updated_ms, spot.path, word, record))
    step.jobs[spot.job] = None


def _keep(step: Step, spot: Spot, writes: Writes) -> None:
    """Large values and undos."""
    for name, value in writes.values.items():
        step.db.execute(_VALUE, (spot.n, name, value))
    if writes.undone_seq is not None:
        step.db.execute(_UNDONE, (spot.n, writes.undone_seq))
    if writes.undo is not None:
        note_extras(step.db, spot)
        step.db.execute(_UNDO, (spot.n, spot.seq, writes.undo))


def _end_waiting(step: Step, spot: Spot, writes: Writes) -> list[Revoked]:
    """What the scope waited for goes, and what lies below it is closed. The end of a scope takes its members away."""
    revoked: list[Revoked] = []
    ends = spot.path == ROOT and writes.end is not None
    counts = not (ends or writes.settled)
    if spot.task_id is not None and (not writes.keeps_task or writes.dispatch is not None):
        revoked += attempts.end(step, spot, spot.task_id, writes.dead_because, counts=counts)
        spot.task_id = None
    if spot.version and writes.end is None:
        if not writes.keeps_task:
            step.db.execute(_NO_WAITING, (spot.n, spot.path))
        elif spot.task_id is None:
            attempts.disarm_attempt(step, spot)
    if not writes.keeps_task or writes.signal is not None:
        stop_waiting(step, spot, counts=counts)
    for fork in writes.close:
        revoked += joins.close_fork(step, spot, fork, writes.dead_because, counts=not ends)
    return revoked


def _move_scope(step: Step, spot: Spot, writes: Writes) -> None:
    """Write the scope's row, and open its attempt."""
    task = writes.dispatch
    if task is not None:
        _take_over(spot, task)
        spot.task_id = task.task_id
    where = (spot.n, spot.path)
    body = None if task is None else task.body
    now = (writes.visit, spot.task_id, writes.scope)
    if not spot.version:
        row = (*where, writes.visit, spot.task_id, spot.queue, spot.priority, writes.scope, body)
        step.db.execute(_ADD_SCOPE, row)
    elif body is None:
        step.db.execute(_MOVE_SCOPE if writes.end is None else _END_SCOPE, (spot.version + 1, *now, *where))
    else:
        attempt = (spot.queue, spot.priority, body)
        step.db.execute(_MOVE_SCOPE_WITH_TASK, (spot.version + 1, *now, *attempt, *where))
    spot.version += 1
    if task is not None:
        attempts.dispatch(step, spot, writes.visit, task)


def _take_over(spot: Spot, task: Dispatch) -> None:
    """A task with a body brings its queue and priority; a retry has those of the attempt before."""
    if task.body is not None:
        spot.queue, spot.priority = task.queue, task.priority
    elif spot.queue is None:
        raise ValueError(f"{task.task_id}: a retry without an attempt before it must bring a body")


def _begin_waiting(step: Step, spot: Spot, writes: Writes) -> tuple[str, ...]:
    if writes.timer_ms is not None:
        arm(step, spot, spot.path, "timer", writes.timer_ms, writes.visit, by_wall=writes.timer_by_wall)
    if writes.signal is not None:
        wait_for(step, spot, writes.signal)
    return () if writes.fork is None else joins.start_fork(step, spot, writes.fork)


# --- ends -------------------------------------------------------------------------------------------------------------


def _end(step: Step, spot: Spot, writes: Writes) -> list[Revoked]:
    """Close the scope, with what it opened or kept in this very step."""
    revoked: list[Revoked] = []
    if spot.task_id is not None:
        revoked += attempts.end(step, spot, spot.task_id, writes.dead_because, counts=False)
    if spot.task_id is not None or writes.signal is not None:
        step.db.execute(_NO_TASK, (spot.n, spot.path))
    if spot.path != ROOT:
        return revoked + joins.close_scope(step, spot, writes.dead_because)
    if spot.extras:
        revoked += joins.close_root(step, spot, writes.dead_because)
    return revoked


def _move_job(step: Step, spot: Spot, writes: Writes) -> None:
    """Write the job's row: where its history stands, and its end."""
    state = writes.state or None if spot.path == ROOT else None
    if writes.end is not None and spot.path == ROOT:
        _end_job(step, spot, state, writes.end)
    elif spot.seq > 1:
        step.db.execute(_MOVE_JOB, (spot.seq, spot.updated_ms, state, spot.n))


def _end_job(step: Step, spot: Spot, state: str | None, end: ScopeEnd) -> None:
    step.moved[spot.status] -= 1
    spot.status = end.status
    row = (spot.seq, spot.updated_ms, state, end.status, end.output, end.error, spot.n)
    step.db.execute(_END_JOB, row)
    step.db.execute(_NO_DUE, (spot.n,))
    if spot.extras:
        for statement in _NO_EXTRAS:
            step.db.execute(statement, (spot.n,))
        step.db.execute(_LET_ALL_GO, attempts.of_job(spot.job))
        step.db.execute(_NOT_LEFT, attempts.of_job(spot.job))
