"""Measure how long /healthz of a live engine takes while hostile requests come: `python -m tests.benchmarks.doors`."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from signal import SIGTERM

import aiohttp

from tests.benchmarks.stage import BLUEPRINTS, SERVE
from tests.servers import Daemon, free_port

SECONDS = 15
CONNECTIONS = 200
BODY = b'{"input":{"a":[' + b"1.5," * 200_000 + b"1]}}"
DEEP = b'{"input":' + b"[" * 400_000
TOKEN = secrets.token_hex(16)
JSON = {"Content-Type": "application/json"}


def main() -> int:
    """Start the engine and the load, print the longest answer, and end both."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        url = f"http://127.0.0.1:{port}"
        settings = {
            "AVTOMAT_STORE": f"sqlite:///{folder}/jobs.db",
            "AVTOMAT_BLUEPRINTS": str(BLUEPRINTS),
            "AVTOMAT_PORT": str(port),
            "AVTOMAT_CLIENT_TOKEN": TOKEN,
            "AVTOMAT_WORKER_TOKEN": TOKEN,
        }
        engine = Daemon([sys.executable, *SERVE], ready="listening on", env={**os.environ, **settings})
        load = multiprocessing.get_context("spawn").Process(target=_attack, args=(url, port, TOKEN), daemon=True)
        try:
            load.start()
            took_ms = asyncio.run(_health(url))
        finally:
            load.join(SECONDS)
            load.terminate()
            engine.send(SIGTERM)
    print(f"/healthz {len(took_ms)} times: median {took_ms[len(took_ms) // 2]:.1f} ms, longest {took_ms[-1]:.1f} ms")
    return 0


async def _health(url: str) -> list[float]:
    took_ms, until = [], time.monotonic() + SECONDS
    async with aiohttp.ClientSession() as http:
        while time.monotonic() < until:
            began = time.perf_counter()
            async with http.get(url + "/healthz") as answer:
                await answer.read()
            took_ms.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.01)
    return sorted(took_ms)


def _attack(url: str, port: int, token: str) -> None:
    with suppress(TimeoutError):
        asyncio.run(_all(url, port, {"Authorization": f"Bearer {token}"}))


async def _all(url: str, port: int, token: dict[str, str]) -> None:
    slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    for _, writer in slow:
        head = f"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token['Authorization']}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 900000\r\n\r\n{{".encode())
    async with aiohttp.ClientSession(headers=token) as http, asyncio.timeout(SECONDS):
        await asyncio.gather(_bodies(http, url, BODY), _bodies(http, url, DEEP), _frames(http, url), _frames(http, url))


async def _bodies(http: aiohttp.ClientSession, url: str, body: bytes) -> None:
    answered: Counter[int] = Counter()
    try:
        await _send_bodies(http, url, body, answered)
    finally:
        print(f"{len(body):,} bytes were answered {dict(answered)}")


async def _send_bodies(http: aiohttp.ClientSession, url: str, body: bytes, answered: Counter[int]) -> None:
    while True:
        async with http.post(url + "/api/v1/jobs/none", data=body, headers=JSON) as answer:
            await answer.read()
            answered[answer.status] += 1


async def _frames(http: aiohttp.ClientSession, url: str) -> None:
    while True:
        try:
            async with http.ws_connect(url + "/_worker/ws/w1") as socket:
                for _ in range(100_000):
                    await socket.send_str("{}")
        except (aiohttp.ClientError, ConnectionError):
            await asyncio.sleep(0)


if __name__ == "__main__":
    sys.exit(main())
