"""Keep the records of schedules in step with the store: read when they moved, replaced only by who knows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from avtomat.errors import StoreBusy
from avtomat.runtime.repeating import repeat
from avtomat.runtime.schedules.record import Record, record_of
from avtomat.storage.port.store import Store

TOPIC: Final = "schedules"
UNKNOWN: Final = -1
WRITTEN_AT_ONCE: Final = 100
TRIES_MAX: Final = 50


class SharedRecords:
    """The records by `blueprint/name`, as this replica knows them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = 0
        self._raw: Mapping[str, bytes] = {}
        self._following = asyncio.Lock()
        self.known: dict[str, Record] = {}

    def look_again(self) -> None:
        """Read all the next time: it may be another store's."""
        self._number = UNKNOWN

    async def follow(self) -> bool:
        """Read what has moved; whether anything has."""
        async with self._following:
            found = await repeat(lambda: self._store.agreed(TOPIC, self._number))
            if found is None:
                return False
            self._number, raw = found
            self.known = {
                name: self.known[name] if name in self.known and self._raw.get(name) == record else record_of(record)
                for name, record in raw.items()
            }
            self._raw = raw
            return True

    async def put(self, changes: Mapping[str, Record | None], before: Mapping[str, Record]) -> dict[str, bool]:
        """Replace these where they are the ones of `before`, as `known` had them when it was decided (None removes).
        Returns the names for which that was so, each with whether it was surely done here: another replica may have
        written the same. All are read afterwards.
        """
        done: dict[str, bool] = {}
        names = [*changes]
        for start in range(0, len(names), WRITTEN_AT_ONCE):
            # What others changed here meanwhile is another object, and what is known is what was read with it.
            some = {
                name: _bytes(changes[name])
                for name in names[start : start + WRITTEN_AT_ONCE]
                if self.known.get(name) is before.get(name)
            }
            was = {name: self._raw[name] for name in some if name in self._raw}

            async def write(some: Mapping[str, bytes] = some, was: Mapping[str, bytes] = was) -> list[str]:
                return await self._store.agree(TOPIC, some, was)

            refused = set(await repeat(write)) if some else set()
            await self.follow()
            # A repeat of a write whose answer was lost is refused, because it was done.
            for name, raw in some.items():
                if name not in refused or self._raw.get(name, b"") == raw:
                    done[name] = name not in refused
        return done

    async def change(self, name: str, make: Callable[[Record | None], Record]) -> Record:
        """Let `make` say what the record is, told what it was, until nobody else changes it meanwhile."""
        await self.follow()
        for _ in range(TRIES_MAX):
            before = self.known.get(name)
            after = make(before)
            if after == before or name in await self.put({name: after}, {} if before is None else {name: before}):
                return after
        raise StoreBusy(f"the schedule {name} changed all the time")


def _bytes(record: Record | None) -> bytes:
    return b"" if record is None else record.as_bytes()
