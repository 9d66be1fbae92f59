"""Say whether new jobs are taken: not where the store is no safe place, nor while too many are open, nor while history
piles up.

Jobs that run go on either way. A store that could not be reached a moment ago is asked nevertheless: it may be back.
The limits are compared with a sample, so that taking a job costs nothing more; within a sample's age a few more than
the limit may come in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from avtomat.errors import RequestRefused, StoreError
from avtomat.runtime.measures import Sample

RETRY_AFTER_S: Final = 5


class Admission:
    """The limits, and the newest sample to compare them with."""

    def __init__(
        self,
        latest: Callable[[], Sample | None],
        trouble: Callable[[], StoreError | None],
        *,
        jobs_open_max: int,
        history_pending_max: int,
    ) -> None:
        self._latest = latest
        self._trouble = trouble
        self._jobs_open_max = jobs_open_max
        self._history_pending_max = history_pending_max

    def refusal(self) -> RequestRefused | None:
        """Why no new job is taken now."""
        trouble = self._trouble()
        if trouble is not None and trouble.code != StoreError.default_code:
            return not_now(trouble.message, trouble.code)
        sample = self._latest()
        if sample is None:
            return None
        if sample.open_jobs >= self._jobs_open_max:
            return not_now(f"{sample.open_jobs} jobs are open, and jobs_open_max allows no more", "jobs.too_many")
        if sample.history_pending >= self._history_pending_max:
            text = f"{sample.history_pending} entries of history wait for their database"
            return not_now(text, "store.history_behind")
        return None


def not_now(text: str, code: str, hint: str = "send it again later, with its Idempotency-Key") -> RequestRefused:
    """A refusal that says when to come again."""
    return RequestRefused(text, status=503, code=code, hint=hint, retry_after_s=RETRY_AFTER_S)
