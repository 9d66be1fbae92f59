"""The table of routes: what cannot be declared, and what cannot be served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from avtomat.access.model import Scope
from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import json_answer
from avtomat.api.http.auth import LocalGuard
from avtomat.api.http.doors import ClientsDoor
from avtomat.api.http.presence import Presence
from avtomat.api.http.requests import Request
from avtomat.api.http.routes import BoundRoute, Route, Routes, served_by
from avtomat.api.openapi.details import DETAILS
from avtomat.api.openapi.document import OPERATIONS
from avtomat.api.public.metrics import RequestCounts


class Greetings:
    async def greet(self, _request: Request) -> Answer:
        return json_answer("hello")


def route(**changed: Any) -> Route[Greetings, Answer]:
    whole = {"id": "greet", "summary": "Greet", "answers": {200: "Map"}, **changed}
    return Route("GET", "/greet", Greetings.greet, **whole)


def addresses(served: Sequence[BoundRoute[Answer]]) -> list[tuple[str, str]]:
    return [(each.method, each.path) for each in served]


@pytest.mark.parametrize("missing", ["id", "summary"])
def test_a_route_without_a_description_cannot_be_declared(missing: str) -> None:
    with pytest.raises(ValueError, match="GET /greet has no description"):
        route(**{missing: ""})


async def test_a_route_is_served_by_the_object_of_its_class() -> None:
    (served,) = served_by([object(), Greetings()], [Routes(Greetings, (route(scopes=(Scope.CLIENT,)),))])

    answer = await served.handler(None)  # type: ignore[arg-type]
    assert answer.body == b'"hello"'
    assert served.scopes == {Scope.CLIENT}


def test_a_table_that_nothing_serves_is_refused_at_the_start() -> None:
    with pytest.raises(KeyError):
        list(served_by([object()], [Routes(Greetings, (route(),))]))


def test_an_older_address_is_served_as_well_as_the_present_one() -> None:
    served = list(served_by([Greetings()], [Routes(Greetings, (route(old_path="/hello"),))]))

    assert addresses(served) == [("GET", "/hello"), ("GET", "/greet")]


def test_a_route_of_clients_that_names_no_scope_is_refused_at_the_start() -> None:
    served = list(served_by([Greetings()], [Routes(Greetings, (route(),))]))
    door = ClientsDoor(LocalGuard([]), RequestCounts(), Presence(), None)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="GET /greet names no scope"):
        list(door.keep(served))


def test_every_detail_belongs_to_a_route_and_no_two_routes_have_the_same_id() -> None:
    ids = [operation.route.id for operation in OPERATIONS]

    assert len(ids) == len(set(ids))
    assert DETAILS.keys() <= set(ids)
