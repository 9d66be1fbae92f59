"""An engine that does as it is told: it hands out tasks under leases, and can fail at every call.

It keeps what it was asked, and the breaches of what holds always. It decides nothing by time but how long a poll waits,
so a worker's own pauses are what the checks see.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self

from aiohttp import web

from avtomat.api.http.answers import PROTOCOL_VERSION
from avtomat.conformance.calls import Call, Json, Name
from avtomat.conformance.faults import FaultError
from avtomat.conformance.laws import breaches
from avtomat.conformance.replies import Begin, Delay, Drop, Lose, Refuse, Reply
from avtomat.errors import RequestRefused
from avtomat.runtime.json_door import read_json

PREFIX: Final = "/_worker"
POLL_WAITS_S: Final = 1.0
"""A poll without a task is answered after so long, whatever the worker asked for."""
LEASE_S: Final = 60.0
BODY_BYTES_MAX: Final = 8_000_000


class ScriptedEngine:
    """The engine's side of one check. Use it as an async context manager."""

    def __init__(self, *, worker: str, token: str, patience_s: float, signing: bool = False) -> None:
        self.patience_s = patience_s
        """So long may take what must happen."""
        self.calls: list[Call] = []
        self.breaches: list[str] = []
        self.queue: deque[dict[str, Json]] = deque()
        self.handed: dict[str, dict[str, Json]] = {}
        """What a worker got for certain, by task_id."""
        self.released: set[str] = set()
        """Attempts that a poll's `holding` left out."""
        self.settled: dict[str, dict[str, Json]] = {}
        """The results that were answered for good, by task_id: the last one of each attempt."""
        self.orders: dict[str, Json] = {}
        """What is added to the answer of each heartbeat."""
        self.receipt: dict[str, Json] = {"status": "accepted"}
        self.begun: set[str] = set()
        """Attempts of which the first half of the answer was sent."""
        self.poll_waits_s = POLL_WAITS_S
        self.port = 0
        self._worker, self._token, self._signing = worker, token, signing
        self._script: dict[Name, deque[Reply]] = defaultdict(deque)
        self._known = False
        self._nonces: dict[str, list[dict[str, Json]]] = {}
        self._polls_open = 0
        self._changed = asyncio.Event()
        self._rest_may_go = asyncio.Event()
        self._counter = 0
        self._runner: web.AppRunner | None = None
        self._transports: set[asyncio.Transport] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- what a check tells it ----------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Listen, on the port of before if there was one."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Break all connections, and take no more."""
        for transport in self._transports:
            transport.abort()
        self._transports.clear()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def forget_workers(self) -> None:
        """Know no worker, as an engine that was started anew."""
        self._known = False

    def offer(self, kind: str, params: Json = None, *, lease_s: float = LEASE_S, **more: Json) -> str:
        """Queue a task, and return its task_id."""
        self._counter += 1
        now = int(time.time())
        job = f"job{self._counter}"
        task: dict[str, Json] = {
            "job_id": job,
            "task_id": f"{job}-a1",
            "type": kind,
            "params": {} if params is None else params,
            "attempt": 1,
            "lease_s": lease_s,
            "idempotency_key": f"{job}/:1",
            "priority": 0,
            "tracing_context": {},
            "timestamp": now,
            "deadline": now + 600,
            "a_field_of_later": {"to": "be ignored"},
            **more,
        }
        return self.offer_payload(task)

    def offer_payload(self, task: dict[str, Json]) -> str:
        """Queue a task as it stands."""
        self.queue.append(task)
        self._notify()
        return str(task["task_id"])

    def answer(self, name: Name, *replies: Reply) -> None:
        """Answer the next calls of this name so, one each; those after them as usual."""
        self._script[name].extend(replies)

    def is_scripted(self, name: Name) -> bool:
        """Whether an unusual answer to calls of this name is still to come."""
        return bool(self._script[name])

    def finish_answers(self) -> None:
        """Send the rest of the answers that were only begun."""
        self._rest_may_go.set()

    # --- what a check sees --------------------------------------------------------------------------------------------

    def of(self, name: Name) -> list[Call]:
        """The calls of this name so far."""
        return [call for call in self.calls if call.name == name]

    def sent(self, task_id: str) -> list[dict[str, Json]]:
        """Each result that came for an attempt, repeats included."""
        results = [result for call in self.of("result") for result in call.results]
        return [result for result in results if result.get("task_id") == task_id]

    def unsettled(self) -> set[str]:
        """The attempts that the worker got and has not answered for good."""
        return self.handed.keys() - self.settled.keys() - self.released

    async def until(self, condition: Callable[[], Any], expected: str, within_s: float | None = None) -> None:
        """Wait for `condition`, at most `within_s` (default: `patience_s`). FaultError: it did not come; `expected`
        says what.
        """
        most_s = self.patience_s if within_s is None else within_s
        try:
            async with asyncio.timeout(most_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise FaultError(f"{expected} did not come within {most_s:g} s; {self._story()}") from None

    async def result(self, task_id: str, within_s: float | None = None) -> dict[str, Json]:
        """The result of an attempt, once it is answered for good."""
        await self.until(lambda: task_id in self.settled, f"a result of {task_id}", within_s)
        return self.settled[task_id]

    def _story(self) -> str:
        lines = [call.line for call in self.calls[-6:]]
        return f"the last requests were {', '.join(lines)}" if lines else "there was no request at all"

    # --- the door -----------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        self._transports.add(request.transport)
        call = await self._read(request)
        self.calls.append(call)
        self.breaches += breaches(call, self._worker, self._token, signing=self._signing)
        self._notify()
        reply = self._script[call.name].popleft() if self._script[call.name] else None
        if isinstance(reply, Drop):
            return _break(request)
        if isinstance(reply, Refuse):
            return self._refuse(call, reply)
        async with self._guarded(call):
            answer, tasks = await self._do(call, request, lost=isinstance(reply, Lose))
        if isinstance(reply, Lose):
            return _break(request)
        if isinstance(reply, Delay):
            await asyncio.sleep(reply.seconds)
        response = web.Response(
            status=204 if answer is None else 200,
            body=None if answer is None else json.dumps(answer).encode(),
            content_type=None if answer is None else "application/json",
        )
        if isinstance(reply, Begin):
            return await self._in_two_halves(request, response, tasks)
        self._arrived(tasks)
        return response

    async def _read(self, request: web.Request) -> Call:
        raw = await request.read()
        body: Json = None
        if raw:
            try:
                body = read_json(raw)
            except RequestRefused as refused:
                self.breaches.append(f"{request.method} {request.path} would be answered 400: {refused.message}")
        return Call(
            name=_name_of(request.method, request.path, self._worker),
            at_s=time.monotonic(),
            method=request.method,
            path=request.path_qs,
            query=dict(request.query),
            headers=request.headers.copy(),
            body=body,
        )

    def _refuse(self, call: Call, reply: Refuse) -> web.Response:
        if call.name == "result" and 400 <= reply.status < 500 and reply.status not in {401, 403, 404, 408, 425, 429}:
            self.settled.update((result["task_id"], result) for result in call.results)
            self._notify()
        return web.Response(
            status=reply.status, body=reply.body, headers=reply.headers, content_type=reply.content_type
        )

    @asynccontextmanager
    async def _guarded(self, call: Call) -> AsyncIterator[None]:
        """Count the open polls that ask for tasks: a worker that says what it holds sends one at a time."""
        if call.name != "poll" or call.tasks_max == 0:
            yield
            return
        self._polls_open += 1
        if self._polls_open > 1 and call.holding is not None:
            self.breaches.append(f"{call.line} says what is held while another poll is open")
        try:
            yield
        finally:
            self._polls_open -= 1
            self._notify()

    async def _do(self, call: Call, request: web.Request, *, lost: bool) -> tuple[Json, list[dict[str, Json]]]:
        match call.name:
            case "register":
                self._known = True
                return {"status": "registered", "version": PROTOCOL_VERSION, "offers": ["next"]}, []
            case "heartbeat":
                return self._heartbeat(), []
            case "poll":
                return await self._poll(call, request, lost=lost)
            case "result":
                return self._result(call, lost=lost)
            case "event":
                return {"status": "event_accepted"}, []
        raise web.HTTPNotFound(text='{"error": "there is no such address"}', content_type="application/json")

    def _heartbeat(self) -> Json:
        if not self._known:
            raise web.HTTPNotFound(text='{"error": "Worker not found"}', content_type="application/json")
        return {"status": "ok", "a_field_of_later": 1, **self.orders}

    async def _poll(self, call: Call, request: web.Request, *, lost: bool) -> tuple[Json, list[dict[str, Json]]]:
        nonce = call.query.get("nonce", "")
        if call.holding is not None:
            self._compare_holding(call, call.holding, nonce)
        tasks = self._nonces.get(nonce, []) if nonce else []
        if not tasks and call.tasks_max > 0:
            await self._wait_for_tasks(float(call.query.get("timeout", "30")))
            if not _is_gone(request):
                tasks = [self.queue.popleft() for _ in range(min(call.tasks_max, len(self.queue)))]
        if not tasks:
            return None, []
        self._note_taken(nonce, tasks, lost=lost)
        return tasks if "max" in call.query else tasks[0], tasks

    def _note_taken(self, nonce: str, tasks: list[dict[str, Json]], *, lost: bool) -> None:
        if nonce:
            self._nonces = {nonce: tasks}
        elif lost:
            self.queue.extendleft(reversed(tasks))  # without a nonce it comes again when its lease ends

    async def _wait_for_tasks(self, asked_s: float) -> None:
        until = time.monotonic() + min(self.poll_waits_s, asked_s)
        while not self.queue and (left_s := until - time.monotonic()) > 0:
            self._changed.clear()
            try:
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _compare_holding(self, call: Call, holding: frozenset[str], nonce: str) -> None:
        here = {task["task_id"] for task in self._nonces.get(nonce, [])}
        for task_id in sorted(self.unsettled() - holding - here):
            self.breaches.append(f"{call.line} leaves out of `holding` the attempt {task_id}, which the worker has")
        unreceived = {task["task_id"] for tasks in self._nonces.values() for task in tasks} - self.handed.keys()
        self.released |= unreceived - holding - here

    def _result(self, call: Call, *, lost: bool) -> tuple[Json, list[dict[str, Json]]]:
        self.settled.update((result["task_id"], result) for result in call.results)
        self._notify()
        receipts = [self.receipt for _ in call.results]
        if "next" not in call.query:
            return receipts if isinstance(call.body, list) else self.receipt, []
        answer: dict[str, Json] = {"answers": receipts} if isinstance(call.body, list) else dict(self.receipt)
        nonce = call.query.get("nonce", "")
        tasks = self._nonces.get(nonce, []) if nonce else []
        if not tasks:
            tasks = [self.queue.popleft() for _ in range(min(call.tasks_max, len(self.queue)))]
            if tasks:
                self._note_taken(nonce, tasks, lost=lost)
        if "max" in call.query:
            answer["tasks"] = tasks
        elif tasks:
            answer["task"] = tasks[0]
        return answer, tasks

    async def _in_two_halves(
        self, request: web.Request, whole: web.Response, tasks: list[dict[str, Json]]
    ) -> web.StreamResponse:
        body = bytes(whole.body) if isinstance(whole.body, bytes) else b""
        response = web.StreamResponse(status=whole.status, headers=whole.headers)
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        self.begun.update(task["task_id"] for task in tasks)
        self._notify()
        await self._rest_may_go.wait()
        if not _is_gone(request):
            await response.write(body[len(body) // 2 :])
            self._arrived(tasks)
        return response

    def _arrived(self, tasks: list[dict[str, Json]]) -> None:
        self.handed.update((task["task_id"], task) for task in tasks)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()


def _name_of(method: str, path: str, worker: str) -> Name:
    table: Mapping[tuple[str, str], Name] = {
        ("POST", f"{PREFIX}/workers/register"): "register",
        ("PATCH", f"{PREFIX}/workers/{worker}"): "heartbeat",
        ("GET", f"{PREFIX}/workers/{worker}/tasks/next"): "poll",
        ("POST", f"{PREFIX}/tasks/result"): "result",
        ("POST", f"{PREFIX}/events"): "event",
    }
    return table.get((method, path), "other")


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _break(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=204)
