"""A shell command is a task: JSON in, JSON out, and nothing of it survives its end."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from avtomat.cli.shell_task import (
    ShellFailed,
    ShellLimits,
    ShellOutcome,
    ShellSucceeded,
    run_shell_task,
    task_environment,
)


async def shell(command: str, params: Any = None, limits: ShellLimits | None = None) -> ShellOutcome:
    return await run_shell_task(command, params=params, environment=os.environ, limits=limits)


async def fails(command: str, limits: ShellLimits | None = None) -> ShellFailed:
    outcome = await shell(command, limits=limits)
    assert isinstance(outcome, ShellFailed)
    return outcome


@pytest.mark.parametrize("params", [{"a": [1, 2.0, None, "é"]}, [], "text", None, {"x": "y" * 300_000}])
async def test_params_come_in_and_the_output_goes_out_as_json(params: Any) -> None:
    outcome = await shell("cat", params)
    assert outcome == ShellSucceeded(output=params)


@pytest.mark.parametrize("command", ["true", "echo", "printf '  \\n'"])
async def test_no_output_is_null(command: str) -> None:
    assert await shell(command, {"a": 1}) == ShellSucceeded(output=None)


async def test_a_command_need_not_read_its_params() -> None:
    assert await shell("echo 1", {"x": "y" * 3_000_000}) == ShellSucceeded(output=1)


async def test_what_is_not_json_violates_the_contract_and_is_shown() -> None:
    failed = await fails("echo hello; echo world")
    assert failed.code == "CONTRACT_VIOLATION_ERROR"
    assert "'hello\\nworld\\n'" in failed.message


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        ("18446744073709551616", "past 64 bits"),
        ('{"a": 1, "a": 2}', 'has the key "a" twice'),
        ("NaN", "is not JSON"),
        ("[" * 65 + "]" * 65, "more than 64 levels"),
    ],
)
async def test_what_a_request_may_not_hold_an_output_may_not_hold(printed: str, why: str) -> None:
    failed = await fails(f"printf '%s' '{printed}'")
    assert failed.code == "CONTRACT_VIOLATION_ERROR"
    assert why in failed.message


@pytest.mark.parametrize(
    ("command", "code", "message", "exit_code"),
    [
        ("exit 1", "PERMANENT_ERROR", "the command ended with exit code 1", 1),
        ("echo no money >&2; exit 3", "PERMANENT_ERROR", "the command ended with exit code 3: no money", 3),
        ("exit 75", "TRANSIENT_ERROR", "the command ended with exit code 75", 75),
        ("kill -9 $$", "TRANSIENT_ERROR", "the command was ended by signal 9", 137),
        ("exit 143", "TRANSIENT_ERROR", "the command was ended by signal 15", 143),
        ("echo '{\"half\":'; exit 2", "PERMANENT_ERROR", "the command ended with exit code 2", 2),
    ],
)
async def test_the_exit_code_says_whether_to_try_again(command: str, code: str, message: str, exit_code: int) -> None:
    assert await fails(command) == ShellFailed(code=code, message=message, details={"exit_code": exit_code})


async def test_a_command_that_is_not_there_is_a_permanent_error() -> None:
    failed = await fails("no-such-command-anywhere")
    assert failed.code == "PERMANENT_ERROR"
    assert "no-such-command-anywhere" in failed.message


async def test_only_the_end_of_stderr_is_kept() -> None:
    failed = await fails("seq 100000 >&2; exit 1", ShellLimits(stderr_tail_bytes=20))
    assert failed.message == "the command ended with exit code 1: 99998\n99999\n100000"


@pytest.mark.parametrize("exit_code", [0, 1, 75])
async def test_an_error_on_stdout_wins_over_the_exit_code(exit_code: int) -> None:
    error = '{"error": {"code": "CARD_DECLINED", "message": "no money", "details": {"left": 3}}}'
    failed = await fails(f"echo '{error}'; exit {exit_code}")
    assert failed == ShellFailed(code="CARD_DECLINED", message="no money", details={"left": 3})


@pytest.mark.parametrize(
    ("output", "code", "message", "details"),
    [
        ({"error": {"code": "not_found", "message": "x"}}, "not_found", "x", None),
        ({"error": "disk full"}, "PERMANENT_ERROR", "disk full", None),
        ({"error": {"message": "x", "details": [1]}}, "PERMANENT_ERROR", "x", [1]),
        ({"error": {"code": 5, "message": {"a": 1}}}, "PERMANENT_ERROR", '{"a":1}', {"code": 5, "details": None}),
        ({"error": ["a"]}, "PERMANENT_ERROR", '["a"]', None),
        ({"error": {}}, "PERMANENT_ERROR", "", None),
    ],
)
async def test_what_stands_alone_under_error_is_a_failure(output: Any, code: str, message: str, details: Any) -> None:
    outcome = await shell("cat", output)
    assert outcome == ShellFailed(code=code, message=message, details=details)


@pytest.mark.parametrize("output", [{"error": None}, {"error": {"code": "A"}, "more": 1}])
async def test_an_output_that_only_resembles_an_error_is_an_output(output: Any) -> None:
    assert await shell("cat", output) == ShellSucceeded(output=output)


async def test_too_much_output_ends_the_command() -> None:
    failed = await fails("yes", ShellLimits(output_bytes_max=1_000))
    assert failed == ShellFailed(code="CONTRACT_VIOLATION_ERROR", message="the command printed more than 1000 bytes")


async def test_the_environment_has_the_task_and_no_token(tmp_path: Path) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "AVTOMAT_WORKER_TOKEN": "t",
        "AVTOMAT_WORKER_TOKEN_FILE": "f",
        "AVTOMAT_CLIENT_TOKEN": "t",
        "AVTOMAT_SECRET_KEY": "s",
    }
    environment = task_environment(environ, job_id="j", task_id="t", attempt=2, idempotency_key="k")
    assert environment == {
        "PATH": os.environ["PATH"],
        "AVTOMAT_JOB_ID": "j",
        "AVTOMAT_TASK_ID": "t",
        "AVTOMAT_ATTEMPT": "2",
        "AVTOMAT_IDEMPOTENCY_KEY": "k",
    }
    outcome = await run_shell_task('echo "\\"$AVTOMAT_ATTEMPT\\""', params=None, environment=environment)
    assert outcome == ShellSucceeded(output="2")


def watched(pids: list[int]) -> list[int]:
    """Return a descriptor for each process that is still there; it becomes readable at the process's end."""
    descriptors = []
    for pid in pids:
        with suppress(ProcessLookupError):
            descriptors.append(os.pidfd_open(pid))
    return descriptors


def all_end(descriptors: list[int]) -> bool:
    """Wait for processes that were killed: dying takes a moment."""
    return all(select.select([each], [], [], 10)[0] for each in descriptors)


def pids_from(fifo: Path) -> list[int]:
    """Wait for a command that writes its pids there."""
    return [int(pid) for pid in fifo.read_text().split()]


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "])
async def test_cancelling_kills_the_whole_process_group(tmp_path: Path, trap: str) -> None:
    fifo = tmp_path / "pids"
    os.mkfifo(fifo)
    command = f"{trap}sleep 3600 & echo $$ $! > {fifo}; wait; wait"
    running = asyncio.create_task(shell(command, limits=ShellLimits(kill_grace_s=0.05)))
    pids = await asyncio.to_thread(pids_from, fifo)
    descriptors = watched(pids)
    assert len(descriptors) == 2
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await asyncio.to_thread(all_end, descriptors)


async def test_what_a_command_leaves_behind_is_killed_and_does_not_hold_the_task(tmp_path: Path) -> None:
    fifo = tmp_path / "pids"
    os.mkfifo(fifo)
    running = asyncio.create_task(shell(f"sleep 3600 & echo $! > {fifo}; read params; echo 1"))
    descriptors = watched(await asyncio.to_thread(pids_from, fifo))
    assert await running == ShellSucceeded(output=1)
    assert await asyncio.to_thread(all_end, descriptors)


def pipes_open() -> int:
    """How many pipes this process has."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += str(descriptor.readlink()).startswith("pipe:")
    return found


async def test_cancelling_again_and_again_leaves_no_pipe_and_no_process(tmp_path: Path) -> None:
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)
    before = pipes_open()
    command = f"trap '' TERM; setsid sh -c 'echo $$ > {fifo}; exec sleep 3600' & wait; wait"  # it outlives the group
    limits = ShellLimits(kill_grace_s=0.05, close_grace_s=0.05)
    running = asyncio.create_task(shell(command, "x" * 300_000, limits))
    (outsider,) = await asyncio.to_thread(pids_from, fifo)

    while not running.done():
        running.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(0)

    assert pipes_open() == before
    os.kill(outsider, signal.SIGKILL)
