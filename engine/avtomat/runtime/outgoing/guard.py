"""Hold every connection of the client to what is allowed: the resolver's answers, and each socket before it connects.

What the resolver answered is what is connected to: names are looked up once for a connection, by the resolver here,
which checks all that it was answered. A socket is made for an address that is allowed, or not at all: so an address
that was written into the url, or came in any other way, meets the same check.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

from avtomat.runtime.outgoing.addresses import Allowed, Refused

if TYPE_CHECKING:
    from aiohttp import AddrInfoType

LOOKUPS_AT_ONCE_MAX: Final = 16
"""Look-ups block a thread each; they have threads of their own, so that slow ones hold nobody else up."""

Lookup = Callable[[str, int, int], Awaitable[Sequence[str]]]
"""The addresses of a host (name, port, family), as texts. OSError: there are none."""


class SystemLookup:
    """Ask the system's resolver, in a few threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE_MAX, thread_name_prefix="lookup")

    async def __call__(self, host: str, port: int, family: int) -> Sequence[str]:
        """See `Lookup`."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(each[4][0]) for each in found))

    def close(self) -> None:
        """Wait for nobody: a look-up that is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class CheckedResolver(AbstractResolver):
    """The resolver of the client: what it was answered is allowed, all of it, or the request is refused."""

    def __init__(self, allowed: Allowed, lookup: Lookup) -> None:
        self._allowed = allowed
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses to connect to. Raises Refused, and OSError when there are none."""
        addresses = await self._lookup(host, port, family)
        if not addresses:
            raise OSError(None, "the name has no address")
        self._allowed.check_answers(host, port, addresses)
        return [_result(host, address, port) for address in addresses]

    async def close(self) -> None:
        """See `AbstractResolver`."""


def guarded_socket(allowed: Allowed) -> Callable[[AddrInfoType], socket.socket]:
    """How the client makes the socket of a connection to this address. Raises Refused instead of a socket."""

    def make(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, sockaddr = info
        place: Any = sockaddr
        host, port = str(place[0]), int(place[1])
        if "%" in host or not allowed.allows(ip_address(host), port):
            raise Refused("the address that was to be connected to is not allowed")
        return socket.socket(family, kind, protocol)

    return make


def _result(host: str, address: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
