"""Describe workers, their reputation and the breakers of kinds of task over HTTP."""

from __future__ import annotations

from typing import Final

from avtomat.access.model import Scope
from avtomat.api.openapi.operation import Operation
from avtomat.core.formula import Json

TRUSTING: Final = (
    Operation(
        method="get",
        path="/api/v1/workers",
        id="listWorkers",
        door="client",
        scopes=(Scope.VIEWER,),
        summary="List workers and their reputation",
        text="Those that are registered, and those of which a fault is known; the first 1,000 by name.",
        answers={200: "WorkerList"},
        refusals=(422, 503),
    ),
    Operation(
        method="get",
        path="/api/v1/workers/{worker}",
        id="getWorker",
        door="client",
        scopes=(Scope.VIEWER,),
        summary="Read what is known of a worker",
        answers={200: "Worker"},
        refusals=(404, 422, 503),
    ),
    Operation(
        method="get",
        path="/api/v1/breakers",
        id="listBreakers",
        door="client",
        scopes=(Scope.VIEWER,),
        summary="List the breakers of kinds of task",
        text="Those of kinds of which an attempt failed lately, or whose breaker changed within a week.",
        answers={200: "BreakerList"},
        refusals=(422, 503),
    ),
    Operation(
        method="post",
        path="/api/v1/breakers/{kind}/reset",
        id="resetBreaker",
        door="client",
        scopes=(Scope.OPERATOR,),
        summary="Close a breaker at once",
        text="It counts anew from then on.",
        body="Nothing",
        body_required=False,
        answers={200: "Breaker"},
        refusals=(404, 422, 503),
    ),
)

TRUST_SCHEMAS: Final[dict[str, Json]] = {
    "Nothing": {"type": "object", "additionalProperties": False, "maxProperties": 0},
    "Worker": {
        "type": "object",
        "properties": {
            "worker": {"type": "string"},
            "registered": {"type": "boolean"},
            "type": {"type": ["string", "null"]},
            "kinds": {"type": "array", "items": {"type": "string"}},
            "polls_for": {
                "type": ["array", "null"],
                "items": {"type": "string"},
                "description": "What it asked for last at the replica that answers; null: nothing lately.",
            },
            "status": {"type": ["string", "null"], "description": "`draining` or `offline`, where it said so."},
            "reputation": {"type": "number", "minimum": 0, "maximum": 1},
            "probation": {"type": "boolean"},
            "faults": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}},
        },
        "required": ["worker", "registered", "type", "kinds", "reputation", "probation", "faults"],
    },
    "Fault": {
        "type": "object",
        "properties": {
            "at": {"type": "string", "format": "date-time"},
            "fault": {"enum": ["lost", "timeout", "contract", "malformed"]},
            "kind": {"type": "string"},
            "task_id": {"type": "string"},
        },
        "required": ["at", "fault", "kind", "task_id"],
    },
    "WorkerList": {
        "type": "object",
        "properties": {
            "workers": {"type": "array", "items": {"$ref": "#/components/schemas/Worker"}},
            "complete": {"type": "boolean"},
        },
        "required": ["workers", "complete"],
    },
    "Breaker": {
        "type": "object",
        "properties": {
            "kind": {"type": "string"},
            "state": {"enum": ["closed", "open", "probing"]},
            "since": {"type": ["string", "null"], "format": "date-time"},
            "reason": {"type": ["string", "null"]},
            "next_probe_at": {"type": ["string", "null"], "format": "date-time"},
            "probe": {"type": ["object", "null"]},
            "attempts": {"type": "integer", "description": "Ended within the window; of a closed breaker."},
            "failures": {"type": "object", "additionalProperties": {"type": "integer"}, "description": "By code."},
            "changes": {
                "type": "array",
                "items": {"type": "object"},
                "description": "The newest 20, the oldest first.",
            },
        },
        "required": ["kind", "state", "since", "reason", "next_probe_at", "probe", "attempts", "failures", "changes"],
    },
    "BreakerList": {
        "type": "object",
        "properties": {
            "enabled": {"type": "boolean"},
            "breakers": {"type": "array", "items": {"$ref": "#/components/schemas/Breaker"}},
        },
        "required": ["enabled", "breakers"],
    },
}
