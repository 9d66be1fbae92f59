"""Run the tasks that the worker holds, each to exactly one outcome.

- A task that nobody wants any more is cancelled: async functions by CancelledError, threads by `context.cancelled`.
- Once a function has learned of it, what it returns or raises is that of a function giving up, and does not count.
  One that ended without learning of it has a true outcome; the engine knows whether that came too late.
- Whatever a function raises becomes an outcome; nothing that it does ends the worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from avtomat_worker.context import TaskContext
from avtomat_worker.errors import TaskError, text_of
from avtomat_worker.handlers import Handler, Middleware
from avtomat_worker.limits import Limits
from avtomat_worker.messages import Assignment, Cancelled, Failed, Json, Outcome, Result, Succeeded, encode_output
from avtomat_worker.waiting import Clock, Signal

logger = logging.getLogger(__name__)

Emit = Callable[[Assignment, str, Mapping[str, Json]], Awaitable[None]]
"""Tells the engine an event of an attempt."""

# The engine's times are whole seconds, so the difference of two may be one too short.
DEADLINE_SLACK_S = 1.0


class Why(Enum):
    """Why an attempt was given up."""

    UNWANTED = "the engine cancelled it"
    LATE = "its deadline passed"
    STOPPING = "the worker stops"


@dataclass(slots=True, kw_only=True)
class Execution:
    """One attempt under way."""

    assignment: Assignment
    context: TaskContext
    started_at: float
    why: Why | None = None
    call: asyncio.Task[object] | None = None
    guard: asyncio.Task[None] | None = field(default=None, repr=False)


class RunningTasks:
    """The attempts under way, at most `concurrency` at once.

    `ended(assignment, outcome, took_s)` is called once for each, when its outcome is known.
    """

    def __init__(
        self,
        *,
        handlers: Mapping[str, Handler],
        concurrency: int,
        limits: Limits,
        clock: Clock,
        changed: Signal,
        ended: Callable[[Assignment, Outcome, float], None],
        report: Callable[[Assignment, float, str], None],
        emit: Emit,
        around: Sequence[Middleware] = (),
    ) -> None:
        self._handlers = handlers
        self._concurrency = concurrency
        self._limits = limits
        self._clock = clock
        self._changed = changed
        self._ended = ended
        self._report = report
        self._emit = emit
        self._around = around
        self._executions: dict[str, Execution] = {}
        self._slots = asyncio.Semaphore(concurrency)

    @property
    def task_ids(self) -> list[str]:
        """The attempts under way."""
        return list(self._executions)

    @property
    def by_kind(self) -> Counter[str]:
        """How many attempts are under way, by kind."""
        return Counter(execution.assignment.kind for execution in self._executions.values())

    @property
    def free(self) -> int:
        """How many more tasks there is room for."""
        return max(0, self._concurrency - len(self._executions))

    def shortest_lease_s(self) -> float | None:
        """Return the lease that ends first when no heartbeat comes; None when nothing is under way."""
        return min((execution.assignment.lease_s for execution in self._executions.values()), default=None)

    def start(self, assignment: Assignment) -> None:
        """Begin an attempt; one that is under way already is left alone."""
        if assignment.task_id in self._executions:
            return
        execution = Execution(
            assignment=assignment, context=self._context(assignment), started_at=self._clock.monotonic()
        )
        self._executions[assignment.task_id] = execution
        execution.guard = asyncio.create_task(self._run(execution), name=f"task {assignment.task_id}")
        self._changed.notify()

    def cancel(self, task_id: str, why: Why) -> None:
        """Give up an attempt, if it is under way; the first reason counts."""
        execution = self._executions.get(task_id)
        if execution is None or execution.why is not None:
            return
        execution.why = why
        execution.context.cancel_asked.set()
        handler = self._handlers.get(execution.assignment.kind)
        if execution.call is not None and handler is not None and handler.is_async and execution.call.cancel():
            execution.context.cancel_seen.set()

    def abandon(self) -> None:
        """Give back what is still running, without waiting for it: threads that do not look at `context.cancelled`."""
        for execution in list(self._executions.values()):
            assert execution.guard is not None
            execution.guard.cancel()
            self._end(execution, Cancelled(given_back=True))

    def _context(self, assignment: Assignment) -> TaskContext:
        loop = asyncio.get_running_loop()

        def report(fraction: float, message: str) -> None:
            loop.call_soon_threadsafe(self._report, assignment, fraction, message)

        async def emit(name: str, payload: Mapping[str, Json]) -> None:
            await self._emit(assignment, name, payload)

        return TaskContext(
            job_id=assignment.job_id,
            task_id=assignment.task_id,
            kind=assignment.kind,
            attempt=assignment.attempt,
            idempotency_key=assignment.idempotency_key,
            deadline=assignment.deadline_at(self._clock.now()),
            traceparent=assignment.traceparent,
            report=report,
            send=emit,
        )

    async def _run(self, execution: Execution) -> None:
        async with self._slots:
            if execution.why is not None:
                self._end(execution, _given_up(execution.why))
                return
            execution.call = asyncio.create_task(self._call(execution))
            watch = asyncio.create_task(self._watch_deadline(execution))
            try:
                await asyncio.wait({execution.call})
            finally:
                watch.cancel()
                execution.call.cancel()
        self._end(execution, self._true_outcome(execution, execution.call))

    async def _call(self, execution: Execution) -> object:
        handler = self._handlers.get(execution.assignment.kind)
        if handler is None:
            raise TaskError("PERMANENT_ERROR", f"this worker has no task {execution.assignment.kind!r}")
        if execution.assignment.is_forged:
            raise TaskError("SECURITY_ERROR", "the task is not signed by the engine's secret: nothing was done")
        try:
            return await handler.call(execution.assignment.params, execution.context, self._around)
        except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:  # they would end the worker, not the task
            raise RuntimeError(f"{type(error).__name__}: {error}") from error

    async def _watch_deadline(self, execution: Execution) -> None:
        deadline = execution.context.deadline
        if deadline is not None:
            left_s = deadline.timestamp() - self._clock.now() + DEADLINE_SLACK_S
            await self._clock.wait(asyncio.Event(), left_s)
            self.cancel(execution.assignment.task_id, Why.LATE)

    def _true_outcome(self, execution: Execution, call: asyncio.Task[object]) -> Outcome:
        """The outcome, whatever the function left behind: without one the task would count as running for ever."""
        try:
            return self._outcome(execution, call)
        except Exception as broken:
            logger.exception("the outcome of task %s cannot be told", execution.assignment.kind)
            return Failed(code="INTERNAL_ERROR", message=f"the outcome cannot be told: {type(broken).__name__}")

    def _outcome(self, execution: Execution, call: asyncio.Task[object]) -> Outcome:
        error = None if call.cancelled() else call.exception()
        if execution.context.cancel_seen.is_set():
            return _given_up(execution.why)
        if call.cancelled() or error is not None:
            return _failure(execution, error)
        return self._success(execution, call.result())

    def _success(self, execution: Execution, value: object) -> Outcome:
        result = value if isinstance(value, Result) else Result(value)
        try:
            data = encode_output(result.data)
        except TypeError as error:
            logger.exception("task %s returned what is not JSON", execution.assignment.kind)
            return Failed(code="CONTRACT_VIOLATION_ERROR", message=f"the task returned what is not JSON: {error}")
        if len(data) > self._limits.output_bytes_max:
            found = f"the output has {len(data)} bytes, at most {self._limits.output_bytes_max} are allowed"
            return Failed(code="CONTRACT_VIOLATION_ERROR", message=found)
        try:
            metadata = None if result.metadata is None else encode_output(result.metadata)
            encode_output(result.costs)
        except TypeError as error:
            return Failed(code="CONTRACT_VIOLATION_ERROR", message=f"costs or metadata are not JSON: {error}")
        return Succeeded(data=data, status=result.status, costs=result.costs or {}, metadata=metadata)

    def _end(self, execution: Execution, outcome: Outcome) -> None:
        if self._executions.pop(execution.assignment.task_id, None) is None:
            return
        self._ended(execution.assignment, outcome, self._clock.monotonic() - execution.started_at)
        self._changed.notify()


def _given_up(why: Why | None) -> Outcome:
    """What the engine is told of an attempt that its function gave up."""
    if why is Why.LATE:
        return Failed(code="TIMEOUT_ERROR", message="the deadline passed before the task was done")
    return Cancelled(given_back=why is Why.STOPPING)


def _failure(execution: Execution, error: BaseException | None) -> Failed:
    """Name the failure; only a TaskError is expected, so everything else is logged with its traceback."""
    if isinstance(error, TaskError):
        try:
            encode_output(error.details)
        except TypeError as reason:
            return Failed(code=error.code, message=f"{error.message} (details left out: {reason})")
        return Failed(code=error.code, message=error.message, details=error.details)
    kind = execution.assignment.kind
    if error is None:
        return Failed(code="INTERNAL_ERROR", message=f"task {kind} cancelled itself")
    logger.error("task %s of job %s failed", kind, execution.assignment.job_id, exc_info=error)
    return Failed(code="INTERNAL_ERROR", message=f"{type(error).__name__}: {text_of(error)}")
