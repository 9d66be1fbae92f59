"""Calls outlive replicas: one that is killed costs an attempt, one that stops gives back what it may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from avtomat.embedding import Engine
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.port.store import Store
from tests.runtime.outgoing.servers import Server, body, serving
from tests.runtime.replicas import SharedStore, replica_on

PATIENCE_S = 30.0
LEASE = timedelta(milliseconds=600)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what holds is told by nobody
            await asyncio.sleep(0.005)


class Gate:
    """A server that answers nothing until it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opening = asyncio.create_task(self.opened.wait())
        leaving = asyncio.create_task(reader.read(1))
        await asyncio.wait({opening, leaving}, return_when=asyncio.FIRST_COMPLETED)
        opening.cancel()
        if leaving.done():
            raise ConnectionError
        leaving.cancel()
        await asyncio.gather(opening, leaving, return_exceptions=True)
        await body(b"ok")(reader, writer)


@asynccontextmanager
async def on_store(kind: str, folder: Path) -> AsyncIterator[SharedStore]:
    store: Store
    if kind == "sqlite":
        from avtomat.storage.sqlite.store import SqliteStore

        store = SqliteStore(folder / "jobs.db", partitions=1)
    else:
        store = MemoryStore(1)
    shared = SharedStore(store)
    await shared.begin()
    try:
        yield shared
    finally:
        await shared.end()


def write(folder: Path, server: Server, method: str = "GET", more: str = "") -> dict[str, Any]:
    retry = "retry: {attempts: 4, delay: 1ms}"
    call = f"call: {{method: {method}, url: 'http://127.0.0.1:{server.port}/'}}, {retry}{more}"
    (folder / "calling.yaml").write_text(f"avtomat: 1\nblueprint: calling\nstates: {{ask: {{{call}, next: end}}}}\n")
    return {"calls_allow": (f"127.0.0.1:{server.port}",), "lease": LEASE}


async def kill(replica: Service) -> None:
    """End it at once: nothing is answered, nothing is given back."""
    for held in replica._caller._held.values():  # what a killed process would hold
        assert held.doing is not None
        held.doing.cancel()
    replica._caller._held.clear()
    await replica._caller._client.close()
    await replica._duties.stop()


async def submit(replica: Service) -> str:
    return (await replica.clients.submit(Submission(blueprint="calling", input=None, client="ann"))).job_id


async def ended(replica: Service, job_id: str) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            job = await replica.clients.job(job_id, None)
            assert job is not None
            if job["status"] in {"finished", "failed"}:
                return job
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_replica_that_is_killed_costs_an_attempt_and_no_job(tmp_path: Path, kind: str) -> None:
    gate = Gate()
    async with serving(gate) as server, on_store(kind, tmp_path) as shared:
        settings = write(tmp_path, server)
        first = await replica_on(shared.store, tmp_path, **settings)
        job_id = await submit(first)
        await until(lambda: len(server.heads) == 1)
        await kill(first)
        gate.opened.set()
        second = await replica_on(shared.store, tmp_path, **settings)
        job = await ended(second, job_id)
        history = await second.clients.history(job_id, None, 0, 100)
        await second.stop()
        await first.stop()

    assert job["status"] == "finished"
    assert history is not None
    assert [entry["type"] for entry in history].count("LeaseLost") == 1
    assert {line for head in server.heads for line in head.split(b"\r\n") if b"Idempotency" in line} == {
        f"Idempotency-Key: {job_id}/:1".encode()
    }


async def test_a_post_of_a_killed_replica_is_not_sent_again_by_default(tmp_path: Path) -> None:
    async with serving(Gate()) as server, on_store("memory", tmp_path) as shared:
        settings = write(tmp_path, server, "POST")
        first = await replica_on(shared.store, tmp_path, **settings)
        job_id = await submit(first)
        await until(lambda: len(server.heads) == 1)
        await kill(first)
        second = await replica_on(shared.store, tmp_path, **settings)
        job = await ended(second, job_id)
        await second.stop()
        await first.stop()

    assert job["error"]["code"] == "WORKER_LOST"
    assert len(server.heads) == 1


async def test_a_call_that_outlives_its_lease_is_kept(tmp_path: Path) -> None:
    gate = Gate()
    async with serving(gate) as server, on_store("memory", tmp_path) as shared:
        replica = await replica_on(shared.store, tmp_path, **write(tmp_path, server))
        job_id = await submit(replica)
        await until(lambda: len(server.heads) == 1)
        await asyncio.sleep(LEASE.total_seconds() * 2.5)  # the lease is real time: it must be extended meanwhile
        gate.opened.set()
        job = await ended(replica, job_id)
        await replica.stop()

    assert job["status"] == "finished"
    assert len(server.heads) == 1


@pytest.mark.parametrize(("method", "requests", "status"), [("GET", 2, "finished"), ("POST", 1, "failed")])
async def test_a_replica_that_stops_gives_back_what_may_be_sent_again(
    tmp_path: Path, method: str, requests: int, status: str
) -> None:
    gate = Gate()
    async with serving(gate) as server, on_store("memory", tmp_path) as shared:
        settings = write(tmp_path, server, method)
        first = await replica_on(shared.store, tmp_path, **settings, drain=timedelta(milliseconds=50))
        job_id = await submit(first)
        await until(lambda: len(server.heads) == 1)
        await first.stop()
        gate.opened.set()
        second = await replica_on(shared.store, tmp_path, **settings)
        job = await ended(second, job_id)
        history = await second.clients.history(job_id, None, 0, 100)
        await second.stop()

    assert job["status"] == status
    assert len(server.heads) == requests
    assert history is not None
    if method == "GET":  # it was the first attempt still
        assert [entry.get("attempt") for entry in history if entry["type"] == "TaskSucceeded"] == [1]


async def test_a_replica_that_stops_lets_calls_end_within_its_time(tmp_path: Path) -> None:
    gate = Gate()
    async with serving(gate) as server, on_store("memory", tmp_path) as shared:
        replica = await replica_on(shared.store, tmp_path, **write(tmp_path, server, "POST"))
        job_id = await submit(replica)
        await until(lambda: len(server.heads) == 1)
        stopping = asyncio.create_task(replica.stop())
        await asyncio.sleep(0)
        gate.opened.set()
        await stopping
        row = await shared.store.show(job_id)

    assert row is not None
    assert row.status == "finished"


async def test_a_thousand_calls_to_slow_servers_hold_nobody_else_up(tmp_path: Path) -> None:
    gate = Gate()
    async with serving(gate) as slow, serving(body(b"ok")) as quick:
        for name, server in (("slow", slow), ("quick", quick)):
            call = f"call: {{url: 'http://127.0.0.1:{server.port}/'}}, timeout: 2m"
            text = f"avtomat: 1\nblueprint: {name}\nstates: {{ask: {{{call}, next: end}}}}\n"
            (tmp_path / f"{name}.yaml").write_text(text)
        (tmp_path / "task.yaml").write_text("avtomat: 1\nblueprint: task\nstates: {a: {task: a, next: end}}\n")
        hosts = tuple(f"127.0.0.1:{server.port}" for server in (slow, quick))
        settings = Settings(calls_allow=hosts, calls_per_host=1_000)
        async with Engine(tmp_path, settings=settings) as engine:
            engine.task("a")(lambda: None)
            waiting: Sequence[str] = [await engine.submit("slow") for _ in range(1_000)]
            await until(lambda: len(slow.heads) == 1_000)
            calls = [await engine.wait(await engine.submit("quick"), 20) for _ in range(3)]
            tasks = [await engine.wait(await engine.submit("task"), 20) for _ in range(3)]
            gate.opened.set()
            done = [await engine.wait(job_id, 60) for job_id in waiting]

    assert {job["status"] for job in (*calls, *tasks, *done)} == {"finished"}
