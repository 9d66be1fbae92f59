"""Word the causes for which a job does not move that lie in another job: a child that has not ended."""

from __future__ import annotations

from collections.abc import Sequence

from avtomat.core.awaited_child import OnChild
from avtomat.core.formula import Json
from avtomat.core.timestamp import format_time
from avtomat.core.waiting import OnUnwind
from avtomat.runtime.people.causes import NAMES_SHOWN_MAX, Waiter, cause


def child_awaited(waiter: Waiter, waiting: OnChild) -> dict[str, Json]:
    """A child has not ended; what it waits for follows."""
    until = None if waiting.deadline is None else format_time(waiting.deadline)
    text = f"waits for the end of the job {waiting.job}, which runs {waiting.blueprint}"
    text += f" (attempt {waiting.attempt})" if waiting.attempt > 1 else ""
    text += f", until {until}" if until else ""
    hint = f"see what that job waits for: avtomat jobs why {waiting.job}"
    details = {"child": waiting.job, "blueprint": waiting.blueprint, "attempt": waiting.attempt, "until": until}
    return cause(waiter, "child", text, hint, **details)


def child_retry(waiter: Waiter, waiting: OnChild) -> dict[str, Json]:
    """A child failed, and the next one is not yet due."""
    until = None if waiting.until is None else format_time(waiting.until)
    text = f"the child of {waiting.blueprint} failed; attempt {waiting.attempt} begins at {until}"
    hint = "it begins by itself, as a new job; the history of this one tells what failed"
    return cause(waiter, "child_retry", text, hint, blueprint=waiting.blueprint, attempt=waiting.attempt, until=until)


def children_awaited(waiter: Waiter, waiting: OnUnwind, jobs: Sequence[str]) -> dict[str, Json]:
    """Undos may not run while children undo what they did."""
    more = f" and {len(jobs) - NAMES_SHOWN_MAX} more" if len(jobs) > NAMES_SHOWN_MAX else ""
    text = f"the job will be {waiting.status}; before it undoes what it did, it waits for its children, which were "
    text += f"cancelled and undo what they did: {', '.join(jobs[:NAMES_SHOWN_MAX])}{more}"
    hint = f"see what they wait for; to end without undoing: avtomat jobs cancel {waiter.job} --no-compensate"
    return cause(waiter, "children_awaited", text, hint, then=waiting.status, children=[*jobs])
