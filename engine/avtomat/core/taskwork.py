"""Say what is true of any task, a state's or an undo's: its times, and what an ended attempt means."""

from __future__ import annotations

from typing import assert_never

from avtomat.core.messages import LeaseLost, Limit, TaskFailed, TaskTimedOut
from avtomat.core.model import Error, TaskLimits
from avtomat.core.program import Timeouts
from avtomat.core.walk import Names, Walk

_TIMEOUTS = {
    Limit.QUEUE: ("NO_WORKER", "no worker took the task within its queue timeout"),
    Limit.ATTEMPT: ("TIMEOUT_ERROR", "the attempt took longer than its timeout"),
    Limit.TOTAL: ("TIMEOUT_ERROR", "the task with all its attempts took longer than its total timeout"),
}


def task_limits(walk: Walk, timeouts: Timeouts, names: Names) -> TaskLimits:
    """The times of this visit; the total one begins now."""
    total = walk.render_span(timeouts.total, names)
    return TaskLimits(
        queue=walk.render_span(timeouts.queue, names),
        attempt=walk.render_span(timeouts.attempt, names),
        heartbeat=walk.render_span(timeouts.heartbeat, names),
        total_at=None if total is None else walk.now + total,
    )


def error_of_attempt(event: TaskFailed | LeaseLost | TaskTimedOut) -> Error:
    """The error that an attempt ended with; its state and number are the caller's."""
    match event:
        case TaskFailed(code=code, message=message, details=details):
            return Error(code=code, message=message, details=details)
        case LeaseLost():
            return Error(code="WORKER_LOST", message="the worker that held the attempt fell silent")
        case TaskTimedOut(limit=limit):
            code, message = _TIMEOUTS[limit]
            return Error(code=code, message=message)
    assert_never(event)
