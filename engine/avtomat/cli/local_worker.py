"""Do the tasks of an engine in this process with shell commands, without a network.

It is a worker as any other: it registers, polls, keeps its leases alive, and is told to cancel. The rules of the
commands (JSON in, JSON out, exit codes) are those of `avtomat.cli.shell_task`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Final

from avtomat.cli.shell_task import ShellFailed, ShellOutcome, run_shell_task, task_environment
from avtomat.core.formula import Json
from avtomat.runtime.dispatcher import Dispatcher, Poll

NAME: Final = "local"
POLL_S: Final = 60.0
BEATS_PER_LEASE: Final = 3


class LocalWorker:
    """Runs `commands`, by kind of task, `concurrency` at a time; `withheld` names variables they must not see."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        commands: Mapping[str, str],
        *,
        environ: Mapping[str, str],
        withheld: Collection[str],
        concurrency: int,
    ) -> None:
        self._dispatcher = dispatcher
        self._commands = commands
        self._environ = environ
        self._withheld = withheld
        self._concurrency = concurrency
        self._running: dict[str, asyncio.Task[ShellOutcome]] = {}

    async def run(self) -> None:
        """Work until cancelled; the commands that still run are then killed."""
        await self._register()
        self._dispatcher.connect(NAME, self._obey)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._concurrency):
                    group.create_task(self._work())
        finally:
            self._dispatcher.disconnect(NAME, self._obey)

    async def _register(self) -> None:
        skills = [{"name": kind} for kind in self._commands]
        await self._dispatcher.register({"worker_id": NAME, "supported_skills": skills})

    async def _work(self) -> None:
        asked = Poll(worker=NAME, kinds=tuple(self._commands), timeout_s=POLL_S)
        while True:
            for task in await self._dispatcher.poll(asked, lambda: False):
                await self._do(task)

    async def _do(self, task: Mapping[str, Json]) -> None:
        """Run the task's command and deliver its result; a task that was cancelled has none."""
        command = asyncio.create_task(self._command(task))
        self._running[task["task_id"]] = command
        beating = asyncio.create_task(self._beat(task))
        try:
            await asyncio.wait({command})
        finally:
            beating.cancel()
            command.cancel()
            del self._running[task["task_id"]]
            with suppress(asyncio.CancelledError):  # its process group is dead once this returns
                await command
        if not command.cancelled():
            await self._dispatcher.result(_result(task, command.result()))

    async def _command(self, task: Mapping[str, Json]) -> ShellOutcome:
        environment = task_environment(
            self._environ,
            job_id=task["job_id"],
            task_id=task["task_id"],
            attempt=task["attempt"],
            idempotency_key=task["idempotency_key"],
            withheld=self._withheld,
        )
        try:
            return await run_shell_task(self._commands[task["type"]], params=task["params"], environment=environment)
        except OSError as error:  # the system has no room for another process
            return ShellFailed(
                code="RESOURCE_EXHAUSTED_ERROR", message=f"the command was not started: {error.strerror}"
            )

    async def _beat(self, task: Mapping[str, Json]) -> None:
        """Keep the task's lease alive; a registration that ran out while there was nothing to do is made again."""
        body = {"worker_id": NAME, "status": "busy", "current_tasks": [task["task_id"]]}
        while True:
            await asyncio.sleep(task["lease_s"] / BEATS_PER_LEASE)
            if await self._dispatcher.heartbeat(NAME, body) is None:
                await self._register()
                await self._dispatcher.heartbeat(NAME, body)

    def _obey(self, command: Mapping[str, Json]) -> None:
        """The engine says that a task is dead."""
        running = self._running.get(str(command.get("task_id")))
        if command.get("command") == "cancel_task" and running is not None:
            running.cancel()


def _result(task: Mapping[str, Json], outcome: ShellOutcome) -> dict[str, Json]:
    body: dict[str, Json] = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": NAME}
    if isinstance(outcome, ShellFailed):
        error = {"code": outcome.code, "message": outcome.message, "details": outcome.details}
        return {**body, "status": "failure", "error": error}
    return {**body, "status": "success", "data": outcome.output}
