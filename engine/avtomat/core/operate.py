"""Do what operators ask of an open job: hold it, let it go on, try again what failed, enter a state anew, take one as
done.

They act on the root scope. What runs below it is cancelled when the state that began it is left or entered anew; what
was noted to be undone stays noted.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import Final, assert_never

from avtomat.core.finishing import conclude
from avtomat.core.flow import go_on, leave
from avtomat.core.formula import Json
from avtomat.core.kinds.task import take_output
from avtomat.core.messages import (
    Change,
    Decision,
    Ignored,
    OperatorEvent,
    PauseRequested,
    ReleaseRequested,
    RerunRequested,
    ResumeRequested,
    SkipRequested,
)
from avtomat.core.model import Error, Status
from avtomat.core.scope import Scope
from avtomat.core.unwind import done, give_params, try_again
from avtomat.core.waiting import OnFinally, OnStart, OnUndo, OnUnwind
from avtomat.core.walk import Walk

_NO_PARAMS: Final = "the undo has no params: release it with `params`, or skip it"
FINISHING: Final = "the job has come to its end and runs its `finally`"
_NOWHERE: Final = "the job is undoing what it did, or has not begun"


def in_vain(event: OperatorEvent, status: Status, root: Scope, states: Container[str]) -> str:
    """Why the request makes no sense for a job of this status that stands so; empty when it does. `states` are the
    names of those of its own machine.
    """
    waiting = root.waiting
    match event:
        case PauseRequested():
            return f"the job is {status}" if status in (Status.PAUSED, Status.QUARANTINED) else ""
        case ResumeRequested():
            return "" if status is Status.PAUSED else "the job is not paused"
        case ReleaseRequested():
            return _release_in_vain(status, root, event, states)
        case RerunRequested(state=state):
            return _rerun_in_vain(root, state, states)
        case SkipRequested():
            stands = isinstance(waiting, OnUndo) or not (isinstance(waiting, OnUnwind | OnStart) or root.state is None)
            return "" if stands else "the job is in no state that can be skipped"
    assert_never(event)


def _release_in_vain(status: Status, root: Scope, event: ReleaseRequested, states: Container[str]) -> str:
    if status is not Status.QUARANTINED:
        return "the job is not quarantined"
    if isinstance(root.waiting, OnFinally):
        return "" if event.params is None and event.data is None else FINISHING
    if event.params is not None:
        return "" if isinstance(root.waiting, OnUndo) else "the job is not parked at an undo, which alone takes params"
    if event.data is not None and isinstance(root.waiting, OnStart | OnUnwind | OnUndo):
        return "no state reads the variables: the job is undoing what it did, or has not begun"
    return "" if isinstance(root.waiting, OnStart | OnUnwind) else _rerun_in_vain(root, None, states)


def _rerun_in_vain(root: Scope, state: str | None, states: Container[str]) -> str:
    waiting, target = root.waiting, state or root.state
    if isinstance(waiting, OnFinally):
        return FINISHING
    if isinstance(waiting, OnUndo) and state is None:
        return "" if waiting.attempt > 0 else _NO_PARAMS
    if isinstance(waiting, OnUndo | OnUnwind | OnStart) or target is None:
        return _NOWHERE
    return "" if target in states else f"the blueprint of this job has no state {target}"


def operate(walk: Walk, event: OperatorEvent) -> Decision:
    """Return what an operator's request changes, or why it makes no sense now."""
    reason = in_vain(event, walk.head.status, walk.before, walk.machine.states)
    if reason:
        return Ignored(reason=reason)
    match event:
        case PauseRequested():
            return _only(walk, Status.PAUSED)
        case ResumeRequested():
            return _only(walk, _status_when_moving(walk))
        case RerunRequested(state=state, data=data):
            return _rerun(walk, state, data)
        case ReleaseRequested(data=data, params=params):
            return _release(walk, data, params)
        case SkipRequested(output=output):
            return _skip(walk, output)
    assert_never(event)


def _rerun(walk: Walk, state: str | None, data: Json) -> Decision:
    waiting = walk.before.waiting
    if isinstance(waiting, OnUndo):
        return try_again(walk, waiting)
    if data is not None:
        walk.replace_data(data)
    walk.rescued = walk.rescued and state is None
    walk.status = Status.OPEN
    return go_on(walk, state or walk.current.name)


def _release(walk: Walk, data: Json, params: Json) -> Decision:
    """Try again what sank the job. One that was parked for no fault of a state goes on as it stood."""
    waiting = walk.before.waiting
    if isinstance(waiting, OnStart | OnUnwind | OnFinally):
        return _only(walk, _status_when_moving(walk))
    if isinstance(waiting, OnUndo) and params is not None:
        return give_params(walk, waiting, params)
    return _rerun(walk, None, data)


def _skip(walk: Walk, output: Json) -> Decision:
    waiting = walk.before.waiting
    if isinstance(waiting, OnFinally):
        return conclude(walk, waiting, Error(code="SKIPPED", message="an operator skipped it", state="finally"))
    if isinstance(waiting, OnUndo):
        walk.status = Status.COMPENSATING
        return done(walk, waiting)
    walk.status = Status.OPEN
    take_output(walk, output)
    return go_on(walk, leave(walk, walk.current, output, None))


def _only(walk: Walk, status: Status) -> Change:
    """The job's word changes and nothing else; what is under way stays."""
    return replace(walk.wait_for(walk.before.waiting), status=status, keeps=True)


def _status_when_moving(walk: Walk) -> Status:
    if isinstance(walk.before.waiting, OnFinally):
        return Status.FINISHING
    undoing = isinstance(walk.before.waiting, OnUnwind | OnUndo)
    return Status.COMPENSATING if undoing else Status.OPEN
