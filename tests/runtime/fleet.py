"""Workers of different abilities beside two replicas, who answer what they take, and are stopped at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from avtomat.core.formula import Json
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.runtime.work.polls import Poll
from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.port.store import Store
from tests.runtime.replicas import SharedStore, replica_on

KINDS = ("cut", "glue", "paint")
ASKED_GB = (0, 8, 16)
"""What blueprints ask for; 0: nothing."""

HAS_GB = (4, 8, 16)
WAIT_S = 1_000.0
PATIENCE_S = 20.0


def write_blueprints(folder: Path) -> None:
    """One for each kind and each demand: `cut_8` asks for a worker with 8 GB."""
    for kind in KINDS:
        for ram_gb in ASKED_GB:
            worker = f"worker: {{resources: {{ram_gb: {ram_gb}}}}}, " if ram_gb else ""
            text = f"avtomat: 1\nblueprint: {kind}_{ram_gb}\nstates: {{a: {{task: {kind}, {worker}next: end}}}}\n"
            (folder / f"{kind}_{ram_gb}.yaml").write_text(text)


@asynccontextmanager
async def two_replicas(
    kind: str, partitions: int, folder: Path, url: str, chance: Random
) -> AsyncIterator[list[Service]]:
    """Two replicas on a store of this kind; on Redis each has a connection of its own."""
    write_blueprints(folder)
    shared: SharedStore | None = None
    stores: Sequence[Store]
    if kind == "redis":
        from avtomat.storage.redis.store import RedisStore

        stores = [RedisStore(url, partitions) for _ in range(2)]
    else:
        from avtomat.storage.sqlite.store import SqliteStore

        shared = SharedStore(
            SqliteStore(folder / "jobs.db", partitions=partitions)
            if kind == "sqlite"
            else MemoryStore(partitions, turns=lambda: chance.randrange(4))
        )
        await shared.begin()
        stores = [shared.store] * 2
    replicas = [await replica_on(store, folder) for store in stores]
    try:
        yield replicas
    finally:
        for replica in replicas:
            await replica.stop()
        if shared is not None:
            await shared.end()


async def until(holds: Callable[[], bool]) -> None:
    """Let others go on until it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what holds is told by nobody
            await asyncio.sleep(0)


class Worker:
    """A worker near one replica, which it polls for ever; its answers go to any."""

    def __init__(self, name: str, home: Service, replicas: Sequence[Service], chance: Random) -> None:
        self.name = name
        self._home = home
        self._replicas = replicas
        self._chance = chance
        self._working: asyncio.Task[None] | None = None

    async def register(self, kinds: Sequence[str], ram_gb: int) -> None:
        """Tell what it can do, whether it polls or not."""
        record = {
            "worker_id": self.name,
            "supported_skills": list(kinds),
            "resources": {"properties": {"ram_gb": ram_gb}},
        }
        await self._home.dispatcher.register(record)

    def start(self) -> None:
        """Begin to poll."""
        self._working = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End in the middle of whatever it does; what it was given it has, and answers after the next start."""
        assert self._working is not None
        self._working.cancel()
        await asyncio.wait([self._working])
        if not self._working.cancelled():
            self._working.result()

    async def _work(self) -> None:
        poll = Poll(worker=self.name, kinds=(), timeout_s=WAIT_S)
        while tasks := await self._home.dispatcher.poll(poll, lambda: False):
            for task in tasks:
                await self._answer(task)

    async def _answer(self, task: Mapping[str, Json]) -> None:
        """Answer a task, and those that its answer brings; what a worker that is stopped never saw goes back."""
        replica = self._chance.choice(self._replicas)
        ids = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": self.name}
        if self._chance.random() < 0.5:
            await asyncio.shield(asyncio.create_task(replica.dispatcher.result(ids)))
            return
        is_gone = False
        asked = Poll(worker=self.name, kinds=(), timeout_s=0)
        answering = asyncio.create_task(replica.dispatcher.result_and_next(ids, asked, lambda: is_gone))
        try:
            _, following = await asyncio.shield(answering)
        except asyncio.CancelledError:
            is_gone = True
            _, unseen = await answering
            await replica.dispatcher.release(self.name, [each["task_id"] for each in unseen])
            raise
        for each in following:
            await self._answer(each)


async def finish(replica: Service, blueprint: str) -> None:
    """Submit a job and wait for its end."""
    asked = Submission(blueprint=blueprint, input={}, client="ann")
    async with asyncio.timeout(PATIENCE_S):
        assert (await replica.clients.submit(asked, WAIT_S)).status == "finished"
