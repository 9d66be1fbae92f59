"""Keep what replicas agree on beside jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Topic:
    """Records by name, and a number that moves with them."""

    number: int = 0
    records: dict[str, bytes] = field(default_factory=dict)

    def change(self, changes: Mapping[str, bytes], was: Mapping[str, bytes]) -> list[str]:
        """Replace records that are as the caller knows them; the names of the others."""
        refused = [name for name in changes if self.records.get(name) != was.get(name)]
        taken = {name: record for name, record in changes.items() if name not in refused}
        self.records = {name: record for name, record in (self.records | taken).items() if record}
        self.number += bool(taken)
        return refused


class Topics:
    """All topics."""

    def __init__(self) -> None:
        self._by_name: defaultdict[str, Topic] = defaultdict(Topic)

    def after(self, topic: str, seen: int) -> tuple[int, Mapping[str, bytes]] | None:
        """The number and the records of a topic; None when the number is `seen` still."""
        known = self._by_name[topic]
        return None if seen == known.number else (known.number, dict(known.records))

    def change(self, topic: str, changes: Mapping[str, bytes], was: Mapping[str, bytes]) -> list[str]:
        """Replace records of a topic that are as the caller knows them; the names of the others."""
        return self._by_name[topic].change(changes, was)
