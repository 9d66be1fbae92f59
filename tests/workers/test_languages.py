"""The worker of each language keeps to the protocol, and does the tasks of a real engine."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from tests.e2e.processes import TOKENS, EngineProcess, RealProcess
from tests.workers.conftest import Conformance
from tests.workers.languages import LANGUAGES, WORKERS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ALL: Sequence[str] = ()
SMOKE: Sequence[str] = (
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
AWKWARD = """\
avtomat: 1
blueprint: polyglot
states:
  echo: {task: conformance.echo, params: {value: "{{ input }}"}, retry: none, next: work}
  work: {task: conformance.progress, params: {}, next: done}
  done: {succeed: null}
"""
AWKWARD_VALUES = {
    "numbers": [
        0,
        -0.0,
        1.0,
        0.1,
        1e-4,
        1e-5,
        1.5e-5,
        9.99e-5,
        1e-6,
        -2.5e-6,
        1e-7,
        1e18,
        1.5e17,
        1e22,
        1.5e300,
        2**53,
    ],
    "texts": ["\x7f", "\\u007f", "\x00\x1f\b\f\n\r\t", '\u2028/"', "\U0001f600"],
    "\uff5e": 1,
    "\U0001f600": 2,
    "none": None,
    "maps": [{"b": None, "a": {"none": None}}, None, {}, []],
}
HELLO = """\
avtomat: 1
blueprint: hello
states:
  greet: {task: greet, params: {name: Ada}, next: done}
  done: {succeed: "{{ outputs.greet }}"}
"""


TAKE_NEXT = {"python", "node"}
"""The workers that take their next task with a result."""


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_worker_keeps_to_the_protocol(
    name: str, started_by: Callable[[str], str], conformance: Callable[..., Conformance]
) -> None:
    language = LANGUAGES[name]
    only = ALL if os.environ.get("CI") == "true" else SMOKE

    seen = conformance(started_by(name), only=only, concurrency=language.concurrency)

    assert not seen.failed, seen.failed
    assert seen.code == 0
    may_lack = set() if name in TAKE_NEXT else {"not_offered"}
    assert {each["verdict"] for each in seen.reports.values()} <= {"good", *may_lack}


@pytest.mark.parametrize("name", ["python", "node", "bash"])
def test_the_worker_signs_what_it_sends_if_it_is_told_to(
    name: str, started_by: Callable[[str], str], conformance: Callable[..., Conformance]
) -> None:
    only = ALL if os.environ.get("CI") == "true" else (*SMOKE, "reports_progress", "keeps_the_lease")
    seen = conformance(started_by(name), only=only, concurrency=LANGUAGES[name].concurrency, signing=True)

    assert not seen.failed, seen.failed
    assert seen.code == 0


@pytest.mark.parametrize("name", ["python", "node", "bash"])
def test_what_the_worker_signs_is_taken_by_a_real_engine(
    name: str, tmp_path: Path, started_by: Callable[[str], str]
) -> None:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/polyglot.yaml").write_text(AWKWARD)
    token = "token-of-a-worker-that-signs-" + "x" * 60
    digest = sha256(token.encode()).hexdigest()
    (tmp_path / "workers.toml").write_text(f'[workers.w1]\ntokens = ["sha256:{digest}"]\nsigning = "required"\n')
    env = {"AVTOMAT_WORKER_TOKEN": token, "AVTOMAT_WORKER_ID": "w1", "AVTOMAT_WORKER_CONCURRENCY": "1"}
    more = {"AVTOMAT_WORKER_DRAIN_S": "5", "AVTOMAT_WORKER_SIGNING": "1"}
    with EngineProcess(tmp_path, env={"AVTOMAT_WORKERS": str(tmp_path / "workers.toml")}) as engine:
        env = {**env, **more, "AVTOMAT_URL": engine.url}
        command = shlex.split(started_by(name))
        with RealProcess([], folder=tmp_path, log="worker.log", env=env, program=command) as worker:
            path = "/api/v1/blueprints/polyglot/jobs?wait=60"
            job = engine.ask("POST", path, {"input": AWKWARD_VALUES}).body

    assert job["status"] == "finished", (job, worker.log)


def test_a_worker_that_does_not_sign_though_it_is_told_to_fails(
    started_by: Callable[[str], str], conformance: Callable[..., Conformance]
) -> None:
    seen = conformance(f"env -u AVTOMAT_WORKER_SIGNING {started_by('node')}", only=["registers"], signing=True)

    assert "security.signature is missing" in seen.failed["registers"]


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


@pytest.mark.parametrize("name", [name for name in LANGUAGES if name != "python"])
def test_the_worker_of_the_readme_greets(name: str, tmp_path: Path, started_by: Callable[[str], str]) -> None:
    page = (WORKERS / name / "README.md").read_text("utf-8")
    code = re.findall(r"```(?:js|java|perl|bash)\n(.*?)```", page, re.DOTALL)[0].replace("workers/", f"{WORKERS}/")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/avtomat-worker").symlink_to(WORKERS / "node")
    file = tmp_path / {"node": "greet.mjs", "java": "Greet.java", "perl": "greet.pl", "bash": "greet.sh"}[name]
    file.write_text(code)
    started = started_by(name)
    program = [*shlex.split(started)[:-1], str(file)] if name == "java" else [started.split()[0], str(file)]
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/hello.yaml").write_text(HELLO)

    with EngineProcess(tmp_path, command="dev") as engine:
        env = {"AVTOMAT_URL": engine.url}
        with RealProcess([], folder=tmp_path, log="worker.log", env=env, program=program) as worker:
            job = engine.ask("POST", "/api/v1/blueprints/hello/jobs?wait=60", {"input": {}}).body
            worker.stop()

    assert job["result"] == {"text": "Hello, Ada"}, (job, worker.log)


def test_the_node_worker_passes_its_own_tests() -> None:
    LANGUAGES["node"].need()

    done = subprocess.run(["node", "--test"], cwd=WORKERS / "node", capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_json_of_the_java_worker_is_json(started_by: Callable[[str], str]) -> None:
    command = started_by("java").replace("Conformance", "JsonTest")

    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "good\n"), done.stderr
