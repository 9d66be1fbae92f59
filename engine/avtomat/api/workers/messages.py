"""Check the shapes of what workers send.

Unknown fields are left alone; what is missing takes its default. Older clients nest a result in `result`; what else is
theirs is brought into today's form by `older`.
"""

from __future__ import annotations

import re
from typing import Final

from avtomat.api.workers.older import bring_heartbeat, bring_registration
from avtomat.core.formula import Json
from avtomat.core.kinds.calls import RESERVED
from avtomat.errors import RequestRefused

_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
_NESTED: Final = ("status", "data", "error")
_EVENT_TEXTS: Final = ("event_id", "worker_id", "origin_worker_id", "event_type")
_LISTS: Final = ("supported_skills", "available_skills", "hot_skills", "current_tasks", "installed_artifacts")
_MAPS: Final = ("resources", "capabilities", "installed_software")


def read_registration(body: Json) -> dict[str, Json]:
    """A WorkerRegistration, its skills as maps with a name."""
    told = _map(body, "a registration")
    bring_registration(told)
    check_id(told.get("worker_id"), "worker_id")
    _check_containers(told)
    told["supported_skills"] = [_skill(skill) for skill in told.get("supported_skills") or ()]
    return told


def read_heartbeat(body: Json, worker: str) -> dict[str, Json]:
    """A Heartbeat of this worker."""
    told = _map(body, "a heartbeat")
    bring_heartbeat(told)
    if told.setdefault("worker_id", worker) != worker:
        raise _invalid("worker_id is not the one of the address")
    _check_containers(told)
    if told.get("supported_skills"):
        told["supported_skills"] = [_skill(skill) for skill in told["supported_skills"]]
    return told


def read_result(body: Json, sender: str | None) -> dict[str, Json]:
    """A TaskResult; `sender` is the worker that the header names. With good ids it is never refused: what cannot be
    used of it is a failure of the attempt, and sending it again would change nothing.
    """
    told = _map(body, "a result")
    nested = told.get("result")
    if isinstance(nested, dict) and not any(name in told for name in _NESTED):
        told = {**told, **{name: nested[name] for name in _NESTED if name in nested}}
    for name in ("job_id", "task_id"):
        check_id(told.get(name), name)
    if told.get("worker_id") is None:
        told["worker_id"] = sender
    check_id(told["worker_id"], "worker_id")
    return told


def read_event(body: Json) -> dict[str, Json]:
    """A WorkerEvent."""
    told = _map(body, "an event")
    for name in _EVENT_TEXTS:
        if not isinstance(told.get(name), str) or not told[name]:
            raise _invalid(f"{name} is missing or not a text")
    if not isinstance(told.get("payload"), dict):
        raise _invalid("payload is missing or not a map")
    return told


def check_id(value: Json, name: str) -> str:
    """The value if it can name a worker, a job or a task."""
    if type(value) is not str or not _ID.fullmatch(value):
        raise _invalid(f"{name} is 1 to 128 letters, digits, _, - and .")
    if value.startswith(RESERVED):
        raise _invalid(f"{name} begins with {RESERVED}, as names of the engine itself do")
    return value


def _map(body: Json, what: str) -> dict[str, Json]:
    if type(body) is not dict:
        raise _invalid(f"{what} is a map")
    return body


def _check_containers(told: dict[str, Json]) -> None:
    for names, kind, word in ((_LISTS, list, "list"), (_MAPS, dict, "map")):
        for name in names:
            if told.get(name) is not None and type(told[name]) is not kind:
                raise _invalid(f"{name} is a {word}")


def _skill(skill: Json) -> dict[str, Json]:
    told = {"name": skill} if isinstance(skill, str) else _map(skill, "a skill")
    check_id(told.get("name"), "the name of a skill")
    return told


def _invalid(message: str) -> RequestRefused:
    return RequestRefused(message, status=400, code="request.invalid")
