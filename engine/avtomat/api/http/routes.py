"""Say what a route is: its address, its handler, and what the description of the API says of it.

Each module with handlers declares its routes once, below the class that has the handlers; `api/table.py` names all of
them. The router is made from that table, and so is the OpenAPI document. What is long or needed by the document alone
is not here: schemas are named, and texts and parameters are found by the route's id (`api/openapi/details.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from types import MethodType
from typing import Any, Generic, TypeAlias, TypeVar

from aiohttp import web

from avtomat.access.model import Scope
from avtomat.api.http.answer import Answer
from avtomat.api.http.requests import Request

Reply: TypeAlias = Answer | web.StreamResponse
Handler: TypeAlias = Callable[[Request], Awaitable[Reply]]
ClientHandler: TypeAlias = Callable[[Request], Awaitable[Answer]]
OwnerT = TypeVar("OwnerT")
ReplyT_co = TypeVar("ReplyT_co", bound=Reply, covariant=True)


@dataclass(frozen=True, slots=True)
class Route(Generic[OwnerT, ReplyT_co]):
    """One operation: a method at an address, answered by a handler of a class of handlers.

    `id` and `summary` name it in the description. `scopes`: any of them opens an operation of the clients' door, and so
    does a scope that holds one of them. `body` and `answers` name schemas, the latter by status (None: no JSON);
    `refusals` are statuses of problems, beside those of any body and of the door. `old_path` is served as well, and not
    described.
    """

    method: str
    path: str
    handler: Callable[[OwnerT, Request], Awaitable[ReplyT_co]]
    id: str
    summary: str
    answers: dict[int, str | tuple[str, ...] | None]
    refusals: tuple[int, ...] = ()
    body: str | tuple[str, ...] = ()
    body_required: bool = True
    scopes: tuple[Scope, ...] = ()
    old_path: str | None = None

    def __post_init__(self) -> None:
        if not self.id or not self.summary:
            raise ValueError(f"{self.method} {self.path} has no description")


@dataclass(frozen=True, slots=True)
class Routes(Generic[OwnerT, ReplyT_co]):
    """The routes that one class of handlers has."""

    owner: type[OwnerT]
    all: tuple[Route[OwnerT, ReplyT_co], ...]


@dataclass(frozen=True, slots=True)
class BoundRoute(Generic[ReplyT_co]):
    """A route of an object that answers it. The scopes are those that the route names."""

    method: str
    path: str
    handler: Callable[[Request], Awaitable[ReplyT_co]]
    scopes: frozenset[Scope]


def served_by(owners: Iterable[object], tables: Iterable[Routes[Any, ReplyT_co]]) -> Iterator[BoundRoute[ReplyT_co]]:
    """The routes of these tables, each with its object: `owners` has one of each class. KeyError: it has none."""
    by_type = {type(owner): owner for owner in owners}
    for table in tables:
        owner = by_type[table.owner]
        for route in table.all:
            handler = MethodType(route.handler, owner)
            for path in (route.path,) if route.old_path is None else (route.old_path, route.path):
                yield BoundRoute(route.method, path, handler, frozenset(route.scopes))
