"""One replica: what it leaves when it cannot begin."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from avtomat.errors import StoreError
from avtomat.runtime.opening import open_store
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from tests.storage.faults import Fault, faulty


async def test_a_start_that_fails_leaves_the_store_to_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("avtomat: 1\nblueprint: one\nstates: {a: {task: work, next: end}}\n")
    settings = Settings(store=f"sqlite:///{tmp_path / 'jobs.db'}", blueprints=tmp_path)
    store, faults = faulty(open_store(settings))
    faults.next("put_programs", Fault.NOT_EXECUTED)
    with pytest.raises(StoreError):
        await Service(settings, store).start(watch=False)

    service = Service(settings)
    await service.start(watch=False)

    assert service.readiness() == (True, {})
    await service.stop()


async def test_an_engine_that_loses_its_store_says_so_and_is_to_end(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("avtomat: 1\nblueprint: one\nstates: {a: {task: work, next: end}}\n")
    service = Service(Settings(store=f"sqlite:///{tmp_path / 'jobs.db'}", blueprints=tmp_path))
    await service.start(watch=False)

    (tmp_path / "jobs.db").rename(tmp_path / "away.db")
    await asyncio.wait_for(service.store_lost.wait(), 20)

    ready, reasons = service.readiness()
    assert (ready, reasons["store"]["code"]) == (False, "store.gone")
    assert service.store_error is not None
    assert service.store_error.exit_code == 5
    await service.stop()
