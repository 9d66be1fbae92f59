"""Hold what a job is: its head, its scopes, and what each scope waits for.

Rules
  * A job is a tree of scopes. A scope is one position inside the job: the root is `/`; a branch or an item that a
    block forked is `/<fork>.<index>` below the scope that forked it, level by level (`/1.17/0.2`).
  * A scope belongs to one machine of the program (the root machine or a body of a block) and stands in one of its
    states. It changes by commits alone, and its version counts them.
  * Values are frozen; a change is a `replace`. Times are aware UTC datetimes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from avtomat.core.formula import Json
from avtomat.core.value import value

ROOT = "/"


class Status(StrEnum):
    """The word for a job that is stored with it; the finer words of an open job are derived when it is read."""

    OPEN = "open"
    PAUSED = "paused"
    QUARANTINED = "quarantined"
    COMPENSATING = "compensating"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({Status.FINISHED, Status.FAILED, Status.CANCELLED})


TASK_CODES = frozenset(
    {
        "TRANSIENT_ERROR",
        "PERMANENT_ERROR",
        "INVALID_INPUT_ERROR",
        "TIMEOUT_ERROR",
        "RESOURCE_EXHAUSTED_ERROR",
        "CONTRACT_VIOLATION_ERROR",
        "DEPENDENCY_ERROR",
        "SECURITY_ERROR",
        "INTERNAL_ERROR",
    }
)
ENGINE_CODES = frozenset(
    {
        "EXPRESSION_ERROR",
        "TEMPLATE_ERROR",
        "NO_TRANSITION",
        "LIMIT_EXCEEDED",
        "DEADLINE",
        "NO_WORKER",
        "WORKER_LOST",
        "CALL_FAILED",
        "COMPENSATION_FAILED",
    }
)
UNCATCHABLE = frozenset({"LIMIT_EXCEEDED", "DEADLINE"})
"""Codes that no `catch` takes, not even one for ANY."""


@value
class Error:
    """Why something went wrong. `state` is the path of the state (`pack[3].pick`), `attempt` 0 when none was made."""

    code: str
    message: str = ""
    details: Json = None
    state: str = ""
    attempt: int = 0

    def as_json(self) -> dict[str, Json]:
        """Return the error as authors and clients see it."""
        return {
            "code": self.code,
            "message": self.message,
            "details": self.details,
            "state": self.state,
            "attempt": self.attempt,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Error:
        """Build the error from what `as_json` gave."""
        return cls(
            code=value["code"],
            message=value.get("message") or "",
            details=value.get("details"),
            state=value.get("state") or "",
            attempt=value.get("attempt") or 0,
        )


@dataclass(frozen=True, slots=True)
class Ref:
    """A value kept outside its scope's record, because it is large: `id` names it in the store, `size` is in bytes."""

    id: str
    size: int


@value
class Head:
    """What holds for the whole job. All but `status` is fixed when the job is created.

    `timeout` is what the client asked for; the earlier of it and the blueprint's gives `deadline`.
    """

    job: str
    blueprint: str
    digest: str
    input: Json
    created_at: datetime
    config: Json = None
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: int = 5
    parent_id: str | None = None
    timeout: timedelta | None = None
    deadline: datetime | None = None
    status: Status = Status.OPEN


@value
class TaskLimits:
    """The times of one visit of a task, rendered when the state was entered; None where there is no such limit."""

    queue: timedelta | None = None
    attempt: timedelta | None = None
    heartbeat: timedelta | None = None
    total_at: datetime | None = None


@value
class OnTask:
    """A worker's answer is awaited; `attempt` counts from 1 within the visit. `returned` is how often in a row workers
    that stop gave this attempt back. `owes` says that an earlier attempt of the visit took effect and that its undo was
    noted with an error. `taken` is how many failures each of several retry policies took.
    """

    attempt: int
    limits: TaskLimits
    returned: int = 0
    owes: bool = False
    taken: tuple[int, ...] = ()


@value
class OnTimer:
    """A time is awaited: the end of a span, or, by the `wall` clock, a time that people gave."""

    until: datetime
    wall: bool = False


@value
class OnStart:
    """The job was accepted for a later time and has entered no state."""

    until: datetime


@value
class OnFork:
    """Bodies below this scope are awaited: fork `number`, the block's attempt `attempt`, at most until `deadline`;
    `taken` as in `OnTask`.
    """

    number: int
    total: int
    attempt: int = 1
    deadline: datetime | None = None
    taken: tuple[int, ...] = ()


@value
class OnRetry:
    """A block failed and is begun again at `until`, as attempt `attempt`, if its `deadline` is not before.

    `taken` is as in `OnTask`.
    """

    until: datetime
    attempt: int
    deadline: datetime | None = None
    taken: tuple[int, ...] = ()


@value
class OnUnwind:
    """The job is to end as `status`, and undos come first: no lease may be live then, or the last undo is done.

    `settled` names the visits of which an undo noted with an error is void: a later one has undone them.
    """

    status: Status
    error: Error | None = None
    settled: tuple[str, ...] = ()


@value
class OnUndo:
    """An undo is under way: number `index` of those noted in entry `seq` of the history; then as `OnUnwind`.
    `taken` as in `OnTask`.
    """

    seq: int
    index: int
    attempt: int
    unwind: OnUnwind
    limits: TaskLimits
    returned: int = 0
    taken: tuple[int, ...] = ()


Waiting = OnTask | OnTimer | OnStart | OnFork | OnRetry | OnUnwind | OnUndo | None
"""What keeps a scope where it is; None once it has ended."""


@value
class Scope:
    """One position inside a job.

    `visit` numbers the states entered in this scope, so that (path, visit) names one stay in one state for ever.
    `data` and `outputs` are the scope's own; those around it were written down when it was forked (`Around`).
    `outputs` holds the output of each state's last visit, or a `Ref` to it. `rescued` is set once the blueprint's own
    `catch` was taken: it takes nothing from the states it led to.
    """

    path: str = ROOT
    version: int = 0
    machine: str = ""
    state: str | None = None
    visit: int = 0
    entered_at: datetime | None = None
    data: Mapping[str, Json] = field(default_factory=dict)
    outputs: Mapping[str, Json | Ref] = field(default_factory=dict)
    error: Error | None = None
    hops: int = 0
    forks: int = 0
    rescued: bool = False
    waiting: Waiting = None


@value
class Around:
    """What a body of a block sees of the machines around it, as it was when the block was entered, and its own place.

    `machine` is the address of the body, `names` its `as` names with their items, and `index`; `place` is the path of
    the body in errors (`pack[3]`, `tell.mail`); `error` is the last one that a `catch` around it took. The root has an
    empty one.
    """

    machine: str = ""
    place: str = ""
    data: Mapping[str, Json] = field(default_factory=dict)
    outputs: Mapping[str, Json | Ref] = field(default_factory=dict)
    names: Mapping[str, Json] = field(default_factory=dict)
    error: Error | None = None
