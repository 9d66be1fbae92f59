"""The state that asks workers for one piece of work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from avtomat.core.flow import contract_error, fail, go_on, leave
from avtomat.core.formula import Check, Json, Template
from avtomat.core.kinds.state import ActiveState, Step, parts_of, parts_of_times
from avtomat.core.messages import (
    AttemptReturned,
    Change,
    Decision,
    DispatchTask,
    Ignored,
    LateSuccess,
    LeaseLost,
    Limit,
    TaskBody,
    TaskFailed,
    TaskSucceeded,
    TaskTimedOut,
)
from avtomat.core.model import Error
from avtomat.core.program import NO_TIMEOUTS, Compensation, Part, Requirements, RetryPolicy, Timeouts
from avtomat.core.retry import try_after
from avtomat.core.taskwork import error_of_attempt, returned_again, sticky_text, task_limits
from avtomat.core.unwind import answer_undo, note_attempt, note_bad_effect, note_effect
from avtomat.core.value import value
from avtomat.core.waiting import OnFinally, OnTask, OnUndo
from avtomat.core.walk import Walk


@value
class TaskState(ActiveState):
    """Asks workers for one piece of work. `priority` None is the job's.

    `retry` is a list of policies of which the first that names the error counts; empty means that it is tried once.
    `acts_once` is true for requests that are repeated by default only where they surely had no effect.
    """

    KEY = "task"

    kind: str
    params: Template
    requirements: Requirements | None = None
    sticky: Template | None = None
    priority: int | None = None
    timeouts: Timeouts = NO_TIMEOUTS
    retry: tuple[RetryPolicy, ...] = ()
    expects: Check | None = None
    compensate: Compensation | None = None
    acts_once: bool = False

    def enter(self, walk: Walk) -> Step:
        """Offer the first attempt; params are rendered once for all attempts."""
        names = walk.names()
        rendered = walk.render(self.params, names)
        limits = task_limits(walk, self.timeouts, names)
        if self.compensate is not None and self.compensate.attempted:
            note_attempt(walk, self)
        body = TaskBody(
            kind=self.kind,
            params=rendered.value,
            secrets=rendered.secrets,
            requirements=self.requirements,
            priority=walk.head.priority if self.priority is None else self.priority,
            sticky="" if self.sticky is None else sticky_text(walk, self.sticky, names),
        )
        order = DispatchTask(attempt=1, limits=limits, body=body, undoable=self.is_undoable)
        return walk.wait_for(OnTask(attempt=1, limits=limits), order)

    @property
    def is_undoable(self) -> bool:
        """Whether it is a success that notes an undo."""
        return self.compensate is not None and not self.compensate.attempted

    def parts(self) -> Iterator[Part]:
        """See `State`."""
        yield from parts_of(self.params, self.sticky)
        yield from parts_of_times(self.timeouts)
        if self.compensate is not None:
            yield from parts_of(self.compensate.params, self.compensate.when, self.compensate.sticky)
            yield from parts_of_times(self.compensate.timeouts)

    @property
    def policies(self) -> tuple[RetryPolicy, ...]:
        """See `State`."""
        return self.retry

    @property
    def undo(self) -> Compensation | None:
        """See `State`."""
        return self.compensate

    @property
    def secrets(self) -> frozenset[str]:
        """See `State`."""
        return self.params.secrets


def answer_task(walk: Walk, event: TaskSucceeded | TaskFailed | LeaseLost | AttemptReturned | TaskTimedOut) -> Decision:
    """Go on after what a worker answered, or did not answer in time: for a state's task, or an undo's."""
    waiting = walk.before.waiting
    if isinstance(event, AttemptReturned):
        return _offer_again(walk, event)
    if isinstance(waiting, OnUndo):
        return answer_undo(walk, waiting, event)
    if not isinstance(waiting, OnTask) or waiting.attempt != event.attempt:
        return Ignored(reason="the attempt is over")
    state = walk.current
    assert isinstance(state, TaskState)
    if isinstance(event, TaskSucceeded):
        bad = take_effect(walk, state, waiting, event)
        if bad is None:
            return go_on(walk, leave(walk, state, event.output, event.status))
        error = replace(bad, state=walk.place, attempt=waiting.attempt)
        return replace(_retry_or_fail(walk, state, replace(waiting, owes=True), error), unfit=True)
    error = replace(error_of_attempt(event), state=walk.place, attempt=waiting.attempt)
    if isinstance(event, TaskTimedOut) and event.limit is Limit.TOTAL:
        return go_on(walk, fail(walk, error))
    return _retry_or_fail(walk, state, waiting, error)


def take_effect(walk: Walk, state: TaskState, waiting: OnTask, event: TaskSucceeded) -> Error | None:
    """The worker did its work: note what undoes it. The error, if the output is not what was expected."""
    problems = state.expects.problems(event.output) if state.expects is not None else ()
    if not problems:
        note_effect(walk, state, event.output, event.status, owes=waiting.owes)
        return None
    error = contract_error("the output is not what `expects` describes", problems)
    if not waiting.owes:
        note_bad_effect(walk, state, replace(error, state=walk.place, attempt=waiting.attempt))
    return error


def take_output(walk: Walk, output: Json) -> None:
    """An operator says what the state's output is: the effect is there, so note what undoes it."""
    state, waiting = walk.current, walk.before.waiting
    if isinstance(state, TaskState):
        note_effect(walk, state, output, None, owes=isinstance(waiting, OnTask) and waiting.owes)


def answer_late(walk: Walk, event: LateSuccess, *, too_large: str = "") -> Decision:
    """Note what undoes an effect that the root hears of late, and nothing else; what is under way goes on. With
    `too_large` the undo could not be written: it is noted with that error.
    """
    if isinstance(walk.before.waiting, OnFinally):
        return Ignored(reason="the job has come to its end, and undoes nothing any more")
    late = Walk(walk.program, event.left, walk.now)
    waiting, state = late.before.waiting, late.machine.states.get(late.state or "")
    if not isinstance(waiting, OnTask) or not isinstance(state, TaskState):
        return Ignored(reason="the attempt was not of a task")
    if too_large:
        note_bad_effect(late, state, Error(code="LIMIT_EXCEEDED", message=too_large, state=late.place))
    else:
        take_effect(late, state, waiting, event.answer)
    if not late.undos:
        return Ignored(reason="nothing is to be undone")
    walk.undos += late.undos
    return replace(walk.wait_for(walk.before.waiting), keeps=True)


def _is_undoable(walk: Walk) -> bool:
    state = walk.current
    return isinstance(state, TaskState) and state.is_undoable


def _offer_again(walk: Walk, event: AttemptReturned) -> Decision:
    """A worker stops before the attempt is done: the same attempt goes to another one."""
    waiting = walk.before.waiting
    if not isinstance(waiting, OnTask | OnUndo) or waiting.attempt != event.attempt:
        return Ignored(reason="the attempt is over")
    again = returned_again(waiting)
    if again is None:
        return answer_task(walk, LeaseLost(attempt=event.attempt, gave_up=True, worker=event.worker))
    undoable = isinstance(waiting, OnTask) and _is_undoable(walk)
    return walk.wait_for(again, DispatchTask(attempt=waiting.attempt, limits=waiting.limits, undoable=undoable))


def _retry_or_fail(walk: Walk, state: TaskState, waiting: OnTask, error: Error) -> Change:
    again = try_after(state.retry, error, seed=walk.seed, taken=waiting.taken, acts_once=state.acts_once)
    if again is None:
        return go_on(walk, fail(walk, error))
    order = DispatchTask(
        attempt=waiting.attempt + 1,
        limits=waiting.limits,
        not_before=walk.now + again.delay,
        undoable=state.is_undoable,
    )
    awaited = OnTask(attempt=order.attempt, limits=waiting.limits, owes=waiting.owes, taken=again.taken)
    return walk.wait_for(awaited, order)
