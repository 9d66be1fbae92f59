"""Heartbeats: they keep leases, and bring what is to be cancelled."""

from __future__ import annotations

from itertools import pairwise

from avtomat.conformance.check import Checks
from avtomat.conformance.replies import Drop, Refuse
from avtomat.conformance.stage import Stage, demand

CHECKS = Checks()
LEASE_S = 3.0
LONG_S = 60


@CHECKS.add
async def keeps_the_lease(stage: Stage) -> None:
    """While a task runs for longer than its lease, heartbeats name it, never further apart than the lease."""
    await _lease_is_kept(stage)


@CHECKS.add
async def keeps_the_lease_of_a_result(stage: Stage) -> None:
    """While a result waits to be sent again, heartbeats name its attempt: a lease that ends makes the work vain."""
    async with stage.launch():
        await stage.ready()
        stage.engine.answer("result", Refuse(status=429, headers={"Retry-After": "5"}))
        task = stage.engine.offer("conformance.slow", {"seconds": 0.5}, lease_s=LEASE_S)
        await stage.engine.until(lambda: stage.engine.sent(task), "a result")
        refused_at_s = stage.engine.of("result")[0].at_s
        await stage.engine.result(task, 5 + stage.engine.patience_s)
        beats = [at_s for at_s in _beats(stage, task) if at_s > refused_at_s]
        _demand_no_gap([refused_at_s, *beats, stage.engine.of("result")[1].at_s])


@CHECKS.add
async def jitter_costs_no_lease(stage: Stage) -> None:
    """`next_heartbeat_jitter_ms`, however large, puts no heartbeat off beyond the end of a lease."""
    stage.engine.orders = {"next_heartbeat_jitter_ms": 60_000}
    await _lease_is_kept(stage)


@CHECKS.add
async def repeats_a_heartbeat_that_failed(stage: Stage) -> None:
    """Heartbeats that are answered 503, or not at all, are repeated within the lease, and cost no task."""
    async with stage.launch():
        await stage.ready()
        task = stage.engine.offer("conformance.slow", {"seconds": 4}, lease_s=LEASE_S)
        await stage.engine.until(lambda: task in stage.engine.handed, "a poll that takes a task")
        stage.engine.answer("heartbeat", Refuse(status=503), Drop())
        before = len(_beats(stage, task))
        await stage.engine.until(lambda: len(_beats(stage, task)) >= before + 3, "three more heartbeats for the task")
        await stage.engine.result(task)


@CHECKS.add
async def stops_what_is_cancelled(stage: Stage) -> None:
    """An attempt in `cancel_task_ids` is stopped, and reported as cancelled; the worker goes on."""
    async with stage.launch():
        await stage.ready()
        task = stage.engine.offer("conformance.slow", {"seconds": LONG_S}, lease_s=LEASE_S)
        await stage.engine.until(lambda: task in stage.engine.handed, "a poll that takes a task")
        stage.engine.orders = {"cancel_task_ids": [task]}
        result = await stage.engine.result(task)
        stage.engine.orders = {}
        demand(result.get("status") == "cancelled", f"the status was {result.get('status')!r}, not 'cancelled'")
        demand(not result.get("given_back"), "it was given back, so that another worker would get it")
        await stage.echo()


@CHECKS.add
async def a_foreign_cancel_changes_nothing(stage: Stage) -> None:
    """An id in `cancel_task_ids` that the worker does not know changes nothing."""
    async with stage.launch():
        await stage.ready()
        stage.engine.orders = {"cancel_task_ids": ["somebody-elses", "job9-a9"]}
        task = stage.engine.offer("conformance.slow", {"seconds": 2}, lease_s=LEASE_S)
        result = await stage.engine.result(task)
        demand(result.get("data") == {"slept": 2}, f"the task ended with {result}")
        demand(not stage.engine.sent("somebody-elses"), "a result was reported for it")


async def _lease_is_kept(stage: Stage) -> None:
    async with stage.launch():
        await stage.ready()
        task = stage.engine.offer("conformance.slow", {"seconds": 5}, lease_s=LEASE_S)
        await stage.engine.until(lambda: task in stage.engine.handed, "a poll that takes a task")
        taken_at_s = stage.engine.of("poll")[-1].at_s
        result = await stage.engine.result(task, 5 + stage.engine.patience_s)
        demand(result.get("data") == {"slept": 5}, f"the task ended with {result}")
        delivered = next(call for call in stage.engine.of("result") if task in str(call.body))
        # the poll was asked at most a poll's wait before the task was there
        _demand_no_gap([taken_at_s + stage.engine.poll_waits_s, *_beats(stage, task), delivered.at_s])


def _demand_no_gap(moments: list[float]) -> None:
    gap_s = max(after - before for before, after in pairwise(moments))
    demand(gap_s <= LEASE_S, f"for {gap_s:.1f} s no heartbeat named the task, whose lease is {LEASE_S:g} s")


def _beats(stage: Stage, task: str) -> list[float]:
    """When heartbeats came that name the attempt."""
    beats = [call for call in stage.engine.of("heartbeat") if isinstance(call.body, dict)]
    return [call.at_s for call in beats if task in (call.body.get("current_tasks") or ())]
