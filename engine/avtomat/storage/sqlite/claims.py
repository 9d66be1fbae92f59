"""Hand attempts out to workers, and hear from those that hold them: poll, heartbeat, release, progress.

A queue is read in its own order by its index, so a claim costs the same however long the queue is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from avtomat.storage.port.answers import Handout
from avtomat.storage.port.rules import ENDED, ROOT, earliest, job_of_task
from avtomat.storage.sqlite import attempts
from avtomat.storage.sqlite.attempts import Attempt
from avtomat.storage.sqlite.counts import LEASES
from avtomat.storage.sqlite.mail import unwind
from avtomat.storage.sqlite.scopes import LOADED, Spot, fence, find, if_small, loaded_from
from avtomat.storage.sqlite.writer import Step

_HELD_UNDER: Final = """
SELECT task_id FROM attempts WHERE worker = ? AND nonce = ? AND phase = 'leased' AND partition = ?
ORDER BY priority DESC, place"""

_WAITING: Final = """
SELECT -priority, place, queue, task_id, path, n FROM attempts
WHERE partition = ? AND queue = ? AND phase = 'queued' ORDER BY priority DESC, place LIMIT ?"""

_CLAIM: Final = """
UPDATE attempts SET phase = 'leased', since_ms = ?1, worker = ?2, nonce = ?3, leased_ms = coalesce(lease_ms, ?4),
    lease_until_ms = ?1 + coalesce(lease_ms, ?4), attempt_at_ms = ?1 + attempt_ms, queue_at_ms = NULL, progress = NULL
WHERE task_id = ?5 RETURNING partition, queue, n, path, attempt, total_at_ms, attempt_at_ms, lease_until_ms"""

_HANDOUT: Final = f"""
SELECT a.task_id, a.path, a.visit, a.attempt, a.queue, a.priority, s.body, a.lease_until_ms, a.leased_ms,
    a.attempt_at_ms, a.total_at_ms, {LOADED}
FROM attempts a JOIN scopes s ON s.n = a.n AND s.path = a.path JOIN jobs j ON j.n = a.n
WHERE a.task_id = ?"""  # noqa: S608 - columns of ours

_STATUS: Final = "SELECT status FROM jobs WHERE n = ?"
_EXTEND: Final = "UPDATE attempts SET lease_until_ms = ? WHERE task_id = ?"
_NOTE: Final = "UPDATE attempts SET progress = ? WHERE task_id = ? AND worker = ? AND phase = 'leased'"

_Waiting = tuple[int, int, str, str, str, int]


def poll(
    step: Step, partition: int, worker: str, queues: Sequence[str], nonce: str, max_tasks: int, lease_ms: int
) -> list[Handout]:
    """See `Store.poll`."""
    held = step.db.execute(_HELD_UNDER, (worker, nonce, partition)).fetchall() if nonce else []
    if held:
        return [_handout(step, task_id) for (task_id,) in held]
    wanted = max(0, max_tasks)
    waiting = _waiting(step, partition, queues, wanted + 1)
    taken = waiting[:wanted]
    for _, _, _, task_id, _, _ in taken:
        _claim(step, task_id, worker, nonce, lease_ms)
    polled = {row[2] for row in taken}
    for row in waiting[wanted:]:
        if row[2] in polled:
            step.queues[partition, row[2]] = None
    return [_handout(step, row[3]) for row in taken]


def _waiting(step: Step, partition: int, queues: Iterable[str], limit: int) -> list[_Waiting]:
    """The first of each queue, in the order in which they are to be given out, and one more of each at least."""
    first: list[_Waiting] = []
    for queue in dict.fromkeys(queues):
        first += [row for row in step.db.execute(_WAITING, (partition, queue, limit)) if not _is_unswept(step, row)]
    return sorted(first)


def _is_unswept(step: Step, row: _Waiting) -> bool:
    """Whether the task's scope is closed and only `sweep` has not come by yet."""
    *_, path, n = row
    if path == ROOT:
        return False
    return step.db.execute(_STATUS, (n,)).fetchone()[0] in ENDED or fence(step.db, n, path) is not None


def _claim(step: Step, task_id: str, worker: str, nonce: str, lease_ms: int) -> None:
    row = (step.now, worker, nonce, lease_ms, task_id)
    ((partition, queue, n, path, attempt, total, attempt_at, lease_until),) = step.db.execute(_CLAIM, row).fetchall()
    step.moved[partition, queue] -= 1
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
