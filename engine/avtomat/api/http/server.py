"""Listen on an address and serve the application there, with the limits of the doors.

A connection that has sent no whole head of a request for KEEPALIVE_S is closed: before its first request, within one,
and between two.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from avtomat.api.app import App
from avtomat.api.http.requests import Request
from avtomat.api.malformed import HEAD_LINE_BYTES_MAX, HEADERS_MAX, Server

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader
    from aiohttp.web_protocol import RequestHandler

KEEPALIVE_S = 75.0
BACKLOG = 1_024


class Listener:
    """A listening address, until `close`."""

    def __init__(self, runner: _Runner) -> None:
        self._runner = runner

    @property
    def port(self) -> int:
        """The port, also where the system chose it."""
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Take no more connections, let requests end that are under way, at most the drain time, then disconnect."""
        await self._runner.cleanup()


async def listen(
    app: App,
    *,
    host: str,
    port: int,
    drain_s: float,
    shared: bool = False,
) -> Listener:
    """Serve `app`. `shared`: other processes listen on the same port. OSError: the address cannot be used."""
    loop = asyncio.get_running_loop()

    def make_request(
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> Request:
        return Request(message, payload, protocol, writer, task, loop)

    server = Server(
        cast("Any", app.handle),  # of a response aiohttp asks for no more than an Answer has
        request_factory=make_request,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=KEEPALIVE_S,
        max_line_size=HEAD_LINE_BYTES_MAX,
        max_field_size=HEAD_LINE_BYTES_MAX,
        max_headers=HEADERS_MAX,
    )
    # aiohttp waits twice: for requests to end, then once more after it asked them to
    runner = _Runner(server, app, shutdown_timeout=drain_s / 2)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=BACKLOG, reuse_port=shared or None)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    return Listener(runner)


class _Runner(web.ServerRunner):
    """aiohttp's, that lets the application close what would not end by itself before it waits for requests."""

    def __init__(self, server: web.Server, app: App, *, shutdown_timeout: float) -> None:
        super().__init__(server, shutdown_timeout=shutdown_timeout)
        self._app = app

    async def shutdown(self) -> None:
        """aiohttp's call: no more connections are taken."""
        await self._app.close()
