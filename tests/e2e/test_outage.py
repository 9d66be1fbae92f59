"""The store is away for a while: nothing is accepted that is not kept, nothing is lost, and no attempt is spent."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.audit import attempts_of
from tests.e2e.conditions import for_the_time, until
from tests.e2e.processes import EngineProcess
from tests.e2e.raw_worker import RawWorker
from tests.e2e.scripts import SdkWorker
from tests.servers import RedisServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ANSWERED_WITHIN_S = 15
"""Workers wait no longer for the answer to a result: the SDK, and the clients of Avtomatika."""

Json = Any


@pytest.mark.parametrize(
    ("lease_s", "outage_s"), [(3, 9), pytest.param(90, 120, marks=pytest.mark.nightly)], ids=["short", "two minutes"]
)
def test_an_outage_of_the_store_longer_than_a_lease_costs_no_attempt(
    folder: Path, stack: ExitStack, fresh_redis: RedisServer, lease_s: int, outage_s: int
) -> None:
    engine = stack.enter_context(EngineProcess(folder, store=fresh_redis.url, arguments=["--lease", f"{lease_s}s"]))
    stack.enter_context(SdkWorker(engine, "sdk"))
    raw, gate = RawWorker(engine, "raw", "echo-raw"), folder / "hold.gate"
    raw.register()
    held = engine.submit("hold", {"gate": str(gate)})["job_id"]
    until(lambda: _leased(engine, held), "task held by the SDK's worker")
    echo = engine.submit("raw", {"number": 7})["job_id"]
    task = raw.poll()

    fresh_redis.kill()
    refused = raw.ask("POST", "/tasks/result", raw.result_of(task, {"number": 7}), timeout_s=ANSWERED_WITHIN_S)
    no_job = engine.ask("POST", "/api/v1/jobs/echo", {"input": {"number": 8}})
    for_the_time(outage_s)
    fresh_redis.start()
    until(lambda: raw.register().status == 200, "registration")
    assert "cancel_task_ids" not in raw.heartbeat([task]).body

    assert (refused.status, no_job.status) == (429, 503)
    assert int(refused.retry_after or 0) > 0
    gate.touch()
    assert raw.result(task, {"number": 7}).body == {"status": "accepted"}
    for job_id in (held, echo):
        assert engine.job(job_id, wait_s=60)["status"] == "finished"
        assert attempts_of(engine.ask("GET", f"/api/v1/jobs/{job_id}/history").body["history"]) == [1]


def _leased(engine: EngineProcess, job_id: str) -> bool:
    tasks = engine.ask("GET", f"/api/v1/jobs/{job_id}/tasks").body["tasks"]
    return any(task["worker"] for task in tasks)


@pytest.mark.parametrize("late_s", [3, pytest.param(60, marks=pytest.mark.nightly)], ids=["seconds", "a minute"])
def test_500_jobs_wait_for_a_worker_that_comes_later(folder: Path, stack: ExitStack, late_s: int) -> None:
    engine = stack.enter_context(EngineProcess(folder, command="dev", store=f"sqlite:///{folder / 'avtomat.db'}"))
    accepted: dict[str, int] = {}
    for hundred in range(5):
        numbers = range(hundred * 100, hundred * 100 + 100)
        answer = engine.ask("POST", "/api/v1/jobs/echo", [{"input": {"number": number}} for number in numbers])
        accepted |= {job["job_id"]: number for job, number in zip(answer.body["results"], numbers, strict=True)}
    for_the_time(late_s)
    assert {engine.job(job_id)["status"] for job_id in list(accepted)[::50]} == {"waiting_for_worker"}

    stack.enter_context(SdkWorker(engine, "late"))

    for job_id, number in accepted.items():
        assert engine.job(job_id, wait_s=30)["result"] == number
    assert engine.stop() == 0
