"""Many clients at once, who submit a job each, wait for its end, submit the next, and take nothing for lost but what
they were told is accepted.

A client repeats a submission under its idempotency key until it is accepted; from then on every answer must know the
job. So whatever is killed, each number that was sent is one job, and `accepted` names it.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.e2e.processes import TOKENS, EngineProcess

AGAIN_AFTER_S = 0.1
DRAIN_TIMEOUT_S = 60
WAIT_S = 20

Json = Any


class Load:
    """`clients` clients of these engines; as a context they begin, and are sent away at the end."""

    def __init__(self, engines: Sequence[EngineProcess], blueprint: str, *, clients: int = 500, seed: int = 0) -> None:
        self._urls = [engine.url for engine in engines]
        self._blueprint = blueprint
        self._clients = clients
        self._chance = random.Random(seed)
        self._numbers = itertools.count()
        self._enough = asyncio.Event()
        self._progress = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self.accepted: dict[str, int] = {}
        self.ended: dict[str, Json] = {}

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {TOKENS['AVTOMAT_CLIENT_TOKEN']}"}
        self._http = aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0))
        self._tasks = [asyncio.create_task(self._client()) for _ in range(self._clients)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()

    async def in_flight(self) -> None:
        """Wait until every client has a job."""
        await self._until(lambda: len(self.accepted) >= self._clients)

    async def more_ends(self, count: int) -> None:
        """Wait until so many more jobs have ended."""
        goal = len(self.ended) + count
        await self._until(lambda: len(self.ended) >= goal)

    async def drain(self) -> None:
        """Submit nothing more, and wait until every job has ended."""
        self._enough.set()
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            await asyncio.gather(*self._tasks)

    async def _until(self, holds: Any) -> None:
        """AssertionError of a client that was lied to comes out here."""
        async with asyncio.timeout(DRAIN_TIMEOUT_S), self._progress:
            while not holds():
                await self._progress.wait()
                self._check()

    def _check(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled() and (broken := task.exception()) is not None:
                raise broken

    async def _client(self) -> None:
        try:
            while not self._enough.is_set():
                number = next(self._numbers)
                job_id = await self._submit(number)
                self.accepted[job_id] = number
                await self._tell()
                self.ended[job_id] = await self._end_of(job_id)
                await self._tell()
        finally:
            await self._tell()

    async def _tell(self) -> None:
        async with self._progress:
            self._progress.notify_all()

    async def _submit(self, number: int) -> str:
        path, key = f"/api/v1/jobs/{self._blueprint}", {"Idempotency-Key": f"number {number}"}
        while True:
            status, body = await self._ask("POST", path, json={"input": {"number": number}}, headers=key)
            if status == 202:
                return str(body["job_id"])
            assert status in (0, 503), f"number {number} was refused: {status} {body}"
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _end_of(self, job_id: str) -> Json:
        while True:
            status, body = await self._ask("GET", f"/api/v1/jobs/{job_id}?wait={WAIT_S}")
            if status == 200 and body["finished_at"] is not None:
                return body
            if status != 200:
                assert status in (0, 503), f"job {job_id} was accepted, and now: {status} {body}"
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _ask(self, method: str, path: str, **more: Any) -> tuple[int, Json]:
        """The status and body of an answer; 0 when none came."""
        try:
            async with self._http.request(method, self._chance.choice(self._urls) + path, **more) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return 0, None


class Endings(Load):
    """Clients of the blueprint `endings`, who cancel each job whose number leaves 2 of 4."""

    async def _end_of(self, job_id: str) -> Json:
        if self.accepted[job_id] % 4 == 2:
            await self._cancel(job_id)
        return await super()._end_of(job_id)

    async def _cancel(self, job_id: str) -> None:
        """Cancel it as somebody who says so again until there is an answer."""
        while True:
            status, body = await self._ask("POST", f"/api/v1/jobs/{job_id}/cancel", json={})
            if status in (200, 202, 409):
                return
            assert status in (0, 503), f"job {job_id} was not cancelled: {status} {body}"
            await asyncio.sleep(AGAIN_AFTER_S)
