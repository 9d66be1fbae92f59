"""Show a job as clients read it: from what the store keeps, or from what was just committed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from avtomat.core.awaited import RUNNING
from avtomat.core.formula import Json
from avtomat.core.messages import ScopeEnded
from avtomat.core.model import ENDED, Head, Ref, Status
from avtomat.core.program import RESULT
from avtomat.core.scope import Scope
from avtomat.core.timestamp import format_time, from_ms
from avtomat.core.waiting import Waiting
from avtomat.storage.port.answers import JobRow, OpenTask
from avtomat.storage.port.codec import loads, scope_from_record


def job_as_json(
    head: Head,
    scope: Scope,
    *,
    status: str,
    updated_at: str,
    finished_at: str | None,
    result: Json,
    error: Json,
    outputs: Mapping[str, Json],
) -> dict[str, Json]:
    """The job by the words of the API. `outputs` are whole values, `status` is the derived word, times are texts."""
    finally_error = {} if scope.finally_error is None else {"finally_error": scope.finally_error.as_json()}
    return {
        "id": head.job,
        "blueprint": head.blueprint,
        "version": head.digest,
        "status": status,
        "state": scope.state,
        "input": head.input,
        "data": scope.data,
        "outputs": {name: output for name, output in outputs.items() if name != RESULT}
        if RESULT in outputs
        else outputs,
        "result": result,
        "error": error,
        "created_at": format_time(head.created_at),
        "updated_at": updated_at,
        "finished_at": finished_at,
        "labels": head.labels,
        "priority": head.priority,
        **finally_error,
    }


def ended_job(head: Head, scope: Scope, ended: ScopeEnded, now: datetime) -> dict[str, Json]:
    """The job as it is after the commit that ended it, without asking the store."""
    at = format_time(now)
    return job_as_json(
        head,
        scope,
        status=ended.status.value,
        updated_at=at,
        finished_at=at,
        result=ended.output,
        error=None if ended.error is None else ended.error.as_json(),
        outputs=scope.outputs,
    )


def job_of_row(row: JobRow, head: Head, outputs: Mapping[str, Json]) -> dict[str, Json]:
    """The job as the store keeps it."""
    scope = scope_of_row(row)
    return job_as_json(
        head,
        scope,
        status=status_word(row.status, scope.waiting, row.tasks),
        updated_at=format_time(from_ms(row.updated_ms)),
        finished_at=None if row.finished_ms is None else format_time(from_ms(row.finished_ms)),
        result=None if row.result is None else loads(row.result),
        error=_why(row),
        outputs=outputs,
    )


def scope_of_row(row: JobRow) -> Scope:
    """The root scope; a job that never had one (it failed before) has an empty one."""
    record = {} if row.scope is None else loads(row.scope)
    return scope_from_record(record, "/", row.seq)


def status_word(stored: str, waiting: Waiting, tasks: tuple[OpenTask, ...]) -> str:
    """The word for a job: the stored one, or what an open job waits for."""
    if stored != Status.OPEN:
        return stored
    if waiting is None:
        return RUNNING
    return waiting.WORD or _word_of_phase(tasks)


def _word_of_phase(tasks: tuple[OpenTask, ...]) -> str:
    phases = {"queued" if is_reserved(task) else task.phase for task in tasks}
    if "leased" in phases:
        return RUNNING
    return "waiting_for_timer" if phases == {"delayed"} else "waiting_for_worker"


def is_reserved(task: OpenTask) -> bool:
    """Whether a delayed task may be taken already, by one worker alone."""
    return task.phase == "delayed" and task.worker is not None


def _why(row: JobRow) -> Json:
    """Why the job ended as it did, or why it is parked."""
    kept = row.error if row.status in ENDED else row.reason
    return None if kept is None else loads(kept)


def error_code_of(row: JobRow) -> str | None:
    """The code of the error that ended the job, or for which it is parked."""
    error = _why(row)
    return None if error is None else str(error["code"])


def refs_of(scope: Scope) -> dict[str, Ref]:
    """The outputs that are kept by reference."""
    return {name: value for name, value in scope.outputs.items() if isinstance(value, Ref) and name != RESULT}
