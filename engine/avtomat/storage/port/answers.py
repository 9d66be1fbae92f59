"""Hold what a store answers: outcomes, scopes as they are kept, tasks handed out, due members, listings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from enum import StrEnum

from avtomat.core.value import value
from avtomat.errors import StoreError
from avtomat.storage.port.writes import Mail


class Outcome(StrEnum):
    """What became of a commit, checked in this order; only OK has written anything.

    unknown    no such job, or (result) no such attempt, or (mail, due) no such member: it was answered before
    duplicate  the same result of the same attempt was used before (within 15 minutes): accepted again
    mismatch   the attempt has ended with another result (same token, other hash), or belongs to another worker
    lost       the attempt's lease was taken away, or a timeout ended it; `reason` says which (lease, timeout,
    released)
    late       the scope has gone on or is closed, and what the attempt did may have to be undone: its success was
    mailed to the root (accepted)
    closed     the scope, an ancestor or the job is closed; `reason` is cancelled or ended
    parked     the job is paused or quarantined (operators' mail and the deadline pass): a result was put into the
    mailbox (accepted); a due member or a mail waits
    moved      the scope has another version; `loaded` brings the fresh scope
    """

    OK = "ok"
    UNKNOWN = "unknown"
    DUPLICATE = "duplicate"
    MISMATCH = "mismatch"
    LOST = "lost"
    LATE = "late"
    CLOSED = "closed"
    PARKED = "parked"
    MOVED = "moved"


@value
class Loaded:
    """A scope as it is kept, with what is needed to decide for it.

    `head` is NewJob.head; `status`, `deadline_ms`, `labels` are its changing part. `scope` is None when the scope has
    not begun (version 0). `environment` is that of the fork it belongs to (None at the root). `undo` is the newest
    undo that was recorded and not yet run, with its seq, given for the root of a job that compensates or is parked (it
    may be parked while it undoes).
    """

    job: str
    path: str
    version: int
    digest: str
    head: bytes
    status: str
    client: str
    deadline_ms: int | None
    updated_ms: int
    scope: bytes | None
    environment: bytes | None = None
    undo: tuple[int, bytes] | None = None
    labels: bytes | None = None


@value
class Revoked:
    """An attempt that a worker held and that this step ended, but not by its result: tell the worker to cancel."""

    task_id: str
    worker: str


@value
class Committed:
    """The answer of a commit. `seq` is the entry's number in history. `begins` are paths of scopes that may begin now
    (each has a due member too, so nothing is lost if nobody does). `mailed`: beside its posts, this step put mail into
    a mailbox of the job (a verdict, word that undos may run), so that it is worth asking `due` at once. `handouts` are
    what a worker got that asked for tasks (None: none did, or the scope moved).
    """

    outcome: Outcome
    reason: str = ""
    version: int = 0
    seq: int = 0
    loaded: Loaded | None = None
    begins: tuple[str, ...] = ()
    revoked: tuple[Revoked, ...] = ()
    mailed: bool = False
    handouts: tuple[Handout, ...] | None = None


@value
class Created:
    """The answer of a create. `fresh` False: the client's key named this job before, and `body_hash` is that of then
    (another hash is for the caller to refuse). `begins` and `mailed` are as in `Committed`.
    """

    job: str
    fresh: bool
    body_hash: str
    begins: tuple[str, ...] = ()
    mailed: bool = False


# --- tasks, due members, listings -------------------------------------------------------------------------------------


@value
class Taken:
    """What was taken from a counter now (`granted`), and what is taken from it in all, by every replica."""

    granted: int
    in_all: int


@value
class Handout:
    """An attempt under a fresh lease. `deadline_ms` is the earlier of attempt and total deadline. `view` brings its
    scope, as it was in this step, so that a replica that does not know it needs no read when the result comes (None
    when the record is over 16 kB: load it then).
    """

    task_id: str
    job: str
    path: str
    visit: int
    attempt: int
    queue: str
    priority: int
    body: bytes
    lease_until_ms: int
    lease_ms: int
    deadline_ms: int | None
    view: Callable[[], Loaded | None] = field(compare=False, repr=False)

    @property
    def loaded(self) -> Loaded | None:
        """The attempt's scope."""
        return self.view()


@value
class Below:
    """How far a fork is: the integers of its join, and by path some of its scopes that have begun and not ended.

    `begun` counts those that may begin or have, `live` those of them that have not ended.
    """

    total: int
    begun: int
    live: int
    ok: int
    failed: int
    paths: tuple[str, ...]


@value
class Held:
    """A dead attempt that a worker may still be at, until it is heard of or its lease ends. `until_ms` 0: a job is at
    work on it, the one named as `worker`, until it ends.
    """

    task_id: str
    worker: str
    until_ms: int


class DueKind(StrEnum):
    """What came due: times of an attempt (queue, attempt, lease, total), a visit's timer, the job's deadline or
    start, a scope that may begin, mail, the rest of a clean-up (which the store does itself when `sweep` is called
    for it).
    """

    QUEUE = "queue"
    ATTEMPT = "attempt"
    LEASE = "lease"
    TOTAL = "total"
    TIMER = "timer"
    DEADLINE = "deadline"
    BEGIN = "begin"
    MAIL = "mail"
    START = "start"


@value
class Due:
    """A member that came due and is armed again for `rearm_ms`, until a commit answers it.

    `number` is the attempt, the visit or 0. `returned` counts how often it was given out without an answer, this time
    included. For mail: the oldest of the scope that may be given out. `loaded` is the scope (None when over 16 kB).
    For times of an attempt that a worker holds: `task_id` and `worker`.
    """

    kind: DueKind
    job: str
    path: str
    number: int
    returned: int
    mail: Mail | None = None
    loaded: Loaded | None = None
    task_id: str = ""
    worker: str = ""


class Delivered(StrEnum):
    """What became of a mail. full: the job remembers 10,000 ids and takes no more."""

    OK = "ok"
    DUPLICATE = "duplicate"
    CLOSED = "closed"
    FULL = "full"
    UNKNOWN = "unknown"


@value
class OpenTask:
    """An open attempt, for people: who has it since when. `phase` is delayed, queued, leased or parked (queued, but the
    job is paused or quarantined), or child (the job named as `worker` is at work on it). `due_ms` is when it is queued
    (delayed), or when its queue, attempt or total deadline passes; None when it has none. `worker` has it, or, while it
    is delayed, is the one for which it is reserved.
    """

    task_id: str
    path: str
    visit: int
    attempt: int
    queue: str
    phase: str
    since_ms: int
    worker: str | None = None
    lease_until_ms: int | None = None
    due_ms: int | None = None
    progress: bytes | None = None


@value
class JobRow:
    """A job as listings and readers see it. `state`, `scope` and `tasks` are the root's; `result`, `error` once
    ended. `Store.show` alone gives the tasks of every scope, by path.
    """

    job: str
    client: str
    blueprint: str
    digest: str
    status: str
    state: str
    head: bytes
    scope: bytes | None
    created_ms: int
    updated_ms: int
    finished_ms: int | None
    deadline_ms: int | None
    seq: int
    result: bytes | None = None
    error: bytes | None = None
    reason: bytes | None = None
    labels: bytes | None = None
    body_hash: str = ""
    tasks: tuple[OpenTask, ...] = ()


@value
class Query:
    """A page of jobs, newest first by (created_ms, job). None does not filter. `status` is a stored word. `parent` is
    the job that began them, "" for those that no job began. `cursor` is what the page before gave.
    """

    client: str | None = None
    status: str | None = None
    blueprint: str | None = None
    parent: str | None = None
    limit: int = 50
    cursor: str | None = None


@value
class Page:
    """Rows, and the cursor of the next page (None: this was the last)."""

    rows: tuple[JobRow, ...]
    cursor: str | None


@value
class HistoryEntry:
    """One entry of a job's history: `seq` 1..n without gaps, `at_ms` never backwards, `cause` a word such as `result 1`
    or `timer 4` (see `rules.cause_word`; `create`, `quarantine`), `record` what the commit gave."""

    job: str
    seq: int
    at_ms: int
    path: str
    cause: str
    record: bytes


@value
class Wakeups:
    """What a store calls when something happened, here or at another replica. Calls are quick and never raise.

    queue   a queue has work (its partition and name)
    job     a job has another stored status: it ended, above all (a store may tell of lesser changes as well)
    lost    messages may have been missed: look again
    broken  this store cannot be used any more by this process; once, and every call raises this error from now on
    elsewhere  the change of this job, which `job` tells next, was made at another replica
    reserved  an attempt is reserved for a worker (its partition and the worker)
    deaf    other replicas' messages do not come from now on (True), or come again (False; `lost` follows)
    """

    queue: Callable[[int, str], None]
    job: Callable[[str], None]
    lost: Callable[[], None]
    broken: Callable[[StoreError], None] = lambda _: None
    elsewhere: Callable[[str], None] = lambda _: None
    deaf: Callable[[bool], None] = lambda _: None
    reserved: Callable[[int, str], None] = lambda *_: None
