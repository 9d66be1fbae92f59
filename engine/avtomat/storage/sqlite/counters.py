"""Count what clients use up in a period."""

from __future__ import annotations

from typing import Final

from avtomat.storage.port.answers import Taken
from avtomat.storage.sqlite.writer import Step

_TAKEN: Final = "SELECT taken FROM counters WHERE client = ? AND period = ?"
_TAKE: Final = """
INSERT INTO counters VALUES (?, ?, ?, ?, ?)
ON CONFLICT (client, period) DO UPDATE SET taken = taken + excluded.taken"""
_GIVE_BACK: Final = """
UPDATE counters SET taken = max(0, taken - ?) WHERE client = ? AND period = ? AND until_ms > ?"""
_FORGET_ENDED: Final = "DELETE FROM counters WHERE partition = ? AND until_ms <= ?"


def take(step: Step, client: str, period: str, partition: int, amount: int, most: int, until_ms: int) -> Taken:
    """See `Store.take`."""
    if until_ms <= step.now:
        return Taken(granted=0, in_all=0)
    row: tuple[int] | None = step.db.execute(_TAKEN, (client, period)).fetchone()
    taken = 0 if row is None else row[0]
    granted = max(0, min(amount, most - taken))
    if granted or row is None:
        step.db.execute(_TAKE, (client, period, partition, granted, until_ms))
    return Taken(granted=granted, in_all=taken + granted)


def give_back(step: Step, client: str, period: str, amount: int) -> None:
    """See `Store.give_back`."""
    step.db.execute(_GIVE_BACK, (amount, client, period, step.now))


def forget_ended(step: Step, partition: int) -> None:
    """Remove counters whose period is over."""
    step.db.execute(_FORGET_ENDED, (partition, step.now))
