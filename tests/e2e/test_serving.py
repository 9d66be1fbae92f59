"""The engine as a process: it starts or says why not, serves, survives, and ends as it is told."""

from __future__ import annotations

import os
import select
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.processes import AVTOMAT, TOKENS, EngineProcess, RealProcess, WorkerProcess, clean_environment
from tests.servers import RedisServer

pytestmark = pytest.mark.e2e

HELLO = """\
avtomat: 1
blueprint: hello
input: {type: object, required: [name], properties: {name: {type: string}}}
states:
  greet: {task: greet, params: {name: "{{ input.name }}"}, next: done}
  done: {succeed: "{{ outputs.greet }}"}
"""
GREET = {"greet": "echo '\"Hello\"'"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/hello.yaml").write_text(HELLO)
    return tmp_path


@pytest.fixture
def engine(project: Path) -> Iterator[EngineProcess]:
    with EngineProcess(project) as engine:
        yield engine


def ended(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    command = [*AVTOMAT, *arguments]
    env = clean_environment(variables)
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=30, check=False)


@contextmanager
def request_under_way(engine: EngineProcess) -> Iterator[None]:
    """A request whose body never comes; the engine has begun to serve it, as its `100 Continue` says."""
    head = (
        f"POST /api/v1/jobs/hello HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {TOKENS['AVTOMAT_CLIENT_TOKEN']}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", engine.port), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        yield


def test_a_job_runs_from_file_to_result_with_a_real_worker(engine: EngineProcess) -> None:
    with WorkerProcess(engine, GREET):
        job = engine.submit("hello", {"name": "Ada"}, wait_s=30)

    assert (job["status"], job["result"]) == ("finished", "Hello")


def test_a_job_survives_kill_9_of_its_engine(engine: EngineProcess) -> None:
    job_id = engine.submit("hello", {"name": "Ada"})["job_id"]
    engine.kill()
    engine.start()
    engine.wait_ready()

    with WorkerProcess(engine, GREET):
        assert engine.job(job_id, wait_s=30)["result"] == "Hello"


def test_a_worker_with_the_wrong_token_ends_with_4(engine: EngineProcess) -> None:
    with WorkerProcess(engine, GREET, env={"AVTOMAT_WORKER_TOKEN": "another-token"}) as worker:
        assert worker.wait() == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_engine_ends_at_once_with_0(engine: EngineProcess, number: signal.Signals) -> None:
    engine.signal(number)

    assert engine.wait(10) == 0
    assert "Traceback" not in engine.log


def test_a_stopping_engine_waits_no_longer_than_the_drain_time(project: Path) -> None:
    with EngineProcess(project, arguments=["--drain", "300ms"]) as engine:
        with request_under_way(engine):
            assert engine.stop() == 0

        assert "Traceback" not in engine.log


def test_a_second_signal_ends_the_engine_at_once(engine: EngineProcess) -> None:
    with request_under_way(engine):
        engine.signal(signal.SIGTERM)
        engine.until_said("stopping")
        engine.signal(signal.SIGTERM)

        assert engine.wait(5) == 128 + signal.SIGTERM


def test_serve_without_tokens_ends_with_2_and_says_how_to_make_them(project: Path) -> None:
    done = ended(project, "serve")

    assert done.returncode == 2
    assert "AVTOMAT_CLIENT_TOKEN and AVTOMAT_WORKER_TOKEN not set" in done.stderr
    assert "openssl rand" in done.stderr


def test_a_port_that_is_taken_is_one_line_and_2(engine: EngineProcess, tmp_path: Path) -> None:
    done = ended(engine.folder, "serve", "--port", str(engine.port), "--store", "memory:", **TOKENS)

    assert done.returncode == 2
    assert f"avtomat: cannot listen on 127.0.0.1:{engine.port}: address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_another_engine_has_is_one_line_and_5(engine: EngineProcess) -> None:
    done = ended(engine.folder, "serve", "--port", "0", **TOKENS)

    assert done.returncode == 5
    assert "is in use by another engine process" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_of_a_newer_engine_is_refused_with_5(project: Path) -> None:
    with EngineProcess(project) as engine:
        assert engine.stop() == 0
    with sqlite3.connect(project / "avtomat.db") as db:
        db.execute("UPDATE avtomat_meta SET value = 99 WHERE name = 'format'")
    db.close()

    done = ended(project, "serve", "--port", "0", **TOKENS)

    assert done.returncode == 5
    assert "has format 99" in done.stderr


def test_an_engine_whose_store_was_removed_ends_with_5(engine: EngineProcess, project: Path) -> None:
    [file] = [path for path in project.rglob("*.db") if path.is_file()]
    file.unlink()

    assert engine.wait(20) == 5
    assert f"{file.name} was removed, renamed or replaced" in engine.log
    assert "Traceback" not in engine.log


def test_a_store_in_a_folder_that_is_missing_is_one_line_and_5(project: Path) -> None:
    done = ended(project, "serve", "--port", "0", "--store", "sqlite:///nowhere/jobs.db", **TOKENS)

    assert done.returncode == 5
    assert "nowhere/jobs.db" in done.stderr
    assert "Traceback" not in done.stderr


def test_dev_tells_in_three_lines_how_to_start_a_job(project: Path) -> None:
    with EngineProcess(project, command="dev") as engine:
        engine.until_said("Start a job")
        lines = engine.log_file.read_text().splitlines()
        with WorkerProcess(engine, GREET):
            job = engine.submit("hello", {"name": "Ada"}, wait_s=30)

    told = [line for line in lines if not line[:4].isdigit()]
    assert len(told) == 3
    assert f"on {engine.url} " in told[0]
    assert told[1].endswith("hello")
    assert told[2].endswith("""?wait=30' --json '{"input": {"name": "text"}}'""")
    assert job["result"] == "Hello"
    assert (project / ".avtomat/avtomat.db").exists()


def test_dev_keeps_pages_of_others_out(project: Path) -> None:
    with EngineProcess(project, command="dev") as engine:
        assert engine.ask("GET", "/api/v1/jobs", headers={"Origin": "https://evil.example"}).status == 403
        assert engine.ask("GET", "/api/v1/jobs", headers={"Host": "evil.example"}).status == 403


def test_dev_with_a_broken_blueprint_runs_and_takes_the_mended_one(project: Path) -> None:
    (project / "workflows/hello.yaml").write_text(HELLO.replace("next: done", "next: gone"))
    with RealProcessOfDev(project) as engine:
        engine.until_said("AVT")
        assert engine.ask("GET", "/readyz").status == 503
        assert "^^^^" in engine.log
        assert engine.log.count("there is no state `gone`") == 1
        (project / "workflows/hello.yaml").write_text(HELLO)
        engine.wait_ready()
        job = engine.submit("hello", {"name": "Ada"})["job_id"]
        engine.ask("POST", f"/api/v1/jobs/{job}/cancel", {"reason": "enough"})
        engine.until_said(f"job {job} hello cancelled after")


def test_dev_starts_with_its_folder_as_it_is_an_older_version_too(project: Path) -> None:
    file = project / "workflows/hello.yaml"
    older, newer = file.read_text(), file.read_text().replace("done", "over")
    served = []
    for text in (older, newer, older):
        file.write_text(text)
        with EngineProcess(project, command="dev") as engine:
            served.append(engine.ask("GET", "/api/v1/blueprints/hello").body["version"])
    assert served[0] == served[2] != served[1]


class RealProcessOfDev(EngineProcess):
    """A `dev` that is not waited for: it cannot be ready."""

    def __init__(self, project: Path) -> None:
        super().__init__(project, command="dev")

    def __enter__(self) -> RealProcessOfDev:
        RealProcess.start(self)
        self.until_said("Start a job")
        return self


# --- several processes ------------------------------------------------------------------------------------------------


def children_of(engine: EngineProcess) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{engine.pid}/task/{engine.pid}/children").read_text().split()]


@pytest.fixture
def pair(project: Path, fresh_redis: RedisServer) -> Iterator[EngineProcess]:
    """Two processes on one port and one Redis."""
    with EngineProcess(project, store=fresh_redis.url, arguments=["--processes", "2"]) as engine:
        engine.until(lambda: engine.log.count("listening on") == 2, "two listeners")
        yield engine


def test_two_processes_share_a_port_and_the_jobs(pair: EngineProcess) -> None:
    with WorkerProcess(pair, GREET):
        jobs = [pair.submit("hello", {"name": "Ada"}, wait_s=30) for _ in range(10)]

    assert {job["status"] for job in jobs} == {"finished"}
    assert pair.stop() == 0


def test_a_process_that_dies_is_started_again(pair: EngineProcess) -> None:
    before = children_of(pair)
    os.kill(before[0], signal.SIGKILL)
    pair.until(lambda: pair.log.count("listening on") == 3, "third listener")

    assert len(children_of(pair)) == 2
    assert before[0] not in children_of(pair)
    assert pair.stop() == 0


def test_the_processes_end_when_their_parent_is_killed(pair: EngineProcess) -> None:
    descriptors = [os.pidfd_open(pid) for pid in children_of(pair)]
    pair.kill()

    for each in descriptors:
        with os.fdopen(each):
            assert _ends(each)


def _ends(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 30)[0])


def test_several_processes_on_a_store_of_one_are_refused_with_2(project: Path) -> None:
    done = ended(project, "serve", "--processes", "2", **TOKENS)

    assert done.returncode == 2
    assert "use a store in Redis" in done.stderr
