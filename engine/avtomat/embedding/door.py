"""Let a worker reach the engine of its own process: the calls of the worker protocol, without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import orjson

from avtomat.core.formula import Json
from avtomat.errors import RequestRefused, StoreError
from avtomat.runtime.json_door import read_json
from avtomat.runtime.work.dispatcher import Dispatcher
from avtomat.runtime.work.polls import Poll as Asked
from avtomat_worker.errors import EngineRefusedError, EngineUnavailableError
from avtomat_worker.messages import Assignment, parse_assignment
from avtomat_worker.ports import NEXT, Delivery, Orders, Poll, Receipt


class LocalDoor:
    """The engine, as the worker `name` of this process sees it. `record` is what it registers beside its kinds."""

    def __init__(self, dispatcher: Dispatcher, name: str, record: Mapping[str, Json], *, lease_s: float) -> None:
        self._dispatcher = dispatcher
        self._name = name
        self._record = record
        self._lease_s = lease_s
        self._registration = b"{}"

    async def register(self, body: bytes) -> frozenset[str]:
        """Make this worker known, with what it can do; returns what the engine offers beside the four calls."""
        self._registration = body
        await self._ask(lambda: self._dispatcher.register({**orjson.loads(body), **self._record}))
        return frozenset({NEXT})

    async def heartbeat(self, body: bytes) -> Orders:
        """Say that the worker lives and what it holds. A registration lapses when a test turns the clock far."""
        answer = await self._ask(lambda: self._dispatcher.heartbeat(self._name, orjson.loads(body)))
        if answer is None:
            await self.register(self._registration)
            answer = await self._ask(lambda: self._dispatcher.heartbeat(self._name, orjson.loads(body))) or {}
        return Orders(
            cancel_task_ids=tuple(answer.get("cancel_task_ids", ())),
            register_again="require_full_sync" in answer,
            jitter_s=0,
        )

    async def poll(self, poll: Poll) -> list[Assignment]:
        """Wait for tasks. It names no kinds, so that one which is registered meanwhile counts at once."""
        return self._assignments(await self._ask(lambda: self._dispatcher.poll(self._asked(poll), lambda: False)))

    async def deliver(self, results: Sequence[bytes], wanted: Poll | None = None) -> Delivery:
        """Hand results over; with `wanted`, which waits for nothing, ask for tasks as well."""
        *first, last = [_read(result) for result in results]
        receipts = [_receipt(await self._ask(partial(self._dispatcher.result, body))) for body in first]
        if wanted is None:
            return Delivery(receipts=(*receipts, _receipt(await self._ask(lambda: self._dispatcher.result(last)))))
        asked = self._asked(wanted)
        answer, tasks = await self._ask(lambda: self._dispatcher.result_and_next(last, asked, lambda: False))
        return Delivery(receipts=(*receipts, _receipt(answer)), assignments=tuple(self._assignments(tasks)))

    def _asked(self, poll: Poll) -> Asked:
        return Asked(
            worker=self._name,
            kinds=(),
            timeout_s=poll.timeout_s,
            tasks_max=poll.tasks_max,
            nonce=poll.nonce,
            holding=None if poll.holding is None else frozenset(poll.holding),
        )

    def _assignments(self, tasks: Sequence[Json]) -> list[Assignment]:
        parsed = [parse_assignment(task, self._lease_s) for task in tasks]
        return [assignment for assignment in parsed if assignment is not None]

    async def event(self, body: bytes) -> None:
        """Tell the engine something about a task."""
        await self._ask(lambda: self._dispatcher.event(_read(body)))

    async def _ask(self, call: Callable[[], Json]) -> Json:
        try:
            return await call()
        except StoreError as away:
            raise EngineUnavailableError(away.message) from away


def _receipt(answer: Mapping[str, Json]) -> Receipt:
    return Receipt(accepted=answer["status"] != "ignored", reason=str(answer.get("reason", "")))


def _read(body: bytes) -> dict[str, Json]:
    """The message as the door of the network reads it: what it refuses is refused here."""
    try:
        message: dict[str, Json] = read_json(body)
    except RequestRefused as refused:
        raise EngineRefusedError(refused.message, status=refused.status) from None
    return message
