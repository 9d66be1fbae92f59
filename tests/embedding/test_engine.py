"""The engine within a Python program: functions do its tasks, without a network."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from avtomat import Engine, Result, TaskContext, TaskError
from avtomat.core.messages import PauseRequested, ResumeRequested
from avtomat.errors import BlueprintsRefusedError, NotFoundError, RequestRefused, WaitTimeoutError

GREET = """
avtomat: 1
blueprint: greet
input: {type: object, required: [name], properties: {name: {type: string}}}
states:
  say: {task: say, params: {name: "{{ input.name }}"}, next: end}
"""
PAY = """
avtomat: 1
blueprint: pay
states:
  book: {task: book, compensate: {task: unbook}, next: charge}
  charge:
    task: charge
    retry: {attempts: 2, delay: 1d, max_delay: 1d, jitter: none}
    catch: [{errors: [CARD_DECLINED], output: declined}]
    next: end
"""
NAP = "avtomat: 1\nblueprint: nap\nstates:\n  nap: {wait: 30d, next: end}\n"
ASK = "avtomat: 1\nblueprint: ask\nstates:\n  ok: {approval: 'Sure?', next: end}\n"
GPU = "avtomat: 1\nblueprint: gpu\nstates:\n  a: {task: say, worker: {type: gpu}, next: end}\n"


@dataclass
class Person:
    name: int


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"greet": GREET, "pay": PAY, "nap": NAP, "gpu": GPU, "ask": ASK}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


@pytest.fixture
async def engine(folder: Path) -> AsyncIterator[Engine]:
    async with Engine(folder) as engine:
        yield engine


@pytest.fixture(params=["memory:", "sqlite"])
async def either(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Engine]:
    store = f"sqlite:///{folder / 'jobs.db'}" if request.param == "sqlite" else request.param
    async with Engine(folder, store=store) as engine:
        yield engine


async def test_plain_and_async_functions_do_the_tasks(either: Engine) -> None:
    @either.task("say")
    def say(name: str) -> dict[str, Any]:
        return {"said": f"hello {name}", "thread": threading.current_thread() is threading.main_thread()}

    @either.task("book")
    async def book() -> int:
        await asyncio.sleep(0)
        return 1

    either.task("charge")(lambda: "paid")
    greeting, paying = await either.submit("greet", {"name": "Ada"}), await either.submit("pay")

    done = await either.wait(greeting, 10)
    assert (done["status"], done["result"]) == ("finished", {"said": "hello Ada", "thread": False})
    assert (await either.wait(paying, 10))["result"] == "paid"


async def test_a_function_that_is_registered_while_its_task_waits_gets_it(engine: Engine) -> None:
    engine.task("book")(lambda: 1)
    job = await engine.submit("greet", {"name": "Ada"})
    assert [each["cause"] for each in (await engine.why(job))["causes"]] == ["no_worker"]

    engine.task("say")(lambda name: name)

    assert (await engine.wait(job, 10))["result"] == "Ada"


async def test_functions_may_be_registered_before_the_engine_starts(folder: Path) -> None:
    engine = Engine(folder)
    engine.task("say")(lambda name: name)

    async with engine:
        assert (await engine.wait(await engine.submit("greet", {"name": "Ada"}), 10))["status"] == "finished"


async def test_params_are_converted_to_annotations_and_misfits_fail_the_task(engine: Engine) -> None:
    @engine.task("say")
    def say(params: Person) -> int:
        return params.name

    job = await engine.wait(await engine.submit("greet", {"name": "Ada"}), 10)

    assert (job["status"], job["error"]["code"]) == ("failed", "INVALID_INPUT_ERROR")


async def test_an_error_of_a_task_is_caught_as_the_blueprint_says(engine: Engine) -> None:
    @engine.task("charge")
    def charge() -> None:
        raise TaskError("CARD_DECLINED", "no money")

    engine.task("book")(lambda: Result(1, status="fine"))

    assert (await engine.wait(await engine.submit("pay"), 10))["result"] == "declined"


async def test_a_task_is_tried_again_once_time_has_passed(either: Engine) -> None:
    attempts: list[int] = []

    @either.task("charge")
    def charge(context: TaskContext) -> str:
        attempts.append(context.attempt)
        if context.attempt == 1:
            raise TaskError("TRANSIENT_ERROR")
        return "paid"

    either.task("book")(lambda: 1)
    job = await either.submit("pay")
    async for entry in either.follow(job):
        if entry["type"] == "TaskFailed":
            either.advance("1d")

    assert (attempts, (await either.job(job))["result"]) == ([1, 2], "paid")


async def test_thirty_days_pass_at_once(either: Engine) -> None:
    job = await either.submit("nap")
    with pytest.raises(WaitTimeoutError):
        await either.wait(job, 0.01)

    either.advance(timedelta(days=30))

    assert (await either.wait(job, 10))["status"] == "finished"


async def test_a_cancel_undoes_and_stops_the_function_that_runs(engine: Engine) -> None:
    running, undone, stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @engine.task("charge")
    async def charge() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    engine.task("book")(lambda: 1)

    @engine.task("unbook")
    async def unbook() -> None:
        undone.set()

    job = await engine.submit("pay")
    await running.wait()
    await engine.cancel(job, "enough")

    assert (await engine.wait(job, 10))["status"] == "cancelled"
    assert stopped.is_set()
    assert undone.is_set()
    by = [each["by"] for each in await engine.history(job) if each["type"] == "CancelRequested"]
    assert by == ["local"]


async def test_jobs_go_on_after_the_next_start_on_a_store_that_lasts(folder: Path) -> None:
    store = f"sqlite:///{folder / 'jobs.db'}"
    async with Engine(folder, store=store) as engine:
        job = await engine.submit("greet", {"name": "Ada"})

    async with Engine(folder, store=store) as engine:
        engine.task("say")(lambda name: name)
        assert (await engine.wait(job, 10))["result"] == "Ada"


async def test_a_task_that_asks_for_a_special_worker_is_done_by_a_process_that_has_it(folder: Path) -> None:
    async with Engine(folder) as plain:
        plain.task("say")(lambda name="": name)
        await plain.wait(await plain.submit("greet", {"name": "Ada"}), 10)
        job = await plain.submit("gpu")
        assert (await plain.why(job))["causes"][0]["cause"] == "no_fitting_worker"

    async with Engine(folder, worker={"worker_type": "gpu"}) as special:
        special.task("say")(lambda: 1)
        assert (await special.wait(await special.submit("gpu"), 10))["status"] == "finished"


async def test_a_signal_is_sent_within_the_program(folder: Path) -> None:
    (folder / "paid.yaml").write_text("avtomat: 1\nblueprint: paid\nstates: {pay: {signal: paid, key: o1}}\n")
    async with Engine(folder, store="memory:") as engine:
        job = await engine.submit("paid", {})

        assert [await engine.signal(job, "paid", n, key="o1", id="s1") for n in (1, 2)] == [True, False]

        assert (await engine.wait(job, 10))["result"] == 1
        with pytest.raises(RequestRefused, match="it takes no signals"):
            await engine.signal(job, "paid")
        with pytest.raises(NotFoundError):
            await engine.signal("0" * 26, "paid")


async def test_other_wishes_of_operators_go_through_the_service(engine: Engine) -> None:
    engine.task("say")(lambda name: name)
    nap = await engine.submit("nap")
    await engine.service.operators.operate(nap, None, PauseRequested(by="ann"))
    assert (await engine.job(nap))["status"] == "paused"

    await engine.service.operators.operate(nap, None, ResumeRequested(by="ann"))

    assert (await engine.job(nap))["status"] == "waiting_for_timer"


async def test_what_people_are_asked_is_decided(engine: Engine) -> None:
    job = await engine.submit("ask")
    asked = (await engine.approvals(job))["approvals"][0]
    assert (asked["text"], asked["choices"]) == ("Sure?", ("approve", "reject"))

    told = await engine.decide(job, "ok", "approve", comment="fine", visit=asked["visit"])

    assert told["status"] == "decided"
    assert (await engine.wait(job, 10))["result"]["comment"] == "fine"
    with pytest.raises(RequestRefused, match="decided at") as refused:
        await engine.decide(job, "ok", "reject")
    assert refused.value.code == "approval.decided"
    with pytest.raises(NotFoundError):
        await engine.approvals("00" + "0" * 24)


async def test_what_cannot_be_is_told_at_once(engine: Engine, tmp_path: Path) -> None:
    engine.task("say")(lambda name: name)
    with pytest.raises(ValueError, match="has a function already"):
        engine.task("say")(lambda name: name)
    with pytest.raises(RequestRefused, match="name"):
        await engine.submit("greet", {})
    with pytest.raises(NotFoundError):
        await engine.wait("00nothing")
    with pytest.raises(ValueError, match="not a duration"):
        engine.advance("soon")


async def test_a_wrong_blueprint_is_refused_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("avtomat: 1\nblueprint: bad\nstates:\n  a: {task: a, next: gone}\n")

    with pytest.raises(BlueprintsRefusedError, match=r"bad\.yaml:4: "):
        async with Engine(tmp_path):
            pass


@pytest.mark.parametrize(
    "asked",
    [
        {"input": {"name": float("nan")}},
        {"input": {"name": {"Ada"}}},
        {"input": {7: "Ada"}},
        {"input": {"name": datetime(2026, 1, 31, tzinfo=UTC)}},
        {"input": {"name": 2**64}},
        {"input": {"name": 2**63}},
        {"input": {"name": json.loads("[" * 70 + "]" * 70)}},
        {"input": {"name": "\ud800"}},
        {"labels": {"team": 7}},
        {"priority": 10},
        {"priority": True},
        {"timeout": timedelta(0)},
        {"start_at": datetime(2026, 1, 31)},  # noqa: DTZ001 - that is the slip
        {"start_at": datetime(9999, 12, 31, tzinfo=UTC)},
        {"key": ""},
        {"key": "a\nb"},
    ],
    ids=repr,
)
async def test_what_no_job_can_have_is_refused_as_the_api_would(folder: Path, asked: dict[str, Any]) -> None:
    async with Engine(folder) as engine:
        with pytest.raises(RequestRefused) as refused:
            await engine.submit("greet", **{"input": {"name": "Ada"}, **asked})

    assert (refused.value.status, refused.value.code) == (422, "request.invalid")
    assert refused.value.pointer == f"/{next(iter(asked))}"


@pytest.mark.parametrize("output", [2**63, [2**64 - 1], json.loads("[" * 70 + "]" * 70)], ids=["int", "list", "deep"])
async def test_an_output_that_the_network_would_refuse_fails_the_task(engine: Engine, output: Any) -> None:
    engine.task("say")(lambda name: output)

    job = await engine.wait(await engine.submit("greet", {"name": "Ada"}))

    assert job["status"] != "finished"
    assert job["error"]["code"] == "CONTRACT_VIOLATION_ERROR"
