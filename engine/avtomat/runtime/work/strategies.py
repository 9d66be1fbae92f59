"""Say in which order the polls that wait for a queue are served: by the strategy that its tasks ask for.

A strategy is an order and excludes nobody: whoever waits alone gets the task. Workers that are hot for the kind come
first in each; ties are for the caller, who serves the worker that has waited longest.

    default       the lowest cost for the kind, if workers tell costs: `cheapest` is the same by name
    round_robin   whoever has waited longest, whatever it costs
    least_loaded  the fewest attempts in hand
    best_value    the lowest cost divided by the share of attempts that the worker did not spoil
    overflow      the cheapest with fewer than three attempts in hand; where all have more, the fewest

A cost that is not given comes after all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final

SOFT_LIMIT: Final = 3
"""With `overflow` so many attempts are given to a worker before a dearer one gets some."""

RELIABILITY_STEP: Final = 1 / 32
"""How much the newest outcome counts: half of what is known of a worker is of its last 22 attempts."""

RELIABILITY_MIN: Final = 0.01

BY_MERIT: Final = frozenset({"least_loaded", "best_value", "overflow"})
"""Strategies whose order changes with what a worker does."""

Rank = tuple[float, float]
"""The place of a poll: of two the smaller is served first."""

_COLD: Final = 1.0
_HOT: Final = 0.0
PLAIN: Final[Rank] = (_COLD, inf)
"""The place of a worker that gave neither costs nor what it is hot for, by the default strategy."""


@dataclass(slots=True)
class Merit:
    """What counts of one worker when several wait: its costs and the kinds that it is hot for, as it gave them; the
    attempts that it has in hand, and the share of them that it did not spoil, as seen here. `number` is its place since
    it was last given something.
    """

    costs: Mapping[str, float] = field(default_factory=dict)
    hot: frozenset[str] = frozenset()
    load: int = 0
    reliability: float = 1.0
    number: int | None = None

    def took(self, tasks: int) -> None:
        """It was given so many attempts, and goes to the end of all lines."""
        self.load += tasks
        self.number = None

    def let_go(self) -> None:
        """It has one attempt less."""
        self.load = max(0, self.load - 1)

    def ended(self, *, well: bool) -> None:
        """It brought an attempt to an end, or spoiled it."""
        self.reliability += ((1.0 if well else 0.0) - self.reliability) * RELIABILITY_STEP


def rank(strategy: str | None, merit: Merit, kind: str) -> Rank:
    """The place of a worker among those that wait for tasks of `kind` with this strategy (None: the default one)."""
    if strategy is None and not merit.costs and not merit.hot:
        return PLAIN
    heat = _HOT if kind in merit.hot else _COLD
    cost = merit.costs.get(kind, inf)
    match strategy:
        case "round_robin":
            return heat, 0.0
        case "least_loaded":
            return heat, merit.load
        case "best_value":
            return heat, cost / max(merit.reliability, RELIABILITY_MIN)
        case "overflow":
            return (heat, cost) if merit.load < SOFT_LIMIT else (heat + 2, merit.load)
    return heat, cost
