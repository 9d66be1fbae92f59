"""Bodies begin a few at a time, small blocks before bulk, and bulk gives way to other jobs."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from avtomat.errors import StoreNotExecuted
from avtomat.runtime.jobs.begins import AT_ONCE, BULK_AFTER, Begins, Body
from avtomat.runtime.jobs.kept import Kept

MANY = 4 * BULK_AFTER
FIRST_OVER = 2 * BULK_AFTER
"""When so many have begun, the first BULK_AFTER, which begin as those of a small block, are among them."""


class Stage:
    """Begins whose bodies begin when the test says so."""

    def __init__(self) -> None:
        self.jobs: set[str] = set()
        self.begins = Begins(self._begin, self.jobs)
        self.under_way: list[tuple[str, asyncio.Future[None]]] = []
        self.begun: list[str] = []

    def add(self, job: str, count: int) -> None:
        near = cast("Kept", SimpleNamespace(head=SimpleNamespace(job=job)))
        self.begins.add(near, [f"/1.{index}" for index in range(count)], b"")

    async def settle(self, *, broken: Exception | None = None) -> None:
        """Let all bodies that are beginning now have begun, and the next ones come."""
        now, self.under_way = self.under_way, []
        for _, body in now:
            if broken is None:
                body.set_result(None)
            else:
                body.set_exception(broken)
        await turns()

    async def settle_all(self) -> None:
        while self.under_way:
            await self.settle()

    async def _begin(self, body: Body) -> None:
        job = body.near.head.job
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.under_way.append((job, waiter))
        await waiter
        self.begun.append(job)

    @property
    def jobs_under_way(self) -> list[str]:
        return [job for job, _ in self.under_way]


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_few_bodies_begin_at_a_time_until_all_have() -> None:
    stage = Stage()

    stage.add("a", 3 * AT_ONCE)
    await turns()

    assert len(stage.under_way) == AT_ONCE
    await stage.settle_all()
    assert stage.begun == ["a"] * 3 * AT_ONCE


async def test_jobs_begin_their_bodies_in_turn() -> None:
    stage = Stage()

    stage.add("a", 4 * AT_ONCE)
    stage.add("b", AT_ONCE)
    await stage.settle()
    await stage.settle()

    assert "b" in stage.jobs_under_way


async def test_a_small_block_does_not_wait_behind_bulk() -> None:
    stage = Stage()

    stage.add("bulk", MANY)
    while stage.begun.count("bulk") < FIRST_OVER:
        await stage.settle()
    stage.add("small", 3)
    await turns()

    assert stage.jobs_under_way.count("small") == 3


async def test_bulk_alone_keeps_all_its_places() -> None:
    stage = Stage()

    stage.begins.at_work("bulk")
    stage.add("bulk", MANY)
    while stage.begun.count("bulk") < FIRST_OVER:
        await stage.settle()

    assert len(stage.under_way) == AT_ONCE


@pytest.mark.parametrize(("jobs", "places"), [(1, 1), (2, 1), (4, 3), (1_000, AT_ONCE)])
async def test_bulk_has_no_more_places_than_other_jobs_while_they_are_at_work(jobs: int, places: int) -> None:
    stage = Stage()

    stage.add("bulk", MANY)
    while stage.begun.count("bulk") < FIRST_OVER:
        await stage.settle()
    stage.begins.at_work("other")
    stage.jobs.update(str(job) for job in range(jobs))
    await stage.settle()
    while len(stage.under_way) < places:
        await turns()
    await turns()

    assert len(stage.under_way) == places


async def test_a_body_that_could_not_begin_holds_no_place() -> None:
    stage = Stage()
    errors: list[Any] = [StoreNotExecuted("away"), RuntimeError("broken")]

    stage.add("a", 3 * AT_ONCE)
    await turns()
    for error in errors:
        await stage.settle(broken=error)
    await stage.settle_all()

    assert stage.begun == ["a"] * AT_ONCE
    assert ("a", "/1.0") not in stage.begins


async def test_nothing_begins_once_it_is_stopped() -> None:
    stage = Stage()

    stage.add("a", 3 * AT_ONCE)
    await turns()
    assert ("a", "/1.0") in stage.begins
    stage.begins.stop()
    await turns()

    assert stage.begun == []
    assert all(waiter.cancelled() for _, waiter in stage.under_way)
    assert ("a", "/1.0") not in stage.begins
