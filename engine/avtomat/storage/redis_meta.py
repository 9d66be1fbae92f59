"""Agree with a Redis on what its store is: the number of its partitions, and the format in which jobs are kept.

The record is the hash `av:meta`, made at the first start and the same for all replicas.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from avtomat.errors import StoreError
from avtomat.storage.redis_backend import RedisBackend
from avtomat.storage.rules import UNDOING

FORMAT: Final = 2
META: Final = "av:meta"

Counts = Callable[[], Awaitable[Mapping[str, int]]]


async def agree(backend: RedisBackend, partitions: int, counts: Counts) -> None:
    """Make the record, or find that it is as this engine needs it; `counts` are those of the store."""
    kept = {}
    for name, value in (("partitions", partitions), ("format", FORMAT)):
        await backend.execute("HSETNX", META, name, value)
        kept[name] = int(await backend.execute("HGET", META, name))
    if kept["partitions"] != partitions:
        raise StoreError(
            f"this Redis was set up with {kept['partitions']} partitions, and {partitions} are asked for",
            code="store.partitions",
            hint="the number of partitions is fixed when a store is first used",
        )
    if kept["format"] > FORMAT:
        raise StoreError(
            f"this Redis holds a store of format {kept['format']}; this engine knows formats up to {FORMAT}",
            code="store.newer_format",
            hint="use the newer version of Avtomat that wrote it",
        )
    if kept["format"] < FORMAT:
        await _take_over(backend, kept["format"], await counts())


async def _take_over(backend: RedisBackend, older: int, counts: Mapping[str, int]) -> None:
    """Go on with a store of an older format: ended jobs are kept there as they are now, open ones are not."""
    are_open = sum(counts[status] for status in ("open", *UNDOING))
    if are_open:
        raise StoreError(
            f"this Redis holds a store of format {older} with {are_open} open jobs; this engine writes format {FORMAT}",
            code="store.older_format",
            hint="let the version of Avtomat that wrote them end or cancel these jobs; then start this one",
        )
    await backend.execute("HSET", META, "format", FORMAT)
