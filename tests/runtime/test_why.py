"""Why a job does not move: the exact cause in every case, with what to do, on the oracle and on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from avtomat.core.messages import PauseRequested
from tests.runtime.bench import Bench, Json, bench_of

WORK = "states: {a: {task: work, retry: {attempts: 3, delay: 1h, max_delay: 1h, jitter: none}, next: end}}"
GPU = """
states:
  a:
    task: work
    worker: {type: gpu, resources: {gpus: 4, ram_gb: 64}, software: {cuda: "12"}}
    next: end
"""
UNDO = """
states:
  book: {task: book, compensate: {task: unbook}, next: pay}
  pay: {task: pay, retry: none, next: end}
"""
SLOW_LOSER = """
states:
  both:
    parallel:
      left: {task: book, compensate: {task: unbook}}
      right: {task: pay, retry: none}
    next: end
"""
ITEMS = """
states:
  each: {foreach: "{{ input.items }}", concurrency: 4, tolerate: 9, do: {task: work, retry: none}, next: end}
"""
NESTED = """
states:
  all:
    parallel:
      rest: {wait: 1h}
      many: {foreach: "{{ [1, 2] }}", as: n, do: {start: one, states: {one: {task: work, next: end}}}}
    next: end
"""

Start = Callable[[str], Awaitable[Bench]]


@pytest.fixture(params=["memory", "sqlite"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(text: str) -> Bench:
            return await stack.enter_async_context(bench_of(text, tmp_path, request.param))

        yield start


def codes(causes: list[dict[str, object]]) -> list[object]:
    return [each["cause"] for each in causes]


async def test_without_any_worker_it_says_so_and_which_kind_to_start(engine: Start) -> None:
    bench = await engine(WORK)
    job = await bench.submit()

    [cause] = await bench.why(job)

    assert (cause["cause"], cause["scope"], cause["state"]) == ("no_worker", "/", "a")
    assert cause["details"]["kind"] == "work"
    assert "start a worker for work" in cause["hint"]


async def test_of_workers_for_other_kinds_the_one_with_the_likeliest_slip_is_named(engine: Start) -> None:
    bench = await engine(WORK)
    await bench.register("w1", "mail")
    await bench.register("w2", "works")
    job = await bench.submit()

    [cause] = await bench.why(job)

    assert cause["cause"] == "no_worker"
    assert "w2 takes works" in cause["text"]
    assert cause["details"]["nearest"] == [{"worker": "w2", "lacks": ["the kind work"]}]


async def test_when_no_worker_fulfils_the_requirements_the_nearest_ones_and_what_they_lack_are_told(
    engine: Start,
) -> None:
    bench = await engine(GPU)
    await bench.register("w1", "work")
    await bench.register(
        "w2",
        "work",
        worker_type="gpu",
        resources={"properties": {"gpus": 2, "ram_gb": 128}},
        installed_software={"cuda": "12"},
    )
    job = await bench.submit()

    [cause] = await bench.why(job)

    assert cause["cause"] == "no_fitting_worker"
    assert cause["details"]["nearest"][0] == {"worker": "w2", "lacks": ["resources.gpus is 2, not 4"]}
    assert cause["details"]["nearest"][1]["worker"] == "w1"
    assert len(cause["details"]["nearest"][1]["lacks"]) == 4


async def test_a_worker_that_fulfils_the_requirements_makes_it_a_matter_of_the_queue(engine: Start) -> None:
    bench = await engine(GPU)
    resources = {"properties": {"gpus": 4, "ram_gb": 64}}
    await bench.register("w1", "work", worker_type="gpu", resources=resources, installed_software={"cuda": "12"})
    job = await bench.submit()

    assert codes(await bench.why(job)) == ["queued"]


async def test_a_queued_task_says_how_many_others_and_which_workers_there_are(engine: Start) -> None:
    bench = await engine(WORK)
    await bench.register("w1", "work")
    jobs = [await bench.submit() for _ in range(3)]

    [cause] = await bench.why(jobs[-1])

    assert (cause["cause"], cause["details"]["others"], cause["details"]["workers"]) == ("queued", 2, ["w1"])
    assert "with 2 other tasks" in cause["text"]


async def test_a_worker_that_polls_without_the_kind_is_found_out(engine: Start) -> None:
    bench = await engine(WORK)
    await bench.register("w1", "work", "mail")
    await bench.look("w1", "mail")
    job = await bench.submit()

    [cause] = await bench.why(job)

    assert (cause["cause"], cause["details"]["polled"]) == ("not_polled", {"w1": ["mail"]})
    assert "available_skills" in cause["hint"]


async def test_a_worker_that_polls_without_having_registered_counts(engine: Start) -> None:
    bench = await engine(WORK)
    await bench.look("w1", "work")
    job = await bench.submit()

    assert codes(await bench.why(job)) == ["queued"]


async def test_a_task_at_work_says_who_holds_it_since_when_and_how_far(engine: Start) -> None:
    bench = await engine(WORK)
    job = await bench.submit()
    task = await bench.take()
    progress = {"progress": 0.4, "message": "packing"}
    await bench.service.dispatcher.event(
        {"worker_id": "w1", "event_type": "progress", "target_task_id": task["task_id"], "payload": progress}
    )

    [cause] = await bench.why(job)

    assert (cause["cause"], cause["details"]["worker"], cause["details"]["attempt"]) == ("running", "w1", 1)
    assert "(40%, packing)" in cause["text"]
    assert cause["details"]["lease_until"] in cause["hint"]


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ({"progress": 7, "message": "m" * 5_000}, {"progress": 1, "message": "m" * 1_000}),
        ({"progress": -0.5, "message": {"a": 1}}, {"progress": 0, "message": None}),
        ({"progress": True}, {"progress": None, "message": None}),
    ],
)
async def test_progress_is_a_part_of_one_and_a_short_text(engine: Start, told: Json, kept: Json) -> None:
    bench = await engine(WORK)
    job = await bench.submit()
    task = await bench.take()
    await bench.service.dispatcher.event(
        {"worker_id": "w1", "event_type": "progress", "target_task_id": task["task_id"], "payload": told}
    )

    [cause] = await bench.why(job)

    assert cause["details"]["progress"] == kept


@pytest.mark.parametrize(("limit", "first"), [("10s", "due"), ("1h", "lease_until")])
async def test_a_task_at_work_names_what_ends_it_first(engine: Start, limit: str, first: str) -> None:
    bench = await engine(f"states: {{a: {{task: work, timeout: {limit}, next: end}}}}\n")
    job = await bench.submit()
    await bench.take()

    [cause] = await bench.why(job)

    ends = {name: datetime.fromisoformat(cause["details"][name]) for name in ("due", "lease_until")}
    assert min(ends, key=lambda name: ends[name]) == first
    assert cause["hint"].index(cause["details"][first]) > 0
    assert ("whatever its worker says" in cause["hint"]) is (first == "due")


@pytest.mark.parametrize(("status", "word"), [("draining", "draining"), ("offline", "offline")])
async def test_a_worker_that_stops_is_told_as_such(engine: Start, status: str, word: str) -> None:
    bench = await engine(WORK)
    await bench.register("w1", "work")
    job, other = await bench.submit(), await bench.submit()
    task = await bench.take()
    await bench.service.dispatcher.heartbeat("w1", {"status": status, "current_tasks": [task["task_id"]]})
    holding, waiting = (job, other) if task["job_id"] == job else (other, job)

    [running] = await bench.why(holding)
    [left] = await bench.why(waiting)

    assert (running["cause"], running["details"]["worker_status"]) == ("running", status)
    assert f"the worker is {word}" in running["text"]
    assert (left["cause"], left["details"]["workers"]) == ("workers_left", {"w1": status})
    assert f"w1 is {word}" in left["text"]


async def test_a_worker_that_came_back_is_told_of_no_more_as_stopping(engine: Start) -> None:
    bench = await engine(WORK)
    await bench.register("w1", "work")
    job = await bench.submit()
    await bench.service.dispatcher.heartbeat("w1", {"status": "offline"})
    await bench.register("w1", "work")

    assert codes(await bench.why(job)) == ["queued"]


async def test_a_task_that_is_tried_again_says_until_when_and_with_what_the_last_attempt_failed(
    engine: Start,
) -> None:
    bench = await engine(WORK)
    job = await bench.submit()
    await bench.fail(await bench.take(), "TRANSIENT_ERROR")

    [cause] = await bench.why(job)

    assert cause["cause"] == "retry_delayed"
    assert "attempt 1 of work failed with TRANSIENT_ERROR" in cause["text"]
    assert cause["details"]["error"] == {"code": "TRANSIENT_ERROR", "message": "no"}
    until = datetime.fromisoformat(cause["details"]["until"])
    assert timedelta(minutes=59) < until - datetime.now(UTC) < timedelta(minutes=61)


async def test_a_worker_that_gave_up_is_told_as_the_reason_of_the_next_attempt(engine: Start) -> None:
    bench = await engine(WORK)
    job = await bench.submit()
    await bench.answer(await bench.take(), status="cancelled")

    [cause] = await bench.why(job)

    assert (cause["cause"], cause["details"]["error"]["code"]) == ("retry_delayed", "WORKER_LOST")


async def test_the_failure_of_one_item_is_found_among_those_of_many(engine: Start) -> None:
    text = ITEMS.replace("retry: none", "retry: {attempts: 2, delay: 1h, max_delay: 1h, jitter: none}")
    bench = await engine(text)
    job = await bench.submit({"items": list(range(6))})
    await bench.fail(await bench.take(), "TRANSIENT_ERROR")
    for _ in range(5):
        await bench.answer(await bench.take(), data=1)

    causes = await bench.why(job)

    assert codes(causes) == ["branches", "retry_delayed"]
    assert causes[1]["details"]["error"]["code"] == "TRANSIENT_ERROR"
    assert causes[1]["state"].startswith("each[")


async def test_a_wait_says_until_when(engine: Start) -> None:
    bench = await engine("states: {a: {wait: 2h, next: end}}")
    job = await bench.submit()

    [cause] = await bench.why(job)

    assert (cause["cause"], cause["state"]) == ("timer", "a")
    assert cause["details"]["until"] in cause["text"]


async def test_a_job_that_starts_later_says_when(engine: Start) -> None:
    bench = await engine(WORK)
    job = await bench.submit(start_at=datetime(2099, 1, 1, tzinfo=UTC))

    [cause] = await bench.why(job)

    assert (cause["cause"], cause["details"]["until"]) == ("start_at", "2099-01-01T00:00:00.000Z")


async def test_a_foreach_says_how_far_it_is_and_what_its_items_wait_for(engine: Start) -> None:
    bench = await engine(ITEMS)
    job = await bench.submit({"items": list(range(7))})
    await bench.answer(await bench.take(), data=1)
    await bench.fail(await bench.take(), "PERMANENT_ERROR")
    await bench.take()
    await bench.until(lambda: begun(bench, job, 6))

    causes = await bench.why(job)

    told = causes[0]["details"]
    assert (told["total"], told["live"], told["ok"], told["failed"], told["not_begun"]) == (7, 4, 1, 1, 1)
    assert sorted(codes(causes[1:])) == ["no_worker", "no_worker", "no_worker", "running"] or sorted(
        codes(causes[1:])
    ) == ["queued", "queued", "queued", "running"]
    assert {each["state"] for each in causes[1:]} <= {f"each[{index}]" for index in range(7)}


async def begun(bench: Bench, job: str, items: int) -> bool:
    below = await bench.service.store.below(job, "/", 0, 20)
    return below is not None and below.begun == items and len(below.paths) == below.live


async def test_of_many_bodies_twenty_are_explained_and_the_rest_is_counted(engine: Start) -> None:
    bench = await engine(ITEMS.replace("concurrency: 4, ", ""))
    job = await bench.submit({"items": list(range(50))})
    await bench.until(lambda: all_begun(bench, job, 50))

    causes = await bench.why(job)

    assert len(causes) == 1 + 20
    assert causes[0]["details"]["not_shown"] == 30
    assert "30 more are not shown" in causes[0]["hint"]


async def all_begun(bench: Bench, job: str, items: int) -> bool:
    below = await bench.service.store.below(job, "/", 0, 100)
    return below is not None and len(below.paths) == items


async def test_blocks_in_blocks_are_explained_to_the_bottom(engine: Start) -> None:
    bench = await engine(NESTED)
    job = await bench.submit()
    await bench.until(lambda: tasks_open(bench, job, 2))

    causes = await bench.why(job)

    assert [(each["cause"], each["state"]) for each in causes] == [
        ("branches", "all"),
        ("timer", "all.rest"),
        ("branches", "all.many"),
        ("no_worker", "all.many[0].one"),
        ("no_worker", "all.many[1].one"),
    ]


async def tasks_open(bench: Bench, job: str, count: int) -> bool:
    return len(await bench.service.clients.tasks(job, None) or ()) == count


async def test_a_block_that_begins_again_later_says_when(engine: Start) -> None:
    retry = "retry: {attempts: 2, delay: 1h, max_delay: 1h, jitter: none, errors: [ANY]}"
    bench = await engine(f"states: {{b: {{parallel: {{x: {{task: work, retry: none}}}}, {retry}, next: end}}}}")
    job = await bench.submit()
    await bench.fail(await bench.take(), "BAD")
    await bench.until(lambda: caused(bench, job, "block_retry"))

    [cause] = await bench.why(job)

    assert (cause["cause"], cause["details"]["attempt"]) == ("block_retry", 2)


async def caused(bench: Bench, job: str, code: str) -> bool:
    return codes(await bench.why(job)) == [code]


async def test_a_paused_job_says_by_whom_and_why(engine: Start) -> None:
    bench = await engine(WORK)
    job = await bench.submit()
    await bench.operate(job, PauseRequested(by="ann", reason="stocktaking"))

    [cause] = await bench.why(job)

    assert (cause["cause"], cause["details"]["by"], cause["details"]["reason"]) == ("paused", "ann", "stocktaking")
    assert f"avtomat jobs resume {job}" in cause["hint"]


async def test_a_quarantined_job_says_which_error_parked_it(engine: Start) -> None:
    bench = await engine("unhandled: quarantine\n" + WORK)
    job = await bench.submit()
    await bench.fail(await bench.take(), "BROKEN")

    [cause] = await bench.why(job)

    assert (cause["cause"], cause["details"]["error"]["code"]) == ("quarantined", "BROKEN")
    assert "in a: no" in cause["text"]
    for action in ("retry", "release", "skip"):
        assert f"avtomat jobs {action} {job}" in cause["hint"]


async def test_a_compensating_job_says_which_undo_is_under_way_and_what_its_task_waits_for(engine: Start) -> None:
    bench = await engine(UNDO)
    job = await bench.submit()
    await bench.answer(await bench.take("w1", "book"), data=1)
    await bench.fail(await bench.take("w1", "pay"), "BAD")
    await bench.until(lambda: tasks_open(bench, job, 1))

    causes = await bench.why(job)

    assert codes(causes) == ["compensating", "no_worker"]
    assert (causes[0]["details"]["undo"], causes[0]["details"]["kind"], causes[0]["details"]["then"]) == (
        "book",
        "unbook",
        "failed",
    )
    assert causes[1]["details"]["kind"] == "unbook"


async def test_a_compensating_job_says_for_whose_leases_it_waits(engine: Start) -> None:
    bench = await engine(SLOW_LOSER)
    job = await bench.submit()
    await bench.take("slow", "book")
    await bench.fail(await bench.take("w1", "pay"), "BAD")
    await bench.until_status(job, "compensating")

    [cause] = await bench.why(job)

    assert (cause["cause"], [each["worker"] for each in cause["details"]["leases"]]) == ("leases_awaited", ["slow"])
    assert "slow (until" in cause["text"]


async def test_an_undo_that_failed_for_good_says_how_to_go_on(engine: Start) -> None:
    bench = await engine(UNDO.replace("compensate: {task: unbook}", "compensate: {task: unbook, retry: none}"))
    job = await bench.submit()
    await bench.answer(await bench.take("w1", "book"), data=1)
    await bench.fail(await bench.take("w1", "pay"), "BAD")
    await bench.fail(await bench.take("w1", "unbook"), "WORSE")

    [cause] = await bench.why(job)

    assert (cause["cause"], cause["details"]["error"]["code"]) == ("quarantined", "COMPENSATION_FAILED")
    assert "count it as run" in cause["hint"]


async def test_an_engine_that_stops_says_that_it_hands_out_nothing(engine: Start) -> None:
    bench = await engine(WORK)
    job = await bench.submit()
    bench.service.drain()

    assert codes(await bench.why(job)) == ["engine_draining", "no_worker"]


async def test_an_ended_job_says_so_and_how_to_run_it_again(engine: Start) -> None:
    bench = await engine(WORK)
    job = await bench.submit()
    await bench.answer(await bench.take(), data=1)

    [cause] = await bench.why(job)

    assert (cause["cause"], cause["details"]["status"]) == ("ended", "finished")
    assert f"avtomat jobs rerun {job}" in cause["hint"]


async def test_another_clients_job_is_not_explained(engine: Start) -> None:
    bench = await engine(WORK)
    job = await bench.submit()

    assert await bench.service.explainer.why(job, "bob") is None
    assert await bench.service.explainer.why("00nothing", None) is None
