"""Read what a client wants to submit: one job, or a list of them.

A submission is `{"input": …, "labels", "priority", "timeout", "start_at"}`; `initial_data` stands for `input`. Clients
of Avtomatika, told by their header X-Avtomatika-Token, may send the input as the whole body. The hash beside an
idempotency key covers the blueprint and the body as a value, so that spaces and the order of keys do not matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import orjson

from avtomat.core.duration import duration_hint, parse_duration
from avtomat.core.formula import Json
from avtomat.core.timestamp import parse_time, time_hint
from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.submission import Submission
from avtomat.suggest import did_you_mean

SUBMISSIONS_MAX: Final = 100
LABELS_MAX: Final = 64
LABEL_CHARACTERS_MAX: Final = 256
KEY_CHARACTERS_MAX: Final = 255
PRIORITY_MAX: Final = 9
NO_LABELS: Final[Mapping[str, str]] = {}
_FIELDS: Final = frozenset({"input", "initial_data", "labels", "priority", "timeout", "start_at"})
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


def read_submission(
    body: Json,
    *,
    blueprint: str,
    client: str,
    key: str | None = None,
    trace: str | None = None,
    whole: bool = False,
    labels: Mapping[str, str] = NO_LABELS,
    pointer: str = "",
) -> Submission:
    """Read one submission. RequestRefused (422, request.invalid) points to what is wrong.

    `whole`: a body without any word of ours is the input itself. `labels` are the client's own, whatever the body says.
    `pointer` leads to the submission in the body.
    """
    if not isinstance(body, dict):
        raise _invalid(f"a submission is a map, not {_kind(body)}", pointer)
    body_hash = "" if key is None else _hash(blueprint, body)
    if whole and not body.keys() & _FIELDS:
        body = {"input": body}
    if len(body) == 1 and "input" in body:  # as most clients send it
        given = body["input"]
        return Submission(
            blueprint=blueprint, input=given, client=client, labels=labels, key=key, body_hash=body_hash, trace=trace
        )
    _refuse_unknown(body, pointer)
    return Submission(
        blueprint=blueprint,
        input=_input(body, pointer),
        client=client,
        labels={**_labels(body.get("labels"), pointer), **labels},
        priority=_priority(body.get("priority"), pointer),
        timeout=_timeout(body.get("timeout"), pointer),
        start_at=_start_at(body.get("start_at"), pointer),
        key=key,
        body_hash=body_hash,
        trace=trace,
    )


def read_key(text: str | None) -> str | None:
    """The idempotency key, as it stands in its header."""
    if text is not None and not (0 < len(text) <= KEY_CHARACTERS_MAX and text.isascii() and text.isprintable()):
        raise RequestRefused(
            f"Idempotency-Key is 1 to {KEY_CHARACTERS_MAX} printable ASCII characters",
            status=422,
            code="request.header",
        )
    return text


def read_trace(text: str | None) -> str | None:
    """The traceparent of W3C Trace Context; one that is not of its form is left out, as the standard says."""
    return text if text is not None and _TRACEPARENT.fullmatch(text) else None


def _hash(blueprint: str, body: Json) -> str:
    return sha256(blueprint.encode() + b"\0" + orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _refuse_unknown(body: Mapping[str, Json], pointer: str) -> None:
    if body.keys() <= _FIELDS:
        return
    name = next(name for name in body if name not in _FIELDS)
    meant = did_you_mean(name, _FIELDS)
    place = f"{pointer}/{name[:80].replace('~', '~0').replace('/', '~1')}"
    hint = f"did you mean {meant}?" if meant else 'the job\'s input belongs below "input"'
    raise _invalid(f"a submission has no field {name[:80]!r}", place, hint)


def _input(body: Mapping[str, Json], pointer: str) -> Json:
    if "initial_data" not in body:
        return body.get("input", {})
    if "input" in body:
        raise _invalid("initial_data is another word for input; send one of them", f"{pointer}/initial_data")
    return body["initial_data"]


def _labels(value: Json, pointer: str) -> Mapping[str, str]:
    if value is None:
        return {}
    fit = isinstance(value, dict) and len(value) <= LABELS_MAX
    if not fit or not all(isinstance(text, str) and max(len(text), len(name)) <= LABEL_CHARACTERS_MAX
                          for name, text in value.items()):  # fmt: skip
        expected = f"labels are a map of at most {LABELS_MAX} texts of at most {LABEL_CHARACTERS_MAX} characters"
        raise _invalid(expected, f"{pointer}/labels")
    return dict(value)


def _priority(value: Json, pointer: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= PRIORITY_MAX:
        raise _invalid(f"priority is a whole number from 0 to {PRIORITY_MAX}, 9 first", f"{pointer}/priority")
    return value


def _timeout(value: Json, pointer: str) -> timedelta | None:
    if value is None:
        return None
    span = parse_duration(value) if isinstance(value, str) else None
    if not span:
        hint = None if span is not None else duration_hint(value if isinstance(value, str) else str(value)[:40])
        raise _invalid("timeout is a positive duration, such as 90s or 1h30m", f"{pointer}/timeout", hint)
    return span


def _start_at(value: Json, pointer: str) -> datetime | None:
    if value is None:
        return None
    time = parse_time(value) if isinstance(value, str) else None
    if time is None:
        hint = time_hint(value) if isinstance(value, str) else None
        raise _invalid("start_at is a time with its offset, such as 2026-01-31T23:00:00Z", f"{pointer}/start_at", hint)
    return time


def _invalid(message: str, pointer: str, hint: str | None = None) -> RequestRefused:
    return RequestRefused(message, status=422, code="request.invalid", pointer=pointer, hint=hint)


def _kind(value: Json) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list"}
    return names.get(type(value), "null")
