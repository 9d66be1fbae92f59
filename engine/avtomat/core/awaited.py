"""Say what every kind of waiting is to the machine, to the store and to readers of jobs; the kinds are in `waiting`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Self

from avtomat.core.formula import Json
from avtomat.core.timestamp import from_ms, to_ms

RUNNING = "running"


class Awaited:
    """What every kind of waiting says of itself; most wait for no time, and look to clients as if they ran."""

    __slots__ = ()

    FOR: ClassVar[str]
    """The word under which it is written down."""

    WORD: ClassVar[str | None] = RUNNING
    """The word that clients see for a job whose root waits so; None: that depends on its task."""

    def as_json(self) -> dict[str, Json]:
        """Its fields, by words that are kept; times are milliseconds."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> Self:
        """What `as_json` wrote down."""
        raise NotImplementedError

    @property
    def due_at(self) -> datetime | None:
        """The time at which the scope is to go on by itself; None where no timer is needed."""
        return None

    @property
    def by_wall(self) -> bool:
        """Whether that time is held to the system's clock, because people gave it."""
        return False

    @property
    def signal(self) -> tuple[str, str] | None:
        """The address and key under which a signal reaches the scope; None where no signal is awaited."""
        return None


def time_as_ms(time: datetime | None) -> int | None:
    """A time that may be missing, as it is written down."""
    return None if time is None else to_ms(time)


def time_from_ms(ms: int | None) -> datetime | None:
    """What `time_as_ms` gave."""
    return None if ms is None else from_ms(ms)
