"""Who may work on what, and whose result counts: attempts, leases, late and repeated results, cancelling."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from tests.e2e.audit import attempts_of
from tests.e2e.conditions import until
from tests.e2e.processes import EngineProcess
from tests.e2e.raw_worker import RawWorker
from tests.e2e.scripts import SdkWorker

pytestmark = pytest.mark.e2e

ACCEPTED = {"status": "accepted"}
STALE = {"status": "ignored", "reason": "stale_task"}
CANCELLED = {"status": "ignored", "reason": "job_cancelled"}

Json = Any


def history_of(engine: EngineProcess, job_id: str) -> list[Json]:
    """All that history says of a job."""
    return list(engine.ask("GET", f"/api/v1/jobs/{job_id}/history").body["history"])


def results_used(engine: EngineProcess, job_id: str) -> int:
    """How many results went into a job."""
    return sum(entry["type"] == "TaskSucceeded" for entry in history_of(engine, job_id))


@pytest.mark.parametrize("leaving", [{}, {"reset": True}], ids=["closed", "reset"])
def test_a_dropped_poll_loses_no_task_and_costs_no_attempt(
    shared_engine: EngineProcess, leaving: dict[str, bool]
) -> None:
    engine = shared_engine
    gone, stays = RawWorker(engine, "gone", "echo"), RawWorker(engine, "stays", "echo")

    for number in range(20):
        gone.drop_poll(**leaving)
        job_id = engine.submit("echo", {"number": number})["job_id"]
        task = stays.poll(1)  # less than a lease: nobody has taken the task meanwhile

        assert (task["job_id"], task["attempt"]) == (job_id, 1)
        assert stays.result(task, task["params"]).body == ACCEPTED
        assert engine.job(job_id, wait_s=10)["result"] == number


def test_a_task_whose_answer_was_never_read_comes_again_under_the_same_nonce(shared_engine: EngineProcess) -> None:
    engine = shared_engine
    worker = RawWorker(engine, "worker", "echo")
    engine.submit("echo", {"number": 1})
    first = worker.poll(5, nonce="n1")

    again = worker.poll(5, nonce="n1")

    assert (again["task_id"], again["attempt"]) == (first["task_id"], 1)
    assert worker.result(again, {"number": 1}).body == ACCEPTED


def test_a_task_that_its_worker_does_not_hold_goes_back_and_costs_no_attempt(shared_engine: EngineProcess) -> None:
    engine = shared_engine
    worker = RawWorker(engine, "worker", "echo")
    engine.submit("echo", {"number": 1})
    worker.drop_poll(answered=True)

    task = worker.poll(1, holding="")

    assert task["attempt"] == 1
    assert worker.result(task, {"number": 1}).body == ACCEPTED


def test_a_late_result_of_an_earlier_attempt_is_stale(shared_engine: EngineProcess) -> None:
    engine = shared_engine
    slow, quick = RawWorker(engine, "slow", "echo"), RawWorker(engine, "quick", "echo")
    job_id = engine.submit("echo", {"number": 7})["job_id"]
    first = slow.poll()
    second = quick.poll()  # comes when the silent worker's lease has ended

    assert (first["attempt"], second["attempt"]) == (1, 2)
    assert slow.result(first, {"number": -1}).body == STALE
    assert quick.result(second, {"number": 7}).body == ACCEPTED
    assert slow.result(first, {"number": -1}).body["status"] == "ignored"
    assert engine.job(job_id, wait_s=10)["result"] == 7
    assert attempts_of(history_of(engine, job_id)) == [1, 2]
    assert results_used(engine, job_id) == 1


def test_a_result_sent_twice_is_accepted_twice_and_used_once(engine: EngineProcess) -> None:
    worker = RawWorker(engine, "worker", "echo")
    job_id = engine.submit("echo", {"number": 7})["job_id"]
    task = worker.poll()

    assert worker.result(task, {"number": 7}).body == ACCEPTED
    assert worker.result(task, {"number": 7}).body == ACCEPTED
    engine.kill()
    engine.start()
    engine.wait_ready()

    assert worker.result(task, {"number": 7}).body == ACCEPTED
    assert worker.result(task, {"number": 8}).body == STALE
    assert engine.job(job_id)["result"] == 7
    assert results_used(engine, job_id) == 1


def test_a_cancel_reaches_the_worker_and_a_late_result_does_not_revive_the_job(shared_engine: EngineProcess) -> None:
    engine = shared_engine
    worker = RawWorker(engine, "worker", "echo")
    worker.register()
    job_id = engine.submit("echo", {"number": 7})["job_id"]
    task = worker.poll()
    assert "cancel_task_ids" not in worker.heartbeat([task]).body

    assert engine.ask("POST", f"/api/v1/jobs/{job_id}/cancel").status == 200

    assert worker.heartbeat([task]).body["cancel_task_ids"] == [task["task_id"]]
    assert worker.result(task, {"number": 7}).body == CANCELLED
    job = engine.job(job_id)
    assert (job["status"], job["result"]) == ("cancelled", None)
    assert results_used(engine, job_id) == 0


def test_a_cancel_reaches_the_function_in_a_worker_of_the_sdk(shared_engine: EngineProcess, stack: ExitStack) -> None:
    engine = shared_engine
    stack.enter_context(SdkWorker(engine, "sdk"))
    gate = engine.folder / "hold.gate"
    job_id = engine.submit("hold", {"gate": str(gate)})["job_id"]
    until(lambda: _progress(engine, job_id), "progress")

    engine.ask("POST", f"/api/v1/jobs/{job_id}/cancel")

    until(gate.with_suffix(".cancelled").exists, "cancelled function")
    assert engine.job(job_id)["status"] == "cancelled"


def test_the_task_of_a_killed_worker_is_done_by_another_one(shared_engine: EngineProcess, stack: ExitStack) -> None:
    engine = shared_engine
    gate = engine.folder / "hold.gate"
    first = stack.enter_context(SdkWorker(engine, "first"))
    job_id = engine.submit("hold", {"gate": str(gate)})["job_id"]
    until(lambda: _progress(engine, job_id), "progress")
    first.kill()

    gate.touch()
    second = stack.enter_context(SdkWorker(engine, "second"))

    assert engine.job(job_id, wait_s=30)["status"] == "finished"
    assert attempts_of(history_of(engine, job_id)) == [1, 2]
    assert second.stop() == 0


def _progress(engine: EngineProcess, job_id: str) -> Json:
    tasks = engine.ask("GET", f"/api/v1/jobs/{job_id}/tasks").body["tasks"]
    return [task["progress"] for task in tasks if task["progress"] is not None]
