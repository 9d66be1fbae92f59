"""A Redis that dies or freezes is told by readiness and metrics, keeps nobody waiting, and harms no job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from avtomat.api.public.engine_metrics import EngineMetrics
from avtomat.errors import StoreAnswerLost, StoreBusy, StoreError, StoreNotExecuted
from avtomat.runtime import repeating
from avtomat.runtime.repeating import repeat
from tests.runtime.bench import Bench, bench_of
from tests.servers import RedisServer, stopped

ONE = "states: {one: {task: work}}"
PATIENCE_S = 20
TOLD_WITHIN_S = 4.5
"""A call that is made while the store is away takes 2 s; the rest is for a busy machine."""
PAUSE_S = 3


@pytest.fixture
async def bench(tmp_path: Path, fresh_redis: RedisServer) -> AsyncIterator[Bench]:
    async with bench_of(ONE, tmp_path, fresh_redis.url) as bench:
        yield bench
        fresh_redis.start()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 – nobody tells when it changes
            await asyncio.sleep(0.02)


def reason_of(bench: Bench) -> str:
    """The code of what readiness says of the store; '' while it is ready."""
    ready, reasons = bench.service.readiness()
    assert ready == ("store" not in reasons)
    return "" if ready else str(reasons["store"]["code"])  # type: ignore[index,call-overload]


def available(bench: Bench) -> float:
    metrics = EngineMetrics(
        bench.service.measures, bench.service.blueprint_counts, bench.service.store.trouble, bench.service.trust
    )
    [found] = [metric for metric in metrics.collect() if metric.name == "avtomat_store_available"]
    return float(found.samples[0].value)


async def test_a_killed_redis_is_told_until_it_is_back(bench: Bench, fresh_redis: RedisServer) -> None:
    assert (reason_of(bench), available(bench)) == ("", 1)
    fresh_redis.kill()
    await until(lambda: reason_of(bench) == "store.unavailable")
    assert available(bench) == 0

    await asyncio.to_thread(fresh_redis.start)
    await until(lambda: reason_of(bench) == "")
    assert available(bench) == 1


async def test_a_frozen_redis_is_told_until_it_goes_on_although_nobody_asks_it(
    bench: Bench, fresh_redis: RedisServer
) -> None:
    with stopped(fresh_redis):
        await until(lambda: reason_of(bench) == "store.unavailable")
        assert available(bench) == 0
    await until(lambda: reason_of(bench) == "")
    assert available(bench) == 1


async def test_requests_are_refused_soon_while_redis_is_dead(bench: Bench, fresh_redis: RedisServer) -> None:
    job = await bench.submit()
    fresh_redis.kill()
    await until(lambda: reason_of(bench) == "store.unavailable")
    for call in (bench.submit, lambda: bench.job(job)):
        async with asyncio.timeout(TOLD_WITHIN_S):
            with pytest.raises(StoreError, match="no connection to Redis") as refused:
                await call()
        assert refused.value.code == "store.unavailable"


async def test_requests_are_refused_soon_while_redis_is_frozen(bench: Bench, fresh_redis: RedisServer) -> None:
    job = await bench.submit()
    with stopped(fresh_redis):
        await until(lambda: "no connection" in str(bench.service.store.trouble()))
        for call in (bench.submit, lambda: bench.job(job)):
            async with asyncio.timeout(TOLD_WITHIN_S):
                with pytest.raises(StoreError, match="Redis"):
                    await call()


async def test_a_job_that_is_sent_while_redis_comes_back_is_taken(bench: Bench, fresh_redis: RedisServer) -> None:
    fresh_redis.kill()
    await until(lambda: reason_of(bench) == "store.unavailable")
    submitting = asyncio.create_task(bench.submit())
    await asyncio.to_thread(fresh_redis.start)
    job = await submitting
    assert (await bench.job(job))["status"] == "waiting_for_worker"


async def test_jobs_are_unharmed_by_a_pause_of_redis(bench: Bench, fresh_redis: RedisServer) -> None:
    held = await bench.submit()
    task = await bench.take()
    with stopped(fresh_redis):
        answering, submitting = asyncio.create_task(bench.answer(task)), asyncio.create_task(bench.submit())
        await asyncio.sleep(PAUSE_S)
    assert await answering == {"status": "accepted"}
    sent = await submitting
    await bench.answer(await bench.take())

    jobs = [await bench.job(job) for job in (held, sent)]
    assert [job["status"] for job in jobs] == ["finished", "finished"]


class Failing:
    """A call that fails with each of these, then succeeds."""

    def __init__(self, *errors: StoreError) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "REPEAT_AFTER_S", 0.0)


@pytest.mark.usefixtures("hurried")
async def test_a_call_whose_answer_was_lost_is_made_again() -> None:
    assert await repeat(Failing(StoreAnswerLost("lost"), StoreNotExecuted("away"))) == "done"


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("then", [StoreNotExecuted("away"), StoreBusy("busy")])
async def test_what_may_have_been_done_is_never_told_as_not_done(then: Any) -> None:
    with pytest.raises(StoreAnswerLost):
        await repeat(Failing(StoreAnswerLost("lost"), then, then, then))


async def test_who_waited_in_vain_is_not_kept_waiting_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "REPEAT_WITHIN_S", -1.0)
    away = Failing(StoreNotExecuted("away"))
    with pytest.raises(StoreNotExecuted):
        await repeat(away)
    assert away.calls == 1
