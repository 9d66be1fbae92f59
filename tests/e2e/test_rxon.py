"""The package avtomatika-worker (1.0b20), which is not ours, is a worker of this engine without a change."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conditions import until
from tests.e2e.foreign import NEWEST, ForeignWorker
from tests.e2e.processes import EngineProcess
from tests.servers import RedisServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

BLUEPRINT = """\
avtomat: 1
blueprint: rxon
policies:
  quick: {attempts: 2, delay: 50ms, factor: 1, jitter: none}
defaults: {retry: quick}
start: which
states:
  which:
    transitions:
      - {when: input.kind == 'echo', to: echo}
      - {when: input.kind == 'review', to: review}
      - {when: input.kind == 'decline', to: decline}
      - {when: input.kind == 'crash', to: crash}
      - {when: input.kind == 'scalar', to: scalar}
      - {when: input.kind == 'slow', to: slow}
      - {when: input.kind == 'say', to: say}
      - {when: input.kind == 'warm', to: warm}
      - {when: input.kind == 'cheap', to: cheap}
      - {when: input.kind == 'tell', to: tell}
      - {to: wrong}
  echo:
    task: echo
    params: {text: "{{ input.text }}", nothing: null, one: 1.0}
    set: {answer: "{{ output.got }}"}
    next: done
  review:
    task: review
    params: {score: 7}
    set: {answer: "{{ output.score }}"}
    transitions:
      - {when: status == 'needs_review', to: done}
      - {to: wrong}
  decline:
    task: decline
    params: {limit: 5}
    next: wrong
    catch:
      - {errors: [CARD_DECLINED], to: done, set: {answer: "{{ error.details }}"}}
  crash: {task: crash, params: {text: boom}, next: wrong}
  scalar: {task: scalar, params: {value: 42}, set: {answer: "{{ output }}"}, next: done}
  slow: {task: slow, params: "{{ default(input.slow, {}) }}", set: {answer: "{{ output.waited }}"}, next: done}
  say:
    task: say
    params: {result: "{{ input.result }}"}
    set: {answer: "{{ {'status': status, 'output': output} }}"}
    next: done
    catch: [{errors: [ANY], to: done, set: {answer: "{{ error }}"}}]
  warm: {task: warm, set: {answer: warm}, next: done}
  cheap: {task: echo, worker: {max_cost: 1}, set: {answer: cheap}, next: done}
  tell:
    parallel:
      worker: {task: tell, params: {type: news, payload: {n: 7}}}
      news: {start: hear, states: {hear: {signal: news, next: end}}}
    set: {answer: "{{ output.news }}"}
    next: done
  done: {succeed: "{{ data.answer }}"}
  wrong: {fail: {code: WRONG, message: this way leads nowhere}}
"""

RXON_CODES = [
    "TRANSIENT_ERROR",
    "PERMANENT_ERROR",
    "INVALID_INPUT_ERROR",
    "INTEGRITY_MISMATCH_ERROR",
    "TIMEOUT_ERROR",
    "LATE_RESULT",
    "RESOURCE_EXHAUSTED_ERROR",
    "LIMIT_EXCEEDED_ERROR",
    "CONTRACT_VIOLATION_ERROR",
    "DEPENDENCY_MISSING_ERROR",
    "DEPENDENCY_ERROR",
    "SECURITY_ERROR",
    "INTERNAL_ERROR",
]
Json = Any


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    folder = tmp_path_factory.mktemp("rxon")
    (folder / "workflows").mkdir()
    (folder / "workflows/rxon.yaml").write_text(BLUEPRINT)
    with EngineProcess(folder) as engine:
        yield engine


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine that has no worker but those of the test."""
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/rxon.yaml").write_text(BLUEPRINT)
    with EngineProcess(tmp_path) as engine:
        yield engine


@pytest.fixture(scope="module")
def worker(engine: EngineProcess) -> Iterator[ForeignWorker]:
    with ForeignWorker(NEWEST, engine, "rxon-1") as worker:
        yield worker


def ended(engine: EngineProcess, kind: str, **given: Json) -> Json:
    return engine.submit("rxon", {"kind": kind, "text": "Grüße", **given}, wait_s=30)


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        ("echo", {"text": "Grüße", "one": 1}),  # the package drops nulls itself
        ("review", 7),
        ("decline", {"limit": 5}),
        ("scalar", 42),
    ],
)
def test_its_results_statuses_and_failures_are_understood(
    engine: EngineProcess, worker: ForeignWorker, kind: str, result: Json
) -> None:
    job = ended(engine, kind)

    assert (job["status"], job["result"]) == ("finished", result), worker.log


def test_its_event_is_a_signal_for_its_job(engine: EngineProcess, worker: ForeignWorker) -> None:
    job = ended(engine, "tell")

    assert (job["status"], job["result"]) == ("finished", {"n": 7}), worker.log


def test_its_exception_is_a_failure_that_is_tried_again(engine: EngineProcess, worker: ForeignWorker) -> None:
    job = ended(engine, "crash")

    assert (job["status"], job["error"]["code"], job["error"]["attempt"]) == ("failed", "TRANSIENT_ERROR", 2)


def test_its_progress_is_shown_and_a_cancel_reaches_it(engine: EngineProcess, worker: ForeignWorker) -> None:
    job_id = engine.submit("rxon", {"kind": "slow"})["job_id"]
    told = until(lambda: _progress(engine, job_id), "progress")
    assert (told["progress"], told["message"]) == (0.5, "half")

    assert engine.ask("POST", f"/api/v1/jobs/{job_id}/cancel").body["status"] == "cancelled"

    until(lambda: "ancel" in worker.log, "cancelled task in the worker's log")
    assert engine.job(job_id)["status"] == "cancelled"
    assert ended(engine, "scalar")["result"] == 42


def test_it_finds_its_way_back_after_the_engine_was_killed(engine: EngineProcess, worker: ForeignWorker) -> None:
    engine.kill()
    engine.start()
    engine.wait_ready()

    assert ended(engine, "scalar")["result"] == 42


def test_it_ends_with_0_when_it_is_stopped(engine: EngineProcess) -> None:
    with ForeignWorker(NEWEST, engine, "rxon-2") as other:
        until(lambda: "egistered" in other.log, "registration in the worker's log")
        assert other.stop() == 0, other.log


@pytest.mark.parametrize("code", RXON_CODES)
def test_each_of_its_error_codes_comes_through(engine: EngineProcess, worker: ForeignWorker, code: str) -> None:
    error = {"code": code, "message": "so it is", "details": {"n": 1}}
    said = ended(engine, "say", result={"status": "failure", "error": error})["result"]

    assert (said["code"], said["message"], said["details"]) == (code, "so it is", {"n": 1}), worker.log


@pytest.mark.parametrize("status", ["одобрено", "two words", "Mixed_Case-1.0"])
def test_any_word_is_a_status(engine: EngineProcess, worker: ForeignWorker, status: str) -> None:
    said = ended(engine, "say", result={"status": status, "data": {"n": 1}})["result"]

    assert said == {"status": status, "output": {"n": 1}}


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ({"status": "", "data": {}}, "CONTRACT_VIOLATION_ERROR"),
        ({"status": "cancelled"}, "WORKER_LOST"),
        ({"status": "failure", "error": "just text"}, "TRANSIENT_ERROR"),
        ({"status": "failure"}, "INTERNAL_ERROR"),
    ],
)
def test_a_result_that_cannot_be_used_fails_at_once(
    engine: EngineProcess, worker: ForeignWorker, result: Json, code: str
) -> None:
    assert ended(engine, "say", result=result)["result"]["code"] == code, worker.log


def test_a_worker_at_the_limit_of_a_kind_takes_the_next_when_it_says_that_it_can(lone: EngineProcess) -> None:
    options = {"skill_type_limits": {"slow": 1}}
    with ForeignWorker(NEWEST, lone, "rxon-3", options=options, env={"TASK_POLL_TIMEOUT": "60"}) as limited:
        for _ in range(2):
            job = ended(lone, "slow", slow={"seconds": 0.2})
            assert (job["status"], job["result"]) == ("finished", True), limited.log


def test_a_worker_whose_checker_changes_its_mind_takes_what_it_refused(lone: EngineProcess) -> None:
    full = lone.folder / "full"
    full.touch()
    env = {"TASK_POLL_TIMEOUT": "60", "WORKER_FULL": str(full)}
    with ForeignWorker(NEWEST, lone, "rxon-4", env=env) as choosy:
        job_id = lone.submit("rxon", {"kind": "echo", "text": "x"})["job_id"]
        assert ended(lone, "scalar")["result"] == 42
        assert lone.job(job_id)["status"] == "waiting_for_worker"

        full.unlink()

        assert lone.job(job_id, wait_s=30)["status"] == "finished", choosy.log


def test_over_its_socket_it_tells_progress_and_hears_of_a_cancel(lone: EngineProcess) -> None:
    env = {"WORKER_ENABLE_WEBSOCKETS": "true", "HEARTBEAT_INTERVAL": "600", "WORKER_HEARTBEAT_COOLDOWN": "600"}
    with ForeignWorker(NEWEST, lone, "rxon-5", env=env) as worker:
        job_id = lone.submit("rxon", {"kind": "slow"})["job_id"]
        assert until(lambda: _progress(lone, job_id), "progress")["progress"] == 0.5

        lone.ask("POST", f"/api/v1/jobs/{job_id}/cancel")

        worker.until_said("by command")


def test_its_costs_count_and_are_kept(lone: EngineProcess) -> None:
    with ForeignWorker(NEWEST, lone, "rxon-6", env={"COST_PER_SKILL": '{"echo": 1.5}'}) as dear:
        job_id = lone.submit("rxon", {"kind": "cheap", "text": ""})["job_id"]
        assert ended(lone, "say", result={"data": {}, "costs": {"usd": 0.2}})["status"] == "finished"
        assert lone.job(job_id)["status"] == "waiting_for_worker"
        why = lone.ask("GET", f"/api/v1/jobs/{job_id}/why").body
        assert "1.5, over max_cost 1" in str(why), dear.log
    with ForeignWorker(NEWEST, lone, "rxon-7", env={"COST_PER_SKILL": '{"echo": 0.5}'}):
        job = lone.job(job_id, wait_s=30)
    said = lone.ask("GET", f"/api/v1/jobs/{job_id}/history").body

    assert job["result"] == "cheap"
    assert "execution_time_seconds" in str(said)


def test_a_worker_that_is_hot_gets_the_task_though_another_one_waits_longer(lone: EngineProcess) -> None:
    with ForeignWorker(NEWEST, lone, "rxon-8") as warm:
        assert ended(lone, "warm")["result"] == "warm"
        with ForeignWorker(NEWEST, lone, "rxon-9"):
            until(lambda: _polls_waiting(lone) == 2, "two polls that wait")
            job = ended(lone, "echo")
        history = lone.ask("GET", f"/api/v1/jobs/{job['id']}/history").body["history"]

    assert "rxon-8" in str(history), warm.log
    assert "rxon-9" not in str(history)


@pytest.mark.nightly
def test_what_it_finished_while_the_store_was_away_is_delivered_later(tmp_path: Path, fresh_redis: RedisServer) -> None:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/rxon.yaml").write_text(BLUEPRINT)
    with (
        EngineProcess(tmp_path, store=fresh_redis.url) as engine,
        ForeignWorker(NEWEST, engine, "rxon-1") as worker,
    ):
        job_id = engine.submit("rxon", {"kind": "slow", "slow": {"seconds": 1}})["job_id"]
        until(lambda: _progress(engine, job_id), "progress")
        fresh_redis.kill()
        worker.until_said("Rate limited sending result")
        fresh_redis.start()

        job = engine.job(job_id, wait_s=60)

    assert (job["status"], job["result"]) == ("finished", True), worker.log


def _polls_waiting(engine: EngineProcess) -> int:
    with urllib.request.urlopen(engine.url + "/metrics", timeout=5) as answer:
        said = re.search(rb"^avtomat_polls_waiting (\d+)", answer.read(), re.MULTILINE)
    return int(said[1]) if said else 0


def _progress(engine: EngineProcess, job_id: str) -> Json:
    tasks = engine.ask("GET", f"/api/v1/jobs/{job_id}/tasks").body["tasks"]
    return next((task["progress"] for task in tasks if task["progress"] is not None), None)
