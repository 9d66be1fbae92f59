"""Memory is level: 200,000 jobs leave no trace in the engines (`make soak`; AVTOMAT_SOAK_JOBS says how many)."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.processes import EngineProcess
from tests.servers import RedisServer
from tests.soak.soak import BLUEPRINTS, RETENTION, Soak

pytestmark = pytest.mark.nightly

JOBS = int(os.environ.get("AVTOMAT_SOAK_JOBS", "200000"))
SECONDS_MAX = float(os.environ.get("AVTOMAT_SOAK_SECONDS", "3600"))
GROWTH_MAX = 0.05


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "workflows").mkdir()
    for name, text in BLUEPRINTS.items():
        (tmp_path / f"workflows/{name}.yaml").write_text(f"avtomat: 1\nblueprint: {name}\n{text}")
    return tmp_path


async def soak(project: Path, stores: list[str], redis: RedisServer | None) -> None:
    with ExitStack() as stack:
        engines = [
            stack.enter_context(
                EngineProcess(project, store=store, env={"AVTOMAT_RETENTION": RETENTION}, log=f"engine-{number}.log")
            )
            for number, store in enumerate(stores)
        ]
        run = Soak(engines, JOBS, SECONDS_MAX, redis)
        await run.run()
        print(f"\n{run.figures()}")
        assert all(run.growth(place + 1) < GROWTH_MAX for place in range(len(engines)))


async def test_memory_of_two_replicas_on_redis_is_level(project: Path, fresh_redis: RedisServer) -> None:
    await soak(project, [fresh_redis.url] * 2, fresh_redis)


async def test_memory_of_an_engine_on_sqlite_is_level(project: Path) -> None:
    await soak(project, [f"sqlite:///{project / 'avtomat.db'}"], None)
