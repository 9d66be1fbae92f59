"""Hold the JSON Schemas of what clients send and get, for the OpenAPI document."""

from __future__ import annotations

from typing import Final

from avtomat.api.clients.submissions import LABELS_MAX, PRIORITY_MAX, SUBMISSIONS_MAX
from avtomat.api.openapi.trusting import TRUST_SCHEMAS
from avtomat.core.formula import Json
from avtomat.runtime.jobs.clients import STATUS_WORDS


def _object(properties: dict[str, Json], *required: str, **more: Json) -> dict[str, Json]:
    return {"type": "object", "properties": properties, "required": list(required), **more}


def _list(name: str) -> dict[str, Json]:
    return {"type": "array", "items": ref(name)}


def ref(name: str) -> dict[str, Json]:
    """A reference to a component by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT: Final = {"type": "string"}
_TEXT_OR_NULL: Final = {"type": ["string", "null"]}
_TIME: Final = {"type": "string", "format": "date-time"}
_TIME_OR_NULL: Final = {"type": ["string", "null"], "format": "date-time"}
_NUMBER: Final = {"type": "integer"}
_MAP: Final = {"type": "object"}
_ANY: Final[dict[str, Json]] = {}
_STATUS: Final = {"type": "string", "enum": sorted(STATUS_WORDS)}
_PRIORITY: Final = {"type": "integer", "minimum": 0, "maximum": PRIORITY_MAX, "description": "9 goes first; 5 if unset"}
_LABELS: Final = {"type": "object", "additionalProperties": _TEXT, "maxProperties": LABELS_MAX}

_SUBMISSION: Final = _object(
    {
        "input": {"description": "What the blueprint's `input` describes; nothing sent is an empty map."},
        "initial_data": {"description": "Another word for `input`."},
        "labels": _LABELS,
        "priority": _PRIORITY,
        "timeout": {"type": "string", "description": "How long the job may take, such as 1h30m.", "examples": ["90s"]},
        "start_at": {**_TIME, "description": "When the job enters its first state; it is accepted at once."},
    },
    additionalProperties=False,
    **{"not": {"required": ["input", "initial_data"]}},
)
_ACCEPTED: Final = _object(
    {
        "job_id": _TEXT,
        "status": _STATUS,
        "blueprint": _TEXT,
        "version": {"type": "string", "description": "The digest of the blueprint that the job keeps."},
    },
    "job_id", "status", "blueprint", "version",
)  # fmt: skip
_SUMMARY: Final = {
    "id": _TEXT,
    "blueprint": _TEXT,
    "version": _TEXT,
    "status": _STATUS,
    "state": _TEXT_OR_NULL,
    "created_at": _TIME,
    "updated_at": _TIME,
    "finished_at": _TIME_OR_NULL,
    "labels": _LABELS,
    "priority": _PRIORITY,
}
_LISTED: Final = {**_SUMMARY, "error_code": _TEXT_OR_NULL}
_ERROR: Final = _object(
    {"code": _TEXT, "message": _TEXT, "details": _ANY, "state": _TEXT, "attempt": _NUMBER}, "code", "message"
)
_JOB: Final = _object(
    {
        **_SUMMARY,
        "input": _ANY,
        "data": {"type": "object", "description": "The job's variables."},
        "outputs": {"type": "object", "description": "The output of each state's last visit."},
        "result": {"description": "The result of a finished job."},
        "error": {"anyOf": [ref("Error"), {"type": "null"}]},
        "job_id": {"type": "string", "description": "The same as `id`; only in answers to a submission."},
    },
    *_SUMMARY,
)
_TASK: Final = _object(
    {
        "task_id": {"type": "string", "description": "One for each attempt."},
        "scope": _TEXT,
        "kind": _TEXT,
        "attempt": _NUMBER,
        "phase": {"type": "string", "enum": ["delayed", "queued", "leased", "parked"]},
        "worker": _TEXT_OR_NULL,
        "since": _TIME,
        "lease_until": _TIME_OR_NULL,
        "due": _TIME_OR_NULL,
        "progress": {"type": ["object", "null"]},
    },
    "task_id", "kind", "attempt", "phase", "since",
)  # fmt: skip
_EVENT: Final = _object(
    {"seq": {"type": "integer", "minimum": 1}, "at": _TIME, "scope": _TEXT, "cause": _TEXT}, "seq", "at"
)
_BLUEPRINT: Final = _object(
    {
        "name": _TEXT,
        "version": {"type": "string", "description": "The digest of its content."},
        "label": {"type": ["string", "null"], "description": "The version for people."},
        "title": _TEXT_OR_NULL,
        "description": _TEXT_OR_NULL,
        "owner": _TEXT_OR_NULL,
    },
    "name", "version",
)  # fmt: skip
_FINDING: Final = _object(
    {
        "blueprint": _TEXT_OR_NULL,
        "since": _TIME,
        "code": _TEXT,
        "message": _TEXT,
        "file": _TEXT,
        "line": _NUMBER,
        "column": _NUMBER,
        "hint": _TEXT_OR_NULL,
    },
    "code", "message", "file",
)  # fmt: skip
_TIMES: Final = {"type": "array", "items": _TIME}
_RUN: Final = _object(
    {
        "scheduled_for": _TIME,
        "at": {**_TIME, "description": "When it was decided."},
        "outcome": {"type": "string", "enum": ["starting", "started", "skipped", "missed", "refused"]},
        "job_id": _TEXT_OR_NULL,
        "reason": _TEXT_OR_NULL,
        "count": {"type": "integer", "minimum": 1, "description": "Of runs that were missed: how many."},
        "by": {"type": ["string", "null"], "description": "Who asked for it by hand."},
    },
    "scheduled_for", "at", "outcome", "job_id", "reason", "count", "by",
)  # fmt: skip
_SCHEDULE: Final = _object(
    {
        "blueprint": _TEXT,
        "name": _TEXT,
        "cron": _TEXT,
        "timezone": _TEXT,
        "overlap": {"type": "string", "enum": ["skip", "queue", "replace"]},
        "catch_up": {"type": "string", "enum": ["none", "last", "all"]},
        "jitter": {"type": ["string", "null"], "examples": ["5m"]},
        "input": _ANY,
        "paused": {"type": ["object", "null"], "description": "`at`, `by` and `reason` of one that is paused."},
        "next": {**_TIMES, "description": "The next ten times; with jitter each run begins a little later."},
        "waiting": {**_TIMES, "description": "Runs that wait for the job before them."},
        "open": {"type": "array", "items": _TEXT, "description": "Its jobs that were not yet seen to have ended."},
        "runs": {**_list("Run"), "description": "The newest runs, at most 20, the newest first."},
    },
    *("blueprint", "name", "cron", "timezone", "overlap", "catch_up", "jitter", "input", "paused", "next", "waiting"),
    *("open", "runs"),
)
_PROBLEM: Final = _object(
    {
        "type": _TEXT,
        "title": _TEXT,
        "status": _NUMBER,
        "detail": _TEXT,
        "code": {"type": "string", "examples": ["input.invalid", "job.not_found", "idempotency.mismatch"]},
        "pointer": {"type": "string", "description": "A JSON pointer to the part of the body that is meant."},
        "errors": {"type": "array", "items": _object({"pointer": _TEXT, "message": _TEXT})},
        "hint": _TEXT,
        "request_id": _TEXT,
    },
    "type", "title", "status", "detail", "code",
)  # fmt: skip

_DATA: Final = {"type": "object", "description": "All variables of the job from now on."}
_CAUSE: Final = _object(
    {
        "scope": {"type": "string", "description": "`/` is the job itself, `/0.3` body 3 of its first block."},
        "state": _TEXT_OR_NULL,
        "cause": {"type": "string", "examples": ["no_worker", "queued", "timer", "branches", "paused"]},
        "text": _TEXT,
        "hint": _TEXT,
        "details": _MAP,
    },
    "scope", "state", "cause", "text", "hint", "details",
)  # fmt: skip
_RERUNNING: Final = {
    "anyOf": [ref("Job"), {**_ACCEPTED, "properties": {**_ACCEPTED["properties"], "rerun_of": _TEXT}}],
    "description": "The open job; or the new job, with the id of the ended one that it repeats.",
}


def _action(**fields: Json) -> dict[str, Json]:
    """What an operator may send with an action."""
    return _object({"reason": {"type": "string", "maxLength": 1_000}, **fields}, additionalProperties=False)


SCHEMAS: Final[dict[str, Json]] = {
    "Submission": _SUBMISSION,
    "Submissions": {**_list("Submission"), "minItems": 1, "maxItems": SUBMISSIONS_MAX},
    "Accepted": _ACCEPTED,
    "AcceptedList": _object(
        {"results": {"type": "array", "items": {"anyOf": [ref("Accepted"), _object({"problem": ref("Problem")})]}}},
        "results",
    ),
    "Job": _JOB,
    "JobPage": _object(
        {"jobs": {"type": "array", "items": _object(_LISTED, *_LISTED)}, "next_cursor": _TEXT_OR_NULL},
        "jobs",
        "next_cursor",
    ),
    "History": _object({"history": _list("Event"), "next_cursor": _TEXT_OR_NULL}, "history", "next_cursor"),
    "Event": _EVENT,
    "Tasks": _object({"tasks": _list("Task")}, "tasks"),
    "Task": _TASK,
    "Signal": _object(
        {
            "payload": {"description": "What the state's `expects` describes; it becomes the state's output."},
            "key": {"type": ["string", "integer"], "description": "The `key` of the state; nothing sent is none."},
            "id": {"type": "string", "maxLength": 255, "description": "The same id again is the same signal."},
        },
        additionalProperties=False,
    ),
    "SignalAccepted": _object(
        {"job_id": _TEXT, "signal": _TEXT, "status": {"type": "string", "enum": ["accepted", "repeated"]}},
        "job_id",
        "signal",
        "status",
    ),
    "Approvals": _object(
        {"job_id": _TEXT, "approvals": _list("Approval"), "complete": {"type": "boolean"}},
        "job_id",
        "approvals",
        "complete",
    ),
    "Approval": _object(
        {
            "job_id": _TEXT,
            "blueprint": _TEXT,
            "state": _TEXT,
            "scope": _TEXT,
            "visit": _NUMBER,
            "text": _TEXT,
            "choices": {"type": "array", "items": _TEXT},
            "form": {"description": "The JSON Schema of the form; null where there is none."},
            "assignees": {"type": "array", "items": _TEXT, "description": "None: whoever may operate the job."},
            "since": _TIME_OR_NULL,
            "deadline": _TIME_OR_NULL,
            "reminders": _NUMBER,
            "links": {"type": "object", "additionalProperties": _TEXT, "description": "Where asked for, by name."},
        },
        *("job_id", "blueprint", "state", "scope", "visit", "text", "choices", "form", "assignees", "since"),
        *("deadline", "reminders"),
    ),
    "Decision": _object(
        {
            "choice": {"type": "string", "description": "One of the choices of the state."},
            "comment": {"type": ["string", "null"], "maxLength": 4_000},
            "form": {"description": "What the state's `form` describes."},
            "visit": {"type": ["integer", "null"], "description": "The visit that is meant; the open one if unset."},
        },
        "choice",
        additionalProperties=False,
    ),
    "Decided": _object(
        {
            "job_id": _TEXT,
            "state": _TEXT,
            "scope": _TEXT,
            "visit": _NUMBER,
            "choice": _TEXT,
            "by": _TEXT,
            "status": {"type": "string", "enum": ["decided", "accepted"]},
            "decided_at": _TIME,
        },
        *("job_id", "state", "scope", "visit", "choice", "by", "status"),
    ),
    "HookTaken": _object(
        {"status": {"type": "string", "enum": ["accepted", "repeated", "ignored"]}, "job_id": _TEXT, "reason": _TEXT},
        "status",
    ),
    "Reason": _action(),
    "Cancel": _action(compensate={"type": "boolean", "description": "False: undo nothing. True if unset."}),
    "Rerun": _action(
        state={"type": "string", "description": "The state to enter; the current one if unset."}, data=_DATA
    ),
    "Release": _action(
        data=_DATA, params={"description": "Of a job that is parked at an undo: the undo's params from now on."}
    ),
    "Skip": _action(output={"description": "What the state's output is to be; null if unset."}),
    "Rerunning": _RERUNNING,
    "Why": _object(
        {
            "job_id": _TEXT,
            "status": _STATUS,
            "causes": _list("Cause"),
            "schedule": {"type": "object", "description": "Of a job that a schedule made: which, and for which time."},
        },
        *("job_id", "status", "causes"),
    ),
    "Cause": _CAUSE,
    "Blueprints": _object({"blueprints": _list("Blueprint"), "problems": _list("Finding")}, "blueprints", "problems"),
    "Blueprint": _BLUEPRINT,
    "Restore": _object({"digest": _TEXT}, "digest"),
    "Finding": _FINDING,
    "Schedules": _object({"schedules": _list("Schedule")}, "schedules"),
    "Schedule": _SCHEDULE,
    "Run": _RUN,
    "Triggered": _object({"job_id": _TEXT, "blueprint": _TEXT, "schedule": _TEXT}, "job_id", "blueprint", "schedule"),
    "Error": _ERROR,
    "Problem": _PROBLEM,
    "Map": _MAP,
    "Maps": _list("Map"),
    **TRUST_SCHEMAS,
}
"""All components by name."""
