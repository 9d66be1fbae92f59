"""The newest client, unmodified: it signs, checks what the engine signs, and gets itself short-lived tokens."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conditions import until
from tests.e2e.foreign import NEWEST, ForeignWorker
from tests.e2e.processes import EngineProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

BLUEPRINT = """\
avtomat: 1
blueprint: signed
policies:
  once: {attempts: 1}
defaults: {retry: once, timeout: {heartbeat: 30s, total: 600s}}
start: which
states:
  which:
    transitions:
      - {when: input.kind == 'echo', to: echo}
      - {to: slow}
  echo:
    task: echo
    params: {text: "{{ input.text }}", nothing: null, one: 1.0, parts: [1.5, null, {deep: null, two: 2.0}]}
    next: done
  slow: {task: slow, params: {seconds: 4}, next: done}
  done: {succeed: {}}
"""
TOKEN = "own-token-of-the-worker-of-the-tests"
TASK_SECRET = "task-secret-of-the-tests-0123456789"
Json = Any


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/signed.yaml").write_text(BLUEPRINT)
    return tmp_path


def allow(project: Path, token: str, more: str) -> None:
    text = f'[workers."rxon-*"]\ntokens = ["sha256:{sha256(token.encode()).hexdigest()}"]\n{more}\n'
    (project / "workers.toml.new").write_text(text)
    (project / "workers.toml.new").rename(project / "workers.toml")


@pytest.fixture
def engine(project: Path) -> Iterator[EngineProcess]:
    allow(project, TOKEN, 'signing = "required"')
    env = {
        "AVTOMAT_WORKERS": str(project / "workers.toml"),
        "AVTOMAT_TASK_SECRET": TASK_SECRET,
        "AVTOMAT_WORKER_TOKEN_SECRET": "token-secret-of-the-tests-0123456789",
        "AVTOMAT_WORKER_TOKEN_LIFE": "2s",
    }
    with EngineProcess(project, env=env) as engine:
        yield engine


def worker_of(engine: EngineProcess, secret: str = TASK_SECRET, **more: str) -> ForeignWorker:
    env = {"ORCHESTRATOR_SECRET_KEY": secret, "WORKER_ENABLE_WEBSOCKETS": "true", **more}
    return ForeignWorker(NEWEST, engine, "rxon-1", env=env, token=TOKEN)


def ended(engine: EngineProcess, kind: str) -> Json:
    return engine.submit("signed", {"kind": kind, "text": "Grüße \U0001f600"}, wait_s=40)


@pytest.mark.parametrize("sockets", ["true", "false"])
def test_what_it_signs_is_taken_and_what_the_engine_signs_is_done(engine: EngineProcess, sockets: str) -> None:
    with worker_of(engine, WORKER_ENABLE_WEBSOCKETS=sockets) as worker:
        assert ended(engine, "echo")["status"] == "finished", worker.log
        job_id = engine.submit("signed", {"kind": "slow", "text": ""})["job_id"]
        told = until(lambda: _progress(engine, job_id), "progress")
        assert told["progress"] == 0.5
        assert engine.job(job_id, wait_s=40)["status"] == "finished", worker.log

    assert "auth.signature" not in worker.log


def test_a_worker_that_signs_with_another_token_is_refused_with_the_reason(
    engine: EngineProcess, project: Path
) -> None:
    other = "another-token-0123456789"
    with ForeignWorker(NEWEST, engine, "rxon-1", token=TOKEN, env=_engines_with(engine, token=TOKEN, sign=other)) as it:
        it.until_said("security.signature is not that of the message")


def test_a_worker_that_expects_another_secret_does_nothing(engine: EngineProcess) -> None:
    with worker_of(engine, "another-secret-0123456789") as worker:
        job_id = engine.submit("signed", {"kind": "echo", "text": ""})["job_id"]
        worker.until_said("signature verification failed")

        assert engine.job(job_id)["status"] in ("running", "waiting_for_worker")


@pytest.mark.parametrize("more", ['exchange = "required"', 'exchange = "required"\nsigning = "required"'])
def test_it_gets_itself_short_lived_tokens_and_new_ones_when_their_time_is_over(
    engine: EngineProcess, project: Path, more: str
) -> None:
    allow(project, TOKEN, more)
    until(lambda: "exchange" in _refusal(engine), "workers.toml in force")
    with worker_of(engine) as worker:
        assert ended(engine, "slow")["status"] == "finished", worker.log
        until(lambda: worker.log.count("Token refreshed") >= 2, "a second token")
        assert ended(engine, "echo")["status"] == "finished", worker.log

        allow(project, "a-token-that-came-instead-0123456789", more)

        worker.until_said("the token is wrong")


def _refusal(engine: EngineProcess) -> str:
    headers = {"X-Worker-Token": TOKEN}
    return str(engine.ask("PATCH", "/_worker/workers/rxon-9", headers={**headers, "Authorization": f"Bearer {TOKEN}"}))


def _engines_with(engine: EngineProcess, *, token: str, sign: str) -> dict[str, str]:
    """The client comes with one token and signs with another."""
    return {"ORCHESTRATORS_CONFIG": f'[{{"url": "{engine.url}", "token": "{token}"}}]', "WORKER_TOKEN": sign}


def _progress(engine: EngineProcess, job_id: str) -> Json:
    tasks = engine.ask("GET", f"/api/v1/jobs/{job_id}/tasks").body["tasks"]
    return next((task["progress"] for task in tasks if task["progress"] is not None), None)
