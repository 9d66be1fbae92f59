"""Take the body of a request: within its size, in time, as JSON.

Bodies are read here and not by aiohttp, because each route has a size of its own, and because the body of a small
request is there already when its handler runs: then it is taken without waiting, and without a timer.

What all requests of this process hold at once is bounded twice: by the bytes of the bodies that are read and not yet
decoded, and by what their values take. A body that waits for the second holds the first, and never the other way round,
so that both can always go on. A value's room is given back by its door, or earlier by a handler that has stored it.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import HttpVersion11

from avtomat.api.http.requests import Request
from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.byte_budget import ByteBudget
from avtomat.runtime.json_door import read_json
from avtomat.runtime.weight import BYTES_A_BYTE_MAX, weight_of

BODY_DEADLINE_S: Final = 30.0
"""How long a client may take to send its body."""

LARGE_BYTES: Final = 256_000
"""Bodies larger than this are read in a thread: checking the largest takes a second, and others go on meanwhile."""

LIGHT_BYTES: Final = 4_096
"""Bodies up to this are not counted: all of a thousand requests take less than what one large body may."""

BUSY_WAIT_S: Final = 5.0
"""How long a request waits for room, for its body and for its value, before it is put off."""

BODIES: Final = ByteBudget(64_000_000, wait_s=BUSY_WAIT_S)
"""For the bodies that do not come in one piece with their heads, from before they are read until they are decoded."""

VALUES: Final = ByteBudget(256_000_000, wait_s=BUSY_WAIT_S)
"""For the values of all bodies but light ones, as their texts weigh."""

UNWEIGHED_PART: Final = 4
"""As long as no more than a fourth of that is claimed, values are not weighed."""

_JSON: Final = "application/json"


class BodyTooLarge(RequestRefused):
    """413: a body of more than `bytes_max` bytes, of which `received` was read."""

    def __init__(self, bytes_max: int, received: bytes = b"") -> None:
        super().__init__(f"the body is larger than {bytes_max} bytes", status=413, code="request.too_large")
        self.received = received


async def json_body(request: Request, bytes_max: int) -> Json:
    """The value of the body, which there must be. RequestRefused: 400, 408, 413 or 415."""
    raw = await read_body(request, bytes_max)
    if not raw:
        raise RequestRefused("the body is empty; JSON was expected", status=400, code="request.json")
    return await value_of(request, raw)


async def optional_json_body(request: Request, bytes_max: int) -> Json:
    """The same; an empty body is an empty map."""
    raw = await read_body(request, bytes_max)
    return await value_of(request, raw) if raw else {}


async def value_of(request: Request, raw: bytes) -> Json:
    """The value of a body that was read. RequestRefused: 400 or 415."""
    require_json(request)
    of_body = request.claims
    if len(raw) <= LIGHT_BYTES and not of_body:
        return read_json(raw)
    if len(raw) > LIGHT_BYTES:
        request.hold(await VALUES.claim(room_for(raw)))
    value = await decode(raw)
    for claim in of_body:
        claim.release()
    return value


def room_for(raw: bytes) -> int:
    """What the value may take: its weight, but while there is plenty of room the most that a text of this length can
    weigh, because that costs nothing to find out.
    """
    most = len(raw) * BYTES_A_BYTE_MAX
    return most if VALUES.bytes_claimed + most <= VALUES.bytes_max // UNWEIGHED_PART else weight_of(raw)


async def decode(raw: bytes) -> Json:
    """The value of a text, in a thread where that takes long."""
    return read_json(raw) if len(raw) <= LARGE_BYTES else await asyncio.to_thread(read_json, raw)


def require_json(request: Request) -> None:
    """Refuse what is not said to be JSON: a page of somebody else can send forms and texts here, but not this."""
    kind = request.headers.get("Content-Type", "")
    if kind != _JSON and kind.partition(";")[0].strip().lower() != _JSON:
        raise RequestRefused(
            f"the Content-Type is {kind or 'missing'}; {_JSON} is expected",
            status=415,
            code="request.media_type",
            hint=f"send the header Content-Type: {_JSON}",
        )
    if ";" in kind and (charset := _charset_of(kind)) not in {"utf-8", "utf8"}:
        text = f"the charset is {charset[:40]}; JSON is in utf-8"
        raise RequestRefused(text, status=415, code="request.media_type", hint="leave the charset out")


def _charset_of(kind: str) -> str:
    """The charset that a media type names, in lower-case letters; utf-8 when it names none."""
    for parameter in kind.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return "utf-8"


async def read_body(request: Request, bytes_max: int) -> bytes:
    """The whole body. Nothing is read of one that says that it is too large."""
    headers = request.headers
    if headers.get("Content-Encoding", "identity") != "identity":
        raise RequestRefused("compressed bodies are not accepted", status=415, code="request.encoding")
    content = request.content
    if content.is_eof():
        raw = content.read_nowait()
    elif int(headers.get("Content-Length", 0)) > bytes_max:  # the parser lets nothing but digits pass
        raise BodyTooLarge(bytes_max)
    else:
        raw = await _await_body(request, bytes_max)
    if len(raw) > bytes_max:
        raise BodyTooLarge(bytes_max, raw)
    return raw


async def _await_body(request: Request, bytes_max: int) -> bytes:
    claim = await BODIES.claim(int(request.headers.get("Content-Length", bytes_max)))
    request.hold(claim)
    raw = await _read_to_end(request, bytes_max)
    claim.shrink(len(raw))
    return raw


async def _read_to_end(request: Request, bytes_max: int) -> bytes:
    parts, size = [], 0
    _say_that_it_may_come(request)
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            while part := await request.content.readany():
                parts.append(part)
                size += len(part)
                if size > bytes_max:
                    raise BodyTooLarge(bytes_max, b"".join(parts))
    except TimeoutError:
        text = f"the body did not come within {BODY_DEADLINE_S:g} s"
        raise RequestRefused(text, status=408, code="request.timeout") from None
    return b"".join(parts)


def _say_that_it_may_come(request: Request) -> None:
    """Answer a client that asks before it sends its body (`Expect: 100-continue`, RFC 9110, 10.1.1)."""
    waits = request.headers.get("Expect", "").lower() == "100-continue"
    if waits and request.version >= HttpVersion11 and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
