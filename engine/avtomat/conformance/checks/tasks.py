"""Tasks: what goes in, what comes out, how they fail, and how many run at a time."""

from __future__ import annotations

import asyncio
import re

from avtomat.conformance.check import Checks
from avtomat.conformance.replies import Refuse
from avtomat.conformance.stage import Stage, demand

CHECKS = Checks()
LARGE_CHARACTERS = 1_000_000
CODE = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)
FAILURES = {"failure", "failed", "error"}
VALUES = {
    "text": 'ünïcode 🙂 "quoted" \\ / \u2028 \x01 \n line',
    "like a number": "007",
    "empty": {"text": "", "list": [], "map": {}, "null": None},
    "words": [True, False, None],
    "numbers": [0, -1, 1.5, 1e-7, 9007199254740991, -9007199254740991],
    "deep": [[[[[[[["eight"]]]]]]]],
    "ключ": {"a.b": 1, "": 2, "$x": "${HOME} `id` %s"},
}


@CHECKS.add
async def keeps_json_as_it_is(stage: Stage) -> None:
    """conformance.echo returns its params: texts, numbers, null, empty lists and maps come out as they went in."""
    async with stage.launch():
        result = await stage.engine.result(stage.engine.offer("conformance.echo", VALUES))
        demand("data" in result, f"there was no data in {result}")
        found = result["data"] if isinstance(result["data"], dict) else {}
        for name, value in VALUES.items():
            same = name in found and _kinds(found[name]) == _kinds(value) and found[name] == value
            demand(same, f"{name!r} went in as {value!r} and came out as {found.get(name)!r}")
        demand(str(result.get("status", "success")).casefold() == "success", f"the status was {result.get('status')!r}")


@CHECKS.add
async def carries_large_values(stage: Stage) -> None:
    """A megabyte of params comes in, and a megabyte of output goes out."""
    async with stage.launch():
        params = {"text": "x" * LARGE_CHARACTERS}
        result = await stage.engine.result(stage.engine.offer("conformance.echo", params))
        demand(result.get("data") == params, f"the result was {str(result)[:300]}")


@CHECKS.add
async def does_a_bare_task(stage: Stage) -> None:
    """A task without any field that the protocol leaves out is done as well."""
    async with stage.launch():
        bare = {"job_id": "job-x", "task_id": "bare-1", "type": "conformance.echo", "params": {"n": 1}}
        result = await stage.engine.result(stage.engine.offer_payload(bare))
        demand(result.get("data") == {"n": 1}, f"it ended with {result}")


@CHECKS.add
async def ends_with_a_status_word(stage: Stage) -> None:
    """conformance.status ends with the status word `params.status` and the output `params.data`."""
    async with stage.launch():
        task = stage.engine.offer("conformance.status", {"status": "charged", "data": {"amount": 3}})
        result = await stage.engine.result(task)
        demand(result.get("status") == "charged", f"the status was {result.get('status')!r}, not 'charged'")
        demand(result.get("data") == {"amount": 3}, f"the output was {result.get('data')!r}")


@CHECKS.add
async def fails_with_code_message_and_details(stage: Stage) -> None:
    """conformance.fail fails with the code, message and details of its params."""
    error = {
        "code": "CARD_DECLINED",
        "message": 'over the "limit" – ünïcode',
        "details": {"limit": 1000, "list": [None]},
    }
    async with stage.launch():
        result = await stage.engine.result(stage.engine.offer("conformance.fail", error))
        found = _error(result)
        for name, value in error.items():
            demand(found.get(name) == value, f"the error's {name} was {found.get(name)!r}, not {value!r}")


@CHECKS.add
async def survives_a_task_that_breaks(stage: Stage) -> None:
    """conformance.crash breaks in the way that the language has for it: the attempt fails, and the worker goes on."""
    async with stage.launch():
        error = _error(await stage.engine.result(stage.engine.offer("conformance.crash")))
        demand(CODE.fullmatch(str(error.get("code"))), f"the error's code was {error.get('code')!r}")
        await stage.echo()


@CHECKS.add
async def refuses_a_kind_that_it_does_not_offer(stage: Stage) -> None:
    """A task of a kind that the worker does not offer fails with an error, and the worker goes on."""
    async with stage.launch():
        error = _error(await stage.engine.result(stage.engine.offer("conformance.nobody_offers_this")))
        demand(CODE.fullmatch(str(error.get("code"))), f"the error's code was {error.get('code')!r}")
        await stage.echo()


@CHECKS.add
async def tells_tasks_what_they_are(stage: Stage) -> None:
    """conformance.context returns what a task may know: job_id, task_id, attempt and idempotency_key."""
    async with stage.launch():
        task = stage.engine.offer("conformance.context", attempt=3, idempotency_key="key/:7")
        result = await stage.engine.result(task)
        told = {"job_id": "job1", "task_id": task, "attempt": 3, "idempotency_key": "key/:7"}
        demand(result.get("data") == told, f"it returned {result.get('data')!r}, not {told!r}")


@CHECKS.add
async def reports_progress(stage: Stage) -> None:
    """conformance.progress reports 0.5 and the text `half`, then goes on for two seconds; the report comes
    meanwhile.
    """
    async with stage.launch():
        task = stage.engine.offer("conformance.progress")
        await stage.engine.until(lambda: stage.engine.of("event"), "an event")
        event = stage.engine.of("event")[0].body
        demand(not stage.engine.sent(task), "the event came after the result")
        demand(event["event_type"] == "progress", f"the event's type was {event['event_type']!r}")
        payload = event["payload"]
        demand((payload.get("progress"), payload.get("message")) == (0.5, "half"), f"the payload was {payload!r}")
        target = (event.get("target_job_id"), event.get("target_task_id"))
        demand(target == ("job1", task), f"it was about {target!r}, not about {('job1', task)!r}")
        await stage.engine.result(task)


@CHECKS.add
async def progress_that_is_refused_costs_nothing(stage: Stage) -> None:
    """Progress that cannot be delivered does not fail the task."""
    stage.engine.answer("event", Refuse(status=503), Refuse(status=400), Refuse(status=503))
    async with stage.launch():
        result = await stage.engine.result(stage.engine.offer("conformance.progress"))
        demand("error" not in result or result["error"] is None, f"it ended with {result}")


@CHECKS.add
async def runs_as_many_as_it_may(stage: Stage) -> None:
    """As many tasks run at a time as AVTOMAT_WORKER_CONCURRENCY says, and never more."""
    async with stage.launch():
        await stage.ready()
        for _ in range(stage.concurrency + 1):
            stage.engine.offer("conformance.slow", {"seconds": 2}, lease_s=3)
        engine = stage.engine
        await engine.until(lambda: len(engine.handed) >= stage.concurrency, f"polls for {stage.concurrency} tasks")
        await asyncio.sleep(1)
        demand(not engine.settled, "the first ended before the last was taken")
        taken = len(engine.handed)
        demand(taken == stage.concurrency, f"it took {taken} tasks before one had ended")
        await engine.until(lambda: len(engine.settled) == stage.concurrency + 1, "the results of all tasks")


def _error(result: dict[str, object]) -> dict[str, object]:
    status, error = str(result.get("status")).casefold(), result.get("error")
    demand(status in FAILURES, f"the status was {result.get('status')!r}, not 'failure'")
    demand(isinstance(error, dict), f"the error was {error!r}")
    assert isinstance(error, dict)
    return error


def _kinds(value: object) -> object:
    """The kinds of a value's parts: true is not 1, and 1.0 is."""
    if isinstance(value, dict):
        return {key: _kinds(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_kinds(each) for each in value]
    return "number" if type(value) in {int, float} else type(value).__name__
