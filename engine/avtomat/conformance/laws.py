"""What holds for every request of a worker, whatever check is under way: who it is from, and its form.

Messages are read by the very functions of the engine's door, and compared with schemas/worker-protocol.schema.json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Final

import jsonschema_rs

from avtomat.api.workers.messages import read_event, read_heartbeat, read_registration, read_result
from avtomat.api.workers.signed import EVENT_WITHOUT
from avtomat.conformance.calls import Call, Json
from avtomat.errors import RequestRefused
from avtomat.resources import schema_text
from avtomat.runtime.work.signing import canonical, is_signed

_DEFINITION_OF: Final = {
    "register": "WorkerRegistration",
    "heartbeat": "Heartbeat",
    "result": "TaskResult",
    "event": "WorkerEvent",
}
_SECONDS: Final = re.compile(r"\d+(\.\d+)?", re.ASCII)
_COUNT: Final = re.compile(r"\d{1,3}", re.ASCII)
TASKS_PER_POLL_MAX: Final = 100
_EXCHANGE: Final = "POST /_worker/auth/token"
"""What a worker may ask for when its token is refused: a short-lived one."""


def breaches(call: Call, worker: str, token: str, *, signing: bool = False) -> Iterator[str]:
    """What is wrong with a request, a sentence each. With `signing` its messages must be signed with the token."""
    if call.line == _EXCHANGE:
        return
    if call.name == "other":
        yield f"{call.line} is no call of the protocol"
        return
    if call.headers.get("X-Worker-Token") != token:
        yield f"{call.line} came with the X-Worker-Token {call.headers.get('X-Worker-Token')!r}, not {token!r}"
    if call.headers.get("X-Worker-ID") != worker:
        yield f"{call.line} came with the X-Worker-ID {call.headers.get('X-Worker-ID')!r}, not {worker!r}"
    if call.name == "poll" or "next" in call.query:
        yield from _of_query(call)
    if call.name == "poll":
        return
    if call.body is not None and call.headers.get("Content-Type", "").partition(";")[0] != "application/json":
        yield f"{call.line} has the Content-Type {call.headers.get('Content-Type')!r}, not application/json"
    for message in call.body if call.name == "result" and isinstance(call.body, list) else [call.body]:
        if signing:
            yield from _of_signature(call, message, token)
        yield from _of_message(call, message, worker)


def _of_signature(call: Call, message: Json, token: str) -> Iterator[str]:
    if not isinstance(message, dict):
        yield f"{call.line} is not signed"
        return
    security = message.get("security")
    said = security.get("signature") if isinstance(security, dict) else None
    without = EVENT_WITHOUT if call.name == "event" else ()
    if not isinstance(said, str):
        yield f"{call.line} is not signed: security.signature is missing"
    elif not is_signed(message, said, token, without):
        yield f"{call.line} is signed wrongly: the bytes to sign are {canonical(message, without)[:500]!r}"


def _of_query(call: Call) -> Iterator[str]:
    if not _SECONDS.fullmatch(call.query.get("timeout", "30")):
        yield f"{call.line} has timeout={call.query['timeout']}, which is not a number of seconds"
    tasks_max = call.query.get("max", "1")
    if not _COUNT.fullmatch(tasks_max) or int(tasks_max) > TASKS_PER_POLL_MAX:
        yield f"{call.line} has max={tasks_max}, which is not a number from 0 to {TASKS_PER_POLL_MAX}"


def _of_message(call: Call, message: Json, worker: str) -> Iterator[str]:
    try:
        match call.name:
            case "register":
                read_registration(message)
            case "heartbeat":
                if message is None:  # an empty body only says that the worker lives
                    return
                read_heartbeat(message, worker)
            case "result":
                read_result(message, call.headers.get("X-Worker-ID"))
            case "event":
                read_event(message)
    except RequestRefused as refused:
        yield f"{call.line} would be answered {refused.status}: {refused.message}"
        return
    for error in _validator(_DEFINITION_OF[call.name]).iter_errors(message):
        place = "/".join(map(str, error.instance_path))
        yield f"{call.line} is not as the schema says, at {place or 'its top'}: {error.message[:300]}"
    named = message.get("worker_id", worker) if isinstance(message, dict) else worker
    if named != worker:
        yield f"{call.line} names the worker {named!r}, not {worker!r}"


@cache
def _validator(definition: str) -> jsonschema_rs.Draft202012Validator:
    schema = json.loads(schema_text("worker-protocol"))
    return jsonschema_rs.Draft202012Validator({**schema, "anyOf": [{"$ref": f"#/$defs/{definition}"}]})
