"""`avtomat worker` is a worker of shell commands, and a whole process."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest

from avtomat.cli import worker as worker_command
from tests.worker.fake_engine import FakeEngine

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("AVTOMAT_")}


async def start(engine: FakeEngine, *arguments: str, **variables: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "avtomat",
        "worker",
        *arguments,
        env=CLEAN | {"AVTOMAT_URL": engine.url} | variables,
        stderr=asyncio.subprocess.PIPE,
    )


async def stop(process: asyncio.subprocess.Process) -> str:
    process.send_signal(signal.SIGTERM)
    _, stderr = await process.communicate()
    assert process.returncode == 0, stderr
    return stderr.decode()


async def test_commands_do_the_tasks_of_their_kind(engine: FakeEngine) -> None:
    upper = """upper=jq '{text: (.text | ascii_upcase), attempt: env.AVTOMAT_ATTEMPT}'"""
    process = await start(
        engine, "--exec", upper, "--exec", "fail=echo broken >&2; exit 1", "--worker-id", "sh", "--concurrency", "2"
    )
    engine.offer("upper", {"text": "abc"}, attempt=3)
    engine.offer("fail")
    await engine.until(lambda: len(engine.results) == 2)
    stderr = await stop(process)
    results = {result["task_id"]: result for result in engine.results}
    assert results["task-1"]["data"] == {"text": "ABC", "attempt": "3"}
    assert results["task-2"]["error"] == {
        "code": "PERMANENT_ERROR",
        "message": "the command ended with exit code 1: broken",
        "details": {"exit_code": 1},
    }
    assert engine.registrations[0]["worker_id"] == "sh"
    assert engine.polls[0]["max"] == "2"
    assert "broken" in stderr


async def test_the_token_comes_from_the_environment_and_reaches_no_command(engine: FakeEngine) -> None:
    process = await start(
        engine,
        "--exec",
        """token=echo "\\"${AVTOMAT_WORKER_TOKEN-none}\\"" """,
        AVTOMAT_WORKER_TOKEN="t0ken-of-a-worker",
    )
    engine.offer("token")
    result = await engine.result()
    stderr = await stop(process)
    assert engine.headers[0]["X-Worker-Token"] == "t0ken-of-a-worker"
    assert result["data"] == "none"
    assert "t0ken" not in stderr


async def test_a_stop_kills_a_command_that_does_not_end(engine: FakeEngine) -> None:
    process = await start(engine, "--exec", "endless=sleep 3600", "--drain", "0.1")
    engine.offer("endless")
    await engine.until(lambda: engine.last_status == "idle" and not engine.queue and len(engine.polls) > 0)
    await stop(process)
    assert (await engine.result())["status"] == "cancelled"


async def test_a_second_signal_leaves_no_command_behind(engine: FakeEngine, tmp_path: Path) -> None:
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)
    process = await start(engine, "--exec", f"endless=echo $$ > {fifo}; sleep 3600", "--drain", "1000")
    engine.offer("endless")
    command = os.pidfd_open(int(await asyncio.to_thread(fifo.read_text)))
    process.send_signal(signal.SIGTERM)
    await engine.until(lambda: engine.last_status == "draining")
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode == 143
    assert (await asyncio.to_thread(select.select, [command], [], [], 10))[0]


@pytest.mark.parametrize(("status", "exit_code"), [(403, 4), (401, 4), (404, 2)])
async def test_an_engine_that_does_not_want_the_worker_ends_it(engine: FakeEngine, status: int, exit_code: int) -> None:
    engine.refuse("register", status)
    process = await start(engine, "--exec", "kind=true")
    _, stderr = await process.communicate()
    assert process.returncode == exit_code
    assert str(status) in stderr.decode()
    assert "Traceback" not in stderr.decode()


async def test_two_commands_for_one_kind_are_a_usage_error(engine: FakeEngine) -> None:
    process = await start(engine, "--exec", "kind=true", "--exec", "kind=false")
    _, stderr = await process.communicate()
    assert process.returncode == 2
    assert "already" in stderr.decode()


@pytest.mark.parametrize("argument", ["kind", "=true", "kind=", "kind= "])
def test_an_exec_that_is_not_kind_and_command_is_refused(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    worker_command.add_arguments(parser)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--exec", argument])
    assert caught.value.code == 2
    assert "expected KIND=COMMAND" in capsys.readouterr().err
