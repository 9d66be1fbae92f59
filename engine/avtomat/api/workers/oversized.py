"""Find out whose result is too large to be taken, so that its attempt fails at once and is not tried in vain.

A result over the limit is never kept. What it is about stands before or behind its data: its first and last bytes are
looked at while the rest is read and thrown away, up to a bound. A list is about many attempts, of which any may be
small enough by itself: none of them is meant.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final, NamedTuple

from aiohttp import web

from avtomat.api.http.requests import Request

LOOKED_AT_BYTES: Final = 4096
READ_TIMES_MAX: Final = 4
"""A body of more than so many times the limit is not read to its end."""

READ_DEADLINE_S: Final = 30.0

_IDS: Final = {name: re.compile(rb'"%b"\s*:\s*"([A-Za-z0-9_.-]{1,128})"' % name) for name in (b"job_id", b"task_id")}


class Subject(NamedTuple):
    """The attempt that a result is about."""

    job_id: str
    task_id: str


async def subject_of(request: Request, received: bytes, bytes_max: int) -> Subject | None:
    """Read what is left of the body after `received`, and tell which attempt it is about; None when that cannot be
    told.
    """
    head, tail = received[:LOOKED_AT_BYTES], received[-LOOKED_AT_BYTES:]
    left = READ_TIMES_MAX * bytes_max - len(received)
    try:
        async with asyncio.timeout(READ_DEADLINE_S):
            while left > 0 and (part := await request.content.readany()):
                left -= len(part)
                head += part[: LOOKED_AT_BYTES - len(head)]
                tail = (tail + part)[-LOOKED_AT_BYTES:]
    except (TimeoutError, web.RequestPayloadError):
        return None
    if head.lstrip().startswith(b"["):
        return None
    return _ids_in(head.partition(b'"data"')[0], first=True) or _ids_in(tail, first=False)


def _ids_in(text: bytes, *, first: bool) -> Subject | None:
    found = [pattern.findall(text) for pattern in _IDS.values()]
    if not all(found):
        return None
    job, task = (each[0 if first else -1].decode() for each in found)
    return Subject(job, task)
