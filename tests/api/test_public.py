from __future__ import annotations

import re

import pytest

from avtomat.api.app import App
from avtomat.api.openapi.document import OPERATIONS, openapi_document
from avtomat.api.openapi.operation import Operation
from avtomat.api.openapi.schemas import SCHEMAS
from tests.api.conftest import Serve, Site
from tests.api.fakes import FakeEngine


async def test_an_engine_that_lives_is_healthy_and_ready(site: Site) -> None:
    assert (await site.get("/healthz")).json == {"status": "ok"}
    assert (await site.get("/readyz")).json == {"ready": True}


async def test_a_draining_engine_is_healthy_and_not_ready(serve: Serve) -> None:
    site = await serve(FakeEngine(reasons={"draining": True}))
    ready = await site.get("/readyz")

    assert (await site.get("/healthz")).status == 200
    assert (ready.status, ready.json) == (503, {"ready": False, "draining": True})


async def test_metrics_count_answers_by_route_and_never_by_job(site: Site) -> None:
    await site.get("/api/v1/jobs/secretjob")
    await site.get("/api/v1/jobs/secretjob")
    text = (await site.get("/metrics")).raw.decode()

    assert 'avtomat_http_requests_total{method="GET",route="/api/v1/jobs/{job}",status="404"} 2.0' in text
    assert "secretjob" not in text


async def test_the_version_is_told(site: Site) -> None:
    answer = await site.get("/version")

    assert answer.json["version"]
    assert answer.json["protocol"] == "1.0b17"


async def test_the_page_loads_nothing_of_others_and_runs_nothing(site: Site) -> None:
    page = await site.get("/docs")
    text = page.raw.decode()

    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert "<script" not in text
    assert "style=" not in text
    assert not re.search(r'(src|href)="(https?:)?//', text)
    assert "POST /api/v1/blueprints/{blueprint}/jobs" in text


def test_the_description_names_exactly_the_routes_that_there_are() -> None:
    described = {
        (method.upper(), path) for path, operations in openapi_document()["paths"].items() for method in operations
    }
    served = {(method, path) for method, path in App(FakeEngine()).router.routes if method != "HEAD"}

    interface = {(method, path) for method, path in served if not path.startswith("/ui")}  # pages are for people
    older = {("POST", "/api/v1/jobs/{blueprint}"), ("GET", "/_worker/ws")}  # of submissions, and of sockets
    assert interface - described == older
    assert described <= served


async def test_the_description_is_served_and_every_reference_in_it_leads_somewhere(site: Site) -> None:
    answer = await site.get("/openapi.json")
    names = set(re.findall(r'"#/components/schemas/(\w+)"', answer.raw.decode()))

    assert answer.json["openapi"] == "3.1.0"
    assert names <= SCHEMAS.keys()


@pytest.mark.parametrize(
    "body", [b"", b"\0", b"[", b"{}", b"[]", b"null", b'{"no": 1}', b"[[]]", b"[9223372036854775808]"]
)
@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.route.body], ids=lambda each: each.route.id)
async def test_every_answer_to_any_body_is_described(site: Site, operation: Operation, body: bytes) -> None:
    path = re.sub(r"{\w+}", "hello", operation.route.path)
    plain = await site.ask(operation.route.method, path, data=body)
    answer = await site.ask(operation.route.method, path, data=body, headers={"Content-Type": "application/json"})

    described = {*operation.route.answers, *operation.all_refusals()}
    assert {plain.status, answer.status} <= described
