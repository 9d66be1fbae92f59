"""The operators' part of the clients' door: what it takes, what it refuses, and who is noted."""

from __future__ import annotations

from typing import Any

import pytest

from avtomat.core.messages import (
    OperatorEvent,
    PauseRequested,
    ReleaseRequested,
    RerunRequested,
    SkipRequested,
)
from tests.api.conftest import Serve, Site
from tests.api.fakes import FakeEngine

JOB = "/api/v1/jobs/job0"


@pytest.fixture
async def site(serve: Serve) -> Site:
    site = await serve(FakeEngine())
    await site.post("/api/v1/jobs/slow", json={})
    return site


@pytest.mark.parametrize(
    ("action", "body", "event"),
    [
        ("pause", {}, PauseRequested(by="admin")),
        ("pause", {"reason": "stocktaking"}, PauseRequested(by="admin", reason="stocktaking")),
        ("retry", {}, ReleaseRequested(by="admin")),
        ("release", {"data": {"n": 2}}, ReleaseRequested(by="admin", data={"n": 2})),
        ("skip", {"output": [1, None], "reason": "done"}, SkipRequested(by="admin", reason="done", output=[1, None])),
        ("rerun", {"state": "pay", "data": {}}, RerunRequested(by="admin", state="pay", data={})),
    ],
)
async def test_a_wish_reaches_the_engine_with_who_and_why(
    site: Site, action: str, body: dict[str, Any], event: OperatorEvent
) -> None:
    answer = await site.post(f"{JOB}/{action}", json=body)

    assert (answer.status, answer.json["id"]) == (202, "job0")
    assert site.engine.operators.requests == [event]


async def test_a_wish_needs_no_body(site: Site) -> None:
    assert (await site.post(f"{JOB}/pause")).status == 202


async def test_a_cancel_may_decline_the_compensation(site: Site) -> None:
    await site.post(f"{JOB}/cancel", json={"compensate": False})
    await site.post(f"{JOB}/cancel")

    assert site.engine.operators.compensates == [False, True]


async def test_what_makes_no_sense_now_is_refused_with_the_cause_and_what_is_possible(site: Site) -> None:
    answer = await site.post(f"{JOB}/resume")

    assert (answer.status, answer.code) == (409, "job.state")
    assert "not paused" in answer.json["detail"]
    assert answer.json["hint"]


async def test_a_rerun_of_an_ended_job_is_answered_as_a_new_one(site: Site) -> None:
    await site.post(f"{JOB}/cancel")
    answer = await site.post(f"{JOB}/rerun")

    assert (answer.status, answer.headers["Location"]) == (202, "/api/v1/jobs/job9")
    assert (answer.json["job_id"], answer.json["rerun_of"]) == ("job9", "job0")


@pytest.mark.parametrize(
    ("action", "body", "pointer"),
    [
        ("pause", {"resaon": "x"}, "/resaon"),
        ("pause", {"data": {}}, "/data"),
        ("pause", {"reason": 7}, "/reason"),
        ("pause", {"reason": "x" * 1_001}, "/reason"),
        ("pause", [], ""),
        ("cancel", {"compensate": "no"}, "/compensate"),
        ("rerun", {"state": 1}, "/state"),
        ("rerun", {"data": []}, "/data"),
        ("release", {"data": None}, "/data"),
        ("skip", {"outptu": 1}, "/outptu"),
    ],
)
async def test_a_slip_in_the_body_changes_nothing_and_is_pointed_at(
    site: Site, action: str, body: Any, pointer: str
) -> None:
    answer = await site.post(f"{JOB}/{action}", json=body)

    assert (answer.status, answer.code, answer.json["pointer"]) == (422, "request.invalid", pointer)
    assert not site.engine.operators.requests
    assert not site.engine.operators.compensates


@pytest.mark.parametrize("action", ["cancel", "pause", "resume", "retry", "rerun", "skip", "release"])
async def test_actions_are_posts(site: Site, action: str) -> None:
    assert (await site.get(f"{JOB}/{action}")).status == 405


@pytest.mark.parametrize("action", ["pause", "rerun", "skip"])
async def test_a_job_that_is_not_there_is_not_found(site: Site, action: str) -> None:
    assert (await site.post(f"/api/v1/jobs/nobody/{action}")).status == 404


async def test_why_lists_the_causes(site: Site) -> None:
    answer = await site.get(f"{JOB}/why")

    assert (answer.status, answer.json["causes"][0]["cause"]) == (200, "no_worker")
    assert (await site.get("/api/v1/jobs/nobody/why")).status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{JOB}/cancel?compensate=false"),
        ("POST", f"{JOB}/pause?reason=stocktaking"),
        ("POST", f"{JOB}/rerun?state=pay"),
        ("GET", f"{JOB}/why?scope=0"),
        ("GET", f"{JOB}/tasks?limit=1"),
        ("GET", "/api/v1/blueprints?name=x"),
        ("GET", "/api/v1/blueprints/hello?version=1"),
    ],
)
async def test_what_would_not_be_read_is_refused(site: Site, method: str, path: str) -> None:
    answer = await site.ask(method, path)

    assert (answer.status, answer.code) == (422, "request.parameter")


@pytest.mark.parametrize("action", ["cancel", "pause", "rerun", "skip"])
async def test_a_wish_reaches_the_engine_with_its_idempotency_key(site: Site, action: str) -> None:
    await site.post(f"{JOB}/{action}", headers={"Idempotency-Key": "k"})
    await site.post(f"{JOB}/{action}")

    assert site.engine.operators.keys == ["k", None]


async def test_a_rerun_that_is_repeated_under_its_key_says_so(site: Site) -> None:
    await site.post(f"{JOB}/cancel")
    answers = [await site.post(f"{JOB}/rerun", headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true"]


async def test_a_key_that_is_none_is_refused_and_changes_nothing(site: Site) -> None:
    answer = await site.post(f"{JOB}/pause", headers={"Idempotency-Key": "x" * 256})

    assert (answer.status, answer.code) == (422, "request.header")
    assert not site.engine.operators.requests
