"""Judge whether a cause still counts, and write what one decision changes.

The order of the checks is that of `Outcome`. Everything here happens in one step: nothing else runs in between.
"""

from __future__ import annotations

from dataclasses import dataclass

from avtomat.storage.memory.attempts import end_by_result, end_late, kill, lease_seen_over, open_attempt
from avtomat.storage.memory.joins import close, scope_ended, start_fork
from avtomat.storage.memory.mail import (
    find,
    forget_in_vain,
    give_up_result,
    operators,
    put,
    send,
    send_away,
    stop_waiting,
    take,
    unwind,
    wait_for,
)
from avtomat.storage.memory.reads import left_scope, loaded
from avtomat.storage.memory.state import Attempt, Job, Letter, Member, Partition, Phase, Scope
from avtomat.storage.port.answers import Committed, Created, HistoryEntry, Outcome, Revoked
from avtomat.storage.port.rules import (
    LOST_REASONS,
    PARKED,
    ROOT,
    LeftScope,
    cause_word,
    partition_of,
    result_mail,
)
from avtomat.storage.port.writes import Cause, DueCause, HeadChange, MailCause, NewJob, ResultCause, ScopeEnd, Writes

TASK_LIMITS = frozenset({"queue", "attempt", "lease", "total"})
STAYS = frozenset({"lease", "begin", "start"})
"""Members that a commit alone answers: without them nothing would move what they stand for."""


def create(part: Partition, new: NewJob, now_ms: int) -> Created:
    """Write a job with the first write-set of its root; a key or an id that is known changes nothing."""
    known = part.jobs.get(new.job if new.key is None else part.keys.get((new.client, new.key), new.job))
    if known is not None:
        is_same = known.new.job == new.job
        return Created(job=known.new.job, fresh=is_same, body_hash=known.new.body_hash)
    job = part.jobs[new.job] = part.open[new.job] = Job(new=new, created_ms=now_ms, search=dict(new.search))
    job.scopes[ROOT] = Scope(path=ROOT)
    if new.key is not None:
        part.keys[new.client, new.key] = new.job
    _set_deadline(job, new.deadline_ms or 0)
    if new.start_ms is not None:
        job.arm("start", ROOT, 0, new.start_ms)
    written = _write(part, job, ROOT, "create", new.writes, now_ms)
    job.created_ms = job.updated_ms
    return Created(job=new.job, fresh=True, body_hash=new.body_hash, begins=written.begins, mailed=written.mailed)


def commit(part: Partition, job: Job, path: str, version: int, cause: Cause, writes: Writes, now_ms: int) -> Committed:
    """Write a decision if its cause still counts, its job may move, and its scope is as it was."""
    job.mailed = False
    judged = _judge(part, job, path, cause, now_ms)
    if isinstance(judged, Committed):
        return judged
    if job.is_parked and not _passes_parked(judged):
        if isinstance(judged, Attempt) and isinstance(cause, ResultCause):
            _keep_result(part, job, judged, cause, now_ms)
        return Committed(outcome=Outcome.PARKED)
    known = job.scopes.get(path)
    if (0 if known is None else known.version) != version:
        return Committed(outcome=Outcome.MOVED, loaded=loaded(job, path))
    word = cause_word(cause, judged.dispatch.attempt if isinstance(judged, Attempt) else 0)
    _use_up(part, job, path, judged, cause, now_ms)
    return _write(part, job, path, word, writes, now_ms)


# --- does the cause count? --------------------------------------------------------------------------------------------


def _judge(part: Partition, job: Job, path: str, cause: Cause, now_ms: int) -> Committed | Attempt | Letter | Member:
    """What the cause stands for, or the answer when it does not count."""
    match cause:
        case ResultCause():
            return _judge_result(part, job, path, cause, now_ms)
        case MailCause():
            found: Letter | Member | None = _letter(job, path, cause.id)
        case DueCause():
            found = _member(job, path, cause)
    return Committed(outcome=Outcome.UNKNOWN) if found is None else found


def _judge_result(part: Partition, job: Job, path: str, cause: ResultCause, now_ms: int) -> Committed | Attempt:
    attempt = job.attempt(cause.task_id, now_ms)
    if attempt is None or attempt.path != path:
        return Committed(outcome=Outcome.UNKNOWN)
    if attempt.why == "result":
        is_same = (attempt.worker, attempt.hash) == (cause.worker, cause.hash)
        return Committed(outcome=Outcome.DUPLICATE if is_same else Outcome.MISMATCH)
    if attempt.phase in {Phase.DELAYED, Phase.QUEUED}:
        return Committed(outcome=Outcome.LOST, reason="released")
    if attempt.worker != cause.worker:
        return Committed(outcome=Outcome.MISMATCH)
    if attempt.phase is Phase.LEASED:
        return attempt
    if attempt.left is not None and cause.success:
        end_late(part, job, attempt, cause, now_ms)
        return Committed(outcome=Outcome.LATE, mailed=job.mailed)
    lease_seen_over(part, job, attempt, now_ms)
    outcome = Outcome.LOST if attempt.why in LOST_REASONS else Outcome.CLOSED
    return Committed(outcome=outcome, reason=attempt.why, mailed=job.mailed)


def _letter(job: Job, path: str, mail_id: str) -> Letter | None:
    scope = job.scopes.get(path)
    return None if scope is None else find(scope, mail_id)


def _member(job: Job, path: str, cause: DueCause) -> Member | None:
    """The member that was given out; `begin` is known from the commit that made it, too."""
    if cause.kind == "mail":
        return None
    member = job.due.get(_slot(job, path, cause.kind))
    if member is None or (member.kind, member.number) != (cause.kind, cause.number):
        return None
    return member if member.returned or member.kind == "begin" else None


def _slot(job: Job, path: str, kind: str) -> tuple[str, str]:
    scope = job.scopes.get(path)
    if kind in TASK_LIMITS and scope is not None and scope.task is not None:
        return "task", scope.task.task_id
    return kind, path


def _passes_parked(judged: Attempt | Letter | Member) -> bool:
    match judged:
        case Letter(mail=mail):
            return operators(mail)
        case Member(kind=kind):
            return kind == "deadline"
        case Attempt():
            return False


def _keep_result(part: Partition, job: Job, attempt: Attempt, cause: ResultCause, now_ms: int) -> None:
    """The worker may be told that its result is accepted: it waits as mail until the job goes on."""
    end_by_result(part, job, attempt, cause.hash, now_ms)
    mail, scope = result_mail(attempt.path, cause, undoable=attempt.dispatch.undoable), job.scopes[attempt.path]
    scope.kept = Letter(mail=mail, order=part.next_order())
    put(job, scope, scope.kept, now_ms)


def _use_up(part: Partition, job: Job, path: str, judged: Attempt | Letter | Member, cause: Cause, now_ms: int) -> None:
    match judged:
        case Letter():
            take(job, job.scopes[path], judged, now_ms)
        case Attempt():
            assert isinstance(cause, ResultCause)
            end_by_result(part, job, judged, cause.hash, now_ms)
        case Member():
            _pass_limit(job, path, judged)


def _pass_limit(job: Job, path: str, member: Member) -> None:
    """A member is answered. Of an attempt that stays open the next limit counts; a lease comes back."""
    if member.kind not in TASK_LIMITS:
        del job.due[member.kind, path]
        return
    task = job.scopes[path].task
    assert task is not None
    match member.kind:
        case "queue":
            task.queue_until_ms = None
        case "attempt":
            task.attempt_until_ms = None
        case "total":
            task.total_at_ms = None
    job.arm_attempt(task)


# --- writing ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Written:
    """What a step gathers for its answer, beside `Job.mailed`."""

    begins: tuple[str, ...] = ()
    revoked: tuple[Revoked, ...] = ()


def _write(part: Partition, job: Job, path: str, word: str, writes: Writes, now_ms: int) -> Committed:
    scope = job.scopes.setdefault(path, Scope(path=path))
    left = None if is_end_of_job(path, writes) or writes.settled else left_scope(job, scope)
    _append(part, job, path, word, writes.record, writes.at_ms, now_ms)
    scope.version += 1
    scope.record, scope.visit = writes.scope, writes.visit
    if path == ROOT and writes.state:
        job.state = writes.state
    for name, kept in writes.values.items():
        job.values.setdefault(name, kept)
    _record_undo(job, writes)
    if writes.head is not None:
        _change_head(part, job, writes.head)
    written = _replace_waiting(part, job, scope, writes, left, now_ms)
    if writes.end is not None:
        _end(part, job, path, writes.end, writes.dead_because, written, now_ms)
    mailed = job.mailed
    for post in writes.posts:
        if partition_of(post.job) == part.number:
            send(part, post, now_ms)
        else:
            send_away(part, post)
    job.mailed = mailed
    unwind(part, job, now_ms)
    return Committed(
        outcome=Outcome.OK,
        version=scope.version,
        seq=job.seq,
        begins=written.begins,
        revoked=written.revoked,
        mailed=job.mailed,
    )


def is_end_of_job(path: str, writes: Writes) -> bool:
    """Whether the job ends with this write-set: nothing of it is undone any more."""
    return path == ROOT and writes.end is not None


def _append(part: Partition, job: Job, path: str, word: str, record: bytes, at_ms: int, now_ms: int) -> None:
    job.seq += 1
    job.updated_ms = max(job.updated_ms, min(at_ms or now_ms, now_ms))
    entry = HistoryEntry(job=job.new.job, seq=job.seq, at_ms=job.updated_ms, path=path, cause=word, record=record)
    if part.keeps_history:
        job.history.append(entry)
    else:
        part.outbox.append((part.next_order(), entry))
    part.changed.append(job.new.job)


def _record_undo(job: Job, writes: Writes) -> None:
    if writes.undone_seq is not None:
        job.undos.pop(writes.undone_seq, None)
    if writes.undo is not None:
        job.undos[job.seq] = writes.undo


def _change_head(part: Partition, job: Job, change: HeadChange) -> None:
    if change.status is not None:
        _set_status(part, job, change.status)
    if change.status is not None or change.reason is not None:
        job.reason = change.reason
    if change.deadline_ms is not None:
        _set_deadline(job, change.deadline_ms)
    if change.search is not None:
        job.search = dict(change.search)
    if change.labels is not None:
        job.labels = change.labels


def _set_status(part: Partition, job: Job, status: str) -> None:
    """Change between the open statuses. A job that goes on brings its queued tasks back to where they were."""
    was_parked, job.status = job.is_parked, status
    if status == "compensating" and job.compensation is None:
        job.compensation = job.seq
    if status == "open":
        job.compensation, job.unwound = None, False
    if was_parked and status not in PARKED:
        part.woken += [attempt.queue for attempt in job.attempts.values() if attempt.phase is Phase.QUEUED]


def _set_deadline(job: Job, deadline_ms: int) -> None:
    job.deadline_ms = deadline_ms or None
    job.due.pop(("deadline", ROOT), None)
    if deadline_ms:
        job.arm("deadline", ROOT, 0, deadline_ms)


def _replace_waiting(
    part: Partition, job: Job, scope: Scope, writes: Writes, left: LeftScope | None, now_ms: int
) -> _Written:
    """What the scope waited for goes, what lies below it is closed, and what it waits for now is set. `left` is what
    the scope was, if its attempt may be heard of later.
    """
    revoked: list[Revoked] = []
    if scope.task is not None and (not writes.keeps_task or writes.dispatch is not None):
        revoked += kill(part, job, scope.task, writes.dead_because, now_ms, left)
    if not writes.keeps_task or writes.timer_ms is not None:
        job.due.pop(("timer", scope.path), None)
    if not writes.keeps_task or writes.signal is not None:
        give_up_result(part, job, scope, left, now_ms)
        stop_waiting(job, scope, now_ms)
    for fork in writes.close:
        revoked += close(part, job, fork, writes.dead_because, now_ms, ends=is_end_of_job(scope.path, writes))
    if writes.dispatch is not None:
        open_attempt(part, job, scope, writes.dispatch, now_ms)
    elif not writes.keeps_task:
        scope.last = None
    if writes.timer_ms is not None:
        job.arm("timer", scope.path, writes.visit, writes.timer_ms)
    if writes.signal is not None:
        wait_for(part, job, scope, writes.signal, now_ms)
    begins = () if writes.fork is None else start_fork(part, job, scope.path, writes.fork, now_ms)
    return _Written(begins=tuple(begins), revoked=tuple(revoked))


def _end(
    part: Partition, job: Job, path: str, end: ScopeEnd, dead_because: str, written: _Written, now_ms: int
) -> None:
    """Close the scope; below the root its end counts at its join, the root's end is the job's."""
    revoked = close(part, job, path, dead_because, now_ms, ends=path == ROOT)
    written.revoked += tuple(revoked)
    written.begins = ()
    if path == ROOT:
        _end_job(part, job, end)
    else:
        written.begins = tuple(scope_ended(part, job, path, end, now_ms))


def _end_job(part: Partition, job: Job, end: ScopeEnd) -> None:
    job.status, job.result, job.error, job.finished_ms = end.status, end.output, end.error, job.updated_ms
    job.root.mail, job.root.wait, job.root.last, job.root.kept = [], None, None, None
    job.signals, job.undos = [], {}
    for attempt in job.attempts.values():
        attempt.holds, attempt.left = False, None
    job.due = {}
    del part.open[job.new.job]


# --- without a decision -----------------------------------------------------------------------------------------------


def quarantine(
    part: Partition, job: Job, path: str, cause: Cause | None, reason: bytes, record: bytes, now_ms: int
) -> None:
    """Park an open job. Its cause is kept until the job goes on; one that parked jobs are given, too, is used up."""
    judged = None if cause is None else _judge(part, job, path, cause, now_ms)
    if job.status != "quarantined":
        _append(part, job, path, "quarantine", record, 0, now_ms)
        job.reason = reason
        _set_status(part, job, "quarantined")
    if isinstance(judged, Attempt) and isinstance(cause, ResultCause):
        _keep_result(part, job, judged, cause, now_ms)
    elif isinstance(judged, Letter) and not operators(judged.mail):
        judged.returned = 0
        job.arm("mail", path, 0, now_ms)
    elif isinstance(judged, Member) and judged.kind != "deadline":
        judged.at_ms, judged.returned = now_ms, 0
    elif cause is not None and isinstance(judged, Letter | Member):
        _use_up(part, job, path, judged, cause, now_ms)


def dismiss(job: Job, path: str, cause: MailCause | DueCause, now_ms: int) -> None:
    """Answer what changes nothing. What only a commit can answer stays."""
    if isinstance(cause, MailCause):
        letter = _letter(job, path, cause.id)
        if letter is not None:
            take(job, job.scopes[path], letter, now_ms)
            forget_in_vain(job, letter.mail)
    elif cause.kind not in STAYS:
        member = _member(job, path, cause)
        if member is not None:
            _pass_limit(job, path, member)
