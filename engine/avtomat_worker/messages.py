"""The messages of the worker protocol: tasks as they come in, everything else as it goes out.

Shapes are those of schemas/worker-protocol.schema.json. Unknown fields are ignored, what is missing takes its default.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, assert_never

import orjson

from avtomat_worker.errors import text_of

Json = Any

PROTOCOL_VERSION = "1.0b17"
KIND = re.compile(r"[A-Za-z0-9_.-]{1,128}")
STATUS_CHARACTERS_MAX = 128
_RESERVED = frozenset({"failure", "failed", "error", "cancelled"})
MESSAGE_CHARACTERS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Result:
    """Return it from a task to end with a status word of your own, which blueprints read as `status`.

    `costs` and `metadata` are maps of your own, which the job's history keeps.
    """

    data: Json = None
    status: str = "success"
    costs: Mapping[str, Json] | None = None
    metadata: Mapping[str, Json] | None = None

    def __post_init__(self) -> None:
        is_text = 0 < len(self.status) <= STATUS_CHARACTERS_MAX and self.status.isprintable()
        if not is_text or self.status.casefold() in _RESERVED:
            raise ValueError(
                f"{self.status!r} cannot be a status: take a text of 1 to {STATUS_CHARACTERS_MAX} characters on one "
                f"line, other than {', '.join(sorted(_RESERVED))}; to fail, raise TaskError"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One attempt of a task, as the engine handed it out. Times are integer Unix seconds of the engine's clock."""

    job_id: str
    task_id: str
    kind: str
    params: Json
    attempt: int
    lease_s: float
    idempotency_key: str
    deadline: int | None
    timestamp: int | None
    traceparent: str | None
    is_forged: bool = False
    """It is not signed by the engine, though it ought to be."""

    def deadline_at(self, now: float) -> datetime | None:
        """Return the deadline by the clock that reads `now` on receipt; the two clocks need not agree."""
        if self.deadline is None:
            return None
        left_s = self.deadline - (now if self.timestamp is None else self.timestamp)
        return datetime.fromtimestamp(now + left_s, UTC)


def parse_assignment(payload: Json, lease_default_s: float) -> Assignment | None:
    """Read a TaskPayload; None when it lacks what no task can do without."""
    match payload:
        case {"job_id": str(job_id), "task_id": str(task_id), "type": str(kind)}:
            return Assignment(
                job_id=job_id,
                task_id=task_id,
                kind=kind,
                params=payload.get("params"),
                attempt=payload.get("attempt") or 1,
                lease_s=payload.get("lease_s") or lease_default_s,
                idempotency_key=payload.get("idempotency_key") or task_id,
                deadline=payload.get("deadline"),
                timestamp=payload.get("timestamp"),
                traceparent=(payload.get("tracing_context") or {}).get("traceparent"),
            )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The function returned; `data`, `costs` and `metadata` are encoded JSON."""

    data: bytes
    status: str
    costs: Mapping[str, Json] = field(default_factory=dict)
    metadata: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The function raised, or what it returned cannot be sent."""

    code: str
    message: str
    details: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The attempt was given up because it was cancelled; or, `given_back`, because the worker stops before its end."""

    given_back: bool = False


Outcome = Succeeded | Failed | Cancelled


def encode_output(value: Any) -> bytes:
    """Return `value` as JSON. Raises TypeError for what JSON cannot say, NaN and infinity included."""
    encoded = orjson.dumps(value)
    if b"null" in encoded and _has_non_finite(value):
        raise TypeError("NaN and infinity are not JSON")
    return encoded


def _has_non_finite(value: Any) -> bool:
    """Find what orjson would silently turn into null."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, Mapping):
        return any(map(_has_non_finite, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_has_non_finite, value))
    if is_dataclass(value):
        return any(_has_non_finite(getattr(value, each.name)) for each in fields(value))
    return False


def registration(
    *,
    worker_id: str,
    skills: Iterable[Mapping[str, Json]],
    skills_hash: str,
    host: str,
    now: float,
    about: Mapping[str, Json] | None = None,
    hot: Iterable[str] = (),
) -> bytes:
    """Encode a WorkerRegistration; `about` are further members, or others than the usual ones."""
    listed = list(skills)
    usual = {
        "worker_id": worker_id,
        "worker_type": "python",
        "supported_skills": listed,
        "available_skills": [skill["name"] for skill in listed],
        "skills_hash": skills_hash,
        "capabilities": {"hostname": host},
        "timestamp": int(now),
    }
    told = {**usual, **(about or {})}
    told["capabilities"] = {**usual["capabilities"], **told["capabilities"]}  # type: ignore[dict-item]
    if hot := sorted(hot):
        told["hot_skills"] = hot
    return orjson.dumps(told)


def heartbeat(
    *,
    worker_id: str,
    status: str,
    current_tasks: list[str],
    skills_hash: str,
    now: float,
    available: list[str] | None = None,
    hot: Iterable[str] | None = None,
) -> bytes:
    """Encode a Heartbeat; the leases of `current_tasks` are extended by it. `available` are the kinds that it takes
    now, `hot` those that it is warm for; None leaves things as they were told.
    """
    told = {
        "worker_id": worker_id,
        "status": status,
        "current_tasks": current_tasks,
        "skills_hash": skills_hash,
        "timestamp": int(now),
    }
    if available is not None:
        told["available_skills"] = available
    if hot is not None:
        told["hot_skills"] = sorted(hot)
    return orjson.dumps(told)


def task_result(assignment: Assignment, outcome: Outcome, *, worker_id: str, took_s: float, now: float) -> bytes:
    """Encode a TaskResult."""
    return orjson.dumps(
        {
            "job_id": assignment.job_id,
            "task_id": assignment.task_id,
            "worker_id": worker_id,
            **_outcome_fields(outcome),
            "costs": {"execution_time_seconds": round(took_s, 6), **_costs_of(outcome)},
            "timestamp": int(now),
        }
    )


def _costs_of(outcome: Outcome) -> Mapping[str, Json]:
    return outcome.costs if isinstance(outcome, Succeeded) else {}


def _outcome_fields(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Succeeded(data=data, status=status, metadata=metadata):
            told = {"status": status, "data": orjson.Fragment(data)}
            return told if metadata is None else {**told, "metadata": orjson.Fragment(metadata)}
        case Failed(code=code, message=message, details=details):
            error = {"code": code, "message": text_of(message[:MESSAGE_CHARACTERS_MAX]), "details": details}
            return {"status": "failure", "error": error}
        case Cancelled(given_back=given_back):
            return {"status": "cancelled", "given_back": True} if given_back else {"status": "cancelled"}
    assert_never(outcome)


def progress_event(assignment: Assignment, *, worker_id: str, fraction: float, message: str, now: float) -> bytes:
    """Encode a WorkerEvent that says how far a task is."""
    payload = {"progress": fraction, "message": text_of(message[:MESSAGE_CHARACTERS_MAX])}
    return worker_event(assignment, "progress", payload, worker_id=worker_id, event_id=str(uuid.uuid4()), now=now)


def worker_event(
    assignment: Assignment, name: str, payload: Mapping[str, Json], *, worker_id: str, event_id: str, now: float
) -> bytes:
    """Encode a WorkerEvent. Raises TypeError for what is not JSON."""
    return orjson.dumps(
        {
            "event_id": event_id,
            "worker_id": worker_id,
            "origin_worker_id": worker_id,
            "event_type": name,
            "payload": payload,
            "target_job_id": assignment.job_id,
            "target_task_id": assignment.task_id,
            "timestamp": int(now),
        }
    )
