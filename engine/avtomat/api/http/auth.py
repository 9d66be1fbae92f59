"""Tell who asks, by token; without tokens, keep other people's web pages out.

Tokens are kept and compared as SHA-256: that of the settings in constant time, those of clients.toml and workers.toml
found by their digest, of which nothing can be guessed. When there are no tokens at all (`avtomat dev`), everybody who
reaches the address may do everything, so the address must be the user's own machine: the Host must be a name of it
(else a page could reach the engine by a name of its own, DNS rebinding), and an Origin must be this engine itself.
When only one door has a token, the other one is shut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from avtomat.access.model import Access, Client, Digest, Scope, WorkerEntry
from avtomat.api.http.worker_tokens import START as SHORT_LIVED
from avtomat.api.http.worker_tokens import WorkerTokens
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
    files say of it. `only` is the one worker that a short-lived token is for. `secrets` are the tokens by which a
    worker that must sign may have signed.
    """

    name: str
    scopes: frozenset[Scope]
    token: Digest | None = None
    client: Client | None = None
    worker: WorkerEntry | None = None
    only: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

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
        return (self.only is None or self.only == worker) and (self.worker is None or self.worker.is_for(worker))


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
        given = self.token_of(request)
        if given is not None and (found := self.caller_of(given)) is not None:
            return found
        expected = f"Authorization: Bearer … or {self._headers[0]}"
        if given is None:
            raise RequestRefused(f"a token is needed: {expected}", status=401, code="auth.missing")
        raise RequestRefused("the token is wrong", status=self._wrong_status, code="auth.wrong")

    def caller_of(self, given: str) -> Caller | None:
        """Who comes with this token; None: nobody does."""
        return self.by_digest(_digest(given))

    def by_digest(self, digest: Digest) -> Caller | None:
        """Who comes with the token of this digest."""
        return ADMIN if compare_digest(digest, self._own) else self._find(digest)

    def token_of(self, request: web.BaseRequest) -> str | None:
        """The token that the request comes with; 400 where it names two."""
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


class WorkerGuard(TokenGuard):
    """Admits workers by their own tokens and by short-lived ones that stand for them."""

    def __init__(self, token: str | None, find: Find, tokens: WorkerTokens) -> None:
        super().__init__(token, find, WORKER_HEADERS, wrong_status=403)
        self._tokens = tokens

    def caller_of(self, given: str) -> Caller | None:
        """401 auth.expired for a short-lived token whose time is over, 401 auth.exchange for a worker's own token that
        is good for a short-lived one only: upon 401 clients get themselves another.
        """
        grant = self._tokens.read(given) if given.startswith(SHORT_LIVED) else None
        if grant is None:
            caller = super().caller_of(given)
            entry = None if caller is None else caller.worker
            if caller is None or entry is None:
                return caller
            if entry.must_exchange:
                raise _to_exchange(are_made=self._tokens.are_made)
            return replace(caller, secrets=(given,)) if entry.must_sign else caller
        if self._tokens.is_over(grant):
            raise RequestRefused("the token's time is over", status=401, code="auth.expired")
        caller = self.by_digest(grant.digest) if grant.use == "access" else None
        return None if caller is None else replace(caller, only=grant.worker, secrets=(given, grant.own))


class OpenGuard:
    """Admits everybody, and tells nothing of who it is: what is asked for proves itself otherwise."""

    def admit(self, _request: web.BaseRequest) -> Caller:
        """Nobody in particular."""
        return Caller(name="", scopes=frozenset())


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


def worker_guard(settings: Settings, access: Known, tokens: WorkerTokens) -> Guard:
    """The guard of the workers' door. A wrong token is 403: on 401 its clients ask for a fresh one for ever."""
    if settings.worker_token is not None or access.has_workers:
        return WorkerGuard(settings.worker_token, _find_worker(access), tokens)
    return _guard_without_tokens(settings, access)


def own_token_guard(settings: Settings, access: Known) -> TokenGuard | None:
    """The guard of where workers get short-lived tokens for their own; None without tokens."""
    if settings.worker_token is None and not access.has_workers:
        return None
    return TokenGuard(settings.worker_token, _find_worker(access), WORKER_HEADERS, wrong_status=403)


def _find_worker(access: Known) -> Find:
    def find(token: Digest) -> Caller | None:
        worker = access.current.workers.get(token)
        return None if worker is None else Caller(name=worker.ids, scopes=frozenset(), token=token, worker=worker)

    return find


def _to_exchange(*, are_made: bool) -> RequestRefused:
    if are_made:
        text = "this token is good for POST /_worker/auth/token only, which gives a short-lived one"
        return RequestRefused(text, status=401, code="auth.exchange")
    text = "workers.toml asks this worker for a short-lived token, and the engine's worker_token_secret is not set"
    return RequestRefused(text, status=403, code="auth.not_set")


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
