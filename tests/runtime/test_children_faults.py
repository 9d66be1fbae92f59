"""Let each operation that an engine asks of its store for a family go wrong once, in each way, or be its last one.

The parent ends as if nothing had happened: each child began once, ended once, and was undone at most once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from avtomat.errors import StoreError
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.storage.port.answers import Query
from avtomat.storage.port.codec import loads
from avtomat.storage.port.store import Store
from avtomat.storage.proof.invariants import violations
from tests.runtime.replicas import Crew, SharedStore, replica_on
from tests.runtime.test_call_faults import DIES, NthFault
from tests.runtime.test_calls_of_replicas import kill
from tests.storage.faults import Fault, faulty
from tests.storage.stores import STORES
from tests.storage.world import Clock

FAMILY = """
avtomat: 1
blueprint: family
states:
  book: {task: do, params: {what: book}, compensate: {task: undo, params: {what: book}}, next: all}
  all: {foreach: [a, b], concurrency: 1, do: {run: child, input: {what: "{{ item }}"}}, next: bad}
  bad: {run: child, input: {what: bad}, next: end}
"""
CHILD = """
avtomat: 1
blueprint: child
states:
  make: {task: do, params: {what: "{{ input.what }}"}, compensate: {task: undo, params: {what: "{{ input.what }}"}},
         next: check}
  check: {transitions: [{when: input.what == 'bad', to: fails}, {to: done}]}
  fails: {fail: {code: NOPE}}
  done: {succeed: "{{ input.what }}"}
"""
PLACES = [("memory", 1), ("sqlite", 1), ("redis", 1), ("redis", 3)]
PLANS = [("create", 1), *(("commit", nth) for nth in range(1, 13)), *(("due", nth) for nth in range(1, 5)), ("poll", 2)]
PERILS = [Fault.NOT_EXECUTED, Fault.ANSWER_LOST, Fault.TWICE, DIES]
SAMPLE = [(plan, PERILS[at % len(PERILS)]) for at, plan in enumerate(PLANS)]
ALL = [(plan, peril) for plan in PLANS for peril in PERILS]
STALL_S = 0.15
TURN_MS = 11_000
"""After so long what was given out and not answered is given out again."""

TURNS_MAX = 60


async def family_of(place: tuple[str, int], request: pytest.FixtureRequest, plan: tuple[str, int], peril: Any) -> None:
    """Run one family, of whose engine one call goes wrong."""
    folder = request.getfixturevalue("tmp_path") / "blueprints"
    folder.mkdir()
    (folder / "family.yaml").write_text(FAMILY)
    (folder / "child.yaml").write_text(CHILD)
    clock, done = Clock(), Counter[str]()

    def do(task: Any) -> Any:
        done[f"{task['type']} {task['params']['what']} {task['idempotency_key']}"] += 1
        return None

    async with STORES[place[0]](request, place[1], clock, False) as store:
        shared = SharedStore(store)
        await shared.begin()
        try:
            job = await _until_ended(shared, clock, folder, NthFault(*plan, peril), Crew(("do", "undo"), do, 2))
            await _check(store, job, done)
        finally:
            await shared.end()


async def _until_ended(shared: SharedStore, clock: Clock, folder: Path, faults: NthFault, crew: Crew) -> Any:
    replica = await replica_on(faulty(shared.store, faults)[0], folder)
    crew.start(replica)
    client = asyncio.create_task(_submit(replica))
    for _ in range(TURNS_MAX):
        await asyncio.wait({client}, timeout=STALL_S)
        if client.done():
            break
        if faults.dead.is_set():
            client.cancel()
            await asyncio.gather(client, return_exceptions=True)
            await crew.stop()
            await kill(replica)
            faults.dead.clear()
            replica = await replica_on(shared.store, folder)
            crew.start(replica)
            client = asyncio.create_task(_submit(replica))
        clock.advance(TURN_MS)
        replica.time_turned()
    job = await client
    await crew.stop()
    await replica.stop()
    return job


async def _submit(replica: Service) -> Any:
    asked = Submission(blueprint="family", input={}, client="ann", key="k")
    while True:
        try:
            accepted = await replica.clients.submit(asked)
            ended = await replica.clients.job(accepted.job_id, None, 60.0)
        except StoreError:
            continue
        return ended


async def _check(store: Store, job: Any, done: Counter[str]) -> None:
    assert violations(await store.dump()) == []  # type: ignore[arg-type]
    assert (job["status"], job["error"]["code"], job["error"]["state"]) == ("failed", "NOPE", "fails")
    children = (await store.list_jobs(Query(parent=job["id"]))).rows
    assert Counter(row.status for row in children) == {"finished": 2, "failed": 1}
    entries = [loads(entry.record) for entry in await store.history(job["id"], 0, 1_000)]
    ended = [entry["job"] for entry in entries if entry["type"] == "ChildEnded"]
    assert sorted(ended) == sorted(row.job for row in children)
    assert sorted(each.rpartition(" ")[0] for each in done) == [
        "do a",
        "do b",
        "do bad",
        "do book",
        "undo bad",
        "undo book",
    ]


@pytest.mark.parametrize("place", PLACES, ids=lambda each: f"{each[0]}-{each[1]}")
@pytest.mark.parametrize(("plan", "peril"), SAMPLE, ids=str)
async def test_a_family_ends_the_same_when_one_call_goes_wrong(
    place: tuple[str, int], plan: tuple[str, int], peril: Any, request: pytest.FixtureRequest
) -> None:
    await family_of(place, request, plan, peril)


@pytest.mark.nightly
@pytest.mark.parametrize("place", PLACES, ids=lambda each: f"{each[0]}-{each[1]}")
@pytest.mark.parametrize(("plan", "peril"), ALL, ids=str)
async def test_a_family_ends_the_same_whichever_call_goes_wrong(
    place: tuple[str, int], plan: tuple[str, int], peril: Any, request: pytest.FixtureRequest
) -> None:
    await family_of(place, request, plan, peril)
