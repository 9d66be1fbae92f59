"""A worker made with the SDK, as a process: `python sdk_worker.py URL ID`, the token in the environment.

Kinds of task: `echo` returns its params after a moment, a different one each time; `hold` says that it began, then
returns its params once the file `params.gate` is there; when it is cancelled it says so in the file `<gate>.cancelled`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from pathlib import Path
from typing import Any

from avtomat_worker import Limits, TaskContext, Worker

LOOK_EVERY_S = 0.05


def build(url: str, name: str) -> Worker:
    # Waits are short because the outages of the tests are.
    limits = Limits(backoff_first_s=0.1, backoff_max_s=1, poll_timeout_s=5)
    worker = Worker(url, worker_id=name, concurrency=10, limits=limits)

    @worker.task("echo")
    async def echo(params: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(random.uniform(0, 0.05))
        return params

    @worker.task("hold")
    async def hold(params: dict[str, Any], context: TaskContext) -> dict[str, Any]:
        gate = Path(params["gate"])
        context.report(0.5, "holding")
        try:
            while not gate.exists():  # noqa: ASYNC110, ASYNC240 - another process makes the file
                await asyncio.sleep(LOOK_EVERY_S)
        except asyncio.CancelledError:
            gate.with_suffix(".cancelled").touch()
            raise
        return params

    return worker


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    build(sys.argv[1], sys.argv[2]).run()
