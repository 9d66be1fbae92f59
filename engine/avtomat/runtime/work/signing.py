"""Sign and check messages of the worker protocol: HMAC-SHA256 of their canonical bytes, in hexadecimal digits.

The canonical bytes of a message are its JSON with sorted keys, compact, in UTF-8, without its signature, without nulls
in maps at any depth, and with whole numbers written as such. Both sides make them of what they sent or received, so
that no form on the way matters.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Final

import orjson

from avtomat.core.formula import Json

_WITHOUT: Final = frozenset({"security", "_signature"})
_INTEGER_MIN, _INTEGER_END = -(2.0**63), 2.0**64
_TASK_FIELDS: Final = ("job_id", "task_id", "type", "params", "tracing_context", "priority", "deadline", "timestamp")
"""Those of a task that every client of the protocol knows, and no others: a client signs what it knows."""


def canonical(message: Mapping[str, Json], without: Collection[str] = ()) -> bytes:
    """What of a message is signed; `without` are further members at its top that are not."""
    kept = {
        name: _plain(each)
        for name, each in message.items()
        if each is not None and name not in _WITHOUT and name not in without
    }
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)


def signature(message: Mapping[str, Json], secret: str, without: Collection[str] = ()) -> str:
    """The signature of a message by this secret."""
    return hmac.digest(secret.encode(), canonical(message, without), sha256).hex()


def is_signed(message: Mapping[str, Json], said: str, secret: str, without: Collection[str] = ()) -> bool:
    """Whether `said` is the signature of the message by this secret; told in constant time."""
    return hmac.compare_digest(signature(message, secret, without).encode(), said.encode())


def task_signature(task: Mapping[str, Json], secret: str) -> str:
    """The signature of a task by the engine's secret."""
    return signature({name: task[name] for name in _TASK_FIELDS if name in task}, secret)


def _plain(value: Json) -> Json:
    match value:
        case dict():
            return {name: _plain(each) for name, each in value.items() if each is not None}
        case list():
            return [_plain(each) for each in value]
        case float() if value.is_integer() and _INTEGER_MIN <= value < _INTEGER_END:
            return int(value)
    return value
