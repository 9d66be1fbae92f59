"""Run many jobs through engines of their own and watch what the processes keep: what has passed must leave no trace.

Workers poll at one replica and answer at the next one, and clients wait at whichever comes: what a replica keeps of a
job until it hears of its end, it would keep for ever. Jobs are removed soon after their ends, so that the store should
be level as well.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from tests.benchmarks.redis_meter import memory_bytes
from tests.benchmarks.wire import Connection, connect, message
from tests.e2e.processes import TOKENS, EngineProcess
from tests.servers import RedisServer

BLUEPRINTS: Final = {
    "plain": """\
states:
  a: {task: plain, params: {n: "{{ input.n }}"}, compensate: {task: undo}, next: end}
""",
    "asking": """\
states:
  a: {task: asking, worker: {resources: {ram_gb: 8}}, params: {n: "{{ input.n }}"}, next: end}
""",
}
RETENTION: Final = "5s"
CLIENTS: Final = 32
WORKERS: Final = 16
SAMPLES: Final = 200
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Soak:
    """One run: its engines, how many jobs it is to do, and until when at the latest."""

    engines: Sequence[EngineProcess]
    jobs: int
    seconds_max: float
    redis: RedisServer | None = None
    done: int = 0
    seconds: float = 0
    samples: list[tuple[int, ...]] = field(default_factory=list)
    """After each part of the jobs: how many are done, the bytes of each engine, and those of Redis."""

    async def run(self) -> None:
        """Do the jobs."""
        began, numbers = time.monotonic(), itertools.count()
        workers = [asyncio.create_task(self._work(number)) for number in range(WORKERS)]
        clients = [asyncio.create_task(self._submit(number, numbers, began)) for number in range(CLIENTS)]
        ended = asyncio.gather(*clients)
        try:
            await asyncio.wait([ended, *workers], return_when=asyncio.FIRST_COMPLETED)
            for worker in workers:
                if worker.done():
                    worker.result()
            await ended
        finally:
            self.seconds = time.monotonic() - began
            for task in (*workers, *clients):
                task.cancel()
            await asyncio.gather(*workers, *clients, return_exceptions=True)

    async def _submit(self, number: int, numbers: itertools.count[int], began: float) -> None:
        connections = [await connect(engine.port) for engine in self.engines]
        headers = {"Authorization": f"Bearer {TOKENS['AVTOMAT_CLIENT_TOKEN']}"}
        while (job := next(numbers)) < self.jobs and time.monotonic() - began < self.seconds_max:
            name, keyed = ("plain", "asking")[job % 2], {"Idempotency-Key": f"soak-{job}"} if job % 3 == 0 else {}
            body = orjson.dumps({"input": {"n": job, "text": "x" * (job % 500)}, "labels": {"n": str(job)}})
            path = f"/api/v1/jobs/{name}?wait=30"
            connection = connections[(job + number) % len(connections)]
            answer = await connection.ask(message("POST", path, {**headers, **keyed}, body))
            assert b'"status":"finished"' in answer.body, answer
            self.done += 1
            if self.done % max(1, self.jobs // SAMPLES) == 0:
                await self._sample()

    async def _work(self, number: int) -> None:
        """Poll at one replica, answer at the next one, and send heartbeats to any."""
        here = self.engines[number % len(self.engines)]
        there = self.engines[(number + 1) % len(self.engines)]
        polls, answers = await connect(here.port), await connect(there.port)
        worker, kind = f"w{number}", ("plain", "asking")[(number // len(self.engines)) % 2]
        record = {"worker_id": worker, "supported_skills": [kind], "resources": {"properties": {"ram_gb": 16}}}
        await _ask(answers, worker, "POST", "/workers/register", record)
        path = f"/workers/{worker}/tasks/next?timeout=20&available_skills={kind}"
        for turn in itertools.count():
            if turn % 1_000 == 0:
                await _ask(answers, worker, "PATCH", f"/workers/{worker}", {"worker_id": worker, "status": "idle"})
            task = await _ask(polls, worker, "GET", path)
            if task is not None:
                ids = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": worker}
                said = await _ask(answers, worker, "POST", "/tasks/result", {**ids, "data": {"n": task["params"]["n"]}})
                assert said == {"status": "accepted"}, said

    async def _sample(self) -> None:
        of_redis = () if self.redis is None else (await asyncio.to_thread(memory_bytes, self.redis),)
        self.samples.append((self.done, *(_rss_bytes(engine.pid) for engine in self.engines), *of_redis))

    # --- what it showed -----------------------------------------------------------------------------------------------

    def figures(self) -> str:
        """Jobs a second, and MB at the start, in the middle and at the end of each process."""
        first, middle, last = self.samples[0], self.samples[len(self.samples) // 2], self.samples[-1]
        names = [*(f"engine {number + 1}" for number in range(len(self.engines))), *(["redis"] if self.redis else [])]
        lines = [f"{self.done} jobs in {self.seconds:.0f} s: {self.done / self.seconds:.0f} jobs/s"]
        for place, name in enumerate(names, 1):
            told = ", ".join(f"{sample[place] / 1e6:.1f} MB at {sample[0]}" for sample in (first, middle, last))
            lines.append(f"{name}: {told}; second half {self.growth(place) * 100:+.1f} %")
        return "\n".join(lines)

    def growth(self, place: int) -> float:
        """By which part a process grew in the second half: its last tenth beside the tenth after the middle."""
        half = self.samples[len(self.samples) // 2 :]
        part = max(1, len(half) // 5)
        before, after = ([sample[place] for sample in some] for some in (half[:part], half[-part:]))
        return (sum(after) / len(after)) / (sum(before) / len(before)) - 1


async def _ask(
    connection: Connection, worker: str, method: str, path: str, body: object = None
) -> dict[str, object] | None:  # type: ignore[type-arg]
    headers = {"X-Worker-Token": TOKENS["AVTOMAT_WORKER_TOKEN"], "X-Worker-ID": worker}
    sent = b"" if body is None else orjson.dumps(body)
    answer = await connection.ask(message(method, f"/_worker{path}", headers, sent))
    assert answer.status in (200, 204), answer
    return orjson.loads(answer.body) if answer.body else None


def _rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
