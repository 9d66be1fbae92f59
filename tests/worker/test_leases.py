"""What the worker holds stays its own while it lives, and is given up when the engine says so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from avtomat_worker import EngineRefusedError, Limits, TaskContext, Worker
from tests.worker.fake_engine import FakeEngine
from tests.worker.hand_clock import HandClock

NewWorker = Callable[..., Worker]
BACKOFF_1 = 0.25, 0.5
BACKOFF_2 = 0.5, 1


def within(low: float, high: float) -> Callable[[float], bool]:
    return lambda seconds: low <= seconds <= high


def add_endless(worker: Worker) -> None:
    @worker.task("endless")
    async def endless() -> None:
        await asyncio.Event().wait()


async def test_heartbeats_of_an_idle_worker_come_every_third_of_a_lease(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker = new_worker()
    add_endless(worker)
    async with worker:
        for count in (1, 2, 3):
            await engine.until(lambda count=count: len(engine.heartbeats) == count)
            await clock.pass_by(within(24, 30))
    assert engine.heartbeats[0]["status"] == "idle"
    assert engine.heartbeats[0]["current_tasks"] == []


async def test_a_task_with_a_short_lease_hastens_the_heartbeats(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker = new_worker(limits=Limits(drain_s=0, cancel_grace_s=0.001))
    add_endless(worker)
    async with worker:
        await engine.until(lambda: len(engine.heartbeats) == 1)
        engine.offer("endless", lease_s=6)
        await clock.pass_by(lambda seconds: seconds == 2)
        await engine.until(lambda: len(engine.heartbeats) == 2)
        assert engine.heartbeats[1]["current_tasks"] == ["task-1"]
        assert engine.heartbeats[1]["status"] == "busy"
        await clock.pass_by(within(1.6, 2))
        await engine.until(lambda: len(engine.heartbeats) == 3)
        worker.stop()
        await clock.pass_by(lambda seconds: seconds == 0)


async def test_a_cancelled_task_is_cancelled_and_says_so(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker, cleaned = new_worker(), asyncio.Event()

    @worker.task("endless")
    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    engine.orders = {"cancel_task_ids": ["task-1", "never-heard-of"]}
    engine.offer("endless")
    async with worker:
        await clock.pass_by(lambda seconds: 5 < seconds <= 10)
        await cleaned.wait()
        result = await engine.result()
    assert result["status"] == "cancelled"
    assert "error" not in result


async def test_a_thread_sees_that_it_is_cancelled_and_what_it_returns_does_not_count(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker, looked = new_worker(), threading.Event()

    @worker.task("plain")
    def plain(context: TaskContext) -> str:
        while not context.cancelled:
            looked.set()
            context.cancel_asked.wait(10)
        return "half done"

    engine.offer("plain")
    async with worker:
        await asyncio.to_thread(looked.wait, 10)
        engine.orders = {"cancel_task_ids": ["task-1"]}
        await clock.pass_by(lambda seconds: 5 < seconds <= 10)
        assert (await engine.result())["status"] == "cancelled"


async def test_a_thread_that_ends_without_seeing_the_cancel_has_done_its_work(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker = new_worker()

    @worker.task("plain")
    def plain(context: TaskContext) -> str:
        context.cancel_asked.wait(10)
        return "done"

    engine.offer("plain")
    engine.orders = {"cancel_task_ids": ["task-1"]}
    async with worker:
        await clock.pass_by(lambda seconds: 5 < seconds <= 10)
        assert (await engine.result())["data"] == "done"


async def test_a_task_that_passes_its_deadline_is_cancelled(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker = new_worker()
    add_endless(worker)
    engine.offer("endless", deadline=1007, timestamp=1000)
    async with worker:
        await clock.pass_by(lambda seconds: seconds == 8)
        assert (await engine.result())["error"]["code"] == "TIMEOUT_ERROR"


async def test_a_worker_that_the_engine_forgot_registers_again(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker = new_worker()
    add_endless(worker)
    async with worker:
        await engine.until(lambda: len(engine.heartbeats) == 1)
        engine.known.clear()
        await clock.pass_by(within(24, 30))
        await engine.until(lambda: len(engine.registrations) == 2)
        await engine.until(lambda: "w1" in engine.known)
        await clock.pass_by(within(*BACKOFF_1))
        await engine.until(lambda: len(engine.heartbeats) == 3)


async def test_a_worker_whose_poll_finds_that_it_is_unknown_registers_again(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker = new_worker()

    @worker.task("quick")
    def quick() -> None: ...

    engine.refuse("poll", 404)
    async with worker:
        await clock.pass_by(within(*BACKOFF_1))
        await engine.until(lambda: len(engine.registrations) == 2)
        engine.offer("quick")
        await engine.result()


async def test_an_engine_that_asks_for_a_full_sync_gets_a_registration(
    engine: FakeEngine, new_worker: NewWorker
) -> None:
    worker = new_worker()
    add_endless(worker)
    engine.orders = {"require_full_sync": True}
    async with worker:
        await engine.until(lambda: len(engine.registrations) == 2)


async def test_a_worker_waits_for_an_engine_that_is_not_there_yet(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker = new_worker()
    add_endless(worker)
    engine.refuse("register", 503, times=2)
    serving = asyncio.create_task(worker.serve())
    await clock.pass_by(within(*BACKOFF_1))
    await clock.pass_by(within(*BACKOFF_2))
    await engine.until(lambda: "w1" in engine.known)
    assert len(engine.registrations) == 3
    worker.stop()
    await serving


async def test_a_worker_that_is_still_waiting_for_the_engine_can_be_stopped(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker = new_worker()
    add_endless(worker)
    engine.refuse("register", 503)
    serving = asyncio.create_task(worker.serve())
    await clock.someone_waits(within(*BACKOFF_1))
    worker.stop()
    await serving
    assert engine.heartbeats == []


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_worker_that_the_engine_does_not_want_ends_with_the_reason(
    engine: FakeEngine, new_worker: NewWorker, status: int
) -> None:
    worker = new_worker()
    add_endless(worker)
    engine.refuse("register", status)
    with pytest.raises(EngineRefusedError) as caught:
        await worker.serve()
    assert caught.value.status == status
    assert caught.value.is_about_the_token == (status in {401, 403})
    assert "t0ken" not in str(caught.value)


async def test_polls_that_fail_are_repeated_after_growing_pauses(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker = new_worker()
    add_endless(worker)
    engine.refuse("poll", 503, times=7)
    async with worker:
        for exponent in range(7):
            ceiling = min(30, 0.5 * 2**exponent)
            await clock.pass_by(lambda seconds, top=ceiling: top / 2 <= seconds <= top and seconds not in beats(clock))
        await engine.until(lambda: len(engine.polls) == 8)


def beats(clock: HandClock) -> set[float]:
    """The pauses between heartbeats, which nobody means here."""
    return {seconds for seconds in clock.waits if 24 <= seconds <= 30}


async def test_a_poll_heeds_retry_after(engine: FakeEngine, new_worker: NewWorker, clock: HandClock) -> None:
    worker = new_worker()
    add_endless(worker)
    engine.refuse("poll", 429, **{"Retry-After": "7"})
    async with worker:
        await clock.pass_by(lambda seconds: seconds == 7)
        await engine.until(lambda: len(engine.polls) == 2)


async def test_an_engine_that_lets_no_poll_wait_is_not_asked_in_a_loop(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker = new_worker()
    add_endless(worker)
    engine.polls_are_answered_at_once = True
    async with worker:
        await clock.pass_by(within(*BACKOFF_1))
        await clock.pass_by(within(*BACKOFF_2))
        await engine.until(lambda: len(engine.polls) == 3)


async def test_a_task_whose_hand_out_was_lost_comes_with_the_next_poll(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker, done = new_worker(), []

    @worker.task("quick")
    def quick(n: int) -> None:
        done.append(n)

    engine.polls_that_lose_their_answer = 1
    engine.offer("quick", {"n": 1})
    passing = asyncio.create_task(clock.pass_always(within(0.25, 1)))
    async with worker:
        await engine.until(lambda: len(engine.polls) == 3 and bool(engine.results))
    passing.cancel()
    assert done == [1]
    assert engine.polls[0]["nonce"] == engine.polls[1]["nonce"] != engine.polls[2]["nonce"]


async def test_a_poll_says_what_the_worker_holds(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker = new_worker(concurrency=2, limits=Limits(drain_s=0.001, cancel_grace_s=1))
    add_endless(worker)
    engine.offer("endless")
    serving = asyncio.create_task(worker.serve())
    await engine.until(lambda: len(engine.polls) == 2)
    serving.cancel()
    await asyncio.wait({serving})
    assert (engine.polls[0]["holding"], engine.polls[0]["max"]) == ("", "2")
    assert (engine.polls[1]["holding"], engine.polls[1]["max"]) == ("task-1", "1")


async def test_a_task_that_is_handed_out_twice_runs_once(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker, started, go = new_worker(), [], asyncio.Event()

    @worker.task("slow")
    async def slow(context: TaskContext) -> None:
        started.append(context.task_id)
        await go.wait()

    engine.offer("slow")
    async with worker:
        await engine.until(lambda: len(engine.polls) == 2)
        engine.offer("slow")
        engine.queue[0]["task_id"] = "task-1"
        await engine.until(lambda: len(engine.polls) == 3)
        go.set()
        await engine.result()
    assert started == ["task-1"]


async def test_a_payload_without_an_id_does_not_stop_the_others(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker = new_worker()

    @worker.task("quick")
    def quick() -> None: ...

    broken: dict[str, Any] = {"type": "quick"}
    engine.queue.append(broken)
    task_id = engine.offer("quick")
    async with worker:
        assert (await engine.result())["task_id"] == task_id


async def test_a_worker_with_much_room_asks_for_no_more_than_the_engine_gives_at_once(
    engine: FakeEngine, new_worker: NewWorker
) -> None:
    worker = new_worker(concurrency=1_000)
    add_endless(worker)
    async with worker:
        await engine.until(lambda: bool(engine.polls))
    assert engine.polls[0]["max"] == "100"


async def test_a_result_that_waits_keeps_its_lease(engine: FakeEngine, new_worker: NewWorker, clock: HandClock) -> None:
    worker = new_worker()

    @worker.task("quick")
    async def quick() -> None:
        return

    engine.refuse("result", 429, **{"Retry-After": "20"})
    async with worker:
        await engine.until(lambda: len(engine.heartbeats) == 1)
        engine.offer("quick", lease_s=6)
        await clock.someone_waits(lambda seconds: seconds == 20)
        for count in (2, 3):
            await clock.pass_by(within(1.6, 2))
            await engine.until(lambda count=count: len(engine.heartbeats) == count)
            assert engine.heartbeats[-1]["current_tasks"] == ["task-1"]
        clock.turn(20)
        await engine.result()
