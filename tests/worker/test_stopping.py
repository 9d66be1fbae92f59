"""A worker that stops loses nothing: neither what it runs, nor what it has done, nor what never arrived."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable

import pytest

from avtomat_worker import Limits, TaskContext, Worker
from tests.worker.fake_engine import FakeEngine
from tests.worker.hand_clock import HandClock

NewWorker = Callable[..., Worker]

SCRIPT = """
import sys, threading
from avtomat_worker import Limits, Worker
worker = Worker(sys.argv[1], worker_id="w1", limits=Limits(drain_s=float(sys.argv[2]), cancel_grace_s=0.2))

@worker.task("quick")
def quick():
    pass

@worker.task("endless")
def endless():
    threading.Event().wait()

worker.run()
"""


async def test_a_running_task_may_finish(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker, started, go = new_worker(), asyncio.Event(), asyncio.Event()

    @worker.task("slow")
    async def slow() -> str:
        started.set()
        await go.wait()
        return "done"

    engine.offer("slow")
    serving = asyncio.create_task(worker.serve())
    await started.wait()
    worker.stop()
    await engine.until(lambda: engine.last_status == "draining")
    asked = len(engine.polls)
    go.set()
    await serving
    assert (await engine.result())["data"] == "done"
    assert [poll for poll in engine.polls[asked:] if poll["max"] != "0"] == []
    assert engine.heartbeats[-1] | {"timestamp": 0, "skills_hash": ""} == {
        "worker_id": "w1",
        "status": "offline",
        "current_tasks": [],
        "skills_hash": "",
        "timestamp": 0,
    }


async def test_a_task_that_does_not_finish_in_time_is_cancelled_and_given_back(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker, started, cleaned = new_worker(limits=Limits(drain_s=17)), asyncio.Event(), asyncio.Event()

    @worker.task("endless")
    async def endless() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    engine.offer("endless")
    serving = asyncio.create_task(worker.serve())
    await started.wait()
    worker.stop()
    await clock.pass_by(lambda seconds: seconds == 17)
    await serving
    assert cleaned.is_set()
    result = await engine.result()
    assert (result["status"], result["given_back"]) == ("cancelled", True)


async def test_a_thread_that_never_ends_is_given_back_all_the_same(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker, started, go = new_worker(limits=Limits(drain_s=17, cancel_grace_s=3)), threading.Event(), threading.Event()

    @worker.task("deaf")
    def deaf(context: TaskContext) -> None:
        started.set()
        go.wait(10)

    engine.offer("deaf")
    serving = asyncio.create_task(worker.serve())
    await asyncio.to_thread(started.wait, 10)
    worker.stop()
    await clock.pass_by(lambda seconds: seconds == 17)
    await clock.pass_by(lambda seconds: seconds == 3)
    await serving
    go.set()
    result = await engine.result()
    assert (result["status"], result["given_back"]) == ("cancelled", True)


async def test_what_was_handed_out_and_never_arrived_is_given_back(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker, started, go = new_worker(), asyncio.Event(), asyncio.Event()

    @worker.task("slow")
    async def slow() -> None:
        started.set()
        await go.wait()

    engine.offer("slow")
    serving = asyncio.create_task(worker.serve())
    await started.wait()
    await engine.until(lambda: len(engine.polls) == 2)
    worker.stop()
    await engine.until(lambda: len(engine.polls) == 3)
    go.set()
    await serving
    last = engine.polls[-1]
    assert (last["max"], last["timeout"], last["holding"]) == ("0", "0", "task-1")
    assert last["nonce"] not in {poll["nonce"] for poll in engine.polls[:-1]}


async def test_a_result_is_delivered_before_the_end(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    worker = new_worker(limits=Limits(flush_s=6))

    @worker.task("quick")
    def quick() -> None: ...

    engine.refuse("result", 503, **{"Retry-After": "5"})
    engine.offer("quick")
    serving = asyncio.create_task(worker.serve())
    await clock.someone_waits(lambda seconds: seconds == 5)
    worker.stop()
    await clock.someone_waits(lambda seconds: seconds == 6)
    clock.turn(5)
    await serving
    assert (await engine.result())["status"] == "success"


async def test_a_worker_can_be_stopped_from_any_thread_and_serve_again(
    engine: FakeEngine, new_worker: NewWorker
) -> None:
    worker = new_worker()

    @worker.task("quick")
    def quick() -> None: ...

    for times in (1, 2):
        async with worker:
            assert len(engine.registrations) == times
            await asyncio.to_thread(worker.stop)
    assert engine.last_status == "offline"


async def test_run_serves_in_a_thread_of_a_synchronous_program(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker = new_worker()

    @worker.task("quick")
    def quick() -> str:
        return "done"

    engine.offer("quick")
    running = asyncio.create_task(asyncio.to_thread(worker.run))
    assert (await engine.result())["data"] == "done"
    worker.stop()
    await running


async def start(engine: FakeEngine, drain_s: float) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, engine.url, str(drain_s), stderr=asyncio.subprocess.PIPE
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_process_with_success(engine: FakeEngine, number: int) -> None:
    process = await start(engine, 10)
    engine.offer("quick")
    await engine.result()
    process.send_signal(number)
    _, stderr = await process.communicate()
    assert process.returncode == 0, stderr
    assert engine.last_status == "offline"


async def test_a_signal_ends_the_process_although_a_thread_never_ends(engine: FakeEngine) -> None:
    process = await start(engine, 0.1)
    engine.offer("endless")
    await engine.until(lambda: len(engine.polls) == 2)
    process.send_signal(signal.SIGTERM)
    _, stderr = await process.communicate()
    assert process.returncode == 0, stderr
    result = await engine.result()
    assert (result["status"], result["given_back"]) == ("cancelled", True)


async def test_a_second_signal_ends_the_process_at_once(engine: FakeEngine) -> None:
    process = await start(engine, 1000)
    engine.offer("endless")
    await engine.until(lambda: len(engine.polls) == 2)
    process.send_signal(signal.SIGTERM)
    await engine.until(lambda: engine.last_status == "draining")
    process.send_signal(signal.SIGTERM)
    _, stderr = await process.communicate()
    assert process.returncode == 143, stderr
