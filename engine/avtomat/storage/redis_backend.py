"""Reach Redis for the store: commands and scripts over one connection, messages over another.

`RedisBackend` is all that the store knows of Redis.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from avtomat.errors import StoreError
from avtomat.storage.redis_connection import RedisConnection
from avtomat.storage.redis_link import ServerInfo
from avtomat.storage.redis_script import Script, load_scripts
from avtomat.storage.redis_subscriber import MessageHandler, RedisSubscriber
from avtomat.storage.redis_url import RedisAddress, parse_redis_url
from avtomat.storage.redis_wire import Argument, Reply

VERSION_MIN = (6, 2)


class RedisBackend:
    """A real server at a URL; refuses one that would lose jobs or that is too old."""

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self._address = parse_redis_url(url)
        self._timeout_s = timeout_s

    async def open(
        self,
        channels: Sequence[str],
        on_message: MessageHandler,
        on_gap: Callable[[], None],
        on_deaf: Callable[[bool], None],
    ) -> None:
        """Connect both ways."""
        self._connection = RedisConnection(
            self._address, timeout_s=self._timeout_s, on_server_changed=lambda _: on_gap()
        )
        self._subscriber = RedisSubscriber(
            self._address, channels, on_message=on_message, on_gap=on_gap, on_deaf=on_deaf
        )
        server = await self._connection.open(timeout_s=self._timeout_s)
        try:
            _check(server, self._address)
            await self._teach()
            await self._subscriber.open(timeout_s=self._timeout_s)
        except StoreError:
            await self._connection.aclose()
            raise

    async def _teach(self) -> None:
        """Load all scripts, so that what a server or its permissions will not have is seen now."""
        loads = (self._connection.execute("SCRIPT", "LOAD", script.source) for script in load_scripts())
        await asyncio.gather(*loads)

    async def close(self) -> None:
        """Disconnect both."""
        await self._subscriber.aclose()
        await self._connection.aclose()

    async def execute(self, *command: Argument) -> Reply:
        """Run one command."""
        return await self._connection.execute(*command)

    def call(self, script: Script, keys: Sequence[Argument], args: Sequence[Argument]) -> Awaitable[Reply]:
        """Run one script."""
        return self._connection.call(script, keys, args)


def _check(server: ServerInfo, address: RedisAddress) -> None:
    version = server.fields.get("redis_version", "7.0")
    if tuple(int(part) for part in version.split(".")[:2]) < VERSION_MIN:
        raise StoreError(f"Redis at {address} is version {version}; 6.2 or later is needed")
    policy = server.fields.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise StoreError(
            f"Redis at {address} has maxmemory-policy {policy} and would throw jobs away when its memory is full",
            hint="set maxmemory-policy noeviction",
        )
