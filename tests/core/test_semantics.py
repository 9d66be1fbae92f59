"""The page that defines the semantics is true: each of its examples is run, and its diagram is the table's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from avtomat.core.awaited_child import OnChild
from avtomat.core.awaited_decision import OnApproval
from avtomat.core.duration import format_duration
from avtomat.core.family import ChildEnded
from avtomat.core.formula import Json
from avtomat.core.lifecycle import mermaid
from avtomat.core.messages import (
    ApprovalDecided,
    CancelRequested,
    DeadlinePassed,
    Decision,
    JoinDecided,
    LeaseLost,
    Limit,
    PauseRequested,
    RerunRequested,
    ResumeRequested,
    ScopeEnded,
    SignalReceived,
    SkipRequested,
    TaskSucceeded,
    TaskTimedOut,
    UnwindReady,
)
from avtomat.core.model import Error, Status
from avtomat.core.waiting import OnFork, OnRetry, OnSignal, OnTask, OnTimer, OnUndo, OnUnwind
from tests.core.building import Position, begun

PAGE = (Path(__file__).parents[2] / "docs/language/semantics.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```\s*```trace\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("blueprint", "trace"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_example_does_what_the_page_says(blueprint: str, trace: str) -> None:
    first, *rest = (re.split(r"\s+-> ", line) for line in trace.strip().splitlines())
    job = begun(blueprint, value_of(first[0].removeprefix("begin")))
    assert decided(job) == first[1]

    for event, expected in rest:
        assert told(job, event) == expected, event


def test_every_blueprint_on_the_page_has_a_trace() -> None:
    assert len(EXAMPLES) == PAGE.count("```yaml") == PAGE.count("```trace") > 10


def test_the_diagram_of_statuses_is_that_of_the_table() -> None:
    assert f"```mermaid\n{mermaid()}\n```" in PAGE, "paste what avtomat.core.lifecycle.mermaid() gives"


# --- reading a trace --------------------------------------------------------------------------------------------------


def told(job: Position, event: str) -> str:
    word, _, rest = event.partition(" ")
    if word == "body":
        index, _, rest = rest.partition(" ")
        body = job.body(int(index))
        return decided(body) if rest == "begins" else told(body, rest)
    EVENTS[word](job, rest)
    return decided(job)


def succeeds(job: Position, rest: str) -> Decision:
    status = "success"
    if rest.startswith("as "):
        _, status, rest = f"{rest} ".split(" ", 2)
    attempt = job.scope.waiting.attempt if isinstance(job.scope.waiting, OnTask | OnUndo) else 1
    return job.tell(TaskSucceeded(attempt=attempt, output=value_of(rest), status=status))


def wakes(job: Position, _: str) -> Decision:
    """Turn the clock to the time that is waited for, where there is one."""
    waiting = job.scope.waiting
    if isinstance(waiting, OnTimer | OnRetry):
        job.now = waiting.until
    elif isinstance(waiting, OnSignal) and waiting.deadline is not None:
        job.now = waiting.deadline
    elif isinstance(waiting, OnApproval | OnChild) and waiting.due_at is not None:
        job.now = waiting.due_at
    return job.wakes()


def decides(job: Position, rest: str) -> Decision:
    choice, _, form = rest.partition(" ")
    return job.tell(ApprovalDecided(visit=job.scope.visit, choice=choice, by="ann", form=value_of(form)))


def signal(job: Position, rest: str) -> Decision:
    name, _, payload = rest.partition(" ")
    return job.tell(SignalReceived(name=name, payload=value_of(payload)))


def child(job: Position, rest: str) -> Decision:
    """The child that is awaited has ended."""
    assert isinstance(job.scope.waiting, OnChild)
    status, _, told = rest.partition(" ")
    error = Error(code=told, state="a.b") if status == "failed" else None
    output = value_of(told) if status == "finished" else None
    return job.tell(ChildEnded(job=job.scope.waiting.job, status=Status(status), output=output, error=error))


def sunk(job: Position, code: str) -> Decision:
    return job.joins(failed=1, error=Error(code=code, state=job.scope.state or ""))


def joined(job: Position, outputs: str) -> Decision:
    """Null stands for a body that was not needed; of one that succeeded alone it is told which it was."""
    values = value_of(outputs)
    done = [index for index, value in enumerate(values) if value is not None]
    winner = done[0] if len(done) == 1 else None
    verdict = JoinDecided(number=job.scope.forks - 1, met=True, ok=len(values), failed=0, outputs=values, winner=winner)
    return job.tell(verdict)


EVENTS: dict[str, Callable[[Position, str], Decision]] = {
    "succeeds": succeeds,
    "fails": lambda job, code: job.fails(code),
    "lost": lambda job, _: job.tell(LeaseLost(attempt=job.attempt)),
    "passes": lambda job, limit: job.tell(TaskTimedOut(attempt=job.attempt, limit=Limit(limit))),
    "timer": wakes,
    "signal": signal,
    "decided": decides,
    "child": child,
    "joined": joined,
    "sunk": sunk,
    "deadline": lambda job, _: job.tell(DeadlinePassed()),
    "cancel": lambda job, how: job.tell(CancelRequested(compensate=not how)),
    "ready": lambda job, _: job.tell(UnwindReady()),
    "pause": lambda job, _: job.tell(PauseRequested()),
    "resume": lambda job, _: job.tell(ResumeRequested()),
    "rerun": lambda job, state: job.tell(RerunRequested(state=state or None)),
    "skip": lambda job, output: job.tell(SkipRequested(output=value_of(output))),
}


def value_of(text: str) -> Json:
    return json.loads(text) if text.strip() else None


# --- writing what was decided -----------------------------------------------------------------------------------------


def decided(job: Position) -> str:
    if job.ignored:
        return "ignored"
    change = job.change
    if change.ended is not None:
        return ended(change.ended)
    if change.keeps and change.status is not None:
        return str(change.status)
    if change.status is Status.QUARANTINED and change.reason is not None:
        return f"parked {change.reason.code} in {change.reason.state}"
    return waits(job)


def ended(how: ScopeEnded) -> str:
    if how.status is Status.CANCELLED:
        return "cancelled"
    if how.error is not None:
        return f"failed {how.error.code} in {how.error.state}"
    return f"finished {json.dumps(how.output)}"


def waits(job: Position) -> str:
    match job.scope.waiting:
        case OnTask(attempt=attempt):
            return f"{job.scope.state}: attempt {attempt}{order_of(job)}"
        case OnTimer(until=until) | OnRetry(until=until):
            return f"{job.scope.state}: timer {format_duration(until - job.now)}"
        case OnSignal(address=address, key=key, deadline=deadline):
            time = "" if deadline is None else f" for {format_duration(deadline - job.now)}"
            return f"{job.scope.state}: signal {address.partition('#')[0]}{f' key {key}' if key else ''}{time}"
        case OnApproval() as waiting:
            time = "" if waiting.deadline is None else f" for {format_duration(waiting.deadline - job.now)}"
            again = " again" if waiting.reminders else ""
            return f"{job.scope.state}: asks {', '.join(waiting.assignees)}: {waiting.text}{time}{again}"
        case OnChild(until=until) if until is not None:
            return f"{job.scope.state}: timer {format_duration(until - job.now)}"
        case OnChild() as waiting:
            time = "" if waiting.deadline is None else f" for {format_duration(waiting.deadline - job.now)}"
            return f"{job.scope.state}: runs {waiting.blueprint} {json.dumps(job.change.jobs[-1].input)}{time}"
        case OnFork(total=total):
            return f"{job.scope.state}: {total} bodies"
        case OnUnwind():
            return "undoing"
        case OnUndo(attempt=attempt):
            return f"undo{order_of(job)}" if attempt == 1 else f"undo: attempt {attempt}{order_of(job)}"
        case other:
            return str(other)


def order_of(job: Position) -> str:
    """When a retry may begin; the params of a first attempt."""
    order = job.change.dispatch
    assert order is not None
    if order.not_before is not None:
        return f" in {format_duration(order.not_before - job.now)}"
    assert order.body is not None
    return f" {json.dumps(order.body.params)}"
