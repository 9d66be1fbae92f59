"""Follow, and change, the records of one topic that all replicas agree on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Final

from avtomat.errors import StoreNotExecuted
from avtomat.runtime.repeating import repeat
from avtomat.storage.port.store import Store

TRIES_MAX: Final = 20
"""How often a change is made again because another replica was first."""

UNKNOWN: Final = -1
"""No store's number of a topic."""

Change = Callable[[str, bytes | None], bytes | None]
"""What is to stand under a name from now on, told what does: b"" takes it away, None leaves it."""


class Agreement:
    """What this replica knows of a topic: `records` by name."""

    def __init__(self, store: Store, topic: str) -> None:
        self._store = store
        self._topic = topic
        self._number = 0
        self._asking = asyncio.Lock()
        self.records: Mapping[str, bytes] = {}

    def look_again(self) -> None:
        """Read the records the next time, whatever their number: it may be another store's."""
        self._number = UNKNOWN

    async def follow(self) -> bool:
        """Read the records if there are others. Returns whether there were."""
        async with self._asking:
            return await self._follow()

    async def _follow(self) -> bool:
        found = await repeat(lambda: self._store.agreed(self._topic, self._number))
        if found is None:
            return False
        self._number, self.records = found
        return True

    async def change(self, names: Collection[str], change: Change) -> None:
        """Let `change` say what stands under each of these names; where another replica changed one meanwhile, it is
        asked again. A change whose answer was lost may be made twice. Raises StoreError.
        """
        left: Collection[str] = names
        async with self._asking:
            for _ in range(TRIES_MAX):
                left = await self._change(left, change)
                if not left:
                    return
                self._number = UNKNOWN
                await self._follow()
        raise StoreNotExecuted(f"what is agreed on {self._topic} kept changing; the call may be repeated")

    async def _change(self, names: Collection[str], change: Change) -> list[str]:
        """Try it once; the names that another replica changed."""
        wanted = {name: change(name, self.records.get(name)) for name in names}
        changes = {
            name: record
            for name, record in wanted.items()
            if record is not None and record != self.records.get(name, b"")
        }
        if not changes:
            return []
        was = {name: self.records[name] for name in changes if name in self.records}
        left = await repeat(lambda: self._store.agree(self._topic, changes, was))
        done = {name: record for name, record in changes.items() if name not in left}
        self.records = {name: record for name, record in {**self.records, **done}.items() if record}
        return left
