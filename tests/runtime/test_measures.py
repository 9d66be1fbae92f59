"""The engine's numbers are right, and limits that follow from them are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from avtomat.core.formula import Json
from avtomat.errors import RequestRefused, StoreError
from avtomat.runtime.jobs.admission import Admission
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.measures import Measures, Sample, Tally, counted
from avtomat.runtime.service import Service
from avtomat.runtime.work.polls import Poll
from avtomat.runtime.work.queues import Queues
from avtomat.settings import Settings
from avtomat.storage.memory.store import MemoryStore
from tests.storage.world import Clock, World, result

GREET = "avtomat: 1\nblueprint: greet\nstates:\n  say: {task: say, next: end}\n"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = Clock()
    world = World(MemoryStore(1, offset_ms=clock.offset, history_outbox=True), clock)
    await world.store.open(world.heard.wakeups)
    yield world
    await world.store.close()


def admission(sample: Sample | None, *, jobs: int = 10, pending: int = 10) -> Admission:
    return Admission(lambda: sample, lambda: None, jobs_open_max=jobs, history_pending_max=pending)


def sample(**counts: int) -> Sample:
    return Sample(
        counts={"open": 0, "paused": 0, "quarantined": 0, "compensating": 0, "finishing": 0, "outbox": 0} | counts
    )


def test_nothing_is_refused_before_the_store_was_asked() -> None:
    assert admission(None, jobs=1).refusal() is None


@pytest.mark.parametrize(("code", "refused"), [("store.unavailable", False), ("store.evicting", True)])
def test_a_store_that_may_be_back_is_asked_and_one_that_is_not_safe_is_not(code: str, refused: bool) -> None:
    trouble = StoreError("no", code=code)
    found = Admission(lambda: None, lambda: trouble, jobs_open_max=1, history_pending_max=1).refusal()
    assert (found is not None) == refused


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({"open": 9}, None),
        ({"open": 4, "paused": 3, "quarantined": 2, "compensating": 1}, "jobs.too_many"),
        ({"outbox": 9}, None),
        ({"outbox": 10}, "store.history_behind"),
    ],
)
def test_new_jobs_are_refused_from_a_limit_on(counts: Mapping[str, int], code: str | None) -> None:
    refused = admission(sample(**counts)).refusal()

    assert (None if refused is None else refused.code) == code
    assert refused is None or (refused.status, refused.retry_after_s) == (503, 5)


async def test_a_sample_tells_what_the_store_holds_and_how_late_it_is(world: World) -> None:
    measures = Measures(world.store, Queues(1))
    await world.with_task()
    await world.create(timer_ms=world.now() + 1_000)
    await measures.sample()
    assert measures.latest is not None
    assert (measures.latest.open_jobs, measures.latest.history_pending, measures.latest.due_lag_ms) == (2, 2, 0)

    world.clock.advance(31_000)
    await measures.sample()

    assert 30_000 <= measures.latest.due_lag_ms < 35_000


async def test_what_a_replica_does_is_counted_once(world: World) -> None:
    tally = Tally()
    world = World(counted(world.store, tally), world.clock)
    job, task_id = await world.with_leased()
    stale = await world.commit(job, result(task_id), version=7)
    done = await world.commit(job, result(task_id))
    again = await world.commit(job, result(task_id), version=2)

    assert (stale.outcome, done.outcome, again.outcome) == ("moved", "ok", "duplicate")
    assert (tally.created, tally.handed_out, tally.decisions, tally.conflicts) == (1, 1, 4, 1)
    assert tally.commits == {"moved": 1, "ok": 1, "duplicate": 1}
    assert tally.results == {"ok": 1, "duplicate": 1}


async def test_an_engine_takes_no_more_open_jobs_than_it_may_and_finishes_those_it_has(tmp_path: Path) -> None:
    (tmp_path / "greet.yaml").write_text(GREET)
    engine = Service(Settings(store="memory:", blueprints=tmp_path, jobs_open_max=1))
    await engine.start(watch=False)
    asked = Submission(blueprint="greet", input={}, client="c", key="k")
    first = await engine.clients.submit(asked)
    await engine.measures.sample()

    with pytest.raises(RequestRefused) as caught:
        await engine.clients.submit(Submission(blueprint="greet", input={}, client="c"))
    repeated = await engine.clients.submit(asked)
    [task] = await engine.dispatcher.poll(Poll(worker="w", kinds=("say",), timeout_s=5), lambda: False)
    await engine.dispatcher.result(result_of(task))
    await engine.measures.sample()

    assert (caught.value.code, repeated.job_id, repeated.fresh) == ("jobs.too_many", first.job_id, False)
    assert (await engine.clients.submit(Submission(blueprint="greet", input={}, client="c"))).fresh
    await engine.stop()


def result_of(task: Mapping[str, Json]) -> dict[str, Json]:
    return {"worker_id": "w", "task_id": task["task_id"], "job_id": task["job_id"]}
