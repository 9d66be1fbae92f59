"""Lead attempts through their phases: opened, queued, claimed, kept alive, given back, ended.

An attempt ends in two ways: by a worker's result, or because its scope went on without it. In the second case a worker
may still be at work: its lease stays live until the worker or the clock says that it is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from avtomat.storage.memory.mail import deliver, put, unwind
from avtomat.storage.memory.reads import loaded_if_small
from avtomat.storage.memory.state import Attempt, Job, Letter, Partition, Phase, Queued, Scope
from avtomat.storage.port.answers import Handout, Revoked
from avtomat.storage.port.rules import (
    STRIDE,
    LeftScope,
    child_mail,
    earliest,
    job_of_task,
    late_mail,
    left_mail,
    packed_left,
    turns_after,
)
from avtomat.storage.port.store import STICKY_GRACE_MS
from avtomat.storage.port.writes import Dispatch, ResultCause, ScopeEnd, TaskRequest


def open_attempt(part: Partition, job: Job, scope: Scope, dispatch: Dispatch, now_ms: int) -> None:
    """Open an attempt of the scope's visit: delayed until its time, or in its queue at once."""
    source = _source(scope, dispatch)
    is_early = dispatch.not_before_ms is not None and dispatch.not_before_ms > now_ms
    is_free = dispatch.child is None and not is_early
    worker = part.sticky_worker(dispatch.sticky, now_ms) if is_free else None
    if worker is not None:
        dispatch, is_early = replace(dispatch, not_before_ms=now_ms + STICKY_GRACE_MS), True
    phase = Phase.DELAYED if is_early else Phase.QUEUED
    attempt = Attempt(
        task_id=dispatch.task_id,
        path=scope.path,
        visit=scope.visit,
        dispatch=dispatch,
        queue=source.queue,
        priority=source.priority,
        body=source.body or b"",
        phase=phase if dispatch.child is None else Phase.CHILD,
        since_ms=now_ms,
        total_at_ms=dispatch.total_at_ms,
        worker=worker if dispatch.child is None else dispatch.child.job,
    )
    if dispatch.requirements is not None:
        part.requirements[attempt.queue] = dispatch.requirements
    scope.task = scope.last = attempt
    job.attempts[attempt.task_id] = attempt
    if attempt.is_child:
        job.arm_attempt(attempt)
    elif is_early:
        part.reserve(job, attempt)
        job.arm_attempt(attempt)
    else:
        put_in_queue(part, job, attempt, now_ms)


def _source(scope: Scope, dispatch: Dispatch) -> Dispatch | Attempt:
    """From where body, queue and priority come: a retry has those of the attempt before."""
    if dispatch.body is not None:
        return dispatch
    if scope.last is None:
        raise ValueError(f"{dispatch.task_id}: a retry without an attempt before it must bring a body")
    return scope.last


def put_in_queue(part: Partition, job: Job, attempt: Attempt, now_ms: int) -> None:
    """Queue an attempt: at the end, or in the place that it had."""
    part.leased.pop(attempt.task_id, None)
    part.unreserve(attempt)
    attempt.phase, attempt.worker = Phase.QUEUED, None
    attempt.place = attempt.place or part.next_place(attempt.priority, now_ms)
    attempt.since_ms = now_ms
    attempt.queue_until_ms = None if attempt.dispatch.queue_ms is None else now_ms + attempt.dispatch.queue_ms
    part.enqueue(job, attempt)
    job.arm_attempt(attempt)


def end_by_result(part: Partition, job: Job, attempt: Attempt, result_hash: str, now_ms: int) -> None:
    """The worker's result is used, or kept as mail: a repeat of it will be known."""
    part.leased.pop(attempt.task_id, None)
    attempt.phase, attempt.why, attempt.hash, attempt.ended_ms = Phase.ENDED, "result", result_hash, now_ms
    job.scopes[attempt.path].task = None
    job.arm_attempt(attempt)


def kill(
    part: Partition, job: Job, attempt: Attempt, why: str, now_ms: int, left: LeftScope | None = None
) -> list[Revoked]:
    """End an attempt whose scope goes on without it. A worker that holds it is named, and its lease stays live; a child
    is told.

    `left` is the scope as it was, if a success that comes meanwhile still counts for its undo.
    """
    job.scopes[attempt.path].task = None
    if attempt.phase is Phase.CHILD:
        attempt.phase, attempt.why, attempt.ended_ms, attempt.holds = Phase.ENDED, why, now_ms, True
        job.arm_attempt(attempt)
        leave_child(part, attempt, why, now_ms)
        return []
    if attempt.phase is not Phase.LEASED:
        part.unqueue(job, attempt)
        part.unreserve(attempt)
        del job.attempts[attempt.task_id]
        job.due.pop(("task", attempt.task_id), None)
        return []
    del part.leased[attempt.task_id]
    attempt.phase, attempt.why, attempt.ended_ms = Phase.ENDED, why, now_ms
    attempt.holds = attempt.lease_until_ms > now_ms
    attempt.left = left if attempt.holds and attempt.dispatch.undoable else None
    job.arm_attempt(attempt)
    return [Revoked(task_id=attempt.task_id, worker=attempt.worker or "")]


def leave_child(part: Partition, attempt: Attempt, why: str, now_ms: int) -> None:
    """Tell a child that nobody waits for it any more."""
    child = part.jobs.get(attempt.worker or "")
    if child is not None:
        deliver(part, child, left_mail(why), now_ms)


def child_ended(part: Partition, task_id: str, end: ScopeEnd, now_ms: int) -> None:
    """A job ended that answers this attempt: it is the attempt's result, if the attempt is still open."""
    parent = part.jobs.get(job_of_task(task_id))
    attempt = None if parent is None else parent.attempts.get(task_id)
    if parent is None or attempt is None:
        return
    if attempt.is_open:
        end_by_result(part, parent, attempt, "", now_ms)
        left = end.output if end.error is None else end.error
        mail = child_mail(attempt.path, task_id, attempt.worker or "", end.status, left)
        put(parent, parent.scopes[attempt.path], Letter(mail=mail, order=part.next_order()), now_ms)
    elif attempt.holds:
        lease_seen_over(part, parent, attempt, now_ms)


def lease_seen_over(part: Partition, job: Job, attempt: Attempt, now_ms: int) -> None:
    """A dead attempt's worker spoke, or its lease ran out: nobody is at work on it any more."""
    attempt.holds, attempt.left = False, None
    job.arm_attempt(attempt)
    unwind(part, job, now_ms)


def end_late(part: Partition, job: Job, attempt: Attempt, cause: ResultCause, now_ms: int) -> None:
    """A dead attempt took effect: the root is mailed what its scope was, before it is told that no lease is live."""
    assert attempt.left is not None
    letter = Letter(mail=late_mail(attempt.task_id, packed_left(attempt.left), cause.event), order=part.next_order())
    attempt.why, attempt.hash, attempt.ended_ms = "result", cause.hash, now_ms
    put(job, job.root, letter, now_ms)
    lease_seen_over(part, job, attempt, now_ms)


# --- what workers do --------------------------------------------------------------------------------------------------


def poll(
    part: Partition,
    worker: str,
    queues: Sequence[str],
    nonce: str,
    max_tasks: int,
    lease_ms: int,
    strides: Mapping[str, int],
    now_ms: int,
    *,
    reserved: bool = False,
) -> list[Handout]:
    """Give out the first attempts of these queues, or once more what this nonce took."""
    held = [one for one in part.leased.values() if nonce and (one[1].worker, one[1].nonce) == (worker, nonce)]
    if held:
        return [_handout(job, attempt) for job, attempt in sorted(held, key=lambda pair: pair[1].place)]
    wanted = dict.fromkeys(queues)
    apart = part.reserved_for(worker, wanted)[:max_tasks] if reserved else []
    for job, attempt in apart:
        attempt.place = part.next_place(attempt.priority, now_ms)
        _claim(part, job, attempt, worker, nonce, lease_ms, now_ms)
    taken: list[Queued] = []
    max_tasks -= len(apart)
    while len(taken) < max_tasks:
        firsts = [first for queue in wanted if (first := part.first(queue)) is not None]
        if not firsts:
            break
        taken.append(min(firsts, key=Queued.place))
        _take(part, taken[-1], strides)
        _claim(part, *taken[-1], worker, nonce, lease_ms, now_ms)
    part.woken += [queue for queue in {attempt.queue for _, attempt in taken} if any(part.waiting(queue))]
    return [_handout(job, attempt) for job, attempt in (*apart, *taken)]


def grant(part: Partition, wanted: TaskRequest, now_ms: int) -> tuple[Handout, ...]:
    """Give a worker what it asked for beside its result; nobody is woken for what it takes."""
    taken = poll(
        part,
        wanted.worker,
        wanted.queues,
        wanted.nonce,
        wanted.max_tasks,
        wanted.lease_ms,
        wanted.strides,
        now_ms,
        reserved=wanted.reserved,
    )
    part.woken = [queue for queue in part.woken if any(part.waiting(queue))]
    return tuple(taken)


def _take(part: Partition, queued: Queued, strides: Mapping[str, int]) -> None:
    """Note that it was the client's turn, if others wait for the queue as well."""
    queue, client = queued.attempt.queue, queued.client
    if len(part.heads(queue)) > 1:
        part.turns[queue] = turns_after(part.turns.get(queue, {}), client, strides.get(client, STRIDE))


def _claim(part: Partition, job: Job, attempt: Attempt, worker: str, nonce: str, lease_ms: int, now_ms: int) -> None:
    dispatch = attempt.dispatch
    part.unqueue(job, attempt)
    part.unreserve(attempt)
    part.stick(dispatch.sticky, worker, now_ms)
    part.leased[attempt.task_id] = job, attempt
    attempt.phase, attempt.since_ms = Phase.LEASED, now_ms
    attempt.worker, attempt.nonce = worker, nonce
    attempt.lease_ms = dispatch.lease_ms or lease_ms
    attempt.lease_until_ms = now_ms + attempt.lease_ms
    attempt.attempt_until_ms = None if dispatch.attempt_ms is None else now_ms + dispatch.attempt_ms
    attempt.queue_until_ms = attempt.progress = None
    job.arm_attempt(attempt)


def _handout(job: Job, attempt: Attempt) -> Handout:
    deadline = earliest(("total", attempt.total_at_ms), ("attempt", attempt.attempt_until_ms))
    loaded = loaded_if_small(job, attempt.path)
    return Handout(
        task_id=attempt.task_id,
        job=job.new.job,
        path=attempt.path,
        visit=attempt.visit,
        attempt=attempt.dispatch.attempt,
        queue=attempt.queue,
        priority=attempt.priority,
        body=attempt.body,
        lease_until_ms=attempt.lease_until_ms,
        lease_ms=attempt.lease_ms,
        deadline_ms=None if deadline is None else deadline[1],
        view=lambda: loaded,
    )


def held(part: Partition, worker: str, task_id: str, now_ms: int) -> tuple[Job, Attempt] | None:
    """The attempt, if it is leased to this worker, or was when it died."""
    job = part.jobs.get(job_of_task(task_id))
    attempt = None if job is None else job.attempt(task_id, now_ms)
    if job is None or attempt is None or attempt.worker != worker or attempt.why == "result" or attempt.is_child:
        return None
    return None if attempt.phase in {Phase.DELAYED, Phase.QUEUED} else (job, attempt)


def heartbeat(part: Partition, worker: str, task_id: str, lease_ms: int, now_ms: int) -> bool:
    """Extend one lease; True when the worker should be told that its attempt is dead."""
    found = held(part, worker, task_id, now_ms)
    if found is None:
        return False
    job, attempt = found
    if attempt.phase is Phase.ENDED:
        return True
    span_ms = attempt.dispatch.lease_ms or lease_ms
    attempt.lease_until_ms = max(attempt.lease_until_ms, now_ms + span_ms)
    job.arm_attempt(attempt)
    return False


def release(part: Partition, worker: str, task_id: str, now_ms: int) -> None:
    """Give one attempt back unworked; for a dead one it says that its lease is over."""
    found = held(part, worker, task_id, now_ms)
    if found is None:
        return
    job, attempt = found
    if attempt.phase is Phase.ENDED:
        lease_seen_over(part, job, attempt, now_ms)
        return
    attempt.worker, attempt.nonce, attempt.progress = None, "", None
    attempt.attempt_until_ms = None
    put_in_queue(part, job, attempt, now_ms)
    unwind(part, job, now_ms)


def note_progress(part: Partition, worker: str, task_id: str, note: bytes, now_ms: int) -> bool:
    """Keep what a worker says about an attempt that it holds."""
    found = held(part, worker, task_id, now_ms)
    if found is None or found[1].phase is not Phase.LEASED:
        return False
    found[1].progress = note
    return True
