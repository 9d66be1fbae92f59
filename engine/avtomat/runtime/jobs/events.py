"""Complete the events that workers bring, and say of each event what history tells."""

from __future__ import annotations

from dataclasses import replace

from avtomat.core.formula import Json
from avtomat.core.messages import (
    ApprovalDecided,
    Event,
    JoinDecided,
    LateSuccess,
    LeaseLost,
    SignalReceived,
    SizeExceeded,
    TaskSucceeded,
    TimerFired,
    WorkerAnswer,
)
from avtomat.core.scope import Scope
from avtomat.core.waiting import OnTask, OnUndo

_OF_ATTEMPTS = (OnTask, OnUndo)


def numbered(event: Event, scope: Scope) -> Event:
    """A worker's event names no attempt: it is about the open one, and the store knows by its token if that is true."""
    if isinstance(event, WorkerAnswer) and event.attempt is None:
        waiting = scope.waiting
        if isinstance(waiting, _OF_ATTEMPTS):
            return _of_attempt(event, waiting.attempt)
    return event


def _of_attempt(event: WorkerAnswer, attempt: int) -> Event:
    if isinstance(event, TaskSucceeded):  # as nearly all are; `replace` would cost more than the decision
        return TaskSucceeded(
            attempt=attempt,
            output=event.output,
            status=event.status,
            worker=event.worker,
            error=event.error,
            beside=event.beside,
        )
    return replace(event, attempt=attempt)


def describe(event: Event) -> dict[str, Json]:
    """The event as history tells it: its name, and what is not in the scope's record anyway."""
    match event:
        case TaskSucceeded(attempt=attempt, status=status, worker=worker, error=error):
            fields: dict[str, Json] = {"attempt": attempt, "status": status, "worker": worker, "error": error}
        case LeaseLost(gave_up=False):
            fields = {"attempt": event.attempt}
        case LateSuccess(answer=answer, left=left, place=place):
            said = {name: value for name, value in describe(answer).items() if name != "type"}
            fields = {**said, "left": left.scope.path, "place": place}
        case SizeExceeded(message=message, event=cause):
            fields = {"message": message, "on": None if cause is None else describe(cause)}
        case SignalReceived(name=name, id=identity, by=by):  # the payload is the state's output
            fields = {"name": name, "id": identity, "by": by}
        case ApprovalDecided(form=_):  # the form is in the state's output
            names = ("visit", "choice", "by", "comment", "state", "via", "origin", "id")
            fields = {name: getattr(event, name) for name in names}
        case TimerFired(visit=visit, failed=failed):
            fields = {"visit": visit, **({"failed": failed} if failed else {})}
        case JoinDecided(number=number, ok=ok, failed=failed):
            fields = {"number": number, "ok": ok, "failed": failed}
        case _:
            fields = {name: getattr(event, name) for name in type(event).__dataclass_fields__ if name != "beside"}
    if isinstance(event, WorkerAnswer) and event.beside is not None:
        fields.update(event.beside)
    return {"type": type(event).__name__, **{name: value for name, value in fields.items() if value not in ("", None)}}
