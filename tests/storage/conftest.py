"""Give the storage tests a world: a fresh store of the kind that the test asks for, checked when the test is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from avtomat.storage.port.store import Store
from tests.storage.stores import STORES
from tests.storage.world import Clock, World


@asynccontextmanager
async def opened(
    request: pytest.FixtureRequest, store_kind: tuple[str, int], *, history_outbox: bool = False
) -> AsyncIterator[World]:
    """A world on a store of this name with so many partitions."""
    name, partitions = store_kind
    clock = Clock()
    async with STORES[name](request, partitions, clock, history_outbox) as store:
        world = World(store, clock)
        await store.open(world.heard.wakeups)
        try:
            yield world
        finally:
            await store.close()


@pytest.fixture
async def world(request: pytest.FixtureRequest, store_kind: tuple[str, int]) -> AsyncIterator[World]:
    """An empty store; its invariants are checked at the end."""
    async with opened(request, store_kind) as made:
        yield made
        await made.sound()


@pytest.fixture
async def outbox_world(request: pytest.FixtureRequest, store_kind: tuple[str, int]) -> AsyncIterator[World]:
    """An empty store that hands its history to a database."""
    async with opened(request, store_kind, history_outbox=True) as made:
        yield made
        await made.sound()


@pytest.fixture
def store(world: World) -> Store:
    """The store alone."""
    return world.store


@pytest.fixture
def real(store_kind: tuple[str, int]) -> None:
    """For what takes a minute on fakeredis; a real server runs the same script."""
    if store_kind[0] == "fakeredis":
        pytest.skip("takes a minute there; a real server runs the same script")
