"""Say what is true of any task, a state's or an undo's: its times, and what an ended attempt means."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import assert_never

from avtomat.core.formula import Template
from avtomat.core.messages import LeaseLost, Limit, TaskFailed, TaskTimedOut
from avtomat.core.model import Error
from avtomat.core.program import NO_TIMEOUTS, Timeouts
from avtomat.core.waiting import NO_LIMITS, OnTask, OnUndo, TaskLimits
from avtomat.core.walk import Names, Walk

_TIMEOUTS = {
    Limit.QUEUE: ("NO_WORKER", "no worker took the task within its queue timeout"),
    Limit.ATTEMPT: ("TIMEOUT_ERROR", "the attempt took longer than its timeout"),
    Limit.TOTAL: ("TIMEOUT_ERROR", "the task with all its attempts took longer than its total timeout"),
}

_LOST = {
    "silent": "the worker that held the attempt sent no heartbeat in time",
    "gave_up": "the worker gave the attempt up",
}

RETURNS_MAX = 5
"""So often in a row an attempt may be given back by workers that stop; the next time it is lost."""


def returned_again(waiting: OnTask | OnUndo) -> OnTask | OnUndo | None:
    """What is awaited once a worker that stops gave the attempt back; None when that has happened too often."""
    return None if waiting.returned >= RETURNS_MAX else replace(waiting, returned=waiting.returned + 1)


def task_limits(walk: Walk, timeouts: Timeouts, names: Names) -> TaskLimits:
    """The times of this visit; the total one begins now. Raises AuthorError for one of which nothing is left."""
    if timeouts is NO_TIMEOUTS:
        return NO_LIMITS
    total = walk.render_timeout(timeouts.total, names)
    return TaskLimits(
        queue=walk.render_timeout(timeouts.queue, names, code="NO_WORKER"),
        attempt=walk.render_timeout(timeouts.attempt, names),
        heartbeat=walk.render_timeout(timeouts.heartbeat, names),
        total_at=None if total is None else walk.now + total,
    )


def sticky_text(walk: Walk, sticky: Template, names: Names) -> str:
    """By what the worker of the last such task is preferred; null stands for nothing."""
    text = walk.render(sticky, names).value
    return "" if text is None else text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)


def error_of_attempt(event: TaskFailed | LeaseLost | TaskTimedOut) -> Error:
    """The error that an attempt ended with; its state and number are the caller's."""
    match event:
        case TaskFailed(code=code, message=message, details=details):
            return Error(code=code, message=message, details=details)
        case LeaseLost(gave_up=gave_up):
            reason = "gave_up" if gave_up else "silent"
            return Error(code="WORKER_LOST", message=_LOST[reason], details={"reason": reason})
        case TaskTimedOut(limit=limit):
            code, message = _TIMEOUTS[limit]
            return Error(code=code, message=message)
    assert_never(event)
