"""Turn what the core decides into what a store writes, and back.

A store keeps bytes; here they get their form: JSON with the language's own words as keys, defaults left out. User data
goes through unchanged: nulls, 1.0, the order of keys and all. Times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import assert_never

import orjson

from avtomat.core.formula import Json, SecretRef
from avtomat.core.messages import (
    AttemptReturned,
    LeaseLost,
    TaskBody,
    TaskFailed,
    TaskSucceeded,
    Undo,
    WorkerAnswer,
)
from avtomat.core.model import Error, Head, Ref, Status
from avtomat.core.program import Program
from avtomat.core.scope import Scope
from avtomat.core.timestamp import from_ms, span_ms, to_ms
from avtomat.core.waiting import TaskLimits, waiting_from_json

dumps = orjson.dumps
loads = orjson.loads

# --- scopes -----------------------------------------------------------------------------------------------------------


def scope_as_record(scope: Scope) -> dict[str, Json]:
    """The scope as JSON, without what is empty; its path and version are the store's."""
    record: dict[str, Json] = {}
    if scope.state:
        record["state"] = scope.state
    if scope.visit:
        record["visit"] = scope.visit
    if scope.hops:
        record["hops"] = scope.hops
    if scope.entered_at is not None:
        record["entered_at"] = to_ms(scope.entered_at)
    if scope.machine:
        record["machine"] = scope.machine
    if scope.data:
        record["data"] = scope.data
    if scope.outputs:
        record.update((name, values) for name, values in outputs_as_json(scope.outputs).items() if values)
    if scope.error is not None or scope.finally_error is not None:
        errors = {"error": scope.error, "finally_error": scope.finally_error}
        record.update((name, error.as_json()) for name, error in errors.items() if error is not None)
    if scope.forks:
        record["forks"] = scope.forks
    if scope.rescued:
        record["rescued"] = True
    if scope.waiting is not None:
        record["waiting"] = scope.waiting.as_json()
    return record


def scope_from_record(record: Mapping[str, Json], path: str, version: int) -> Scope:
    """Build the scope from what `scope_as_record` gave."""
    entered = record.get("entered_at")
    return Scope(
        path=path,
        version=version,
        machine=record.get("machine", ""),
        state=record.get("state"),
        visit=record.get("visit", 0),
        entered_at=None if entered is None else from_ms(entered),
        data=record.get("data", {}),
        outputs=outputs_from_json(record),
        error=Error.from_json(record["error"]) if "error" in record else None,
        hops=record.get("hops", 0),
        forks=record.get("forks", 0),
        rescued=record.get("rescued", False),
        finally_error=Error.from_json(record["finally_error"]) if "finally_error" in record else None,
        waiting=waiting_from_json(record.get("waiting")),
    )


def outputs_as_json(outputs: Mapping[str, Json | Ref]) -> dict[str, Json]:
    """Outputs as two fields of a record: the values, and the references to large ones."""
    return {
        "outputs": {name: value for name, value in outputs.items() if not isinstance(value, Ref)},
        "refs": {name: [value.id, value.size] for name, value in outputs.items() if isinstance(value, Ref)},
    }


def outputs_from_json(record: Mapping[str, Json]) -> dict[str, Json | Ref]:
    """What `outputs_as_json` wrote down."""
    return {**record.get("outputs", {}), **{name: Ref(*pair) for name, pair in record.get("refs", {}).items()}}


# --- heads ------------------------------------------------------------------------------------------------------------


def head_as_json(head: Head, trace: str | None) -> dict[str, Json]:
    """The part of the head that never changes; blueprint and digest are the store's own columns."""
    record: dict[str, Json] = {"created_at": to_ms(head.created_at), "priority": head.priority}
    if isinstance(head.input, Ref):
        record["input_ref"] = [head.input.id, head.input.size]
    elif head.input is not None:
        record["input"] = head.input
    if head.config:
        record["config"] = head.config
    if head.labels:
        record["labels"] = dict(head.labels)
    if head.parent_id is not None:
        record["parent_id"] = head.parent_id
    if head.timeout is not None:
        record["timeout"] = span_ms(head.timeout)
    if trace is not None:
        record["trace"] = trace
    return record


def head_from_json(
    record: Mapping[str, Json], *, job: str, blueprint: str, digest: str, status: str, deadline_ms: int | None
) -> Head:
    """Build the head from what `head_as_json` gave and what the store keeps beside it."""
    ref, timeout = record.get("input_ref"), record.get("timeout")
    return Head(
        job=job,
        blueprint=blueprint,
        digest=digest,
        input=Ref(*ref) if ref else record.get("input"),
        created_at=from_ms(record["created_at"]),
        config=record.get("config", {}),
        labels=record.get("labels", {}),
        priority=record.get("priority", 5),
        parent_id=record.get("parent_id"),
        timeout=None if timeout is None else timedelta(milliseconds=timeout),
        deadline=None if deadline_ms is None else from_ms(deadline_ms),
        status=Status(status),
    )


# --- tasks ------------------------------------------------------------------------------------------------------------


def body_as_json(body: TaskBody, trace: str | None) -> dict[str, Json]:
    """What the hand-out of a task needs, for all attempts of a visit."""
    record: dict[str, Json] = {"kind": body.kind, "params": body.params}
    if body.secrets:
        record["secrets"] = [[ref.pointer, ref.offset, ref.name] for ref in body.secrets]
    if trace is not None:
        record["trace"] = trace
    return record


def undos_as_json(undos: Sequence[Undo]) -> Json:
    """The undos that one commit notes, in the order of their noting."""
    return [
        {
            "machine": undo.machine,
            "state": undo.state,
            "place": undo.place,
            "priority": undo.body.priority,
            "limits": undo.limits.as_json(),
            "total": span_ms(undo.total),
            "visit": undo.visit,
            **({"error": undo.error.as_json()} if undo.error is not None else {}),
            **({"settles": True} if undo.settles else {}),
            **({"sticky": undo.body.sticky} if undo.body.sticky else {}),
            **({} if undo.runs else {"runs": False}),
            **body_as_json(undo.body, None),
        }
        for undo in undos
    ]


def undos_from_json(records: Sequence[Mapping[str, Json]], program: Program) -> tuple[Undo, ...]:
    """What `undos_as_json` wrote down; requirements stand in the program."""
    return tuple(_undo_from_json(record, program) for record in records)


def _undo_from_json(record: Mapping[str, Json], program: Program) -> Undo:
    compensation = program.machines[record["machine"]].states[record["state"]].undo
    body = TaskBody(
        kind=record["kind"],
        params=record["params"],
        secrets=secrets_from_json(record),
        requirements=None if compensation is None else compensation.requirements,
        priority=record["priority"],
        sticky=record.get("sticky", ""),
    )
    return Undo(
        machine=record["machine"],
        state=record["state"],
        place=record["place"],
        body=body,
        limits=TaskLimits.from_json(record["limits"]),
        total=None if record["total"] is None else timedelta(milliseconds=record["total"]),
        error=Error.from_json(record["error"]) if "error" in record else None,
        visit=record["visit"],
        settles=record.get("settles", False),
        runs=record.get("runs", True),
    )


def secrets_from_json(record: Mapping[str, Json]) -> tuple[SecretRef, ...]:
    """The secrets that are still missing in a task's params."""
    return tuple(
        SecretRef(pointer=pointer, offset=offset, name=name) for pointer, offset, name in record.get("secrets", ())
    )


# --- what workers answered --------------------------------------------------------------------------------------------


def answer_as_json(event: WorkerAnswer) -> dict[str, Json]:
    """A worker's answer, as a paused job keeps it until it goes on."""
    said: dict[str, Json]
    match event:
        case TaskSucceeded(error=None):
            said = {"output": event.output, "status": event.status}
        case TaskSucceeded():
            said = {"output": event.output, "status": event.status, "error": event.error}
        case TaskFailed():
            said = {"code": event.code, "message": event.message, "details": event.details}
        case LeaseLost():
            said = {"gave_up": event.gave_up}
        case AttemptReturned():
            said = {}
        case _:
            assert_never(event)
    if event.beside is not None:
        said["beside"] = event.beside
    return {"attempt": event.attempt, "worker": event.worker, **said}


def answer_from_json(record: Mapping[str, Json]) -> WorkerAnswer:
    """The event that `answer_as_json` wrote down. Stores that were written earlier have 0 where no attempt is named."""
    record = {**record, "attempt": record["attempt"] or None}
    if "code" in record:
        return TaskFailed(**record)
    if "status" in record:
        return TaskSucceeded(**record)
    return LeaseLost(**record) if "gave_up" in record else AttemptReturned(**record)
