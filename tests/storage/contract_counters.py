"""Promises about counters: what a client may use up in a period is never used up twice, and is forgotten afterwards."""

from __future__ import annotations

import asyncio

from avtomat.storage.port.answers import Taken
from tests.storage.world import World

HOUR_MS = 3_600_000


class Counters:
    async def test_no_more_is_granted_than_there_is(self, world: World) -> None:
        until_ms = world.now() + HOUR_MS
        takes = [await world.store.take("ann", "p1", 4, most=10, until_ms=until_ms) for _ in range(4)]
        assert [(each.granted, each.in_all) for each in takes] == [(4, 4), (4, 8), (2, 10), (0, 10)]

    async def test_those_who_take_at_once_get_no_more_together(self, world: World) -> None:
        until_ms = world.now() + HOUR_MS
        takes = await asyncio.gather(*(world.store.take("ann", "p1", 3, most=50, until_ms=until_ms) for _ in range(30)))
        assert sum(each.granted for each in takes) == 50

    async def test_each_client_and_each_period_has_a_counter_of_its_own(self, world: World) -> None:
        until_ms = world.now() + HOUR_MS
        for client, period in (("ann", "p1"), ("ann", "p2"), ("bob", "p1")):
            taken = await world.store.take(client, period, 2, most=2, until_ms=until_ms)
            assert taken == Taken(granted=2, in_all=2)
        assert (await world.store.dump())["counters"] == [
            ["ann", "p1", "2"],
            ["ann", "p2", "2"],
            ["bob", "p1", "2"],
        ]

    async def test_what_is_given_back_can_be_taken_again(self, world: World) -> None:
        until_ms = world.now() + HOUR_MS
        await world.store.take("ann", "p1", 10, most=10, until_ms=until_ms)
        await world.store.give_back("ann", "p1", 3)
        assert await world.store.take("ann", "p1", 10, most=10, until_ms=until_ms) == Taken(granted=3, in_all=10)

    async def test_more_than_was_taken_cannot_be_given_back(self, world: World) -> None:
        until_ms = world.now() + HOUR_MS
        await world.store.take("ann", "p1", 2, most=10, until_ms=until_ms)
        await world.store.give_back("ann", "p1", 7)
        await world.store.give_back("bob", "p1", 7)
        assert await world.store.take("ann", "p1", 20, most=10, until_ms=until_ms) == Taken(granted=10, in_all=10)
        assert await world.store.take("bob", "p1", 20, most=10, until_ms=until_ms) == Taken(granted=10, in_all=10)

    async def test_a_limit_that_was_lowered_grants_nothing_and_takes_nothing_away(self, world: World) -> None:
        until_ms = world.now() + HOUR_MS
        await world.store.take("ann", "p1", 8, most=10, until_ms=until_ms)
        assert await world.store.take("ann", "p1", 1, most=5, until_ms=until_ms) == Taken(granted=0, in_all=8)
        assert await world.store.take("ann", "p1", 9, most=12, until_ms=until_ms) == Taken(granted=4, in_all=12)

    async def test_nothing_is_granted_in_a_period_that_is_over(self, world: World) -> None:
        until_ms = world.now() + HOUR_MS
        await world.store.take("ann", "p1", 1, most=10, until_ms=until_ms)
        world.clock.advance(HOUR_MS + 1_000)
        assert await world.store.take("ann", "p1", 1, most=10, until_ms=until_ms) == Taken(granted=0, in_all=0)
        await world.store.give_back("ann", "p1", 1)
        assert (await world.store.dump())["counters"] == []

    async def test_counters_of_periods_that_are_over_leave(self, world: World) -> None:
        for number in range(5):
            await world.store.take("ann", f"p{number}", 1, most=1, until_ms=world.now() + HOUR_MS)
        await world.store.take("ann", "long", 1, most=1, until_ms=world.now() + 9 * HOUR_MS)
        world.clock.advance(HOUR_MS + 1_000)
        for partition in range(world.store.partitions):
            assert await world.store.trim(partition, 10) == 0
        world.clock.advance(-HOUR_MS - 1_000)
        assert (await world.store.dump())["counters"] == [["ann", "long", "1"]]
