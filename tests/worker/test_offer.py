"""What a worker tells of itself, and which tasks it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest  # noqa: TC002 - what a test asks for is read at run time

from avtomat_worker import EngineRefusedError, Result, TaskContext, TaskError, Worker
from avtomat_worker.offer import found_here
from tests.worker.fake_engine import FakeEngine

NewWorker = Callable[..., Worker]
Json = Any


async def test_it_tells_what_it_finds_and_what_it_is_told(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker = new_worker(registration={"worker_type": "render", "capabilities": {"cost_per_skill": {"a": 2}}})
    worker.task("a")(lambda: None)
    async with worker:
        [told] = engine.registrations

    assert told["worker_type"] == "render"
    assert told["capabilities"]["cost_per_skill"] == {"a": 2}
    assert told["capabilities"]["hostname"]
    assert told["resources"]["properties"]["cpu_cores"] >= 1
    assert told["installed_software"]["python"].startswith("3.")


def test_graphics_cards_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nprintf '0, NVIDIA RTX 3090, 24576\\nnonsense\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    card = {"type": "gpu", "id": "0", "model": "NVIDIA RTX 3090", "properties": {"memory_gb": 24}}

    assert found_here()["resources"]["devices"] == [card]
    program.write_text("#!/bin/sh\nexit 9\n")
    assert found_here()["resources"]["devices"] == []


async def test_a_kind_at_its_limit_is_not_polled_for_until_there_is_room(
    engine: FakeEngine, new_worker: NewWorker
) -> None:
    worker, gate = new_worker(), asyncio.Event()

    @worker.task("slow", at_once=1)
    async def slow() -> None:
        await gate.wait()

    worker.task("quick")(lambda: None)
    engine.offer("slow")
    async with worker:
        await engine.until(lambda: len(engine.polls) >= 2)
        first, second = engine.polls[:2]
        assert (first["available_skills"], first["max"]) == ("slow,quick", "1")
        assert second["available_skills"] == "quick"
        gate.set()
        await engine.until(lambda: any("slow" in each.get("available_skills", ()) for each in engine.heartbeats))


async def test_what_the_worker_does_not_take_now_is_not_polled_for(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker = new_worker(takes=lambda kind: kind == "b")
    for kind in "abc":
        worker.task(kind)(lambda: None)
    async with worker:
        await engine.until(lambda: bool(engine.polls) and bool(engine.heartbeats))

    assert engine.polls[0]["available_skills"] == "b"
    assert engine.heartbeats[0]["available_skills"] == ["b"]


async def test_the_engine_hears_what_the_worker_is_hot_for(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker = new_worker()

    @worker.task("warm")
    def warm() -> None:
        worker.hot("echo", "warm")
        worker.cold("warm")

    worker.hot("early")
    engine.offer("warm")
    async with worker:
        await engine.until(lambda: any(each.get("hot_skills") == ["early", "echo"] for each in engine.heartbeats))

    assert engine.registrations[0]["hot_skills"] == ["early"]
    assert engine.polls[0]["hot_skills"] == "early"


async def test_costs_and_metadata_go_with_the_result(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker = new_worker()
    worker.task("a")(lambda: Result(1, costs={"usd": 0.2}, metadata={"model": "m"}))
    engine.offer("a")
    async with worker:
        result = await engine.result()

    assert result["costs"].keys() == {"execution_time_seconds", "usd"}
    assert (result["costs"]["usd"], result["metadata"]) == (0.2, {"model": "m"})


async def test_costs_that_are_no_json_are_a_violated_contract(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker = new_worker()
    worker.task("a")(lambda: Result(1, costs={"usd": object()}))
    engine.offer("a")
    async with worker:
        assert (await engine.result())["error"]["code"] == "CONTRACT_VIOLATION_ERROR"


async def test_an_event_is_told_until_the_engine_has_it_and_under_one_id(
    engine: FakeEngine, new_worker: NewWorker
) -> None:
    worker = new_worker(limits=None)

    @worker.task("a")
    async def tell(context: TaskContext) -> str:
        try:
            await context.emit("news", {"n": 1})
        except EngineRefusedError as refused:
            return f"refused {refused.status}"
        return "told"

    engine.offer("a")
    async with worker:
        assert (await engine.result())["data"] == "told"
    [event] = engine.events
    assert (event["event_type"], event["payload"], event["target_task_id"]) == ("news", {"n": 1}, "task-1")


async def test_an_event_that_is_refused_is_told_to_the_task(engine: FakeEngine, new_worker: NewWorker) -> None:
    worker = new_worker()

    @worker.task("a")
    async def tell(context: TaskContext) -> None:
        await context.emit("news", {"n": 1})

    engine.refuse("event", 422)
    engine.offer("a")
    async with worker:
        assert "422" in (await engine.result())["error"]["message"]


async def test_middleware_is_around_each_task_the_first_one_outermost(
    engine: FakeEngine, new_worker: NewWorker
) -> None:
    worker, said = new_worker(), list[str]()
    worker.task("a")(lambda n: n + 1)

    @worker.middleware
    async def outer(params: Json, context: TaskContext, proceed: Callable[[], Awaitable[Any]]) -> Any:
        said.append(f"outer {params} {context.kind}")
        try:
            return await proceed() * 10
        except TaskError as error:
            said.append(error.code)
            raise

    @worker.middleware
    async def inner(params: Json, context: TaskContext, proceed: Callable[[], Awaitable[Any]]) -> Any:
        said.append("inner")
        return await proceed()

    engine.offer("a", {"n": 1})
    engine.offer("a", {"m": 1})
    async with worker:
        await engine.until(lambda: len(engine.results) == 2)
    results = sorted(engine.results, key=lambda each: str(each["task_id"]))

    assert results[0]["data"] == 20
    assert results[1]["error"]["code"] == "INVALID_INPUT_ERROR"
    assert "outer {'n': 1} a" in said
    assert "INVALID_INPUT_ERROR" in said
    assert said.count("inner") == 2
