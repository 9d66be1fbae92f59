"""The state that waits for a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from avtomat.core.flow import go_on, leave
from avtomat.core.formula import Template
from avtomat.core.kinds.state import NO_TIME, ActiveState, Step, parts_of
from avtomat.core.messages import Decision, TimerFired
from avtomat.core.program import Amount, Part
from avtomat.core.value import value
from avtomat.core.waiting import OnTimer, Waiting
from avtomat.core.walk import Walk


@value
class WaitState(ActiveState):
    """Waits for a span of time, or until a time; `amount` xor `until`."""

    KEY = "wait"
    HAS_OUTPUT = False

    amount: Amount | None = None
    until: Template | None = None

    def enter(self, walk: Walk) -> Step:
        """It waits; not at all where the time is over."""
        return walk.wait_for(OnTimer(until=self._until(walk), wall=self.until is not None))

    def time_came(self, walk: Walk, waiting: Waiting, event: TimerFired) -> Decision:
        """The wait is over."""
        del event
        return go_on(walk, leave(walk, self)) if isinstance(waiting, OnTimer) else NO_TIME

    def parts(self) -> Iterator[Part]:
        """See `State`."""
        return parts_of(self.amount, self.until)

    def _until(self, walk: Walk) -> datetime:
        names = walk.names()
        if self.until is not None:
            return walk.render_time(self.until, names)
        return walk.now + max(walk.render_span(self.amount, names) or timedelta(), timedelta())
