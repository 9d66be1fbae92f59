"""Give tests an empty schema in a PostgreSQL that others use too."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def fresh_schema(dsn: str) -> AsyncIterator[str]:
    """A URL below which tables are this test's own; they are gone afterwards."""
    schema = f"test_{os.urandom(6).hex()}"
    await execute(dsn, f"CREATE SCHEMA {schema}")
    yield f"{dsn}{'&' if '?' in dsn else '?'}search_path={schema}"
    await execute(dsn, f"DROP SCHEMA {schema} CASCADE")


async def execute(dsn: str, statement: str, *arguments: Any) -> list[Any]:
    """The rows that a statement gives, over a connection of its own."""
    import asyncpg

    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(statement, *arguments))
    finally:
        await connection.close()
