"""Tell who asks, by token; without tokens, keep other people's web pages out.

Tokens are kept and compared as SHA-256, in constant time. When no token is set at all (`avtomat dev`), everybody who
reaches the address may do everything, so the address must be the user's own machine: the Host must be a name of it
(else a page could reach the engine by a name of its own, DNS rebinding), and an Origin must be this engine itself.
When only one door has a token, the other one is shut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from avtomat.errors import RequestRefused
from avtomat.settings import Settings

if TYPE_CHECKING:
    from aiohttp import web

CLIENT_HEADERS: Final = ("X-Client-Token", "X-Avtomatika-Token")
WORKER_HEADERS: Final = ("X-Worker-Token",)
TOKENS_KNOWN_MAX: Final = 256
"""Digests of so many tokens are kept: the same few come with each request."""

_BEARER: Final = "bearer"
_OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks at the clients' door. An admin sees and does everything; others, what is theirs."""

    name: str
    admin: bool

    @property
    def client(self) -> str | None:
        """Whose jobs this caller may see: None stands for everybody's."""
        return None if self.admin else self.name


ADMIN: Final = Caller(name="admin", admin=True)


class Guard(Protocol):
    """Keeps one door: returns who asks, or raises RequestRefused."""

    def admit(self, request: web.BaseRequest) -> Caller:
        """Look at the headers of the request."""


class TokenGuard:
    """Admits by a token, in `Authorization: Bearer` or in one of `headers`."""

    def __init__(self, token: str, headers: Iterable[str], *, wrong_status: int) -> None:
        self._digest = _digest(token)
        self._headers = tuple(headers)
        self._wrong_status = wrong_status

    def admit(self, request: web.BaseRequest) -> Caller:
        """401 without a token, `wrong_status` with a wrong one."""
        given = self._token_of(request)
        if given is not None and compare_digest(_digest(given), self._digest):
            return ADMIN
        expected = f"Authorization: Bearer … or {self._headers[0]}"
        if given is None:
            raise RequestRefused(f"a token is needed: {expected}", status=401, code="auth.missing")
        raise RequestRefused("the token is wrong", status=self._wrong_status, code="auth.wrong")

    def _token_of(self, request: web.BaseRequest) -> str | None:
        headers = request.headers
        for name in ("Authorization", *self._headers):
            if len(headers.getall(name, ())) > 1:
                text = f"the header {name} stands there more than once"
                raise RequestRefused(text, status=400, code="auth.repeated")
        said = headers.get("Authorization")
        if said is not None:
            scheme, _, token = said.partition(" ")
            return token.strip() if scheme.lower() == _BEARER else None
        for name in self._headers:
            if (given := headers.get(name)) is not None:
                return given
        return None


class LocalGuard:
    """Admits everybody on this machine, but no web page of somebody else."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = _OWN_NAMES | {name.strip("[]").lower() for name in names}

    def admit(self, request: web.BaseRequest) -> Caller:
        """403 for a Host that is not a name of this machine, and for an Origin other than this engine."""
        headers = request.headers
        host = headers.get("Host", "")
        if host not in self._names and _name_of(host) not in self._names:
            raise RequestRefused(
                f"the engine is not served as {host[:80]!r}",
                status=403,
                code="request.host",
                hint="without tokens only names of this machine are served; to be reached by others, set tokens",
            )
        origin = headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise RequestRefused("pages of another origin may not ask here", status=403, code="csrf.failed")
        return ADMIN


class ShutGuard:
    """Admits nobody: the engine has tokens, but none for this door."""

    def admit(self, _request: web.BaseRequest) -> Caller:
        """403, always."""
        raise RequestRefused("this engine has no token set for this door", status=403, code="auth.not_set")


def client_guard(settings: Settings) -> Guard:
    """The guard of the clients' door. A wrong token is 401, as RFC 9110 has it."""
    return _guard(settings, settings.client_token, CLIENT_HEADERS, wrong_status=401)


def worker_guard(settings: Settings) -> Guard:
    """The guard of the workers' door. A wrong token is 403: on 401 its clients ask for a fresh one for ever."""
    return _guard(settings, settings.worker_token, WORKER_HEADERS, wrong_status=403)


def _guard(settings: Settings, token: str | None, headers: Iterable[str], *, wrong_status: int) -> Guard:
    if token is not None:
        return TokenGuard(token, headers, wrong_status=wrong_status)
    if settings.client_token is None and settings.worker_token is None:
        return LocalGuard([settings.host])
    return ShutGuard()


@lru_cache(maxsize=TOKENS_KNOWN_MAX)
def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def _name_of(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
