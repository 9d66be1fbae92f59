"""What a task may know about itself, and say while it runs."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


async def _to_nobody(_name: str, _payload: Mapping[str, Any]) -> None:
    """A context that was made by hand has no engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContext:
    """One attempt of one task, as its function sees it. Annotate a parameter with it to get it."""

    job_id: str
    task_id: str
    """Names this attempt; the next attempt of the same task has another."""
    kind: str
    attempt: int
    """1 for the first."""
    idempotency_key: str
    """The same for all attempts of a task: give it to services that must not do things twice."""
    deadline: datetime | None
    """When the engine gives up waiting for this attempt, by this machine's clock."""
    traceparent: str | None
    """The W3C trace context of the job."""
    report: Callable[[float, str], None] = field(repr=False)
    send: Callable[[str, Mapping[str, Any]], Awaitable[None]] = field(default=_to_nobody, repr=False)
    cancel_asked: threading.Event = field(default_factory=threading.Event, repr=False)
    cancel_seen: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the result any more: the job was cancelled, the time is over, or the worker stops.

        An async function is cancelled besides; one that runs in a thread has to look here from time to time. A
        function that has seen True is taken to give up: what it returns or raises then does not count.
        """
        if self.cancel_asked.is_set():
            self.cancel_seen.set()
        return self.cancel_seen.is_set()

    async def progress(self, fraction: float, message: str = "") -> None:
        """Tell the engine how far the task is: 0 to 1, and a short text.

        It is sent soon, and only the last of several; a report that cannot be delivered never fails the task.
        """
        self.report_progress(fraction, message)

    async def emit(self, name: str, payload: Mapping[str, Any]) -> None:
        """Send the job a signal of this name, as an event of this attempt. It returns once the engine has it.

        Raises EngineRefusedError when the job's blueprint has no such signal, or `payload` does not fit it.
        """
        await self.send(name, payload)

    def report_progress(self, fraction: float, message: str = "") -> None:
        """Like `progress`, for plain functions: it may be called from any thread."""
        if not 0 <= fraction <= 1:
            raise ValueError(f"progress is a fraction from 0 to 1, not {fraction}")
        self.report(fraction, message)
