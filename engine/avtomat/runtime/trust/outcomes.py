"""Say what the end of an attempt tells of the worker that had it, and of its kind of task.

    well       the worker did it, and its output is what was expected
    own        an error that tells of the job: one of a code that is not retried by default
    passing    an error of a code that is retried by default, as the worker told it
    lost       the worker fell silent, or gave the attempt up
    timeout    the attempt took longer than it may
    contract   the output is not what `expects` describes, or the worker says so itself
    malformed  a result that cannot be used

Nothing is told of an attempt that a stopping worker gave back, that ended because its job did, or that waited in its
queue for too long; and nothing of calls, which replicas make.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from avtomat.core.kinds.calls import CALL
from avtomat.core.kinds.task import TaskState
from avtomat.core.messages import Event, LeaseLost, Limit, TaskFailed, TaskSucceeded, TaskTimedOut
from avtomat.core.retry import RETRIED_BY_DEFAULT
from avtomat.core.value import value
from avtomat.core.waiting import OnUndo
from avtomat.runtime.jobs.executor import Handled
from avtomat.runtime.jobs.kept import Kept
from avtomat.runtime.work.results import is_unusable


class Word(StrEnum):
    """How an attempt ended."""

    WELL = "well"
    OWN = "own"
    PASSING = "passing"
    LOST = "lost"
    TIMEOUT = "timeout"
    CONTRACT = "contract"
    MALFORMED = "malformed"


FAILING: Final = frozenset({Word.PASSING, Word.LOST, Word.TIMEOUT})
"""Ends that count against a kind of task."""

FAULTS: Final = frozenset({Word.LOST, Word.TIMEOUT, Word.CONTRACT, Word.MALFORMED})
"""Ends that are the worker's fault."""


@value
class Outcome:
    """How a worker's attempt at a task of this kind ended. `code` is the error's."""

    kind: str
    worker: str
    task_id: str
    word: Word
    code: str = ""


def outcome_of(handled: Handled, event: Event | None, worker: str, task_id: str) -> Outcome | None:
    """What an event that was written tells; None where that is nothing."""
    change, kept = handled.change, handled.kept
    if change is None or kept is None or event is None or not worker:
        return None
    told = _told(event, unfit=change.unfit)
    kind = None if told is None else kind_of(kept)
    if told is None or kind is None or kind == CALL:
        return None
    word, code = told
    return Outcome(kind=kind, worker=worker, task_id=task_id, word=word, code=code)


def _told(event: Event, *, unfit: bool) -> tuple[Word, str] | None:
    match event:
        case TaskSucceeded():
            return (Word.CONTRACT, "CONTRACT_VIOLATION_ERROR") if unfit else (Word.WELL, "")
        case LeaseLost():
            return Word.LOST, "WORKER_LOST"
        case TaskTimedOut(limit=limit):
            return None if limit is Limit.QUEUE else (Word.TIMEOUT, "TIMEOUT_ERROR")
        case TaskFailed(code=code):
            if is_unusable(event):
                return Word.MALFORMED, code
            if code == "CONTRACT_VIOLATION_ERROR":
                return Word.CONTRACT, code
            return (Word.PASSING if code in RETRIED_BY_DEFAULT else Word.OWN), code
    return None


def kind_of(kept: Kept) -> str | None:
    """The kind of the task that the scope waits for."""
    scope = kept.scope
    if isinstance(scope.waiting, OnUndo):
        index = scope.waiting.index
        return kept.undos[index].body.kind if index < len(kept.undos) else None
    state = kept.program.machines[scope.machine].states.get(scope.state or "")
    return state.kind if isinstance(state, TaskState) else None
