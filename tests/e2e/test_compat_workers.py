"""Scripts written for avtomatika-worker do their tasks with `avtomat_worker.compat`, only the import changed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conditions import until
from tests.e2e.processes import EngineProcess, RealProcess
from tests.e2e.scripts import HERE, WORKER_TOKEN
from tests.e2e.test_older_clients import BLUEPRINT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

THEIRS, OURS = "from avtomatika_worker import", "from avtomat_worker.compat import"
Json = Any


@pytest.fixture(scope="module", params=["older_worker.py", "rxon_worker.py"])
def script(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = (HERE / request.param).read_text()
    assert text.count(THEIRS) == 1
    file = tmp_path_factory.mktemp("compat") / str(request.param)
    file.write_text(text.replace(THEIRS, OURS))
    return file


@pytest.fixture(scope="module")
def engine(script: Path) -> Iterator[EngineProcess]:
    (script.parent / "workflows").mkdir()
    (script.parent / "workflows/older.yaml").write_text(BLUEPRINT)
    with EngineProcess(script.parent) as engine:
        yield engine


@pytest.fixture(scope="module")
def worker(script: Path, engine: EngineProcess) -> Iterator[RealProcess]:
    env = {
        "ORCHESTRATOR_URL": engine.url,
        "WORKER_TOKEN": WORKER_TOKEN,
        "COST_PER_SKILL": '{"echo": 1.5}',
        "CPU_CORES": "4",
        "GPU_MODEL": "NVIDIA RTX 3090",
        "GPU_VRAM_GB": "24",
    }
    program = (sys.executable, str(script))
    with RealProcess([], folder=script.parent, log="worker.log", env=env, program=program) as worker:
        yield worker


def ended(engine: EngineProcess, kind: str, **given: Json) -> Json:
    return engine.submit("older", {"kind": kind, "text": "Grüße", **given}, wait_s=30)


@pytest.mark.parametrize(
    ("kind", "result"), [("echo", "Grüße"), ("review", 7), ("decline", "no money"), ("costly", "found")]
)
def test_results_statuses_failures_and_what_they_tell_are_the_same(
    engine: EngineProcess, worker: RealProcess, kind: str, result: Json
) -> None:
    job = ended(engine, kind)

    assert (job["status"], job["result"]) == ("finished", result), worker.log


def test_an_exception_is_a_failure_that_is_tried_again(engine: EngineProcess, worker: RealProcess) -> None:
    error = ended(engine, "crash")["error"]

    assert (error["code"], error["attempt"]) == ("TRANSIENT_ERROR", 2)


def test_progress_is_shown_and_the_task_goes_on(engine: EngineProcess, worker: RealProcess) -> None:
    job_id = engine.submit("older", {"kind": "slow", "slow": {"seconds": 2}})["job_id"]
    told = until(lambda: _progress(engine, job_id), "progress")

    assert (told["progress"], told["message"]) == (0.5, "half")
    assert engine.job(job_id, wait_s=30)["result"] is True


def test_it_ends_with_0_when_it_is_stopped(engine: EngineProcess, worker: RealProcess) -> None:
    assert worker.stop() == 0, worker.log


def _progress(engine: EngineProcess, job_id: str) -> Json:
    tasks = engine.ask("GET", f"/api/v1/jobs/{job_id}/tasks").body["tasks"]
    return next((task["progress"] for task in tasks if task["progress"] is not None), None)
