"""Hold what the reference store remembers: partitions, jobs, scopes, attempts, mail, joins, due members.

These values change in place, by the functions of memory_*.py alone. What follows from other fields is not stored but
worked out (a queue's order, a job's live leases, when an attempt is due), so that nothing can disagree with itself.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import merge
from typing import NamedTuple

from avtomat.storage.port.answers import HistoryEntry
from avtomat.storage.port.rules import (
    ENDED,
    PARKED,
    ROOT,
    LeftScope,
    earliest,
    fences_of,
    next_stamp,
    place_in_queue,
    whose_turn,
)
from avtomat.storage.port.store import (
    AGEING_MS,
    ENDED_ATTEMPT_KEPT_MS,
    OPERATOR_MAIL,
    STICKY_KEPT_MS,
    STICKY_NAMES_MAX,
)
from avtomat.storage.port.writes import Dispatch, Fork, Mail, NewJob, Post, SignalWait


class Phase(StrEnum):
    """Where an attempt is. Ended ones are remembered for a while, so that late and repeated results are known."""

    DELAYED = "delayed"
    QUEUED = "queued"
    LEASED = "leased"
    CHILD = "child"
    ENDED = "ended"


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One attempt of a task. `place` is its place among those of its queue and client, 0 before it is queued.

    `left` is the scope as it was when it went on without the attempt, if its success would have to be undone.
    `dispatch` is what was asked for, `queue`, `priority` and `body` what that means (a retry takes them from the
    attempt before). The `…_until_ms` are the limits that count in the present phase. Once ended, `why` is `result` or
    what it died of, and `holds` says that its worker's lease is still live. Of a child `worker` is its job.
    """

    task_id: str
    path: str
    visit: int
    dispatch: Dispatch
    queue: str
    priority: int
    body: bytes
    phase: Phase
    since_ms: int
    place: int = 0
    queue_until_ms: int | None = None
    attempt_until_ms: int | None = None
    total_at_ms: int | None = None
    worker: str | None = None
    nonce: str = ""
    lease_ms: int = 0
    lease_until_ms: int = 0
    progress: bytes | None = None
    why: str = ""
    hash: str = ""
    ended_ms: int = 0
    holds: bool = False
    left: LeftScope | None = None

    @property
    def is_open(self) -> bool:
        """Whether a result may still be used."""
        return self.phase is not Phase.ENDED

    @property
    def is_child(self) -> bool:
        """Whether a job is at work on it, or was."""
        return self.dispatch.child is not None

    def next_limit(self) -> tuple[str, int] | None:
        """What comes due next for this attempt, and when. `delayed` and `dead` are the store's own business."""
        match self.phase:
            case Phase.DELAYED:
                return earliest(("total", self.total_at_ms), ("delayed", self.dispatch.not_before_ms))
            case Phase.QUEUED:
                return earliest(("total", self.total_at_ms), ("queue", self.queue_until_ms))
            case Phase.LEASED:
                limits = ("total", self.total_at_ms), ("attempt", self.attempt_until_ms), ("lease", self.lease_until_ms)
                return earliest(*limits)
            case Phase.CHILD:
                return earliest(("total", self.total_at_ms))
            case Phase.ENDED:
                return ("dead", self.lease_until_ms) if self.holds and not self.is_child else None

    def is_remembered(self, now_ms: int) -> bool:
        """Whether the store still knows this attempt."""
        return self.is_open or self.holds or now_ms < self.ended_ms + ENDED_ATTEMPT_KEPT_MS


@dataclass(slots=True, kw_only=True)
class Letter:
    """Mail in a mailbox, or a signal that is kept for a waiter. `order` is that of arrival, within the partition."""

    mail: Mail
    order: int
    returned: int = 0
    kept_until_ms: int | None = None


@dataclass(slots=True, kw_only=True)
class Scope:
    """An open scope (or the root). `task` is its open attempt, `last` the newest one, from which a retry copies;
    `forks` are the numbers of the forks that it began; `kept` is the result of its attempt, of a parked job.
    """

    path: str
    version: int = 0
    visit: int = 0
    record: bytes | None = None
    task: Attempt | None = None
    last: Attempt | None = None
    wait: SignalWait | None = None
    wait_order: int = 0
    mail: list[Letter] = field(default_factory=list)
    kept: Letter | None = None
    forks: list[int] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Join:
    """The integers of a fork: indexes below `begun` may begin or have; `live` of them have not ended yet."""

    fork: Fork
    begun: int = 0
    live: int = 0
    ok: int = 0
    failed: int = 0
    verdict: str | None = None
    closed: bool = False
    outputs: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Member:
    """Something that comes due. `time_ms` is its own time, `at_ms` when it is given out next."""

    kind: str
    path: str
    number: int
    time_ms: int
    at_ms: int
    returned: int = 0


@dataclass(slots=True, kw_only=True)
class Job:
    """A job. `fences` are what was closed, and why: a scope is closed when it or anything above it is fenced.

    `due` is keyed by (slot, place): a kind and a path, or `task` and a wire id. `compensation` is the history entry
    that began the present compensation, `unwound` whether the root was mailed for it, `mailed` whether the step under
    way put mail into a mailbox.
    """

    new: NewJob
    created_ms: int
    status: str = "open"
    state: str = ""
    seq: int = 0
    updated_ms: int = 0
    finished_ms: int | None = None
    deadline_ms: int | None = None
    search: dict[str, str] = field(default_factory=dict)
    labels: bytes | None = None
    reason: bytes | None = None
    result: bytes | None = None
    error: bytes | None = None
    compensation: int | None = None
    unwound: bool = False
    mailed: bool = False
    scopes: dict[str, Scope] = field(default_factory=dict)
    fences: dict[str, str] = field(default_factory=dict)
    joins: dict[tuple[str, int], Join] = field(default_factory=dict)
    attempts: dict[str, Attempt] = field(default_factory=dict)
    signals: list[Letter] = field(default_factory=list)
    mail_ids: set[str] = field(default_factory=set)
    mail_counts: Counter[str] = field(default_factory=Counter)
    values: dict[str, bytes] = field(default_factory=dict)
    undos: dict[int, bytes] = field(default_factory=dict)
    due: dict[tuple[str, str], Member] = field(default_factory=dict)
    history: list[HistoryEntry] = field(default_factory=list)

    @property
    def is_ended(self) -> bool:
        """Whether the job is over, for ever."""
        return self.status in ENDED

    @property
    def is_parked(self) -> bool:
        """Whether all but operators' mail and the deadline waits."""
        return self.status in PARKED

    @property
    def root(self) -> Scope:
        """The root scope, which is kept as long as the job."""
        return self.scopes[ROOT]

    def live_leases(self) -> int:
        """How many workers and children may still be at work for this job."""
        return sum(attempt.phase in {Phase.LEASED, Phase.CHILD} or attempt.holds for attempt in self.attempts.values())

    def is_closed(self, path: str) -> bool:
        """Whether the scope at `path` or anything above it is closed."""
        return any(fence in self.fences for fence in fences_of(path))

    def attempt(self, task_id: str, now_ms: int) -> Attempt | None:
        """The attempt with this wire id, unless it ended too long ago."""
        attempt = self.attempts.get(task_id)
        return attempt if attempt is not None and attempt.is_remembered(now_ms) else None

    def letter_to_give(self, scope: Scope) -> Letter | None:
        """The oldest mail of a scope that may be given out now."""
        fit = (letter for letter in scope.mail if not self.is_parked or letter.mail.kind in OPERATOR_MAIL)
        return next(fit, None)

    def arm(self, slot: str, path: str, number: int, at_ms: int) -> None:
        """Set the member of a scope (a timer, a begin …) anew; the one it had is gone."""
        self.due[slot, path] = Member(kind=slot, path=path, number=number, time_ms=at_ms, at_ms=at_ms)

    def arm_attempt(self, attempt: Attempt) -> None:
        """Bring the one member of an attempt up to date; one that keeps its kind and time is left as it is."""
        slot, limit = ("task", attempt.task_id), attempt.next_limit()
        known = self.due.get(slot)
        if limit is None:
            self.due.pop(slot, None)
        elif known is None or (known.kind, known.time_ms) != limit:
            kind, at_ms = limit
            number = attempt.dispatch.attempt
            self.due[slot] = Member(kind=kind, path=attempt.path, number=number, time_ms=at_ms, at_ms=at_ms)


class Queued(NamedTuple):
    """An attempt in its queue."""

    job: Job
    attempt: Attempt

    def place(self) -> int:
        """Its place among those of its client."""
        return self.attempt.place

    @property
    def client(self) -> str:
        """Whose it is."""
        return self.job.new.client


@dataclass(slots=True, kw_only=True)
class Program:
    """A canonical form, and when it was put last."""

    text: str
    asked_ms: int


@dataclass(slots=True)
class UsedUp:
    """What a client has taken in a period that ends at `until_ms`."""

    taken: int
    until_ms: int


@dataclass(slots=True, kw_only=True)
class Partition:
    """Jobs that live together. `open` is the index of open jobs, `leased` that of attempts under a lease, by wire id.

    A queue is kept by client and place, and `turns` how far its clients are on (see `rules.whose_turn`). `watched_ms`
    says when `due` last left nothing undone.
    """

    number: int
    ageing_ms: int = AGEING_MS
    keeps_history: bool = True
    jobs: dict[str, Job] = field(default_factory=dict)
    open: dict[str, Job] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    leased: dict[str, tuple[Job, Attempt]] = field(default_factory=dict)
    queues: dict[str, dict[str, list[Queued]]] = field(default_factory=dict)
    turns: dict[str, dict[str, int]] = field(default_factory=dict)
    requirements: dict[str, bytes] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)
    counters: dict[tuple[str, str], UsedUp] = field(default_factory=dict)
    post: dict[str, Post] = field(default_factory=dict)
    outbox: list[tuple[int, HistoryEntry]] = field(default_factory=list)
    sticky: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By name the worker that took the last attempt of it, and until when that counts; the newest last."""

    reserved: dict[str, tuple[Job, Attempt]] = field(default_factory=dict)
    watched_ms: int | None = None
    orders: int = 0
    stamp: int = 0
    woken: list[str] = field(default_factory=list)
    woken_workers: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def next_order(self) -> int:
        """A number that is higher than all before: what came first has the lower one."""
        self.orders += 1
        return self.orders

    def next_place(self, priority: int, now_ms: int) -> int:
        """The place of an attempt of this priority that is queued now."""
        self.stamp = next_stamp(self.stamp, now_ms)
        return place_in_queue(self.stamp, priority, self.ageing_ms)

    def waiting(self, queue: str) -> Iterator[Queued]:
        """The attempts of a queue that may be given out, by their places, whosever they are."""
        lines = self.queues.get(queue, {}).values()
        return (queued for queued in merge(*lines, key=Queued.place) if not queued.job.is_parked)

    def heads(self, queue: str) -> dict[str, Queued]:
        """The first attempt of each client that waits."""
        found: dict[str, Queued] = {}
        for client, line in self.queues.get(queue, {}).items():
            head = next((queued for queued in line if not queued.job.is_parked), None)
            if head is not None:
                found[client] = head
        return found

    def first(self, queue: str) -> Queued | None:
        """The attempt of a queue that is given out next: the first one of the client whose turn it is."""
        heads = self.heads(queue)
        if len(heads) < 2:
            return next(iter(heads.values()), None)
        places = {client: head.place() for client, head in heads.items()}
        return heads[whose_turn(places, self.turns.get(queue, {}))]

    def enqueue(self, job: Job, attempt: Attempt) -> None:
        """Put an attempt into its queue, and wake those who wait for an empty one."""
        if not job.is_parked and not self.heads(attempt.queue):
            self.woken.append(attempt.queue)
        line = self.queues.setdefault(attempt.queue, {}).setdefault(job.new.client, [])
        insort(line, Queued(job, attempt), key=Queued.place)

    def unqueue(self, job: Job, attempt: Attempt) -> None:
        """Take an attempt out of its queue, if it is in it."""
        lines = self.queues.get(attempt.queue, {})
        line = lines.get(job.new.client, [])
        at = bisect_left(line, attempt.place, key=Queued.place)
        if at < len(line) and line[at].attempt is attempt:
            del line[at]
        if not line:
            lines.pop(job.new.client, None)
        if not lines:
            self.queues.pop(attempt.queue, None)

    def sticky_worker(self, name: str, now_ms: int) -> str | None:
        """The worker that should have attempts of this name, if one is remembered."""
        worker, until_ms = self.sticky.get(name, ("", 0))
        return worker if name and until_ms > now_ms else None

    def stick(self, name: str, worker: str, now_ms: int) -> None:
        """The worker took an attempt of this name."""
        if name:
            self.sticky.pop(name, None)
            self.sticky[name] = worker, now_ms + STICKY_KEPT_MS
            if len(self.sticky) > STICKY_NAMES_MAX:
                del self.sticky[next(iter(self.sticky))]

    def reserve(self, job: Job, attempt: Attempt) -> None:
        """A delayed attempt that has a worker is for that one alone."""
        if attempt.worker is not None:
            self.reserved[attempt.task_id] = job, attempt
            self.woken_workers.append(attempt.worker)

    def unreserve(self, attempt: Attempt) -> None:
        """It is for nobody alone any more."""
        self.reserved.pop(attempt.task_id, None)

    def reserved_for(self, worker: str, queues: Collection[str]) -> list[tuple[Job, Attempt]]:
        """The attempts of these queues that are for this worker alone, the oldest first."""
        found = [
            (job, attempt)
            for job, attempt in self.reserved.values()
            if attempt.worker == worker and attempt.queue in queues and not job.is_parked
        ]
        return sorted(found, key=lambda each: (each[1].since_ms, each[0].new.job + each[1].path))
