"""Keep what replicas agree on beside jobs."""

from __future__ import annotations

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
