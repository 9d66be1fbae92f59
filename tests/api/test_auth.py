from __future__ import annotations

import logging

import pytest

from avtomat.settings import Settings
from tests.api.conftest import Serve, Site
from tests.api.fakes import FakeEngine

CLIENT, WORKER = "client-" + "c" * 40, "worker-" + "w" * 40
JOBS = "/api/v1/jobs"
EVENTS = "/_worker/events"
PUBLIC = ("/healthz", "/readyz", "/metrics", "/version", "/openapi.json", "/docs", "/docs.css")


@pytest.fixture
async def kept(serve: Serve) -> Site:
    return await serve(FakeEngine(settings=Settings(client_token=CLIENT, worker_token=WORKER)))


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {CLIENT}"},
        {"Authorization": f"bearer  {CLIENT}"},
        {"X-Client-Token": CLIENT},
        {"X-Avtomatika-Token": CLIENT},
    ],
)
async def test_the_token_opens_the_clients_door_in_each_header(kept: Site, headers: dict[str, str]) -> None:
    assert (await kept.get(JOBS, headers=headers)).status == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "auth.missing"),
        ({"Authorization": f"Basic {CLIENT}"}, "auth.missing"),
        ({"Authorization": f"Bearer {WORKER}"}, "auth.wrong"),
        ({"X-Client-Token": CLIENT[:-1]}, "auth.wrong"),
        ({"X-Client-Token": "é"}, "auth.wrong"),
        ({"X-Worker-Token": WORKER}, "auth.missing"),
    ],
)
@pytest.mark.parametrize("path", [JOBS, JOBS + "/any", "/api/v1/blueprints", "/nothing", "/%61pi/v1/jobs", "//healthz"])
async def test_everything_else_stays_outside(kept: Site, path: str, headers: dict[str, str], code: str) -> None:
    answer = await kept.get(path, headers=headers)

    assert (answer.status, answer.code) == (401, code)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_the_workers_door_has_a_token_of_its_own(kept: Site) -> None:
    right = await kept.ask("PATCH", "/_worker/workers/w1", headers={"X-Worker-Token": WORKER})
    missing = await kept.post(EVENTS, json={})
    wrong = await kept.post(EVENTS, json={}, headers={"X-Worker-Token": CLIENT})
    socket = await kept.get("/_worker/ws/w1")

    assert (right.status, missing.status, wrong.status, socket.status) == (404, 401, 403, 401)


@pytest.mark.parametrize("path", PUBLIC)
async def test_what_operators_ask_needs_no_token(kept: Site, path: str) -> None:
    assert (await kept.get(path)).status == 200


async def test_a_door_without_a_token_is_shut_when_the_other_has_one(serve: Serve) -> None:
    site = await serve(FakeEngine(settings=Settings(client_token=CLIENT)))
    answer = await site.post(EVENTS, json={})

    assert (answer.status, answer.json["code"]) == (403, "auth.not_set")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8080"])
async def test_without_tokens_this_machine_is_served(site: Site, host: str) -> None:
    assert (await site.get(JOBS, headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "[", "localhost@evil.example"]
)
async def test_without_tokens_no_other_name_is_served(site: Site, host: str) -> None:
    answer = await site.get(JOBS, headers={"Host": host})

    assert (answer.status, answer.code) == (403, "request.host")


async def test_without_tokens_pages_of_others_may_not_ask(site: Site) -> None:
    own = await site.post(JOBS + "/hello", json={}, headers={"Origin": site.url})
    others = await site.post(JOBS + "/hello", json={}, headers={"Origin": "http://evil.example"})
    nobody = await site.post(JOBS + "/hello", json={}, headers={"Origin": "null"})

    assert (own.status, others.status, others.code, nobody.status) == (202, 403, "csrf.failed", 403)
    assert "Access-Control-Allow-Origin" not in others.headers


async def test_tokens_are_in_no_log(kept: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    kept.engine.clients.broken = RuntimeError("broken")
    await kept.post(JOBS + "/hello", json={}, headers={"Authorization": f"Bearer {CLIENT}"})
    await kept.post(EVENTS, json={}, headers={"X-Worker-Token": WORKER + "x"})

    assert "broken" in caplog.text
    assert CLIENT not in caplog.text
    assert WORKER not in caplog.text


@pytest.mark.parametrize("second", [CLIENT, "other"])
async def test_two_tokens_in_one_header_are_400(kept: Site, second: str) -> None:
    headers = [("Authorization", f"Bearer {CLIENT}"), ("Authorization", f"Bearer {second}")]

    answer = await kept.get(JOBS, headers=headers)

    assert (answer.status, answer.code) == (400, "auth.repeated")


@pytest.mark.parametrize("name", ["X-Client-Token", "X-Avtomatika-Token"])
async def test_two_headers_that_carry_a_token_are_400(kept: Site, name: str) -> None:
    answer = await kept.get(JOBS, headers=[(name, CLIENT), (name, CLIENT)])

    assert (answer.status, answer.code) == (400, "auth.repeated")


async def test_two_tokens_of_a_worker_are_400(kept: Site) -> None:
    answer = await kept.post(EVENTS, json={}, headers=[("X-Worker-Token", WORKER), ("X-Worker-Token", WORKER)])

    assert answer.status == 400
