"""Send commands to Redis: many callers share one pipelined connection that comes back by itself.

- Each call has a deadline. Until it is sent, it may wait for a connection or for room (at most `commands_max` commands
  and about `bytes_max` bytes are under way at a time), and fails with NotExecutedError when the deadline passes.
- A call that certainly was not executed, because the connection was lost before it was sent, is sent again within its
  deadline. A lost answer is the caller's business: LostReplyError.
- Scripts are called by their SHA-1; a server that does not know a script is taught it, once a call.
- `on_connected` is called for each new connection, before the first call goes out there.
- `on_server_changed` is called before the first call that reaches a server with another `run_id`: what was kept in
  memory about the old one may be wrong.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from avtomat.errors import StoreError
from avtomat.storage.redis.script import Script
from avtomat.storage.redis.wire.errors import NotExecutedError, RefusedError
from avtomat.storage.redis.wire.link import Link, ServerInfo
from avtomat.storage.redis.wire.socket import Argument, Reply, Wire, pack
from avtomat.storage.redis.wire.url import RedisAddress

TIMEOUT_S: Final = 2.0
"""So long a call waits to be sent and answered. A client may be told earlier than this that the store is away, but a
server may pause for a second: at a fork, or a sync of its disk.
"""
_DEMOTED: Final = frozenset({"READONLY", "MASTERDOWN"})


class RedisConnection:
    """A connection for all callers of one event loop. Make it, `open` it, `aclose` it."""

    def __init__(
        self,
        address: RedisAddress,
        *,
        timeout_s: float = TIMEOUT_S,
        connect_timeout_s: float = 5.0,
        commands_max: int = 1024,
        bytes_max: int = 64 * 1024 * 1024,
        on_connected: Callable[[ServerInfo], None] | None = None,
        on_server_changed: Callable[[ServerInfo], None] | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._patience_s = timeout_s / 2
        self._commands_max = commands_max
        self._bytes_max = bytes_max
        self._on_connected = on_connected
        self._on_server_changed = on_server_changed
        self._link = Link(address, self, connect_timeout_s=connect_timeout_s)
        self._loop: asyncio.AbstractEventLoop
        self._closed = False
        self._wire: Wire | None = None
        self._admission: deque[asyncio.Future[None]] = deque()
        self._address = address
        self._reason = f"no connection to Redis at {address} yet"
        self.server: ServerInfo | None = None

    async def open(self, *, timeout_s: float = 10.0) -> ServerInfo:
        """Connect; NotExecutedError says why it could not be done in time. Afterwards it reconnects by itself."""
        self._loop = asyncio.get_running_loop()
        self._link.start()
        try:
            await self._admitted(self._loop.time() + timeout_s)
        except NotExecutedError:
            await self.aclose()
            raise
        assert self.server is not None
        return self.server

    def away(self) -> str:
        """Why the server cannot be reached now, as far as that is known without asking it: there is no connection, or
        it has owed an answer for half of what a call waits; '' while all is well.
        """
        wire = self._wire
        if wire is None:
            return self._reason
        if wire.lost.done():
            return wire.lost.result()
        silent_s = wire.silent_s
        return f"Redis at {self._address} has not answered for {silent_s:.1f} s" if silent_s > self._patience_s else ""

    async def aclose(self) -> None:
        """Close for good; what is still under way fails."""
        self._closed = True
        await self._link.aclose()
        self.link_down("the connection was closed by us")
        while self._admission:
            waiter = self._admission.popleft()
            if not waiter.done():
                waiter.set_exception(NotExecutedError(self._reason))

    def execute(self, *command: Argument, timeout_s: float | None = None) -> Coroutine[Any, Any, Reply]:
        """Run one command and return its reply; bytes stay bytes."""
        return self._exchange(pack(command), self._deadline(timeout_s))

    def call(
        self, script: Script, keys: Sequence[Argument], args: Sequence[Argument], *, timeout_s: float | None = None
    ) -> Coroutine[Any, Any, Reply]:
        """Run `script`, teaching it to the server if need be."""
        packed = pack((b"EVALSHA", script.sha, len(keys), *keys, *args))
        return self._exchange(packed, self._deadline(timeout_s), script)

    def make_wire(self) -> Wire:
        """Link's call: a wire for the next attempt."""
        return Wire(silence_s=self._timeout_s, on_answered=self._admit)

    def link_up(self, wire: Wire, info: ServerInfo) -> None:
        """Link's call: calls may go out."""
        changed = self.server is not None and self.server.run_id != info.run_id
        self.server = info
        if self._on_connected is not None:
            self._on_connected(info)
        if changed and self._on_server_changed is not None:
            self._on_server_changed(info)
        self._wire = wire
        self._admit()

    def link_down(self, reason: str) -> None:
        """Link's call: calls wait from now on."""
        self._wire = None
        self._reason = reason

    def _deadline(self, timeout_s: float | None) -> float:
        return self._loop.time() + (self._timeout_s if timeout_s is None else timeout_s)

    async def _exchange(self, packed: bytes, deadline: float, script: Script | None = None) -> Reply:
        while True:
            wire = self._wire
            if wire is None or self._admission or not wire.has_room(self._commands_max, self._bytes_max):
                wire = await self._admitted(deadline)
            try:
                reply = await wire.send(packed, deadline)
            except NotExecutedError as lost:
                if self._wire is wire:
                    self.link_down(str(lost))  # the link has not been told yet
                continue
            if isinstance(reply, StoreError):
                if script is not None and isinstance(reply, RefusedError) and reply.word == "NOSCRIPT":
                    await self._exchange(pack((b"SCRIPT", b"LOAD", script.source)), deadline)
                    return await self._exchange(packed, deadline)
                self._leave_demoted(wire, reply)
                raise reply
            return reply

    async def _admitted(self, deadline: float) -> Wire:
        """Wait for a connection with room, in order of arrival."""
        if self._closed:
            raise NotExecutedError(self._reason)
        waiter = self._loop.create_future()
        self._admission.append(waiter)
        try:
            async with asyncio.timeout_at(deadline):
                await waiter
        except asyncio.CancelledError:
            self._admit()  # the place that this one may have been given is free again
            raise
        except TimeoutError:
            self._admit()
            why = self._reason if self._wire is None else "too many calls are under way"
            raise NotExecutedError(f"not sent before the deadline: {why}") from None
        if self._wire is None:
            return await self._admitted(deadline)
        return self._wire

    def _admit(self) -> None:
        """Let in as many as there is room for; they send in this turn of the loop, so count them as sent. Those that
        waited longest and have given up leave also while there is no room.
        """
        while self._admission and self._admission[0].done():
            self._admission.popleft()
        wire = self._wire
        if not self._admission or wire is None or wire.waiting_bytes >= self._bytes_max:
            return
        room = self._commands_max - wire.waiting_commands
        while self._admission and room > 0:
            waiter = self._admission.popleft()
            if not waiter.done():
                waiter.set_result(None)
                room -= 1

    def _leave_demoted(self, wire: Wire, error: StoreError) -> None:
        """A master that has become a replica is left, so that the name is looked up again."""
        if isinstance(error, RefusedError) and error.word in _DEMOTED:
            wire.close(str(error))
