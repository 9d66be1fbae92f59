"""What docs/http-api.md shows is what an engine answers: its examples are run, and each refusal is provoked."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from avtomat.runtime.service import Service
from avtomat.settings import Settings
from tests.api.conftest import Site, site_of

PAGE = (Path(__file__).parents[2] / "docs/http-api.md").read_text("utf-8")
EXAMPLES = re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)
HELLO = """\
avtomat: 1
blueprint: hello
input: {type: object, required: [name], properties: {name: {type: string}}}
states:
  greet: {task: greet, params: {name: "{{ input.name }}"}, next: end}
"""
RENDER = """\
avtomat: 1
blueprint: render
states:
  render: {task: render, worker: {resources: {gpus: 4}}, next: end}
"""
JOBS = "/api/v1/blueprints/hello/jobs"
JSON = {"Content-Type": "application/json"}
VARIES = re.compile(r"job_id|id|version|request_id|\w+_at")
Json = Any


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "hello.yaml").write_text(HELLO)
    (tmp_path / "render.yaml").write_text(RENDER)
    engine = Service(Settings(store="memory:", blueprints=tmp_path))
    await engine.start(watch=False)
    async with site_of(engine) as site:
        yield site
    await engine.stop()


def example(name: str) -> Json:
    """The one example that has this member at its top."""
    [found] = [value for value in map(as_json, EXAMPLES) if value is not None and name in value]
    return found


def as_json(text: str) -> Json:
    return json.loads(text) if text.startswith("{") else None


def alike(shown: Json, real: Json) -> bool:
    """Whether both are the same, but for ids, digests and times."""
    if isinstance(shown, dict) and isinstance(real, dict):
        return list(shown) == list(real) and all(
            isinstance(real[name], str) if VARIES.fullmatch(name) else alike(shown[name], real[name]) for name in shown
        )
    return bool(shown == real)


async def test_a_submission_and_its_job_are_as_shown(site: Site) -> None:
    [request] = [text for text in EXAMPLES if text.startswith("POST /api/v1/blueprints/")]
    line, header, _, body = request.strip().split("\n", 3)
    name, _, value = header.partition(": ")
    address = line.split()[1].format(name="hello")
    polling = asyncio.create_task(site.get("/_worker/workers/w1/tasks/next?available_skills=greet&timeout=10"))
    accepted = await site.post(address, data=body.encode(), headers={name: value})
    task = (await polling).json
    result = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": "w1", "data": {"text": "Hello Ada"}}
    await site.post("/_worker/tasks/result", json=result)
    job = await site.get(accepted.headers["Location"])

    assert accepted.status == 202
    shown, shown_job = (
        next(value for value in map(as_json, EXAMPLES) if value is not None and next(iter(value)) == first)
        for first in ("job_id", "id")
    )
    assert alike(shown, accepted.json), accepted.json
    assert alike(shown_job, job.json), job.json


async def test_a_wrong_input_is_refused_as_shown(site: Site) -> None:
    answer = await site.post(JOBS, json={"input": {"name": 7}})

    assert alike(example("detail"), answer.json), answer.json


async def test_a_job_that_waits_is_explained_as_shown(site: Site) -> None:
    for worker, gpus in (("w2", 2), ("w3", 1)):
        body = {"worker_id": worker, "supported_skills": ["render"], "resources": {"properties": {"gpus": gpus}}}
        await site.post("/_worker/workers/register", json=body)
    job = (await site.post("/api/v1/blueprints/render/jobs", json={})).json["job_id"]
    answer = await site.get(f"/api/v1/jobs/{job}/why")

    assert alike(example("causes"), answer.json), answer.json


REFUSED: list[tuple[int, str, str, str, dict[str, Json]]] = [
    (400, "request.json", "POST", JOBS, {"data": b'{"input": NaN}', "headers": JSON}),
    (400, "request.duplicate_key", "POST", JOBS, {"data": b'{"input": {}, "input": {}}', "headers": JSON}),
    (400, "request.depth", "POST", JOBS, {"data": b"[" * 65 + b"]" * 65, "headers": JSON}),
    (400, "request.depth", "POST", JOBS, {"data": b"[" * 100_000, "headers": JSON}),
    (400, "request.integer", "POST", JOBS, {"data": b"9223372036854775808", "headers": JSON}),
    (400, "request.integer", "POST", JOBS, {"data": b"9" * 100_000, "headers": JSON}),
    (404, "job.not_found", "GET", "/api/v1/jobs/none", {}),
    (404, "blueprint.not_found", "POST", "/api/v1/blueprints/none/jobs", {"json": {}}),
    (404, "request.no_route", "GET", "/api/v2", {}),
    (405, "request.method", "DELETE", JOBS, {}),
    (413, "request.too_large", "POST", JOBS, {"data": b" " * 1_000_001, "headers": JSON}),
    (415, "request.media_type", "POST", JOBS, {"data": b"{}"}),
    (415, "request.encoding", "POST", JOBS, {"data": b"{}", "headers": {**JSON, "Content-Encoding": "gzip"}}),
    (422, "input.invalid", "POST", JOBS, {"json": {"input": {}}}),
    (422, "request.invalid", "POST", JOBS, {"json": {"inputs": {}}}),
    (422, "request.parameter", "GET", "/api/v1/jobs?limit=x", {}),
    (422, "request.header", "POST", JOBS, {"json": {"input": {"name": "A"}}, "headers": {"Idempotency-Key": " "}}),
]


@pytest.mark.parametrize(("status", "code", "method", "path", "more"), REFUSED)
async def test_each_refusal_of_the_table_comes_as_it_says(
    site: Site, status: int, code: str, method: str, path: str, more: dict[str, Json]
) -> None:
    answer = await site.ask(method, path, **more)

    assert (answer.status, answer.code) == (status, code)
    assert re.search(rf"^\| {status} \|[^|]*`{re.escape(code)}`", PAGE, re.MULTILINE)
