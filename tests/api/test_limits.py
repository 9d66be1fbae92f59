from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from avtomat.api.app import App
from avtomat.api.http import answer as answer_module
from avtomat.api.http import bodies
from avtomat.api.http.server import listen
from avtomat.api.malformed import HEAD_LINE_BYTES_MAX, HEADERS_MAX
from avtomat.runtime.json_door import DEPTH_MAX
from avtomat.settings import Settings
from tests.api.conftest import Serve, Site
from tests.api.fakes import FakeEngine

HELLO = "/api/v1/jobs/hello"
RESULT = "/_worker/tasks/result"
JSON = {"Content-Type": "application/json"}
BODY_MAX, RESULT_MAX = 100_000, 800_000


@pytest.fixture
async def narrow(serve: Serve) -> Site:
    return await serve(FakeEngine(settings=replace(Settings(), body_bytes_max=BODY_MAX, result_bytes_max=RESULT_MAX)))


async def pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 10_000):
        yield b" " * 10_000


def submission(size: int) -> bytes:
    return orjson.dumps({"input": "x" * (size - len(b'{"input":""}'))})


async def test_a_body_may_be_as_large_as_the_limit(narrow: Site) -> None:
    assert (await narrow.post(HELLO, data=submission(BODY_MAX), headers=JSON)).status == 202


async def test_a_larger_body_is_413_with_a_length_or_without(narrow: Site) -> None:
    told = await narrow.post(HELLO, data=submission(BODY_MAX + 1), headers=JSON)
    chunked = await narrow.post(HELLO, data=pieces(BODY_MAX + 10_000), headers=JSON)

    assert (told.status, told.code) == (413, "request.too_large")
    assert (chunked.status, chunked.code) == (413, "request.too_large")
    assert not narrow.engine.clients.submitted


@pytest.mark.parametrize("order", [("job_id", "task_id", "data"), ("data", "job_id", "task_id")])
async def test_a_result_that_is_too_large_fails_its_attempt(narrow: Site, order: tuple[str, ...]) -> None:
    body = {"job_id": "00a", "task_id": "00a-x", "data": ["x" * RESULT_MAX, {"task_id": "00a-other"}]}
    answer = await narrow.post(RESULT, json={name: body[name] for name in order}, headers={"X-Worker-ID": "w1"})

    assert answer.status == 413
    [told] = narrow.engine.dispatcher.results
    assert (told["job_id"], told["task_id"], told["worker_id"]) == ("00a", "00a-x", "w1")
    assert told["error"]["code"] == "LIMIT_EXCEEDED_ERROR"


@pytest.mark.parametrize("order", [("job_id", "task_id", "data"), ("data", "job_id", "task_id")])
@pytest.mark.parametrize("result_max", [50_000, RESULT_MAX])
async def test_a_result_that_is_too_large_fails_its_attempt_however_it_comes(
    serve: Serve, order: tuple[str, ...], result_max: int
) -> None:
    site = await serve(FakeEngine(settings=replace(Settings(), result_bytes_max=result_max)))
    body = {"job_id": "00a", "task_id": "00a-x", "data": "x" * result_max}
    raw = orjson.dumps({name: body[name] for name in order})

    async def chunks() -> AsyncIterator[bytes]:
        for first in range(0, len(raw), 10_000):
            yield raw[first : first + 10_000]

    for data in (raw, chunks()):
        answer = await site.post(RESULT, data=data, headers={**JSON, "X-Worker-ID": "w1"})
        assert answer.status == 413
    assert [told["task_id"] for told in site.engine.dispatcher.results] == ["00a-x", "00a-x"]


async def test_a_list_of_results_that_is_too_large_fails_none_of_its_attempts(narrow: Site) -> None:
    body = {"job_id": "00a", "task_id": "00a-x", "data": "x" * (RESULT_MAX // 2)}
    answer = await narrow.post(RESULT, json=[body, {**body, "task_id": "00a-y"}], headers={"X-Worker-ID": "w1"})

    assert answer.status == 413
    assert not narrow.engine.dispatcher.results


async def test_a_result_that_is_too_large_and_names_no_attempt_is_refused(narrow: Site) -> None:
    answer = await narrow.post(RESULT, json={"data": "x" * RESULT_MAX}, headers={"X-Worker-ID": "w1"})

    assert answer.status == 413
    assert not narrow.engine.dispatcher.results


async def test_a_result_may_be_larger(narrow: Site) -> None:
    body = {"job_id": "00a", "task_id": "00a-x", "worker_id": "w1", "data": "x" * BODY_MAX * 2}
    fits = await narrow.post(RESULT, json={**body, "data": "x" * bodies.LARGE_BYTES * 2})
    twice = await narrow.post(RESULT, data=orjson.dumps([body, body])[:-1] + b',{"a":1,"a":2}]', headers=JSON)
    too_large = await narrow.post(RESULT, json={**body, "data": "x" * RESULT_MAX})

    assert (fits.status, too_large.status) == (200, 413)
    assert (twice.status, twice.json["code"]) == (400, "request.duplicate_key")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_what_a_form_can_send_is_415(site: Site, kind: str) -> None:
    answer = await site.post(HELLO, data=b'{"input": {}}', headers={"Content-Type": kind})

    assert (answer.status, answer.code) == (415, "request.media_type")


async def test_a_charset_beside_json_is_no_harm(site: Site) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}

    assert (await site.post(HELLO, data=b'{"input": {}}', headers=headers)).status == 202


async def test_compressed_bodies_are_415(site: Site) -> None:
    packed = gzip.compress(b'{"input": {}}')
    answer = await site.post(HELLO, data=packed, headers={**JSON, "Content-Encoding": "gzip"})

    assert (answer.status, answer.code) == (415, "request.encoding")


@pytest.mark.parametrize(("raw", "code"), [(b"", "request.json"), (b'{"a":1,"a":2}', "request.duplicate_key")])
async def test_a_body_that_is_no_strict_json_is_400(site: Site, raw: bytes, code: str) -> None:
    answer = await site.post(HELLO, data=raw, headers=JSON)

    assert (answer.status, answer.code) == (400, code)


async def test_a_body_that_does_not_come_is_408(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_DEADLINE_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = f"POST {HELLO} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"
    writer.write(head.encode() + b'{"in')

    assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_comes_in_two_parts_is_whole(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = f"POST {HELLO} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n"
    writer.write(head.encode() + b'{"inp')
    await site.get("/healthz")
    writer.write(b'ut": 1}\n')

    assert b" 202 " in await reader.readline()
    assert site.engine.clients.submitted[0].input == 1
    writer.close()
    await writer.wait_closed()


async def test_a_method_that_is_not_there_is_405_and_says_what_is(site: Site) -> None:
    answer = await site.ask("DELETE", "/api/v1/jobs/job0")

    assert (answer.status, answer.code) == (405, "request.method")
    assert answer.headers["Allow"] == "GET, HEAD, POST"


async def test_an_address_that_is_not_there_is_404(site: Site) -> None:
    answer = await site.get("/api/v2/jobs")

    assert (answer.status, answer.code) == (404, "request.no_route")


async def test_closing_takes_no_longer_than_the_drain_time_although_a_client_waits() -> None:
    engine = FakeEngine()
    listener = await listen(App(engine), host="127.0.0.1", port=0, drain_s=0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET /_worker/workers/w1/tasks/next HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await engine.dispatcher.polling.wait()
    async with asyncio.timeout(0.9):
        await listener.close()

    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("charset", ["rot13", "utf-16", "latin-1", '"utf-7"', ""])
async def test_another_charset_beside_json_is_415(site: Site, charset: str) -> None:
    headers = {"Content-Type": f"application/json; charset={charset}"}

    answer = await site.post(HELLO, data=b'{"input": {}}', headers=headers)

    assert (answer.status, answer.code) == (415, "request.media_type")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/jobs?status=finished&status=failed",
        "/api/v1/jobs/00a?wait=1&wait=2",
        "/_worker/workers/w1/tasks/next?timeout=0&timeout=1",
    ],
)
async def test_a_parameter_that_stands_twice_is_refused(site: Site, path: str) -> None:
    answer = await site.get(path)

    assert answer.status == (400 if path.startswith("/_worker") else 422)  # workers know no 422
    assert answer.json["code"] == "request.parameter"


async def test_a_client_that_does_not_read_its_answers_is_let_go(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_module, "READ_DEADLINE_S", 0.01)
    monkeypatch.setattr(answer_module, "WHOLE_BYTES_MAX", 0)
    let_go = asyncio.Event()
    whole = answer_module._read_in_time

    async def read_in_time(transport: Any, written: Any) -> None:
        try:
            await whole(transport, written)
        except ConnectionError:
            let_go.set()
            raise

    monkeypatch.setattr(answer_module, "_read_in_time", read_in_time)
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    ask = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    writer.write(ask * 500)
    async with asyncio.timeout(20):
        await let_go.wait()
    assert (await site.get("/healthz")).status == 200
    writer.close()


def test_the_page_says_the_limits_of_the_engine() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "http-api.md").read_text("utf-8").split())
    settings = Settings()

    for text in (
        f"at most {HEADERS_MAX} headers, with lines of at most {HEAD_LINE_BYTES_MAX:,} bytes",
        f"does not read its answers for {answer_module.READ_DEADLINE_S:g} s",
        f"the body did not come within {bodies.BODY_DEADLINE_S:g} s",
        f"at most {DEPTH_MAX} levels",
        f"a body over {settings.body_bytes_max // 10**6} MB",
        f"results of workers over {settings.result_bytes_max // 10**6} MB",
        f"at most {settings.wait_max.total_seconds():g}, by the setting `wait_max`",
    ):
        assert text in page
