"""A worker made with avtomatika-worker of the time before 1.0b8 (`worker.task`), which is not ours.

Kinds of task: echo, review (a status of its own), decline (a failure with a code), crash (an exception), slow
(progress, then waits to be cancelled; with `{"seconds": n}` it ends by itself).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import Any

from avtomatika_worker import Worker

logging.basicConfig(level=logging.INFO)
worker = Worker(worker_type="older-e2e", **json.loads(os.environ.get("WORKER_OPTIONS", "{}")))

Json = dict[str, Any]


@worker.task("echo")
async def echo(params: Json, **_more: Any) -> Json:
    return {"status": "success", "data": {"got": params}}


@worker.task("review")
async def review(params: Json, **_more: Any) -> Json:
    return {"status": "needs_review", "data": {"score": params.get("score", 0)}}


@worker.task("decline")
async def decline(params: Json, **_more: Any) -> Json:
    return {"status": "failure", "error": {"code": "CARD_DECLINED", "message": "no money"}}


@worker.task("crash")
async def crash(params: Json, **_more: Any) -> Json:
    raise RuntimeError(params.get("text", "broken"))


@worker.task("slow", task_type="slow")
async def slow(params: Json, task_id: str, job_id: str, send_progress: Any, **_more: Any) -> Json:
    await send_progress(task_id, job_id, 0.5, "half")
    try:
        await asyncio.wait_for(asyncio.Event().wait(), params.get("seconds"))
    except TimeoutError:
        return {"status": "success", "data": {"waited": True}}
    raise AssertionError("nobody sets this event")


if __name__ == "__main__":
    worker.run()
