"""Hold the JSON Schemas of workers, their reputation and the breakers of kinds of task, as clients get them."""

from __future__ import annotations

from typing import Final

from avtomat.core.formula import Json

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
