"""Undo what a job did when it ends badly: note undos on the way, and run them backwards at the end.

The rules
  * An undo is rendered and noted in the commit in which its state completes (or is attempted), so that what is undone
    is what was done. It belongs to the job, whichever scope noted it.
  * A job that fails or is cancelled closes everything, waits until no lease is live, and runs its undos in the
    reverse order of these commits, one at a time, each as a visit of its own. Then it ends as it was to end.
  * An undo is tried by its own policy. One that fails for good parks the job: an operator tries it again, or skips
    it.
"""

from __future__ import annotations

from dataclasses import replace

from avtomat.core.formula import Json
from avtomat.core.messages import (
    Change,
    Decision,
    DispatchTask,
    Ignored,
    LeaseLost,
    Limit,
    ScopeEnded,
    TaskBody,
    TaskFailed,
    TaskSucceeded,
    TaskTimedOut,
    Undo,
)
from avtomat.core.model import Error, OnUndo, OnUnwind, Status, TaskLimits
from avtomat.core.program import Compensation, TaskState
from avtomat.core.retry import try_after
from avtomat.core.taskwork import error_of_attempt, task_limits
from avtomat.core.walk import Walk


def note_undo(walk: Walk, state: TaskState, output: Json, status: str | None) -> None:
    """Note what undoes this visit, if anything does. Raises AuthorError when it cannot be rendered."""
    undo = state.compensate
    names = walk.names({"output": output, "status": status})
    if undo is None or (undo.when is not None and not walk.evaluate_guard(undo.when, names)):
        return
    rendered = walk.render(undo.params, names)
    body = TaskBody(
        kind=undo.kind,
        params=rendered.value,
        secrets=rendered.secrets,
        requirements=undo.requirements,
        priority=walk.head.priority,
    )
    total = walk.render_span(undo.timeouts.total, names)
    limits = replace(task_limits(walk, undo.timeouts, names), total_at=None)
    noted = Undo(machine=walk.before.machine, state=state.name, place=walk.place, body=body, limits=limits, total=total)
    walk.undos.append(noted)


def end_job(walk: Walk, ended: ScopeEnded, *, compensate: bool = True) -> Change:
    """End the root scope as it is to end; where there may be something to undo, undo it first."""
    if compensate and ended.status is not Status.FINISHED and walk.program.compensates:
        return walk.unwind(OnUnwind(status=ended.status, error=ended.error))
    return walk.end(ended)


def go_on_undoing(walk: Walk, unwind: OnUnwind) -> Change:
    """Begin the newest undo that has not run; end the job when there is none."""
    if not walk.noted:
        return walk.end(ScopeEnded(status=unwind.status, error=unwind.error))
    return _begin(walk, unwind, len(walk.noted) - 1)


def answer_undo(walk: Walk, waiting: OnUndo, event: TaskSucceeded | TaskFailed | LeaseLost | TaskTimedOut) -> Decision:
    """An attempt of an undo has ended."""
    if event.attempt != waiting.attempt:
        return Ignored(reason="the attempt is over")
    if isinstance(event, TaskSucceeded):
        return done(walk, waiting)
    undo = walk.noted[waiting.index]
    error = replace(error_of_attempt(event), state=undo.place, attempt=event.attempt)
    policies = _compensation(walk, undo).retry
    final = isinstance(event, TaskTimedOut) and event.limit is Limit.TOTAL
    seed = f"{walk.seed} undo {waiting.seq}"
    again = None if final else try_after(policies, error, seed=seed, taken=waiting.taken)
    if again is None:
        text = f"the undo of {undo.place} failed: {error.code} {error.message}".rstrip()
        failed = Error(code="COMPENSATION_FAILED", message=text, details=error.as_json(), state=undo.place)
        return walk.park(failed, waiting)
    order = DispatchTask(attempt=waiting.attempt + 1, limits=waiting.limits, not_before=walk.now + again.delay)
    return walk.wait_for(replace(waiting, attempt=order.attempt, taken=again.taken), order)


def try_again(walk: Walk, waiting: OnUndo) -> Change:
    """An operator wants a failed undo to be tried again, from its first attempt; it is the same visit."""
    walk.status = Status.COMPENSATING
    return _dispatch(walk, waiting.unwind, waiting.index)


def done(walk: Walk, waiting: OnUndo) -> Change:
    """This undo has run, or counts as run: on to the one before it."""
    if waiting.index > 0:
        return _begin(walk, waiting.unwind, waiting.index - 1)
    return replace(walk.wait_for(waiting.unwind), undone_seq=waiting.seq)


def _begin(walk: Walk, unwind: OnUnwind, index: int) -> Change:
    """Each undo is a visit of its own: workers know an effect by job, path and visit, and must not take it for done."""
    walk.visit += 1
    return _dispatch(walk, unwind, index)


def _dispatch(walk: Walk, unwind: OnUnwind, index: int) -> Change:
    undo = walk.noted[index]
    limits: TaskLimits = replace(undo.limits, total_at=None if undo.total is None else walk.now + undo.total)
    waiting = OnUndo(seq=walk.noted_seq, index=index, attempt=1, unwind=unwind, limits=limits)
    return walk.wait_for(waiting, DispatchTask(attempt=1, limits=limits, body=undo.body))


def _compensation(walk: Walk, undo: Undo) -> Compensation:
    state = walk.program.machines[undo.machine].states[undo.state]
    assert isinstance(state, TaskState)
    assert state.compensate is not None
    return state.compensate
