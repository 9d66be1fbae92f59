"""Run a job's `finally`: once for every end of a job that has entered a state, after its undos.

The rules
  * It is one body below the root, a machine of its own. The root waits for it, and then ends as it was to end before.
  * It has a time of its own; the job's timeout no longer counts, and nothing catches what fails in it. Its failure
    is kept as the job's `finally_error`, and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from avtomat.core.formula import Json
from avtomat.core.messages import Change, Decision, ForkScopes, Ignored, JoinDecided, ScopeEnded
from avtomat.core.model import Error, Status
from avtomat.core.program import FINALLY, RESULT
from avtomat.core.waiting import OnFinally
from avtomat.core.walk import AuthorError, Names, Walk

_TOO_LONG = "`finally` took longer than its timeout"


def end_root(walk: Walk, ended: ScopeEnded) -> Change:
    """End the job so; its `finally` comes first, if it has one and has entered a state."""
    if walk.program.finally_time is None or walk.visit == 0 or isinstance(walk.before.waiting, OnFinally):
        return walk.end(ended)
    error = None if ended.error is None else ended.error.as_json()
    ending: dict[str, Json] = {"status": ended.status, "error": error}
    try:
        span = walk.render_span(walk.program.finally_time, _names(walk, ended, ending)) or timedelta()
    except AuthorError as fault:
        return _end(walk, ended, replace(walk.fault_as_error(fault), state="finally"))
    if ended.error is None and ended.output is not None:
        walk.own_outputs = {**walk.own_outputs, RESULT: ended.output}
    order = ForkScopes(
        number=walk.forks,
        total=1,
        need=1,
        tolerated=0,
        window=1,
        machines=(FINALLY,),
        places=("finally",),
        ending=ending,
    )
    walk.forks += 1
    waiting = OnFinally(number=order.number, status=ended.status, error=ended.error, deadline=walk.now + span)
    change = walk.wait_for(waiting, fork=order)
    return replace(change, status=Status.FINISHING)


def _names(walk: Walk, ended: ScopeEnded, ending: Mapping[str, Json]) -> Names:
    """What the time of `finally` may be made of: what its states see."""
    names = walk.names()
    result = ended.output if ended.error is None else None
    return {**names, "job": {**names["job"], **ending, "result": result}}


def answer_finally(walk: Walk, waiting: OnFinally, event: JoinDecided) -> Decision:
    """`finally` has ended: so does the job."""
    if waiting.number != event.number:
        return Ignored(reason="that is not the fork of finally")
    walk.joined = True
    return conclude(walk, waiting, None if event.met else event.error)


def miss_finally(walk: Walk, waiting: OnFinally) -> Change:
    """The time that `finally` has is over."""
    return conclude(walk, waiting, Error(code="TIMEOUT_ERROR", message=_TOO_LONG, state="finally"))


def conclude(walk: Walk, waiting: OnFinally, error: Error | None) -> Change:
    """End the job as it was to end; `error` is what its `finally` failed with."""
    result = None if waiting.error is not None else walk.value_of(walk.own_outputs.get(RESULT))
    return _end(walk, ScopeEnded(output=result, error=waiting.error, status=waiting.status), error)


def _end(walk: Walk, ended: ScopeEnded, error: Error | None) -> Change:
    walk.own_outputs = {name: output for name, output in walk.own_outputs.items() if name != RESULT}
    walk.finally_error = error
    return walk.end(ended)
