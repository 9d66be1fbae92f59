"""Blueprints change and engines come and go, but a job keeps its version; and no replica is special."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conditions import until
from tests.e2e.processes import EngineProcess
from tests.e2e.raw_worker import RawWorker
from tests.servers import RedisServer

pytestmark = pytest.mark.e2e

VERSIONED = """\
avtomat: 1
blueprint: versioned
states:
  ask: {task: ask, next: done}
  done: {succeed: %s}
"""

Json = Any


def write(folder: Path, text: str) -> None:
    """Change the blueprint as an editor does that saves beside and renames."""
    beside = folder / "workflows/versioned.tmp"
    beside.write_text(text)
    beside.rename(folder / "workflows/versioned.yaml")


def version_of(engine: EngineProcess) -> str | None:
    """The digest of the blueprint that new jobs get."""
    blueprints = engine.ask("GET", "/api/v1/blueprints").body["blueprints"]
    return next((each["version"] for each in blueprints if each["name"] == "versioned"), None)


def test_a_wrong_file_never_replaces_a_right_one_and_file_and_line_are_told(folder: Path) -> None:
    write(folder, VERSIONED % "first")
    with EngineProcess(folder) as engine:
        first = version_of(engine)
        write(folder, VERSIONED.replace("next: done", "next: gone") % "second")
        (finding,) = until(lambda: engine.ask("GET", "/api/v1/blueprints").body["problems"], "finding")

        assert (Path(finding["file"]).name, finding["line"]) == ("versioned.yaml", 4)
        assert "gone" in finding["message"]
        assert finding["blueprint"] == "versioned"
        ready = engine.ask("GET", "/readyz")
        assert (ready.status, ready.body["degraded"], ready.body["blueprints"]["broken"]) == (200, True, 1)
        assert "versioned.yaml:4:" in engine.log
        assert version_of(engine) == first
        job_id = engine.submit("versioned", {})["job_id"]

        write(folder, VERSIONED % "third")
        until(lambda: version_of(engine) != first, "new version")
        assert "degraded" not in engine.ask("GET", "/readyz").body
        worker = RawWorker(engine, "worker", "ask")
        worker.result(worker.poll())
        assert engine.job(job_id, wait_s=10)["result"] == "first"


def test_a_running_job_keeps_its_version_over_a_restart_and_on_another_replica(
    folder: Path, stack: ExitStack, fresh_redis: RedisServer
) -> None:
    write(folder, VERSIONED % "first")
    one = stack.enter_context(EngineProcess(folder, store=fresh_redis.url, log="one.log"))
    first = version_of(one)
    jobs = [one.submit("versioned", {})["job_id"] for _ in range(2)]
    write(folder, VERSIONED % "second")
    until(lambda: version_of(one) != first, "new version")
    one.kill()
    one.start()
    two = stack.enter_context(EngineProcess(folder, store=fresh_redis.url, log="two.log"))
    one.wait_ready()
    newer = one.submit("versioned", {})["job_id"]

    for engine in (one, two, two):
        worker = RawWorker(engine, "worker", "ask")
        assert worker.result(worker.poll()).body == {"status": "accepted"}

    assert [two.job(job_id, wait_s=10)["result"] for job_id in (*jobs, newer)] == ["first", "first", "second"]
    assert {one.job(job_id)["version"] for job_id in jobs} == {first}


def test_a_job_is_submitted_here_worked_on_there_and_awaited_elsewhere(
    folder: Path, stack: ExitStack, fresh_redis: RedisServer
) -> None:
    here, there, elsewhere = (
        stack.enter_context(EngineProcess(folder, store=fresh_redis.url, log=f"{name}.log"))
        for name in ("here", "there", "elsewhere")
    )
    worker = RawWorker(there, "worker", "echo")
    worker.register()
    polled: list[Json] = []
    polling = threading.Thread(target=lambda: polled.append(worker.poll()))
    polling.start()

    job_id = here.submit("echo", {"number": 7})["job_id"]
    answers: list[Json] = []
    waiting = threading.Thread(target=lambda: answers.append(elsewhere.job(job_id, wait_s=30)))
    waiting.start()
    polling.join(10)
    assert RawWorker(here, "worker", "echo").result(polled[0], {"number": 7}).body == {"status": "accepted"}
    waiting.join(10)

    assert [answer["result"] for answer in answers] == [7]


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_sigterm_ends_an_engine_at_work_with_0_and_nothing_is_lost(folder: Path, command: str) -> None:
    store = f"sqlite:///{folder / 'avtomat.db'}"
    with EngineProcess(folder, command=command, store=store) as engine:
        worker = RawWorker(engine, "worker", "echo")
        jobs = [engine.submit("echo", {"number": number})["job_id"] for number in range(2)]
        task = worker.poll()
        with RawWorker(engine, "idle", "other").open_poll() as idle:
            assert engine.stop() == 0
            assert b" 204 " in idle.recv(100)
        engine.start()
        engine.wait_ready()

        assert worker.result(task, task["params"]).body == {"status": "accepted"}
        other = worker.poll()
        assert (task["attempt"], other["attempt"]) == (1, 1)
        worker.result(other, other["params"])
        assert [engine.job(job_id, wait_s=10)["result"] for job_id in jobs] == [0, 1]
