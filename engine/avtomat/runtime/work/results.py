"""Read a worker's result, and say what became of it, both in the words of the worker protocol."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from orjson import Fragment

from avtomat.core.flow import code_of_failure
from avtomat.core.formula import Json
from avtomat.core.messages import AttemptReturned, LeaseLost, TaskFailed, TaskSucceeded, WorkerAnswer
from avtomat.storage.port.answers import Committed, Outcome
from avtomat.storage.port.codec import answer_as_json, dumps
from avtomat.storage.port.writes import ResultCause

PROGRESS_CHARACTERS_MAX = 1_000

STATUS_CHARACTERS_MAX = 128
FOUND_CHARACTERS_MAX = 64
"""So much is shown of a value that cannot be used."""

BESIDE_BYTES_MAX = 4_096
"""So much is kept of each thing that a worker tells beside its answer."""

_MAPS = ("costs", "metadata")
FAILURES = frozenset({"failure", "failed", "error"})
"""Status words of a failure; these, `success` and `cancelled` are the same in small and capital letters."""


def event_of(body: Mapping[str, Json]) -> WorkerAnswer:
    """What a result says. A missing status is success, and any word but those of failure and `cancelled` is one of
    success. Whatever cannot be used is a failure of the attempt, so that a worker never sends the same in vain.

    An error is a failure whatever the status, but for a `success` that is written out. `cancelled`, where the engine
    did not cancel, is an attempt that the worker gave up; with `given_back` it is one that it never did.

    The event has no number of an attempt: the `task_id` says whether the result is of the one that the scope has open.
    """
    status, error = body.get("status"), body.get("error")
    worker = str(body.get("worker_id") or "")
    if status is not None and not is_status(status):
        expected = f"a text of 1 to {STATUS_CHARACTERS_MAX} characters on one line"
        return _unusable("CONTRACT_VIOLATION_ERROR", "status", expected, status, body)
    word = "success" if status is None else status.casefold()
    if word in FAILURES or (error is not None and (status is None or word != "success")):
        return _failure(error, body)
    if word == "cancelled":
        beside = beside_of(body, with_data=True)
        if body.get("given_back") is True:
            return AttemptReturned(attempt=None, worker=worker, beside=beside)
        return LeaseLost(attempt=None, gave_up=True, worker=worker, beside=beside)
    for name in _MAPS:
        if (told := body.get(name)) is not None and not isinstance(told, dict):
            return _unusable("CONTRACT_VIOLATION_ERROR", name, "a map", told, body)
    own = "success" if word == "success" else str(status)
    return TaskSucceeded(
        attempt=None,
        output=body.get("data"),
        status=own,
        worker=worker,
        error=error,
        beside=beside_of(body, with_data=False),
    )


def is_status(status: Json) -> bool:
    """Whether this can be a status word: a short text of any script on one line."""
    return isinstance(status, str) and 0 < len(status) <= STATUS_CHARACTERS_MAX and status.isprintable()


def beside_of(body: Mapping[str, Json], *, with_data: bool) -> dict[str, Json] | None:
    """What history keeps of a result beside its answer: `costs` and `metadata`, and the data of an attempt that has no
    output. What is too large, or of another type, is left out, and `not_kept` says so.
    """
    kept: dict[str, Json] = {}
    left_out: dict[str, str] = {}
    for name in (*_MAPS, "data") if with_data else _MAPS:
        given = body.get(name)
        if given is None:
            continue
        if name in _MAPS and not isinstance(given, dict):
            left_out[name] = "it is not a map"
        elif (size := len(dumps(given))) > BESIDE_BYTES_MAX:
            left_out[name] = f"it has {size} bytes; at most {BESIDE_BYTES_MAX} are kept"
        else:
            kept[name] = given
    if left_out:
        kept["not_kept"] = left_out
    return kept or None


def _unusable(code: str, name: str, expected: str, found: Json, body: Mapping[str, Json]) -> TaskFailed:
    shown = _text_of(found)[:FOUND_CHARACTERS_MAX]
    return TaskFailed(
        attempt=None,
        code=code,
        message=f"{name} of the result is {expected}, not {shown}",
        details={"field": name, "expected": expected, "found": shown},
        worker=str(body.get("worker_id") or ""),
        beside=beside_of(body, with_data=True),
    )


def is_unusable(event: TaskFailed) -> bool:
    """Whether this stands for a result that could not be used."""
    return isinstance(event.details, dict) and event.details.keys() == {"field", "expected", "found"}


def _failure(error: Json, body: Mapping[str, Json]) -> TaskFailed:
    """A failure. A code of another form is made to fit; one that is none, or that nothing catches, is for good.

    The code as the worker gave it is kept in the details.
    """
    if error is None or isinstance(error, str):
        error = {"message": error}
    elif not isinstance(error, dict):
        return _unusable("PERMANENT_ERROR", "error", "a map, or a text", error, body)
    said = error.get("code") or "INTERNAL_ERROR"
    code, details = code_of_failure(said), error.get("details")
    if code != said:
        details = {"code": said, "details": details}
    message = error.get("message")
    return TaskFailed(
        attempt=None,
        code=code,
        message="" if message is None else _text_of(message),
        details=details,
        worker=str(body.get("worker_id") or ""),
        beside=beside_of(body, with_data=True),
    )


def _text_of(value: Json) -> str:
    """A text as it is, any other value as JSON."""
    return value if isinstance(value, str) else dumps(value).decode()


def progress_of(payload: Mapping[str, Json]) -> dict[str, Json]:
    """What is kept of a report of progress: how far, from 0 to 1, and a short text; null where it tells none."""
    part, message = payload.get("progress"), payload.get("message")
    return {
        "progress": min(max(part, 0), 1) if isinstance(part, int | float) and not isinstance(part, bool) else None,
        "message": message[:PROGRESS_CHARACTERS_MAX] if isinstance(message, str) else None,
    }


def cause_of(task_id: str, worker: str, body: Mapping[str, Json], event: WorkerAnswer) -> ResultCause:
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
        success=isinstance(event, TaskSucceeded),
    )


def verdict(answer: Committed) -> dict[str, Json]:
    """The answer to a result: accepted, or ignored and why."""
    match answer.outcome:
        case Outcome.OK | Outcome.DUPLICATE | Outcome.PARKED | Outcome.LATE:
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
