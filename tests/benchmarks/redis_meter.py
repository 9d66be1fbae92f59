"""Count what a Redis is asked, and read how much memory it holds.

MONITOR shows each command with where it came from, so commands of scripts can be told from those that a client sent.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import redis

from tests.servers import RedisServer

_MARK = "benchmark-mark"
_OURS = frozenset({"ping", "hello", "monitor", "subscribe"})


@dataclass(slots=True)
class Asked:
    """Commands by name: those that clients sent, each a round trip at most, and those that scripts ran."""

    sent: Counter[str] = field(default_factory=Counter)
    in_scripts: Counter[str] = field(default_factory=Counter)

    def add(self, line: str) -> None:
        """Count one line of MONITOR: `+<time> [<db> <client, or lua>] "COMMAND" …`."""
        source, _, command = line.partition("] ")
        name = command.split(" ", 1)[0].strip('"\r\n').lower()
        if source.endswith(" lua"):
            self.in_scripts[name] += 1
        elif name not in _OURS:
            self.sent[name] += 1


@asynccontextmanager
async def asked(server: RedisServer) -> AsyncIterator[Asked]:
    """Count all that the server is asked within the block; complete once it is left."""
    counts = Asked()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=2**24)
    writer.write(b"MONITOR\r\n")
    await reader.readline()

    async def count() -> None:
        while _MARK not in (line := (await reader.readline()).decode(errors="replace")):
            counts.add(line)

    counting = asyncio.create_task(count())
    try:
        yield counts
    finally:
        await asyncio.to_thread(server.command, f"PING {_MARK}")
        await counting
        writer.close()


def memory_bytes(server: RedisServer) -> int:
    """Bytes that data and indexes take, without what is buffered for clients and for the disk."""
    with redis.Redis.from_url(server.url) as client:
        told = client.info("memory")
    return int(told["used_memory"] - told["mem_clients_normal"] - told["mem_aof_buffer"])
