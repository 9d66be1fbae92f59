"""Hold what a scope waits for: one value for each kind of waiting, with all that is particular to it.

A kind says here how it is written down (`as_json`, `from_json`, under the word FOR), when its time comes (`due_at`),
and which word clients see while the job waits so (`WORD`). Why the job waits is worded in `runtime/people/causes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from avtomat.core.awaited import Awaited, time_as_ms, time_from_ms
from avtomat.core.awaited_decision import OnApproval
from avtomat.core.formula import Json
from avtomat.core.model import Error, Status
from avtomat.core.timestamp import from_ms, span_ms, to_ms
from avtomat.core.value import value


@value
class TaskLimits:
    """The times of one visit of a task, rendered when the state was entered; None where there is no such limit."""

    queue: timedelta | None = None
    attempt: timedelta | None = None
    heartbeat: timedelta | None = None
    total_at: datetime | None = None

    def as_json(self) -> dict[str, int]:
        """The limits that there are, in milliseconds."""
        if self is NO_LIMITS:
            return {}
        limits = {
            "queue": span_ms(self.queue),
            "timeout": span_ms(self.attempt),
            "heartbeat": span_ms(self.heartbeat),
            "total_at": None if self.total_at is None else to_ms(self.total_at),
        }
        return {key: limit for key, limit in limits.items() if limit is not None}

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> TaskLimits:
        """What `as_json` wrote down, among other fields."""
        return cls(
            queue=_span(record, "queue"),
            attempt=_span(record, "timeout"),
            heartbeat=_span(record, "heartbeat"),
            total_at=from_ms(record["total_at"]) if "total_at" in record else None,
        )


NO_LIMITS: Final = TaskLimits()
"""Those of most tasks."""


@value
class OnTask(Awaited):
    """A worker's answer is awaited; `attempt` counts from 1 within the visit. `returned` is how often in a row workers
    that stop gave this attempt back. `owes` says that an earlier attempt of the visit took effect and that its undo was
    noted with an error. `taken` is how many failures each of several retry policies took.
    """

    FOR = "task"
    WORD = None

    attempt: int
    limits: TaskLimits
    returned: int = 0
    owes: bool = False
    taken: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """See `Awaited`."""
        owed = {"owes": True} if self.owes else {}
        return {"for": "task", "attempt": self.attempt, **self.limits.as_json(), **_counts_as_json(self), **owed}

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> OnTask:
        """See `Awaited`."""
        return cls(
            attempt=record["attempt"],
            limits=TaskLimits.from_json(record),
            owes=record.get("owes", False),
            **_counts_from_json(record),
        )


@value
class OnTimer(Awaited):
    """A time is awaited: the end of a span, or, by the `wall` clock, a time that people gave."""

    FOR = "timer"
    WORD = "waiting_for_timer"

    until: datetime
    wall: bool = False

    def as_json(self) -> dict[str, Json]:
        """See `Awaited`."""
        return {"for": "timer", "until": to_ms(self.until)} | ({"wall": True} if self.wall else {})

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> OnTimer:
        """See `Awaited`."""
        return cls(until=from_ms(record["until"]), wall="wall" in record)

    @property
    def due_at(self) -> datetime | None:
        """See `Awaited`."""
        return self.until

    @property
    def by_wall(self) -> bool:
        """See `Awaited`."""
        return self.wall


@value
class OnStart(Awaited):
    """The job was accepted for a later time and has entered no state. The store itself knows the time."""

    FOR = "start"
    WORD = "pending"

    until: datetime

    def as_json(self) -> dict[str, Json]:
        """See `Awaited`."""
        return {"for": "start", "until": to_ms(self.until)}

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> OnStart:
        """See `Awaited`."""
        return cls(until=from_ms(record["until"]))


@value
class OnFork(Awaited):
    """Bodies below this scope are awaited: fork `number`, the block's attempt `attempt`, at most until `deadline`;
    `taken` as in `OnTask`.
    """

    FOR = "fork"
    WORD = "waiting_for_parallel"

    number: int
    total: int
    attempt: int = 1
    deadline: datetime | None = None
    taken: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """See `Awaited`."""
        place = {"for": "fork", "number": self.number, "total": self.total, "attempt": self.attempt}
        return {**place, "deadline": time_as_ms(self.deadline), **_taken_as_json(self.taken)}

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> OnFork:
        """See `Awaited`."""
        return cls(
            number=record["number"],
            total=record["total"],
            attempt=record["attempt"],
            deadline=time_from_ms(record["deadline"]),
            **_taken_from_json(record),
        )

    @property
    def due_at(self) -> datetime | None:
        """See `Awaited`."""
        return self.deadline


@value
class OnRetry(Awaited):
    """A block failed and is begun again at `until`, as attempt `attempt`, if its `deadline` is not before.

    `taken` is as in `OnTask`; `total`, of a block that reads failures, is how many bodies the attempt before had.
    """

    FOR = "retry"
    WORD = "waiting_for_parallel"

    until: datetime
    attempt: int
    deadline: datetime | None = None
    taken: tuple[int, ...] = ()
    total: int = 0

    def as_json(self) -> dict[str, Json]:
        """See `Awaited`."""
        place = {"for": "retry", "until": to_ms(self.until), "attempt": self.attempt}
        place |= {"total": self.total} if self.total else {}
        return {**place, "deadline": time_as_ms(self.deadline), **_taken_as_json(self.taken)}

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> OnRetry:
        """See `Awaited`."""
        return cls(
            until=from_ms(record["until"]),
            attempt=record["attempt"],
            deadline=time_from_ms(record["deadline"]),
            total=record.get("total", 0),
            **_taken_from_json(record),
        )

    @property
    def due_at(self) -> datetime | None:
        """See `Awaited`."""
        return self.until if self.deadline is None else min(self.until, self.deadline)


@value
class OnSignal(Awaited):
    """A signal is awaited under this address and key, at most until `deadline`."""

    FOR = "signal"
    WORD = "waiting_for_signal"

    address: str
    key: str = ""
    deadline: datetime | None = None

    def as_json(self) -> dict[str, Json]:
        """See `Awaited`."""
        return {"for": "signal", "address": self.address, "key": self.key, "deadline": time_as_ms(self.deadline)}

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> OnSignal:
        """See `Awaited`."""
        return cls(address=record["address"], key=record["key"], deadline=time_from_ms(record["deadline"]))

    @property
    def due_at(self) -> datetime | None:
        """See `Awaited`."""
        return self.deadline

    @property
    def signal(self) -> tuple[str, str] | None:
        """See `Awaited`."""
        return self.address, self.key


@value
class OnUnwind(Awaited):
    """The job is to end as `status`, and undos come first: no lease may be live then, or the last undo is done.

    `settled` names the visits of which an undo noted with an error is void: a later one has undone them.
    """

    FOR = "unwind"

    status: Status
    error: Error | None = None
    settled: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """See `Awaited`."""
        return {"for": "unwind", **self.end_as_json()}

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> OnUnwind:
        """See `Awaited`."""
        error = record["error"]
        return cls(
            status=Status(record["status"]),
            error=None if error is None else Error.from_json(error),
            settled=tuple(record.get("settled", ())),
        )

    def end_as_json(self) -> dict[str, Json]:
        """How the job is to end, without the word for what is awaited."""
        error = None if self.error is None else self.error.as_json()
        settled = {"settled": self.settled} if self.settled else {}
        return {"status": self.status, "error": error, **settled}


@value
class OnUndo(Awaited):
    """An undo is under way: number `index` of those noted in entry `seq` of the history; then as `OnUnwind`.
    `taken` as in `OnTask`; `place` is the path of the state that is undone, for people.
    """

    FOR = "undo"

    seq: int
    index: int
    attempt: int
    unwind: OnUnwind
    limits: TaskLimits
    returned: int = 0
    taken: tuple[int, ...] = ()
    place: str = ""

    def as_json(self) -> dict[str, Json]:
        """See `Awaited`."""
        place = {"seq": self.seq, "index": self.index, "attempt": self.attempt, "unwind": self.unwind.end_as_json()}
        place |= {"place": self.place} if self.place else {}
        return {"for": "undo", **place, **self.limits.as_json(), **_counts_as_json(self)}

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> OnUndo:
        """See `Awaited`."""
        return cls(
            seq=record["seq"],
            index=record["index"],
            attempt=record["attempt"],
            place=record.get("place", ""),
            unwind=OnUnwind.from_json(record["unwind"]),
            limits=TaskLimits.from_json(record),
            **_counts_from_json(record),
        )


@value
class OnFinally(Awaited):
    """The job is to end as `status`, with `error`; its `finally` is under way as fork `number`, until `deadline`."""

    FOR = "finally"

    number: int
    status: Status
    error: Error | None = None
    deadline: datetime | None = None

    def as_json(self) -> dict[str, Json]:
        """See `Awaited`."""
        error = None if self.error is None else self.error.as_json()
        place = {"for": "finally", "number": self.number, "deadline": time_as_ms(self.deadline)}
        return {**place, "status": self.status, "error": error}

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> OnFinally:
        """See `Awaited`."""
        error = record["error"]
        return cls(
            number=record["number"],
            status=Status(record["status"]),
            error=None if error is None else Error.from_json(error),
            deadline=time_from_ms(record["deadline"]),
        )

    @property
    def due_at(self) -> datetime | None:
        """See `Awaited`."""
        return self.deadline


Waiting = OnTask | OnTimer | OnStart | OnFork | OnRetry | OnSignal | OnApproval | OnUnwind | OnUndo | OnFinally | None
"""What keeps a scope where it is; None once it has ended."""

_KINDS: Mapping[str, type[Awaited]] = {
    kind.FOR: kind
    for kind in (OnTask, OnTimer, OnStart, OnFork, OnRetry, OnSignal, OnApproval, OnUnwind, OnUndo, OnFinally)
}


def waiting_from_json(record: Mapping[str, Json] | None) -> Waiting:
    """What `as_json` of one of the kinds wrote down. Raises ValueError for a kind that this version does not know."""
    if record is None:
        return None
    kind = _KINDS.get(record["for"])
    if kind is None:
        raise ValueError(f"a scope waits for something that this version does not know: {record!r}")
    found: Any = kind.from_json(record)
    return found  # type: ignore[no-any-return]


def _counts_as_json(waiting: OnTask | OnUndo) -> dict[str, Json]:
    returned: dict[str, Json] = {"returned": waiting.returned} if waiting.returned else {}
    return {**returned, **_taken_as_json(waiting.taken)}


def _counts_from_json(record: Mapping[str, Json]) -> dict[str, Any]:
    return {"returned": record.get("returned", 0), **_taken_from_json(record)}


def _taken_as_json(taken: tuple[int, ...]) -> dict[str, Json]:
    return {"taken": taken} if taken else {}


def _taken_from_json(record: Mapping[str, Json]) -> dict[str, Any]:
    return {"taken": tuple(record.get("taken", ()))}


def _span(record: Mapping[str, Json], key: str) -> timedelta | None:
    return timedelta(milliseconds=record[key]) if key in record else None
