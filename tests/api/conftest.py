"""Serve an engine on a free port of the loopback, and ask it over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from avtomat.api.app import App, Served
from avtomat.api.http.server import listen
from tests.api.fakes import FakeEngine


@dataclass
class Answer:
    """An answer, read to its end."""

    status: int
    headers: Any
    raw: bytes
    json: Any

    @property
    def code(self) -> str:
        return str(self.json["code"])


class Site:
    """An engine that is served, and a client of it."""

    def __init__(self, engine: Any, port: int, http: aiohttp.ClientSession) -> None:
        self.engine = engine
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.http = http

    async def ask(self, method: str, path: str, **more: Any) -> Answer:
        async with self.http.request(method, self.url + path, **more) as response:
            raw = await response.read()
            is_json = response.content_type in {"application/json", "application/problem+json"}
            return Answer(
                response.status, response.headers, raw, await response.json(content_type=None) if is_json else None
            )

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, **more: Any) -> Answer:
        return await self.ask("POST", path, **more)


@asynccontextmanager
async def site_of(engine: Served) -> AsyncIterator[Site]:
    listener = await listen(App(engine), host="127.0.0.1", port=0, drain_s=1)
    try:
        async with aiohttp.ClientSession() as http:
            yield Site(engine, listener.port, http)
    finally:
        await listener.close()


Serve = Callable[[Served], Awaitable[Site]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve any engine until the test's end."""
    async with AsyncExitStack() as stack:

        async def start(engine: Served) -> Site:
            return await stack.enter_async_context(site_of(engine))

        yield start


@pytest.fixture
async def site(serve: Serve) -> Site:
    """A small engine without tokens."""
    return await serve(FakeEngine())
