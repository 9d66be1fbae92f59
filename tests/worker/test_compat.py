"""Workers that were written for avtomatika-worker do their tasks with another import, and no other change."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import AsyncMock

import pytest

from avtomat_worker.compat import ParamValidationError, SkillBlueprint, SkillInfo, Worker, WorkerConfig
from tests.worker.fake_engine import FakeEngine
from tests.worker.hand_clock import HandClock

Json = Any
NewWorker = Callable[..., Worker]


@pytest.fixture
def new_worker(engine: FakeEngine, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> NewWorker:
    for name, value in {"ORCHESTRATOR_URL": engine.url, "WORKER_ID": "w1", "WORKER_TOKEN": "t0ken"}.items():
        monkeypatch.setenv(name, value)

    def new(**options: Any) -> Worker:
        return Worker(**options, clock=clock, rng=random.Random(1))

    return new


async def done(worker: Worker, engine: FakeEngine, kind: str, params: Json = None) -> dict[str, Any]:
    """The result of one task."""
    engine.offer(kind, params)
    serving = asyncio.create_task(worker.main())
    try:
        return await engine.result()
    finally:
        worker.stop()
        await serving


async def test_the_lines_of_before_1_0b8_pass() -> None:
    worker = Worker(worker_type="test-worker")

    @worker.task("my_task")
    async def handler(params: dict[str, Any], **kwargs: Any) -> int:
        return int(params["x"]) * 2

    assert "my_task" in worker._task_handlers
    worker._http_session = AsyncMock()
    assert await worker._task_handlers["my_task"]["func"]({"x": 5}, task_id="t", job_id="j") == 10


async def test_the_lines_of_since_then_pass() -> None:
    worker = Worker(worker_type="test-worker", max_concurrent_tasks=2)

    @worker.skill("my_task")
    async def handler(params: dict[str, Any], task_id: str, job_id: str, send_progress: Any) -> int:
        return int(params["x"]) * 2

    assert worker._skill_handlers["my_task"]["info"].name == "my_task"
    assert await worker._skill_handlers["my_task"]["func"]({"x": 5}, task_id="t", job_id="j", send_progress=None) == 10


async def test_a_function_gets_what_it_names_and_its_answer_is_read(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker = new_worker(worker_type="compat")

    @worker.skill("a")
    async def a(params: dict[str, Any], task_id: str, job_id: str, send_progress: Any, send_event: Any) -> Json:
        await send_progress(task_id, job_id, 0.5, "half")
        await send_event("news", {"n": 1})
        costs = {"usd": 1}
        return {"status": "needs_review", "data": {"x": params["x"]}, "costs": costs, "metadata": {"m": 1}}

    result = await done(worker, engine, "a", {"x": 5})

    assert (result["status"], result["data"], result["metadata"]) == ("needs_review", {"x": 5}, {"m": 1})
    assert result["costs"]["usd"] == 1
    assert [each["event_type"] for each in engine.events if each["event_type"] != "progress"] == ["news"]
    assert engine.registrations[0]["worker_type"] == "compat"
    assert engine.headers[0]["X-Worker-Token"] == "t0ken"


async def test_kwargs_get_all_of_it(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker = new_worker()

    @worker.task("a")
    def a(params: dict[str, Any], **kwargs: Any) -> Json:
        return {"data": sorted(kwargs)}

    result = await done(worker, engine, "a")

    assert {"task_id", "job_id", "send_progress", "add_to_hot_cache", "add_to_hot_skills"} <= set(result["data"])


@dataclass
class Order:
    amount: int


@pytest.mark.parametrize(
    ("raised", "params", "code"),
    [
        (ParamValidationError("no"), {"amount": 1, "unknown": 2}, "INVALID_INPUT_ERROR"),
        (RuntimeError("no"), {"amount": 1}, "TRANSIENT_ERROR"),
        (ValueError("no"), {"amount": 1}, "INTEGRITY_MISMATCH_ERROR"),
        (None, {"amount": "text"}, "INVALID_INPUT_ERROR"),
        (None, {}, "INVALID_INPUT_ERROR"),
    ],
)
async def test_what_goes_wrong_has_the_code_that_it_had(
    engine: FakeEngine, new_worker: NewWorker, raised: Exception | None, params: Json, code: str
) -> None:
    worker = new_worker()

    @worker.skill("pay")
    async def pay(params: Order) -> Json:
        if raised is not None:
            raise raised
        return {"data": params.amount}

    assert (await done(worker, engine, "pay", params))["error"]["code"] == code


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": "failure", "error": {"code": "X", "message": "m", "details": {"n": 1}}}, ("X", "m")),
        ({"status": "failure", "error": "just text"}, ("TRANSIENT_ERROR", "just text")),
        ({"status": "failure"}, ("INTERNAL_ERROR", "")),
    ],
)
async def test_a_failure_that_is_returned_is_one(
    engine: FakeEngine, new_worker: NewWorker, answer: Json, error: tuple[str, str]
) -> None:
    worker = new_worker()
    worker.skill("a")(lambda: answer)

    result = await done(worker, engine, "a")

    assert (result["error"]["code"], result["error"]["message"]) == error


@pytest.mark.parametrize(
    ("answer", "data"), [(7, 7), ("text", "text"), (None, None), ({"x": 1}, {"x": 1}), ({"data": 3}, 3)]
)
async def test_an_answer_without_the_words_of_one_is_the_data(
    engine: FakeEngine, new_worker: NewWorker, answer: Json, data: Json
) -> None:
    worker = new_worker()
    worker.skill("a")(lambda: answer)

    assert (await done(worker, engine, "a"))["data"] == data


async def test_blueprints_middleware_and_what_is_hot(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker, said = new_worker(skill_dependencies={"b": ["model"]}), list[str]()
    collected = SkillBlueprint()

    @collected.skill(SkillInfo(name="b", version="2", output_statuses=["fine"]))
    async def b(params: dict[str, Any], add_to_hot_skills: Any) -> Json:
        add_to_hot_skills("model")
        return {"status": "fine", "data": {}}

    async def around(context: dict[str, Any], proceed: Any) -> Any:
        said.append(context["skill_name"])
        return await proceed()

    worker.include_blueprint(collected)
    worker.add_middleware(around)
    result = await done(worker, engine, "b")
    [skill] = engine.registrations[0]["supported_skills"]

    assert (result["status"], said) == ("fine", ["b"])
    assert (skill["version"], skill["output_statuses"]) == ("2", ["fine"])
    assert worker.get_hot_skills_state() == {"model"}
    assert worker._native._offer.hot == {"b"}


async def test_a_type_at_its_limit_is_not_polled_for(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker, gate = new_worker(task_type_limits={"heavy": 1}), asyncio.Event()

    @worker.task("a", task_type="heavy")
    async def a(params: dict[str, Any], **_more: Any) -> Json:
        await gate.wait()
        return {}

    worker.task("b", task_type="heavy")(a)
    worker.task("c")(lambda params, **_more: None)
    engine.offer("a")
    serving = asyncio.create_task(worker.main())
    await engine.until(lambda: len(engine.polls) >= 2)
    assert [each["available_skills"] for each in engine.polls[:2]] == ["a,b,c", "c"]
    gate.set()
    worker.stop()
    await serving


def test_a_parameter_that_nothing_is_given_for_is_refused_at_once() -> None:
    worker = Worker()
    with pytest.raises(TypeError, match="'database'"):
        worker.skill("a")(lambda params, database: None)


def test_the_variables_of_that_package_are_read() -> None:
    environ = {
        "COST_PER_SKILL": '{"a": 1.5}',
        "CPU_CORES": "4",
        "GPU_MODEL": "RTX",
        "GPU_VRAM_GB": "24",
        "WORKER_EXTRA_ZONE": "eu",
        "WORKER_EXTRA_TAGS": '["x"]',
        "INSTALLED_MODELS": '[{"name": "m", "version": "1"}]',
    }
    told = WorkerConfig(environ).registration()

    assert told["capabilities"] == {"cost_per_skill": {"a": 1.5}, "extra": {"zone": "eu", "tags": ["x"]}}
    assert told["resources"]["properties"] == {"cpu_cores": 4}
    assert told["resources"]["devices"][0]["properties"] == {"memory_gb": 24}
    assert told["installed_artifacts"] == [{"name": "m", "version": "1"}]
    with pytest.raises(ValueError, match="COST_PER_SKILL"):
        WorkerConfig({"COST_PER_SKILL": "{"})
