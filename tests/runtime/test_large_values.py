"""Values kept by reference are read once, however many bodies look at them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from avtomat.core.formula import Json
from avtomat.runtime.jobs import scopes
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.storage.memory.store import MemoryStore
from tests.runtime.replicas import Crew, SharedStore, replica_on
from tests.storage.faults import Faults, faulty

TEXT = "x" * 400
BODIES = 200
READS_MAX = 20
"""Pages of the items, of what is around them, and the large value; for each replica."""

PICK = """
avtomat: 1
blueprint: pick
states:
  first: {task: make, params: {n: "{{ input.n }}"}, next: second}
  second:
    foreach: "{{ range(input.n) }}"
    do: {task: work, params: {text: "{{ outputs.first[index] }}", most: "{{ len(input.texts) }}"}}
    next: done
  done: {succeed: "{{ len(outputs.second) }}"}
"""


@pytest.fixture
def blueprints(tmp_path: Path) -> Path:
    (tmp_path / "pick.yaml").write_text(PICK)
    return tmp_path


async def run(*replicas: Service) -> Json:
    """One job, with workers on all replicas; its result."""

    def do(task: Json) -> Json:
        return [TEXT] * task["params"]["n"] if task["type"] == "make" else task["params"]["text"]

    crews = [Crew(("make", "work"), do, 4) for _ in replicas]
    for crew, replica in zip(crews, replicas, strict=True):
        crew.start(replica)
    asked = Submission(blueprint="pick", input={"n": BODIES, "texts": [TEXT] * BODIES}, client="c")
    async with asyncio.timeout(60):
        accepted = await replicas[0].clients.submit(asked, wait_s=60)
    for crew in crews:
        await crew.stop()
    assert accepted.ended is not None
    return accepted.ended.get("result"), accepted.ended.get("error")


async def test_bodies_that_read_a_large_value_read_it_once(blueprints: Path) -> None:
    store, faults = faulty(MemoryStore(), Faults())
    replica = await replica_on(store, blueprints)

    found = await run(replica)

    await replica.stop()
    assert found == (BODIES, None)
    assert faults.calls.count("values") < READS_MAX


async def test_each_replica_reads_a_large_input_once(blueprints: Path) -> None:
    store, faults = faulty(MemoryStore(), Faults())
    shared = SharedStore(store)
    await shared.begin()
    replicas = [await replica_on(shared.store, blueprints) for _ in range(2)]

    found = await run(*replicas)

    for replica in replicas:
        await replica.stop()
    await shared.end()
    assert found == (BODIES, None)
    assert faults.calls.count("values") < 2 * READS_MAX


async def test_no_more_is_kept_than_there_is_room_for(blueprints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "VALUE_BYTES_KEPT_MAX", 1_000)
    replica = await replica_on(MemoryStore(), blueprints)

    found = await run(replica)

    await replica.stop()
    assert found == (BODIES, None)
    assert replica._scopes._value_bytes == 0
