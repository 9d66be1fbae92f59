"""The workers' door: the socket on which a worker hears commands at once and tells its events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from avtomat.api.http import bodies
from avtomat.api.http.refusals import MALFORMED
from avtomat.api.http.requests import Request
from avtomat.api.http.routes import Route, Routes
from avtomat.api.workers.signed import Signatures
from avtomat.api.workers.socket_budget import SocketBudget
from avtomat.api.workers.socket_owner import SocketOwner
from avtomat.core.formula import Json
from avtomat.errors import RequestRefused, StoreError
from avtomat.runtime.work.dispatcher import Dispatcher
from avtomat.settings import Settings

log = logging.getLogger(__name__)

SOCKET: Final = "/_worker/ws/{worker}"
NAMELESS_SOCKET: Final = "/_worker/ws"
PING_EVERY_S: Final = 30.0
BODIES_AT_ONCE: Final = 4
"""The bytes of so many largest messages may come at once."""
COMMANDS_PENDING_MAX: Final = 1_000
"""A worker that takes none of so many commands is let go; it hears of them by heartbeat."""


class SocketRoute:
    """The route of the sockets, and those that are open."""

    def __init__(self, dispatcher: Dispatcher, settings: Settings, signatures: Signatures) -> None:
        self._dispatcher = dispatcher
        self._signatures = signatures
        self._body_bytes_max = settings.body_bytes_max
        self._open: set[web.WebSocketResponse] = set()

    async def serve(self, request: Request) -> web.WebSocketResponse:
        """Hold a worker's socket until one of both sides ends it."""
        commands: asyncio.Queue[Mapping[str, Json]] = asyncio.Queue(COMMANDS_PENDING_MAX)

        def send(command: Mapping[str, Json]) -> None:
            try:
                commands.put_nowait(command)
            except asyncio.QueueFull:
                writing.cancel()

        owner = SocketOwner(self._dispatcher, request, send, self._signatures)
        socket = web.WebSocketResponse(heartbeat=PING_EVERY_S, max_msg_size=self._body_bytes_max)
        try:
            await socket.prepare(request)
        except web.HTTPException:
            text = "the request is not a handshake of a WebSocket, version 13 (RFC 6455)"
            raise RequestRefused(text, status=400, code=MALFORMED) from None
        writing = asyncio.create_task(_write(socket, commands))
        owner.connect()
        self._open.add(socket)
        closings: set[asyncio.Task[bool]] = set()
        request.closer = lambda: closings.add(asyncio.create_task(_shut_out(socket)))
        try:
            await self._read(socket, owner)
        finally:
            self._open.discard(socket)
            owner.disconnect()
            writing.cancel()
        return socket

    async def close_all(self) -> None:
        """Tell every worker to come back elsewhere: this engine goes."""
        await asyncio.gather(*(socket.close(code=1001, message=b"the engine stops") for socket in list(self._open)))

    async def _read(self, socket: web.WebSocketResponse, owner: SocketOwner) -> None:
        now = asyncio.get_running_loop().time
        budget = SocketBudget(BODIES_AT_ONCE * self._body_bytes_max, now())
        async for message in socket:
            if message.type is WSMsgType.ERROR:  # a frame that is none, or too large: the socket is closed
                return
            is_text = message.type is WSMsgType.TEXT
            raw = message.data.encode() if is_text else message.data
            if not budget.take(len(raw), now()):
                await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many frames or bytes at once")
                return
            await asyncio.sleep(0)  # frames that are there already come without a pause
            if not is_text:
                continue
            try:
                await self._take(raw, owner)
            except RequestRefused as refused:
                await socket.send_str(_refused(refused))
            except StoreError as away:
                log.warning("a worker's event is lost, the store is away: %s", away)

    async def _take(self, raw: bytes, owner: SocketOwner) -> None:
        claim = None if len(raw) <= bodies.LIGHT_BYTES else await bodies.VALUES.claim(bodies.room_for(raw))
        try:
            await self._dispatcher.event(owner.event(await bodies.decode(raw)))
        finally:
            if claim is not None:
                claim.release()


ROUTES: Final = Routes(
    SocketRoute,
    (
        Route(
            "GET",
            SOCKET,
            SocketRoute.serve,
            id="openSocket",
            summary="Hold a WebSocket on which commands come at once",
            answers={101: None},
            refusals=(400,),
            old_path=NAMELESS_SOCKET,
        ),
    ),
)


async def _shut_out(socket: web.WebSocketResponse) -> bool:
    return await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"the token is no longer valid")


async def _write(socket: web.WebSocketResponse, commands: asyncio.Queue[Mapping[str, Json]]) -> None:
    try:
        while True:
            await socket.send_str(orjson.dumps(await commands.get()).decode())
    except ConnectionError:
        return
    except asyncio.CancelledError:
        await socket.close()
        raise


def _refused(refused: RequestRefused) -> str:
    return orjson.dumps({"error": refused.message, "code": refused.code}).decode()
