"""An engine without a network, for Python programs and their tests.

    async with Engine("workflows/", store="memory:") as engine:
        engine.task("greet")(lambda name: {"text": f"Hello {name}"})
        job = await engine.submit("hello", {"name": "Ada"})
        done = await engine.wait(job)

It is the engine of production with a worker beside it in the same process: the functions get their params by the same
rules, in threads or on the loop, under leases; what they raise is retried and caught as the blueprint says.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from avtomat.core.duration import duration_hint, parse_duration
from avtomat.core.formula import Json
from avtomat.core.kinds.calls import RESERVED
from avtomat.core.model import ENDED, Status
from avtomat.embedding.asking import submission
from avtomat.embedding.door import LocalDoor
from avtomat.errors import BlueprintsRefusedError, NotFoundError, WaitTimeoutError
from avtomat.runtime.jobs.signals import Signal
from avtomat.runtime.opening import open_store
from avtomat.runtime.people.approvals import Answer, Decider
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from avtomat_worker.handlers import Handler, handler_of
from avtomat_worker.limits import Limits
from avtomat_worker.session import Session
from avtomat_worker.waiting import SystemClock

log = logging.getLogger(__name__)

HISTORY_PAGE: Final = 500
LOOK_AGAIN_S: Final = 1.0
"""A job that somebody waits for is looked at this often even when no news come."""

AT_REST: Final = ENDED | {Status.QUARANTINED}
"""Where a job stays until somebody does something."""

Function = TypeVar("Function", bound=Callable[..., Any])


class Engine:
    """Blueprints at work in this process. Use it as an async context manager.

    `blueprints` is a folder or a file. `store` is where jobs are kept (`memory:`, `sqlite:///file.db`, `redis://…`);
    on one that lasts, jobs go on after the next start. `settings` are all others. `concurrency` is how many tasks run
    at a time; `worker` is what this process has for tasks that ask for something (`worker_type`, `resources`,
    `installed_software`); `client` is whose the jobs are, and who history says it was. With `watch`, changed files are
    loaded again.
    """

    def __init__(
        self,
        blueprints: str | Path,
        *,
        store: str = "memory:",
        settings: Settings | None = None,
        concurrency: int = 10,
        worker: Mapping[str, Json] | None = None,
        client: str = "local",
        watch: bool = False,
    ) -> None:
        chosen = replace(settings or Settings(), store=store, blueprints=Path(blueprints))
        self._turned_ms = 0
        self.service = Service(chosen, open_store(chosen, lambda: self._turned_ms))
        self._client = client
        self._watch = watch
        self._concurrency = concurrency
        self._worker = worker or {}
        self._handlers: dict[str, Handler] = {}
        self._running = False
        self._session: Session | None = None
        self._serving: asyncio.Task[None] | None = None
        self._learning: set[asyncio.Task[None]] = set()
        self._news: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    # --- life ---------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Raises BlueprintsRefusedError when a blueprint has errors, StoreError when the store cannot be used."""
        self.service.tell(self._job_changed)
        await self.service.start(watch=self._watch)
        problems = self.service.reload_problems()
        if problems:
            await self.service.stop()
            lines = [f"{each['file']}:{each['line']}: {each['code']}: {each['message']}" for each in problems]
            raise BlueprintsRefusedError("\n".join(lines))
        self._running = True
        if self._handlers:
            self._begin_work()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tasks that run may finish, within a limit; then the engine stops. What is unfinished stays in the store."""
        self._running = False
        try:
            if self._session is not None and self._serving is not None:
                self._session.stopping.set()
                await self._serving
        finally:
            for learning in self._learning:
                learning.cancel()
            await self.service.stop()

    # --- tasks --------------------------------------------------------------------------------------------------------

    def task(self, kind: str) -> Callable[[Function], Function]:
        """Let the decorated function do the tasks of `kind` in this process, from now on; it stays what it was.

        It may be async or plain (those run in threads), takes params by their names and annotations, and fails its
        attempt by raising TaskError. Raises TypeError for a signature that params cannot fit, ValueError for a kind
        that is taken or misspelt.
        """

        def register(function: Function) -> Function:
            if kind.startswith(RESERVED):
                raise ValueError(f"the task {kind!r} is the engine's own")
            if kind in self._handlers:
                raise ValueError(f"the task {kind!r} has a function already")
            self._handlers[kind] = handler_of(kind, function)
            if self._session is not None:
                self._learn(self._session)
            elif self._running:
                self._begin_work()
            return function

        return register

    def _begin_work(self) -> None:
        name = f"embedded-{secrets.token_hex(4)}"
        dispatcher, lease_s = self.service.dispatcher, self.service.settings.lease.total_seconds()
        session = Session(
            worker_id=name,
            handlers=self._handlers,
            client=LocalDoor(dispatcher, name, self._worker, lease_s=lease_s),
            concurrency=self._concurrency,
            limits=Limits(lease_default_s=lease_s),
            clock=SystemClock(),
            rng=random.Random(),  # noqa: S311 - spreads retries, guards nothing
        )
        self._session = session
        self._serving = asyncio.create_task(self._serve(session, name))

    async def _serve(self, session: Session, name: str) -> None:
        def obey(command: Mapping[str, Json]) -> None:
            session.cancel(command["task_id"])

        self.service.dispatcher.connect(name, obey)
        try:
            await session.run()
        finally:
            self.service.dispatcher.disconnect(name, obey)
            self._tell_all()  # whoever waits for a job must hear it if the worker broke

    def _learn(self, session: Session) -> None:
        """Register the new kind: the poll that waits then looks for it."""
        learning = asyncio.create_task(session.learn())
        self._learning.add(learning)
        learning.add_done_callback(self._learning.discard)

    # --- jobs ---------------------------------------------------------------------------------------------------------

    async def submit(
        self,
        blueprint: str,
        input: Json = None,  # noqa: A002 - the word of the language
        *,
        labels: Mapping[str, str] | None = None,
        priority: int | None = None,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - the job's, not this call's
        start_at: datetime | None = None,
        key: str | None = None,
    ) -> str:
        """Submit a job and return its id. The same `key` again is the same job.

        Raises RequestRefused as the API would answer: blueprint.not_found, input.invalid, request.invalid, …
        """
        asked = submission(
            blueprint,
            input,
            client=self._client,
            labels=labels,
            priority=priority,
            timeout=timeout,
            start_at=start_at,
            key=key,
        )
        return (await self.service.clients.submit(asked)).job_id

    async def job(self, job_id: str) -> Mapping[str, Json]:
        """The job as it stands, in the form of the API. Raises NotFoundError."""
        return _found(await self.service.clients.job(job_id, None), job_id)

    async def wait(self, job_id: str, timeout_s: float | None = None) -> Mapping[str, Json]:
        """The job once it has ended, well or not, or was quarantined. WaitTimeoutError: not in this time."""
        try:
            async with asyncio.timeout(timeout_s):
                with self._listening(job_id) as news:
                    while (job := await self.job(job_id))["status"] not in AT_REST:
                        await self._next(news)
                    return job
        except TimeoutError:
            raise WaitTimeoutError(f"job {job_id} did not end within {timeout_s:g} s") from None

    async def follow(self, job_id: str) -> AsyncIterator[Mapping[str, Json]]:
        """Every entry of the job's history as it comes, until it has ended or is quarantined."""
        seq = 0
        with self._listening(job_id) as news:
            while True:
                at_rest = (await self.job(job_id))["status"] in AT_REST
                for entry in await self._history_after(job_id, seq):
                    seq = entry["seq"]
                    yield entry
                if at_rest:
                    return
                await self._next(news)

    async def history(self, job_id: str) -> list[dict[str, Json]]:
        """All that happened to the job, oldest first. Raises NotFoundError."""
        return await self._history_after(job_id, 0)

    async def why(self, job_id: str) -> Mapping[str, Json]:
        """Why the job does not move, and what to do. Raises NotFoundError."""
        return _found(await self.service.explainer.why(job_id, None), job_id)

    async def signal(
        self,
        job_id: str,
        name: str,
        payload: Json = None,
        *,
        key: str = "",
        id: str = "",  # noqa: A002 - the word of the API
    ) -> bool:
        """Send a signal to a job: False when the same `id` was taken before. Raises NotFoundError, and RequestRefused
        as the API would answer: signal.not_found, signal.invalid, job.state, …
        """
        sent = Signal(name=name, payload=payload, key=key, id=id)
        return _found(await self.service.signals.send(job_id, None, sent, self._client), job_id)

    async def approvals(self, job_id: str) -> Mapping[str, Json]:
        """What people are asked in the job now, as `GET /api/v1/jobs/{id}/approvals` answers. Raises NotFoundError."""
        return _found(await self.service.approvals.open_of(job_id, None, self._decider()), job_id)

    async def decide(
        self,
        job_id: str,
        state: str,
        choice: str,
        *,
        comment: str = "",
        form: Json = None,
        visit: int | None = None,
    ) -> Mapping[str, Json]:
        """Decide what a state asks, as one who may operate the job. Raises NotFoundError, and RequestRefused as the API
        would answer: approval.not_found, approval.decided, approval.invalid, …
        """
        answer = Answer(choice=choice, comment=comment, form=form, visit=visit)
        return _found(await self.service.approvals.decide(job_id, None, state, answer, self._decider()), job_id)

    def _decider(self) -> Decider:
        return Decider(name=self._client, operates=True, via="api")

    async def cancel(self, job_id: str, reason: str = "", *, compensate: bool = True) -> Mapping[str, Json]:
        """End the job as cancelled; a function that runs for it is cancelled. Raises NotFoundError.

        Other requests of operators are those of `service.operators`.
        """
        job = await self.service.operators.cancel(job_id, None, self._client, reason, compensate=compensate)
        return _found(job, job_id)

    # --- schedules ----------------------------------------------------------------------------------------------------

    async def schedules(self, blueprint: str | None = None) -> list[dict[str, Json]]:
        """The schedules of all blueprints, or of one, as `GET /api/v1/schedules` has them. Their jobs begin by
        themselves; `service.schedules` pauses them.
        """
        return await self.service.schedules.list(blueprint)

    async def trigger(self, blueprint: str, schedule: str, *, key: str | None = None) -> str:
        """Make a job of a schedule now, and return its id. Raises RequestRefused: schedule.not_found, …"""
        job, _ = await self.service.schedules.trigger(blueprint, schedule, self._client, key)
        return job

    async def _history_after(self, job_id: str, seq: int) -> list[dict[str, Json]]:
        found: list[dict[str, Json]] = []
        while True:
            page = _found(await self.service.clients.history(job_id, None, seq, HISTORY_PAGE), job_id)
            found += page
            if len(page) < HISTORY_PAGE:
                return found
            seq = page[-1]["seq"]

    # --- time ---------------------------------------------------------------------------------------------------------

    def advance(self, span: timedelta | str) -> None:
        """Let so much time pass at once, such as "3d": timers and timeouts are due then. For tests, on a store that
        nobody else uses.
        """
        passed = parse_duration(span) if isinstance(span, str) else span
        if passed is None:
            raise ValueError(f"{span!r} is not a duration: {duration_hint(str(span))}")
        self._turned_ms += round(passed.total_seconds() * 1000)
        self.service.time_turned()

    # --- news ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def _listening(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when the job changes."""
        news = asyncio.Event()
        self._news[job_id].add(news)
        try:
            yield news
        finally:
            self._news[job_id].discard(news)
            if not self._news[job_id]:
                del self._news[job_id]

    async def _next(self, news: asyncio.Event) -> None:
        """Wait for news, and not for ever: messages of a store may be lost. Raises what broke the worker."""
        if self._serving is not None and self._serving.done():
            self._serving.result()
        try:
            async with asyncio.timeout(LOOK_AGAIN_S):
                await news.wait()
        except TimeoutError:
            log.debug("no news in %.0f s", LOOK_AGAIN_S)
        news.clear()

    def _job_changed(self, job_id: str) -> None:
        for news in self._news.get(job_id, ()):
            news.set()

    def _tell_all(self) -> None:
        for job_id in self._news:
            self._job_changed(job_id)


Found = TypeVar("Found")


def _found(value: Found | None, job_id: str) -> Found:
    if value is None:
        raise NotFoundError(f"there is no job {job_id!r}")
    return value
