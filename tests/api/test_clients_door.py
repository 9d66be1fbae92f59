from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from avtomat.errors import StoreAnswerLost, StoreNotExecuted
from tests.api.conftest import Serve, Site
from tests.api.fakes import FakeEngine

HELLO = "/api/v1/jobs/hello"
SLOW = "/api/v1/jobs/slow"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_job_is_accepted_with_its_place(site: Site) -> None:
    answer = await site.post(HELLO, json={"input": {"name": "Ada"}})

    assert answer.status == 202
    assert answer.json == {"job_id": "job0", "status": "waiting_for_worker", "blueprint": "hello", "version": "d1"}
    assert answer.headers["Location"] == "/api/v1/jobs/job0"


async def test_everything_that_a_submission_says_arrives(site: Site) -> None:
    body = {
        "initial_data": {"x": 1.0, "n": None},
        "labels": {"team": "a"},
        "priority": 9,
        "timeout": "1h30m",
        "start_at": "2027-01-01T01:00:00+01:00",
    }
    await site.post(HELLO, json=body, headers={"traceparent": TRACE})

    (asked,) = site.engine.clients.submitted
    assert asked.input == {"x": 1.0, "n": None}
    assert type(asked.input["x"]) is float
    assert (asked.labels, asked.priority, asked.timeout) == ({"team": "a"}, 9, timedelta(minutes=90))
    assert asked.start_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert asked.trace == TRACE


async def test_a_job_that_ends_in_time_is_answered_whole(site: Site) -> None:
    answer = await site.post(HELLO + "?wait=30", json={"input": {}})

    assert answer.status == 200
    assert answer.json["job_id"] == answer.json["id"] == "job0"
    assert answer.json["result"] == {"said": "hello"}


async def test_a_job_that_does_not_end_in_time_is_answered_whole_and_accepted(site: Site) -> None:
    answer = await site.post(SLOW + "?wait=0", json={"input": {}})

    assert answer.status == 202
    assert (answer.json["job_id"], answer.json["status"]) == ("job0", "waiting_for_worker")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"inptu": {}}, "/inptu"),
        ({"input": 1, "initial_data": 2}, "/initial_data"),
        ({"priority": 10}, "/priority"),
        ({"priority": True}, "/priority"),
        ({"timeout": 30}, "/timeout"),
        ({"timeout": "0s"}, "/timeout"),
        ({"start_at": "2027-01-01T00:00:00"}, "/start_at"),
        ({"start_at": "0001-01-01T00:00:00+23:00"}, "/start_at"),
        ({"labels": {"team": 1}}, "/labels"),
        ({"labels": ["team"]}, "/labels"),
        ("text", ""),
    ],
)
async def test_a_wrong_submission_is_refused_with_a_pointer(site: Site, body: object, pointer: str) -> None:
    answer = await site.post(HELLO, json=body)

    assert (answer.status, answer.code, answer.json["pointer"]) == (422, "request.invalid", pointer)
    assert not site.engine.clients.submitted


async def test_a_problem_has_all_its_members(site: Site) -> None:
    answer = await site.post(HELLO, json={"input": {"wrong": True}}, headers={"X-Request-Id": "mine-1"})

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-Id"] == "mine-1"
    assert answer.json == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "no",
        "code": "input.invalid",
        "pointer": "/input/wrong",
        "errors": [{"pointer": "/input/wrong", "message": "is not known"}],
        "request_id": "mine-1",
    }


async def test_every_request_has_an_id_of_its_own(site: Site) -> None:
    ids = {(await site.get("/healthz", headers={"X-Request-Id": "no good id"})).headers["X-Request-Id"] for _ in "ab"}

    assert len(ids) == 2
    assert "no good id" not in ids


async def test_a_repeat_under_the_same_key_is_the_same_job(site: Site) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await site.post(HELLO, json={"input": {"a": 1, "b": 2}}, headers=headers)
    again = await site.post(
        HELLO, data=b'{ "input": {"b": 2, "a": 1} }', headers={**headers, "Content-Type": "application/json"}
    )
    other = await site.post(HELLO, json={"input": {"a": 2}}, headers=headers)

    assert first.json == again.json
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (other.status, other.code) == (409, "idempotency.mismatch")


async def test_a_key_that_no_header_should_carry_is_refused(site: Site) -> None:
    answer = await site.post(HELLO, json={}, headers={"Idempotency-Key": "k" * 256})

    assert (answer.status, answer.code) == (422, "request.header")


async def test_a_list_gets_a_result_each_in_its_order(site: Site) -> None:
    bodies = [{"input": {"n": 0}}, {"input": {"wrong": True}}, {"typo": 1}, {"input": {"n": 3}}]
    answer = await site.post(HELLO, json=bodies, headers={"Idempotency-Key": "k"})

    first, refused, mistyped, last = answer.json["results"]
    assert answer.status == 202
    assert (first["job_id"], last["job_id"]) == ("job0", "job1")
    assert (refused["problem"]["status"], refused["problem"]["code"]) == (422, "input.invalid")
    assert mistyped["problem"]["pointer"] == "/2/typo"
    assert [asked.key for asked in site.engine.clients.submitted] == ["k/0", "k/3"]


@pytest.mark.parametrize("bodies", [[], [{}] * 101])
async def test_a_list_has_one_to_a_hundred_submissions(site: Site, bodies: list[object]) -> None:
    answer = await site.post(HELLO, json=bodies)

    assert (answer.status, answer.code) == (422, "request.invalid")


async def test_the_whole_body_is_the_input_for_clients_of_the_predecessor(site: Site) -> None:
    answer = await site.post(HELLO, json={"name": "Ada"}, headers={"X-Avtomatika-Token": "any"})

    assert answer.status == 202
    assert site.engine.clients.submitted[0].input == {"name": "Ada"}


async def test_a_store_that_is_away_is_told_as_such(site: Site) -> None:
    site.engine.clients.broken = StoreNotExecuted("the store is away")
    away = await site.post(HELLO, json={})
    site.engine.clients.broken = StoreAnswerLost("no answer came")
    lost = await site.post(HELLO, json={})

    assert (away.status, away.code, away.headers["Retry-After"]) == (503, "store.unavailable", "2")
    assert (lost.status, lost.code) == (503, "store.answer_lost")


async def test_a_fault_of_ours_shows_no_traceback(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.engine.clients.broken = KeyError("secret detail")
    answer = await site.post(HELLO, json={})

    assert (answer.status, answer.code) == (500, "internal")
    assert b"secret detail" not in answer.raw
    assert "secret detail" in caplog.text


async def test_a_job_is_read_and_not_sent_again_when_it_has_not_changed(site: Site) -> None:
    await site.post(HELLO, json={})
    job = await site.get("/api/v1/jobs/job0?wait=1")
    again = await site.get("/api/v1/jobs/job0", headers={"If-None-Match": job.headers["ETag"]})
    missing = await site.get("/api/v1/jobs/nobody")

    assert (job.status, job.json["id"]) == (200, "job0")
    assert (again.status, again.raw) == (304, b"")
    assert (missing.status, missing.code) == (404, "job.not_found")


async def test_jobs_are_listed_by_pages(site: Site) -> None:
    await site.post(HELLO, json=[{}] * 3)
    first = await site.get("/api/v1/jobs?limit=2&status=waiting_for_worker&blueprint=hello")
    last = await site.get(f"/api/v1/jobs?limit=2&cursor={first.json['next_cursor']}")

    assert [job["id"] for job in first.json["jobs"]] == ["job0", "job1"]
    assert ([job["id"] for job in last.json["jobs"]], last.json["next_cursor"]) == (["job2"], None)
    query, word = site.engine.clients.queries[0]
    assert (query.blueprint, query.limit, word) == ("hello", 2, "waiting_for_worker")


@pytest.mark.parametrize("query", ["statu=failed", "status=faild", "limit=0", "limit=x", "limit=201"])
async def test_a_mistyped_filter_does_not_show_everything(site: Site, query: str) -> None:
    answer = await site.get(f"/api/v1/jobs?{query}")

    assert (answer.status, answer.code) == (422, "request.parameter")
    assert answer.json["hint"]


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "soon", "", "1_0", "1s", "%D9%A1", "60.1", "500", "9" * 400])
async def test_a_wait_is_a_number_of_seconds_up_to_its_limit(site: Site, wait: str) -> None:
    answer = await site.post(f"{HELLO}?wait={wait}", json={})

    assert (answer.status, answer.code) == (422, "request.parameter")
    assert answer.json["hint"] == "wait is a number of seconds from 0 to 60"


async def test_history_is_read_by_pages(site: Site) -> None:
    await site.post(HELLO, json={})
    first = await site.get("/api/v1/jobs/job0/history?limit=1")
    last = await site.get(f"/api/v1/jobs/job0/history?limit=5&cursor={first.json['next_cursor']}")

    assert [each["seq"] for each in first.json["history"] + last.json["history"]] == [1, 2]
    assert last.json["next_cursor"] is None


async def test_tasks_say_who_works(site: Site) -> None:
    await site.post(HELLO, json={})

    assert (await site.get("/api/v1/jobs/job0/tasks")).json["tasks"][0]["worker"] == "w1"
    assert (await site.get("/api/v1/jobs/nobody/tasks")).status == 404


async def test_a_job_is_cancelled_with_a_reason_or_without(site: Site) -> None:
    await site.post(HELLO, json=[{}, {}])
    with_reason = await site.post("/api/v1/jobs/job0/cancel", json={"reason": "enough"})
    without = await site.post("/api/v1/jobs/job1/cancel")
    wrong = await site.post("/api/v1/jobs/job1/cancel", json={"resaon": "x"})

    assert (with_reason.status, with_reason.json["error"]["message"]) == (200, "admin: enough")
    assert (without.status, without.json["status"]) == (200, "cancelled")
    assert (wrong.status, (await site.post("/api/v1/jobs/nobody/cancel")).status) == (422, 404)


async def test_blueprints_say_why_the_files_are_not_in_use(serve: Serve) -> None:
    finding = {"code": "AVT101", "message": "no", "file": "a.yaml", "line": 3, "column": 5, "hint": None}
    site = await serve(FakeEngine(problems=[finding]))
    listed = await site.get("/api/v1/blueprints")

    assert listed.json == {"blueprints": [{"name": "hello", "version": "d1"}], "problems": [finding]}
    assert (await site.get("/api/v1/blueprints/hello")).json["version"] == "d1"
    assert (await site.get("/api/v1/blueprints/helo")).json["hint"] == "did you mean hello?"


@pytest.mark.parametrize(
    "body", [{}, {"digest": 5}, {"digest": "abc"}, {"digest": "x" * 64}, {"digest": "a" * 8, "b": 1}, 1]
)
async def test_a_blueprint_is_restored_by_its_digest_and_by_nothing_else(serve: Serve, body: object) -> None:
    engine = FakeEngine()
    site = await serve(engine)

    assert (await site.post("/api/v1/blueprints/hello/restore", json=body)).status == 422
    restored = await site.post("/api/v1/blueprints/hello/restore", json={"digest": "0123456789ab"})

    assert (restored.status, restored.json["name"]) == (200, "hello")
    assert engine.restored == [("hello", "0123456789ab")]


async def test_large_answers_are_compressed_for_those_who_ask(site: Site) -> None:
    await site.post(HELLO, json={"input": {"text": "x" * 3_000}})
    plain = await site.get("/api/v1/jobs/job0", headers={"Accept-Encoding": "gzip;q=0"})
    packed = await site.get("/api/v1/jobs/job0", headers={"Accept-Encoding": "br, gzip"})
    small = await site.get("/healthz", headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.json == plain.json
    assert "Content-Encoding" not in small.headers


async def test_an_idempotency_key_that_stands_twice_is_400(site: Site) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    answer = await site.post("/api/v1/blueprints/hello/jobs", json={}, headers=headers)

    assert (answer.status, answer.code) == (400, "request.header")
    assert not site.engine.clients.submitted
