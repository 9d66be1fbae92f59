"""Carry commands and replies over one socket, pipelined, for as long as that socket lives.

- Commands of one turn of the event loop leave in one write; replies are given to their futures first in, first out.
- Replies are bytes (RESP3). An error reply is a *result*: an exception as value, which the caller raises.
- A wire with `on_push` is there for messages: it takes every list as one, pushed (RESP3) or plain (RESP2).
- A future fails with NotExecutedError if its command was never handed to the socket, with LostReplyError otherwise.
- Deadlines are looked at every TICK_S, not by a timer a call. A call that passed its deadline leaves its place in the
  queue behind, so that later replies still find their owners.
- A server that owes an answer and says nothing for `silence_s` is given up: so does a dead network look. Where this
  process itself was held up, what has come meanwhile is read before anybody is judged.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

import hiredis

from avtomat.storage.redis.wire.errors import LostReplyError, NotExecutedError, error_of

TICK_S: Final = 0.05
HELD_UP_S: Final = 0.5
"""A tick that comes so late says that this process stood still, not that Redis did."""
_NOTHING: Final = object()

Reply: TypeAlias = Any  # what a command returns is told by its documentation; callers give it its type
Argument: TypeAlias = bytes | str | int | float
PushHandler: TypeAlias = Callable[[list[Reply]], None]

# The stub of hiredis knows tuples of one element only.
pack: Final = cast("Callable[[tuple[Argument, ...]], bytes]", hiredis.pack_command)


_Waiting: TypeAlias = tuple[asyncio.Future[Reply], float, int]
"""A command without an answer: who waits for it, until when, and how many bytes it has."""


class Wire(asyncio.Protocol):
    """One socket to Redis, from `connection_made` to `connection_lost`; `lost` is done when it is over."""

    def __init__(
        self, *, silence_s: float, on_push: PushHandler | None = None, on_answered: Callable[[], None] | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._silence_s = silence_s
        self._on_push = on_push
        self._on_answered = on_answered
        self._reader = hiredis.Reader(replyError=error_of, notEnoughData=_NOTHING)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[_Waiting] = deque()
        self._unsent: list[bytes] = []
        self._heard_at = 0.0
        self._ticking = False
        self._tick_at = 0.0
        self._resting = False
        self._reason = "the connection was closed by Redis"
        self.waiting_bytes = 0
        self.lost: asyncio.Future[str] = self._loop.create_future()

    def has_room(self, commands_max: int, bytes_max: int) -> bool:
        """Whether fewer commands and bytes than these have no answer yet."""
        return len(self._waiting) < commands_max and self.waiting_bytes < bytes_max

    @property
    def waiting_commands(self) -> int:
        """How many commands have no answer yet."""
        return len(self._waiting)

    @property
    def silent_s(self) -> float:
        """For how long an answer has been owed and nothing was said."""
        return self._loop.time() - self._heard_at if self._waiting else 0.0

    def send(self, packed: bytes, deadline: float) -> asyncio.Future[Reply]:
        """Send one packed command; `deadline` is in the loop's time."""
        future: asyncio.Future[Reply] = self._loop.create_future()
        if self.lost.done():
            future.set_exception(NotExecutedError(self.lost.result()))
            return future
        if not self._unsent:
            self._loop.call_soon(self._flush)
        if not self._waiting:
            self._begin_waiting()
        self._unsent.append(packed)
        self._waiting.append((future, deadline, len(packed)))
        self.waiting_bytes += len(packed)
        return future

    def send_unanswered(self, packed: bytes) -> None:
        """Send a command whose only replies are pushes (SUBSCRIBE)."""
        if self._transport is not None:
            self._flush()
            self._transport.write(packed)

    def rest(self, seconds: float) -> None:
        """Read nothing for a moment; what comes is read together afterwards."""
        if self._transport is not None and not self._resting and not self.lost.done():
            self._resting = True
            self._transport.pause_reading()
            self._loop.call_later(seconds, self._read_on)

    def _read_on(self) -> None:
        self._resting = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, reason: str) -> None:
        """End this connection now; what has no answer yet fails with `reason`."""
        if self._transport is not None and not self.lost.done():
            self._reason = reason
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's call: the socket is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Asyncio's call: bytes came; give each reply to the one who waits for it."""
        self._heard_at = self._loop.time()
        reader = self._reader
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not _NOTHING:
                self._deliver(reply)
        except hiredis.ProtocolError as error:
            self.close(f"Redis sent what is not its protocol: {error}")
        if self._on_answered is not None:
            self._on_answered()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio's call: the socket is gone; say to each caller whether its command had been sent."""
        reason = self._reason if exc is None else f"{self._reason}: {exc}"
        sent = len(self._waiting) - len(self._unsent)
        for place, (future, _, _) in enumerate(self._waiting):
            if not future.done():
                future.set_exception(LostReplyError(reason) if place < sent else NotExecutedError(reason))
        self._waiting.clear()
        self._unsent.clear()
        self.waiting_bytes = 0
        if not self.lost.done():
            self.lost.set_result(reason)

    def _deliver(self, reply: Reply) -> None:
        if self._on_push is not None and isinstance(reply, list):
            self._on_push(reply)
            return
        if not self._waiting:
            self.close(f"Redis sent an answer to no request: {reply!r}")
            return
        future, _, size = self._waiting.popleft()
        self.waiting_bytes -= size
        if not future.done():
            future.set_result(reply)

    def _flush(self) -> None:
        if self._transport is None or not self._unsent:
            return
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _begin_waiting(self) -> None:
        self._heard_at = self._loop.time()
        if not self._ticking:
            self._ticking = True
            self._tick_soon()

    def _tick_soon(self) -> None:
        self._tick_at = self._loop.time() + TICK_S
        self._loop.call_at(self._tick_at, self._tick)

    def _tick(self) -> None:
        self._ticking = bool(self._waiting)
        if not self._ticking:
            return
        now = self._loop.time()
        if now - self._tick_at > HELD_UP_S:
            self._tick_soon()
            return
        if now - self._heard_at > self._silence_s:
            self.close(f"Redis has not answered for {self._silence_s:g} s")
            return
        for future, deadline, _ in self._waiting:
            if deadline <= now and not future.done():
                future.set_exception(LostReplyError("Redis did not answer before the deadline"))
        self._tick_soon()
