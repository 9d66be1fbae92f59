"""Results that ask for the next task: fewer requests, and never two requests for tasks at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from avtomat_worker import Worker
from tests.worker.fake_engine import FakeEngine
from tests.worker.hand_clock import HandClock

NewWorker = Callable[..., Worker]


def add_echo(worker: Worker) -> Worker:
    worker.task("echo")(lambda value="": value)
    return worker


async def test_a_worker_that_finds_work_with_each_result_polls_once(engine: FakeEngine, new_worker: NewWorker) -> None:
    for number in range(5):
        engine.offer("echo", {"value": str(number)})
    async with add_echo(new_worker(concurrency=1)):
        await engine.until(lambda: len(engine.polls) == 2)

    assert [result["data"] for result in engine.results] == ["0", "1", "2", "3", "4"]
    asked = engine.queries_of_results
    assert all((query["next"], query["max"]) == ("echo", "1") for query in asked)
    assert len({query["nonce"] for query in asked}) == 5


async def test_an_engine_that_does_not_offer_it_is_not_asked(engine: FakeEngine, new_worker: NewWorker) -> None:
    engine.offers = []
    for _ in range(3):
        engine.offer("echo")
    async with add_echo(new_worker(concurrency=1)):
        await engine.until(lambda: len(engine.polls) == 4)

    assert engine.queries_of_results == [{}, {}, {}]


async def test_what_a_lost_answer_brought_comes_with_the_next_request(
    engine: FakeEngine, new_worker: NewWorker, clock: HandClock
) -> None:
    engine.results_that_lose_their_answer = 1
    tasks = [engine.offer("echo", {"value": str(number)}) for number in range(3)]
    async with add_echo(new_worker(concurrency=1)):
        await clock.pass_by(lambda seconds: 0.25 <= seconds <= 0.5)
        await engine.until(lambda: {result["task_id"] for result in engine.results} == set(tasks))

    lost, then = engine.queries_of_results[0], [*engine.polls[1:], *engine.queries_of_results[1:]]
    assert lost["nonce"] in {query.get("nonce") for query in then}
    sent = [result["task_id"] for result in engine.results]
    assert [sent.count(task) for task in tasks] == [2, 1, 1]


async def test_what_comes_after_a_stop_was_asked_for_goes_back(engine: FakeEngine, new_worker: NewWorker) -> None:
    engine.results_may_pass.clear()
    engine.offer("echo", {"value": "done"})
    worker = add_echo(new_worker(concurrency=1))
    async with worker:
        await engine.until(lambda: engine.results_waiting == 1)
        late = engine.offer("echo", {"value": "late"})
        worker.stop()
        engine.results_may_pass.set()
        await engine.until(lambda: len(engine.results) == 2)

    told: dict[str, Any] = {result["task_id"]: result for result in engine.results}
    assert (told[late]["status"], told[late]["given_back"]) == ("cancelled", True)
