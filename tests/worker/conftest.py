from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from avtomat_worker import Worker
from tests.worker.fake_engine import FakeEngine
from tests.worker.hand_clock import HandClock


@pytest.fixture
async def engine() -> AsyncIterator[FakeEngine]:
    async with FakeEngine() as engine:
        yield engine


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def new_worker(engine: FakeEngine, clock: HandClock) -> Callable[..., Worker]:
    """Make a worker at the fake engine, on the clock that is turned by hand."""

    def new(**options: Any) -> Worker:
        defaults = {"worker_id": "w1", "token": "t0ken", "clock": clock, "rng": random.Random(1)}
        return Worker(engine.url, **defaults | options)

    return new
