"""The state that only sets data and chooses."""

from __future__ import annotations

from avtomat.core.flow import leave
from avtomat.core.kinds.state import ActiveState, Step
from avtomat.core.value import value
from avtomat.core.walk import Walk


@value
class PassState(ActiveState):
    """Sets data and chooses; has no output."""

    CROSSED = True
    HAS_OUTPUT = False

    def enter(self, walk: Walk) -> Step:
        """It is left at once."""
        return leave(walk, self)
