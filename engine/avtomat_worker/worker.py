"""A worker as its author sees it: decorate functions, then run."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from avtomat_worker.client import EngineClient
from avtomat_worker.context import TaskContext
from avtomat_worker.handlers import Handler, Middleware, handler_of
from avtomat_worker.limits import Limits
from avtomat_worker.offer import Offer, found_here
from avtomat_worker.session import Session
from avtomat_worker.waiting import Clock, SystemClock

logger = logging.getLogger(__name__)

WORKER_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_YES = frozenset({"1", "true", "yes", "on"})

Function = TypeVar("Function", bound=Callable[..., Any])
M = TypeVar("M", bound=Middleware)


class Worker:
    """A process that takes tasks from an engine.

    `url` is the engine's address. `token` is this worker's secret; default: the environment's AVTOMAT_WORKER_TOKEN.
    `worker_id` names it, alone among all workers; default: host, process and chance. One that is the same after a
    restart gets the lost tasks of its former life back into the queue at once. `concurrency` is how many tasks run at
    a time. With `signing` (AVTOMAT_WORKER_SIGNING) messages are signed with the token; with the engine's `task_secret`
    (AVTOMAT_TASK_SECRET) tasks that are not signed by it are failed unworked.

    `registration` are further members of what the worker tells of itself, such as `worker_type` and `capabilities`
    with `cost_per_skill` and `extra`, or others than those that it finds by itself (`resources`, `installed_software`).
    `takes(kind)` says whether it takes tasks of this kind now.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        worker_id: str | None = None,
        concurrency: int = 10,
        limits: Limits | None = None,
        signing: bool | None = None,
        task_secret: str | None = None,
        registration: Mapping[str, Any] | None = None,
        takes: Callable[[str], bool] | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"the engine's address starts with http:// or https://, not like {url!r}")
        if concurrency < 1:
            raise ValueError(f"concurrency is at least 1, not {concurrency}")
        self.url = url
        self.worker_id = _checked_id(worker_id) if worker_id is not None else _invented_id()
        self.concurrency = concurrency
        self._token = token if token is not None else os.environ.get("AVTOMAT_WORKER_TOKEN")
        self._signing = os.environ.get("AVTOMAT_WORKER_SIGNING") in _YES if signing is None else signing
        self._task_secret = task_secret or os.environ.get("AVTOMAT_TASK_SECRET") or None
        if self._signing and not self._token:
            raise ValueError("signing needs a token: messages are signed with it")
        self._limits = limits or Limits()
        self._clock = clock or SystemClock()
        self._rng = rng or random.Random()  # noqa: S311  spreads retries, guards nothing
        self._offer = Offer(about=dict(registration or {}), takes=takes)
        self._around: list[Middleware] = []
        self._provided: dict[type, Any] = {}
        self._handlers: dict[str, Handler] = {}
        self._session: Session | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None

    def task(
        self,
        kind: str,
        *,
        at_once: int | None = None,
        group: str | None = None,
        skill: Mapping[str, Any] | None = None,
    ) -> Callable[[Function], Function]:
        """Let the decorated function do the tasks of `kind`; it stays what it was, and can be called in tests.

        At most `at_once` of them run at a time (None: as many as the worker does); kinds of one `group` count together
        against the limits of `limit_groups`. `skill` is told of it at registration, `version` and `output_statuses`,
        say. Raises TypeError for a signature that params cannot fit, ValueError for a kind that is taken or misspelt.
        """
        if at_once is not None and at_once < 1:
            raise ValueError(f"at_once is at least 1, not {at_once}")

        def register(function: Function) -> Function:
            if kind in self._handlers:
                raise ValueError(f"the task {kind!r} has a function already")
            self._handlers[kind] = handler_of(kind, function, skill, self._provided)
            if group is not None:
                self._offer.groups[kind] = group
            if at_once is not None:
                self._offer.limits[kind] = at_once
            return function

        return register

    def provide(self, value: object, as_type: type | None = None) -> None:
        """Give this value, a client of a database, say, to every parameter that is annotated with its type, of
        functions that are decorated later. `as_type` is another type that it stands for. Raises ValueError for one that
        is taken.
        """
        wanted = as_type or type(value)
        if wanted in self._provided or wanted is TaskContext or wanted.__module__ == "builtins":
            raise ValueError(f"{wanted.__name__} is taken: params, the context or another value are given for it")
        self._provided[wanted] = value

    def limit_groups(self, limits: Mapping[str, int]) -> None:
        """Run at most so many tasks of each group at a time."""
        self._offer.group_limits.update(limits)

    def middleware(self, function: M) -> M:
        """Call the decorated async function around each task: with its params, its TaskContext and `proceed`, which
        goes on with the task and returns what it returns. The one that was added first is outermost.
        """
        self._around.append(function)
        return function

    def hot(self, *kinds: str) -> None:
        """Say that tasks of these kinds start faster here than elsewhere, as their models are loaded, say: the engine
        prefers this worker for them. Any thread may call it.
        """
        self._tell_hot(lambda: self._offer.hot.update(kinds))

    def cold(self, *kinds: str) -> None:
        """Say that this is so no longer."""
        self._tell_hot(lambda: self._offer.hot.difference_update(kinds))

    def _tell_hot(self, change: Callable[[], None]) -> None:
        session, loop = self._session, self._loop
        if session is None or loop is None:
            change()
            return

        def tell() -> None:
            change()
            session.warmth_changed()

        loop.call_soon_threadsafe(tell)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The functions by their kinds."""
        return self._handlers

    @property
    def around(self) -> tuple[Middleware, ...]:
        """The middleware, outermost first."""
        return tuple(self._around)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; the first lets running tasks finish, a second one ends at once.

        Raises EngineRefusedError when the engine does not want this worker (a wrong token, a wrong address).
        """
        asyncio.run(self._serve_with_signals())

    async def serve(self) -> None:
        """Work until `stop` is called. Cancelling it gives up at once what is still running."""
        if not self._handlers:
            raise ValueError("the worker has no tasks: decorate a function with @worker.task('kind')")
        if self._session is not None:
            raise RuntimeError("the worker is serving already")
        self._offer.about = {**found_here(), **self._offer.about}
        async with self._new_client() as client:
            self._loop = asyncio.get_running_loop()
            self._session = self._new_session(client)
            try:
                await self._session.run()
            finally:
                self._session = None

    def stop(self) -> None:
        """Let running tasks finish, then end `run` or `serve`. Any thread may call it; it returns at once."""
        session, loop = self._session, self._loop
        if session is not None and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(session.stopping.set)

    async def __aenter__(self) -> Self:
        """Serve beside the body of `async with`, which begins when the worker is registered."""
        self._serving = asyncio.create_task(self.serve())
        await asyncio.sleep(0)  # lets it begin, so that there is a session to wait for
        if self._session is not None:
            registered = asyncio.create_task(self._session.registered.wait())
            await asyncio.wait({registered, self._serving}, return_when=asyncio.FIRST_COMPLETED)
            registered.cancel()
        if self._serving.done():
            await self._serving
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._serving is not None:
            await self._serving

    def _new_client(self) -> EngineClient:
        return EngineClient(
            self.url,
            worker_id=self.worker_id,
            token=self._token,
            limits=self._limits,
            signing=self._signing,
            task_secret=self._task_secret,
        )

    def _new_session(self, client: EngineClient) -> Session:
        return Session(
            worker_id=self.worker_id,
            handlers=dict(self._handlers),
            client=client,
            concurrency=self.concurrency,
            limits=self._limits,
            clock=self._clock,
            rng=self._rng,
            offer=self._offer,
            around=tuple(self._around),
        )

    async def _serve_with_signals(self) -> None:
        serving = asyncio.create_task(self.serve())
        interrupted: list[int] = []

        def on_signal(number: int) -> None:
            interrupted.append(number)
            if len(interrupted) == 1 and self._session is not None:
                logger.warning("stopping: running tasks may finish; the next signal ends at once")
                self.stop()
            else:
                serving.cancel()

        if threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()
            with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt there
                for number in (signal.SIGTERM, signal.SIGINT):
                    loop.add_signal_handler(number, on_signal, number)
        try:
            await serving
        except asyncio.CancelledError:
            if interrupted:
                raise SystemExit(128 + interrupted[-1]) from None
            raise


def _checked_id(worker_id: str) -> str:
    if not WORKER_ID.fullmatch(worker_id):
        raise ValueError(f"a worker id is 1 to 128 letters, digits, '_' and '-', not {worker_id!r}")
    return worker_id


def _invented_id() -> str:
    host = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())[:64]
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
