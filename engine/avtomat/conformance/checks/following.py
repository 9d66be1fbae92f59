"""Results that ask for the next task: one request less, no task lost, none twice."""

from __future__ import annotations

from avtomat.conformance.check import Checks
from avtomat.conformance.faults import NotOfferedError
from avtomat.conformance.replies import Lose, Refuse
from avtomat.conformance.stage import Stage, demand

CHECKS = Checks()


@CHECKS.add
async def takes_the_next_task_with_the_answer(stage: Stage) -> None:
    """(+) A result that asks with `next` gets a task with its answer; it is done, and has one result."""
    async with stage.launch():
        await stage.ready()
        first = stage.engine.offer("conformance.slow", {"seconds": 1})
        await stage.engine.until(lambda: first in stage.engine.handed, "a poll that takes a task")
        rest = [stage.engine.offer("conformance.slow", {"seconds": 1}) for _ in range(2 * stage.concurrency)]
        for task in (first, *rest):
            await stage.engine.result(task)
        _demand_next(stage)
        demand(all(len(stage.engine.sent(task)) == 1 for task in (first, *rest)), "a task had several results")
        await stage.echo()


@CHECKS.add
async def gets_a_task_again_that_a_lost_answer_brought(stage: Stage) -> None:
    """(+) A result with `next` whose answer is lost: the task that it brought comes again, and is done once."""
    async with stage.launch():
        await stage.ready()
        tasks = [stage.engine.offer("conformance.slow", {"seconds": 1}) for _ in range(2 * stage.concurrency)]
        stage.engine.answer("result", Lose(), Refuse(status=503))
        for task in tasks:
            await stage.engine.result(task)
        _demand_next(stage)
        await stage.echo()


def _demand_next(stage: Stage) -> None:
    if not any("next" in call.query for call in stage.engine.of("result")):
        raise NotOfferedError("its results do not ask for the next task; it polls for each")
