"""Bring what older clients say into today's form: those of avtomatika-worker up to 1.0b7.

Their messages can be told apart without doubt: they register `supported_tasks`, or skills that are texts; their
heartbeats have a `load`, those of the oldest name no tasks at all; their sockets have no id in the address, and tell
progress in a form of their own.
"""

from __future__ import annotations

from typing import Final

from avtomat.core.formula import Json

_PROGRESS: Final = "progress_update"
_CAPABILITIES: Final = ("cost_per_skill", "hostname", "ip_address")


def bring_registration(told: dict[str, Json]) -> None:
    """Give a registration today's names: what it can do, its costs, its resources."""
    _bring_skills(told)
    if "capabilities" not in told:
        capabilities = {name: told.pop(name) for name in _CAPABILITIES if name in told}
        if capabilities:
            told["capabilities"] = capabilities
    models = told.pop("installed_models", None)
    if isinstance(models, list) and "installed_artifacts" not in told:
        told["installed_artifacts"] = models
    resources = told.get("resources")
    if isinstance(resources, dict) and "properties" not in resources and "devices" not in resources:
        told["resources"] = _resources(resources)


def bring_heartbeat(told: dict[str, Json]) -> None:
    """Give a heartbeat today's names."""
    _bring_skills(told)


def progress_event(told: Json, worker: str) -> dict[str, Json] | None:
    """Progress as older clients tell it over a socket, as an event of this worker; None: it is no such thing."""
    if not is_progress(told):
        return None
    return {
        "event_id": str(told.get("task_id")),
        "worker_id": worker,
        "origin_worker_id": worker,
        "event_type": "progress",
        "payload": {name: told[name] for name in ("progress", "message") if name in told},
        "target_job_id": told.get("job_id"),
        "target_task_id": told.get("task_id"),
    }


def is_progress(told: Json) -> bool:
    """Whether this is progress as older clients tell it over a socket."""
    return isinstance(told, dict) and "event_type" not in told and _PROGRESS in (told.get("type"), told.get("event"))


def _bring_skills(told: dict[str, Json]) -> None:
    if "supported_tasks" in told and "supported_skills" not in told:
        told["supported_skills"] = told.pop("supported_tasks")
    if "hot_cache" in told and told.get("hot_skills") is None:
        told["hot_skills"] = told.pop("hot_cache")


def _resources(flat: dict[str, Json]) -> dict[str, Json]:
    """Numbers that stand side by side, and at most one graphics card."""
    card = flat.get("gpu_info")
    properties = {name: value for name, value in flat.items() if name != "gpu_info" and value is not None}
    if not isinstance(card, dict):
        return {"properties": properties}
    device = {"type": "gpu", "model": card.get("model"), "properties": {"memory_gb": card.get("vram_gb")}}
    return {"properties": properties, "devices": [device]}
