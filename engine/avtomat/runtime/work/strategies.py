"""Say in which order the polls that wait for a queue are served: by the strategy that its tasks ask for.

A strategy is an order and excludes nobody: whoever waits alone gets the task. Workers that are hot for the kind come
first in each; ties are for the caller, who serves the worker that has waited longest.

    default       the lowest cost for the kind, if workers tell costs: `cheapest` is the same by name
    round_robin   whoever has waited longest, whatever it costs
    least_loaded  the fewest attempts in hand
    best_value    the lowest cost divided by the worker's reputation
    overflow      the cheapest with fewer than three attempts in hand; where all have more, the fewest

A cost that is not given comes after all others, and a worker on probation after all that are not.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final

SOFT_LIMIT: Final = 3
"""With `overflow` so many attempts are given to a worker before a dearer one gets some."""

REPUTATION_MIN: Final = 0.01

BY_MERIT: Final = frozenset({"least_loaded", "best_value", "overflow"})
"""Strategies whose order changes with what a worker does."""

Rank = tuple[float, float]
"""The place of a poll: of two the smaller is served first."""

_COLD: Final = 1.0
_HOT: Final = 0.0
_ON_PROBATION: Final = 4.0
_FULL: Final = 8.0
PLAIN: Final[Rank] = (_COLD, inf)
"""The place of a worker that gave neither costs nor what it is hot for, by the default strategy."""


@dataclass(slots=True)
class Merit:
    """What counts of one worker when several wait: its costs and the kinds that it is hot for, as it gave them; the
    attempts that it has in hand, as seen here; its reputation. `number` is its place since it was last given something.

    On probation it may have `few` attempts in hand (0: it is not on probation). Those that it was given long ago, by
    the clock `time.monotonic`, count no longer: their ends may have been told to another replica.
    """

    costs: Mapping[str, float] = field(default_factory=dict)
    hot: frozenset[str] = frozenset()
    load: int = 0
    reputation: float = 1.0
    few: int = 0
    counts_until_s: float = 0.0
    number: int | None = None

    @property
    def is_full(self) -> bool:
        """Whether it may have no more because it is on probation."""
        return self.few > 0 and self.load >= self.few and time.monotonic() < self.counts_until_s

    def room(self, tasks: int) -> int:
        """How many of so many attempts it may be given."""
        return tasks if not self.few else min(tasks, max(1, self.few - self.load))

    def took(self, tasks: int, lease_s: float = 0.0) -> None:
        """It was given so many attempts, and goes to the end of all lines."""
        self.load += tasks
        self.number = None
        if self.few:
            self.counts_until_s = time.monotonic() + lease_s

    def let_go(self) -> None:
        """It has one attempt less."""
        self.load = max(0, self.load - 1)


def rank(strategy: str | None, merit: Merit, kind: str) -> Rank:
    """The place of a worker among those that wait for tasks of `kind` with this strategy (None: the default one)."""
    if strategy is None and not merit.costs and not merit.hot and not merit.few:
        return PLAIN
    heat = _HOT if kind in merit.hot else _COLD
    if merit.few:
        heat += _FULL if merit.is_full else _ON_PROBATION
    cost = merit.costs.get(kind, inf)
    match strategy:
        case "round_robin":
            return heat, 0.0
        case "least_loaded":
            return heat, merit.load
        case "best_value":
            return heat, cost / max(merit.reputation, REPUTATION_MIN)
        case "overflow":
            return (heat, cost) if merit.load < SOFT_LIMIT else (heat + 2, merit.load)
    return heat, cost
