"""Every store tells alike how far a fork is, and who may still be at what is dead."""

from __future__ import annotations

import pytest

from avtomat.storage.port.answers import Below
from avtomat.storage.port.writes import HeadChange
from tests.storage.stores import STORES
from tests.storage.world import CANCELLED, FAILED, FINISHED, LEASE_MS, WORKER, World, fork, near


@pytest.fixture(params=STORES)
def store_kind(request: pytest.FixtureRequest) -> tuple[str, int]:
    return request.param, 1


async def test_the_integers_of_a_join_are_told_with_the_scopes_that_have_begun(world: World) -> None:
    job, _ = await world.with_fork(7, window=4, tolerated=7)
    await world.begin(job, "/1.0", end=FINISHED)
    await world.begin(job, "/1.1", end=FAILED)
    for path in ("/1.2", "/1.4"):
        await world.begin(job, path, timer_ms=world.now() + 60_000)

    told = await world.store.below(job, "/", 1, 10)

    assert told == Below(total=7, begun=6, live=4, ok=1, failed=1, paths=("/1.2", "/1.4"))


async def test_of_many_scopes_only_so_many_are_named(world: World) -> None:
    job, paths = await world.with_fork(5)
    for path in paths:
        await world.begin(job, path, timer_ms=world.now() + 60_000)

    told = await world.store.below(job, "/", 1, 2)

    assert told is not None
    assert (told.live, told.paths) == (5, ("/1.0", "/1.1"))


async def test_scopes_of_a_fork_further_below_are_told_with_their_own_fork(world: World) -> None:
    job, _ = await world.with_fork(1)
    await world.begin(job, "/1.0", fork=fork(2, number=3))
    await world.begin(job, "/1.0/3.1", timer_ms=world.now() + 60_000)

    outer, inner = await world.store.below(job, "/", 1, 10), await world.store.below(job, "/1.0", 3, 10)

    assert outer is not None
    assert inner is not None
    assert (outer.paths, inner.paths) == (("/1.0",), ("/1.0/3.1",))


async def test_what_was_never_forked_or_is_closed_is_not_told(world: World) -> None:
    job, _ = await world.with_fork(1)
    assert await world.store.below(job, "/", 2, 10) is None

    await world.mailed(job, "cancel", end=CANCELLED)

    assert await world.store.below(job, "/", 1, 10) is None


async def test_a_worker_that_may_still_be_at_a_dead_attempt_is_named_until_it_is_heard_of(world: World) -> None:
    job, task_id = await world.with_leased()
    assert await world.store.held(job, 10) == []
    await world.mailed(job, "cancel", head=HeadChange(status="compensating"))

    [held] = await world.store.held(job, 10)
    await world.store.release(WORKER, [task_id])

    assert (held.task_id, held.worker) == (task_id, WORKER)
    assert near(held.until_ms, world.now() + LEASE_MS)
    assert await world.store.held(job, 10) == []
