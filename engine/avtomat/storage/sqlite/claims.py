"""Hand attempts out to workers, and hear from those that hold them: poll, heartbeat, release, progress.

A queue is read in its own order by its index, so a claim costs the same however long the queue is; it grows with the
clients that wait for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from avtomat.storage.port.answers import Handout
from avtomat.storage.port.rules import ENDED, PARKED, ROOT, STRIDE, earliest, job_of_task, turns_after, whose_turn
from avtomat.storage.port.writes import TaskRequest
from avtomat.storage.sqlite import attempts
from avtomat.storage.sqlite.attempts import Attempt
from avtomat.storage.sqlite.counts import LEASES
from avtomat.storage.sqlite.mail import unwind
from avtomat.storage.sqlite.scopes import LOADED, Spot, fence, find, if_small, loaded_from
from avtomat.storage.sqlite.writer import Step

_HELD_UNDER: Final = """
SELECT task_id FROM attempts WHERE worker = ? AND nonce = ? AND phase = 'leased' AND partition = ?
ORDER BY place"""

_FIRST: Final = """
SELECT place, queue, task_id, path, n, client,
    (SELECT max(client) FROM attempts WHERE partition = ?1 AND queue = ?2 AND phase = 'queued')
FROM attempts WHERE partition = ?1 AND queue = ?2 AND phase = 'queued' ORDER BY client, place"""

_NEXT: Final = """
SELECT place, queue, task_id, path, n, client, NULL
FROM attempts WHERE partition = ?1 AND queue = ?2 AND phase = 'queued' AND client > ?3 ORDER BY client, place"""

_ANY_LEFT: Final = "SELECT 1 FROM attempts WHERE partition = ? AND queue = ? AND phase = 'queued' LIMIT 1"
_TURNS: Final = "SELECT client, turn FROM turns WHERE partition = ? AND queue = ?"
_NO_TURNS: Final = "DELETE FROM turns WHERE partition = ? AND queue = ?"
_TURN: Final = "INSERT INTO turns VALUES (?, ?, ?, ?)"

_CLAIM: Final = """
UPDATE attempts SET phase = 'leased', since_ms = ?1, worker = ?2, nonce = ?3, leased_ms = coalesce(lease_ms, ?4),
    lease_until_ms = ?1 + coalesce(lease_ms, ?4), attempt_at_ms = ?1 + attempt_ms, queue_at_ms = NULL, progress = NULL
WHERE task_id = ?5 RETURNING partition, queue, n, path, attempt, total_at_ms, attempt_at_ms, lease_until_ms, sticky"""

_RESERVED: Final = """
SELECT a.since_ms, j.job || a.path, a.task_id, a.queue, a.priority, a.path, a.n, j.status
FROM attempts a JOIN jobs j ON j.n = a.n
WHERE a.partition = ? AND a.worker = ? AND a.phase = 'delayed' ORDER BY a.since_ms LIMIT 200"""

_PLACE: Final = "UPDATE attempts SET place = ? WHERE task_id = ?"

_HANDOUT: Final = f"""
SELECT a.task_id, a.path, a.visit, a.attempt, a.queue, a.priority, s.body, a.lease_until_ms, a.leased_ms,
    a.attempt_at_ms, a.total_at_ms, {LOADED}
FROM attempts a JOIN scopes s ON s.n = a.n AND s.path = a.path JOIN jobs j ON j.n = a.n
WHERE a.task_id = ?"""  # noqa: S608 - columns of ours

_STATUS: Final = "SELECT status FROM jobs WHERE n = ?"
_EXTEND: Final = "UPDATE attempts SET lease_until_ms = ? WHERE task_id = ?"
_NOTE: Final = "UPDATE attempts SET progress = ? WHERE task_id = ? AND worker = ? AND phase = 'leased'"

_Waiting = tuple[int, str, str, str, int, str, str | None]


def poll(
    step: Step,
    partition: int,
    worker: str,
    queues: Sequence[str],
    nonce: str,
    max_tasks: int,
    lease_ms: int,
    strides: Mapping[str, int],
    *,
    reserved: bool = False,
) -> list[Handout]:
    """See `Store.poll`."""
    held = step.db.execute(_HELD_UNDER, (worker, nonce, partition)).fetchall() if nonce else []
    if held:
        return [_handout(step, task_id) for (task_id,) in held]
    taken: list[str] = _take_reserved(step, partition, worker, queues, max_tasks) if reserved else []
    for task_id in taken:
        _claim(step, task_id, worker, nonce, lease_ms, was_queued=False)
    has_room = len(taken) < max_tasks
    lines = [_Line(step, partition, queue, max_tasks + 1) for queue in dict.fromkeys(queues)] if has_room else []
    while len(taken) < max_tasks and (waiting := [line for line in lines if line.clients]):
        line = min(waiting, key=_Line.place)
        taken.append(line.take(strides))
        _claim(step, taken[-1], worker, nonce, lease_ms)
    for line in lines:
        line.keep_turns()
        if line.is_polled and line.clients:
            step.queues[partition, line.queue] = None
    return [_handout(step, task_id) for task_id in taken]


def grant(step: Step, partition: int, wanted: TaskRequest) -> tuple[Handout, ...]:
    """Give a worker what it asked for beside its result; nobody is woken for what it takes."""
    taken = poll(
        step,
        partition,
        wanted.worker,
        wanted.queues,
        wanted.nonce,
        wanted.max_tasks,
        wanted.lease_ms,
        wanted.strides,
        reserved=wanted.reserved,
    )
    for queue in {handout.queue for handout in taken}:
        if step.db.execute(_ANY_LEFT, (partition, queue)).fetchone() is None:
            step.queues.pop((partition, queue), None)
    return tuple(taken)


def _take_reserved(step: Step, partition: int, worker: str, queues: Sequence[str], limit: int) -> list[str]:
    """The attempts of these queues that are reserved for this worker, the oldest first, each with its place now."""
    wanted, taken = frozenset(queues), list[str]()
    for _, _, task_id, queue, priority, path, n, status in sorted(step.db.execute(_RESERVED, (partition, worker))):
        if queue in wanted and status not in PARKED and len(taken) < limit and not _is_closed(step, path, n):
            step.db.execute(_PLACE, (step.place(partition, priority), task_id))
            taken.append(task_id)
    return taken


class _Line:
    """The first attempts of a queue, so many of each client, and whose turn it is."""

    def __init__(self, step: Step, partition: int, queue: str, limit: int) -> None:
        self.queue = queue
        self.is_polled = False
        self._step = step
        self._where = partition, queue
        self.clients = {rows[0][5]: deque(rows) for rows in self._rows(limit)}
        several = len(self.clients) > 1
        self._turns: dict[str, int] = dict(step.db.execute(_TURNS, self._where).fetchall()) if several else {}
        self._moved = False

    def place(self) -> int:
        """The place of the attempt that is given out next."""
        return self.clients[self._next()][0][0]

    def take(self, strides: Mapping[str, int]) -> str:
        """Take the attempt that comes next."""
        client = self._next()
        if len(self.clients) > 1:
            self._turns, self._moved = turns_after(self._turns, client, strides.get(client, STRIDE)), True
        row = self.clients[client].popleft()
        if not self.clients[client]:
            del self.clients[client]
        self.is_polled = True
        return row[2]

    def keep_turns(self) -> None:
        """Write down how far the clients are on."""
        if self._moved:
            self._step.db.execute(_NO_TURNS, self._where)
            self._step.db.executemany(_TURN, [(*self._where, *each) for each in self._turns.items()])

    def _next(self) -> str:
        if len(self.clients) == 1:
            return next(iter(self.clients))
        return whose_turn({client: rows[0][0] for client, rows in self.clients.items()}, self._turns)

    def _rows(self, limit: int) -> Iterator[list[_Waiting]]:
        """The first rows of each client; mostly there is one, and one statement finds that out."""
        cursor, last = self._step.db.execute(_FIRST, self._where), None
        while (row := cursor.fetchone()) is not None:
            client, last = row[5], row[6] or last
            alive = [row] if not _is_unswept(self._step, row) else []
            for more in cursor:
                if more[5] != client or len(alive) == limit:
                    break
                if not _is_unswept(self._step, more):
                    alive.append(more)
            cursor.close()
            if alive:
                yield alive
            if client == last:
                return
            cursor = self._step.db.execute(_NEXT, (*self._where, client))


def _is_unswept(step: Step, row: _Waiting) -> bool:
    """Whether the task's scope is closed and only `sweep` has not come by yet."""
    return _is_closed(step, row[3], row[4])


def _is_closed(step: Step, path: str, n: int) -> bool:
    if path == ROOT:
        return False
    return step.db.execute(_STATUS, (n,)).fetchone()[0] in ENDED or fence(step.db, n, path) is not None


def _claim(step: Step, task_id: str, worker: str, nonce: str, lease_ms: int, *, was_queued: bool = True) -> None:
    row = (step.now, worker, nonce, lease_ms, task_id)
    [claimed] = step.db.execute(_CLAIM, row).fetchall()
    partition, queue, n, path, attempt, total, attempt_at, lease_until, sticky = claimed
    step.moved[partition, queue] -= was_queued
    if sticky is not None:
        attempts.stick(step, partition, sticky, worker)
    step.moved[LEASES] += 1
    limit = earliest(("total", total), ("attempt", attempt_at), ("lease", lease_until))
    attempts.set_limit(step, (n, path, partition), limit, attempt)


def _handout(step: Step, task_id: str) -> Handout:
    row: tuple[Any, ...] = step.db.execute(_HANDOUT, (task_id,)).fetchone()
    task_id, path, visit, attempt, queue, priority, body, lease_until, leased, attempt_at, total, *scope = row
    deadline = earliest(("total", total), ("attempt", attempt_at))
    loaded = loaded_from(step.db, path, tuple(scope))
    small = if_small(loaded)
    return Handout(
        task_id=task_id,
        job=loaded.job,
        path=path,
        visit=visit,
        attempt=attempt,
        queue=queue,
        priority=priority,
        body=body,
        lease_until_ms=lease_until,
        lease_ms=leased,
        deadline_ms=None if deadline is None else deadline[1],
        view=lambda: small,
    )


# --- what workers say of attempts that they hold ----------------------------------------------------------------------


def heartbeat(step: Step, worker: str, task_ids: Sequence[str], lease_ms: int) -> list[str]:
    """See `Store.heartbeat`."""
    return [task_id for task_id in task_ids if _extend(step, worker, task_id, lease_ms)]


def release(step: Step, worker: str, task_ids: Sequence[str]) -> None:
    """See `Store.release`."""
    for task_id in task_ids:
        attempt = _held(step, worker, task_id)
        spot = None if attempt is None else find(step.db, job_of_task(task_id), attempt.path)
        if attempt is not None and spot is not None:
            _give_back(step, spot, attempt)


def progress(step: Step, worker: str, task_id: str, note: bytes) -> bool:
    """See `Store.progress`."""
    return bool(step.db.execute(_NOTE, (note, task_id, worker)).rowcount)


def _held(step: Step, worker: str, task_id: str) -> Attempt | None:
    """The attempt, if it is leased to this worker, or was when it died."""
    attempt = attempts.get(step.db, task_id, step.now)
    if attempt is None or attempt.worker != worker or attempt.why == "result":
        return None
    if attempt.phase == "delayed" or attempt.is_child:
        return None
    return attempt


def _extend(step: Step, worker: str, task_id: str, lease_ms: int) -> bool:
    """Extend one lease; True when the worker should be told that its attempt is dead."""
    attempt = _held(step, worker, task_id)
    if attempt is None or attempt.phase != "leased":
        return attempt is not None
    until = max(attempt.lease_until_ms or 0, step.now + (attempt.lease_ms or lease_ms))
    if until != attempt.lease_until_ms:
        attempt.lease_until_ms = until
        step.db.execute(_EXTEND, (until, task_id))
        attempts.arm_attempt(step, attempt)
    return False


def _give_back(step: Step, spot: Spot, attempt: Attempt) -> None:
    if attempt.phase == "leased":
        attempts.put_in_queue(step, attempt, parked=spot.parked)
    else:
        attempts.let_go(step, attempt)
    unwind(step, spot)
