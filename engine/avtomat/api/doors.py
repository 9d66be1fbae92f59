"""Keep the doors: let in who may, and turn every failure into an answer.

A handler is wrapped when its route is made, by the door that it belongs to, and there is no other way to make a route:
so none is open by oversight, and a request passes one function of ours before its handler and no middleware at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final

from aiohttp import web

from avtomat.api.answers import compress, problem_answer, worker_refusal
from avtomat.api.auth import Guard
from avtomat.api.metrics import RequestCounts
from avtomat.api.refusals import MethodRefused, refusal_of
from avtomat.api.requests import CALLER, request_id_of
from avtomat.errors import RequestRefused

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, Handler]
"""Method (`*` is any), path, handler."""

ELSEWHERE: Final = "/{elsewhere:.*}"
"""The last route of a door: whatever the others do not have."""


class ClientsDoor:
    """Wraps handlers that clients call: refusals are problems, answers carry the request's id and may be compressed.

    Without a guard the routes are everybody's.
    """

    def __init__(self, guard: Guard | None, counts: RequestCounts) -> None:
        self._guard = guard
        self._counts = counts

    def keep(self, routes: Iterable[Route]) -> Iterator[web.RouteDef]:
        """The routes behind this door."""
        for method, path, handler in routes:
            yield web.route(method, path, self._wrapped(handler, self._counts.of(method, path)))

    def _wrapped(self, handler: Handler, statuses: dict[int, int]) -> Handler:
        guard = self._guard

        async def serve(request: web.Request) -> web.StreamResponse:
            request_id = request_id_of(request)
            try:
                if guard is not None:
                    request[CALLER] = guard.admit(request)
                answer = await handler(request)
            except Exception as error:
                answer = problem_answer(refusal_of(error, request_id), request_id)
            answer.headers["X-Request-Id"] = request_id
            compress(request, answer)
            statuses[answer.status] += 1
            return answer

        return serve


class WorkersDoor:
    """Wraps handlers that workers call: refusals are told in the words of their protocol."""

    def __init__(self, guard: Guard, counts: RequestCounts) -> None:
        self._guard = guard
        self._counts = counts

    def keep(self, routes: Iterable[Route]) -> Iterator[web.RouteDef]:
        """The routes behind this door. None has a HEAD beside its GET: it would take a task that nobody reads."""
        for method, path, handler in routes:
            more = {"allow_head": False} if method == "GET" else {}
            yield web.route(method, path, self._wrapped(handler, self._counts.of(method, path)), **more)

    def _wrapped(self, handler: Handler, statuses: dict[int, int]) -> Handler:
        admit = self._guard.admit

        async def serve(request: web.Request) -> web.StreamResponse:
            try:
                admit(request)
                answer = await handler(request)
            except Exception as error:
                answer = worker_refusal(refusal_of(error))
            statuses[answer.status] += 1
            return answer

        return serve


async def refuse_elsewhere(request: web.Request) -> web.StreamResponse:
    """Answer at all addresses, and to all methods, that no other route has: always by RequestRefused."""
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        if "elsewhere" not in resource.canonical:
            allowed |= (await resource.resolve(request))[1]
    if not allowed:
        raise RequestRefused("there is nothing at this address", status=404, code="request.no_route")
    raise MethodRefused(request.method, sorted(allowed))
