"""An engine that speaks the worker protocol and does nothing else: what came in is in its lists."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestServer

from avtomat_worker.waiting import Signal


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    headers: dict[str, str] = field(default_factory=dict)


class FakeEngine:
    """`refusals[call]` are given first, one a request; call is register, heartbeat, poll, result or event."""

    def __init__(self) -> None:
        self.queue: list[dict[str, Any]] = []
        self.leased: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.registrations: list[dict[str, Any]] = []
        self.heartbeats: list[dict[str, Any]] = []
        self.polls: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.requests_of_results: list[list[dict[str, Any]]] = []
        self.events: list[dict[str, Any]] = []
        self.refusals: dict[str, deque[Refusal]] = defaultdict(deque)
        self.orders: dict[str, Any] = {}
        self.receipt: dict[str, Any] = {"status": "accepted"}
        self.offers = ["next"]
        self.queries_of_results: list[dict[str, str]] = []
        self.results_that_lose_their_answer = 0
        self.results_waiting = 0
        self.known: set[str] = set()
        self.polls_that_lose_their_answer = 0
        self.polls_are_answered_at_once = False
        self.results_may_pass = asyncio.Event()
        self.results_may_pass.set()
        self._changed = Signal()
        self._closing = False
        self._counter = 0
        self._server = TestServer(self._app())

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        self._changed.notify()
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    @property
    def results(self) -> list[dict[str, Any]]:
        return [result for request in self.requests_of_results for result in request]

    @property
    def last_status(self) -> str | None:
        return self.heartbeats[-1]["status"] if self.heartbeats else None

    def offer(self, kind: str, params: Any = None, **more: Any) -> str:
        """Queue a task and return its id."""
        self._counter += 1
        task_id = f"task-{self._counter}"
        payload = {"job_id": f"job-{self._counter}", "task_id": task_id, "type": kind, "params": params, **more}
        self.queue.append(payload)
        self._changed.notify()
        return task_id

    def refuse(self, call: str, status: int, times: int = 1, **headers: str) -> None:
        self.refusals[call].extend([Refusal(status, headers)] * times)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            await self._changed.until(condition)

    async def result(self) -> dict[str, Any]:
        """Return the only result, once it is there."""
        await self.until(lambda: bool(self.results))
        assert len(self.results) == 1
        return self.results[0]

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=10_000_000)
        app.router.add_post("/_worker/workers/register", self._register)
        app.router.add_patch("/_worker/workers/{id}", self._heartbeat)
        app.router.add_get("/_worker/workers/{id}/tasks/next", self._poll)
        app.router.add_post("/_worker/tasks/result", self._result)
        app.router.add_post("/_worker/events", self._event)
        return app

    def _refused(self, call: str) -> web.Response | None:
        self._changed.notify()
        if not self.refusals[call]:
            return None
        refusal = self.refusals[call].popleft()
        return web.json_response({"error": "no"}, status=refusal.status, headers=refusal.headers)

    async def _register(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        message = await request.json()
        self.registrations.append(message)
        if refusal := self._refused("register"):
            return refusal
        self.known.add(message["worker_id"])
        return web.json_response({"status": "registered", "version": "1.0b17", "offers": self.offers})

    async def _heartbeat(self, request: web.Request) -> web.Response:
        self.heartbeats.append(await request.json())
        if refusal := self._refused("heartbeat"):
            return refusal
        if request.match_info["id"] not in self.known:
            return web.json_response({"error": "Worker not found"}, status=404)
        return web.json_response({"status": "ok", **self.orders})

    async def _poll(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.polls.append(query)
        if refusal := self._refused("poll"):
            return refusal
        if request.match_info["id"] not in self.known:
            return web.json_response({"error": "Worker not found"}, status=404)
        count, nonce = int(query.get("max", 1)), query.get("nonce", "")
        if nonce and self.leased[nonce]:
            return self._tasks(self.leased[nonce], query)
        if count == 0 or self.polls_are_answered_at_once:
            return web.Response(status=204)
        await self._changed.until(lambda: bool(self.queue) or self._closing)
        taken, self.queue[:count] = self.queue[:count], []
        self.leased[nonce] = taken
        return self._lose(request) if self.polls_that_lose_their_answer else self._tasks(taken, query)

    def _lose(self, request: web.Request) -> web.Response:
        self.polls_that_lose_their_answer -= 1
        assert request.transport is not None
        request.transport.abort()
        return web.Response(status=204)

    def _tasks(self, tasks: list[dict[str, Any]], query: dict[str, str]) -> web.Response:
        if not tasks:
            return web.Response(status=204)
        return web.json_response(tasks if "max" in query else tasks[0])

    async def _result(self, request: web.Request) -> web.Response:
        message = await request.json()
        self.results_waiting += 1
        self._changed.notify()
        await self.results_may_pass.wait()
        self.results_waiting -= 1
        if refusal := self._refused("result"):
            return refusal
        results = message if isinstance(message, list) else [message]
        self.requests_of_results.append(results)
        self.queries_of_results.append(dict(request.query))
        receipts = [self.receipt for _ in results]
        self._changed.notify()
        if "next" not in request.query:
            return web.json_response(receipts if isinstance(message, list) else receipts[0])
        tasks = self._tasks_beside_results(request.query["nonce"], int(request.query["max"]))
        if self.results_that_lose_their_answer:
            self.results_that_lose_their_answer -= 1
            assert request.transport is not None
            request.transport.abort()
        told = {"answers": receipts} if isinstance(message, list) else receipts[0]
        return web.json_response({**told, "tasks": tasks})

    def _tasks_beside_results(self, nonce: str, count: int) -> list[dict[str, Any]]:
        if not self.leased[nonce]:
            self.leased[nonce], self.queue[:count] = self.queue[:count], []
        return self.leased[nonce]

    async def _event(self, request: web.Request) -> web.Response:
        self.events.append(await request.json())
        return self._refused("event") or web.json_response({"status": "event_accepted"})
