"""Let one call to a store go wrong in a chosen way, as networks and crashes do.

`faulty(store)` gives a store that behaves as the one given, and the `Faults` that say what goes wrong next. What can go
wrong with a call:

    not_executed   it never reached the store, and the caller is told so
    answer_lost    it was executed, but the caller is told only that the answer was lost
    twice          it was executed twice; the caller gets the second answer
    late           it was executed, but the answer is held until `let_go`
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, cast

from avtomat.errors import StoreAnswerLost, StoreNotExecuted
from avtomat.storage.port.store import Store

LEFT_ALONE = frozenset({"open", "close", "dump"})
"""What is no operation of an engine at work."""


class Fault(StrEnum):
    """What happens to a call."""

    NOT_EXECUTED = "not_executed"
    ANSWER_LOST = "answer_lost"
    TWICE = "twice"
    LATE = "late"


class Faults:
    """What goes wrong, and what was called. Calls are counted from 0; `calls` has their names."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.held = asyncio.Event()
        self._gate = asyncio.Event()
        self._planned: dict[int, Fault] = {}
        self._next: dict[str, Fault] = {}

    def at(self, number: int, fault: Fault) -> None:
        """Let the call with this number go wrong."""
        self._planned[number] = fault

    def next(self, operation: str, fault: Fault) -> None:
        """Let the next call of this operation go wrong."""
        self._next[operation] = fault

    def let_go(self) -> None:
        """Give the answer that is held."""
        self._gate.set()

    async def call(self, operation: str, execute: Callable[[], Awaitable[Any]]) -> Any:
        """Execute a call, with what was planned for it."""
        fault = self._planned.pop(len(self.calls), None) or self._next.pop(operation, None)
        self.calls.append(operation)
        if fault is Fault.NOT_EXECUTED:
            raise StoreNotExecuted(f"{operation}: not executed, as planned")
        answer = await execute()
        match fault:
            case Fault.ANSWER_LOST:
                raise StoreAnswerLost(f"{operation}: executed, the answer is lost, as planned")
            case Fault.TWICE:
                return await execute()
            case Fault.LATE:
                await self._hold()
        return answer

    async def _hold(self) -> None:
        self._gate.clear()
        self.held.set()
        await self._gate.wait()
        self.held.clear()


class _FaultyStore:
    """Hands every operation to the store by way of `Faults`."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name in LEFT_ALONE or not inspect.iscoroutinefunction(found):
            return found

        async def operation(*args: Any, **kwargs: Any) -> Any:
            return await self._faults.call(name, lambda: found(*args, **kwargs))

        return operation


def faulty(store: Store, faults: Faults | None = None) -> tuple[Store, Faults]:
    """The store with faults, and what plans them."""
    faults = faults or Faults()
    return cast("Store", _FaultyStore(store, faults)), faults


async def insist(faults: Faults, call: Callable[[], Awaitable[Any]]) -> Any:
    """Call as a client of the store does: what failed, or is not answered in time, is called again just so.

    A late answer is awaited in the end, so that nothing is left running.
    """
    first, held = asyncio.ensure_future(call()), asyncio.ensure_future(faults.held.wait())
    await asyncio.wait({first, held}, return_when=asyncio.FIRST_COMPLETED)
    if not first.done():
        answer = await call()
        faults.let_go()
        await first
        return answer
    held.cancel()
    try:
        return first.result()
    except (StoreNotExecuted, StoreAnswerLost):
        return await call()
