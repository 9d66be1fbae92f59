"""Sign what the worker sends, and check that tasks come from its engine.

HMAC-SHA256 in hexadecimal digits, of the message's JSON with sorted keys, compact, in UTF-8: without `security`,
without nulls in maps at any depth, and with whole numbers written as such. The engine makes the same bytes of what it
receives.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

Json = Any

_WITHOUT = frozenset({"security", "_signature"})
_INTEGER_MIN, _INTEGER_END = -(2.0**63), 2.0**64
_TASK_FIELDS = ("job_id", "task_id", "type", "params", "tracing_context", "priority", "deadline", "timestamp")
"""Those that the engine signs."""


def canonical(message: Mapping[str, Json]) -> bytes:
    """Return what of a message is signed."""
    kept = {name: _plain(each) for name, each in message.items() if each is not None and name not in _WITHOUT}
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)


def signature(message: Mapping[str, Json], secret: str) -> str:
    """Return the signature of a message by this secret."""
    return hmac.digest(secret.encode(), canonical(message), sha256).hex()


def signed(body: bytes, *, worker_id: str, token: str) -> bytes:
    """Return an encoded message with its signature by the worker's token."""
    message = orjson.loads(body)
    message["security"] = {"signature": signature(message, token), "signer_id": worker_id}
    return orjson.dumps(message)


def is_from_engine(task: Mapping[str, Json], secret: str) -> bool:
    """Tell whether a TaskPayload is signed by the engine's secret."""
    told = {name: task[name] for name in _TASK_FIELDS if name in task}
    return hmac.compare_digest(signature(told, secret).encode(), str(task.get("sig") or "").encode())


def _plain(value: Json) -> Json:
    match value:
        case dict():
            return {name: _plain(each) for name, each in value.items() if each is not None}
        case list():
            return [_plain(each) for each in value]
        case float() if value.is_integer() and _INTEGER_MIN <= value < _INTEGER_END:
            return int(value)
    return value
