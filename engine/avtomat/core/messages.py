"""Name the facts that `decide` is told (events) and what it answers (decisions).

Events are past tense and a closed union. A Decision is either a `Change` – one flat value that a store can write in one
step – or `Ignored` with the reason. Nothing in a Change names a store, a queue or a wire format: the shell adds those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum

from avtomat.core.formula import Json, SecretRef
from avtomat.core.model import Error, Head, Ref, Status
from avtomat.core.program import Requirements
from avtomat.core.scope import NOTHING_AROUND, Around, Scope
from avtomat.core.value import value
from avtomat.core.waiting import TaskLimits


@value
class TaskBody:
    """What a worker is to do: the same for all attempts of a visit. `sticky` is a text by which the worker is preferred
    that had the last such task of this kind; empty: none is.
    """

    kind: str
    params: Json
    secrets: tuple[SecretRef, ...] = ()
    requirements: Requirements | None = None
    priority: int = 5
    sticky: str = ""


@value
class Undo:
    """What undoes one visit of a state, rendered when it was noted. `machine` and `state` lead to its policy.

    `error` says why it could not be rendered: then the body has no params, and an operator gives them. `visit` names
    the visit among all of the job; with `settles` an earlier undo of the same visit, noted with an error, is void; one
    whose `runs` is false is noted for that alone.
    """

    machine: str
    state: str
    place: str
    body: TaskBody
    limits: TaskLimits
    total: timedelta | None = None
    error: Error | None = None
    visit: str = ""
    settles: bool = False
    runs: bool = True


@value
class View:
    """What one decision may look at: the job's head, one scope with what is around it, and the values that it reads.

    `undos` are the newest that were noted and not run, while the job compensates; they were noted in entry `undo_seq`.
    `values` holds, by id, what the scope keeps by reference and what this decision may read.
    """

    head: Head
    scope: Scope
    around: Around = NOTHING_AROUND
    values: Mapping[str, Json] = field(default_factory=dict)
    undos: tuple[Undo, ...] = ()
    undo_seq: int = 0


class Limit(StrEnum):
    """Which of a task's times has passed."""

    QUEUE = "queue"
    ATTEMPT = "attempt"
    TOTAL = "total"


@value
class TaskSucceeded:
    """A worker ended the attempt well. `status` is its own word for it; `worker` is for people, and so is `error`: what
    it said beside an explicit `success`. What else it told is in `beside`, which history alone has: so of all answers.
    """

    attempt: int | None
    output: Json = None
    status: str = "success"
    worker: str = ""
    error: Json = None
    beside: Mapping[str, Json] | None = None


@value
class TaskFailed:
    """A worker ended the attempt with an error, in the worker's words."""

    attempt: int | None
    code: str
    message: str = ""
    details: Json = None
    worker: str = ""
    beside: Mapping[str, Json] | None = None


@value
class LeaseLost:
    """The worker that held the attempt fell silent; or, with `gave_up`, it said that it will not finish the attempt."""

    attempt: int | None
    gave_up: bool = False
    worker: str = ""
    beside: Mapping[str, Json] | None = None


@value
class AttemptReturned:
    """The worker stops and gives the attempt back undone; RETURNS_MAX times in a row that is no attempt."""

    attempt: int | None
    worker: str = ""
    beside: Mapping[str, Json] | None = None


@value
class TaskTimedOut:
    """One of the task's times passed."""

    attempt: int
    limit: Limit


WorkerAnswer = TaskSucceeded | TaskFailed | LeaseLost | AttemptReturned
"""What a worker may say of the attempt that it holds; silence is told as LeaseLost. `attempt` is None as long as it is
not known which one the worker holds: `decide` needs the number.
"""


@value
class TimerFired:
    """The time that the visit waited for has come. Of a block whose own timeout passed, `failed` and `failures` are as
    in JoinDecided: what had failed by then, where the state reads it.
    """

    visit: int
    failed: int = 0
    failures: Sequence[tuple[int, Mapping[str, Json]]] = ()


@value
class StartReached:
    """The time at which the job was to start has come."""


@value
class DeadlinePassed:
    """The job's own timeout passed."""


@value
class ScopeBegun:
    """It is the scope's turn: its block's window has room."""


@value
class JoinDecided:
    """The bodies of a fork are joined: enough ended well (`met`), or too many failed, the last one with `error`.

    `outputs` holds what the bodies left, in order, None where one failed or was cancelled; a long one by reference.
    `failures` are the errors of those that failed, by index, the lowest first, where the state reads them.
    """

    number: int
    met: bool
    ok: int
    failed: int
    error: Error | None = None
    outputs: Sequence[Json] | Ref = ()
    failures: Sequence[tuple[int, Mapping[str, Json]]] = ()
    winner: int | None = None


@value
class SignalReceived:
    """A message from outside came for the signal that the scope waits for. `by` sent it, under the name `id`."""

    name: str
    payload: Json = None
    id: str = ""
    by: str = ""


@value
class ApprovalDecided:
    """Somebody decided what the scope asks in this visit. `by` is who, `via` what they used (api, link), `origin` the
    address from which they did; `state` is the path of the state, `id` names this decision among those of all replicas.
    """

    visit: int
    choice: str
    by: str = ""
    comment: str = ""
    form: Json = None
    state: str = ""
    via: str = ""
    origin: str = ""
    id: str = ""


@value
class SizeExceeded:
    """What the decision on `event` wanted to write is larger than the blueprint's limits allow."""

    message: str
    event: Event | None = None


@value
class LateSuccess:
    """A worker did the work of an attempt whose scope had gone on without it, or was closed: its job is closing, its
    branch lost a join, an operator entered the state anew. `left` is that scope as it was, `place` the path of the
    state in which it stood.
    """

    answer: TaskSucceeded
    left: View
    place: str = ""


@value
class CancelRequested:
    """Somebody asked that the job end as cancelled, with or without undoing what it did."""

    by: str = ""
    reason: str = ""
    compensate: bool = True


@value
class PauseRequested:
    """An operator holds the job where it stands."""

    by: str = ""
    reason: str = ""


@value
class ResumeRequested:
    """An operator lets a paused job go on."""

    by: str = ""
    reason: str = ""


@value
class RerunRequested:
    """An operator enters a state of the root machine anew: the current one, or `state`; with edited variables."""

    by: str = ""
    reason: str = ""
    state: str | None = None
    data: Mapping[str, Json] | None = None


@value
class ReleaseRequested:
    """An operator lets a quarantined job try again what failed: its state, with edited variables; or its undo, with
    other params.
    """

    by: str = ""
    reason: str = ""
    data: Mapping[str, Json] | None = None
    params: Json = None


@value
class SkipRequested:
    """An operator takes the current state as done, with this output; or an undo that fails, as run."""

    by: str = ""
    reason: str = ""
    output: Json = None


@value
class UnwindReady:
    """No lease of the compensating job is live any more: undos may run."""


OperatorEvent = PauseRequested | ResumeRequested | RerunRequested | ReleaseRequested | SkipRequested


Event = (
    TaskSucceeded
    | TaskFailed
    | LeaseLost
    | AttemptReturned
    | TaskTimedOut
    | TimerFired
    | StartReached
    | DeadlinePassed
    | ScopeBegun
    | JoinDecided
    | SignalReceived
    | ApprovalDecided
    | LateSuccess
    | SizeExceeded
    | CancelRequested
    | UnwindReady
    | OperatorEvent
)


@value
class DispatchTask:
    """Offer attempt `attempt` of this visit to workers, not before a time; `body` None: the body of the attempt
    before. `undoable`: a success of it would note an undo.
    """

    attempt: int
    limits: TaskLimits
    not_before: datetime | None = None
    body: TaskBody | None = None
    undoable: bool = False


@value
class ForkScopes:
    """Begin `total` scopes below this one, `window` at once; `need` and `tolerated` decide their join.

    `machines` are the bodies' addresses: one for each branch, or one for all items. `items` is the list of a foreach;
    `ending`, for `finally`, how the job is to end.
    """

    number: int
    total: int
    need: int
    tolerated: int
    window: int
    machines: tuple[str, ...]
    places: tuple[str, ...]
    item_name: str | None = None
    items: Sequence[Json] = ()
    ending: Mapping[str, Json] | None = None


@value
class ScopeEnded:
    """How a scope ended: with an output, or with an error. At the root, `status` is the job's ended word. With
    `tells` the error is kept where the output of a body would stand, for the block around it.
    """

    output: Json = None
    error: Error | None = None
    status: Status = Status.FINISHED
    tells: bool = False


@value
class Change:
    """What must be written after an event, in one step.

    The scope's open task and timer are gone with it, unless `keeps` or `dispatch` or what the scope waits for says
    otherwise. `trail` lists the states that were entered, in order, the one that the scope now stands in last. `close`
    lists forks of this scope whose bodies are cancelled where they still run. `status` is the job's new word, `reason`
    why. `undos` are noted, those of entry `undone_seq` have run. `unfit`: a worker gave an output that `expects`
    refuses.
    """

    scope: Scope
    trail: tuple[str, ...] = ()
    dispatch: DispatchTask | None = None
    fork: ForkScopes | None = None
    close: tuple[int, ...] = ()
    ended: ScopeEnded | None = None
    status: Status | None = None
    reason: Error | None = None
    undos: tuple[Undo, ...] = ()
    undone_seq: int | None = None
    keeps: bool = False
    unfit: bool = False


@value
class Ignored:
    """The event changes nothing, and why."""

    reason: str


Decision = Change | Ignored
