"""Turn what the core decides into what a store writes, and back.

A store keeps bytes; here they get their form: JSON with the language's own words as keys, defaults left out. User data
goes through unchanged: nulls, 1.0, the order of keys and all. Times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

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
from avtomat.core.model import (
    Error,
    Head,
    OnFork,
    OnRetry,
    OnStart,
    OnTask,
    OnTimer,
    OnUndo,
    OnUnwind,
    Ref,
    Scope,
    Status,
    TaskLimits,
    Waiting,
)
from avtomat.core.program import Program, TaskState

dumps = orjson.dumps
loads = orjson.loads

_MS_MAX = 253_402_300_799_999
"""The last millisecond of the year 9999."""


def to_ms(time: datetime) -> int:
    """Milliseconds since the epoch, rounded down; those at the end of the year 9999 have no finer float."""
    return min(int(time.timestamp() * 1000 // 1), _MS_MAX)


def from_ms(ms: int) -> datetime:
    """The time, in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def span_ms(span: timedelta | None) -> int | None:
    """Milliseconds of a span, at least one."""
    return None if span is None else max(1, round(span.total_seconds() * 1000))


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
    if scope.error is not None:
        record["error"] = scope.error.as_json()
    if scope.forks:
        record["forks"] = scope.forks
    if scope.rescued:
        record["rescued"] = True
    if scope.waiting is not None:
        record["waiting"] = _waiting_as_json(scope.waiting)
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
        waiting=_waiting_from_json(record.get("waiting")),
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


def _waiting_as_json(waiting: Waiting) -> Json:
    match waiting:
        case None:
            return None
        case OnTask(attempt=attempt, limits=limits, owes=owes):
            owed = {"owes": True} if owes else {}
            return {"for": "task", "attempt": attempt, **_limits_as_json(limits), **_counts_as_json(waiting), **owed}
        case OnTimer(until=until, wall=wall):
            return {"for": "timer", "until": to_ms(until)} | ({"wall": True} if wall else {})
        case OnStart(until=until):
            return {"for": "start", "until": to_ms(until)}
        case OnFork(number=number, total=total, attempt=attempt, deadline=deadline):
            place = {"for": "fork", "number": number, "total": total, "attempt": attempt}
            return {**place, "deadline": _time(deadline), **_taken_as_json(waiting.taken)}
        case OnRetry(until=until, attempt=attempt, deadline=deadline):
            place = {"for": "retry", "until": to_ms(until), "attempt": attempt}
            return {**place, "deadline": _time(deadline), **_taken_as_json(waiting.taken)}
        case OnUnwind():
            return {"for": "unwind", **_unwind_as_json(waiting)}
        case OnUndo(seq=seq, index=index, attempt=attempt, unwind=unwind, limits=limits):
            place = {"seq": seq, "index": index, "attempt": attempt, "unwind": _unwind_as_json(unwind)}
            return {"for": "undo", **place, **_limits_as_json(limits), **_counts_as_json(waiting)}
    assert_never(waiting)


def _counts_as_json(waiting: OnTask | OnUndo) -> dict[str, Json]:
    returned: dict[str, Json] = {"returned": waiting.returned} if waiting.returned else {}
    return {**returned, **_taken_as_json(waiting.taken)}


def _taken_as_json(taken: tuple[int, ...]) -> dict[str, Json]:
    return {"taken": taken} if taken else {}


def _counts_from_json(value: Mapping[str, Json]) -> dict[str, Any]:
    return {"returned": value.get("returned", 0), **_taken_from_json(value)}


def _taken_from_json(value: Mapping[str, Json]) -> dict[str, Any]:
    return {"taken": tuple(value.get("taken", ()))}


def _waiting_from_json(value: Json) -> Waiting:
    match value:
        case None:
            return None
        case {"for": "task", "attempt": attempt}:
            limits, owes = _limits_from_json(value), value.get("owes", False)
            return OnTask(attempt=attempt, limits=limits, owes=owes, **_counts_from_json(value))
        case {"for": "timer", "until": until}:
            return OnTimer(until=from_ms(until), wall="wall" in value)
        case {"for": "start", "until": until}:
            return OnStart(until=from_ms(until))
        case {"for": "fork", "number": number, "total": total, "attempt": attempt, "deadline": deadline}:
            until = _from_time(deadline)
            return OnFork(number=number, total=total, attempt=attempt, deadline=until, **_taken_from_json(value))
        case {"for": "retry", "until": until, "attempt": attempt, "deadline": deadline}:
            begins, ends = from_ms(until), _from_time(deadline)
            return OnRetry(until=begins, attempt=attempt, deadline=ends, **_taken_from_json(value))
        case {"for": "unwind"}:
            return _unwind_from_json(value)
        case {"for": "undo", "seq": seq, "index": index, "attempt": attempt, "unwind": unwind}:
            place = {"seq": seq, "index": index, "attempt": attempt}
            unwound = _unwind_from_json(unwind)
            return OnUndo(**place, unwind=unwound, limits=_limits_from_json(value), **_counts_from_json(value))
    raise ValueError(f"a scope waits for something that this version does not know: {value!r}")


def _unwind_as_json(unwind: OnUnwind) -> dict[str, Json]:
    error = None if unwind.error is None else unwind.error.as_json()
    settled = {"settled": unwind.settled} if unwind.settled else {}
    return {"status": unwind.status, "error": error, **settled}


def _unwind_from_json(value: Mapping[str, Json]) -> OnUnwind:
    error = value["error"]
    return OnUnwind(
        status=Status(value["status"]),
        error=None if error is None else Error.from_json(error),
        settled=tuple(value.get("settled", ())),
    )


def _time(time: datetime | None) -> int | None:
    return None if time is None else to_ms(time)


def _from_time(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def _limits_as_json(limits: TaskLimits) -> dict[str, int]:
    values = {
        "queue": span_ms(limits.queue),
        "timeout": span_ms(limits.attempt),
        "heartbeat": span_ms(limits.heartbeat),
        "total_at": None if limits.total_at is None else to_ms(limits.total_at),
    }
    return {key: value for key, value in values.items() if value is not None}


def _limits_from_json(value: Mapping[str, Json]) -> TaskLimits:
    def span(key: str) -> timedelta | None:
        return timedelta(milliseconds=value[key]) if key in value else None

    return TaskLimits(
        queue=span("queue"),
        attempt=span("timeout"),
        heartbeat=span("heartbeat"),
        total_at=from_ms(value["total_at"]) if "total_at" in value else None,
    )


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
            "limits": _limits_as_json(undo.limits),
            "total": span_ms(undo.total),
            "visit": undo.visit,
            **({"error": undo.error.as_json()} if undo.error is not None else {}),
            **({"settles": True} if undo.settles else {}),
            **({} if undo.runs else {"runs": False}),
            **body_as_json(undo.body, None),
        }
        for undo in undos
    ]


def undos_from_json(records: Sequence[Mapping[str, Json]], program: Program) -> tuple[Undo, ...]:
    """What `undos_as_json` wrote down; requirements stand in the program."""
    return tuple(_undo_from_json(record, program) for record in records)


def _undo_from_json(record: Mapping[str, Json], program: Program) -> Undo:
    state = program.machines[record["machine"]].states[record["state"]]
    compensation = state.compensate if isinstance(state, TaskState) else None
    body = TaskBody(
        kind=record["kind"],
        params=record["params"],
        secrets=secrets_from_json(record),
        requirements=None if compensation is None else compensation.requirements,
        priority=record["priority"],
    )
    return Undo(
        machine=record["machine"],
        state=record["state"],
        place=record["place"],
        body=body,
        limits=_limits_from_json(record["limits"]),
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
    return {"attempt": event.attempt, "worker": event.worker, **said}


def answer_from_json(record: Mapping[str, Json]) -> WorkerAnswer:
    """The event that `answer_as_json` wrote down."""
    if "code" in record:
        return TaskFailed(**record)
    if "status" in record:
        return TaskSucceeded(**record)
    return LeaseLost(**record) if "gave_up" in record else AttemptReturned(**record)
