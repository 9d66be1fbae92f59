"""The client connects to what was checked and to nothing else, and reads what it is given within its bounds."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from avtomat.runtime.outgoing.addresses import Allowed
from avtomat.runtime.outgoing.client import Bounds, Outgoing
from avtomat.runtime.outgoing.messages import Answer, Reason, Request, Unanswered
from avtomat.runtime.outgoing.retry_after import seconds_of
from tests.runtime.outgoing.servers import body, serving


@asynccontextmanager
async def client_of(*hosts: str, bounds: Bounds | None = None, lookup: object = None) -> AsyncIterator[Outgoing]:
    client = Outgoing(Allowed(hosts), bounds or Bounds(), lookup)  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.close()


def get(url: str) -> Request:
    return Request(method="GET", url=url, headers={})


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to() -> None:
    answers = iter([["127.0.0.2"], ["127.0.0.3"]])

    async def changing(host: str, port: int, family: int) -> Sequence[str]:
        return next(answers)

    async with serving(body(b"good"), "127.0.0.2") as good, serving(body(b"bad"), "127.0.0.3", good.port) as bad:
        url = f"http://changing.example:{good.port}/"
        async with client_of(f"127.0.0.2:{good.port}", lookup=changing) as client:
            first = await client.send(get(url), timeout_s=5)
        async with client_of(f"127.0.0.2:{good.port}", lookup=changing) as client:
            second = await client.send(get(url), timeout_s=5)

    assert isinstance(first, Answer)
    assert first.body == b"good"
    assert isinstance(second, Unanswered)
    assert second.reason is Reason.REFUSED
    assert (good.connections, bad.connections) == (1, 0)


async def test_a_socket_is_made_for_no_address_that_is_not_allowed() -> None:
    """Should an address come past the resolver's check, then there is no socket for it."""

    class Blind(Allowed):
        def check_answers(self, host: str, port: int, addresses: Sequence[str]) -> None:
            return

    async def lookup(host: str, port: int, family: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with serving(body(b"")) as server:
        client = Outgoing(Blind([f"10.0.0.0/8:{server.port}", f"10.1.2.3:{server.port}"]), Bounds(), lookup)
        answer = await client.send(get(f"http://blind.example:{server.port}/"), timeout_s=5)
        await client.close()

    assert isinstance(answer, Unanswered)
    assert answer.reason is Reason.REFUSED
    assert server.connections == 0


async def test_a_listed_name_may_lead_anywhere() -> None:
    async def lookup(host: str, port: int, family: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with serving(body(b"in")) as server, client_of(f"crm.internal:{server.port}", lookup=lookup) as client:
        answer = await client.send(get(f"http://crm.internal:{server.port}/"), timeout_s=5)

    assert isinstance(answer, Answer)
    assert b"Host: crm.internal" in server.heads[0]


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with (
        serving(body(b"", "302 Found", "Location: http://127.0.0.1/secret")) as server,
        client_of(f"127.0.0.1:{server.port}") as client,
    ):
        answer = await client.send(get(f"http://127.0.0.1:{server.port}/"), timeout_s=5)

    assert isinstance(answer, Answer)
    assert answer.status == 302
    assert answer.headers["location"] == "http://127.0.0.1/secret"
    assert len(server.heads) == 1


async def test_cookies_are_not_kept_and_connections_are() -> None:
    async with (
        serving(body(b"", "200 OK", "Set-Cookie: a=b")) as server,
        client_of(f"127.0.0.1:{server.port}") as client,
    ):
        for _ in range(3):
            await client.send(get(f"http://127.0.0.1:{server.port}/"), timeout_s=5)

    assert not any(b"ookie" in head for head in server.heads)
    assert (len(server.heads), server.connections) == (3, 1)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(body(b"proxy")) as proxy, serving(body(b"direct")) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        async with client_of(f"127.0.0.1:{server.port}", f"127.0.0.1:{proxy.port}") as client:
            answer = await client.send(get(f"http://127.0.0.1:{server.port}/"), timeout_s=5)

    assert isinstance(answer, Answer)
    assert answer.body == b"direct"
    assert proxy.connections == 0


async def test_a_body_is_cut_at_its_limit_and_the_connection_closed() -> None:
    closed = asyncio.Event()

    async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            closed.set()
            raise

    async with (
        serving(endless) as server,
        client_of(f"127.0.0.1:{server.port}", bounds=Bounds(body_bytes_max=100_000)) as client,
    ):
        answer = await client.send(get(f"http://127.0.0.1:{server.port}/"), timeout_s=5)
        await asyncio.wait_for(closed.wait(), 5)

    assert isinstance(answer, Answer)
    assert answer.cut is Reason.TOO_LARGE
    assert len(answer.body) == 100_000


async def test_a_packed_body_is_unpacked_up_to_its_limit() -> None:
    small, bomb = gzip.compress(b"hello"), gzip.compress(b"0" * 10_000_000)
    packed = "Content-Encoding: gzip"
    async with (
        serving(body(small, "200 OK", packed)) as a,
        serving(body(bomb, "200 OK", packed)) as b,
        client_of(f"127.0.0.1:{a.port}", f"127.0.0.1:{b.port}", bounds=Bounds(body_bytes_max=50_000)) as client,
    ):
        good = await client.send(get(f"http://127.0.0.1:{a.port}/"), timeout_s=5)
        bad = await client.send(get(f"http://127.0.0.1:{b.port}/"), timeout_s=5)

    assert isinstance(good, Answer)
    assert good.body == b"hello"
    assert isinstance(bad, Answer)
    assert bad.cut is Reason.TOO_LARGE
    assert len(bad.body) == 50_000


async def test_a_silent_server_takes_no_longer_than_the_request_is_given() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client is gone

    async with serving(silent) as server, client_of(f"127.0.0.1:{server.port}") as client:
        answer = await client.send(get(f"http://127.0.0.1:{server.port}/"), timeout_s=0.2)

    assert isinstance(answer, Unanswered)
    assert (answer.reason, answer.sent) == (Reason.TIMEOUT, True)


async def test_a_body_that_drips_takes_no_longer_than_the_request_is_given() -> None:
    async def dripping(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(dripping) as server, client_of(f"127.0.0.1:{server.port}") as client:
        answer = await client.send(get(f"http://127.0.0.1:{server.port}/"), timeout_s=0.3)

    assert isinstance(answer, Unanswered)
    assert answer.reason is Reason.TIMEOUT


async def test_a_request_that_no_server_takes_was_surely_not_sent() -> None:
    async with serving(body(b"")) as server:
        port = server.port
    async with client_of(f"127.0.0.1:{port}") as client:
        answer = await client.send(get(f"http://127.0.0.1:{port}/"), timeout_s=5)

    assert isinstance(answer, Unanswered)
    assert (answer.reason, answer.sent) == (Reason.CONNECT, False)


async def test_a_name_without_an_address_was_surely_not_asked() -> None:
    async def none(host: str, port: int, family: int) -> Sequence[str]:
        raise OSError(8, "no address")

    async with client_of(lookup=none) as client:
        answer = await client.send(get("http://nowhere.example/"), timeout_s=5)

    assert isinstance(answer, Unanswered)
    assert (answer.reason, answer.sent) == (Reason.DNS, False)


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"no http at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)  # fmt: skip
async def test_what_is_no_answer_is_a_broken_connection(answer: bytes) -> None:
    async def broken(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        raise ConnectionError

    async with serving(broken) as server, client_of(f"127.0.0.1:{server.port}") as client:
        got = await client.send(
            Request(method="POST", url=f"http://127.0.0.1:{server.port}/", headers={}, body=b"x"), timeout_s=5
        )

    assert isinstance(got, Unanswered)
    assert (got.reason, got.sent) == (Reason.CONNECTION, True)


async def test_a_certificate_that_settings_add_is_believed(tls_server: tuple[int, Path]) -> None:
    port, certificate = tls_server
    async with client_of(f"127.0.0.1:{port}", bounds=Bounds(ca=certificate)) as client:
        answer = await client.send(get(f"https://127.0.0.1:{port}/"), timeout_s=5)

    assert isinstance(answer, Answer)
    assert answer.body == b"secret"


async def test_a_certificate_that_nobody_vouches_for_is_refused(tls_server: tuple[int, Path]) -> None:
    port, _ = tls_server
    async with client_of(f"127.0.0.1:{port}") as client:
        answer = await client.send(get(f"https://127.0.0.1:{port}/"), timeout_s=5)

    assert isinstance(answer, Unanswered)
    assert (answer.reason, answer.sent) == (Reason.TLS, False)


async def test_the_query_is_added_to_that_of_the_url() -> None:
    async with serving(body(b"")) as server, client_of(f"127.0.0.1:{server.port}") as client:
        url = f"http://127.0.0.1:{server.port}/a?x=1"
        await client.send(Request(method="GET", url=url, headers={}, query={"y": "ä &", "z": ["1", "2"]}), timeout_s=5)

    assert server.heads[0].startswith(b"GET /a?x=1&y=%C3%A4+%26&z=1&z=2 HTTP/1.1")


@pytest.mark.parametrize("name", ["X\r\nEvil", "X:"])
async def test_a_header_that_would_be_another_is_not_sent(name: str) -> None:
    async with serving(body(b"")) as server, client_of(f"127.0.0.1:{server.port}") as client:
        request = Request(method="GET", url=f"http://127.0.0.1:{server.port}/", headers={name: "a\r\nb: c"})
        answer = await client.send(request, timeout_s=5)

    assert isinstance(answer, Unanswered)
    assert server.heads == []


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120), (" 7 ", 7), ("0", 0), ("99999999999999999999", 86_400), ("Thu, 01 Jan 2026 00:01:30 GMT", 90),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0), ("Fri, 01 Jan 2100 00:00:00 GMT", 86_400), ("-5", None), ("soon", None),
        ("1.5", None), ("", None), (None, None), ("Mon, 99 Foo 2026 00:00:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date_and_at_most_a_day(header: str | None, seconds: int | None) -> None:
    assert seconds_of(header, NOW) == seconds
