"""Read a worker's result, and say what became of it, both in the words of the worker protocol."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from orjson import Fragment

from avtomat.core.flow import is_error_code
from avtomat.core.formula import Json
from avtomat.core.messages import LeaseLost, TaskFailed, TaskSucceeded
from avtomat.core.model import UNCATCHABLE
from avtomat.storage.answers import Committed, Outcome
from avtomat.storage.codec import answer_as_json, dumps
from avtomat.storage.writes import ResultCause

OPEN_ATTEMPT = 0
"""The number of whichever attempt the scope has open: the token says whether the result is of this one."""

PROGRESS_CHARACTERS_MAX = 1_000

WorkerEvent = TaskSucceeded | TaskFailed | LeaseLost


def event_of(body: Mapping[str, Json]) -> WorkerEvent:
    """What a result says. A missing status is success; any other word than failure and cancelled is one of success.

    A worker that says `cancelled` although nobody cancelled has given the task up: its attempt is lost.
    """
    status, worker = body.get("status") or "success", str(body.get("worker_id") or "")
    if status == "failure":
        return _failure(body.get("error"), worker)
    if status == "cancelled":
        return LeaseLost(attempt=OPEN_ATTEMPT)
    return TaskSucceeded(attempt=OPEN_ATTEMPT, output=body.get("data"), status=str(status), worker=worker)


def _failure(error: Json, worker: str) -> TaskFailed:
    """A failure with a code that is none, or that is the engine's own because nothing catches it, is for good."""
    if error is None:
        return TaskFailed(attempt=OPEN_ATTEMPT, code="INTERNAL_ERROR", worker=worker)
    if not isinstance(error, dict):
        return TaskFailed(attempt=OPEN_ATTEMPT, code="INTERNAL_ERROR", message=str(error), worker=worker)
    code = error.get("code") or "INTERNAL_ERROR"
    details = error.get("details")
    if not isinstance(code, str) or not is_error_code(code) or code in UNCATCHABLE:
        details = {"code": code, "details": details}
        code = "PERMANENT_ERROR"
    message = str(error.get("message") or "")
    return TaskFailed(attempt=OPEN_ATTEMPT, code=code, message=message, details=details, worker=worker)


def progress_of(payload: Mapping[str, Json]) -> dict[str, Json]:
    """What is kept of a report of progress: how far, from 0 to 1, and a short text; null where it tells none."""
    part, message = payload.get("progress"), payload.get("message")
    return {
        "progress": min(max(part, 0), 1) if isinstance(part, int | float) and not isinstance(part, bool) else None,
        "message": message[:PROGRESS_CHARACTERS_MAX] if isinstance(message, str) else None,
    }


def cause_of(task_id: str, worker: str, body: Mapping[str, Json], event: WorkerEvent) -> ResultCause:
    """A result as the cause of a commit. What makes two results the same is their status, data and error.

    What the worker gave is encoded here, once, for all who write it down.
    """
    output = dumps(body.get("data"))
    said = dumps([body.get("status"), Fragment(output), body.get("error")])
    answer = answer_as_json(event)
    if "output" in answer:
        answer["output"] = Fragment(output)
    return ResultCause(
        task_id=task_id,
        worker=worker,
        hash=blake2b(said, digest_size=16).hexdigest(),
        event=dumps(answer),
        output=output,
    )


def verdict(answer: Committed) -> dict[str, Json]:
    """The answer to a result: accepted, or ignored and why."""
    match answer.outcome:
        case Outcome.OK | Outcome.DUPLICATE | Outcome.PARKED:
            return {"status": "accepted"}
        case Outcome.LOST:
            reason = "deadline_exceeded" if answer.reason == "timeout" else "stale_task"
        case Outcome.CLOSED:
            reason = "job_cancelled" if answer.reason == "cancelled" else "job_already_terminated"
        case Outcome.UNKNOWN:
            reason = "job_not_found"
        case _:
            reason = "worker_mismatch" if answer.reason == "worker" else "stale_task"
    return {"status": "ignored", "reason": reason}
