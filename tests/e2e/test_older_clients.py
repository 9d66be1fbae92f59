"""Clients of the time before 1.0b8, unmodified: they tell less, and never register again."""

from __future__ import annotations

from collections.abc import Iterator
from signal import SIGTERM
from typing import Any

import pytest

from tests.e2e.conditions import until
from tests.e2e.foreign import MIDDLE, OLDEST, ForeignWorker
from tests.e2e.processes import EngineProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

BLUEPRINT = """\
avtomat: 1
blueprint: older
policies:
  once: {attempts: 1}
  quick: {attempts: 2, delay: 50ms, factor: 1, jitter: none}
defaults: {retry: once, timeout: {heartbeat: 3s}}
start: which
states:
  which:
    transitions:
      - {when: input.kind == 'echo', to: echo}
      - {when: input.kind == 'review', to: review}
      - {when: input.kind == 'decline', to: decline}
      - {when: input.kind == 'crash', to: crash}
      - {when: input.kind == 'costly', to: costly}
      - {to: slow}
  echo: {task: echo, params: {text: "{{ input.text }}"}, set: {answer: "{{ output.got.text }}"}, next: done}
  costly:
    task: echo
    worker: {max_cost: 2, resources: {cpu_cores: 3, devices: [{type: gpu, model: rtx, properties: {memory_gb: 8}}]}}
    set: {answer: found}
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
    next: wrong
    catch: [{errors: [CARD_DECLINED], to: done, set: {answer: "{{ error.message }}"}}]
  crash: {task: crash, params: {text: boom}, retry: quick, next: wrong}
  slow:
    task: slow
    params: "{{ input.slow }}"
    set: {answer: "{{ output.waited }}"}
    next: done
  done: {succeed: "{{ data.answer }}"}
  wrong: {fail: {code: WRONG, message: this way leads nowhere}}
"""
SETTINGS = {
    "COST_PER_SKILL": '{"echo": 1.5}',
    "CPU_CORES": "4",
    "GPU_MODEL": "NVIDIA RTX 3090",
    "GPU_VRAM_GB": "24",
    "WORKER_ENABLE_WEBSOCKETS": "true",
}
Json = Any


@pytest.fixture(scope="module", params=[MIDDLE, OLDEST])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def engine(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    folder = tmp_path_factory.mktemp("older")
    (folder / "workflows").mkdir()
    (folder / "workflows/older.yaml").write_text(BLUEPRINT)
    with EngineProcess(folder, store="memory:") as engine:
        yield engine


@pytest.fixture(scope="module")
def worker(version: str, engine: EngineProcess) -> Iterator[ForeignWorker]:
    with ForeignWorker(version, engine, "older-1", env=SETTINGS, options={"task_type_limits": {"slow": 1}}) as worker:
        yield worker


def ended(engine: EngineProcess, kind: str, **given: Json) -> Json:
    return engine.submit("older", {"kind": kind, "text": "Grüße", **given}, wait_s=30)


@pytest.mark.parametrize(
    ("kind", "result"), [("echo", "Grüße"), ("review", 7), ("decline", "no money"), ("costly", "found")]
)
def test_results_statuses_failures_and_what_they_tell_of_themselves_are_understood(
    engine: EngineProcess, worker: ForeignWorker, kind: str, result: Json
) -> None:
    job = ended(engine, kind)

    assert (job["status"], job["result"]) == ("finished", result), worker.log


def test_an_exception_is_a_failure_that_is_tried_again(engine: EngineProcess, worker: ForeignWorker) -> None:
    error = ended(engine, "crash")["error"]

    assert (error["code"], error["attempt"], error["message"]) == ("TRANSIENT_ERROR", 2, "boom")


def test_progress_is_shown_and_a_cancel_reaches_the_task(engine: EngineProcess, worker: ForeignWorker) -> None:
    worker.until_said("WebSocket")
    job_id = engine.submit("older", {"kind": "slow", "slow": {}})["job_id"]
    told = until(lambda: _progress(engine, job_id), "progress")
    assert (told["progress"], told["message"]) == (0.5, "half")

    engine.ask("POST", f"/api/v1/jobs/{job_id}/cancel")

    worker.until_said("was cancelled")
    assert ended(engine, "echo")["result"] == "Grüße"


def test_a_task_that_takes_longer_than_its_lease_is_not_lost(engine: EngineProcess, worker: ForeignWorker) -> None:
    job = ended(engine, "slow", slow={"seconds": 5})

    assert (job["status"], job["result"]) == ("finished", True), job["error"]


def test_it_is_known_again_after_an_engine_that_forgets_was_killed(
    engine: EngineProcess, worker: ForeignWorker
) -> None:
    engine.kill()
    engine.start()
    engine.wait_ready()

    assert ended(engine, "echo")["result"] == "Grüße"


def _progress(engine: EngineProcess, job_id: str) -> Json:
    tasks = engine.ask("GET", f"/api/v1/jobs/{job_id}/tasks").body["tasks"]
    return next((task["progress"] for task in tasks if task["progress"] is not None), None)


def test_it_ends_when_it_is_stopped(version: str, engine: EngineProcess) -> None:
    with ForeignWorker(version, engine, "older-2", env=SETTINGS) as other:
        other.until_said("WebSocket")

        code = other.stop()

    assert code == (-SIGTERM if version == OLDEST else 0), other.log  # 1.0b3 does not listen to the signal
