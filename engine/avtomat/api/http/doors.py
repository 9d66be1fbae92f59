"""Keep the doors: let in who may, and turn every failure into an answer.

A handler is wrapped by the door that its route belongs to, and there is no other way to serve a route: so none is open
by oversight, and a request passes one function of ours before its handler and no middleware at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from avtomat.access.model import Client, Digest, Scope
from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import problem_answer, worker_refusal
from avtomat.api.http.auth import Caller, Guard
from avtomat.api.http.presence import Presence
from avtomat.api.http.refusals import refusal_of
from avtomat.api.http.requests import Request, request_id_of
from avtomat.api.http.routes import BoundRoute, ClientHandler, Handler, Reply
from avtomat.api.public.metrics import RequestCounts
from avtomat.errors import RequestRefused

Wrapped = tuple[str, str, Handler]
"""Method, path, and the handler behind its door."""


class ClientLimits(Protocol):
    """What the door asks of rates and quotas."""

    async def spend_request(self, client: Client) -> None:
        """Count a request; RequestRefused: it is one too many."""

    def fields(self, client: Client) -> tuple[str, str]:
        """The values of RateLimit-Policy and RateLimit; empty ones are left out."""


class ClientsDoor:
    """Wraps handlers that clients call: refusals are problems, answers carry the request's id and may be compressed.

    Without a guard the routes are everybody's; with one a route is opened by the scopes that it names, and a route that
    names none cannot be kept (ValueError).
    """

    def __init__(
        self,
        guard: Guard | None,
        counts: RequestCounts,
        presence: Presence,
        limits: ClientLimits,
    ) -> None:
        self._guard = guard
        self._counts = counts
        self._presence = presence
        self._limits = limits

    def keep(self, routes: Iterable[BoundRoute[Answer]]) -> Iterator[Wrapped]:
        """The routes behind this door. Whatever can be got can be asked for its HEAD."""
        for route in routes:
            scopes = None if self._guard is None else route.scopes
            if scopes is not None and not scopes:
                raise ValueError(f"{route.method} {route.path} names no scope that opens it")
            wrapped = self.wrap(route.method, route.path, route.handler, scopes)
            yield route.method, route.path, wrapped
            if route.method == "GET":
                yield "HEAD", route.path, wrapped

    def wrap(self, method: str, path: str, handler: ClientHandler, scopes: frozenset[Scope] | None = None) -> Handler:
        """The handler behind this door; its answers are counted under this route. `scopes` None: any caller."""
        guard, statuses = self._guard, self._counts.of(method, path)

        async def serve(request: Request) -> Answer:
            request_id, caller = request_id_of(request), None
            try:
                if guard is None:
                    answer = await handler(request)
                else:
                    request.caller = caller = guard.admit(request)
                    if caller.token is not None:
                        answer = await self._limited(request, caller.token, handler, scopes)
                    else:
                        refuse_out_of_scope(caller, scopes)
                        answer = await handler(request)
            except Exception as error:
                answer = problem_answer(refusal_of(error, request_id), request_id)
            finally:
                if request.claims:
                    request.let_go()
            answer.set("X-Request-Id", request_id)
            if caller is not None and caller.client is not None:
                self._tell_limits(answer, caller.client)
            answer.compress_for(request)
            statuses[answer.status] += 1
            return answer

        return serve

    async def _limited(
        self, request: Request, token: Digest, handler: ClientHandler, scopes: frozenset[Scope] | None
    ) -> Answer:
        """Answer a request that counts, whatever comes of it, and that is broken off when its token goes."""
        self._presence.enter(token, request.end)
        try:
            if request.caller.client is not None:
                await self._limits.spend_request(request.caller.client)
            refuse_out_of_scope(request.caller, scopes)
            return await handler(request)
        finally:
            self._presence.leave(token, request.end)

    def _tell_limits(self, answer: Answer, client: Client) -> None:
        policy, standing = self._limits.fields(client)
        if policy:
            answer.set("RateLimit-Policy", policy)
        if standing:
            answer.set("RateLimit", standing)


def refuse_out_of_scope(caller: Caller, scopes: frozenset[Scope] | None) -> None:
    """Refuse a caller who has none of these scopes; None: any caller will do."""
    if scopes is None or not scopes.isdisjoint(caller.scopes):
        return
    needed = " or ".join(scope for scope in Scope if scope in scopes and scope is not Scope.ADMIN)
    has = ", ".join(scope for scope in Scope if scope in caller.scopes)
    text = f"this needs the scope {needed}; {caller.name} has {has}"
    raise RequestRefused(text, status=403, code="auth.scope")


class WorkersDoor:
    """Wraps handlers that workers call: refusals are told in the words of their protocol."""

    def __init__(self, guard: Guard, counts: RequestCounts, presence: Presence) -> None:
        self._guard = guard
        self._counts = counts
        self._presence = presence

    def keep(self, routes: Iterable[BoundRoute[Reply]]) -> Iterator[Wrapped]:
        """The routes behind this door. None has a HEAD beside its GET: it would take a task, and answer without it."""
        for route in routes:
            yield route.method, route.path, self.wrap(route.method, route.path, route.handler)

    def wrap(self, method: str, path: str, handler: Handler) -> Handler:
        """The handler behind this door; its answers are counted under this route."""
        admit, statuses = self._guard.admit, self._counts.of(method, path)

        async def serve(request: Request) -> Reply:
            answer: Reply
            try:
                request.caller = caller = admit(request)
                if caller.token is None:
                    answer = await handler(request)
                else:
                    answer = await self._revocable(request, caller.token, handler)
            except Exception as error:
                answer = worker_refusal(refusal_of(error))
            finally:
                if request.claims:
                    request.let_go()
            statuses[answer.status] += 1
            return answer

        return serve

    async def _revocable(self, request: Request, token: Digest, handler: Handler) -> Reply:
        """Answer a request that is broken off when its token goes."""
        self._presence.enter(token, request.end)
        try:
            return await handler(request)
        finally:
            self._presence.leave(token, request.end)
