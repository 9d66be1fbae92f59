"""The schema, the documentation and the SDK say the same about the protocol."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from avtomat_worker import Result, TaskContext, TaskError, Worker
from avtomat_worker.client import EngineClient
from tests.worker.fake_engine import FakeEngine

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "schemas/worker-protocol.schema.json").read_text())
PAGE = (ROOT / "docs/worker-protocol.md").read_text()


def check(definition: str, message: Any) -> None:
    jsonschema_rs.validate({**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{definition}"}]}, message)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_sdk_imports_nothing_of_the_engine() -> None:
    for path in (ROOT / "engine/avtomat_worker").glob("*.py"):
        imported = re.findall(r"^\s*(?:from|import) ([\w.]+)", path.read_text(), re.MULTILINE)
        assert [name for name in imported if name.split(".")[0] == "avtomat"] == []


def test_the_schema_is_a_schema() -> None:
    jsonschema_rs.meta.validate(SCHEMA)


async def test_all_that_the_sdk_sends_is_as_the_schema_says(
    engine: FakeEngine, new_worker: Callable[..., Worker]
) -> None:
    worker = new_worker()

    @worker.task("good")
    async def good(context: TaskContext) -> Result:
        await context.progress(0.5, "half")
        await engine.until(lambda: bool(engine.events))
        return Result(None, status="fine")

    @worker.task("bad")
    async def bad() -> None:
        raise TaskError("BAD", "text", [1])

    engine.offer("good")
    engine.offer("bad")
    async with worker:
        await engine.until(lambda: len(engine.results) == 2)
    for definition, messages in (
        ("WorkerRegistration", engine.registrations),
        ("Heartbeat", engine.heartbeats),
        ("TaskResult", engine.results),
        ("WorkerEvent", engine.events),
    ):
        assert messages
        for message in messages:
            check(definition, message)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("WorkerRegistration", {}),
        ("WorkerRegistration", {"worker_id": "a/b"}),
        ("WorkerRegistration", {"worker_id": "w", "timestamp": 1.5}),
        ("Heartbeat", {"worker_id": "w", "status": "fine"}),
        ("TaskPayload", {"job_id": "j", "task_id": "t"}),
        ("TaskPayload", {"job_id": "j", "task_id": "t", "type": "k", "deadline": 1.5}),
        ("TaskResult", {"job_id": "j"}),
        ("TaskResults", []),
        ("Receipt", {"status": "ignored"}),
        ("WorkerEvent", {"event_id": "e", "worker_id": "w", "origin_worker_id": "w", "event_type": "x"}),
    ],
)
def test_what_is_wrong_is_refused_by_the_schema(definition: str, message: Any) -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        check(definition, message)


def test_the_bodies_on_the_page_are_as_the_schema_says() -> None:
    bodies = [json.loads(body) for block in blocks("sh") for body in re.findall(r"-d '(.*?)'", block, re.DOTALL)]
    definitions = ["WorkerRegistration", "Heartbeat", "TaskResult", "TaskResult", "WorkerEvent"]
    for definition, body in zip(definitions, bodies, strict=True):
        check(definition, json.loads(json.dumps(body).replace("\\u2026", "0")))
    check("TaskPayload", json.loads(blocks("json")[0].replace("…", "0")))


async def test_the_sdk_on_the_page_runs(engine: FakeEngine) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(blocks("python")[0], "worker-protocol.md", "exec", dont_inherit=True), names)
    worker = names["worker"]
    worker.url = engine.url
    engine.offer("greet", {"name": "Ada", "loud": True})
    engine.offer("payments.charge", {"amount": 5, "card": "c"}, idempotency_key="k1")
    engine.offer("payments.charge", {"amount": 5000, "card": "c"})
    async with worker:
        await engine.until(lambda: len(engine.results) == 3)
    results = {result["task_id"]: result for result in engine.results}
    assert results["task-1"]["data"] == {"text": "Hello, Ada!"}
    assert (results["task-2"]["status"], results["task-2"]["data"]) == ("charged", {"txn": "k1"})
    assert results["task-3"]["error"]["code"] == "CARD_DECLINED"


async def test_the_worker_in_bash_on_the_page_works(engine: FakeEngine, tmp_path: Path) -> None:
    script = tmp_path / "worker.sh"
    script.write_text(blocks("bash")[0])
    process = await asyncio.create_subprocess_exec(
        "bash", str(script), env=os.environ | {"AVTOMAT_URL": engine.url}, start_new_session=True
    )
    try:
        engine.offer("greet", {"name": "Ada"})
        await engine.until(lambda: len(engine.results) == 1)
        engine.offer("greet", ["no map"])
        await engine.until(lambda: len(engine.results) == 2)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    good, bad = engine.results
    assert good == {"job_id": "job-1", "task_id": "task-1", "status": "success", "data": {"text": "Hello, Ada"}}
    assert bad["error"]["code"] == "PERMANENT_ERROR"
    check("WorkerRegistration", engine.registrations[0])


async def test_an_answer_of_another_number_of_receipts_is_no_answer(engine: FakeEngine) -> None:
    from avtomat_worker import EngineUnavailableError, Limits

    async with EngineClient(engine.url, worker_id="w", token=None, limits=Limits()) as client:
        engine.receipt = {"status": "ignored", "reason": "stale_task"}
        delivery = await client.deliver([b'{"a":1}', b'{"a":2}'])
        assert [receipt.reason for receipt in delivery.receipts] == ["stale_task"] * 2
        with pytest.raises(EngineUnavailableError, match="receipts"):
            await client.deliver([b'{"a":1},{"a":2}', b'{"a":3}'])
