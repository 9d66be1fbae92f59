"""Run engines and workers as real processes: start, wait until ready, stop, kill, and read what they said.

Nothing here knows the engine from inside. A process writes into a log file of its own, so that none ever blocks on a
pipe; `kill` is kill -9; `start` after it finds the same port and the same store.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.servers import free_port

READY_TIMEOUT_S = 30
STOP_TIMEOUT_S = 30
LOOK_EVERY_S = 0.02
AVTOMAT = (sys.executable, "-m", "avtomat")
TOKENS = {"AVTOMAT_CLIENT_TOKEN": "client-token-of-the-tests", "AVTOMAT_WORKER_TOKEN": "worker-token-of-the-tests"}

Json = Any


def clean_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of the machine, and with `variables`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AVTOMAT_")}
    return inherited | {"PYTHONUNBUFFERED": "1"} | dict(variables or {})


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the JSON that came with it (None: none did)."""

    status: int
    body: Json


class RealProcess:
    """One process (`avtomat …`, unless `program` says otherwise) with a log of its own.

    As a context, it is killed at the end.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        log: str,
        env: Mapping[str, str] | None = None,
        program: Sequence[str] = AVTOMAT,
    ) -> None:
        self.folder = folder
        self.log_file = folder / log
        self._arguments = [*program, *arguments]
        self._env = clean_environment(env)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, in a session of its own; one that runs is left alone."""
        if self.running:
            return
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments,
                cwd=self.folder,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it has said so far, over all its lives."""
        return self.log_file.read_text("utf-8") if self.log_file.exists() else ""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that has ended does not hear it."""
        if self._process is not None:
            self._process.send_signal(number)

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """The exit code once it has ended: minus the number of the signal that it died of."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it as a power switch would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def until_said(self, text: str) -> None:
        """Wait until its log contains `text`."""
        self.until(lambda: text in self.log, f"{text!r} in its log")

    def until(self, happened: Callable[[], bool], what: str) -> None:
        """Wait until `happened`; fails when the process ends first, or when it takes too long."""
        until = time.monotonic() + READY_TIMEOUT_S
        pause = threading.Event()
        while not happened():
            if not self.running:
                raise AssertionError(f"the process ended before there was {what}:\n{self.log}")
            if time.monotonic() > until:
                raise AssertionError(f"no {what} in {READY_TIMEOUT_S} s:\n{self.log}")
            pause.wait(LOOK_EVERY_S)


class EngineProcess(RealProcess):
    """An engine on a free port. `serve` with tokens, unless `command` says `dev`."""

    def __init__(
        self,
        folder: Path,
        *,
        command: str = "serve",
        store: str | None = None,
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        port: int | None = None,
        log: str = "engine.log",
    ) -> None:
        self.port = port or free_port()
        self.tokens = {} if command == "dev" else TOKENS
        where = [] if store is None else ["--store", store]
        super().__init__(
            [command, "--port", str(self.port), *where, *arguments],
            folder=folder,
            log=log,
            env={**self.tokens, **(env or {})},
        )

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def wait_ready(self) -> None:
        """Wait until /readyz is 200."""
        self.until(self._is_ready, "readiness")

    def ask(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 70,
    ) -> Answer:
        """One request as a client with the token; OSError when nobody answers."""
        request = urllib.request.Request(self.url + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        token = self.tokens.get("AVTOMAT_CLIENT_TOKEN")
        for name, value in {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return Answer(answer.status, _json_of(answer.read()))
        except urllib.error.HTTPError as refused:
            with refused:
                return Answer(refused.code, _json_of(refused.read()))

    def submit(self, blueprint: str, given: Json, *, wait_s: int = 0) -> Json:
        """Submit a job; with `wait_s` the whole job, once it has ended or the time is over."""
        answer = self.ask("POST", f"/api/v1/jobs/{blueprint}" + (f"?wait={wait_s}" if wait_s else ""), {"input": given})
        assert answer.status in (200, 202), answer
        return answer.body

    def job(self, job_id: str, *, wait_s: int = 0) -> Json:
        """The whole job."""
        return self.ask("GET", f"/api/v1/jobs/{job_id}" + (f"?wait={wait_s}" if wait_s else "")).body

    def _is_ready(self) -> bool:
        try:
            return self.ask("GET", "/readyz", timeout_s=5).status == 200
        except OSError:
            return False


class WorkerProcess(RealProcess):
    """`avtomat worker` for an engine; `commands` by kind of task."""

    def __init__(
        self,
        engine: EngineProcess,
        commands: Mapping[str, str],
        *,
        name: str = "worker",
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        flags = [part for kind, command in commands.items() for part in ("--exec", f"{kind}={command}")]
        token = {name: text for name, text in engine.tokens.items() if name == "AVTOMAT_WORKER_TOKEN"}
        super().__init__(
            ["worker", "--url", engine.url, "--worker-id", name, *flags, *arguments],
            folder=engine.folder,
            log=f"{name}.log",
            env={**token, **(env or {})},
        )


def _json_of(text: bytes) -> Json:
    return json.loads(text) if text else None
