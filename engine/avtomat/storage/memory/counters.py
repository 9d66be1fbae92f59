"""Count what clients use up in a period."""

from __future__ import annotations

from avtomat.storage.memory.state import Partition, UsedUp
from avtomat.storage.port.answers import Taken


def take(part: Partition, client: str, period: str, amount: int, most: int, until_ms: int, now_ms: int) -> Taken:
    """Take up to `amount` of what is left."""
    if until_ms <= now_ms:
        return Taken(granted=0, in_all=0)
    counter = part.counters.setdefault((client, period), UsedUp(taken=0, until_ms=until_ms))
    granted = max(0, min(amount, most - counter.taken))
    counter.taken += granted
    return Taken(granted=granted, in_all=counter.taken)


def give_back(part: Partition, client: str, period: str, amount: int, now_ms: int) -> None:
    """Give back what was not used."""
    counter = part.counters.get((client, period))
    if counter is not None and counter.until_ms > now_ms:
        counter.taken = max(0, counter.taken - amount)


def forget_ended(part: Partition, now_ms: int) -> None:
    """Remove counters whose period is over."""
    part.counters = {name: counter for name, counter in part.counters.items() if counter.until_ms > now_ms}
