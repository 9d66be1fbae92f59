"""Word the causes for which a task is held back from workers: a breaker that is open, a worker that is preferred."""

from __future__ import annotations

from collections.abc import Mapping

from avtomat.core.formula import Json
from avtomat.core.timestamp import format_time, from_ms
from avtomat.runtime.people.causes import Waiter, cause, kind_of
from avtomat.storage.port.answers import OpenTask


def breaker_open(waiter: Waiter, breaker: Mapping[str, Json]) -> dict[str, Json]:
    """The breaker of the task's kind lets nothing out."""
    kind, probe = breaker["kind"], breaker["probe"]
    text = f"the breaker of {kind} is open since {breaker['since']}, because {breaker['reason']}; "
    if probe is None:
        text = f"{text}the next probe goes out at {breaker['next_probe_at']}"
    else:
        text = f"the breaker of {kind} is open since {breaker['since']}; worker {probe['worker']} has the probe"
    hint = f"it closes when a probe ends well; once {kind} is mended: avtomat breakers reset {kind}"
    return cause(
        waiter,
        "breaker_open",
        text,
        hint,
        kind=kind,
        since=breaker["since"],
        reason=breaker["reason"],
        next_probe_at=breaker["next_probe_at"],
        probe=probe,
    )


def worker_awaited(waiter: Waiter, task: OpenTask) -> dict[str, Json]:
    """A task waits a moment for the worker that had the last one of its `sticky` text."""
    until, kind = None if task.due_ms is None else format_time(from_ms(task.due_ms)), kind_of(task)
    text = f"{kind} waits until {until} for worker {task.worker}, which had the last task of the same `sticky` text"
    hint = "after that time any worker that fits may take it"
    return cause(waiter, "worker_awaited", text, hint, kind=kind, worker=task.worker, until=until)
