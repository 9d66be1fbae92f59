"""Reach Redis for the store: commands and scripts over one connection, messages over another.

`RedisBackend` is all that the store knows of Redis.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from avtomat.errors import StoreError
from avtomat.storage.redis.guard import Guard
from avtomat.storage.redis.script import Script, load_scripts
from avtomat.storage.redis.wire.connection import TIMEOUT_S, RedisConnection
from avtomat.storage.redis.wire.socket import Argument, Reply
from avtomat.storage.redis.wire.subscriber import MessageHandler, RedisSubscriber
from avtomat.storage.redis.wire.url import parse_redis_url

OPEN_WITHIN_S: Final = 5.0
AWAY_HINT: Final = "look whether Redis runs and can be reached; the engine connects again by itself"


class RedisBackend:
    """A real server at a URL; refuses one that would lose jobs or that is too old."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._address = parse_redis_url(url)
        self._timeout_s = timeout_s
        self.guard = Guard(self._address)
        self._away: Callable[[], str] = lambda: f"no connection to Redis at {self._address} yet"

    async def open(
        self,
        channels: Sequence[str],
        on_message: MessageHandler,
        on_gap: Callable[[], None],
        on_deaf: Callable[[bool], None],
    ) -> None:
        """Connect both ways."""
        self._connection = RedisConnection(
            self._address,
            timeout_s=self._timeout_s,
            on_connected=self.guard.meet,
            on_server_changed=lambda _: on_gap(),
        )
        self._subscriber = RedisSubscriber(
            self._address, channels, on_message=on_message, on_gap=on_gap, on_deaf=on_deaf
        )
        self._away = self._connection.away
        await self._connection.open(timeout_s=OPEN_WITHIN_S)
        try:
            unfit = self.guard.refusal or self.guard.danger
            if unfit is not None:
                raise unfit
            await self._teach()
            await self._subscriber.open(timeout_s=OPEN_WITHIN_S)
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

    def trouble(self) -> StoreError | None:
        """Why the server is not used, why no new job is safe there, or why it cannot be reached."""
        known = self.guard.refusal or self.guard.danger
        if known is not None:
            return known
        away = self._away()
        return StoreError(away, hint=AWAY_HINT) if away else None

    async def execute(self, *command: Argument) -> Reply:
        """Run one command, whatever is known of the server."""
        return await self._connection.execute(*command)

    def call(self, script: Script, keys: Sequence[Argument], args: Sequence[Argument]) -> Awaitable[Reply]:
        """Run one script; StoreError where the server is not to be used."""
        refusal = self.guard.refusal
        if refusal is not None:
            raise StoreError(refusal.message, code=refusal.code, hint=refusal.hint)
        return self._connection.call(script, keys, args)
