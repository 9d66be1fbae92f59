"""Keep one socket to Redis open: connect, greet, tell who the server is, and connect again when it is lost.

A server is greeted with HELLO 3 (Redis 6 and later, Valkey), AUTH included, and SELECT; INFO says who it is. One that
is loading its data or is a replica counts as not reached, with that as the reason. Attempts are spaced from
BACKOFF_MIN_S to BACKOFF_MAX_S, doubled each time, with jitter, so that replicas do not all come back at once; after a
connection that lasted STEADY_S they begin anew.
"""

from __future__ import annotations

import asyncio
import random
import socket
from dataclasses import dataclass
from typing import Final, Protocol

from avtomat.errors import StoreError
from avtomat.storage.redis.wire.errors import REFUSALS, NotExecutedError
from avtomat.storage.redis.wire.socket import Argument, Reply, Wire, pack
from avtomat.storage.redis.wire.url import RedisAddress

BACKOFF_MIN_S: Final = 0.05
BACKOFF_MAX_S: Final = 1.0
"""Less than a call waits, so that one which is made when the server is back finds it."""
STEADY_S: Final = 1.0
CLIENT_NAME: Final = "avtomat"
META: Final = "av:meta"
"""The hash that says what a store is, the same for all replicas."""
HAVE_INFO: Final = frozenset({b"redis", b"valkey"})
"""What servers call themselves in HELLO; others only speak like them, and cannot say who they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """Who answered: `run_id` is new after each start of a server; `fields` is all of INFO; `store_id` names the store
    that it holds, '' for none, or where it is a node of a cluster, which may hold that elsewhere.
    """

    run_id: str
    version: str
    fields: dict[str, str]
    store_id: str = ""


class LinkOwner(Protocol):
    """What a link tells the one that it works for, in this order: up, down, up, …"""

    def make_wire(self) -> Wire:
        """A new wire, for the next attempt to connect."""

    def link_up(self, wire: Wire, info: ServerInfo) -> None:
        """The wire has been greeted and may be used."""

    def link_down(self, reason: str) -> None:
        """There is no wire now, or the attempt to make one failed."""


class Link:
    """A socket that comes back. `start` begins, `aclose` ends it for good."""

    def __init__(self, address: RedisAddress, owner: LinkOwner, *, connect_timeout_s: float) -> None:
        self._address = address
        self._owner = owner
        self._connect_timeout_s = connect_timeout_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect; the owner is told."""
        self._task = asyncio.create_task(self._keep(), name=f"redis link to {self._address}")

    async def aclose(self) -> None:
        """Close the socket and stop connecting."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _keep(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            await self._attempt()
            if loop.time() - begun > STEADY_S:
                failures = 0
            await asyncio.sleep(_backoff_s(failures))
            failures += 1

    async def _attempt(self) -> None:
        """Connect and stay until the wire is lost."""
        wire = self._owner.make_wire()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await _open_socket(self._address, wire)
                info = await _greet(self._address, wire, self._connect_timeout_s)
            self._owner.link_up(wire, info)
            self._owner.link_down(await asyncio.shield(wire.lost))
        except (OSError, StoreError) as error:
            self._owner.link_down(f"no connection to Redis at {self._address}: {_words(error)}")
        finally:
            wire.close("the connection was closed by us")


async def _open_socket(address: RedisAddress, wire: Wire) -> None:
    loop = asyncio.get_running_loop()
    if address.path is not None:
        await loop.create_unix_connection(lambda: wire, address.path)
        return
    transport, _ = await loop.create_connection(lambda: wire, address.host, address.port, ssl=address.tls_context())
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


async def _greet(address: RedisAddress, wire: Wire, timeout_s: float) -> ServerInfo:
    deadline = asyncio.get_running_loop().time() + timeout_s
    auth = () if address.password is None else ("AUTH", address.username, address.password)

    async def ask(*command: Argument) -> Reply:
        reply = await wire.send(pack(command), deadline)
        if isinstance(reply, StoreError):
            raise reply
        return reply

    hello = await ask("HELLO", 3, *auth, "SETNAME", CLIENT_NAME)
    await ask("SELECT", address.db)
    info = await ask("INFO") if hello[b"server"] in HAVE_INFO else b""
    fields = _fields(info.decode() if isinstance(info, bytes) else info)
    in_cluster = fields.get("cluster_enabled", "0") != "0"
    store_id = "" if in_cluster else (await ask("HGET", META, "store") or b"").decode()
    version = fields.get("redis_version") or hello[b"version"].decode()
    return _usable(ServerInfo(run_id=fields.get("run_id", ""), version=version, fields=fields, store_id=store_id))


def _fields(info: str) -> dict[str, str]:
    lines = (line.split(":", 1) for line in info.splitlines() if ":" in line and not line.startswith("#"))
    return dict(lines)


def _usable(info: ServerInfo) -> ServerInfo:
    if info.fields.get("loading") == "1":
        raise NotExecutedError(REFUSALS["LOADING"])
    if info.fields.get("role") == "slave":
        raise NotExecutedError(REFUSALS["READONLY"])
    return info


def _backoff_s(failures: int) -> float:
    ceiling = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2.0 ** min(failures, 16))
    return ceiling * random.uniform(0.5, 1)  # noqa: S311 – spreads replicas, guards nothing


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return str(error) or type(error).__name__
