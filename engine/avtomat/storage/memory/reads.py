"""Read jobs as answers show them: scopes, rows, open tasks, pages of a listing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from avtomat.storage.memory.state import Attempt, Job, Partition, Phase, Scope
from avtomat.storage.port.answers import Below, Held, JobRow, Loaded, OpenTask, Page, Query
from avtomat.storage.port.rules import ROOT, UNDOING, LeftScope, cursor_of, earliest, parent_of, place_of
from avtomat.storage.port.store import LOADED_BYTES_MAX

TASKS_SHOWN_MAX = 1_000


def load(job: Job, path: str, task_id: str | None, now_ms: int) -> Loaded | None:
    """The scope at `path` or of an attempt; None for what is unknown."""
    if task_id is not None:
        attempt = job.attempt(task_id, now_ms)
        return None if attempt is None else loaded(job, attempt.path)
    return loaded(job, path) if _is_known(job, path) else None


def _is_known(job: Job, path: str) -> bool:
    if path in job.scopes:
        return True
    parent, number, index = parent_of(path)
    join = job.joins.get((parent, number))
    return join is not None and not join.closed and 0 <= index < join.fork.total


def loaded(job: Job, path: str) -> Loaded:
    """The scope as it is kept; version 0 for one that has not begun or is closed."""
    scope = job.scopes.get(path)
    unwinds = job.status in UNDOING and path == ROOT and job.undos
    return Loaded(
        job=job.new.job,
        path=path,
        version=0 if scope is None else scope.version,
        digest=job.new.digest,
        head=job.new.head,
        status=job.status,
        client=job.new.client,
        deadline_ms=job.deadline_ms,
        updated_ms=job.updated_ms,
        scope=None if scope is None else scope.record,
        environment=_environment(job, path),
        undo=next(reversed(job.undos.items())) if unwinds else None,
        labels=job.labels,
    )


def loaded_if_small(job: Job, path: str) -> Loaded | None:
    """The scope, unless it is too large to go along with a task or a due member."""
    scope = loaded(job, path)
    size = sum(len(part or b"") for part in (scope.scope, scope.head, scope.environment))
    return scope if size <= LOADED_BYTES_MAX else None


def _environment(job: Job, path: str) -> bytes | None:
    if path == ROOT:
        return None
    parent, number, _ = parent_of(path)
    join = job.joins.get((parent, number))
    return None if join is None or join.closed else join.fork.environment


def left_scope(job: Job, scope: Scope) -> LeftScope:
    """The scope as it is now, for when an attempt that is taken from it is heard of later."""
    environment = None
    if scope.path != ROOT:
        parent, number, _ = parent_of(scope.path)
        environment = job.joins[parent, number].fork.environment
    return LeftScope(path=scope.path, version=scope.version, record=scope.record or b"", environment=environment)


def outputs(job: Job, path: str, number: int, wanted: Sequence[int]) -> list[bytes | None]:
    """What these scopes of a fork ended with; None where nothing is kept."""
    join = job.joins.get((path, number))
    return [None if join is None else join.outputs.get(index) for index in wanted]


def below(job: Job, path: str, number: int, limit: int) -> Below | None:
    """How far a fork is; None for one that is unknown or closed."""
    join = job.joins.get((path, number))
    if join is None or join.closed or job.is_ended:
        return None
    begun = sorted(one for one in job.scopes if one != ROOT and parent_of(one)[:2] == (path, number))
    return Below(
        total=join.fork.total,
        begun=join.begun,
        live=join.live,
        ok=join.ok,
        failed=join.failed,
        paths=tuple(begun[:limit]),
    )


def held(job: Job, limit: int) -> list[Held]:
    """Dead attempts that workers may still be at."""
    found = sorted(attempt.task_id for attempt in job.attempts.values() if attempt.holds)
    return [_held(job.attempts[task_id]) for task_id in found[:limit]]


def _held(attempt: Attempt) -> Held:
    return Held(task_id=attempt.task_id, worker=attempt.worker or "", until_ms=attempt.lease_until_ms or 0)


# --- rows -------------------------------------------------------------------------------------------------------------


def row(job: Job, attempts: Iterable[Attempt]) -> JobRow:
    """The job as a listing shows it, with these open attempts."""
    return JobRow(
        job=job.new.job,
        client=job.new.client,
        blueprint=job.new.blueprint,
        digest=job.new.digest,
        status=job.status,
        state=job.state,
        head=job.new.head,
        scope=job.root.record,
        created_ms=job.created_ms,
        updated_ms=job.updated_ms,
        finished_ms=job.finished_ms,
        deadline_ms=job.deadline_ms,
        seq=job.seq,
        result=job.result,
        error=job.error,
        reason=job.reason,
        labels=job.labels,
        body_hash=job.new.body_hash,
        tasks=tuple(_open_task(job, attempt) for attempt in attempts),
    )


def short_row(job: Job) -> JobRow:
    """The row with the root's open task."""
    return row(job, [] if job.root.task is None else [job.root.task])


def full_row(job: Job) -> JobRow:
    """The row with the open tasks of every scope, by path."""
    attempts = sorted((one for one in job.attempts.values() if one.is_open), key=lambda one: one.path)
    return row(job, attempts[:TASKS_SHOWN_MAX])


def _open_task(job: Job, attempt: Attempt) -> OpenTask:
    is_parked = job.is_parked and attempt.phase is Phase.QUEUED
    is_leased = attempt.phase is Phase.LEASED
    return OpenTask(
        task_id=attempt.task_id,
        path=attempt.path,
        visit=attempt.visit,
        attempt=attempt.dispatch.attempt,
        queue=attempt.queue,
        phase="parked" if is_parked else attempt.phase.value,
        since_ms=attempt.since_ms,
        worker=attempt.worker,
        lease_until_ms=attempt.lease_until_ms if is_leased else None,
        due_ms=_due_ms(attempt),
        progress=attempt.progress,
    )


def _due_ms(attempt: Attempt) -> int | None:
    if attempt.phase is Phase.DELAYED:
        return attempt.dispatch.not_before_ms
    limits = ("total", attempt.total_at_ms), ("attempt", attempt.attempt_until_ms), ("queue", attempt.queue_until_ms)
    deadline = earliest(*limits)
    return None if deadline is None else deadline[1]


# --- listings ---------------------------------------------------------------------------------------------------------


def page(partitions: Iterable[Partition], query: Query) -> Page:
    """One page, newest first."""
    jobs = [job for part in partitions for job in part.jobs.values() if _fits(job, query)]
    jobs.sort(key=_place, reverse=True)
    shown = jobs[: query.limit]
    cursor = cursor_of(*_place(shown[-1])) if shown and len(jobs) > len(shown) else None
    return Page(rows=tuple(short_row(job) for job in shown), cursor=cursor)


def _place(job: Job) -> tuple[int, str]:
    return job.created_ms, job.new.job


def _fits(job: Job, query: Query) -> bool:
    wanted = (query.client, job.new.client), (query.status, job.status), (query.blueprint, job.new.blueprint)
    is_later = query.cursor is None or _place(job) < place_of(query.cursor)
    return is_later and all(word is None or word == own for word, own in wanted)


def counts(partitions: Iterable[Partition]) -> dict[str, int]:
    """Numbers for metrics: open jobs by status, leases, due members, queued tasks."""
    numbers = dict.fromkeys(
        ("open", "paused", "quarantined", "compensating", "finishing", "leases", "due", "outbox"), 0
    )
    for part in partitions:
        numbers["outbox"] += len(part.outbox)
        numbers["leases"] += len(part.leased)
        for job in part.open.values():
            numbers[job.status] += 1
            numbers["due"] += len(job.due)
        for queue, lines in part.queues.items():
            numbers[f"queue:{queue}"] = numbers.get(f"queue:{queue}", 0) + sum(map(len, lines.values()))
    return numbers
