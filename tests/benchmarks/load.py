"""Make load: clients that each wait for their answer before they ask again, and workers that poll, work and report.

Whatever is not answered as it should be ends the benchmark: a figure of failures would be worth nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf

import orjson

from tests.benchmarks.machine import cpu_s
from tests.benchmarks.stage import REDIS, Door, Server, Stage
from tests.benchmarks.wire import Answer, Connection, connect, message

INPUT = {"order": "o-104729", "count": 7, "price": 12.5, "items": ["a-1", "b-2", "c-3"], "email": "x@example.com"}
SUBMISSION = orjson.dumps({"input": INPUT})
KIND = "bench.work"
RESULT = {"reserved": True}
LARGE_RESULT = [{"line": number, "text": "x" * 80} for number in range(280)]
"""About 30 kB as JSON."""
POLL_S = 30


class BenchmarkError(Exception):
    """An answer was not what it should have been."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One stretch of load on one server."""

    count: int
    seconds: float
    cpu_s: float
    redis_cpu_s: float = 0
    """What the Redis behind it used, if there is one."""
    latencies_ms: Sequence[float]
    """Sorted."""

    @property
    def cpu_us(self) -> float:
        """CPU time of the server per request or job."""
        return self.cpu_s / self.count * 1e6

    @property
    def rate(self) -> float:
        """Requests or jobs a second."""
        return self.count / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """The latency that so many percent do not exceed."""
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(len(self.latencies_ms) * percent / 100))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server, what it is asked, and what a good answer contains."""

    server: Server
    redis_pid: int | None
    request: bytes
    proof: bytes

    def check(self, answer: Answer) -> None:
        """Refuse an answer that is not a good one."""
        if answer.status != 200 or self.proof not in answer.body:
            raise BenchmarkError(f"answered {answer.status} {answer.body[:500]!r}, without {self.proof!r}")


def bare(stage: Stage) -> Target:
    """The limit."""
    request = message("POST", "/", {}, SUBMISSION)
    return Target(server=stage.bare, redis_pid=stage.redis.pid, request=request, proof=b'"number"')


def jobs(stage: Stage, blueprint: str) -> Target:
    """Jobs of a blueprint, each awaited to its end."""
    request = stage.client_message("POST", f"/jobs/{blueprint}?wait=30", SUBMISSION)
    redis_pid = stage.redis.pid if stage.store == REDIS else None
    return Target(server=stage.engine, redis_pid=redis_pid, request=request, proof=b'"status":"finished"')


async def drive(
    target: Target, *, clients: int, seconds: float = inf, count: float = inf, end: asyncio.Event | None = None
) -> Sample:
    """Keep `clients` asking for a while, or until `count` are begun or `end` is set; each finishes what it began."""
    end = end or asyncio.Event()
    connections = [await connect(target.server.port) for _ in range(clients)]
    latencies: list[float] = []
    began, used_before, redis_before = time.perf_counter(), cpu_s(target.server.pid), _redis_cpu_s(target)
    until, begun = began + seconds, 0

    async def ask_on(connection: Connection) -> None:
        nonlocal begun
        asked = time.perf_counter()
        while asked < until and begun < count and not end.is_set():
            begun += 1
            target.check(await connection.ask(target.request))
            now = time.perf_counter()
            latencies.append((now - asked) * 1000)
            asked = now

    try:
        async with asyncio.TaskGroup() as group:
            for connection in connections:
                group.create_task(ask_on(connection))
        took, used = time.perf_counter() - began, cpu_s(target.server.pid) - used_before
        redis_used = _redis_cpu_s(target) - redis_before
    finally:
        for connection in connections:
            connection.close()
    return Sample(
        count=len(latencies), seconds=took, cpu_s=used, redis_cpu_s=redis_used, latencies_ms=sorted(latencies)
    )


def _redis_cpu_s(target: Target) -> float:
    return 0 if target.redis_pid is None else cpu_s(target.redis_pid)


@dataclass(slots=True)
class Workforce:
    """Workers at work; `done` counts the results that the engine accepted, `reached` is set when they are `goal`."""

    goal: int | None = None
    done: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self) -> None:
        """One more is done."""
        self.done += 1
        if self.done == self.goal:
            self.reached.set()


@asynccontextmanager
async def workers(
    stage: Stage, count: int, *, goal: int | None = None, data: object = RESULT, takes_next: bool = False
) -> AsyncIterator[Workforce]:
    """Workers, registered and polling, until the block is left; their connections are dropped then. Each result is
    `data`; with `takes_next` it asks for the next task.
    """
    force = Workforce(goal=goal)
    connections = [await connect(stage.engine.port) for _ in range(count)]
    tasks = [
        asyncio.create_task(work(stage.door, f"w{n}", each, force, data=data, takes_next=takes_next))
        for n, each in enumerate(connections)
    ]
    try:
        yield force
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        for connection in connections:
            connection.close()
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def register(door: Door, worker: str, connection: Connection, kind: str = KIND) -> None:
    """Register a worker."""
    body = orjson.dumps({"worker_id": worker, "supported_skills": [{"name": kind}], "available_skills": [kind]})
    answer = await connection.ask(door.message(worker, "POST", "/workers/register", body))
    if answer.status != 200:
        raise BenchmarkError(f"a registration was answered {answer.status} {answer.body!r}")


def poll_of(door: Door, worker: str, timeout_s: float = POLL_S, kind: str = KIND) -> bytes:
    """A worker's poll."""
    path = f"/workers/{worker}/tasks/next?timeout={timeout_s}&available_skills={kind}"
    return door.message(worker, "GET", path)


async def work(
    door: Door,
    worker: str,
    connection: Connection,
    force: Workforce,
    kind: str = KIND,
    data: object = RESULT,
    *,
    takes_next: bool = False,
) -> None:
    """Register, then poll, work at once, and report, for ever."""
    await register(door, worker, connection, kind)
    poll = poll_of(door, worker, kind=kind)
    path = f"/tasks/result?next={kind}" if takes_next else "/tasks/result"
    while True:
        answer = await connection.ask(poll)
        if answer.status == 204:
            continue
        if answer.status != 200:
            raise BenchmarkError(f"a poll was answered {answer.status} {answer.body!r}")
        task = orjson.loads(answer.body)
        while task is not None:
            result = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": worker, "data": data}
            answer = await connection.ask(door.message(worker, "POST", path, orjson.dumps(result)))
            if b'"accepted"' not in answer.body:
                raise BenchmarkError(f"a result was answered {answer.status} {answer.body!r}")
            force.count()
            task = orjson.loads(answer.body).get("task") if takes_next else None
