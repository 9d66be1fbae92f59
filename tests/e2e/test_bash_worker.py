"""The worker in bash of the documentation, at a real engine: it works, and leaves nothing behind."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import EngineProcess, RealProcess

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).parents[2] / "docs/worker-protocol.md"
BLUEPRINT = """\
avtomat: 1
blueprint: hello
states:
  greet: {task: greet, params: {name: "{{ input.name }}"}, retry: none, next: done}
  done: {succeed: "{{ outputs.greet }}"}
"""
SLOW = "work() { touch began; sleep 1000; }"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/hello.yaml").write_text(BLUEPRINT)
    with EngineProcess(tmp_path) as engine:
        yield engine


def worker_of(engine: EngineProcess, *, work: str | None = None) -> RealProcess:
    [script] = re.findall(r"```bash\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    if work is not None:
        script = re.sub(r"^work\(\) .*$", work, script, flags=re.MULTILINE)
    (engine.folder / "worker.sh").write_text(script)
    env = {"AVTOMAT_URL": engine.url, **engine.tokens, "TMPDIR": str(engine.folder)}
    return RealProcess(["worker.sh"], folder=engine.folder, log="bash.log", env=env, program=["bash"])


def left_of(session: int) -> list[str]:
    """What still runs of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, fields = stat.read_text().rpartition(")")
        except OSError:
            continue  # it has ended meanwhile
        state, *numbers = fields.split()
        if int(numbers[2]) == session and state != "Z":
            found.append(name)
    return found


def test_it_does_one_task_after_another(engine: EngineProcess) -> None:
    with worker_of(engine) as worker:
        jobs = [engine.submit("hello", {"name": name}, wait_s=30) for name in ("Ada", "Bob")]
        code = worker.stop()

    assert [job["result"] for job in jobs] == [{"text": "Hello, Ada"}, {"text": "Hello, Bob"}]
    assert code == 0, worker.log


@pytest.mark.parametrize("work", ["work() { false; }", "work() { echo no json; }"])
def test_a_failure_is_reported_as_one(engine: EngineProcess, work: str) -> None:
    with worker_of(engine, work=work):
        job = engine.submit("hello", {"name": "Ada"}, wait_s=30)

    assert (job["status"], job["error"]["code"]) == ("failed", "PERMANENT_ERROR")


def test_at_sigterm_its_attempt_is_given_back_and_nothing_of_it_goes_on(engine: EngineProcess) -> None:
    with worker_of(engine, work=SLOW) as worker:
        job = engine.submit("hello", {"name": "Ada"})["job_id"]
        worker.until((engine.folder / "began").exists, "a task under way")
        code = worker.stop()
        [task] = engine.ask("GET", f"/api/v1/jobs/{job}/tasks").body["tasks"]

        assert code == 0, worker.log
        assert left_of(worker.pid) == []
        assert (task["phase"], task["attempt"]) == ("queued", 1)
        assert not list(engine.folder.glob("tmp.*"))


def test_it_stops_at_once_while_it_waits_for_a_task(engine: EngineProcess) -> None:
    with worker_of(engine) as worker:
        engine.submit("hello", {"name": "Ada"}, wait_s=30)
        worker.signal(signal.SIGTERM)

        assert worker.wait(timeout_s=10) == 0, worker.log
        assert left_of(worker.pid) == []
