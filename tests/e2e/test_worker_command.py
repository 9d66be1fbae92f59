"""`python -m avtomat_worker` keeps processes of a worker running, and follows its code."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.conditions import until
from tests.e2e.processes import TOKENS, EngineProcess, RealProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

BLUEPRINT = "avtomat: 1\nblueprint: say\nstates: {say: {task: say, next: done}, done: {succeed: '{{ outputs.say }}'}}\n"
APP = """\
import os
from avtomat_worker import Worker
worker = Worker(os.environ["ENGINE"], worker_id="app")
@worker.task("say")
def say() -> list:
    return ["{word}", os.getpid()]
"""


def command(folder: Path, url: str, *words: str, token: str = TOKENS["AVTOMAT_WORKER_TOKEN"]) -> RealProcess:
    return RealProcess(
        [*words],
        folder=folder,
        log="worker.log",
        env={"AVTOMAT_WORKER_TOKEN": token, "ENGINE": url},
        program=(sys.executable, "-m", "avtomat_worker"),
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/say.yaml").write_text(BLUEPRINT)
    (tmp_path / "app.py").write_text(APP.replace("{word}", "one"))
    return tmp_path


def said(engine: EngineProcess) -> tuple[str, int]:
    word, pid = engine.submit("say", {}, wait_s=30)["result"]
    return word, pid


def test_several_processes_work_and_one_that_is_killed_comes_back(project: Path) -> None:
    with EngineProcess(project) as engine, command(project, engine.url, "app:worker", "--processes", "2") as worker:
        worker.until(lambda: worker.log.count("registered for") == 2, "two registrations")
        assert "worker app registered" in worker.log
        assert "worker app-1 registered" in worker.log
        _, pid = said(engine)
        os.kill(pid, signal.SIGKILL)

        worker.until(lambda: worker.log.count("registered for") == 3, "a third registration")
        seen = {said(engine)[1] for _ in range(4)}

        assert pid not in seen
        assert worker.stop() == 0
    for each in seen:
        with suppress(ProcessLookupError):
            os.kill(each, 0)
            pytest.fail(f"process {each} is left")


def test_it_follows_its_code(project: Path) -> None:
    with EngineProcess(project) as engine, command(project, engine.url, "app:worker", "--reload") as worker:
        assert said(engine)[0] == "one"
        (project / "app.py").write_text(APP.replace("{word}", "a mistake") + "\nnonsense(\n")
        worker.until_said("SyntaxError")
        (project / "app.py").write_text(APP.replace("{word}", "two"))

        assert until(lambda: said(engine)[0] == "two", "the new code")
        assert worker.stop() == 0


@pytest.mark.parametrize(
    ("target", "told"),
    [("app", "MODULE:NAME"), ("nowhere:worker", "no module 'nowhere'"), ("app:say", "function, not a Worker")],
)
def test_a_target_that_is_none_is_told(project: Path, target: str, told: str) -> None:
    with command(project, "http://127.0.0.1:1", target) as worker:
        assert worker.wait() == 2

    assert told in worker.log


def test_a_worker_that_the_engine_does_not_want_is_not_started_again(project: Path) -> None:
    with (
        EngineProcess(project) as engine,
        command(project, engine.url, "app:worker", "--processes", "2", token="wrong-token-0123456789") as worker,
    ):
        assert worker.wait() == 2

    assert worker.log.count("the token is wrong") >= 2
