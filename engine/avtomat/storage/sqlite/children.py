"""Join jobs with the attempts of other jobs that they answer: how a child's end gets up, and a parent's word down."""

from __future__ import annotations

from typing import Final

from avtomat.storage.port.rules import child_mail, job_of_task, left_mail
from avtomat.storage.port.writes import ScopeEnd
from avtomat.storage.sqlite import attempts
from avtomat.storage.sqlite.mail import deliver, put, unwind
from avtomat.storage.sqlite.scopes import Spot, find, is_closed
from avtomat.storage.sqlite.writer import Step

_ANSWERED: Final = "DELETE FROM answers WHERE n = ? RETURNING task_id"
_NO_TASK: Final = "UPDATE scopes SET task_id = NULL WHERE n = ? AND path = ?"
_VOID: Final = "UPDATE attempts SET phase = 'ended', why = 'ended', ended_ms = ? WHERE task_id = ?"


def ended(step: Step, child: Spot, end: ScopeEnd) -> None:
    """A job that another one began has ended: that is the result of its attempt, if that is open still."""
    rows = step.db.execute(_ANSWERED, (child.n,)).fetchall()
    attempt = attempts.get(step.db, rows[0][0], step.now) if rows else None
    parent = None if attempt is None else find(step.db, job_of_task(attempt.task_id), attempt.path)
    if attempt is None or parent is None:
        return
    if attempt.phase == "held":
        attempts.let_go(step, attempt)
    elif is_closed(step.db, parent):  # and `sweep` has not come by yet
        step.db.execute(_VOID, (step.now, attempt.task_id))
    elif attempt.phase == "child":
        attempts.use_child(step, attempt)
        attempts.disarm_attempt(step, parent)
        step.db.execute(_NO_TASK, (parent.n, parent.path))
        left = end.output if end.error is None else end.error
        put(step, parent, parent.path, child_mail(parent.path, attempt.task_id, child.job, end.status, left))
    unwind(step, parent)


def tell(step: Step) -> None:
    """Tell the children that nobody waits for any more."""
    while step.left:
        job, why = step.left.popitem()
        deliver(step, job, left_mail(why))
