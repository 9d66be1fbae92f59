"""Agree with a Redis on what its store is: its identity, how many partitions it has, in which format jobs are kept.

The record is the hash `av:meta`, made at the first start and the same for all replicas.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from secrets import token_hex
from typing import Final

from avtomat.errors import StoreError
from avtomat.storage.port.rules import UNDOING
from avtomat.storage.redis.backend import RedisBackend
from avtomat.storage.redis.wire.connection import RedisConnection
from avtomat.storage.redis.wire.link import META

log = logging.getLogger(__name__)

FORMAT: Final = 3
IDENTITY_BYTES: Final = 8

Counts = Callable[[], Awaitable[Mapping[str, int]]]


async def agree(backend: RedisBackend, partitions: int, identity: str, counts: Counts) -> None:
    """Make the record, or find that it is as this engine needs it; `identity` is the one that the store must have, ''
    for any; `counts` are those of the store.
    """
    await _recognize(backend, identity)
    found = await _fitting_format(backend, partitions)
    if found < FORMAT:
        await _take_over(backend, found, await counts())


async def _fitting_format(backend: RedisBackend, partitions: int) -> int:
    """The format of the store, which is given one if it has none; `StoreError` where it is not for this engine."""
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
    return kept["format"]


async def _recognize(backend: RedisBackend, wanted: str) -> None:
    """Learn the store's identity, or give it one: where one is wanted, only an operator makes a store that has it."""
    guard = backend.guard
    known, is_new = guard.identity or wanted, not await backend.execute("EXISTS", META)
    if known:
        guard.identity = known
        guard.recognize(await read_identity(backend))
        if guard.refusal is not None:
            raise guard.refusal
        return
    await backend.execute("HSETNX", META, "store", token_hex(IDENTITY_BYTES))
    guard.identity = await read_identity(backend)
    if is_new:
        log.warning(
            "the store is empty and begins as %s; set store_id = %s, and an emptied store is not taken for a new one",
            *(guard.identity,) * 2,
        )


async def read_identity(backend: RedisBackend) -> str:
    """The identity of the store; '' when it has none."""
    return ((await backend.execute("HGET", META, "store")) or b"").decode()


async def look_again(backend: RedisBackend, partitions: int) -> bool:
    """Look whether the server still holds the store that is known; whether an operator has accepted another one. That
    one is refused, with the reason, as long as it is not as this engine needs it.
    """
    found, accepted = ((word or b"").decode() for word in await backend.execute("HMGET", META, "store", "accepted"))
    guard = backend.guard
    is_new = bool(found) and found == accepted and found != guard.identity
    if is_new:
        try:
            await _look_closely(backend, partitions)
        except StoreError as unfit:
            guard.refuse(unfit)
            raise
        guard.identity = found
    guard.recognize(found)
    return is_new


async def _look_closely(backend: RedisBackend, partitions: int) -> None:
    found = await _fitting_format(backend, partitions)
    if found < FORMAT:
        raise StoreError(
            f"this Redis holds a store of format {found}, and this engine writes format {FORMAT}",
            code="store.older_format",
            hint="start the engine again: it takes over a store in which no job is open",
        )


async def accept(connection: RedisConnection, wanted: str) -> str:
    """Make what the server holds the store: under the identity that is wanted, else its own, else a new one."""
    assert connection.server is not None
    identity = wanted or connection.server.store_id or token_hex(IDENTITY_BYTES)
    await connection.execute("HSET", META, "store", identity, "accepted", identity)
    return identity


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
