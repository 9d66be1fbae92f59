"""Answers as they go over the wire, asked by hand: what a client library would hide."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import tracemalloc

import pytest

from avtomat.api.http.answer import Answer, Headers
from avtomat.api.http.answers import json_answer
from tests.api.conftest import Site

HELLO = "/api/v1/jobs/hello"


async def on_the_wire(site: Site, *sent: str) -> bytes:
    """All that the engine says until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write("".join(sent).encode())
    async with asyncio.timeout(5):
        said = await reader.read()
    writer.close()
    await writer.wait_closed()
    return said


def asked(method: str, path: str, *headers: str, version: str = "1.1", body: str = "") -> str:
    length = [f"Content-Length: {len(body)}", "Content-Type: application/json"] if body else []
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *headers, *length]
    return "\r\n".join([*lines, "", body])


async def test_a_connection_is_kept_until_the_client_asks_that_it_end(site: Site) -> None:
    said = await on_the_wire(site, asked("GET", "/healthz"), asked("GET", "/healthz", "Connection: close"))

    first, _, second = said.partition(b'{"status":"ok"}')
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection:" not in first
    assert b"\r\nConnection: close\r\n" in second
    assert second.endswith(b'\r\n\r\n{"status":"ok"}')


async def test_a_client_of_http_1_0_is_answered_and_left(site: Site) -> None:
    said = await on_the_wire(site, asked("GET", "/healthz", version="1.0"))

    assert said.startswith(b"HTTP/1.0 200 OK\r\n")
    assert said.endswith(b'{"status":"ok"}')


async def test_a_head_has_the_length_of_the_body_and_no_body(site: Site) -> None:
    said = await on_the_wire(site, asked("HEAD", "/healthz", "Connection: close"))

    assert b"Content-Length: 15\r\n" in said
    assert said.endswith(b"\r\n\r\n")


async def test_an_answer_without_a_body_says_nothing_of_one(site: Site) -> None:
    said = await on_the_wire(site, asked("GET", "/_worker/workers/w1/tasks/next?timeout=0", "Connection: close"))

    assert said.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert b"Content-" not in said


async def test_a_client_that_asks_first_is_told_to_send_its_body(site: Site) -> None:
    head, body = asked("POST", HELLO, "Expect: 100-continue", "Connection: close", body="{}")[:-2], "{}"
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(head.encode())
    async with asyncio.timeout(5):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body.encode())
        assert b"HTTP/1.1 202 " in await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_a_large_answer_arrives_whole_and_compressed_where_that_is_asked(site: Site) -> None:
    text = "x" * 300_000
    job = await site.post(HELLO, json={"input": {"text": text}})
    path = f"/api/v1/jobs/{job.json['job_id']}"

    plain = await on_the_wire(site, asked("GET", path, "Connection: close"))
    packed = await on_the_wire(site, asked("GET", path, "Connection: close", "Accept-Encoding: gzip"))

    assert text.encode() in plain
    assert b"Vary: Accept-Encoding\r\n" in packed
    assert text.encode() in gzip.decompress(packed.partition(b"\r\n\r\n")[2])


async def test_pipelined_requests_are_answered_in_their_order(site: Site) -> None:
    said = await on_the_wire(
        site, asked("GET", "/healthz"), asked("GET", "/nowhere"), asked("GET", "/version", "Connection: close")
    )

    places = [said.index(word) for word in (b'"ok"', b"request.no_route", b'"protocol"')]
    assert places == sorted(places)


async def test_a_client_that_asks_and_does_not_read_is_not_answered_without_end(site: Site) -> None:
    job = await site.post(HELLO, json={"input": {"text": "x" * 30_000}})
    path, asked_for = f"/api/v1/jobs/{job.json['job_id']}", 2_000
    client = socket.create_connection(("127.0.0.1", site.port))
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, asked("GET", path).encode() * asked_for)
    looks = [0]
    while len(looks) < 100 or looks[-1] > looks[-50]:
        looks.append(await answered(site))

    assert 0 < looks[-1] < asked_for / 2
    client.close()


async def answered(site: Site) -> int:
    """How often the engine has shown a job."""
    counts = re.findall(
        rb'avtomat_http_requests_total\{method="GET",route="/api/v1/jobs/\{job\}",status="200"\} (\d+)',
        (await site.get("/metrics")).raw,
    )
    return int(counts[0]) if counts else 0


def test_a_header_that_would_end_the_head_is_refused() -> None:
    answer = Answer(b"", "text/plain", Headers({}))
    with pytest.raises(ValueError, match="one line"):
        answer.set("Location", "/x\r\nSet-Cookie: a=b")


def test_an_answer_of_many_maps_takes_no_more_than_its_text() -> None:
    value = {"input": [{}] * 100_000}
    tracemalloc.start()
    try:
        answer = json_answer(value)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert held < 1.5 * len(answer.body)
