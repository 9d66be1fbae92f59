"""Run one engine process: open the store, serve the doors, and end in order when told to.

The first SIGTERM or SIGINT ends it gently: not ready, no more tasks handed out, no more connections; what is under way
may end within the setting `drain`; exit 0. The second ends it at once. With SQLite or Redis nothing is lost either way:
what was acknowledged is stored.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

from avtomat.api.app import App
from avtomat.api.http.server import Listener, listen
from avtomat.api.public.engine_metrics import EngineMetrics
from avtomat.errors import UsageError
from avtomat.runtime.service import Service
from avtomat.settings import Settings

log = logging.getLogger(__name__)

GARBAGE_LOOKED_FOR_AFTER: Final = 20_000
"""So many more objects than went make Python look for cycles among the young ones; its own default is 700."""

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

Announce = Callable[[Service, str], None]
"""Is told once that the engine serves, and at which address."""


def serve(
    settings: Settings,
    announce: Announce,
    *,
    prepare: Callable[[Service], object] = lambda _: None,
    shared: bool = False,
    lifeline: int | None = None,
) -> int:
    """Serve until told to stop; returns the exit code.

    `shared`: other processes listen on the same port. `lifeline` is a pipe whose other end somebody holds for as long
    as this process shall live. StoreError: the store cannot be used, or was lost. UsageError: the address cannot.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(settings, announce, prepare, shared=shared, lifeline=lifeline))


async def _serve(
    settings: Settings,
    announce: Announce,
    prepare: Callable[[Service], object],
    *,
    shared: bool,
    lifeline: int | None,
) -> int:
    engine = Service(settings)
    prepare(engine)
    await engine.start()
    try:
        stop = _Stop(lifeline)
        listener = await _listen(engine, settings, shared=shared)
        try:
            _collect_less()
            announce(engine, f"http://{_shown(settings.host)}:{listener.port}")
            await _until_stopped(engine, stop)
            log.info("stopping: what is under way may end within %.0f s", settings.drain.total_seconds())
            engine.drain()
        finally:
            await listener.close()
    finally:
        await engine.stop()
    log.info("stopped")
    if engine.store_error is not None:
        raise engine.store_error
    return 0


async def _until_stopped(engine: Service, stop: _Stop) -> None:
    """Wait until this process is told to end, or has lost its store."""
    waits = [asyncio.create_task(event.wait()) for event in (stop.asked, engine.store_lost)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def _collect_less() -> None:
    """Look for cycles of objects less often: what was loaded stays, and what serves a request leaves hardly any."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER, 20, 50)


class _Stop:
    """Whether this process was told to end. A second signal ends it on the spot."""

    def __init__(self, lifeline: int | None) -> None:
        self.asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        if lifeline is not None:
            loop.add_reader(lifeline, self._on_lost, loop, lifeline)

    def _on_signal(self, number: int) -> None:
        if self.asked.is_set():
            os._exit(128 + number)
        self.asked.set()

    def _on_lost(self, loop: asyncio.AbstractEventLoop, lifeline: int) -> None:
        loop.remove_reader(lifeline)
        log.warning("the process that started this one is gone")
        self.asked.set()


async def _listen(engine: Service, settings: Settings, *, shared: bool) -> Listener:
    try:
        return await listen(
            App(engine, [EngineMetrics(engine.measures, engine.blueprint_counts, engine.store.trouble, engine.trust)]),
            host=settings.host,
            port=settings.port,
            drain_s=settings.drain.total_seconds(),
            shared=shared,
        )
    except OSError as error:
        raise address_unusable(settings, error) from error


def address_unusable(settings: Settings, error: OSError) -> UsageError:
    """What to tell when the address cannot be listened on."""
    # asyncio words the error of a bind itself, and names the address in it
    why = os.strerror(error.errno).lower() if error.errno is not None and error.errno > 0 else str(error)
    return UsageError(
        f"cannot listen on {_shown(settings.host)}:{settings.port}: {why}",
        hint="--port takes another port (0 a free one), --host another address",
    )


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loop where there is one; None is asyncio's own."""
    if sys.platform == "win32":
        return None
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
