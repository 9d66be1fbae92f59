"""SIGTERM: no more tasks, and none that is lost."""

from __future__ import annotations

import asyncio

from avtomat.conformance.check import Checks
from avtomat.conformance.faults import NotOfferedError
from avtomat.conformance.replies import Begin, Refuse
from avtomat.conformance.stage import Stage, demand

CHECKS = Checks()

IDLE_STOP_S = 3.0


@CHECKS.add
async def stops_at_once_when_idle(stage: Stage) -> None:
    """SIGTERM ends an idle worker within three seconds, with exit code 0: it does not wait for its poll's answer."""
    stage.engine.poll_waits_s = 60
    async with stage.launch() as worker:
        await stage.ready()
        worker.terminate()
        await stage.stopped(worker, IDLE_STOP_S)


@CHECKS.add
async def finishes_what_is_short(stage: Stage) -> None:
    """At SIGTERM a task that needs a second more is finished and delivered; then the worker ends, with exit code
    0.
    """
    async with stage.launch() as worker:
        await _running(stage, 1.5)
        worker.terminate()
        result = await stage.engine.result("job1-a1")
        demand(result.get("data") == {"slept": 1.5}, f"the task ended with {result}")
        await stage.stopped(worker)


@CHECKS.add
async def gives_back_what_is_long(stage: Stage) -> None:
    """At SIGTERM a task that needs longer than AVTOMAT_WORKER_DRAIN_S is stopped and given back."""
    async with stage.launch() as worker:
        await _running(stage, 60)
        worker.terminate()
        result = await stage.engine.result("job1-a1", stage.stop_s)
        seen = result.get("status"), result.get("given_back")
        demand(seen == ("cancelled", True), f"status and given_back were {seen!r}, not ('cancelled', True)")
        await stage.stopped(worker)


@CHECKS.add
async def takes_nothing_more_after_sigterm(stage: Stage) -> None:
    """After SIGTERM no more tasks are taken."""
    async with stage.launch() as worker:
        await _running(stage, 1.5)
        worker.terminate()
        await asyncio.sleep(0.5)  # a poll that was under way may come in
        before = len(stage.engine.of("poll"))
        stage.engine.offer("conformance.echo", {"n": 1})
        await stage.stopped(worker)
        wanted = [call.line for call in stage.engine.of("poll")[before:] if call.tasks_max > 0]
        demand(not wanted, f"it asked for more: {wanted[:1]}")
        demand(len(stage.engine.queue) == 1, "it took another task")


@CHECKS.add
async def delivers_before_it_stops(stage: Stage) -> None:
    """A result that is not delivered yet when SIGTERM comes is delivered before the worker ends."""
    stage.engine.answer("result", Refuse(status=503))
    async with stage.launch() as worker:
        task = stage.engine.offer("conformance.echo", {"n": 1})
        await stage.engine.until(lambda: stage.engine.sent(task), "a result")
        worker.terminate()
        result = await stage.engine.result(task)
        demand(result.get("data") == {"n": 1}, f"the result was {result}")
        await stage.stopped(worker)


@CHECKS.add
async def loses_no_task_under_way(stage: Stage) -> None:
    """(+) A task whose answer is still under way when SIGTERM comes is given back, or done; it is not lost."""
    async with stage.launch() as worker:
        await stage.ready()
        holding = stage.engine.of("poll")[0].holding
        stage.engine.answer("poll", Begin())
        await stage.engine.until(lambda: not stage.engine.is_scripted("poll"), "a poll")
        task = stage.engine.offer("conformance.echo", {"n": 1})
        await stage.engine.until(lambda: stage.engine.begun, "a poll that takes a task")
        worker.terminate()
        await asyncio.sleep(0.5)
        stage.engine.finish_answers()
        await stage.stopped(worker)
        if holding is None:
            raise NotOfferedError("its polls do not say what it holds; what is lost waits for the end of its lease")
        kept = task in stage.engine.released or task in stage.engine.settled
        demand(kept, "the task was neither done nor given back: no poll with `holding` left it out")


async def _running(stage: Stage, seconds: float) -> None:
    """A task of so many seconds is under way."""
    await stage.ready()
    task = stage.engine.offer("conformance.slow", {"seconds": seconds}, lease_s=3)
    await stage.engine.until(lambda: task in stage.engine.handed, "a poll that takes a task")
    await asyncio.sleep(0.3)  # so that it is begun
