"""Put together what is kept of how attempts end, and tell it of each."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Final

from avtomat.core.messages import Event, TaskSucceeded
from avtomat.core.timestamp import span_ms
from avtomat.errors import StoreError
from avtomat.runtime.jobs.executor import Handled
from avtomat.runtime.trust.breaker import Rules
from avtomat.runtime.trust.breakers import Breakers
from avtomat.runtime.trust.outcomes import outcome_of
from avtomat.runtime.trust.reputations import Probation, Reputations
from avtomat.runtime.work.queues import Queues
from avtomat.settings import Settings
from avtomat.storage.port.store import Store

log = logging.getLogger(__name__)

STOP_WAIT_S: Final = 2.0
"""How long a stop waits for the store to take what was heard last."""


class Trust:
    """The breakers of kinds and the reputations of workers, of one replica; `changes` counts those of breakers."""

    def __init__(self, store: Store, queues: Queues, settings: Settings, changes: Counter[str]) -> None:
        self.breakers = Breakers(store, queues, rules_of(settings), changes)
        half_life_ms = span_ms(settings.reputation_half_life)
        assert half_life_ms is not None
        self.reputations = Reputations(
            store,
            Probation(
                half_life_ms=half_life_ms,
                below=settings.probation_below / 100,
                tasks=settings.probation_tasks,
            ),
        )

    def note(self, handled: Handled, event: Event | None, worker: str, task_id: str) -> None:
        """An event was handled: learn from it if it was the end of an attempt."""
        if type(event) is TaskSucceeded and not self.breakers.are_kept:
            change = handled.change
            if change is not None and not change.unfit:  # as nearly all are
                self.reputations.well(worker)
                return
        outcome = outcome_of(handled, event, worker, task_id)
        if outcome is not None:
            self.reputations.note(outcome)
            self.breakers.note(outcome)

    def wake(self) -> None:
        """Look at once: the clock was turned by hand."""
        self.reputations.wake()
        self.breakers.wake()

    async def stop(self) -> None:
        """Tell what was heard and not yet told, as far as the store can be reached."""
        try:
            async with asyncio.timeout(STOP_WAIT_S):
                await self.reputations.keep()
                if self.breakers.are_kept:
                    await self.breakers.keep()
        except (StoreError, TimeoutError) as away:
            log.warning("what was heard last of workers is lost: %s", str(away) or "the store did not answer")

    def look_again(self) -> None:
        """What is known here may be of another store."""
        self.reputations.look_again()
        self.breakers.look_again()


def rules_of(settings: Settings) -> Rules | None:
    """When breakers open; None: there are none."""
    window_ms, open_for_ms = span_ms(settings.breaker_window), span_ms(settings.breaker_open_for)
    if not settings.breaker_rate or window_ms is None or open_for_ms is None:
        return None
    return Rules(
        rate=settings.breaker_rate,
        attempts_min=settings.breaker_attempts_min,
        window_ms=window_ms,
        open_for_ms=open_for_ms,
    )
