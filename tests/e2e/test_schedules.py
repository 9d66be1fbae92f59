"""Two replicas on a real Redis make up for many runs of schedules while they are killed: each run has one job."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from avtomat.runtime.schedules.record import Record
from avtomat.runtime.schedules.shared import TOPIC
from avtomat.storage.port.answers import Wakeups
from avtomat.storage.redis.store import RedisStore
from tests.e2e.conditions import until
from tests.e2e.processes import EngineProcess
from tests.e2e.test_kill import times
from tests.servers import RedisServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SCHEDULES, RUNS, MINUTE_MS = 5, 100, 60_000
ENTRIES = "\n".join(
    f"  - {{name: s{number}, cron: '* * * * *', overlap: queue, catch_up: all}}" for number in range(SCHEDULES)
)
TEXT = f"avtomat: 1\nblueprint: often\nschedule:\n{ENTRIES}\nstates:\n  done: {{succeed: 1}}\n"


async def since_long(url: str) -> None:
    """Write down that these schedules are so many runs behind."""
    store = RedisStore(url)
    await store.open(Wakeups(queue=lambda *_: None, job=lambda _: None, lost=lambda: None))
    done_ms = store.wall_ms() // MINUTE_MS * MINUTE_MS - RUNS * MINUTE_MS
    record = Record(rule="* * * * * UTC", since_ms=0, done_ms=done_ms)
    await store.agree(TOPIC, {f"often/s{number}": record.as_bytes() for number in range(SCHEDULES)}, {})
    await store.close()


def made(engine: EngineProcess) -> Counter[tuple[str, str]]:
    """How many jobs there are of each run."""
    jobs: list[Any] = []
    cursor = ""
    while True:
        page = engine.ask("GET", f"/api/v1/jobs?blueprint=often&limit=200{cursor}").body
        jobs += page["jobs"]
        if not page["next_cursor"]:
            return Counter((job["labels"]["schedule"], job["labels"]["scheduled_for"]) for job in jobs)
        cursor = f"&cursor={page['next_cursor']}"


@times(3, 25)
def test_each_run_has_one_job_although_replicas_are_killed(
    folder: Path, stack: ExitStack, fresh_redis: RedisServer, kills: int, chance: random.Random
) -> None:
    asyncio.run(since_long(fresh_redis.url))
    (folder / "workflows/often.yaml").write_text(TEXT)
    engines = [
        stack.enter_context(EngineProcess(folder, store=fresh_redis.url, log=f"engine-{number}.log"))
        for number in (1, 2)
    ]
    for number in range(kills):
        victim, other = engines if chance.random() < 0.5 else engines[::-1]
        other.wait_ready()
        wanted = (number + 1) * SCHEDULES * RUNS // (kills + 2)
        until(lambda other=other, wanted=wanted: made(other).total() >= wanted, f"{wanted} jobs")
        victim.kill()
        victim.start()
    engines[0].wait_ready()

    def is_done() -> bool:
        shown = engines[0].ask("GET", "/api/v1/schedules?blueprint=often").body["schedules"]
        return not any(each["waiting"] or "starting" in str(each["runs"]) for each in shown)

    until(is_done, "all runs")
    found = made(engines[0])
    assert set(found.values()) == {1}
    assert all(sum(name == f"s{number}" for name, _ in found) >= RUNS for number in range(SCHEDULES))
