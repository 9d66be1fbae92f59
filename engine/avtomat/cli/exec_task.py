"""Make the function that does a kind of task with a shell command, for workers anywhere and in this process."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Collection

from avtomat.cli.shell_task import ShellFailed, run_shell_task, task_environment
from avtomat_worker import TaskContext, TaskError
from avtomat_worker.conversion import Json

log = logging.getLogger(__name__)


def exec_task(kind: str, command: str, withheld: Collection[str]) -> Callable[[Json, TaskContext], Awaitable[Json]]:
    """The function; `withheld` names variables that the command must not see."""

    async def shell_task(params: Json, context: TaskContext) -> Json:
        environment = task_environment(
            os.environ,
            job_id=context.job_id,
            task_id=context.task_id,
            attempt=context.attempt,
            idempotency_key=context.idempotency_key,
            withheld=withheld,
        )
        try:
            outcome = await run_shell_task(command, params=params, environment=environment)
        except OSError as error:  # the system has no room for another process
            text = f"the command was not started: {error.strerror}"
            raise TaskError("RESOURCE_EXHAUSTED_ERROR", text) from error
        if isinstance(outcome, ShellFailed):
            log.info("%s: %s: %s", kind, outcome.code, outcome.message)
            raise TaskError(outcome.code, outcome.message, outcome.details)
        return outcome.output

    return shell_task
