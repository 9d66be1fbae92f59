"""kill -9 of engines while signals come: each is used once, in the order in which they were sent, and none is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from avtomat.storage.proof.invariants import violations
from tests.e2e.audit import dump_of, sqlite_url
from tests.e2e.processes import TOKENS, EngineProcess
from tests.e2e.test_kill import LEASE, kill_and_start, times, two_replicas
from tests.servers import RedisServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

JOBS, SIGNALS = 20, 25
PATIENCE_S = 300
HEADERS = {"Authorization": f"Bearer {TOKENS['AVTOMAT_CLIENT_TOKEN']}"}
COLLECT = """\
avtomat: 1
blueprint: collect
data: {got: []}
states:
  next:
    signal: tick
    key: "{{ input.key }}"
    expects: {type: integer}
    timeout: 1s
    set: {got: "{{ data.got + [output] }}"}
    transitions: [{when: len(data.got) == input.count, to: done}, {to: next}]
    catch: [{errors: [TIMEOUT_ERROR], to: idle}]
  idle: {set: {idle: true}, next: again}
  again: {wait: 100ms, next: next}
  done: {succeed: "{{ data.got }}"}
"""


class Senders:
    """Each sends the signals of one job, one after the other, and repeats until there is an answer."""

    def __init__(self, engines: Sequence[EngineProcess], chance: random.Random) -> None:
        self._engines = engines
        self._chance = chance
        self._http: aiohttp.ClientSession | None = None
        self._news = asyncio.Condition()
        self.taken = 0
        self.repeated = 0

    async def run(self, jobs: int) -> dict[str, Any]:
        """Submit so many jobs, and send all their signals; the results, by job."""
        async with aiohttp.ClientSession(headers=HEADERS) as self._http:
            return dict(await asyncio.gather(*(self._one(number) for number in range(jobs))))

    async def more_taken(self, count: int) -> None:
        """Wait until so many more signals were taken, or all."""
        goal = min(self.taken + count, JOBS * SIGNALS)
        async with self._news:
            await self._news.wait_for(lambda: self.taken >= goal)

    async def _one(self, number: int) -> tuple[str, Any]:
        given = {"input": {"key": f"k{number}", "count": SIGNALS}}
        headers = {"Idempotency-Key": f"job-{number}"}
        _, accepted = await self._ask("POST", "/api/v1/blueprints/collect/jobs", json=given, headers=headers)
        job = accepted["job_id"]
        for n in range(SIGNALS):
            body = {"payload": n, "key": f"k{number}", "id": f"s{n}"}
            for _ in range(self._chance.choice((1, 1, 2))):
                status, told = await self._ask("POST", f"/api/v1/jobs/{job}/signals/tick", json=body)
                assert status in {200, 202}, told
                self.repeated += status == 200
            async with self._news:
                self.taken += 1
                self._news.notify_all()
        while True:
            _, found = await self._ask("GET", f"/api/v1/jobs/{job}?wait=10")
            if found["status"] == "finished":
                return job, found["result"]
            assert found["error"] is None, found

    async def _ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """Ask one of the engines, until one answers."""
        assert self._http is not None
        while True:
            try:
                engine = self._chance.choice(self._engines)
                async with self._http.request(method, engine.url + path, **more) as response:
                    if response.status != 503:
                        return response.status, await response.json(content_type=None)
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.02)


async def crash(engines: Sequence[EngineProcess], kills: int, chance: random.Random) -> None:
    senders = Senders(engines, chance)
    async with asyncio.timeout(PATIENCE_S):
        sending = asyncio.create_task(senders.run(JOBS))
        for _ in range(kills):
            await senders.more_taken(chance.randrange(1, JOBS * SIGNALS // (kills + 1)))
            await kill_and_start(chance.choice(engines), chance)
        results = await sending

    assert [result for result in results.values() if result != list(range(SIGNALS))] == []
    assert senders.repeated > 0


@times(3, 20)
async def test_signals_are_used_once_when_the_only_engine_is_killed(
    folder: Path, stack: ExitStack, kills: int, chance: random.Random
) -> None:
    (folder / "workflows/collect.yaml").write_text(COLLECT)
    engine = stack.enter_context(EngineProcess(folder, arguments=LEASE))

    await crash([engine], kills, chance)

    assert engine.stop() == 0
    assert violations(await dump_of(sqlite_url(folder))) == []


@times(3, 20)
async def test_signals_are_used_once_when_replicas_are_killed(
    folder: Path, stack: ExitStack, fresh_redis: RedisServer, kills: int, chance: random.Random
) -> None:
    (folder / "workflows/collect.yaml").write_text(COLLECT)
    replicas = two_replicas(stack, folder, fresh_redis.url)

    await crash(replicas, kills, chance)

    assert [replica.stop() for replica in replicas] == [0, 0]
    assert violations(await dump_of(fresh_redis.url)) == []
