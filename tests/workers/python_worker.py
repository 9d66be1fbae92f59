"""The worker of the conformance suite that is written with the Python SDK."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from avtomat_worker import Limits, Result, TaskContext, TaskError, Worker

worker = Worker(
    os.environ["AVTOMAT_URL"],
    worker_id=os.environ["AVTOMAT_WORKER_ID"],
    concurrency=int(os.environ["AVTOMAT_WORKER_CONCURRENCY"]),
    limits=Limits(drain_s=float(os.environ["AVTOMAT_WORKER_DRAIN_S"])),
)


@worker.task("conformance.echo")
async def echo(params: Any) -> Any:
    return params


@worker.task("conformance.status")
async def status(status: str, data: Any) -> Result:
    return Result(data, status=status)


@worker.task("conformance.fail")
async def fail(code: str, message: str, details: Any) -> None:
    raise TaskError(code, message, details)


@worker.task("conformance.crash")
async def crash() -> None:
    raise ZeroDivisionError("this task breaks")


@worker.task("conformance.context")
async def context(context: TaskContext) -> dict[str, Any]:
    return {
        "job_id": context.job_id,
        "task_id": context.task_id,
        "attempt": context.attempt,
        "idempotency_key": context.idempotency_key,
    }


@worker.task("conformance.slow")
async def slow(seconds: float) -> dict[str, float]:
    await asyncio.sleep(seconds)
    return {"slept": seconds}


@worker.task("conformance.progress")
async def progress(context: TaskContext) -> None:
    await context.progress(0.5, "half")
    await asyncio.sleep(2)


if __name__ == "__main__":
    worker.run()
