"""Polls: no hurry, no lost task, no task twice."""

from __future__ import annotations

import asyncio

from avtomat.conformance.check import Checks
from avtomat.conformance.faults import NotOfferedError
from avtomat.conformance.replies import Drop, Lose, Refuse
from avtomat.conformance.stage import Stage, demand

CHECKS = Checks()
WATCHED_S = 3.0
POLLS_MAX = 30
GARBAGE = b"<html><body>a proxy says hello</body></html>"


@CHECKS.add
async def does_not_hurry(stage: Stage) -> None:
    """An engine that answers polls at once with 204 is not asked in a loop: at most 30 times in 3 seconds."""
    stage.engine.poll_waits_s = 0
    async with stage.launch():
        await stage.ready()
        before = len(stage.engine.of("poll"))
        await asyncio.sleep(WATCHED_S)
        polls = len(stage.engine.of("poll")) - before
        demand(polls <= POLLS_MAX, f"it polled {polls} times in {WATCHED_S:g} s")


@CHECKS.add
async def repeats_a_poll_after_429(stage: Stage) -> None:
    """A poll that is answered 429 is repeated, not before Retry-After is over."""
    stage.engine.answer("poll", Refuse(status=429, headers={"Retry-After": "2"}))
    async with stage.launch():
        await stage.engine.until(lambda: len(stage.engine.of("poll")) >= 2, "a second poll", stage.start_s)
        first, second = stage.engine.of("poll")[:2]
        waited_s = second.at_s - first.at_s
        demand(waited_s >= 1.9, f"with Retry-After: 2 it came again after {waited_s:.2f} s")
        await stage.echo()


@CHECKS.add
async def repeats_a_poll_that_failed(stage: Stage) -> None:
    """A poll that is answered 503, not at all, or with what is no JSON is repeated after a pause."""
    html = Refuse(status=200, body=GARBAGE, content_type="text/html")
    stage.engine.answer("poll", Refuse(status=503), Drop(), html)
    async with stage.launch():
        await stage.ready()
        await stage.echo()
        polls = len(stage.engine.of("poll"))
        demand(polls <= POLLS_MAX, f"it polled {polls} times")


@CHECKS.add
async def follows_no_redirect(stage: Stage) -> None:
    """A redirect is not followed: it would carry the token elsewhere."""
    elsewhere = f"http://localhost:{stage.engine.port}/elsewhere"
    stage.engine.answer("poll", Refuse(status=307, headers={"Location": elsewhere}))
    stage.engine.answer("result", Refuse(status=307, headers={"Location": elsewhere}))
    async with stage.launch():
        await stage.ready()
        stage.engine.offer("conformance.echo", {"n": 1})
        await stage.engine.until(lambda: stage.engine.of("result"), "a result")
        await stage.echo()


@CHECKS.add
async def gets_a_lost_answer_again(stage: Stage) -> None:
    """(+) A poll whose answer is lost is repeated with its nonce; the task that comes again is done once."""
    stage.engine.answer("poll", Lose(), Lose())  # twice: some HTTP clients repeat a GET once by themselves
    task = stage.engine.offer("conformance.echo", {"n": 1})
    async with stage.launch():
        await stage.ready()
        nonce = stage.engine.of("poll")[0].query.get("nonce")
        if not nonce:
            raise NotOfferedError("its polls have no nonce; a task whose answer is lost waits for the end of its lease")
        await stage.engine.until(lambda: len(stage.engine.of("poll")) >= 3, "a third poll")
        again = stage.engine.of("poll")[2].query.get("nonce")
        demand(again == nonce, f"the poll was repeated with the nonce {again!r}, not {nonce!r}")
        await stage.engine.result(task)
        await stage.echo()
        sent = len(stage.engine.sent(task))
        demand(sent == 1, f"the task had {sent} results")
        later = stage.engine.of("poll")[-1].query.get("nonce")
        demand(later != nonce, "the nonce was used again after its answer had come")


@CHECKS.add
async def does_not_begin_an_attempt_twice(stage: Stage) -> None:
    """An attempt that is handed out again while it runs is not begun a second time."""
    async with stage.launch():
        await stage.ready()
        task = stage.engine.offer("conformance.slow", {"seconds": 2}, lease_s=3)
        await stage.engine.until(lambda: task in stage.engine.handed, "a poll that takes a task")
        stage.engine.offer_payload(stage.engine.handed[task])
        await stage.engine.result(task)
        if stage.concurrency > 1:
            await asyncio.sleep(WATCHED_S)
            sent = len(stage.engine.sent(task))
            demand(sent == 1, f"the attempt had {sent} results")
