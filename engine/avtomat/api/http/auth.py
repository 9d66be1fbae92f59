"""Tell who asks, by token; without tokens, keep other people's web pages out.

Tokens are kept and compared as SHA-256: that of the settings in constant time, those of clients.toml and workers.toml
found by their digest, of which nothing can be guessed. When there are no tokens at all (`avtomat dev`), everybody who
reaches the address may do everything, so the address must be the user's own machine: the Host must be a name of it
(else a page could reach the engine by a name of its own, DNS rebinding), and an Origin must be this engine itself.
When only one door has a token, the other one is shut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from avtomat.access.model import Access, Client, Digest, Scope, WorkerEntry
from avtomat.errors import RequestRefused
from avtomat.settings import Settings

if TYPE_CHECKING:
    from aiohttp import web

CLIENT_HEADERS: Final = ("X-Client-Token", "X-Avtomatika-Token")
WORKER_HEADERS: Final = ("X-Worker-Token",)
TOKENS_KNOWN_MAX: Final = 256
"""Digests of so many tokens are kept: the same few come with each request."""

_BEARER: Final = "bearer"
_NOTHING: Final[Sequence[str]] = ()
_OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. `token` is known of a token that a file has, and may be taken away; `client` and `worker` are what the
    files say of it.
    """

    name: str
    scopes: frozenset[Scope]
    token: Digest | None = None
    client: Client | None = None
    worker: WorkerEntry | None = None

    @property
    def reads(self) -> str | None:
        """Whose jobs this caller may see: None stands for everybody's."""
        return None if Scope.VIEWER in self.scopes else self.name

    @property
    def acts(self) -> str | None:
        """Whose jobs this caller may act on: None stands for everybody's."""
        return None if Scope.OPERATOR in self.scopes else self.name

    def is_worker(self, worker: str) -> bool:
        """Whether a worker of this id may come with this token."""
        return self.worker is None or self.worker.is_for(worker)


ADMIN: Final = Caller(name="admin", scopes=frozenset(Scope))
Find = Callable[[Digest], Caller | None]
"""Who comes with a token that a file has."""


class Known(Protocol):
    """What the files of clients and workers say; whether there are any is settled at the start."""

    @property
    def has_clients(self) -> bool:
        """Whether there is a file of clients."""

    @property
    def has_workers(self) -> bool:
        """Whether there is a file of workers."""

    @property
    def current(self) -> Access:
        """What is in force now."""


class Guard(Protocol):
    """Keeps one door: returns who asks, or raises RequestRefused."""

    def admit(self, request: web.BaseRequest) -> Caller:
        """Look at the headers of the request."""


class TokenGuard:
    """Admits by a token, in `Authorization: Bearer` or in one of `headers`: that of the settings, or one that `find`
    knows.
    """

    def __init__(self, token: str | None, find: Find, headers: Iterable[str], *, wrong_status: int) -> None:
        self._own = b"" if token is None else _digest(token)
        self._find = find
        self._headers = tuple(headers)
        self._names = ("Authorization", *self._headers)
        self._wrong_status = wrong_status

    def admit(self, request: web.BaseRequest) -> Caller:
        """401 without a token, `wrong_status` with a wrong one."""
        given = self._token_of(request)
        if given is not None:
            digest = _digest(given)
            if compare_digest(digest, self._own):
                return ADMIN
            found = self._find(digest)
            if found is not None:
                return found
        expected = f"Authorization: Bearer … or {self._headers[0]}"
        if given is None:
            raise RequestRefused(f"a token is needed: {expected}", status=401, code="auth.missing")
        raise RequestRefused("the token is wrong", status=self._wrong_status, code="auth.wrong")

    def _token_of(self, request: web.BaseRequest) -> str | None:
        headers, first, said = request.headers, "", ""
        for name in self._names:
            given = headers.getall(name, _NOTHING)
            if len(given) > 1:
                text = f"the header {name} is given more than once"
                raise RequestRefused(text, status=400, code="auth.repeated")
            if given and not first:
                first, said = name, given[0]
        if first == "Authorization":
            scheme, _, token = said.partition(" ")
            return token.strip() if scheme.lower() == _BEARER else None
        return said if first else None


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
            raise RequestRefused("requests from pages of another origin are refused", status=403, code="csrf.failed")
        return ADMIN


class ShutGuard:
    """Admits nobody: the engine has tokens, but none for this door."""

    def admit(self, _request: web.BaseRequest) -> Caller:
        """403, always."""
        raise RequestRefused("this engine has no token set for this door", status=403, code="auth.not_set")


def client_of(access: Access, token: Digest) -> Caller | None:
    """The client who has this token by the file of clients."""
    client = access.clients.get(token)
    return None if client is None else Caller(name=client.name, scopes=client.scopes, token=token, client=client)


def client_guard(settings: Settings, access: Known) -> Guard:
    """The guard of the clients' door. A wrong token is 401, as RFC 9110 has it."""

    def find(token: Digest) -> Caller | None:
        return client_of(access.current, token)

    if settings.client_token is not None or access.has_clients:
        return TokenGuard(settings.client_token, find, CLIENT_HEADERS, wrong_status=401)
    return _guard_without_tokens(settings, access)


def worker_guard(settings: Settings, access: Known) -> Guard:
    """The guard of the workers' door. A wrong token is 403: on 401 its clients ask for a fresh one for ever."""

    def find(token: Digest) -> Caller | None:
        worker = access.current.workers.get(token)
        return None if worker is None else Caller(name=worker.ids, scopes=frozenset(), token=token, worker=worker)

    if settings.worker_token is not None or access.has_workers:
        return TokenGuard(settings.worker_token, find, WORKER_HEADERS, wrong_status=403)
    return _guard_without_tokens(settings, access)


def _guard_without_tokens(settings: Settings, access: Known) -> Guard:
    has_tokens = settings.client_token is not None or settings.worker_token is not None
    if has_tokens or access.has_clients or access.has_workers:
        return ShutGuard()
    return LocalGuard([settings.host])


@lru_cache(maxsize=TOKENS_KNOWN_MAX)
def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def _name_of(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
