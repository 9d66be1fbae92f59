"""Tasks can be tried without an engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from avtomat_worker import Result, TaskContext, TaskError, Worker
from avtomat_worker.compat import Worker as CompatWorker
from avtomat_worker.testing import run_task

worker = Worker("http://127.0.0.1:1")


@worker.task("greet")
def greet(name: str, times: int = 1) -> dict[str, Any]:
    return {"texts": ("Hello, " + name,) * times}


@worker.task("charge")
async def charge(params: dict[str, Any], context: TaskContext) -> Result:
    await context.progress(0.5, "half")
    await context.emit("asked", {"attempt": context.attempt})
    if context.cancelled:
        raise TaskError("GAVE_UP")
    return Result({"key": context.idempotency_key}, status="charged", costs={"usd": 1})


@worker.task("break")
def break_it() -> None:
    raise KeyError("x")


@worker.middleware
async def counted(params: Any, context: TaskContext, proceed: Callable[[], Awaitable[Any]]) -> Any:
    answer = await proceed()
    return {**answer, "kind": context.kind} if isinstance(answer, dict) else answer


async def test_params_and_output_pass_as_they_do_in_service() -> None:
    done = await run_task(worker, "greet", {"name": "Ada", "times": 2})

    assert (done.status, done.data) == ("success", {"texts": ["Hello, Ada", "Hello, Ada"], "kind": "greet"})


async def test_what_a_task_tells_is_seen() -> None:
    done = await run_task(worker, "charge", {}, attempt=3, idempotency_key="k")

    assert (done.status, done.data, done.costs) == ("charged", {"key": "k"}, {"usd": 1})
    assert (done.progress, done.events) == (((0.5, "half"),), (("asked", {"attempt": 3}),))


@pytest.mark.parametrize(
    ("kind", "params", "code"),
    [("greet", {"nome": "Ada"}, "INVALID_INPUT_ERROR"), ("charge", {}, "GAVE_UP"), ("break", None, "INTERNAL_ERROR")],
)
async def test_failures_are_seen(kind: str, params: Any, code: str) -> None:
    done = await run_task(worker, kind, params, cancelled=True)

    assert done.error is not None
    assert (done.status, done.error.code) == ("failure", code)
    assert isinstance(done.raised, KeyError) == (kind == "break")


class Database:
    name = "orders"


class Replica(Database):
    name = "replica"


async def test_a_parameter_gets_what_is_provided_for_its_type() -> None:
    own = Worker("http://127.0.0.1:1")
    own.provide(Replica(), Database)

    @own.task("a")
    def a(n: int, database: Database) -> list[Any]:
        return [n, database.name]

    @own.task("b")
    def b(params: Any, store: Database, context: TaskContext) -> list[Any]:
        return [params, store.name, context.kind]

    assert (await run_task(own, "a", {"n": 1})).data == [1, "replica"]
    assert (await run_task(own, "b", [2])).data == [[2], "replica", "b"]
    refused = await run_task(own, "a", {"n": 1, "database": "mine"})
    assert refused.error is not None
    assert "unknown key 'database'" in refused.error.message


@pytest.mark.parametrize(("value", "as_type"), [("text", None), ({}, None), (Database(), TaskContext)])
def test_what_params_and_the_context_are_given_for_cannot_be_provided(value: Any, as_type: type | None) -> None:
    with pytest.raises(ValueError, match="is taken"):
        Worker("http://127.0.0.1:1").provide(value, as_type)


async def test_a_kind_that_is_not_done_is_a_mistake_of_the_test() -> None:
    with pytest.raises(KeyError):
        await run_task(worker, "nothing")


async def test_workers_with_another_import_are_tried_as_well() -> None:
    older = CompatWorker()
    older.skill("a")(lambda params: {"status": "fine", "data": params})

    assert (await run_task(older, "a", {"x": 1})).data == {"x": 1}
