"""Say what every kind of state does for the machine: a class with these answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from avtomat.core.messages import Change, Decision, Ignored, TimerFired
from avtomat.core.program import Part, State, Timeouts
from avtomat.core.value import value
from avtomat.core.waiting import Waiting
from avtomat.core.walk import Walk

Step = str | Change
"""Where a scope goes on: the name of the state to enter next, or the Change that the decision ends with."""

NO_TIME = Ignored(reason="the scope waits for no time")


@value
class ActiveState(State):
    """A state with what it does: every kind is one."""

    def enter(self, walk: Walk) -> Step:
        """Do what the state does. Raises AuthorError where that fails."""
        raise NotImplementedError

    def time_came(self, walk: Walk, waiting: Waiting, event: TimerFired) -> Decision:
        """Go on after the time for which this visit waited."""
        del walk, waiting, event
        return NO_TIME


def parts_of(*parts: Part | timedelta | int | str | None) -> Iterator[Part]:
    """Those that are evaluated: a duration or a number that is written out reads nothing."""
    return only_parts(parts)


def only_parts(parts: Iterable[Part | timedelta | int | str | None]) -> Iterator[Part]:
    """As `parts_of`, of a list."""
    for part in parts:
        if part is not None and not isinstance(part, timedelta | int | str):
            yield part


def parts_of_times(times: Timeouts) -> Iterator[Part]:
    """The times of a task that are rendered."""
    return parts_of(times.queue, times.attempt, times.heartbeat, times.total)
