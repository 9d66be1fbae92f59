"""An engine whose clock is wrong waits as long as it was told to."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.processes import EngineProcess
from tests.servers import RedisServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SHIFTED = """\
import time
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + {hours} * 3600
time.time_ns = lambda: _time_ns() + {hours} * 3_600_000_000_000
"""
"""What Python runs first in a process whose clock is so many hours off. libfaketime would shift its loop as well."""

EARLY_S = 0.5
"""Clocks are read in milliseconds, and a replica knows that of the store by answers that were under way for a while."""

LATE_S = 30
"""What a busy machine may need beside; an hour would be seen."""


def engine_off_by(hours: int, folder: Path, store: str | None = None) -> EngineProcess:
    """An engine whose wall clock is wrong; time.monotonic, as that of a machine, is not."""
    hook = folder / f"off-by-{hours}"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(SHIFTED.format(hours=hours))
    search = os.pathsep.join([str(hook), *filter(None, [os.environ.get("PYTHONPATH")])])
    return EngineProcess(folder, store=store, env={"PYTHONPATH": search}, log=f"off-by-{hours}.log")


def waits_as_told(engine: EngineProcess, end: EngineProcess, seconds: int) -> bool:
    """Whether a job that is submitted at one engine and awaited at another waits so long."""
    begun = time.monotonic()
    job_id = engine.submit("pause", {"seconds": f"{seconds}s"})["job_id"]
    assert end.job(job_id, wait_s=60)["status"] == "finished"
    return seconds - EARLY_S < time.monotonic() - begun < seconds + LATE_S


LENGTHS = pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.nightly)])


@LENGTHS
@pytest.mark.parametrize("hours", [1, -1])
def test_replicas_whose_clocks_differ_by_an_hour_wait_as_told(
    folder: Path, stack: ExitStack, fresh_redis: RedisServer, hours: int, seconds: int
) -> None:
    off = stack.enter_context(engine_off_by(hours, folder, fresh_redis.url))
    right = stack.enter_context(EngineProcess(folder, store=fresh_redis.url))

    assert waits_as_told(off, right, seconds)
    assert waits_as_told(right, off, seconds)
    off.kill()
    assert waits_as_told(right, right, seconds)


@LENGTHS
def test_an_engine_on_sqlite_whose_clock_is_an_hour_off_waits_as_told(
    folder: Path, stack: ExitStack, seconds: int
) -> None:
    off = stack.enter_context(engine_off_by(1, folder))

    assert waits_as_told(off, off, seconds)


def test_the_shifted_engine_is_shifted(folder: Path, stack: ExitStack) -> None:
    from datetime import UTC, datetime

    off = stack.enter_context(engine_off_by(1, folder))
    created = off.job(off.submit("pause", {"seconds": "3s"})["job_id"])["created_at"]

    assert (datetime.fromisoformat(created) - datetime.now(UTC)).total_seconds() > 3500
