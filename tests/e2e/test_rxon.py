"""The package avtomatika-worker, which is not ours, is a worker of this engine without a change.

It pins an older orjson than the engine needs, so it has a virtual environment of its own, made when it is first needed.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import without
from tests.e2e.conditions import until
from tests.e2e.processes import EngineProcess
from tests.e2e.scripts import RxonWorker

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PACKAGE = "avtomatika-worker==1.0b20"
VENV = Path(__file__).parents[2] / ".venv-rxon"
INSTALL_TIMEOUT_S = 240

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
      - {to: slow}
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
  slow: {task: slow, next: wrong}
  done: {succeed: "{{ data.answer }}"}
  wrong: {fail: {code: WRONG, message: this way leads nowhere}}
"""

Json = Any


@pytest.fixture(scope="session")
def rxon_python() -> Path:
    """A Python that has the package; without PyPI these tests do not run."""
    python = VENV / "bin/python"
    VENV.mkdir(exist_ok=True)
    (VENV / ".gitignore").write_text("*\n")
    with (VENV / "lock").open("w") as lock:  # tests run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (VENV / "complete").exists():
            _install(python)
    return python


def _install(python: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True, timeout=INSTALL_TIMEOUT_S)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", PACKAGE]
    try:
        subprocess.run(pip, check=True, capture_output=True, timeout=INSTALL_TIMEOUT_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        without(f"PyPI, which has {PACKAGE}")
    (VENV / "complete").touch()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    folder = tmp_path_factory.mktemp("rxon")
    (folder / "workflows").mkdir()
    (folder / "workflows/rxon.yaml").write_text(BLUEPRINT)
    with EngineProcess(folder) as engine:
        yield engine


@pytest.fixture(scope="module")
def worker(rxon_python: Path, engine: EngineProcess) -> Iterator[RxonWorker]:
    with RxonWorker(rxon_python, engine, "rxon-1") as worker:
        yield worker


def ended(engine: EngineProcess, kind: str) -> Json:
    return engine.submit("rxon", {"kind": kind, "text": "Grüße"}, wait_s=30)


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
    engine: EngineProcess, worker: RxonWorker, kind: str, result: Json
) -> None:
    job = ended(engine, kind)

    assert (job["status"], job["result"]) == ("finished", result), worker.log


def test_its_exception_is_a_failure_that_is_tried_again(engine: EngineProcess, worker: RxonWorker) -> None:
    job = ended(engine, "crash")

    assert (job["status"], job["error"]["code"], job["error"]["attempt"]) == ("failed", "TRANSIENT_ERROR", 2)


def test_its_progress_is_shown_and_a_cancel_reaches_it(engine: EngineProcess, worker: RxonWorker) -> None:
    job_id = engine.submit("rxon", {"kind": "slow"})["job_id"]
    told = until(lambda: _progress(engine, job_id), "progress")
    assert (told["progress"], told["message"]) == (0.5, "half")

    assert engine.ask("POST", f"/api/v1/jobs/{job_id}/cancel").body["status"] == "cancelled"

    until(lambda: "ancel" in worker.log, "cancelled task in the worker's log")
    assert engine.job(job_id)["status"] == "cancelled"
    assert ended(engine, "scalar")["result"] == 42


def test_it_finds_its_way_back_after_the_engine_was_killed(engine: EngineProcess, worker: RxonWorker) -> None:
    engine.kill()
    engine.start()
    engine.wait_ready()

    assert ended(engine, "scalar")["result"] == 42


def test_it_ends_with_0_when_it_is_stopped(rxon_python: Path, engine: EngineProcess) -> None:
    with RxonWorker(rxon_python, engine, "rxon-2") as other:
        until(lambda: "egistered" in other.log, "registration in the worker's log")
        assert other.stop() == 0, other.log


def _progress(engine: EngineProcess, job_id: str) -> Json:
    tasks = engine.ask("GET", f"/api/v1/jobs/{job_id}/tasks").body["tasks"]
    return next((task["progress"] for task in tasks if task["progress"] is not None), None)
