"""Judge whether a cause still counts, in the order of `Outcome`, and use it up: commit, quarantine, dismiss.

What a closing has left to `sweep` is looked at as if it were gone already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, assert_never

from avtomat.storage.port.answers import Committed, Outcome
from avtomat.storage.port.rules import LOST_REASONS, ROOT, cause_word, late_mail, partition_of, result_mail
from avtomat.storage.port.store import OPERATOR_MAIL
from avtomat.storage.port.writes import Cause, DueCause, Mail, MailCause, ResultCause, TaskRequest, Writes
from avtomat.storage.sqlite import attempts
from avtomat.storage.sqlite.attempts import Attempt
from avtomat.storage.sqlite.claims import grant
from avtomat.storage.sqlite.commit import append, write
from avtomat.storage.sqlite.head import set_status
from avtomat.storage.sqlite.mail import Letter, arm, disarm, find_mail, forget_in_vain, put, take, unwind
from avtomat.storage.sqlite.scopes import Spot, fence, find, is_closed, loaded, packed
from avtomat.storage.sqlite.writer import Step

TASK_LIMITS: Final = frozenset({"queue", "attempt", "lease", "total"})
STAYS: Final = frozenset({"lease", "begin", "start"})
"""Members that a commit alone answers: without them nothing would move what they stand for."""

_MEMBER: Final = "SELECT kind, number, returned FROM due WHERE n = ? AND path = ? AND slot = ?"
_AGAIN: Final = "UPDATE due SET at_ms = ?, returned = 0 WHERE n = ? AND path = ? AND slot = ?"
_UNRETURNED: Final = "UPDATE mail SET returned = 0 WHERE arrived = ?"
_NO_TASK: Final = "UPDATE scopes SET task_id = NULL WHERE n = ? AND path = ?"
_KEPT: Final = """
UPDATE scopes SET task_id = NULL, signal_place = coalesce(signal_place, 0) WHERE n = ? AND path = ?"""
_MOVE: Final = "UPDATE jobs SET seq = ?, updated_ms = ? WHERE n = ?"
_PASS: Final = {
    "queue": "UPDATE attempts SET queue_at_ms = NULL WHERE task_id = ?",
    "attempt": "UPDATE attempts SET attempt_at_ms = NULL WHERE task_id = ?",
    "total": "UPDATE attempts SET total_at_ms = NULL WHERE task_id = ?",
}


@dataclass(slots=True)
class Member:
    """A due member that counts as a cause."""

    kind: str
    slot: str


Judged = Attempt | Letter | Member


def commit(
    step: Step, job: str, path: str, version: int, cause: Cause, writes: Writes, wanted: TaskRequest | None
) -> Committed:
    """See `Store.commit`."""
    answer = _commit(step, job, path, version, cause, writes)
    if wanted is None or answer.outcome is Outcome.MOVED:
        return answer
    return replace(answer, handouts=grant(step, partition_of(job), wanted))


def _commit(step: Step, job: str, path: str, version: int, cause: Cause, writes: Writes) -> Committed:
    spot = find(step.db, job, path)
    if spot is None:
        return Committed(outcome=Outcome.UNKNOWN)
    judged = _judge(step, spot, cause)
    if isinstance(judged, Committed):
        return judged
    if spot.parked and not _passes_parked(judged):
        if isinstance(judged, Attempt) and isinstance(cause, ResultCause):
            _keep_result(step, spot, judged, cause)
        return Committed(outcome=Outcome.PARKED)
    if spot.version != version:
        return Committed(outcome=Outcome.MOVED, loaded=loaded(step.db, job, path))
    word = cause_word(cause, judged.attempt if isinstance(judged, Attempt) else 0)
    _use_up(step, spot, judged, cause)
    return write(step, spot, word, writes)


def quarantine(step: Step, job: str, path: str, cause: Cause | None, reason: bytes, record: bytes) -> bool:
    """See `Store.quarantine`."""
    spot = find(step.db, job, path)
    if spot is None or spot.ended:
        return False
    judged = None if cause is None else _judge(step, spot, cause)
    if spot.status != "quarantined":
        append(step, spot, "quarantine", record, 0)
        step.db.execute(_MOVE, (spot.seq, spot.updated_ms, spot.n))
        set_status(step, spot, "quarantined", reason)
    if cause is not None and judged is not None and not isinstance(judged, Committed):
        _put_off(step, spot, judged, cause)
    return True


def dismiss(step: Step, job: str, path: str, cause: MailCause | DueCause) -> None:
    """See `Store.dismiss`."""
    spot = find(step.db, job, path)
    if spot is None or (isinstance(cause, DueCause) and cause.kind in STAYS):
        return
    judged = _judge(step, spot, cause)
    if not isinstance(judged, Committed):
        _use_up(step, spot, judged, cause)
        if isinstance(cause, MailCause) and isinstance(judged, Letter):
            forget_in_vain(step, spot, Mail(id=cause.id, kind=judged.kind, body=b""))


# --- does the cause count? --------------------------------------------------------------------------------------------


def _judge(step: Step, spot: Spot, cause: Cause) -> Committed | Judged:
    """What the cause stands for, or the answer when it does not count."""
    if isinstance(cause, ResultCause):
        return _judge_result(step, spot, cause)
    found: Judged | None = None
    if not is_closed(step.db, spot):
        found = find_mail(step.db, spot, cause.id) if isinstance(cause, MailCause) else _member(step, spot, cause)
    return Committed(outcome=Outcome.UNKNOWN) if found is None else found


def _judge_result(step: Step, spot: Spot, cause: ResultCause) -> Committed | Attempt:
    attempt = attempts.get(step.db, cause.task_id, step.now)
    if attempt is None or attempt.n != spot.n or attempt.path != spot.path:
        return Committed(outcome=Outcome.UNKNOWN)
    if attempt.why == "result":
        is_same = (attempt.worker, attempt.hash) == (cause.worker, cause.hash)
        return Committed(outcome=Outcome.DUPLICATE if is_same else Outcome.MISMATCH)
    if attempt.phase in {"delayed", "queued", "parked"}:
        return Committed(outcome=Outcome.LOST, reason="released")
    if attempt.worker != cause.worker or attempt.is_child:
        return Committed(outcome=Outcome.MISMATCH)
    if attempt.phase != "leased":
        left = attempts.left_behind(step.db, attempt) if cause.success else None
        return (
            _dead(step, spot, attempt, attempt.why or "") if left is None else _late(step, spot, attempt, left, cause)
        )
    why = _unswept(step, spot)
    if why is None:
        return attempt
    if attempt.undoable and cause.success and not spot.ended:
        return _late_unswept(step, spot, attempt, cause)
    return _dead(step, spot, attempt, why)


def _unswept(step: Step, spot: Spot) -> str | None:
    """Why an attempt that is still leased is closed, if only `sweep` has not come by yet."""
    if spot.ended:
        return "ended"
    return None if spot.path == ROOT else fence(step.db, spot.n, spot.path)


def _dead(step: Step, spot: Spot, attempt: Attempt, why: str) -> Committed:
    """The worker of a dead attempt was heard of."""
    attempts.let_go(step, attempt)
    unwind(step, spot)
    outcome = Outcome.LOST if why in LOST_REASONS else Outcome.CLOSED
    return Committed(outcome=outcome, reason=why, mailed=spot.mailed)


def _late(step: Step, spot: Spot, attempt: Attempt, left: bytes, cause: ResultCause) -> Committed:
    """A dead attempt took effect: the root is mailed what its scope was, before it is told that no lease is live."""
    attempts.use_late(step, attempt, cause.hash)
    put(step, spot, ROOT, late_mail(attempt.task_id, left, cause.event))
    unwind(step, spot)
    return Committed(outcome=Outcome.LATE, mailed=spot.mailed)


def _late_unswept(step: Step, spot: Spot, attempt: Attempt, cause: ResultCause) -> Committed:
    """The same where the scope is behind a fence, and only `sweep` has not come by yet."""
    left = packed(step.db, spot)
    attempts.use(step, spot, attempt.task_id, cause.hash)
    attempts.disarm_attempt(step, spot)
    step.db.execute(_NO_TASK, (spot.n, spot.path))
    put(step, spot, ROOT, late_mail(attempt.task_id, left, cause.event))
    unwind(step, spot)
    return Committed(outcome=Outcome.LATE, mailed=spot.mailed)


def _member(step: Step, spot: Spot, cause: DueCause) -> Member | None:
    """The member that was given out; `begin` is known from the commit that made it, too."""
    if cause.kind == "mail":
        return None
    slot = "task" if cause.kind in TASK_LIMITS else cause.kind
    row = step.db.execute(_MEMBER, (spot.n, spot.path, slot)).fetchone()
    if row is None or row[:2] != (cause.kind, cause.number) or not (row[2] or cause.kind == "begin"):
        return None
    return Member(cause.kind, slot)


def _passes_parked(judged: Judged) -> bool:
    match judged:
        case Letter(kind=kind):
            return kind in OPERATOR_MAIL
        case Member(kind=kind):
            return kind == "deadline"
        case Attempt():
            return False
    assert_never(judged)


# --- what becomes of it -----------------------------------------------------------------------------------------------


def _use_up(step: Step, spot: Spot, judged: Judged, cause: Cause) -> None:
    match judged:
        case Letter(arrived=arrived):
            take(step, spot, arrived)
        case Attempt(task_id=task_id):
            assert isinstance(cause, ResultCause)
            attempts.use(step, spot, task_id, cause.hash)
        case Member(kind=kind, slot=slot):
            _pass_limit(step, spot, kind, slot)


def _pass_limit(step: Step, spot: Spot, kind: str, slot: str) -> None:
    """A member is answered. Of an attempt that stays open the next limit counts; a lease comes back."""
    if slot != "task":
        disarm(step, spot, spot.path, slot)
    elif kind != "lease":
        assert spot.task_id is not None
        step.db.execute(_PASS[kind], (spot.task_id,))
        attempt = attempts.get(step.db, spot.task_id, step.now)
        assert attempt is not None
        attempts.arm_attempt(step, attempt)


def _keep_result(step: Step, spot: Spot, attempt: Attempt, cause: ResultCause) -> None:
    """The worker may be told that its result is accepted: it waits as mail until the job goes on."""
    attempts.use(step, spot, cause.task_id, cause.hash)
    attempts.disarm_attempt(step, spot)
    step.db.execute(_KEPT, (spot.n, spot.path))
    put(step, spot, spot.path, result_mail(spot.path, cause, undoable=bool(attempt.undoable)))


def _put_off(step: Step, spot: Spot, judged: Judged, cause: Cause) -> None:
    """The cause of a quarantine is kept until the job goes on; one that parked jobs are given, too, is used up."""
    match judged:
        case Attempt():
            assert isinstance(cause, ResultCause)
            _keep_result(step, spot, judged, cause)
        case Letter(arrived=arrived, kind=kind) if kind not in OPERATOR_MAIL:
            step.db.execute(_UNRETURNED, (arrived,))
            arm(step, spot, spot.path, "mail", step.now)
        case Member(kind=kind, slot=slot) if kind != "deadline":
            step.db.execute(_AGAIN, (step.now, spot.n, spot.path, slot))
        case _:
            _use_up(step, spot, judged, cause)
