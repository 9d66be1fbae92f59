"""The worker under test, as a process with a group of its own and its output in a file."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Self

from avtomat.errors import UsageError

OUTPUT_SHOWN_BYTES: Final = 2_000


class WorkerProcess:
    """A running worker. Use it as an async context manager: at the end nothing of it is left."""

    def __init__(self, command: str, variables: Mapping[str, str]) -> None:
        self._command = command
        self._variables = variables
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  closed in __aexit__
        self.kept_output = ""
        """The end of what it wrote, when it is over."""
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        try:
            self._process = await asyncio.create_subprocess_exec(
                *shlex.split(self._command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env={**os.environ, **self._variables},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self._output.close()
            raise UsageError(f"the worker cannot be started: {error}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):  # the group outlives its leader
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self.kept_output = self._last_output()
        self._output.close()

    def terminate(self) -> None:
        """Ask it to stop, as `kill PID`, systemd and Kubernetes do."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        assert self._process is not None
        return self._process.returncode

    async def exited(self, within_s: float) -> int | None:
        """Wait for its end; None when it still runs then."""
        assert self._process is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                return await self._process.wait()
        return None

    def _last_output(self) -> str:
        size = os.fstat(self._output.fileno()).st_size
        first = max(0, size - OUTPUT_SHOWN_BYTES)
        return os.pread(self._output.fileno(), OUTPUT_SHOWN_BYTES, first).decode(errors="replace")
