"""Undo what a job did when it ends badly: note undos on the way, and run them backwards at the end.

The rules
  * An undo is rendered and noted in the commit in which its state completes (or is attempted), so that what is undone
    is what was done. It belongs to the job, whichever scope noted it. A success always notes its undo, whatever else
    fails in that commit; one that cannot be rendered is noted with its error, and parks the job when its turn comes.
  * A job that fails or is cancelled closes everything, waits until no lease is live, and runs its undos in the
    reverse order of these commits, one at a time, each as a visit of its own. Then it ends as it was to end.
  * An undo is tried by its own policy. One that fails for good parks the job: an operator tries it again, or skips
    it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from avtomat.core.amounts import AuthorError
from avtomat.core.finishing import end_root
from avtomat.core.formula import Json, Rendered
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
from avtomat.core.model import Error, Status
from avtomat.core.program import Compensation, State
from avtomat.core.retry import try_after
from avtomat.core.taskwork import error_of_attempt, sticky_text, task_limits
from avtomat.core.waiting import OnUndo, OnUnwind, TaskLimits
from avtomat.core.walk import Names, Walk


def note_attempt(walk: Walk, state: State) -> None:
    """Note what undoes an effect that is only attempted. Raises AuthorError when that cannot be rendered."""
    undo = _rendered(walk, state, {})
    if undo is not None:
        walk.undos.append(undo)


def note_effect(walk: Walk, state: State, output: Json, status: str | None, *, owes: bool = False) -> None:
    """Note what undoes a visit that took effect, if anything does: whatever else fails now, the effect is there. One
    that cannot be rendered is noted with its error.
    """
    if state.undo is None or state.undo.attempted:
        return
    try:
        undo = _rendered(walk, state, {"output": output, "status": status})
        if undo is None and owes:
            undo = replace(_without_params(walk, state), runs=False)
    except AuthorError as fault:
        undo = None if owes else _without_params(walk, state, walk.fault_as_error(fault))
    if undo is not None:
        walk.undos.append(replace(undo, settles=owes))


def note_bad_effect(walk: Walk, state: State, error: Error) -> None:
    """Note that a visit took effect, with an output that is not what was expected: an operator has to say how to undo
    it, unless a later attempt of the visit ends well.
    """
    if state.undo is not None and not state.undo.attempted:
        walk.undos.append(_without_params(walk, state, error))


def _rendered(walk: Walk, state: State, extra: Names) -> Undo | None:
    """The undo as its `when` and params say; None when `when` says that there is nothing to undo."""
    undo, names = state.undo, walk.names(extra)
    assert undo is not None
    if undo.when is not None and not walk.evaluate_guard(undo.when, names):
        return None
    rendered = walk.render(undo.params, names)
    total = walk.render_span(undo.timeouts.total, names)
    limits = replace(task_limits(walk, undo.timeouts, names), total_at=None)
    sticky = "" if undo.sticky is None else sticky_text(walk, undo.sticky, names)
    return _undo(walk, state, undo, rendered, limits, total, sticky)


def _without_params(walk: Walk, state: State, error: Error | None = None) -> Undo:
    undo = state.undo
    assert undo is not None
    return replace(_undo(walk, state, undo, Rendered(value=None), TaskLimits(), None), error=error)


def _undo(
    walk: Walk,
    state: State,
    undo: Compensation,
    rendered: Rendered,
    limits: TaskLimits,
    total: timedelta | None,
    sticky: str = "",
) -> Undo:
    return Undo(
        machine=walk.before.machine,
        state=state.name,
        place=walk.place,
        body=TaskBody(
            kind=undo.kind,
            params=rendered.value,
            secrets=rendered.secrets,
            requirements=undo.requirements,
            priority=walk.head.priority,
            sticky=sticky,
        ),
        limits=limits,
        total=total,
        visit=f"{walk.before.path}:{walk.visit}",
    )


def end_job(walk: Walk, ended: ScopeEnded, *, compensate: bool = True) -> Change:
    """End the root scope as it is to end; where there may be something to undo, undo it first."""
    if compensate and ended.status is not Status.FINISHED and walk.program.compensates:
        return walk.unwind(OnUnwind(status=ended.status, error=ended.error))
    return end_root(walk, ended)


def go_on_undoing(walk: Walk, unwind: OnUnwind) -> Change:
    """Begin the newest undo that has not run; end the job when there is none."""
    if not walk.noted:
        return end_root(walk, ScopeEnded(status=unwind.status, error=unwind.error))
    return _begin(walk, unwind, len(walk.noted) - 1)


def give_params(walk: Walk, waiting: OnUndo, params: Json) -> Change:
    """An operator says with which params the undo is to run."""
    walk.status = Status.COMPENSATING
    body = replace(walk.noted[waiting.index].body, params=params, secrets=())
    return _dispatch(walk, waiting.unwind, waiting.index, body)


def answer_undo(walk: Walk, waiting: OnUndo, event: TaskSucceeded | TaskFailed | LeaseLost | TaskTimedOut) -> Decision:
    """An attempt of an undo has ended."""
    if event.attempt != waiting.attempt:
        return Ignored(reason="the attempt is over")
    if isinstance(event, TaskSucceeded):
        return done(walk, waiting)
    undo = walk.noted[waiting.index]
    error = replace(error_of_attempt(event), state=undo.place, attempt=waiting.attempt)
    compensation = _compensation(walk, undo)
    final = isinstance(event, TaskTimedOut) and event.limit is Limit.TOTAL
    seed = f"{walk.seed} undo {waiting.seq}"
    policies, once = compensation.retry, compensation.acts_once
    again = None if final else try_after(policies, error, seed=seed, taken=waiting.taken, acts_once=once)
    if again is None:
        return _park(walk, undo, error, waiting)
    order = DispatchTask(attempt=waiting.attempt + 1, limits=waiting.limits, not_before=walk.now + again.delay)
    return walk.wait_for(replace(waiting, attempt=order.attempt, taken=again.taken), order)


def try_again(walk: Walk, waiting: OnUndo) -> Change:
    """An operator wants a failed undo to be tried again, from its first attempt; it is the same visit."""
    walk.status = Status.COMPENSATING
    return _dispatch(walk, waiting.unwind, waiting.index, walk.noted[waiting.index].body)


def done(walk: Walk, waiting: OnUndo) -> Change:
    """This undo has run, or counts as run: on to the one before it."""
    return _on_from(walk, _settled_by(walk.noted[waiting.index], waiting.unwind), waiting.index)


def _settled_by(undo: Undo, unwind: OnUnwind) -> OnUnwind:
    return replace(unwind, settled=(*unwind.settled, undo.visit)) if undo.settles else unwind


def _on_from(walk: Walk, unwind: OnUnwind, index: int) -> Change:
    if index > 0:
        return _begin(walk, unwind, index - 1)
    return replace(walk.wait_for(unwind), undone_seq=walk.noted_seq)


def _begin(walk: Walk, unwind: OnUnwind, index: int) -> Change:
    """Each undo is a visit of its own: workers know an effect by job, path and visit, and must not take it for done."""
    undo = walk.noted[index]
    if undo.error is not None and undo.visit in unwind.settled:
        settled = tuple(visit for visit in unwind.settled if visit != undo.visit)
        return _on_from(walk, replace(unwind, settled=settled), index)
    if not undo.runs:
        return _on_from(walk, _settled_by(undo, unwind), index)
    walk.visit += 1
    if undo.error is not None:
        waiting = _waiting(walk, unwind, index, 0, undo.limits)
        return _park(walk, undo, undo.error, waiting)
    return _dispatch(walk, unwind, index, undo.body)


def _dispatch(walk: Walk, unwind: OnUnwind, index: int, body: TaskBody) -> Change:
    undo = walk.noted[index]
    limits: TaskLimits = replace(undo.limits, total_at=None if undo.total is None else walk.now + undo.total)
    waiting = _waiting(walk, unwind, index, 1, limits)
    return walk.wait_for(waiting, DispatchTask(attempt=1, limits=limits, body=body))


def _waiting(walk: Walk, unwind: OnUnwind, index: int, attempt: int, limits: TaskLimits) -> OnUndo:
    place = walk.noted[index].place
    return OnUndo(seq=walk.noted_seq, index=index, attempt=attempt, unwind=unwind, limits=limits, place=place)


def _park(walk: Walk, undo: Undo, error: Error, waiting: OnUndo) -> Change:
    """The job waits for an operator at an undo that failed for good, or that nobody knows the params of."""
    happened = "failed" if undo.error is None else "has no params"
    text = f"the undo of {undo.place} {happened}: {error.code} {error.message}".rstrip()
    failed = Error(code="COMPENSATION_FAILED", message=text, details=error.as_json(), state=undo.place)
    return walk.park(failed, waiting)


def _compensation(walk: Walk, undo: Undo) -> Compensation:
    compensation = walk.program.machines[undo.machine].states[undo.state].undo
    assert compensation is not None
    return compensation
