"""Listen to channels of Redis, over a connection of its own, for as long as the process lives.

Publish/subscribe forgets: what is published while nobody listens is lost. So `on_gap` is called each time the
subscription begins, the first time included: from then on messages come, and before then some may have been missed.
Before it, and when the subscription is lost, `on_deaf` tells which of the two it is. A PING every `ping_s` finds a
connection that has died in silence.

When messages follow each other closely, the socket is left alone for REST_S, and what comes meanwhile is read together.
Waking up for each would cost a busy replica more than the messages, most of which tell it what it did itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from avtomat.errors import StoreError
from avtomat.storage.redis.wire.errors import NotExecutedError
from avtomat.storage.redis.wire.link import Link, ServerInfo
from avtomat.storage.redis.wire.socket import Reply, Wire, pack
from avtomat.storage.redis.wire.url import RedisAddress

REST_S: Final = 0.003

MessageHandler: TypeAlias = Callable[[bytes, bytes], None]


class RedisSubscriber:
    """Delivers (channel, message) to `on_message`; neither callback may block or raise."""

    def __init__(
        self,
        address: RedisAddress,
        channels: Sequence[str],
        *,
        on_message: MessageHandler,
        on_gap: Callable[[], None],
        on_deaf: Callable[[bool], None] = lambda _: None,
        ping_s: float = 5.0,
        connect_timeout_s: float = 5.0,
    ) -> None:
        self._channels = tuple(channels)
        self._on_message = on_message
        self._on_gap = on_gap
        self._on_deaf = on_deaf
        self._ping_s = ping_s
        self._link = Link(address, self, connect_timeout_s=connect_timeout_s)
        self._loop: asyncio.AbstractEventLoop
        self._wire: Wire | None = None
        self._reason = f"no connection to Redis at {address} yet"
        self._confirmed = 0
        self._taken_at = 0.0
        self._pinging: asyncio.TimerHandle | None = None
        self._listening = asyncio.Event()

    async def open(self, *, timeout_s: float = 10.0) -> None:
        """Subscribe; NotExecutedError if it could not be done in time."""
        self._loop = asyncio.get_running_loop()
        self._link.start()
        try:
            async with asyncio.timeout(timeout_s):
                await self._listening.wait()
        except TimeoutError:
            reason = self._reason
            await self.aclose()
            raise NotExecutedError(f"no subscription before the deadline: {reason}") from None

    async def aclose(self) -> None:
        """Stop listening."""
        await self._link.aclose()
        self.link_down("closed by us")

    def make_wire(self) -> Wire:
        """Link's call: a wire for the next attempt."""
        return Wire(silence_s=self._ping_s, on_push=self._take)

    def link_up(self, wire: Wire, info: ServerInfo) -> None:  # noqa: ARG002 – any server will do
        """Link's call: subscribe on the new wire. Its confirmations are pushes; the command has no other reply."""
        self._wire = wire
        self._confirmed = 0
        wire.send_unanswered(pack(("SUBSCRIBE", *self._channels)))
        self._ping()

    def link_down(self, reason: str) -> None:
        """Link's call: silence from now on."""
        self._reason = reason
        self._wire = None
        if self._pinging is not None:
            self._pinging.cancel()
        if self._confirmed == len(self._channels):
            self._confirmed = 0
            self._on_deaf(True)

    def _take(self, push: list[Reply]) -> None:
        kind = push[0]
        before, self._taken_at = self._taken_at, self._loop.time()
        if self._wire is not None and self._taken_at - before < REST_S:
            self._wire.rest(REST_S)
        if kind == b"message":
            self._on_message(push[1], push[2])
        elif kind == b"subscribe":
            self._confirmed += 1
            if self._confirmed == len(self._channels):
                self._listening.set()
                self._on_deaf(False)
                self._on_gap()

    def _ping(self) -> None:
        if self._wire is None:
            return
        pong = self._wire.send(pack(("PING",)), self._loop.time() + self._ping_s)
        pong.add_done_callback(self._hear)
        self._pinging = self._loop.call_later(self._ping_s, self._ping)

    def _hear(self, pong: asyncio.Future[Reply]) -> None:
        """An error here is the answer to SUBSCRIBE. A lost PING ends the wire by itself; it only has to be seen."""
        if pong.cancelled() or pong.exception() is not None:
            return
        if isinstance(pong.result(), StoreError) and self._wire is not None:
            self._wire.close(str(pong.result()))
