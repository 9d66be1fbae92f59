"""Listen on an address and serve the application there, with the limits of the doors.

A connection that has sent no whole head of a request for KEEPALIVE_S is closed: before its first request, within one,
and between two.
"""

from __future__ import annotations

from aiohttp import web

KEEPALIVE_S = 75.0
HEAD_LINE_BYTES_MAX = 8_190
HEADERS_MAX = 100
BACKLOG = 1_024


class Listener:
    """A listening address, until `close`."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner

    @property
    def port(self) -> int:
        """The port, also where the system chose it."""
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Take no more connections, let requests end that are under way, at most the drain time, then disconnect."""
        await self._runner.cleanup()


async def listen(
    app: web.Application,
    *,
    host: str,
    port: int,
    drain_s: float,
    shared: bool = False,
) -> Listener:
    """Serve `app`. `shared`: other processes listen on the same port. OSError: the address cannot be used."""
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=KEEPALIVE_S,
        max_line_size=HEAD_LINE_BYTES_MAX,
        max_field_size=HEAD_LINE_BYTES_MAX,
        max_headers=HEADERS_MAX,
        shutdown_timeout=drain_s / 2,  # aiohttp waits twice: for requests to end, then once more after it asked them to
    )
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=BACKLOG, reuse_port=shared or None)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    return Listener(runner)
