"""Each test of this folder that takes a pair runs on every store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.trust.pair import STORES, Pair, pair_of
from tests.servers import RedisServer

MakePair = Callable[..., AbstractAsyncContextManager[Pair]]


@pytest.fixture(params=STORES)
def make_pair(request: pytest.FixtureRequest, tmp_path: Path) -> MakePair:
    """Makes two replicas on an empty store, with a blueprint and settings."""
    url = ""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("fresh_redis")
        url = server.url

    @asynccontextmanager
    async def make(text: str, **settings: Any) -> AsyncIterator[Pair]:
        async with pair_of(text, tmp_path, request.param, url, **settings) as pair:
            yield pair

    return make
