"""Run a shell command as a task: params as JSON on stdin, output as JSON on stdout, one attempt a process.

- The command runs under `/bin/sh -c` with AVTOMAT_JOB_ID, AVTOMAT_TASK_ID, AVTOMAT_ATTEMPT and
  AVTOMAT_IDEMPOTENCY_KEY in its environment, and without what this process keeps to itself: tokens, the URLs of store
  and history, secrets, and the variables that secrets are read from.
- Exit code 0 is success: stdout is the output, nothing is null, and what is not JSON is CONTRACT_VIOLATION_ERROR.
- Exit code 75 (EX_TEMPFAIL of sysexits.h) and death by a signal are TRANSIENT_ERROR, which is retried by default; every
  other exit code is PERMANENT_ERROR, which is not. The end of stderr is the message.
- `{"error": {"code": …, "message": …, "details": …}}` on stdout, and nothing beside it, fails with that error whatever
  the exit code; so does `{"error": "text"}`, as PERMANENT_ERROR. The engine makes a code of another form fit.
- The command is a process group. Whatever of it is still there when the command ends or is cancelled is killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson

from avtomat.errors import RequestRefused
from avtomat.runtime.json_door import read_json
from avtomat.secrets import EnvironmentSecret
from avtomat.settings import KIND_OF, Settings, variable_of

Json = Any

EX_TEMPFAIL: Final = 75
SHELL: Final = "/bin/sh"
_PRIVATE: Final = ("AVTOMAT_SECRET_", *(variable_of(name) for name, kind in KIND_OF.items() if kind.hidden))
"""How the names of this process's own variables begin whose values nobody else should see, `…_FILE` included."""
_SHOWN_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellLimits:
    """How much a command may say, and how long it may take to die."""

    output_bytes_max: int = 8_000_000
    stderr_tail_bytes: int = 2_000
    kill_grace_s: float = 2
    """Between SIGTERM and SIGKILL when the task is cancelled."""
    close_grace_s: float = 2
    """How long the pipes of a command that has ended may stay open, held by a process that left its group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellSucceeded:
    """The command ended well."""

    output: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellFailed:
    """The command failed, or what it printed is no output."""

    code: str
    message: str
    details: Json = None


ShellOutcome = ShellSucceeded | ShellFailed


def secret_variables(settings: Settings) -> frozenset[str]:
    """The variables that this project's secrets are read from, `{env = "VARIABLE"}`."""
    return frozenset(each.variable for each in settings.secrets.values() if isinstance(each, EnvironmentSecret))


def task_environment(
    environ: Mapping[str, str],
    *,
    job_id: str,
    task_id: str,
    attempt: int,
    idempotency_key: str,
    withheld: Collection[str] = (),
) -> dict[str, str]:
    """Return the environment of a command: that of this process without what is private, and the task's ids.

    `withheld` names variables that are private as well: those of `secret_variables`.
    """
    inherited = {
        name: value for name, value in environ.items() if not name.startswith(_PRIVATE) and name not in withheld
    }
    return inherited | {
        "AVTOMAT_JOB_ID": job_id,
        "AVTOMAT_TASK_ID": task_id,
        "AVTOMAT_ATTEMPT": str(attempt),
        "AVTOMAT_IDEMPOTENCY_KEY": idempotency_key,
    }


async def run_shell_task(
    command: str, *, params: Json, environment: Mapping[str, str], limits: ShellLimits | None = None
) -> ShellOutcome:
    """Run `command` to its end. Cancelling this kills its process group first, then raises CancelledError; cancelling
    it again changes nothing, so that neither a process nor a pipe is ever left behind.
    """
    limits = limits or ShellLimits()
    process = _Process(limits)
    running = asyncio.create_task(_run(process, command, orjson.dumps(params), environment, limits))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        process.over.set()
        await _its_end(running)
        raise
    return _outcome(process, limits)


async def _run(
    process: _Process, command: str, stdin: bytes, environment: Mapping[str, str], limits: ShellLimits
) -> None:
    """Run the command until it exits, or is over because nobody wants it any more."""
    try:
        await process.start(command, stdin, environment)
        await process.over.wait()
        if not process.exited.is_set():
            process.signal_group(signal.SIGTERM)
            await _at_most(process.exited, limits.kill_grace_s)
    finally:
        process.signal_group(signal.SIGKILL)
        await process.close(limits.close_grace_s)


async def _its_end(running: asyncio.Task[None]) -> None:
    """Wait for the task, whoever cancels the wait. It ends within the limits, and what it failed with is not told."""
    while not running.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({running})
    with suppress(asyncio.CancelledError):
        running.exception()


class _Process(asyncio.SubprocessProtocol):
    """What a command says, within limits, and when it ends.

    A protocol is told of the exit at once; the streams of asyncio.subprocess would wait for every process that
    inherited the pipes.
    """

    def __init__(self, limits: ShellLimits) -> None:
        self.exited = asyncio.Event()
        self.over = asyncio.Event()
        self.stdout = bytearray()
        self.stderr_tail = b""
        self.too_much = False
        self._limits = limits
        self._closed = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None

    @property
    def exit_code(self) -> int:
        """The exit code; minus the number of the signal that the command died of."""
        assert self._transport is not None
        return self._transport.get_returncode() or 0

    async def start(self, command: str, stdin: bytes, environment: Mapping[str, str]) -> None:
        """Start the command and give it its stdin. Raises OSError when the system has no room for it."""
        transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: self, SHELL, "-c", command, env=dict(environment), start_new_session=True
        )
        pipe = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
        pipe.write(stdin)  # a command that does not read it just leaves it
        pipe.close()

    def signal_group(self, number: int) -> None:
        """Send a signal to all that is left of the command's process group."""
        if self._transport is not None:
            with suppress(ProcessLookupError, PermissionError):  # nothing is left, or only what is not ours any more
                os.killpg(self._transport.get_pid(), number)

    async def close(self, seconds: float) -> None:
        """Wait for the end of the command, which was killed, and for its last output; then close the pipes, also when
        this is cancelled.
        """
        if self._transport is not None:
            try:
                await self.exited.wait()
                await _at_most(self._closed, seconds)
            finally:
                stdin = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))
                if stdin.get_write_buffer_size():
                    stdin.abort()  # else it waits for somebody who reads
                self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self.stderr_tail = (self.stderr_tail + data)[-self._limits.stderr_tail_bytes :]
        elif len(self.stdout) + len(data) > self._limits.output_bytes_max:
            self.too_much = True
            self.signal_group(signal.SIGKILL)
        else:
            self.stdout += data

    def process_exited(self) -> None:
        self.exited.set()
        self.over.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's signature
        self._closed.set()


async def _at_most(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _outcome(process: _Process, limits: ShellLimits) -> ShellOutcome:
    if process.too_much:
        return _violation(f"the command printed more than {limits.output_bytes_max} bytes")
    try:
        output = read_json(bytes(process.stdout)) if process.stdout.strip() else None
    except RequestRefused as refused:
        if process.exit_code == 0:
            why = refused.message.replace("the body", "it")
            return _violation(f"the command printed what is not JSON ({why}): {_shown(process.stdout)}")
        return _failure(process)
    return _declared_error(output) or (ShellSucceeded(output=output) if process.exit_code == 0 else _failure(process))


def _violation(message: str) -> ShellFailed:
    return ShellFailed(code="CONTRACT_VIOLATION_ERROR", message=message)


def _declared_error(output: Json) -> ShellFailed | None:
    """The failure that the output tells, in whatever words: nothing that stands under `error` alone is a success."""
    match output:
        case {"error": dict(error)} if len(output) == 1:
            return _told(error)
        case {"error": error} if len(output) == 1 and error is not None:
            return ShellFailed(code="PERMANENT_ERROR", message=error if isinstance(error, str) else _json(error))
    return None


def _told(error: dict[str, Json]) -> ShellFailed:
    code, details, message = error.get("code"), error.get("details"), error.get("message")
    text = "" if message is None else message if isinstance(message, str) else _json(message)
    if isinstance(code, str) and code:
        return ShellFailed(code=code, message=text, details=details)
    told = {"code": code, "details": details} if "code" in error else details
    return ShellFailed(code="PERMANENT_ERROR", message=text, details=told)


def _json(value: Json) -> str:
    return orjson.dumps(value).decode()[:_SHOWN_CHARACTERS]


def _failure(process: _Process) -> ShellFailed:
    """Name the failure by the exit code; a shell reports the signal that its command died of as 128 and its number."""
    exit_code = process.exit_code
    number = -exit_code if exit_code < 0 else exit_code - 128
    ended = (
        f"the command was ended by signal {number}" if number > 0 else f"the command ended with exit code {exit_code}"
    )
    said = process.stderr_tail.decode(errors="replace").strip()
    transient = number > 0 or exit_code == EX_TEMPFAIL
    return ShellFailed(
        code="TRANSIENT_ERROR" if transient else "PERMANENT_ERROR",
        message=f"{ended}: {said}" if said else ended,
        details={"exit_code": exit_code if exit_code >= 0 else 128 + number},
    )


def _shown(stdout: bytearray) -> str:
    text = bytes(stdout[: 4 * _SHOWN_CHARACTERS]).decode(errors="replace")
    return repr(text[:_SHOWN_CHARACTERS])
