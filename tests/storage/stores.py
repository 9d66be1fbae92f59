"""Build the stores that the contract is proved on, each with the clock that the test turns.

A store takes part as soon as its module exists. Stores on real servers are named after them; fakeredis speaks the
protocol on a port of its own, so that the store uses the connection that it uses in production.
"""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.port.store import Store
from tests.servers import RedisServer, free_port
from tests.storage.world import Clock

Build = Callable[[pytest.FixtureRequest, int, Clock, bool], AbstractAsyncContextManager[Store]]


@asynccontextmanager
async def memory(
    request: pytest.FixtureRequest, partitions: int, clock: Clock, history_outbox: bool
) -> AsyncIterator[Store]:
    """The oracle itself."""
    yield MemoryStore(partitions, offset_ms=clock.offset, history_outbox=history_outbox)


@asynccontextmanager
async def sqlite(
    request: pytest.FixtureRequest, partitions: int, clock: Clock, history_outbox: bool
) -> AsyncIterator[Store]:
    """A file of its own for each test."""
    from avtomat.storage.sqlite.store import SqliteStore

    file = request.getfixturevalue("tmp_path") / f"store-{os.urandom(4).hex()}.db"
    yield SqliteStore(file, partitions=partitions, offset_ms=clock.offset, outbox=history_outbox)


@asynccontextmanager
async def redis(
    request: pytest.FixtureRequest, partitions: int, clock: Clock, history_outbox: bool
) -> AsyncIterator[Store]:
    """A real server, emptied."""
    from avtomat.storage.redis.store import RedisStore

    server: RedisServer = request.getfixturevalue("redis_server")
    server.flush()
    yield RedisStore(server.url, partitions, offset_ms=clock.offset, history_outbox=history_outbox)


@asynccontextmanager
async def fakeredis(
    request: pytest.FixtureRequest, partitions: int, clock: Clock, history_outbox: bool
) -> AsyncIterator[Store]:
    """A server in a thread of this process."""
    from fakeredis import TcpFakeServer

    from avtomat.storage.redis.store import RedisStore

    port = free_port()
    server = TcpFakeServer(("127.0.0.1", port), server_type="redis")
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"redis://127.0.0.1:{port}/0"
    yield RedisStore(url, partitions, offset_ms=clock.offset, history_outbox=history_outbox)
    server.shutdown()
    server.server_close()
    thread.join()


BUILDERS: dict[str, tuple[str, Build]] = {
    "memory": ("memory", memory),
    "sqlite": ("sqlite", sqlite),
    "redis": ("redis", redis),
    "fakeredis": ("redis", fakeredis),
}
STORES = {
    name: build for name, (module, build) in BUILDERS.items() if importlib.util.find_spec(f"avtomat.storage.{module}")
}
"""The stores that exist, by name."""
