"""What is no HTTP request is refused in the words of the door that was meant, and the connection ends."""

from __future__ import annotations

import asyncio
import re

import orjson
import pytest

from tests.api.conftest import Site

HOST = b"Host: localhost\r\n"
OF_CLIENT = b"POST /api/v1/jobs/hello HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
OF_WORKER = b"POST /_worker/tasks/result HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /healthz HTTP/1.1\r\n"

MALFORMED = [
    (b"\x00\x01hello\r\n\r\n", "the method is not one of HTTP"),
    (b"FROB /healthz HTTP/1.1\r\n\r\n", "the method is not one of HTTP"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "the client speaks TLS; this port takes plain HTTP"),
    (b"GET\r\n\r\n", "the request line is malformed; METHOD ADDRESS HTTP/1.1 was expected"),
    (b"GET /healthz HTTP/9.9\r\n\r\n", "the request line is malformed; METHOD ADDRESS HTTP/1.1 was expected"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "the request is not valid HTTP/1.1"),
    (b"GET h\x01 HTTP/1.1\r\n\r\n", "the address in the request line is malformed"),
    (b"GET http://[ HTTP/1.1\r\n\r\n", "the address in the request line is malformed"),
    (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", "a line of the head is longer than 8190 bytes"),
    (GET + b"X: " + b"a" * 9_000 + b"\r\n\r\n", "a line of the head is longer than 8190 bytes"),
    (GET + HOST + b"X: 1\r\n" * 200 + b"\r\n", "the head has more than 100 headers"),
    (GET + b"Host localhost\r\n\r\n", "a header is malformed; NAME: VALUE was expected"),
    (GET + b"X: a\x00b\r\n\r\n", "a header is malformed; NAME: VALUE was expected"),
    (GET + b"\r\n", "the header Host is missing"),
    (OF_CLIENT + b"Content-Length: x\r\n\r\n{}", "the header Content-Length is not one number of bytes"),
    (OF_CLIENT + b"Content-Length: -5\r\n\r\n{}", "the header Content-Length is not one number of bytes"),
    (OF_CLIENT + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", "the header Content-Length is not one number of bytes"),
    (
        OF_CLIENT + b"Content-Length: 2\r\n" + CHUNKED + b"2\r\n{}\r\n0\r\n\r\n",
        "the header Transfer-Encoding is malformed, or stands beside a Content-Length",
    ),
    (OF_CLIENT + CHUNKED + b"zz\r\n{}\r\n", "a chunk of the body is malformed"),
    (OF_CLIENT + CHUNKED + b"2\r\n{}xx\r\n", "a chunk of the body is malformed"),
]


async def answers(site: Site, *packets: bytes) -> list[bytes]:
    """The answers to these packets, each sent when those before were read, until the engine ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    for packet in packets:
        writer.write(packet)
        await site.get("/healthz")
    raw = await reader.read()
    writer.close()
    return re.split(rb"HTTP/1\.[01] (?=[0-9]{3} )", raw)[1:]


@pytest.mark.parametrize(("raw", "text"), MALFORMED)
async def test_what_is_no_request_is_a_problem_in_plain_words(site: Site, raw: bytes, text: str) -> None:
    [answer] = await answers(site, raw)
    head, _, body = answer.partition(b"\r\n\r\n")
    problem = orjson.loads(body)

    assert (problem["status"], problem["code"], problem["detail"]) == (400, "request.http", text)
    assert b"application/problem+json" in head
    assert b"ython" not in answer


@pytest.mark.parametrize("rest", [b"Content-Length: x\r\n\r\n{}", CHUNKED + b"zz\r\n{}\r\n", b"X y: 1\r\n\r\n"])
async def test_a_worker_is_told_in_the_words_of_its_protocol(site: Site, rest: bytes) -> None:
    [answer] = await answers(site, OF_WORKER + rest)
    told = orjson.loads(answer.partition(b"\r\n\r\n")[2])

    assert (told["code"], type(told["error"])) == ("request.http", str)


@pytest.mark.parametrize("request_head", [OF_CLIENT, OF_WORKER])
async def test_a_chunk_that_is_none_ends_a_request_that_is_under_way(site: Site, request_head: bytes) -> None:
    [answer] = await answers(site, request_head + CHUNKED + b"2\r\n{}\r\n", b"zz\r\n")
    told = orjson.loads(answer.partition(b"\r\n\r\n")[2])

    assert (told["code"], told.get("detail", told.get("error"))) == ("request.http", "a chunk of the body is malformed")


async def test_a_request_for_a_socket_that_is_no_handshake_is_refused(site: Site) -> None:
    answer = await site.get("/_worker/ws/w1")

    assert (answer.status, answer.code) == (400, "request.http")
    assert "WebSocket" in answer.json["error"]
