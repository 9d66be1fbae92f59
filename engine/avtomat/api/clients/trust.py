"""The clients' door: workers and their reputation, the breakers of kinds of task."""

from __future__ import annotations

from typing import Final

from avtomat.access.model import Scope
from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import json_answer
from avtomat.api.http.bodies import optional_json_body
from avtomat.api.http.queries import query_of, refuse_unknown
from avtomat.api.http.requests import Request
from avtomat.api.http.routes import Route, Routes
from avtomat.errors import RequestRefused
from avtomat.runtime.people.workers import Workers
from avtomat.runtime.trust.breakers import Breakers
from avtomat.settings import Settings

WORKERS: Final = "/api/v1/workers"
BREAKERS: Final = "/api/v1/breakers"


class TrustRoutes:
    """The routes below /api/v1/workers and /api/v1/breakers."""

    def __init__(self, workers: Workers, breakers: Breakers, settings: Settings) -> None:
        self._workers = workers
        self._breakers = breakers
        self._body_bytes_max = settings.body_bytes_max

    async def list_workers(self, request: Request) -> Answer:
        """All workers."""
        refuse_unknown(query_of(request))
        return json_answer(await self._workers.listed())

    async def show_worker(self, request: Request) -> Answer:
        """One of them."""
        refuse_unknown(query_of(request))
        return json_answer(await self._workers.one(request.parts["worker"]))

    async def list_breakers(self, request: Request) -> Answer:
        """The breakers of which something is known."""
        refuse_unknown(query_of(request))
        return json_answer({"enabled": self._breakers.are_kept, "breakers": await self._breakers.listed()})

    async def reset(self, request: Request) -> Answer:
        """Close a breaker at once."""
        refuse_unknown(query_of(request))
        if await optional_json_body(request, self._body_bytes_max) != {}:
            raise RequestRefused("the body is an empty map, or none", status=422, code="request.invalid", pointer="")
        return json_answer(await self._breakers.reset(request.parts["kind"], request.caller.name))


ROUTES: Final = Routes(
    TrustRoutes,
    (
        Route(
            "GET",
            WORKERS,
            TrustRoutes.list_workers,
            id="listWorkers",
            summary="List workers and their reputation",
            answers={200: "WorkerList"},
            refusals=(422, 503),
            scopes=(Scope.VIEWER,),
        ),
        Route(
            "GET",
            WORKERS + "/{worker}",
            TrustRoutes.show_worker,
            id="getWorker",
            summary="Read what is known of a worker",
            answers={200: "Worker"},
            refusals=(404, 422, 503),
            scopes=(Scope.VIEWER,),
        ),
        Route(
            "GET",
            BREAKERS,
            TrustRoutes.list_breakers,
            id="listBreakers",
            summary="List the breakers of kinds of task",
            answers={200: "BreakerList"},
            refusals=(422, 503),
            scopes=(Scope.VIEWER,),
        ),
        Route(
            "POST",
            BREAKERS + "/{kind}/reset",
            TrustRoutes.reset,
            id="resetBreaker",
            summary="Close a breaker at once",
            answers={200: "Breaker"},
            refusals=(404, 422, 503),
            body="Nothing",
            body_required=False,
            scopes=(Scope.OPERATOR,),
        ),
    ),
)
