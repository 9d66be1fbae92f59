"""Keep the doors: let in who may, and turn every failure into an answer.

A handler is wrapped when its route is made, by the door that it belongs to, and there is no other way to make a route:
so none is open by oversight, and a request passes one function of ours before its handler and no middleware at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator

from aiohttp import web

from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import problem_answer, worker_refusal
from avtomat.api.http.auth import Guard
from avtomat.api.http.refusals import refusal_of
from avtomat.api.http.requests import Request, request_id_of
from avtomat.api.public.metrics import RequestCounts

Handler = Callable[[Request], Awaitable[Answer | web.StreamResponse]]
ClientHandler = Callable[[Request], Awaitable[Answer]]
Route = tuple[str, str, Handler]
"""Method, path, handler."""

ClientRoute = tuple[str, str, ClientHandler]


class ClientsDoor:
    """Wraps handlers that clients call: refusals are problems, answers carry the request's id and may be compressed.

    Without a guard the routes are everybody's.
    """

    def __init__(self, guard: Guard | None, counts: RequestCounts) -> None:
        self._guard = guard
        self._counts = counts

    def keep(self, routes: Iterable[ClientRoute]) -> Iterator[Route]:
        """The routes behind this door. Whatever can be got can be asked for its HEAD."""
        for method, path, handler in routes:
            wrapped = self.wrap(method, path, handler)
            yield method, path, wrapped
            if method == "GET":
                yield "HEAD", path, wrapped

    def wrap(self, method: str, path: str, handler: ClientHandler) -> Handler:
        """The handler behind this door; its answers are counted under this route."""
        guard, statuses = self._guard, self._counts.of(method, path)

        async def serve(request: Request) -> Answer:
            request_id = request_id_of(request)
            try:
                if guard is not None:
                    request.caller = guard.admit(request)
                answer = await handler(request)
            except Exception as error:
                answer = problem_answer(refusal_of(error, request_id), request_id)
            finally:
                if request.claims:
                    request.let_go()
            answer.set("X-Request-Id", request_id)
            answer.compress_for(request)
            statuses[answer.status] += 1
            return answer

        return serve


class WorkersDoor:
    """Wraps handlers that workers call: refusals are told in the words of their protocol."""

    def __init__(self, guard: Guard, counts: RequestCounts) -> None:
        self._guard = guard
        self._counts = counts

    def keep(self, routes: Iterable[Route]) -> Iterator[Route]:
        """The routes behind this door. None has a HEAD beside its GET: it would take a task that nobody reads."""
        for method, path, handler in routes:
            yield method, path, self.wrap(method, path, handler)

    def wrap(self, method: str, path: str, handler: Handler) -> Handler:
        """The handler behind this door; its answers are counted under this route."""
        admit, statuses = self._guard.admit, self._counts.of(method, path)

        async def serve(request: Request) -> Answer | web.StreamResponse:
            answer: Answer | web.StreamResponse
            try:
                admit(request)
                answer = await handler(request)
            except Exception as error:
                answer = worker_refusal(refusal_of(error))
            finally:
                if request.claims:
                    request.let_go()
            statuses[answer.status] += 1
            return answer

        return serve
