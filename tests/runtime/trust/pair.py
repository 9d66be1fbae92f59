"""Two replicas on one store whose clock is turned by hand, and short ways to act on either."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from avtomat.core.formula import Json
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.runtime.work.polls import Poll
from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.port.store import Store
from tests.runtime.bench import HEAD, PATIENCE_S, hand_clock
from tests.runtime.replicas import SharedStore, replica_on

STORES = ("memory", "sqlite", "redis")
WAIT_S = 1_000.0


class Pair:
    """Two replicas, `a` and `b`, with one blueprint, `sample`."""

    def __init__(self, replicas: Sequence[Service], turned: Callable[[int], None]) -> None:
        self.a, self.b = replicas
        self._turned = turned

    @property
    def both(self) -> tuple[Service, Service]:
        return self.a, self.b

    def turn(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self._turned(round(seconds * 1000))
        for replica in self.both:
            replica.time_turned()

    async def meet(self) -> None:
        """Let each replica tell what it has heard, and learn what the other told."""
        for replica in (*self.both, *self.both):
            await replica.trust.reputations.keep()
            if replica.trust.breakers.are_kept:
                await replica.trust.breakers.keep()

    async def submit(self, given: Json = None, blueprint: str = "sample") -> str:
        asked = Submission(blueprint=blueprint, input=given or {}, client="ann")
        return (await self.a.clients.submit(asked)).job_id

    async def end_of(self, job: str) -> dict[str, Json]:
        """The job once it has ended."""
        async with asyncio.timeout(PATIENCE_S):
            found = await self.a.clients.job(job, None, WAIT_S)
        assert found is not None
        return dict(found)

    async def look(self, replica: Service, worker: str = "w1", kind: str = "work") -> list[dict[str, Json]]:
        """What a poll gives that does not wait."""
        asked = Poll(worker=worker, kinds=(kind,), timeout_s=0)
        return await replica.dispatcher.poll(asked, lambda: False)

    def wait(self, replica: Service, worker: str = "w1", kind: str = "work") -> asyncio.Task[list[dict[str, Json]]]:
        """A poll that waits for long."""
        asked = Poll(worker=worker, kinds=(kind,), timeout_s=WAIT_S)
        return asyncio.create_task(replica.dispatcher.poll(asked, lambda: False))

    async def take(self, replica: Service, worker: str = "w1", kind: str = "work") -> dict[str, Json]:
        """The next task that this worker may take."""
        return (await asyncio.wait_for(self.wait(replica, worker, kind), PATIENCE_S))[0]

    async def answer(self, replica: Service, task: dict[str, Json], worker: str = "w1", **more: Json) -> None:
        body = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": worker, **more}
        assert await replica.dispatcher.result(body) == {"status": "accepted"}

    async def fail(self, replica: Service, task: dict[str, Json], code: str, worker: str = "w1") -> None:
        await self.answer(replica, task, worker, status="failure", error={"code": code, "message": "no"})

    async def why(self, replica: Service, job: str) -> dict[str, Json]:
        """The innermost cause."""
        found = await replica.explainer.why(job, None)
        assert found is not None
        return dict(found["causes"][-1])


@asynccontextmanager
async def pair_of(text: str, folder: Path, kind: str, url: str, **settings: Any) -> AsyncIterator[Pair]:
    """Two replicas on a store of this kind; on Redis each has a connection of its own."""
    (folder / "sample.yaml").write_text(HEAD + text)
    shared: SharedStore | None = None
    stores: Sequence[Store]
    with hand_clock() as (offset_ms, turn):
        if kind == "redis":
            from avtomat.storage.redis.store import RedisStore

            stores = [RedisStore(url, offset_ms=offset_ms) for _ in range(2)]
        else:
            from avtomat.storage.sqlite.store import SqliteStore

            shared = SharedStore(
                SqliteStore(folder / "jobs.db", offset_ms=offset_ms)
                if kind == "sqlite"
                else MemoryStore(offset_ms=offset_ms)
            )
            await shared.begin()
            stores = [shared.store] * 2
        replicas = [await replica_on(store, folder, **settings) for store in stores]
        try:
            yield Pair(replicas, turn)
        finally:
            for replica in replicas:
                await replica.stop()
            if shared is not None:
                await shared.end()
