"""Send requests to other systems, guarded: the one client for all that the engine asks of the world.

Redirects are not followed, cookies are not kept, proxies of the environment are not used, certificates are verified.
A body is read up to its limit and no further, and no request takes longer than it is given. aiohttp's client is
imported with the first request.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from avtomat.runtime.byte_budget import BusyRefused, ByteBudget
from avtomat.runtime.outgoing.addresses import Allowed, Refused
from avtomat.runtime.outgoing.messages import Answer, Reason, Request, Sending, Unanswered
from avtomat.runtime.outgoing.urls import read_url

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from yarl import URL

    from avtomat.runtime.outgoing.guard import Lookup, SystemLookup

CONNECT_S_MAX: Final = 10.0
KEPT_ALIVE_S: Final = 4.0
"""Shorter than servers usually keep a connection, so that none is closed just when the next request goes out on it."""

ADDRESSES_KEPT_S: Final = 10
"""What a name was looked up to, and was found allowed, counts so long for further connections."""

HEADERS_MAX: Final = 100
HEADER_BYTES_MAX: Final = 8_000
HEADERS_BYTES_MAX: Final = 16_000
"""So much of all headers of an answer is kept."""

FREE_BYTES: Final = 32 * 1024
"""Of each body so much is read at once; what is longer waits for its part of LARGE_BYTES_MAX."""

LARGE_BYTES_MAX: Final = 64 * 1024 * 1024
IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the client may use: connections in all and to one host, bytes of one body; `ca` adds certificates."""

    connections_max: int = 2_000
    connections_per_host_max: int = 500
    body_bytes_max: int = 1_000_000
    ca: Path | None = None


class Outgoing:
    """The client of one replica. `lookup` replaces the system's resolver."""

    def __init__(self, allowed: Allowed, bounds: Bounds, lookup: Lookup | None = None) -> None:
        self._allowed = allowed
        self._bounds = bounds
        self._lookup = lookup
        self._own_lookup: SystemLookup | None = None
        self._session: ClientSession | None = None
        self._large = ByteBudget(max(LARGE_BYTES_MAX, bounds.body_bytes_max), wait_s=24 * 60 * 60)

    async def send(self, request: Request, *, timeout_s: float, seen: Sending | None = None) -> Answer | Unanswered:
        """Send the request and read the answer, within `timeout_s` seconds; nothing is raised for what goes wrong.

        `seen` is told how far it has come.
        """
        try:
            url = read_url(request.url, self._allowed, request.query)
        except Refused as refused:
            return Unanswered(reason=Reason.REFUSED, message=str(refused), sent=False)
        seen = Sending() if seen is None else seen
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ask(request, url, seen)
        except (TimeoutError, BusyRefused):
            text = f"there was no whole answer within {timeout_s:g} s"
            return Unanswered(reason=Reason.TIMEOUT, message=text, sent=seen.sent)
        except Refused as refused:
            return Unanswered(reason=Reason.REFUSED, message=str(refused), sent=False)
        except (OSError, ValueError) as failed:
            return _unanswered(failed, seen.sent)
        except Exception as failed:
            if not _is_of_the_client(failed):
                raise
            return _unanswered(failed, seen.sent)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._own_lookup is not None:
            self._own_lookup.close()

    async def _ask(self, request: Request, url: URL, seen: Sending) -> Answer:
        session = self._session or self._open()
        async with session.request(
            request.method,
            url,
            headers=dict(request.headers),
            data=request.body,
            allow_redirects=False,
            trace_request_ctx=seen,
        ) as response:
            body, cut = await self._body_of(response)
            if cut is None:
                body, cut = _decoded(body, response.headers.get("Content-Encoding"), self._bounds.body_bytes_max)
            return Answer(
                status=response.status, headers=_headers_of(response), body=body, charset=response.charset, cut=cut
            )

    async def _body_of(self, response: ClientResponse) -> tuple[bytes, Reason | None]:
        """The body as it came, and why it is not the whole one: it was cut at its limit, and the connection closed."""
        limit, read = self._bounds.body_bytes_max, bytearray()
        claim = None
        try:
            async for chunk in response.content.iter_any():
                if claim is None and len(read) + len(chunk) > FREE_BYTES:
                    claim = await self._large.claim(limit)
                read += chunk
                if len(read) > limit:
                    response.close()
                    return bytes(read[:limit]), Reason.TOO_LARGE
            return bytes(read), None
        finally:
            if claim is not None:
                claim.release()

    def _open(self) -> ClientSession:
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, TraceConfig

        from avtomat.runtime.outgoing.guard import CheckedResolver, SystemLookup, guarded_socket

        if self._lookup is None:
            self._own_lookup = SystemLookup()
        connector = TCPConnector(
            resolver=CheckedResolver(self._allowed, self._lookup or self._own_lookup or SystemLookup()),
            ssl=_tls(self._bounds.ca),
            socket_factory=guarded_socket(self._allowed),
            limit=self._bounds.connections_max,
            limit_per_host=self._bounds.connections_per_host_max,
            keepalive_timeout=KEPT_ALIVE_S,
            ttl_dns_cache=ADDRESSES_KEPT_S,
        )
        tracing = TraceConfig()
        tracing.on_request_headers_sent.append(_mark_sent)
        self._session = ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=ClientTimeout(total=None, sock_connect=CONNECT_S_MAX),
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            trace_configs=[tracing],
        )
        return self._session


async def _mark_sent(_session: Any, context: Any, _params: Any) -> None:
    context.trace_request_ctx.sent = True


def _tls(ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca is not None:
        context.load_verify_locations(ca)
    return context


def _headers_of(response: ClientResponse) -> dict[str, str]:
    """The first headers by small name, within their limits; those that came more than once, with commas."""
    headers: dict[str, str] = {}
    room = HEADERS_BYTES_MAX
    for name, text in response.headers.items():
        known = name.lower()
        room -= len(name) + len(text)
        if room < 0:
            break
        if known in headers:
            headers[known] = f"{headers[known]}, {text}"
        elif len(headers) < HEADERS_MAX:
            headers[known] = text
    return headers


def _decoded(body: bytes, encoding: str | None, limit: int) -> tuple[bytes, Reason | None]:
    """The body without its content coding, which was not asked for: at most `limit` bytes of it."""
    match (encoding or "identity").strip().lower():
        case "identity" | "":
            return body, None
        case "gzip" | "x-gzip" | "deflate":
            unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)
        case _:
            return b"", Reason.ENCODING
    if not body:
        return body, None
    try:
        unpacked = unpacking.decompress(body, limit + 1)
    except zlib.error:
        return b"", Reason.ENCODING
    return (unpacked[:limit], Reason.TOO_LARGE) if len(unpacked) > limit else (unpacked, None)


def _is_of_the_client(failed: Exception) -> bool:
    from aiohttp import ClientError
    from aiohttp.http_exceptions import HttpProcessingError

    return isinstance(failed, ClientError | HttpProcessingError)


def _unanswered(failed: Exception, sent: bool) -> Unanswered:
    """What went wrong, without anything that a server or a resolver said but its error."""
    import aiohttp

    match failed:
        case aiohttp.ClientConnectorDNSError():
            reason, text = Reason.DNS, f"the host {failed.host} has no address"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            reason, text = Reason.TLS, f"there is no secure connection: {failed}"
        case aiohttp.ClientConnectorError():
            reason, text = Reason.CONNECT, f"there is no connection: {failed.strerror or failed}"
        case aiohttp.InvalidURL() | ValueError():
            return Unanswered(reason=Reason.INVALID, message=f"the request cannot be sent: {failed}", sent=sent)
        case _:
            return Unanswered(reason=Reason.CONNECTION, message=_lost(failed), sent=sent)
    return Unanswered(reason=reason, message=text, sent=False)


def _lost(failed: Exception) -> str:
    return f"the connection broke before the answer was there: {failed or type(failed).__name__}"
