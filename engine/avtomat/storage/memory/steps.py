"""Make a step of an operation: others have turns of the loop before and after it, as with every store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

Answer = TypeVar("Answer")
Asked = ParamSpec("Asked")


class Stepping(Protocol):
    """A store whose operations are steps; `turns` tells, before and after each one, how many turns others have."""

    turns: Callable[[], int]


StoreT = TypeVar("StoreT", bound=Stepping)


def one_turn() -> int:
    """How many turns others have, if nobody says so."""
    return 1


def step(
    operation: Callable[Concatenate[StoreT, Asked], Coroutine[Any, Any, Answer]],
) -> Callable[Concatenate[StoreT, Asked], Coroutine[Any, Any, Answer]]:
    """The operation, which does not give way itself, with turns for others before and after it."""

    @wraps(operation)
    async def stepped(self: StoreT, /, *args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        for _ in range(self.turns()):
            await asyncio.sleep(0)
        answer = await operation(self, *args, **kwargs)
        for _ in range(self.turns()):
            await asyncio.sleep(0)
        return answer

    return stepped
