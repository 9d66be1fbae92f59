"""Try a worker's tasks without an engine, as an engine would have them done: params in, an outcome out.

from avtomat_worker.testing import run_task

async def test_it_greets():
    done = await run_task(worker, "greet", {"name": "Ada"})
    assert done.data == {"text": "Hello, Ada"}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from avtomat_worker.compat import Worker as CompatWorker
from avtomat_worker.context import TaskContext
from avtomat_worker.errors import TaskError, text_of
from avtomat_worker.messages import Result, encode_output
from avtomat_worker.worker import Worker

Json = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a task ended: with `data` and a `status`, or with an `error`; and what it told meanwhile.

    `raised` is the exception behind an error that is no TaskError: raise it to see where it came from.
    """

    status: str
    data: Json = None
    error: TaskError | None = None
    raised: Exception | None = None
    costs: Mapping[str, Json] = field(default_factory=dict)
    metadata: Mapping[str, Json] | None = None
    progress: tuple[tuple[float, str], ...] = ()
    events: tuple[tuple[str, Mapping[str, Json]], ...] = ()


async def run_task(
    worker: Worker | CompatWorker,
    kind: str,
    params: Json = None,
    *,
    attempt: int = 1,
    idempotency_key: str = "job-1/:1",
    deadline: datetime | None = None,
    cancelled: bool = False,
) -> Done:
    """Do one task with the worker's function, its middleware, and the same checks of params and output as in service.

    Params and output pass through JSON, as they would on their way. `cancelled` is what `context.cancelled` says.
    Raises KeyError for a kind that the worker does not do, TypeError for params that are not JSON.
    """
    native = worker.native if isinstance(worker, CompatWorker) else worker
    progress: list[tuple[float, str]] = []
    events: list[tuple[str, Mapping[str, Json]]] = []

    async def send(name: str, payload: Mapping[str, Json]) -> None:
        events.append((name, orjson.loads(encode_output(payload))))

    context = TaskContext(
        job_id="job-1",
        task_id=f"job-1-{attempt}",
        kind=kind,
        attempt=attempt,
        idempotency_key=idempotency_key,
        deadline=None if deadline is None else deadline.astimezone(UTC),
        traceparent=None,
        report=lambda fraction, message: progress.append((fraction, message)),
        send=send,
    )
    if cancelled:
        context.cancel_asked.set()
    handler = native.handlers[kind]
    done = await _outcome(lambda: handler.call(orjson.loads(encode_output(params)), context, native.around))
    return Done(**done, progress=tuple(progress), events=tuple(events))


async def _outcome(call: Any) -> dict[str, Any]:
    try:
        answer = await call()
        result = answer if isinstance(answer, Result) else Result(answer)
        data = orjson.loads(encode_output(result.data))
    except TaskError as error:
        return {"status": "failure", "error": error}
    except Exception as error:
        text = f"{type(error).__name__}: {text_of(error)}"
        return {"status": "failure", "error": TaskError("INTERNAL_ERROR", text), "raised": error}
    return {"status": result.status, "data": data, "costs": result.costs or {}, "metadata": result.metadata}
