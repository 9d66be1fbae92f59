"""Read the address of a Redis server from a URL.

    redis://[user][:password@]host[:port][/db]       TCP
    rediss://…[?ssl_ca_certs=…&ssl_certfile=…&ssl_keyfile=…]   TLS; the certificate is always verified
    unix://[user][:password@]/path/of/socket[?db=0]

The password is part of the address and never of its text form: `str(address)` may be logged.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

PORT_DEFAULT = 6379
_TLS_KEYS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_SCHEMES = frozenset({"redis", "rediss", "unix"})


class RedisUrlError(ValueError):
    """The URL does not name a Redis server; the text says why and never repeats the password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """Where a server is and who we are there; `path` is set for a Unix socket, `host` and `port` otherwise."""

    host: str = "localhost"
    port: int = PORT_DEFAULT
    path: str | None = None
    db: int = 0
    username: str = "default"
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    tls_ca_file: str | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"{self.host}:{self.port}"

    def tls_context(self) -> ssl.SSLContext | None:
        """The context for a TLS connection, or None; reads the certificates' files."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.tls_ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.tls_cert_file is not None:
            context.load_cert_chain(self.tls_cert_file, self.tls_key_file)
        return context


def parse_redis_url(url: str) -> RedisAddress:
    """Return the address that `url` names; RedisUrlError says what is wrong with it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise RedisUrlError("it is not written as a URL: redis://host:6379/0") from None
    if parts.scheme not in _SCHEMES:
        raise RedisUrlError(f"'{parts.scheme}:' is not a scheme of Redis; use redis://, rediss:// or unix://")
    query = _query(parts)
    address = _socket_address(parts, query) if parts.scheme == "unix" else _tcp_address(parts, query)
    password = None if parts.password is None else unquote(parts.password)
    return replace(address, username=unquote(parts.username or "") or "default", password=password)


def _tcp_address(parts: SplitResult, query: dict[str, str]) -> RedisAddress:
    return RedisAddress(
        host=parts.hostname or "localhost",
        port=_port(parts),
        db=_db(parts.path.strip("/") or query.get("db", "0")),
        tls=parts.scheme == "rediss",
        tls_ca_file=query.get("ssl_ca_certs"),
        tls_cert_file=query.get("ssl_certfile"),
        tls_key_file=query.get("ssl_keyfile"),
    )


def _socket_address(parts: SplitResult, query: dict[str, str]) -> RedisAddress:
    path = unquote(parts.path)
    if parts.hostname or path in {"", "/"}:
        raise RedisUrlError("a Unix socket needs an absolute path: unix:///run/redis/redis.sock")
    return RedisAddress(path=path, db=_db(query.get("db", "0")))


def _query(parts: SplitResult) -> dict[str, str]:
    known = _TLS_KEYS | {"db"} if parts.scheme == "rediss" else {"db"}
    query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
    unknown = sorted(set(query) - known)
    if unknown:
        raise RedisUrlError(f"'{unknown[0]}' is not known after '?'; known are {', '.join(sorted(known))}")
    return query


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or PORT_DEFAULT
    except ValueError:
        raise RedisUrlError("the port must be a number from 1 to 65535") from None


def _db(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise RedisUrlError(f"the database must be a number, not '{text}'")
    return int(text)
