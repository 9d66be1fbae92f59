"""The state that runs another blueprint: a child, which is a job of its own.

The child begins in the step in which the state is entered, with the version that was current when the first job of the
family began. The state goes on with the child's result, or fails with its error. What its input must be is known to the
child's program alone: one that does not fit is told to the machine (`View.refused`), and the state fails with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from avtomat.core.amounts import AuthorError
from avtomat.core.awaited_child import OnChild
from avtomat.core.family import ChildEnded, StartJob, child_id
from avtomat.core.flow import fail, go_on, leave, make_error
from avtomat.core.formula import Template
from avtomat.core.kinds.state import NO_TIME, ActiveState, Step, parts_of
from avtomat.core.messages import Change, Decision, Ignored, TimerFired
from avtomat.core.model import Error, Status
from avtomat.core.program import Amount, Part, RetryPolicy
from avtomat.core.retry import try_after
from avtomat.core.value import value
from avtomat.core.waiting import Waiting
from avtomat.core.walk import Walk

DEPTH_MAX = 10
"""So many jobs may stand above a job, or fewer by the limit `depth` of its blueprint."""

JOBS_AT_ONCE_MAX = 100
"""So many detached jobs one decision may begin."""


@value
class RunState(ActiveState):
    """Begins a job of the blueprint `run` and waits for its end. `timeout` is that of the visit with all attempts."""

    KEY = "run"
    HOLDS_JOBS = True

    run: str
    input: Template | None = None
    timeout: Amount | None = None
    retry: tuple[RetryPolicy, ...] = ()

    def enter(self, walk: Walk) -> Step:
        """Begin the child."""
        span = walk.render_timeout(self.timeout, walk.names())
        deadline = None if span is None else walk.now + span
        return self._begin(walk, OnChild(job="", blueprint=self.run, deadline=deadline))

    def time_came(self, walk: Walk, waiting: Waiting, event: TimerFired) -> Decision:
        """The child took too long, or the next one is due."""
        del event
        match waiting:
            case OnChild(deadline=deadline) if _passed(deadline, walk.now):
                error = make_error(walk, "TIMEOUT_ERROR", "the child took longer than the timeout of the state")
                return go_on(walk, fail(walk, error))
            case OnChild(until=until) if until is not None:
                return self._begin_again(walk, waiting)
            case _:
                return NO_TIME

    def order(self, walk: Walk, attempt: int, *, detached: bool = False) -> StartJob:
        """The job to begin for this attempt. Raises AuthorError where there can be none."""
        depth = min(DEPTH_MAX, walk.program.limits.depth)
        if walk.head.depth >= depth:
            raise AuthorError("LIMIT_EXCEEDED", f"jobs run jobs more than {depth} levels deep")
        digest = walk.head.runs.get(self.run)
        if digest is None:
            text = f"there was no blueprint {self.run} when the job began"
            raise AuthorError("CHILD_NOT_FOUND", text)
        return StartJob(
            job=child_id(walk.head.job, walk.before.path, walk.visit, attempt),
            blueprint=self.run,
            digest=digest,
            input={} if self.input is None else walk.render(self.input, walk.names()).value,
            visit=walk.visit,
            place=walk.place,
            attempt=attempt,
            detached=detached,
        )

    def parts(self) -> Iterator[Part]:
        """See `State`."""
        return parts_of(self.input, self.timeout)

    @property
    def policies(self) -> tuple[RetryPolicy, ...]:
        """See `State`."""
        return self.retry

    def _begin(self, walk: Walk, due: OnChild) -> Step:
        refused = walk.refused.get(walk.visit)
        if refused is not None:
            return fail(walk, replace(refused, state=walk.place))
        order = self.order(walk, due.attempt)
        walk.jobs.append(order)
        return walk.wait_for(replace(due, job=order.job, until=None))

    def _begin_again(self, walk: Walk, waiting: OnChild) -> Change:
        try:
            return go_on(walk, self._begin(walk, waiting))
        except AuthorError as fault:
            return go_on(walk, fail(walk, walk.fault_as_error(fault, waiting.attempt)))


@value
class DetachedRunState(RunState):
    """Begins a job of the blueprint `run` and goes on at once; its output is the job's id."""

    CROSSED = True
    HOLDS_JOBS = False

    def enter(self, walk: Walk) -> Step:
        """Begin the job, and leave."""
        refused = walk.refused.get(walk.visit)
        if refused is not None:
            return fail(walk, replace(refused, state=walk.place))
        if len(walk.jobs) >= JOBS_AT_ONCE_MAX:
            text = f"more than {JOBS_AT_ONCE_MAX} detached jobs without waiting for anything"
            raise AuthorError("LIMIT_EXCEEDED", text)
        order = self.order(walk, 1, detached=True)
        walk.jobs.append(order)
        return leave(walk, self, {"job_id": order.job})


def answer_child(walk: Walk, event: ChildEnded) -> Decision:
    """Go on after the child has ended."""
    waiting, state = walk.before.waiting, walk.machine.states.get(walk.state or "")
    if not isinstance(waiting, OnChild) or not isinstance(state, RunState) or waiting.job != event.job:
        return Ignored(reason="the scope does not wait for this job")
    if event.status is Status.FINISHED:
        return go_on(walk, leave(walk, state, event.output))
    error = _error_of(walk, event)
    seen = replace(error, attempt=waiting.attempt)
    again = try_after(state.retry, seen, seed=walk.seed, taken=waiting.taken)
    if again is None:
        return go_on(walk, fail(walk, error))
    attempt, until = waiting.attempt + 1, walk.now + again.delay
    return walk.wait_for(replace(waiting, job="", attempt=attempt, until=until, taken=again.taken))


def _error_of(walk: Walk, event: ChildEnded) -> Error:
    """What the state fails with: the child's own error, of which each can be caught here."""
    if event.status is Status.CANCELLED:
        said = f": {event.error.message}" if event.error is not None and event.error.message else ""
        return make_error(walk, "CHILD_CANCELLED", f"the child was cancelled{said}", {"job_id": event.job})
    if event.error is None:
        return make_error(walk, "INTERNAL_ERROR", "the child failed without an error")
    return replace(event.error, handed_up=True)


def _passed(deadline: datetime | None, now: datetime) -> bool:
    return deadline is not None and deadline <= now
