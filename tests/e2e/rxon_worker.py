"""A worker made with the package avtomatika-worker (1.0b20), which is not ours: it must run with the engine as it is.

Run it with a Python that has that package (it pins an older orjson, so it needs an environment of its own). Everything
is set by the package's own environment variables: ORCHESTRATOR_URL, WORKER_ID, WORKER_TOKEN; WORKER_OPTIONS are
arguments of Worker, as JSON. While the file that WORKER_FULL names is there, its capacity checker takes no `echo`.

Kinds of task: echo, review (a status of its own), decline (a failure with a code), crash (an exception), scalar (an
output that is not a map), say (what its params say, as the result), slow (progress, then waits to be cancelled; with
`{"seconds": n}` it ends by itself), warm (is hot for `echo` from then on), tell (sends an event of its own).
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from avtomatika_worker import Worker


def has_room(kind: str) -> bool:
    """The worker's own word on whether it takes this kind now."""
    full = os.environ.get("WORKER_FULL")
    return kind != "echo" or full is None or not Path(full).exists()


worker = Worker(worker_type="rxon-e2e", capacity_checker=has_room, **json.loads(os.environ.get("WORKER_OPTIONS", "{}")))


@worker.skill("echo")
async def echo(params: dict[str, Any], job_id: str, task_id: str) -> dict[str, Any]:
    return {"data": {"got": params, "job_id": job_id, "task_id": task_id}}


@worker.skill("review", output_statuses=["needs_review"])
async def review(params: dict[str, Any]) -> dict[str, Any]:
    return {"status": "needs_review", "data": {"score": params.get("score", 0)}}


@worker.skill("decline")
async def decline(params: dict[str, Any]) -> dict[str, Any]:
    details = {"limit": params.get("limit", 0)}
    return {"status": "failure", "error": {"code": "CARD_DECLINED", "message": "no money", "details": details}}


@worker.skill("crash")
def crash(params: dict[str, Any]) -> dict[str, Any]:
    raise RuntimeError(params.get("text", "broken"))


@worker.skill("scalar")
async def scalar(params: dict[str, Any]) -> Any:
    return params.get("value", "hello")


@worker.skill("say")
async def say(params: dict[str, Any]) -> Any:
    return params["result"]


@worker.skill("warm")
async def warm(params: dict[str, Any], add_to_hot_skills: Callable[[str], None]) -> dict[str, Any]:
    add_to_hot_skills("echo")
    return {"data": {}}


@worker.skill("tell")
async def tell(params: dict[str, Any], send_event: Callable[..., Awaitable[None]]) -> dict[str, Any]:
    await send_event(params["type"], params["payload"])
    return {"data": {"told": True}}


@worker.skill("slow")
async def slow(
    params: dict[str, Any], task_id: str, job_id: str, send_progress: Callable[..., Awaitable[None]]
) -> dict[str, Any]:
    await send_progress(task_id, job_id, 0.5, "half")
    try:
        await asyncio.wait_for(asyncio.Event().wait(), params.get("seconds"))
    except TimeoutError:
        return {"data": {"waited": True}}
    raise AssertionError("nobody sets this event")


if __name__ == "__main__":
    worker.run()
