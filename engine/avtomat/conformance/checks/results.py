"""Results: repeated until the engine has answered, and not once more."""

from __future__ import annotations

import asyncio

from avtomat.conformance.check import Checks
from avtomat.conformance.replies import Delay, Drop, Lose, Refuse
from avtomat.conformance.stage import Stage, demand

CHECKS = Checks()
QUIET_S = 2.0
"""So long is watched whether something comes that must not."""
PARAMS = {"n": 1}
_TIMES = ("timestamp", "security")


@CHECKS.add
async def repeats_a_result_after_503(stage: Stage) -> None:
    """A result that is answered 503 is sent again, the same one, until it is taken."""
    stage.engine.answer("result", Refuse(status=503), Refuse(status=500))
    async with stage.launch():
        task = stage.engine.offer("conformance.echo", PARAMS)
        await stage.engine.result(task)
        _same(stage, task)


@CHECKS.add
async def repeats_a_result_after_429(stage: Stage) -> None:
    """A result that is answered 429 is sent again, not before Retry-After is over."""
    stage.engine.answer("result", Refuse(status=429, headers={"Retry-After": "2"}))
    async with stage.launch():
        task = stage.engine.offer("conformance.echo", PARAMS)
        await stage.engine.result(task)
        first, second = stage.engine.of("result")[:2]
        waited_s = second.at_s - first.at_s
        demand(waited_s >= 1.9, f"with Retry-After: 2 it came again after {waited_s:.2f} s")
        _same(stage, task)


@CHECKS.add
async def repeats_a_result_after_a_broken_connection(stage: Stage) -> None:
    """A result whose connection breaks without an answer is sent again, the same one."""
    stage.engine.answer("result", Drop(), Lose())
    async with stage.launch():
        task = stage.engine.offer("conformance.echo", PARAMS)
        await stage.engine.until(lambda: len(stage.engine.sent(task)) >= 3, "the result for the third time")
        _same(stage, task)


@CHECKS.add
async def waits_for_a_slow_answer(stage: Stage) -> None:
    """A result whose answer takes three seconds is not sent a second time meanwhile."""
    stage.engine.answer("result", Delay(seconds=3))
    async with stage.launch():
        task = stage.engine.offer("conformance.echo", PARAMS)
        await stage.engine.result(task)
        await asyncio.sleep(3)
        await stage.echo()
        sent = len(stage.engine.sent(task))
        demand(sent == 1, f"it was sent {sent} times")


@CHECKS.add
async def an_accepted_result_is_done_with(stage: Stage) -> None:
    """A result that is answered `accepted` is not sent again."""
    await _is_final(stage)


@CHECKS.add
async def an_ignored_result_is_done_with(stage: Stage) -> None:
    """A result that is answered `ignored` is not sent again, and the worker goes on."""
    stage.engine.receipt = {"status": "ignored", "reason": "stale_task"}
    await _is_final(stage)


@CHECKS.add
async def a_refused_result_is_not_repeated(stage: Stage) -> None:
    """A result that is refused with 413 is not sent again as it is; a failure that says so may take its place."""
    stage.engine.answer("result", Refuse(status=413, body=b'{"error": "too large"}'))
    async with stage.launch():
        task = stage.engine.offer("conformance.echo", PARAMS)
        await stage.engine.result(task)
        await asyncio.sleep(QUIET_S)
        again = [each for each in stage.engine.sent(task)[1:] if each.get("data") == PARAMS]
        demand(not again, f"the refused result came again {len(again)} times")
        await stage.echo()


async def _is_final(stage: Stage) -> None:
    async with stage.launch():
        task = stage.engine.offer("conformance.echo", PARAMS)
        await stage.engine.result(task)
        await asyncio.sleep(QUIET_S)
        sent = len(stage.engine.sent(task))
        demand(sent == 1, f"it was sent {sent} times")
        await stage.echo()


def _same(stage: Stage, task: str) -> None:
    """All that was sent for an attempt says the same, as the answer to one execution."""
    sent = [{key: value for key, value in each.items() if key not in _TIMES} for each in stage.engine.sent(task)]
    different = [each for each in sent if each != sent[0]]
    demand(not different, f"first {sent[0]} was sent, then {different[:1]}")
    demand(sent[0].get("data") == PARAMS, f"the result was {sent[0]}")
