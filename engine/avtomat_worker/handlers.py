"""Run the function that handles a kind of task: async ones on the loop, plain ones in a thread of their own."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from avtomat_worker.context import TaskContext
from avtomat_worker.messages import KIND, Json
from avtomat_worker.parameters import Parameters, parameters_of

Middleware = Callable[[Json, TaskContext, Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""Is called with a task's params, its context, and what goes on with it; returns, or raises, in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A function and how to call it."""

    kind: str
    function: Callable[..., Any]
    parameters: Parameters
    is_async: bool
    told: Mapping[str, Json] = field(default_factory=dict)

    async def call(self, params: Json, context: TaskContext, around: Sequence[Middleware] = ()) -> Any:
        """Return what the function returns, raise what it raises; INVALID_INPUT_ERROR when `params` do not fit.

        Each of `around` is called around those after it and the function.
        """
        if around:
            return await around[0](params, context, lambda: self.call(params, context, around[1:]))
        arguments = self.parameters.bind(params, context)
        if self.is_async:
            return await self.function(**arguments)
        return await run_in_thread(lambda: self.function(**arguments), name=f"{self.kind} {context.task_id}")

    def skill(self) -> dict[str, Json]:
        """Return what is said of it at registration."""
        skill = {"name": self.kind, "type": self.kind}
        text = inspect.getdoc(self.function) if inspect.isroutine(self.function) else None
        return {**skill, "description": text.splitlines()[0], **self.told} if text else {**skill, **self.told}


def handler_of(
    kind: str,
    function: Callable[..., Any],
    told: Mapping[str, Json] | None = None,
    provided: Mapping[type, Any] | None = None,
) -> Handler:
    """Compile a handler. Raises ValueError or TypeError, with what to do, when it could never work."""
    if not KIND.fullmatch(kind):
        raise ValueError(f"a kind of task is 1 to 128 letters, digits, '_', '-' and '.', not {kind!r}")
    called = function if inspect.isroutine(function) else type(function).__call__
    return Handler(
        kind=kind,
        function=function,
        parameters=parameters_of(function, provided),
        is_async=inspect.iscoroutinefunction(called),
        told={name: each for name, each in (told or {}).items() if name != "name"},
    )


def skills_hash(handlers: Mapping[str, Handler]) -> str:
    """Name what a worker can do: the same skills, the same hash."""
    skills = [handlers[kind].skill() for kind in sorted(handlers)]
    return hashlib.sha256(orjson.dumps(skills, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def run_in_thread(function: Callable[[], Any], *, name: str) -> Any:
    """Call `function` in a daemon thread and return what it returns.

    A thread cannot be stopped from outside. So it is a daemon, unlike those of an executor: a function that never
    returns must not keep the process from ending. How many run at once is bounded by the worker's concurrency.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def tell(settle: Callable[[Any], None], value: Any) -> None:
        if not done.done():
            settle(value)

    def target() -> None:
        try:
            outcome = (done.set_result, context.run(function))
        except BaseException as error:  # noqa: BLE001, RUF100  the waiting side decides what it means
            outcome = (done.set_exception, _awaitable(error))
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, *outcome)

    threading.Thread(target=target, name=name, daemon=True).start()
    return await done


def _awaitable(error: BaseException) -> BaseException:
    """Return `error`, or what stands for it when a future cannot carry it."""
    return RuntimeError("StopIteration raised") if isinstance(error, StopIteration) else error
