"""Check what a program asks for as the API checks it: what JSON cannot say, or no job can have, is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from avtomat.core.duration import DURATION_MAX
from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.json_door import read_json
from avtomat.storage.port.codec import dumps

PRIORITY_MAX = 9
KEY_CHARACTERS_MAX = 255


def submission(
    blueprint: str,
    given: Json,
    *,
    client: str,
    labels: Mapping[str, str] | None,
    priority: int | None,
    timeout: timedelta | None,
    start_at: datetime | None,
    key: str | None,
) -> Submission:
    """What is asked, checked. Raises RequestRefused (422, request.invalid) with the place of what is wrong."""
    labels = labels or {}
    if not all(isinstance(name, str) and isinstance(text, str) for name, text in labels.items()):
        raise _unfit("labels are a map of texts", "labels")
    if priority is not None and (type(priority) is not int or not 0 <= priority <= PRIORITY_MAX):
        raise _unfit(f"priority is a whole number from 0 to {PRIORITY_MAX}, 9 first", "priority")
    if timeout is not None and not timedelta(0) < timeout <= DURATION_MAX:
        raise _unfit("timeout is positive, and at most a hundred years", "timeout")
    if start_at is not None and start_at.tzinfo is None:
        raise _unfit("start_at is a time with its time zone, such as datetime.now(UTC)", "start_at")
    if key is not None and not (0 < len(key) <= KEY_CHARACTERS_MAX and key.isascii() and key.isprintable()):
        raise _unfit(f"key is 1 to {KEY_CHARACTERS_MAX} printable ASCII characters", "key")
    return Submission(
        blueprint=blueprint,
        input=_as_json({} if given is None else given),
        client=client,
        labels=labels,
        priority=priority,
        timeout=timeout,
        start_at=start_at,
        key=key,
    )


def _as_json(given: Json) -> Json:
    """The input if both writers take it, of which one would make null of NaN and texts of times, the other texts of
    keys, and if the reader of requests takes what they write.
    """
    try:
        json.dumps(given, allow_nan=False)
        read_json(dumps(given))
    except RequestRefused as refused:
        raise _unfit(refused.message.replace("the body", "the input"), "input") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise _unfit(f"the input cannot be written as JSON: {error}", "input") from None
    return given


def _unfit(text: str, name: str) -> RequestRefused:
    return RequestRefused(text, status=422, code="request.invalid", pointer=f"/{name}")
