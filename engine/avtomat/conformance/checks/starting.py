"""Registering: at first, when the engine is not there yet, and when it forgot the worker."""

from __future__ import annotations

import asyncio

from avtomat.conformance.check import Checks
from avtomat.conformance.replies import Drop, Refuse
from avtomat.conformance.stage import KINDS, Stage, demand

CHECKS = Checks()
LEASE_S = 3.0
ABSENT_S = 1.0
RETRY_AFTER_S = 1


@CHECKS.add
async def registers(stage: Stage) -> None:
    """The worker registers under its id, with the kinds of task that it offers, before it polls for them."""
    async with stage.launch():
        await stage.ready()
        first, registration = stage.engine.calls[0], stage.engine.of("register")[0].body
        demand(first.name == "register", f"its first request was {first.line}")
        offered = {each if isinstance(each, str) else each["name"] for each in registration["supported_skills"]}
        demand(offered >= set(KINDS), f"it did not register {', '.join(sorted(set(KINDS) - offered))}")
        polled = set(stage.engine.of("poll")[0].query.get("available_skills", "").split(",")) - {""}
        demand(polled <= offered, f"it polls for {', '.join(sorted(polled - offered))}, which it did not register")


@CHECKS.add
async def repeats_the_first_registration(stage: Stage) -> None:
    """A first registration that is answered 503, 429 or not at all is repeated, not before Retry-After is over."""
    later = {"Retry-After": str(RETRY_AFTER_S)}
    stage.engine.answer("register", Refuse(status=503), Drop(), Refuse(status=429, headers=later))
    async with stage.launch():
        await stage.engine.until(lambda: len(stage.engine.of("register")) >= 4, "a fourth registration", stage.start_s)
        third, fourth = stage.engine.of("register")[2:4]
        waited_s = fourth.at_s - third.at_s
        demand(
            waited_s >= RETRY_AFTER_S * 0.95, f"with Retry-After: {RETRY_AFTER_S} it came again after {waited_s:.2f} s"
        )
        await stage.echo()


@CHECKS.add
async def waits_for_the_engine(stage: Stage) -> None:
    """A worker that is started before the engine waits for it."""
    await stage.engine.close()
    async with stage.launch() as worker:
        demand(await worker.exited(ABSENT_S) is None, f"it ended with {worker.exit_code} because nobody listened")
        await stage.engine.open()
        await stage.engine.until(lambda: stage.engine.of("register"), "a registration", stage.start_s)
        await stage.echo()


@CHECKS.add
async def ends_when_its_token_is_refused(stage: Stage) -> None:
    """A worker whose token is refused at the first registration ends, with another exit code than 0."""
    stage.engine.answer("register", *[Refuse(status=401, body=b'{"error": "wrong token"}')] * 100)
    async with stage.launch() as worker:
        code = await worker.exited(stage.start_s)
        demand(code is not None, f"it still ran after {stage.start_s:g} s and {len(stage.engine.of('register'))} tries")
        demand(code != 0, "it ended with 0, as if all were well")


@CHECKS.add
async def registers_again_when_it_is_not_known(stage: Stage) -> None:
    """A heartbeat that is answered 404 makes the worker register again, and costs no task that runs."""
    async with stage.launch():
        await stage.ready()
        task = stage.engine.offer("conformance.slow", {"seconds": 3}, lease_s=LEASE_S)
        await stage.engine.until(lambda: task in stage.engine.handed, "a poll that takes a task")
        before = len(stage.engine.of("register"))
        stage.engine.forget_workers()
        await stage.engine.until(lambda: len(stage.engine.of("register")) > before, "another registration")
        result = await stage.engine.result(task)
        demand(result.get("data") == {"slept": 3}, f"the task that ran meanwhile ended with {result}")


@CHECKS.add
async def registers_again_when_it_is_asked_to(stage: Stage) -> None:
    """`require_full_sync` in the answer to a heartbeat makes the worker register again."""
    async with stage.launch():
        await stage.ready()
        task = stage.engine.offer("conformance.slow", {"seconds": 3}, lease_s=LEASE_S)
        await stage.engine.until(lambda: task in stage.engine.handed, "a poll that takes a task")
        before = len(stage.engine.of("register"))
        stage.engine.orders = {"require_full_sync": True}
        await stage.engine.until(lambda: len(stage.engine.of("register")) > before, "another registration")
        stage.engine.orders = {}
        await stage.engine.result(task)


@CHECKS.add
async def survives_a_restart_of_the_engine(stage: Stage) -> None:
    """An engine that goes away and comes back without memory of its workers gets the result, and gives more tasks."""
    async with stage.launch() as worker:
        await stage.ready()
        task = stage.engine.offer("conformance.slow", {"seconds": 2}, lease_s=LEASE_S)
        await stage.engine.until(lambda: task in stage.engine.handed, "a poll that takes a task")
        await stage.engine.close()
        stage.engine.forget_workers()
        await asyncio.sleep(ABSENT_S)
        demand(worker.exit_code is None, f"it ended with {worker.exit_code} when the engine went away")
        await stage.engine.open()
        result = await stage.engine.result(task)
        demand(result.get("data") == {"slept": 2}, f"the task that ran meanwhile ended with {result}")
        await stage.echo()
