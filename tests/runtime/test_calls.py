"""A call is made by a replica, under a lease, as often as its policy says and never where it may not go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from avtomat.embedding import Engine
from avtomat.secrets import InlineSecret
from avtomat.settings import Settings
from tests.runtime.outgoing.servers import Serve, Server, body, serving

Json = Any
JSON = "Content-Type: application/json"


def blueprint(folder: Path, call: str, more: str = "", states: str = "") -> Path:
    """A blueprint whose first state is this call."""
    text = f"avtomat: 1\nblueprint: calling\nstates:\n  ask:\n    call: {call}\n    next: done\n{more}"
    (folder / "calling.yaml").write_text(f'{text}  done: {{succeed: "{{{{ outputs.ask }}}}"}}\n{states}')
    return folder


def engine_on(folder: Path, *servers: Server, **settings: Any) -> Engine:
    allowed = tuple(f"127.0.0.1:{server.port}" for server in servers)
    return Engine(folder, settings=Settings(calls_allow=allowed, **settings))


async def run(engine: Engine, given: Json = None) -> Mapping[str, Json]:
    job = await engine.wait(await engine.submit("calling", given), 20)
    assert job["status"] in {"finished", "failed", "cancelled", "quarantined"}
    return job


class Bodies:
    """Answers in turn, the last one for ever; `bodies` are what came."""

    def __init__(self, *answers: Serve) -> None:
        self._answers = list(answers)
        self.bodies: list[bytes] = []
        self.heads: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        await answer(reader, writer)


async def test_the_answer_is_the_output_of_the_state(tmp_path: Path) -> None:
    async with serving(body(b'{"id": 7, "x": null}', "201 Created", JSON, "X-A: 1", "X-A: 2")) as server:
        blueprint(tmp_path, f"{{url: 'http://127.0.0.1:{server.port}/orders'}}")
        async with engine_on(tmp_path, server) as engine:
            job = await run(engine)

    assert job["result"]["status"] == 201
    assert job["result"]["body"] == {"id": 7, "x": None}
    assert job["result"]["headers"]["x-a"] == "1, 2"


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (b"plain", "text/plain", "plain"),
        (b"[1,2]", "text/plain", "[1,2]"),
        (b"[1,2]", "application/problem+json; charset=utf-8", [1, 2]),
        ("ä".encode("latin-1"), "text/plain; charset=iso-8859-1", "ä"),
        (b"\xff", "text/plain", "\ufffd"),
        (b"", "application/json", None),
    ],
)
async def test_a_body_is_json_where_its_type_says_so_and_a_text_else(
    tmp_path: Path, content: bytes, kind: str, expected: Json
) -> None:
    async with serving(body(content, "200 OK", f"Content-Type: {kind}")) as server:
        blueprint(tmp_path, f"{{url: 'http://127.0.0.1:{server.port}/'}}")
        async with engine_on(tmp_path, server) as engine:
            job = await run(engine)

    assert job["result"]["body"] == expected


async def test_what_is_sent_has_its_secrets_and_what_is_kept_has_not(tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readexactly(len(orjson.dumps({"a": 1, "key": "open sesame!"}))))
        await body(b"")(reader, writer)

    async with serving(answer) as server:
        call = (
            f"{{method: POST, url: 'http://127.0.0.1:{server.port}/x', query: {{q: 1}}, headers: {{X-Key: "
            "'k-{{ secrets.key }}'}, auth: {username: ann, password: '{{ secrets.key }}'}, "
            "json: {a: 1, key: '{{ secrets.key }}'}}"
        )
        blueprint(tmp_path, call)
        async with engine_on(tmp_path, server, secrets={"key": InlineSecret(text="open sesame!")}) as engine:
            job_id = await engine.submit("calling")
            job = await engine.wait(job_id, 20)
            history = await engine.history(job_id)

    head = server.heads[0].decode()
    assert head.startswith("POST /x?q=1 HTTP/1.1\r\n")
    assert "X-Key: k-open sesame!" in head
    assert "Authorization: Basic YW5uOm9wZW4gc2VzYW1lIQ==" in head
    assert seen == [b'{"a":1,"key":"open sesame!"}']
    assert "open sesame" not in str((job, history))


async def test_the_idempotency_key_is_the_same_for_all_attempts_of_a_visit(tmp_path: Path) -> None:
    answers = Bodies(body(b"", "503 Busy"), body(b"", "500 Broken"), body(b"ok"))
    async with serving(answers) as server:
        blueprint(tmp_path, f"{{method: PUT, url: 'http://127.0.0.1:{server.port}/'}}", _QUICK)
        async with engine_on(tmp_path, server) as engine:
            job = await run(engine)

    keys = {line for head in server.heads for line in head.split(b"\r\n") if line.startswith(b"Idempotency-Key")}
    assert job["status"] == "finished"
    assert len(server.heads) == 3
    assert keys == {f"Idempotency-Key: {job['id']}/:1".encode()}


_QUICK = "    retry: {attempts: 3, delay: 10ms}\n"


@pytest.mark.parametrize(
    ("method", "status", "requests"),
    [
        ("GET", 500, 3), ("GET", 503, 3), ("GET", 408, 3), ("GET", 404, 1), ("PUT", 502, 3), ("DELETE", 429, 3),
        ("POST", 500, 1), ("POST", 502, 1), ("POST", 408, 1), ("POST", 503, 3), ("POST", 429, 3), ("PATCH", 425, 3),
    ],
)  # fmt: skip
async def test_what_is_repeated_follows_from_method_and_status(
    tmp_path: Path, method: str, status: int, requests: int
) -> None:
    async with serving(body(b"no", f"{status} No")) as server:
        blueprint(tmp_path, f"{{method: {method}, url: 'http://127.0.0.1:{server.port}/a?token=t'}}", _QUICK)
        async with engine_on(tmp_path, server) as engine:
            job = await run(engine)

    assert job["status"] == "failed"
    assert job["error"]["code"] == "CALL_FAILED"
    assert job["error"]["message"] == f"{method} http://127.0.0.1:{server.port}/a answered {status}"
    assert job["error"]["details"]["status"] == status
    assert job["error"]["details"]["body"] == "no"
    assert len(server.heads) == requests


async def test_a_policy_that_names_the_code_repeats_a_post_too(tmp_path: Path) -> None:
    async with serving(Bodies(body(b"", "500 No"), body(b"ok"))) as server:
        retry = "    retry: {attempts: 3, delay: 10ms, errors: [CALL_FAILED]}\n"
        blueprint(tmp_path, f"{{method: POST, url: 'http://127.0.0.1:{server.port}/'}}", retry)
        async with engine_on(tmp_path, server) as engine:
            job = await run(engine)

    assert job["result"]["body"] == "ok"


async def test_a_server_that_says_when_to_come_back_is_left_alone_so_long(tmp_path: Path) -> None:
    async with serving(Bodies(body(b"", "429 Later", "Retry-After: 3600"), body(b"ok"))) as server:
        blueprint(tmp_path, f"{{url: 'http://127.0.0.1:{server.port}/'}}", _QUICK)
        async with engine_on(tmp_path, server) as engine:
            job_id = await engine.submit("calling")
            why = await until(engine, job_id, lambda cause: cause["cause"] == "retry_delayed")
            engine.advance("59m")
            still = await engine.why(job_id)
            requests = len(server.heads)
            engine.advance("1m")
            job = await engine.wait(job_id, 20)

    assert "answered 429" in why["text"]
    assert why["details"]["error"]["code"] == "CALL_FAILED"
    assert still["causes"][0]["cause"] == "retry_delayed"
    assert requests == 1
    assert job["status"] == "finished"


async def test_accepted_statuses_are_answers(tmp_path: Path) -> None:
    async with serving(body(b"", "404 Not Found")) as server:
        blueprint(tmp_path, f"{{url: 'http://127.0.0.1:{server.port}/', accept: [404]}}")
        async with engine_on(tmp_path, server) as engine:
            job = await run(engine)

    assert job["result"]["status"] == 404


async def test_a_broken_network_is_a_failure_without_a_status(tmp_path: Path) -> None:
    async with serving(body(b"")) as server:
        pass
    blueprint(tmp_path, f"{{method: POST, url: 'http://127.0.0.1:{server.port}/'}}", _QUICK)
    async with engine_on(tmp_path, server) as engine:
        job = await run(engine)

    assert job["error"]["code"] == "CALL_FAILED"
    assert job["error"]["details"] == {"reason": "connect", "sent": False}
    assert job["error"]["attempt"] == 3


@pytest.mark.parametrize("errors", ["", ", errors: [ANY]", ", errors: [CALL_FAILED]"])
async def test_a_refused_address_is_refused_once_and_for_all(tmp_path: Path, errors: str) -> None:
    retry = f"    retry: {{attempts: 3, delay: 10ms{errors}}}\n"
    async with serving(body(b"secret")) as server:
        blueprint(tmp_path, f"{{url: 'http://127.0.0.1:{server.port}/'}}", retry)
        async with engine_on(tmp_path) as engine:
            job = await run(engine)

    assert job["error"]["code"] == "CALL_FAILED"
    assert job["error"]["details"] == {"reason": "url.refused", "sent": False}
    assert job["error"]["attempt"] == 1
    assert server.connections == 0


async def test_a_body_over_the_limit_fails_the_call_with_what_was_read(tmp_path: Path) -> None:
    async with serving(body(b"x" * 300_000)) as server:
        blueprint(tmp_path, f"{{url: 'http://127.0.0.1:{server.port}/'}}", _QUICK)
        async with engine_on(tmp_path, server, calls_body_bytes_max=100_000) as engine:
            job = await run(engine)

    details = job["error"]["details"]
    assert (details["status"], details["reason"], details["body_cut"]) == (200, "body.too_large", True)
    assert details["body"] == "x" * 16_384
    assert len(server.heads) == 1


async def test_the_body_of_a_large_failure_is_cut_and_can_be_caught(tmp_path: Path) -> None:
    async with serving(body(b"x" * 900_000, "500 No")) as server:
        caught = "    retry: none\n    catch: [{errors: [CALL_FAILED], output: '{{ error.details.status }}'}]\n"
        blueprint(tmp_path, f"{{url: 'http://127.0.0.1:{server.port}/'}}", caught)
        async with engine_on(tmp_path, server) as engine:
            job = await run(engine)

    assert job["result"] == 500


@pytest.mark.parametrize(
    "part",
    ["headers: {X: '{{ input.list }}'}", "headers: {X: '{{ input.lines }}'}", "query: {x: '{{ input.map }}'}"],
)
async def test_values_that_make_no_request_fail_the_call_once(tmp_path: Path, part: str) -> None:
    async with serving(body(b"")) as server:
        blueprint(tmp_path, f"{{url: 'http://127.0.0.1:{server.port}/', {part}}}", _QUICK)
        async with engine_on(tmp_path, server) as engine:
            job = await run(engine, {"list": [1], "lines": "a\r\nb: c", "map": {"a": 1}})

    assert job["error"]["details"] == {"reason": "request.invalid", "sent": False}
    assert job["error"]["attempt"] == 1
    assert server.connections == 0


async def test_an_attempt_has_its_time(tmp_path: Path) -> None:
    async with serving(silent) as server:
        more = "    timeout: 300ms\n    retry: none\n"
        blueprint(tmp_path, f"{{url: 'http://127.0.0.1:{server.port}/'}}", more)
        async with engine_on(tmp_path, server) as engine:
            job = await run(engine)

    assert job["error"]["code"] == "TIMEOUT_ERROR"


async def test_a_call_that_says_nothing_of_its_time_has_that_of_the_settings(tmp_path: Path) -> None:
    from datetime import timedelta

    async with serving(silent) as server:
        blueprint(tmp_path, f"{{method: POST, url: 'http://127.0.0.1:{server.port}/'}}")
        async with engine_on(tmp_path, server, calls_timeout=timedelta(milliseconds=200)) as engine:
            job = await run(engine)

    assert job["error"]["code"] == "TIMEOUT_ERROR"
    assert job["error"]["attempt"] == 1  # it may have had its effect
    assert job["error"]["details"] == {"reason": "timeout", "sent": True}


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def until(engine: Engine, job_id: str, holds: Callable[[Mapping[str, Json]], bool]) -> Mapping[str, Json]:
    """The first cause of the job's standing, once it is so."""
    async with asyncio.timeout(20):
        while True:
            causes = (await engine.why(job_id))["causes"]
            if causes and holds(causes[0]):
                return causes[0]
            await asyncio.sleep(0.01)


async def test_a_cancelled_job_breaks_its_request_off(tmp_path: Path) -> None:
    broken = asyncio.Event()

    async def held(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()
        broken.set()

    async with serving(held) as server:
        blueprint(tmp_path, f"{{url: 'http://127.0.0.1:{server.port}/'}}")
        async with engine_on(tmp_path, server) as engine:
            job_id = await engine.submit("calling")
            why = await until(engine, job_id, lambda cause: cause["cause"] == "running" and bool(server.heads))
            await engine.cancel(job_id)
            await asyncio.wait_for(broken.wait(), 10)
            job = await engine.wait(job_id, 10)

    assert job["status"] == "cancelled"
    assert why["details"]["worker"].startswith("avtomat.")
    assert "replica" in why["text"]


async def test_an_undo_by_call_runs_when_the_job_fails(tmp_path: Path) -> None:
    async with serving(body(b'{"id": 5}', "201 Created", JSON)) as server:
        url = f"http://127.0.0.1:{server.port}"
        undo = f"    compensate: {{call: {{method: DELETE, url: '{url}/orders/{{{{ output.body.id }}}}'}}}}\n"
        blueprint(tmp_path, f"{{method: POST, url: '{url}/orders'}}", undo)
        text = (tmp_path / "calling.yaml").read_text().replace('{succeed: "{{ outputs.ask }}"}', "{fail: {code: NO}}")
        (tmp_path / "calling.yaml").write_text(text)
        async with engine_on(tmp_path, server) as engine:
            job = await run(engine)

    assert job["error"]["code"] == "NO"
    assert [head.split(b" HTTP")[0] for head in server.heads] == [b"POST /orders", b"DELETE /orders/5"]


async def test_no_worker_gets_calls_nor_the_name_of_a_replica(tmp_path: Path) -> None:
    from avtomat.api.workers.messages import read_heartbeat, read_registration
    from avtomat.errors import RequestRefused

    with pytest.raises(RequestRefused):
        read_registration({"worker_id": "w", "supported_skills": ["avtomat.call"]})
    with pytest.raises(RequestRefused):
        read_registration({"worker_id": "avtomat.w", "supported_skills": ["a"]})
    with pytest.raises(RequestRefused):
        read_heartbeat({"supported_skills": ["avtomat.call"]}, "w")
