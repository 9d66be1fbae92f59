"""A client that waits for the end of its job hears of it at once, whichever replica ended it, and whatever goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from avtomat.runtime.jobs import clients
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.runtime.work.polls import Poll
from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.redis.store import RedisStore
from tests.runtime.replicas import SharedStore, replica_on
from tests.servers import RedisServer
from tests.storage.faults import Fault, Faults, faulty

TEXT = "avtomat: 1\nblueprint: one\nstates: {a: {task: work, next: end}}\n"
ASKED = Submission(blueprint="one", input={}, client="ann")
NEVER_S = 1_000.0
WAIT_S = 60


@pytest.fixture(autouse=True)
def heard_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients hear by news alone: looking again from time to time would hide what they miss."""
    monkeypatch.setattr(clients, "LOOK_AGAIN_S", NEVER_S)


class Pair:
    """Two replicas on one store. What goes wrong with the first one's calls is planned by `faults`."""

    def __init__(self, first: Service, second: Service, faults: Faults) -> None:
        self.first, self.second, self.faults = first, second, faults

    async def end_one(self) -> None:
        """The second replica's worker takes a task and ends its job."""
        poll = Poll(worker="w1", kinds=("work",), timeout_s=WAIT_S)
        [task] = await self.second.dispatcher.poll(poll, lambda: False)
        body = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": "w1"}
        assert (await self.second.dispatcher.result(body))["status"] == "accepted"


@pytest.fixture
async def pair(tmp_path: Path, fresh_redis: RedisServer) -> AsyncIterator[Pair]:
    (tmp_path / "one.yaml").write_text(TEXT)
    store, faults = faulty(RedisStore(fresh_redis.url))
    first = await replica_on(store, tmp_path)
    second = await replica_on(RedisStore(fresh_redis.url), tmp_path)
    yield Pair(first, second, faults)
    await first.stop()
    await second.stop()


async def test_an_end_that_comes_while_the_client_looks_is_heard(pair: Pair) -> None:
    job = (await pair.second.clients.submit(ASKED)).job_id
    pair.faults.next("show", Fault.LATE)
    waiting = asyncio.create_task(pair.first.clients.job(job, None, WAIT_S))
    await pair.faults.held.wait()

    await pair.end_one()
    pair.faults.let_go()

    found = await waiting
    assert found is not None
    assert found["status"] == "finished"


async def test_an_end_that_comes_while_the_job_is_still_being_created_is_heard(pair: Pair) -> None:
    pair.faults.next("create", Fault.LATE)
    waiting = asyncio.create_task(pair.first.clients.submit(ASKED, WAIT_S))
    await pair.faults.held.wait()

    await pair.end_one()
    pair.faults.let_go()

    assert (await waiting).status == "finished"


async def test_while_no_messages_come_the_client_looks_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "LOOK_AGAIN_DEAF_S", 0.01)
    (tmp_path / "one.yaml").write_text(TEXT)
    shared = SharedStore(MemoryStore())
    await shared.begin()
    first, second = await replica_on(shared.store, tmp_path), await replica_on(shared.store, tmp_path)
    submitted = asyncio.create_task(first.clients.submit(ASKED, WAIT_S))

    shared.deafen().deaf(True)
    await Pair(first, second, Faults()).end_one()

    assert (await submitted).status == "finished"
    await first.stop()
    await second.stop()
