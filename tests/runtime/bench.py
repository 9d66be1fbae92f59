"""A whole engine without doors, whose clock is turned by hand, and workers that do exactly what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from avtomat.core.messages import OperatorEvent
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.opening import open_store
from avtomat.runtime.service import Service
from avtomat.runtime.work.polls import Poll
from avtomat.settings import Settings

Json = Any
HEAD = "avtomat: 1\nblueprint: sample\n"
PATIENCE_S = 10
LEASE_S = 90


class Bench:
    """An engine at work, and short ways to act on it and to see what became of it."""

    def __init__(self, service: Service, turned: Callable[[int], None]) -> None:
        self.service = service
        self._turned = turned
        self._news = asyncio.Event()
        service.tell(lambda _: self._news.set())

    async def submit(self, given: Json = None, **more: Any) -> str:
        asked = Submission(blueprint="sample", input=given or {}, client="ann", **more)
        return (await self.service.clients.submit(asked)).job_id

    async def job(self, job: str) -> dict[str, Json]:
        found = await self.service.clients.job(job, None)
        assert found is not None
        return dict(found)

    async def history(self, job: str) -> list[dict[str, Json]]:
        found = await self.service.clients.history(job, None, 0, 1_000)
        assert found is not None
        return found

    async def operate(self, job: str, event: OperatorEvent) -> dict[str, Json]:
        found = await self.service.operators.operate(job, None, event)
        assert found is not None
        return dict(found)

    async def why(self, job: str) -> list[dict[str, Json]]:
        """The causes; each must say what to do."""
        found = await self.service.explainer.why(job, None)
        assert found is not None
        assert found["causes"]
        assert all(each["text"] and each["hint"] for each in found["causes"])
        return list(found["causes"])

    async def register(self, worker: str, *kinds: str, **more: Json) -> None:
        skills = [{"name": kind} for kind in kinds]
        await self.service.dispatcher.register({"worker_id": worker, "supported_skills": skills, **more})

    async def take(self, worker: str = "w1", *kinds: str, timeout_s: float = PATIENCE_S) -> dict[str, Json]:
        """The next task that this worker may take."""
        poll = Poll(worker=worker, kinds=kinds or ("work",), timeout_s=timeout_s)
        tasks = await self.service.dispatcher.poll(poll, lambda: False)
        assert tasks
        return tasks[0]

    async def look(self, worker: str, *kinds: str) -> None:
        """Poll without waiting, in vain."""
        poll = Poll(worker=worker, kinds=kinds, timeout_s=0)
        assert await self.service.dispatcher.poll(poll, lambda: False) == []

    async def answer(self, task: Mapping[str, Json], worker: str = "w1", **more: Json) -> Json:
        body = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": worker, **more}
        return await self.service.dispatcher.result(body)

    async def fail(self, task: Mapping[str, Json], code: str, worker: str = "w1") -> None:
        await self.answer(task, worker, status="failure", error={"code": code, "message": "no"})

    def turn(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self._turned(round(seconds * 1000))
        self.service.time_turned()

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait for news until it holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not await holds():
                self._news.clear()
                if not await holds():
                    await self._news.wait()

    async def until_status(self, job: str, *words: str) -> dict[str, Json]:
        async def holds() -> bool:
            return (await self.job(job))["status"] in words

        await self.until(holds)
        return await self.job(job)


@contextmanager
def hand_clock() -> Iterator[tuple[Callable[[], int], Callable[[int], None]]]:
    """What is added to a store's clock, and how to add more."""
    offset = 0

    def turn(ms: int) -> None:
        nonlocal offset
        offset += ms

    yield lambda: offset, turn


@asynccontextmanager
async def bench_of(text: str, folder: Path, store: str, **settings: Any) -> AsyncIterator[Bench]:
    """An engine on a store of this kind (memory, sqlite, or the URL of another) with one blueprint, `sample`."""
    (folder / "sample.yaml").write_text(HEAD + text)
    urls = {"memory": "memory:", "sqlite": f"sqlite:///{folder / 'jobs.db'}"}
    chosen = Settings(store=urls.get(store, store), blueprints=folder / "sample.yaml", **settings)
    with hand_clock() as (offset_ms, turn):
        service = Service(chosen, open_store(chosen, offset_ms))
        await service.start(watch=False)
        assert not service.reload_problems()
        try:
            yield Bench(service, turn)
        finally:
            await service.stop()
