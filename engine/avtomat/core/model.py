"""Hold what is true of a whole job: its head, its status, and the errors that things in it end with.

Values are frozen; a change is a `replace`. Times are aware UTC datetimes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from avtomat.core.formula import Json
from avtomat.core.value import value
from avtomat.core.webhooks import Webhook


class Status(StrEnum):
    """The word for a job that is stored with it; the finer words of an open job are derived when it is read."""

    OPEN = "open"
    PAUSED = "paused"
    QUARANTINED = "quarantined"
    COMPENSATING = "compensating"
    FINISHING = "finishing"
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
        "CHILD_CANCELLED",
        "CHILD_NOT_FOUND",
    }
)
UNCATCHABLE = frozenset({"LIMIT_EXCEEDED", "DEADLINE"})
"""Codes that no `catch` takes, not even one for ANY."""


@value
class Error:
    """Why something went wrong. `state` is the path of the state (`pack[3].pick`), `attempt` 0 when none was made.

    `handed_up`: it is that of a child, so that each code can be caught. Authors and clients do not see that.
    """

    code: str
    message: str = ""
    details: Json = None
    state: str = ""
    attempt: int = 0
    handed_up: bool = False

    def as_record(self) -> dict[str, Json]:
        """Return the error as it is kept within a job."""
        return {**self.as_json(), "handed_up": True} if self.handed_up else self.as_json()

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
        """Build the error from what `as_json` or `as_record` gave."""
        return cls(
            code=value["code"],
            message=value.get("message") or "",
            details=value.get("details"),
            state=value.get("state") or "",
            attempt=value.get("attempt") or 0,
            handed_up=value.get("handed_up", False),
        )


@dataclass(frozen=True, slots=True)
class Ref:
    """A value kept outside its scope's record, because it is large: `id` names it in the store, `size` is in bytes."""

    id: str
    size: int


@value
class Head:
    """What holds for the whole job. All but `status` is fixed when the job is created.

    `timeout` is what the client asked for; the earlier of it and the blueprint's gives `deadline`. `runs` are the
    versions (digests), by name, of the blueprints that it and its children may run; `depth` is how many jobs stand
    above it; `webhooks` are told of it.
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
    depth: int = 0
    runs: Mapping[str, str] = field(default_factory=dict)
    webhooks: tuple[Webhook, ...] = ()
    timeout: timedelta | None = None
    deadline: datetime | None = None
    status: Status = Status.OPEN
