"""The worker of each language keeps to the protocol, and does the tasks of a real engine."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.e2e.processes import TOKENS, EngineProcess, RealProcess
from tests.workers.conftest import Conformance
from tests.workers.languages import LANGUAGES, WORKERS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SMOKE = (
    "registers",
    "keeps_json_as_it_is",
    "fails_with_code_message_and_details",
    "repeats_a_result_after_503",
    "stops_what_is_cancelled",
    "finishes_what_is_short",
)
BLUEPRINT = """\
avtomat: 1
blueprint: polyglot
policies:
  twice: {attempts: 2, delay: 50ms, jitter: none, errors: [TRANSIENT_ERROR]}
states:
  echo: {task: conformance.echo, params: {text: "{{ input.text }}", n: null}, next: pay}
  pay: {task: conformance.status, params: {status: charged, data: {amount: 3}}, next: refuse}
  refuse:
    task: conformance.fail
    params: {code: TRANSIENT_ERROR, message: later, details: null}
    retry: twice
    catch: [{errors: [TRANSIENT_ERROR], to: work}]
    next: work
  work: {task: conformance.progress, params: {}, next: done}
  done: {succeed: ["{{ outputs.echo.text }}", "{{ outputs.pay.amount }}"]}
"""


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_worker_keeps_to_the_protocol(
    name: str, started_by: Callable[[str], str], conformance: Callable[..., Conformance]
) -> None:
    language = LANGUAGES[name]
    only: Sequence[str] = () if os.environ.get("CI") == "true" else SMOKE

    seen = conformance(started_by(name), only=only, concurrency=language.concurrency)

    assert not seen.failed, seen.failed
    assert seen.code == 0
    assert {each["verdict"] for each in seen.reports.values()} == {"good"}


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_worker_does_the_tasks_of_a_real_engine(
    name: str, tmp_path: Path, started_by: Callable[[str], str]
) -> None:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/polyglot.yaml").write_text(BLUEPRINT)
    command = shlex.split(started_by(name))

    with EngineProcess(tmp_path) as engine:
        env = {
            "AVTOMAT_URL": engine.url,
            "AVTOMAT_WORKER_TOKEN": TOKENS["AVTOMAT_WORKER_TOKEN"],
            "AVTOMAT_WORKER_ID": f"{name}-1",
            "AVTOMAT_WORKER_CONCURRENCY": str(LANGUAGES[name].concurrency),
            "AVTOMAT_WORKER_DRAIN_S": "5",
        }
        with RealProcess([], folder=tmp_path, log="worker.log", env=env, program=command) as worker:
            path = "/api/v1/blueprints/polyglot/jobs?wait=60"
            job = engine.ask("POST", path, {"input": {"text": 'ünïcode 🙂 "007"'}}).body
            assert worker.stop() == 0, worker.log

    assert job["status"] == "finished", (job, worker.log)
    assert job["result"] == ['ünïcode 🙂 "007"', 3]


def test_the_node_worker_passes_its_own_tests() -> None:
    LANGUAGES["node"].need()

    done = subprocess.run(["node", "--test"], cwd=WORKERS / "node", capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_json_of_the_java_worker_is_json(started_by: Callable[[str], str]) -> None:
    command = started_by("java").replace("Conformance", "JsonTest")

    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "good\n"), done.stderr
