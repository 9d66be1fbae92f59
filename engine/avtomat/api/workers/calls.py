"""The workers' door: register, heartbeat, poll for tasks, deliver results, tell events.

A task must not vanish with the connection of the poll that took it: the connection is looked at before a task is
claimed and before it is answered, and the answer is written here and not by aiohttp, so that a write that fails gives
the task back. While the store is away polls and results are put off with 429, and results also while there is no room
for their bodies: clients hold a result that is answered so, and drop one that is answered 503. No text here may say
what makes a client register again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import PROTOCOL_VERSION, no_task_answer, worker_answer
from avtomat.api.http.bodies import BodyTooLarge, json_body, optional_json_body
from avtomat.api.http.queries import count, query_of, seconds
from avtomat.api.http.requests import Request, single_header
from avtomat.api.http.routes import Route, Routes
from avtomat.api.workers.allowed import refuse_kinds, refuse_other_worker, worker_of
from avtomat.api.workers.messages import check_id, read_event, read_heartbeat, read_registration, read_result
from avtomat.api.workers.oversized import subject_of
from avtomat.api.workers.signed import EVENT_WITHOUT, Signatures
from avtomat.core.formula import Json
from avtomat.core.kinds.calls import RESERVED
from avtomat.errors import RequestRefused, StoreError
from avtomat.runtime.byte_budget import BusyRefused
from avtomat.runtime.work.dispatcher import Dispatcher
from avtomat.runtime.work.polls import TASKS_PER_POLL_MAX, Poll
from avtomat.settings import Settings

WORKERS: Final = "/_worker"
POLL_TIMEOUT_DEFAULT_S: Final = 30.0
RESULTS_MAX: Final = 1_000
POLL_RETRY_AFTER_S: Final = 2
RESULT_RETRY_AFTER_S: Final = 20
"""With this the clients of Avtomatika hold a result for 100 s."""


class WorkerRoutes:
    """The routes below /_worker that are requests."""

    def __init__(self, dispatcher: Dispatcher, settings: Settings, signatures: Signatures) -> None:
        self._dispatcher = dispatcher
        self._signatures = signatures
        self._body_bytes_max = settings.body_bytes_max
        self._result_bytes_max = settings.result_bytes_max
        self._poll_timeout_max_s = settings.poll_timeout_max.total_seconds()

    async def register(self, request: Request) -> Answer:
        """Register a worker."""
        told = await json_body(request, self._body_bytes_max)
        self._signatures.check(request.caller, told, None)
        body = read_registration(told)
        refuse_other_worker(request.caller, body["worker_id"])
        refuse_kinds(request.caller, (skill["name"] for skill in body["supported_skills"]))
        await self._dispatcher.register(body)
        return worker_answer(_REGISTERED)

    async def heartbeat(self, request: Request) -> Answer:
        """Extend its leases; 404 with the very words upon which clients register again."""
        worker = worker_of(request)
        told = await optional_json_body(request, self._body_bytes_max)
        self._signatures.check(request.caller, told, worker)
        body = read_heartbeat(told, worker)
        refuse_kinds(request.caller, (skill["name"] for skill in body.get("supported_skills") or ()))
        answer = await self._dispatcher.heartbeat(worker, body)
        if answer is None:
            raise RequestRefused("Worker not found", status=404, code="worker.not_found")
        return worker_answer(answer)

    async def poll(self, request: Request) -> Answer:
        """Hand out tasks: one as a map, or with `max` a list; 204 when there are none."""
        query, entry = query_of(request), request.caller.worker
        holding = query.get("holding")
        asked = Poll(
            worker=worker_of(request),
            kinds=_names(query.get("available_skills", "")),
            may_do=None if entry is None else entry.may_do,
            timeout_s=seconds(
                query, "timeout", default=POLL_TIMEOUT_DEFAULT_S, most=self._poll_timeout_max_s, cut=True
            ),
            tasks_max=count(query, "max", default=1, least=0, most=TASKS_PER_POLL_MAX),
            nonce=query.get("nonce", ""),
            hot=_names(query["hot_skills"]) if "hot_skills" in query else None,
            holding=None if holding is None else frozenset(_names(holding)),
        )
        if entry is not None:
            refuse_kinds(request.caller, asked.kinds)
        try:
            tasks = await self._dispatcher.poll(asked, lambda: _is_gone(request))
        except StoreError as away:
            raise _put_off(away, POLL_RETRY_AFTER_S) from None
        if not tasks:
            return no_task_answer()
        return await self._hand_over(request, asked.worker, tasks, worker_answer(tasks if "max" in query else tasks[0]))

    async def _hand_over(self, request: Request, worker: str, tasks: Sequence[Json], answer: Answer) -> Answer:
        try:
            await answer.prepare(request)
            await answer.write_eof()
        except BaseException:
            await self._give_back(worker, tasks)
            raise
        if _is_gone(request):
            await self._give_back(worker, tasks)
        return answer

    async def _give_back(self, worker: str, tasks: Sequence[Json]) -> None:
        await asyncio.shield(self._dispatcher.release(worker, [task["task_id"] for task in tasks]))

    async def result(self, request: Request) -> Answer:
        """Use a result, or each of a list. A list of which one could not be used is sent again whole."""
        sender = single_header(request, "X-Worker-ID")
        try:
            body = await json_body(request, self._result_bytes_max)
            if "next" in (query := query_of(request)):
                return await self._result_and_next(request, query, body, sender)
            if isinstance(body, list):
                return worker_answer(await self._results(request, body, sender))
            return worker_answer(await self._dispatcher.result(self._result_of(request, body, sender)))
        except (StoreError, BusyRefused) as away:
            raise _put_off(away, RESULT_RETRY_AFTER_S) from None
        except BodyTooLarge as refused:
            if sender is not None and request.caller.is_worker(check_id(sender, "the worker's id")):
                await self._fail_oversized(request, refused.received, sender)
            raise

    async def _result_and_next(
        self, request: Request, query: Mapping[str, str], body: Json, sender: str | None
    ) -> Answer:
        """Use results, and hand out with the answer what there is for their worker now."""
        bodies = body if isinstance(body, list) else [body]
        _refuse_number_of(bodies, least=1)
        results = [self._result_of(request, each, sender) for each in bodies]
        worker = str(results[0]["worker_id"])
        if any(result["worker_id"] != worker for result in results):
            raise RequestRefused("results that ask for tasks are of one worker", status=400, code="request.invalid")
        asked = Poll(
            worker=worker,
            kinds=_names(query["next"]),
            may_do=None if (entry := request.caller.worker) is None else entry.may_do,
            timeout_s=0,
            tasks_max=count(query, "max", default=1, least=0, most=TASKS_PER_POLL_MAX),
            nonce=query.get("nonce", ""),
            hot=_names(query["hot_skills"]) if "hot_skills" in query else None,
        )
        refuse_kinds(request.caller, asked.kinds)
        said, tasks = await self._settle_and_take(request, asked, results)
        answer: dict[str, Json] = {"answers": said} if isinstance(body, list) else said[0]
        if "max" in query:
            answer = {**answer, "tasks": tasks}
        elif tasks:
            answer = {**answer, "task": tasks[0]}
        if not tasks:
            return worker_answer(answer)
        return await self._hand_over(request, worker, tasks, worker_answer(answer))

    async def _settle_and_take(
        self, request: Request, asked: Poll, results: Sequence[dict[str, Json]]
    ) -> tuple[list[dict[str, Json]], list[dict[str, Json]]]:
        """Use all results, and take tasks with the last. Where one cannot be used now, all come again and nothing is
        taken.
        """
        taken: list[dict[str, Json]] = []

        async def last() -> dict[str, Json]:
            said, tasks = await self._dispatcher.result_and_next(results[-1], asked, lambda: _is_gone(request))
            taken.extend(tasks)
            return said

        if len(results) == 1:
            return [await last()], taken
        said = await asyncio.gather(*map(self._dispatcher.result, results[:-1]), last(), return_exceptions=True)
        for each in said:
            if isinstance(each, BaseException):
                await self._give_back(asked.worker, taken)
                raise each
        return [each for each in said if not isinstance(each, BaseException)], taken

    async def _fail_oversized(self, request: Request, received: bytes, worker: str) -> None:
        """The result will never be taken: its attempt fails now, and not when the lease ends."""
        subject = await subject_of(request, received, self._result_bytes_max)
        if subject is not None:
            text = f"the result is larger than {self._result_bytes_max} bytes"
            error = {"code": "LIMIT_EXCEEDED_ERROR", "message": text}
            await self._dispatcher.result({**subject._asdict(), "worker_id": worker, "error": error})

    async def _results(self, request: Request, bodies: Sequence[Json], sender: str | None) -> list[Json]:
        _refuse_number_of(bodies, least=0)
        results = [self._result_of(request, body, sender) for body in bodies]
        return await asyncio.gather(*map(self._dispatcher.result, results))

    async def event(self, request: Request) -> Answer:
        """Take an event, such as progress."""
        told = await json_body(request, self._body_bytes_max)
        self._signatures.check(request.caller, told, None, without=EVENT_WITHOUT)
        event = read_event(told)
        refuse_other_worker(request.caller, event["worker_id"])
        await self._dispatcher.event(event)
        return worker_answer(_EVENT_ACCEPTED)

    def _result_of(self, request: Request, body: Json, sender: str | None) -> dict[str, Json]:
        self._signatures.check(request.caller, body, sender, is_timed=False)
        result = read_result(body, sender)
        refuse_other_worker(request.caller, result["worker_id"])
        return result


OFFERS: Final = ("next",)
"""What this engine has beside RXON and a worker should know before it asks."""

_REGISTERED: Final = {"status": "registered", "version": PROTOCOL_VERSION, "offers": OFFERS}
_EVENT_ACCEPTED: Final = {"status": "event_accepted"}


def _refuse_number_of(bodies: Sequence[Json], *, least: int) -> None:
    if not least <= len(bodies) <= RESULTS_MAX:
        text = f"a list has {least} to {RESULTS_MAX} results" if least else f"a list has at most {RESULTS_MAX} results"
        raise RequestRefused(text, status=400, code="request.invalid")


ROUTES: Final = Routes(
    WorkerRoutes,
    (
        Route(
            "POST",
            WORKERS + "/workers/register",
            WorkerRoutes.register,
            id="registerWorker",
            summary="Register a worker",
            body="Map",
            answers={200: "Map"},
            refusals=(503,),
        ),
        Route(
            "PATCH",
            WORKERS + "/workers/{worker}",
            WorkerRoutes.heartbeat,
            id="heartbeat",
            summary="Extend the leases of a worker, which says what it works on",
            body="Map",
            body_required=False,
            answers={200: "Map"},
            refusals=(404, 503),
        ),
        Route(
            "GET",
            WORKERS + "/workers/{worker}/tasks/next",
            WorkerRoutes.poll,
            id="pollTasks",
            summary="Wait for tasks and take them under a lease",
            answers={200: ("Map", "Maps"), 204: None},
            refusals=(400, 429),
        ),
        Route(
            "POST",
            WORKERS + "/tasks/result",
            WorkerRoutes.result,
            id="deliverResult",
            summary="Deliver the result of a task, or a list of them, and take the next tasks with the answer",
            body=("Map", "Maps"),
            answers={200: ("Map", "Maps")},
            refusals=(429,),
        ),
        Route(
            "POST",
            WORKERS + "/events",
            WorkerRoutes.event,
            id="tellEvent",
            summary="Report an event, such as progress",
            body="Map",
            answers={200: "Map"},
            refusals=(503,),
        ),
    ),
)


def _is_gone(request: Request) -> bool:
    """Whether nobody would read an answer."""
    transport = request.transport
    return transport is None or transport.is_closing()


@lru_cache(maxsize=256)
def _names(text: str) -> tuple[str, ...]:
    """Names with commas, but for those of the engine itself; a worker says the same ones in each poll."""
    return tuple(name for name in text.split(",") if name and not name.startswith(RESERVED))


def _put_off(away: StoreError | BusyRefused, retry_after_s: int) -> RequestRefused:
    return RequestRefused(away.message, status=429, code=away.code, retry_after_s=retry_after_s)
