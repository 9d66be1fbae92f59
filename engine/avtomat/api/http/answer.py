"""Write an answer whose body is known: nearly all of them are small, and leave in one piece.

aiohttp's own response is made for everything that HTTP has, and costs more than reading and routing the request. So the
usual case is written here, and what is not usual (a large body, compression, HEAD, HTTP/1.0) by aiohttp.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import ClientConnectionResetError, web

if TYPE_CHECKING:
    from avtomat.api.http.requests import Request

SERVER: Final = "avtomat"
GZIP_FROM_BYTES: Final = 1_024
"""Answers larger than this are compressed for clients that ask for it."""

WHOLE_BYTES_MAX: Final = 64 * 1024
"""A larger body is written by aiohttp; no more than this waits for a client that reads slowly."""

READ_DEADLINE_S: Final = 60.0
"""How long a client may take to read what waits for it beyond that, or a larger body."""

_BODILESS: Final = frozenset({204, 304})
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


class Headers:
    """Headers that many answers share, with the lines that they make."""

    __slots__ = ("fields", "lines")

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = {"Server": SERVER, **fields}
        self.lines = "".join(f"{name}: {value}\r\n" for name, value in self.fields.items())


class Answer:
    """An answer: `body` of a content type, headers that others share, and further ones that were `set`."""

    __slots__ = (
        "_by_aiohttp",
        "_compressed",
        "_content_type",
        "_further",
        "_is_written",
        "_request",
        "_shared",
        "body",
        "keep_alive",
        "status",
    )

    def __init__(self, body: bytes, content_type: str, shared: Headers, status: int = 200) -> None:
        self.body = body
        self.status = status
        self.keep_alive = True
        self._content_type = content_type
        self._shared = shared
        self._further: dict[str, str] = {}
        self._compressed = False
        self._is_written = False
        self._by_aiohttp: web.Response | None = None
        self._request: web.BaseRequest | None = None

    def set(self, name: str, value: str) -> None:
        """Add a header. What would break the head in two is refused: it was not made here."""
        if "\n" in value or "\r" in value:
            raise ValueError(f"a header is one line: {value!r}")
        self._further[name] = value

    def compress_for(self, request: Request) -> None:
        """Compress the body if it is worth it and the client takes gzip."""
        if len(self.body) > GZIP_FROM_BYTES and _takes_gzip(request.headers.get("Accept-Encoding", "")):
            self._compressed = True
            self.set("Vary", "Accept-Encoding")

    async def prepare(self, request: web.BaseRequest) -> None:
        """aiohttp's call, and that of a handler that wants to know whether it could be written; once is enough."""
        if self._is_written:
            return
        version, is_long = request.version, len(self.body) > WHOLE_BYTES_MAX
        if is_long or self._compressed or request.method == "HEAD" or version[0] != 1 or version[1] != 1:
            self._request = request
            self._by_aiohttp = await self._write_by_aiohttp(request)
            self._is_written = True
            return
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("Cannot write to closing transport")
        self.keep_alive = request.keep_alive
        self._is_written = True
        transport.write(self._head().encode("latin-1") + self.body)
        if transport.get_write_buffer_size() > WHOLE_BYTES_MAX:  # a client that asks and does not read
            await _read_in_time(transport, request.writer.drain())

    async def write_eof(self) -> None:
        """aiohttp's call, after `prepare`."""
        written = self._by_aiohttp
        if written is not None:
            transport = None if self._request is None else self._request.transport
            if transport is None:
                raise ClientConnectionResetError("Cannot write to closing transport")
            await _read_in_time(transport, written.write_eof())
            self.keep_alive = bool(written.keep_alive)

    def _head(self) -> str:
        if self.status in _BODILESS:
            about_body = ""
        else:
            about_body = f"Content-Type: {self._content_type}\r\nContent-Length: {len(self.body)}\r\n"
        connection = "" if self.keep_alive else "Connection: close\r\n"
        further = "".join([f"{name}: {value}\r\n" for name, value in self._further.items()]) if self._further else ""
        return (
            f"HTTP/1.1 {self.status} {_REASONS[self.status]}\r\n"
            f"{about_body}{self._shared.lines}{further}Date: {_date()}\r\n{connection}\r\n"
        )

    async def _write_by_aiohttp(self, request: web.BaseRequest) -> web.Response:
        headers = {**self._shared.fields, "Content-Type": self._content_type, **self._further}
        whole = web.Response(body=self.body, status=self.status, headers=headers)
        if self._compressed:
            whole.enable_compression(web.ContentCoding.gzip)
        await whole.prepare(request)
        return whole


_clock: list[tuple[int, str]] = [(0, "")]


def _date() -> str:
    """The time of this second, as HTTP writes it (RFC 9110, 5.6.7)."""
    second, text = _clock[0]
    now = int(time.time())
    if now != second:
        text = formatdate(now, usegmt=True)
        _clock[0] = (now, text)
    return text


def _takes_gzip(accepted: str) -> bool:
    for coding in accepted.split(","):
        name, _, weight = coding.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "").rstrip("0.") != "q="
    return False


async def _read_in_time(transport: asyncio.WriteTransport, written: Awaitable[None]) -> None:
    """Wait until the client has read; the connection of one that does not is ended."""
    try:
        async with asyncio.timeout(READ_DEADLINE_S):
            await written
    except TimeoutError:
        transport.abort()
        raise ClientConnectionResetError("the client does not read its answer") from None
