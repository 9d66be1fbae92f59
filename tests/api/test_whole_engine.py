"""The doors over the real engine, on the memory store: what clients and workers see of each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from avtomat.core import defaults
from avtomat.runtime.byte_budget import ByteBudget
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from tests.api.conftest import Serve, Site, site_of

GREET = """\
avtomat: 1
blueprint: greet
input:
  type: object
  required: [name]
  properties: {name: {type: string}}
states:
  say:
    task: say
    params: {name: "{{ input.name }}"}
    next: end
"""
SUBMIT = "/api/v1/jobs/greet"
NEXT = "/_worker/workers/w1/tasks/next?available_skills=say"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "greet.yaml").write_text(GREET)
    engine = Service(Settings(store="memory:", blueprints=tmp_path))
    await engine.start(watch=False)
    async with site_of(engine) as site:
        await site.post("/_worker/workers/register", json={"worker_id": "w1", "supported_skills": [{"name": "say"}]})
        yield site
    await engine.stop()


async def take(site: Site, timeout_s: float = 10) -> dict[str, Any]:
    answer = await site.get(f"{NEXT}&timeout={timeout_s}")
    assert answer.status == 200
    return dict(answer.json)


async def deliver(site: Site, task: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": "w1", **more}
    return dict((await site.post("/_worker/tasks/result", json=body)).json)


async def test_a_waiting_client_gets_the_result_that_a_waiting_worker_made(site: Site) -> None:
    taking = asyncio.create_task(take(site))
    submitting = asyncio.create_task(site.post(SUBMIT + "?wait=10", json={"input": {"name": "Ada"}}))
    task = await taking
    told = await deliver(site, task, data={"said": f"hello {task['params']['name']}", "n": 1.0, "none": None})
    job = await submitting

    assert told == {"status": "accepted"}
    assert (job.status, job.json["status"], job.json["job_id"]) == (200, "finished", task["job_id"])
    assert job.json["result"] == {"said": "hello Ada", "n": 1.0, "none": None}
    assert b'"n":1.0' in job.raw


async def test_a_result_sent_twice_is_accepted_twice_and_a_different_one_is_stale(site: Site) -> None:
    await site.post(SUBMIT, json={"input": {"name": "Ada"}})
    task = await take(site)

    assert await deliver(site, task, data=1) == {"status": "accepted"}
    assert await deliver(site, task, data=1) == {"status": "accepted"}
    assert (await deliver(site, task, data=2))["status"] == "ignored"


async def test_an_input_that_the_blueprint_does_not_take_is_refused_with_pointers(site: Site) -> None:
    answer = await site.post(SUBMIT, json={"input": {"name": 7}})

    assert (answer.status, answer.code, answer.json["pointer"]) == (422, "input.invalid", "/input/name")
    assert answer.json["errors"][0]["pointer"] == "/input/name"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"status": 7}, "CONTRACT_VIOLATION_ERROR"),
        ({"status": ""}, "CONTRACT_VIOLATION_ERROR"),
        ({"status": {}, "error": {"code": "X"}}, "CONTRACT_VIOLATION_ERROR"),
        ({"error": 5}, "PERMANENT_ERROR"),
        ({"error": []}, "PERMANENT_ERROR"),
        ({"status": "failure", "error": {"code": [1]}}, "PERMANENT_ERROR"),
        ({"status": "failed", "error": {"code": "X", "message": {}}}, "X"),
        ({"costs": "much"}, "CONTRACT_VIOLATION_ERROR"),
        ({"metadata": [], "data": 1}, "CONTRACT_VIOLATION_ERROR"),
    ],
)
async def test_a_result_whose_ids_are_good_is_200_and_what_cannot_be_used_of_it_fails_the_attempt(
    site: Site, said: dict[str, Any], code: str
) -> None:
    job_id = (await site.post(SUBMIT, json={"input": {"name": "Ada"}})).json["job_id"]
    task = await take(site)
    body = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": "w1", **said}
    answer = await site.post("/_worker/tasks/result", json=body)
    history = (await site.get(f"/api/v1/jobs/{job_id}/history")).json["history"]

    assert (answer.status, answer.json) == (200, {"status": "accepted"})
    [entry] = [each for each in history if each["type"] == "TaskFailed"]
    assert entry["code"] == code
    assert entry.get("message") or entry.get("details")


@pytest.mark.parametrize(
    "raw", [b"{", b'{"job_id": NaN}', b'{"a": 1, "a": 2}', b"7", b"{}", b'{"job_id": "a b", "task_id": "x"}']
)
async def test_a_result_that_cannot_be_read_or_names_nothing_is_400(site: Site, raw: bytes) -> None:
    headers = {"Content-Type": "application/json", "X-Worker-ID": "w1"}
    answer = await site.post("/_worker/tasks/result", data=raw, headers=headers)

    assert answer.status == 400


async def test_a_result_over_the_limit_is_413_and_fails_its_attempt_for_good(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "greet.yaml").write_text(GREET)
    engine = Service(Settings(store="memory:", blueprints=tmp_path, result_bytes_max=10_000))
    await engine.start(watch=False)
    site = await serve(engine)
    job_id = (await site.post(SUBMIT, json={"input": {"name": "Ada"}})).json["job_id"]
    task = await take(site)
    body = {"job_id": job_id, "task_id": task["task_id"], "data": "x" * 10_000}
    answer = await site.post("/_worker/tasks/result", json=body, headers={"X-Worker-ID": "w1"})
    job = await site.get(f"/api/v1/jobs/{job_id}?wait=10")
    await engine.stop()

    assert answer.status == 413
    assert (job.json["status"], job.json["error"]["code"]) == ("failed", "LIMIT_EXCEEDED_ERROR")


async def test_a_cancelled_job_ignores_its_late_result(site: Site) -> None:
    job_id = (await site.post(SUBMIT, json={"input": {"name": "Ada"}})).json["job_id"]
    task = await take(site)
    cancelled = await site.post(f"/api/v1/jobs/{job_id}/cancel", json={"reason": "enough"})
    heartbeat = await site.ask("PATCH", "/_worker/workers/w1", json={"current_tasks": [task["task_id"]]})

    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    assert heartbeat.json["cancel_task_ids"] == [task["task_id"]]
    assert await deliver(site, task, data=1) == {"status": "ignored", "reason": "job_cancelled"}


async def test_a_task_whose_poll_was_dropped_goes_to_the_next_poll_as_the_same_attempt(site: Site) -> None:
    poll = asyncio.create_task(site.get(NEXT + "&timeout=10"))
    _reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"GET {NEXT}&timeout=10 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await site.get("/healthz")
    writer.close()
    await writer.wait_closed()
    poll.cancel()
    await asyncio.wait([poll])
    await site.get("/healthz")
    await site.post(SUBMIT, json={"input": {"name": "Ada"}})
    task = await take(site)

    assert task["attempt"] == 1


async def test_open_jobs_are_found_by_what_they_wait_for(site: Site) -> None:
    job_id = (await site.post(SUBMIT, json={"input": {"name": "Ada"}})).json["job_id"]
    waiting = await site.get("/api/v1/jobs?status=waiting_for_worker")
    tasks = await site.get(f"/api/v1/jobs/{job_id}/tasks")
    history = await site.get(f"/api/v1/jobs/{job_id}/history")

    assert [job["id"] for job in waiting.json["jobs"]] == [job_id]
    assert (tasks.json["tasks"][0]["kind"], tasks.json["tasks"][0]["phase"]) == ("say", "queued")
    assert [each["type"] for each in history.json["history"]] == ["JobCreated"]


async def test_a_draining_engine_says_so_and_lets_polls_go(site: Site) -> None:
    polling = asyncio.create_task(site.get(NEXT + "&timeout=30"))
    await site.get("/healthz")
    site.engine.drain()

    assert (await polling).status == 204
    ready = await site.get("/readyz")
    assert (ready.status, ready.json["draining"]) == (503, True)


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1", "1.", ".x", "1:2", "99999999999999999999.00ab", "%00", "1.%00"])
async def test_what_is_no_cursor_is_refused(site: Site, cursor: str) -> None:
    answer = await site.get(f"/api/v1/jobs?cursor={cursor}")

    assert (answer.status, answer.code) == (422, "request.parameter")


@pytest.mark.parametrize("more", [{}, {"timeout": "5d"}])
async def test_a_job_does_not_begin_in_more_than_a_hundred_years(site: Site, more: dict[str, str]) -> None:
    body = {"input": {"name": "Ada"}, "start_at": "9999-12-31T23:59:59.999999Z", **more}
    answer = await site.post(SUBMIT, json=body)

    assert (answer.status, answer.code, answer.json["pointer"]) == (422, "request.invalid", "/start_at")
    assert (await site.get("/api/v1/jobs")).json["jobs"] == []


LIST = """\
avtomat: 1
blueprint: list
input:
  properties:
    l: {type: array, items: {type: object, properties: {a: {default: x}, b: {default: y}}}}
states: {done: {succeed: true}}
"""
SUBMIT_LIST = "/api/v1/jobs/list"


@pytest.fixture
async def lists(tmp_path: Path) -> AsyncIterator[Site]:
    """An engine with a blueprint that has defaults, and one that has none."""
    (tmp_path / "list.yaml").write_text(LIST)
    (tmp_path / "greet.yaml").write_text(GREET)
    engine = Service(Settings(store="memory:", blueprints=tmp_path))
    await engine.start(watch=False)
    async with site_of(engine) as site:
        yield site
    await engine.stop()


async def test_an_input_to_which_defaults_would_add_too_much_is_refused(
    lists: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defaults, "ADDED_VALUES_MAX", 3)
    small = await lists.post(SUBMIT_LIST, json={"input": {"l": [{}, {"a": 1, "b": 2}]}})
    large = await lists.post(SUBMIT_LIST, json={"input": {"l": [{}, {}]}})

    assert small.status == 202
    assert (large.status, large.code, large.json["pointer"]) == (422, "input.invalid", "/input")
    assert large.json["detail"] == "input: the schema's defaults would add more than 3 values"


async def test_inputs_with_defaults_wait_for_those_that_are_not_stored_yet(
    lists: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    filling = ByteBudget(1_000, wait_s=0)
    monkeypatch.setattr(lists.engine.clients, "_filling", filling)
    held = await filling.claim(1_000)
    busy = await lists.post(SUBMIT_LIST, json={"input": {"l": [{}]}})
    without = await lists.post(SUBMIT, json={"input": {"name": "Ada"}})
    held.release()
    answers = [
        (await lists.post(SUBMIT_LIST, json={"input": {"l": each}})).status for each in ([{}], 3, [{}], [{"a": 1}])
    ]

    assert (busy.status, busy.code, busy.headers["Retry-After"]) == (503, "request.busy", "5")
    assert without.status == 202
    assert answers == [202, 422, 202, 202]
    assert filling.bytes_claimed == 0


async def test_a_job_that_is_waited_for_holds_no_room_for_its_defaults(
    lists: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    filling = ByteBudget(1_000, wait_s=0)
    monkeypatch.setattr(lists.engine.clients, "_filling", filling)
    for _ in range(3):
        answer = await lists.post(SUBMIT_LIST + "?wait=10", json={"input": {"l": [{}]}})

        assert answer.json["input"] == {"l": [{"a": "x", "b": "y"}]}
        assert filling.bytes_claimed == 0
