"""Say what a client and a worker are to the doors: their rights and limits, found by the digest of a token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

_PATTERN_SIGNS: Final = frozenset("*?")

Digest: TypeAlias = bytes
"""The SHA-256 of a token."""


class Scope(StrEnum):
    """What the bearer of a token may do. Scopes add up."""

    CLIENT = "client"
    """Submit jobs; read, signal and cancel those of this client."""
    VIEWER = "viewer"
    """Read all jobs."""
    OPERATOR = "operator"
    """What a viewer may, and operate all jobs."""
    AUTHOR = "author"
    """What a viewer may, and change which blueprints are current."""
    ADMIN = "admin"
    """Everything."""


_HELD_WITH: Final[Mapping[Scope, frozenset[Scope]]] = {
    Scope.CLIENT: frozenset({Scope.CLIENT}),
    Scope.VIEWER: frozenset({Scope.VIEWER}),
    Scope.OPERATOR: frozenset({Scope.OPERATOR, Scope.VIEWER}),
    Scope.AUTHOR: frozenset({Scope.AUTHOR, Scope.VIEWER}),
    Scope.ADMIN: frozenset(Scope),
}


def held_with(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """These scopes and all that they hold."""
    return frozenset[Scope]().union(*(_HELD_WITH[scope] for scope in scopes))


class Per(StrEnum):
    """The periods of quotas, as the calendar of a time zone has them."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many requests in each span of the store's clock; spans follow each other without a gap."""

    requests: int
    per_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """So many accepted jobs in each period."""

    jobs: int
    per: Per
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks at the clients' door. `blueprints` are names and patterns (None: all); `labels` are given to all its
    jobs; `weight` is its share of a queue that several clients wait for.
    """

    name: str
    plan: str | None = None
    scopes: frozenset[Scope] = frozenset({Scope.CLIENT})
    blueprints: tuple[str, ...] | None = None
    rate: Rate | None = None
    quota: Quota | None = None
    weight: float = 1.0
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def rights(self) -> tuple[object, ...]:
        """What, when it is another one, ends what is open."""
        return self.name, self.scopes, self.blueprints

    def may_use(self, blueprint: str) -> bool:
        """Whether jobs of this blueprint may be theirs."""
        return self.blueprints is None or _fits(blueprint, self.blueprints)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEntry:
    """Workers whose ids fit `ids` (an id, or a pattern). `kinds` are names and patterns of tasks (None: all). Their
    messages must be signed if they `must_sign`; who `must_exchange` gets nothing but short-lived tokens for their own.
    """

    ids: str
    kinds: tuple[str, ...] | None = None
    must_sign: bool = False
    must_exchange: bool = False

    @property
    def is_pattern(self) -> bool:
        """Whether it is for more than one id."""
        return not _PATTERN_SIGNS.isdisjoint(self.ids)

    def is_for(self, worker: str) -> bool:
        """Whether a worker of this id may come with a token of this entry."""
        return fnmatchcase(worker, self.ids)

    def may_do(self, kind: str) -> bool:
        """Whether tasks of this kind may be handed to them."""
        return self.kinds is None or _fits(kind, self.kinds)


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who is known by which token: all that clients.toml and workers.toml say, in force together."""

    clients: Mapping[Digest, Client] = field(default_factory=dict)
    workers: Mapping[Digest, WorkerEntry] = field(default_factory=dict)
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    """The quotas of clients, by their names."""

    weights: Mapping[str, float] = field(default_factory=dict)
    """The weights of clients, by their names, where they are not 1."""

    def changed_since(self, older: Access) -> Iterator[Digest]:
        """Tokens of `older` that are gone, or mean something else now."""
        for token, client in older.clients.items():
            now = self.clients.get(token)
            if now is None or now.rights != client.rights:
                yield token
        yield from (token for token, entry in older.workers.items() if self.workers.get(token) != entry)
