"""The Python conformance worker with one fault, named by AVTOMAT_TEST_FAULT: the suite has to see each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from avtomat_worker import messages
from avtomat_worker.client import EngineClient
from avtomat_worker.errors import EngineError
from avtomat_worker.heartbeats import Heartbeats
from avtomat_worker.outbox import Outbox
from avtomat_worker.ports import Delivery, Poll
from avtomat_worker.running import RunningTasks
from avtomat_worker.session import Session
from avtomat_worker.waiting import Backoff
from tests.workers.python_worker import worker

FAULTS: dict[str, Any] = {}


def fault(apply: Any) -> Any:
    FAULTS[apply.__name__] = apply
    return apply


@fault
def sends_no_token() -> None:
    made = EngineClient.__init__

    def init(self: EngineClient, *given: Any, **more: Any) -> None:
        made(self, *given, **more)
        self._headers.pop("X-Worker-Token")

    EngineClient.__init__ = init  # type: ignore[method-assign]


@fault
def forgets_what_it_holds() -> None:
    asked = EngineClient.poll

    async def poll(self: EngineClient, poll: Poll) -> Any:
        return await asked(self, Poll(**{name: getattr(poll, name) for name in poll.__slots__} | {"holding": ()}))

    EngineClient.poll = poll  # type: ignore[method-assign]


@fault
def never_repeats_a_result() -> None:
    async def put_off(self: Outbox, error: EngineError) -> None:
        self._parcels.clear()

    Outbox._put_off = put_off  # type: ignore[method-assign]


@fault
def does_not_heed_retry_after() -> None:
    Backoff.next_s = lambda self, error=None: 0.2  # type: ignore[method-assign]


@fault
def sends_each_result_twice() -> None:
    once = EngineClient.deliver

    async def deliver(self: EngineClient, results: Sequence[bytes], wanted: Poll | None = None) -> Delivery:
        await once(self, results)
        return await once(self, results, wanted)

    EngineClient.deliver = deliver  # type: ignore[method-assign]


@fault
def drops_what_results_bring() -> None:
    once = EngineClient.deliver

    async def deliver(self: EngineClient, results: Sequence[bytes], wanted: Poll | None = None) -> Delivery:
        return Delivery(receipts=(await once(self, results, wanted)).receipts)

    EngineClient.deliver = deliver  # type: ignore[method-assign]


@fault
def asks_with_another_nonce() -> None:
    once = EngineClient.deliver

    async def deliver(self: EngineClient, results: Sequence[bytes], wanted: Poll | None = None) -> Delivery:
        anew = None if wanted is None else replace(wanted, nonce=os.urandom(8).hex())
        return await once(self, results, anew)

    EngineClient.deliver = deliver  # type: ignore[method-assign]


@fault
def beats_too_seldom() -> None:
    Heartbeats._interval_s = lambda self: 30  # type: ignore[method-assign]


@fault
def does_not_hear_of_cancels() -> None:
    RunningTasks.cancel = lambda self, task_id, why: None  # type: ignore[method-assign]


@fault
def takes_too_many() -> None:
    RunningTasks.free = property(lambda self: 100)  # type: ignore[method-assign, assignment]


@fault
def uses_another_nonce() -> None:
    asked = Session._poll

    def poll(self: Session, tasks_max: int, timeout_s: float) -> Poll:
        self._nonce = os.urandom(8).hex()
        return asked(self, tasks_max, timeout_s)

    Session._poll = poll  # type: ignore[method-assign]


@fault
def makes_null_of_false() -> None:
    encode = messages.encode_output
    running = __import__("avtomat_worker.running", fromlist=["encode_output"])
    running.encode_output = lambda value: encode(value).replace(b"false", b"null")


@fault
def does_not_register_again() -> None:
    async def nothing(self: Session) -> None:
        return

    Session._register_again = nothing  # type: ignore[method-assign]


@fault
def asks_in_a_loop() -> None:
    Backoff.next_s = lambda self, error=None: 0.001  # type: ignore[method-assign]


@fault
def leaves_its_tasks_behind() -> None:
    async def drain(self: Session) -> None:
        return

    Session._drain = drain  # type: ignore[method-assign]


if __name__ == "__main__":
    FAULTS[os.environ["AVTOMAT_TEST_FAULT"]]()
    worker.run()
