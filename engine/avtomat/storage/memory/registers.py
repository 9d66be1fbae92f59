"""Keep what belongs to no job and no partition: the registrations of workers, and which blueprints are current."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Registration:
    """A worker's record, what it said of its load, and until when both count."""

    record: bytes
    until_ms: int
    usage: bytes | None = None


class Registrations:
    """Workers' records, each until its time is over."""

    def __init__(self) -> None:
        self._by_worker: dict[str, Registration] = {}

    def put(self, worker: str, record: bytes, until_ms: int) -> None:
        """Keep a record, in place of an earlier one."""
        self._by_worker[worker] = Registration(record=record, until_ms=until_ms)

    def touch(self, worker: str, ttl_ms: int, usage: bytes | None, now_ms: int) -> bytes | None:
        """Keep a record for longer, with what its worker says of its load, and return it; None: there is none."""
        known = self._by_worker.get(worker)
        if known is None or known.until_ms <= now_ms:
            return None
        known.until_ms = now_ms + ttl_ms
        known.usage = known.usage if usage is None else usage
        return known.record

    def live(self, now_ms: int) -> dict[str, Registration]:
        """Those whose time is not over; the others are forgotten."""
        self._by_worker = {worker: known for worker, known in self._by_worker.items() if known.until_ms > now_ms}
        return self._by_worker


class Current:
    """The records of what is current, and a number that goes up with each change of them."""

    def __init__(self) -> None:
        self._records: dict[str, bytes] = {}
        self._number = 0

    def after(self, seen: int) -> tuple[int, Mapping[str, bytes]] | None:
        """The number and all records; None when the number is the one that was seen."""
        return None if seen == self._number else (self._number, dict(self._records))

    def put(self, changes: Mapping[str, bytes], was: Mapping[str, bytes]) -> list[str]:
        """Replace the records that are as they were; the names of the others."""
        refused = [name for name in changes if self._records.get(name) != was.get(name)]
        self._records |= {name: record for name, record in changes.items() if name not in refused}
        self._number += len(refused) < len(changes)
        return refused
