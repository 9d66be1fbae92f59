"""Give tests the real servers; say loudly which tests did not run because one is missing.

With `CI=true` a missing server fails the run; at home its tests are skipped, and the last lines of the run say so.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import fresh_schema
from tests.servers import PostgresServer, RedisServer, postgres_binaries, redis_server_found

MISSING_SERVER = "missing server: "

# No test asserts a time: how long an input takes to be made says how busy the machine is.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real redis-server with an append-only file; one for each pytest process."""
    if not redis_server_found():
        without("redis-server (apt-get install redis-server)")
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture
def fresh_redis(redis_server: RedisServer) -> RedisServer:
    """The same server, running and empty."""
    redis_server.flush()
    return redis_server


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """A PostgreSQL of the tests' own, or the one that AVTOMAT_TEST_POSTGRES names."""
    if given := os.environ.get("AVTOMAT_TEST_POSTGRES"):
        yield given
        return
    binaries = postgres_binaries()
    if binaries is None:
        without("postgres (apt-get install postgresql, or AVTOMAT_TEST_POSTGRES=postgresql://…)")
    # Not below pytest's own folder: that one is closed to the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="avtomat-postgres-"))
    server = PostgresServer(folder, binaries)
    yield server.dsn
    server.kill()
    shutil.rmtree(folder)


@pytest.fixture
async def postgres_schema(postgres_dsn: str) -> AsyncIterator[str]:
    """The URL of an empty schema in that PostgreSQL."""
    async with fresh_schema(postgres_dsn) as url:
        yield url


def without(server: str) -> NoReturn:
    """End the test that asks: it fails in CI, and is skipped and named in the last lines elsewhere."""
    if os.environ.get("CI") == "true":
        pytest.fail(MISSING_SERVER + server, pytrace=False)
    pytest.skip(MISSING_SERVER + server)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End the run with one line for each server that was missing."""
    missing: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple) and MISSING_SERVER in report.longrepr[2]:
            missing[report.longrepr[2].partition(MISSING_SERVER)[2]] += 1
    for server, tests in sorted(missing.items()):
        terminalreporter.write_line(f"NOT RUN: {tests} tests need {server}", yellow=True, bold=True)
