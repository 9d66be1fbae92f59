"""Servers that answer in raw bytes, and know what reached them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server of raw bytes; `heads` are the requests that reached it, `connections` how many were made."""

    def __init__(self, answer: Serve) -> None:
        self._answer = answer
        self.heads: list[bytes] = []
        self.connections = 0
        self.port = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer: Serve, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Server]:
    handler = Server(answer)
    server = await asyncio.start_server(handler, host, port)
    handler.port = server.sockets[0].getsockname()[1]
    try:
        yield handler
    finally:
        server.close()


def raw(content: bytes) -> Serve:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()

    return answer


def body(content: bytes, status: str = "200 OK", *headers: str) -> Serve:
    lines = "".join(f"{header}\r\n" for header in headers)
    return raw(f"HTTP/1.1 {status}\r\n{lines}Content-Length: {len(content)}\r\n\r\n".encode() + content)
