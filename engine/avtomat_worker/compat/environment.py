"""Read the settings of avtomatika-worker from its variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import orjson

Json = Any
_EXTRA = "WORKER_EXTRA_"


class WorkerConfig:
    """The settings that this SDK has use for, under the names of that package. They may be changed before the start."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        env = os.environ if environ is None else environ
        self.WORKER_ID = env.get("WORKER_ID")
        self.WORKER_TYPE = env.get("WORKER_TYPE", "generic-worker")
        self.WORKER_TOKEN = env.get("WORKER_INDIVIDUAL_TOKEN") or env.get("WORKER_TOKEN")
        self.ORCHESTRATOR_URL = env.get("ORCHESTRATOR_URL", "http://localhost:8080")
        self.SECRET_KEY = env.get("ORCHESTRATOR_SECRET_KEY") or env.get("SECRET_KEY") or None
        self.MAX_CONCURRENT_TASKS = int(env.get("MAX_CONCURRENT_TASKS", "10"))
        self.COST_PER_SKILL: Json = _json(env, "COST_PER_SKILL", {})
        self.INSTALLED_SOFTWARE: Json = _json(env, "INSTALLED_SOFTWARE", None)
        self.INSTALLED_ARTIFACTS: Json = _json(env, "INSTALLED_ARTIFACTS", _json(env, "INSTALLED_MODELS", []))
        self.RESOURCES = _resources(env)
        self.EXTRA_CAPABILITIES = {
            name.removeprefix(_EXTRA).lower(): _text_or_json(text)
            for name, text in env.items()
            if name.startswith(_EXTRA)
        }

    def registration(self) -> dict[str, Json]:
        """Return what the worker tells of itself."""
        told: dict[str, Json] = {
            "worker_type": self.WORKER_TYPE,
            "installed_artifacts": self.INSTALLED_ARTIFACTS,
            "capabilities": {"cost_per_skill": self.COST_PER_SKILL, "extra": self.EXTRA_CAPABILITIES},
        }
        if self.INSTALLED_SOFTWARE is not None:
            told["installed_software"] = self.INSTALLED_SOFTWARE
        return told if self.RESOURCES is None else {**told, "resources": self.RESOURCES}


def _resources(env: Mapping[str, str]) -> dict[str, Json] | None:
    """None: they are what the SDK finds by itself."""
    numbers = {name.lower(): float(env[name]) for name in ("CPU_CORES", "RAM_GB") if env.get(name)}
    devices = _json(env, "WORKER_DEVICES", [])
    if model := env.get("GPU_MODEL"):
        card = {"type": "gpu", "model": model, "id": env.get("GPU_ID", "0")}
        devices = [{**card, "properties": {"memory_gb": int(env.get("GPU_VRAM_GB", "0"))}}, *devices]
    return {"properties": numbers, "devices": devices} if numbers or devices else None


def _json(env: Mapping[str, str], name: str, default: Json) -> Json:
    text = env.get(name)
    if not text:
        return default
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the variable {name} is no JSON: {error}") from error


def _text_or_json(text: str) -> Json:
    if not text.startswith(("{", "[")):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
