"""Do what operators ask of an open job: hold it, let it go on, try again what failed, enter a state anew, take one as
done.

They act on the root scope. What runs below it is cancelled when the state that began it is left or entered anew; what
was noted to be undone stays noted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from avtomat.core.flow import go_on, leave
from avtomat.core.formula import Json
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
from avtomat.core.model import OnStart, OnUndo, OnUnwind, Status
from avtomat.core.unwind import done, try_again
from avtomat.core.walk import Walk


def operate(walk: Walk, event: OperatorEvent) -> Decision:
    """Return what an operator's wish changes, or why it makes no sense now."""
    match event:
        case PauseRequested():
            return _pause(walk)
        case ResumeRequested():
            return _resume(walk)
        case RerunRequested(state=state, data=data):
            return _rerun(walk, state, data)
        case ReleaseRequested(data=data):
            return _release(walk, data)
        case SkipRequested(output=output):
            return _skip(walk, output)
    assert_never(event)


def _pause(walk: Walk) -> Decision:
    if walk.head.status in (Status.PAUSED, Status.QUARANTINED):
        return Ignored(reason=f"the job is {walk.head.status}")
    return _only(walk, Status.PAUSED)


def _resume(walk: Walk) -> Decision:
    if walk.head.status is not Status.PAUSED:
        return Ignored(reason="the job is not paused")
    return _only(walk, _status_when_moving(walk))


def _rerun(walk: Walk, state: str | None, data: Json) -> Decision:
    waiting = walk.before.waiting
    if isinstance(waiting, OnUndo) and state is None:
        return try_again(walk, waiting)
    target = state or walk.state
    if isinstance(waiting, OnUndo | OnUnwind) or target is None or isinstance(waiting, OnStart):
        return Ignored(reason="the job is undoing what it did, or has not begun")
    if target not in walk.machine.states:
        return Ignored(reason=f"the blueprint of this job has no state {target}")
    if data is not None:
        walk.replace_data(data)
    walk.rescued = walk.rescued and state is None
    walk.status = Status.OPEN
    return go_on(walk, target)


def _release(walk: Walk, data: Json) -> Decision:
    """Try again what sank the job. One that was parked for no fault of a state goes on as it stood."""
    waiting = walk.before.waiting
    if walk.head.status is not Status.QUARANTINED:
        return Ignored(reason="the job is not quarantined")
    if data is not None and isinstance(waiting, OnStart | OnUnwind | OnUndo):
        return Ignored(reason="no state reads the variables: the job is undoing what it did, or has not begun")
    if isinstance(waiting, OnStart | OnUnwind):
        return _only(walk, _status_when_moving(walk))
    return _rerun(walk, None, data)


def _skip(walk: Walk, output: Json) -> Decision:
    waiting = walk.before.waiting
    if isinstance(waiting, OnUndo):
        walk.status = Status.COMPENSATING
        return done(walk, waiting)
    if isinstance(waiting, OnUnwind | OnStart) or walk.state is None:
        return Ignored(reason="the job stands in no state that could be skipped")
    walk.status = Status.OPEN
    return go_on(walk, leave(walk, walk.current, output, None))


def _only(walk: Walk, status: Status) -> Change:
    """The job's word changes and nothing else; what is under way stays."""
    return replace(walk.wait_for(walk.before.waiting), status=status, keeps=True)


def _status_when_moving(walk: Walk) -> Status:
    undoing = isinstance(walk.before.waiting, OnUnwind | OnUndo)
    return Status.COMPENSATING if undoing else Status.OPEN
