"""Hold what a store is asked to write: jobs, commits with their causes, mail.

User data and the program's records are bytes here; what a store must understand stands beside them in fields.
All times are milliseconds since the epoch on the store's clock, spans are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from avtomat.core.value import value


@value
class Dispatch:
    """Open attempt `attempt` of the scope's visit. `body` None: the body of the attempt before (a retry).

    With `body` None, `queue`, `priority` and `requirements` are those of that attempt too (given as "" and 0).
    `not_before_ms` in the future keeps the task delayed (in no queue) until then; the store moves it by itself.
    `queue_ms` runs from the moment it is queued; `attempt_ms` and `lease_ms` from the claim; `total_at_ms` is absolute.
    `lease_ms` None: the poller's. `requirements` is kept once per queue, for replicas that must judge workers.

    With `child` the attempt is in no queue: that job begins in the same step and is at work on it (phase `child`, its
    id stands for the worker, no lease runs), and its end is the attempt's result; see CHILDREN in `Store.commit`.

    `undoable`: what a success of the attempt did is undone if the job ends badly. Should its scope go on or be closed
    while a worker holds it, the store keeps what the scope was until the lease is over, and a success that comes
    meanwhile is mailed to the root with it: see `rules.late_mail`.

    `sticky` names tasks that one worker should have, the last that took one of them: for STICKY_GRACE_MS the task is
    delayed, and reserved for that worker alone. A retry names none.
    """

    task_id: str
    attempt: int
    queue: str
    priority: int
    body: bytes | None
    requirements: bytes | None = None
    not_before_ms: int | None = None
    queue_ms: int | None = None
    attempt_ms: int | None = None
    lease_ms: int | None = None
    total_at_ms: int | None = None
    child: NewJob | None = None
    undoable: bool = False
    sticky: str = ""


@value
class Fork:
    """Begin `total` scopes below this one, at most `window` live at once, named `<path>/<number>.<index>`.

    met when ok = need or ok + failed = total; broken when failed > tolerated. total 0 is met at once. `environment` is
    kept for the fork and returned with each of its scopes (`Loaded.environment`). A number is used once in a scope.
    """

    number: int
    total: int
    need: int
    tolerated: int
    window: int
    environment: bytes


@value
class Mail:
    """Something that comes from outside a scope. `to` is a path, or ("signal", name, key).

    `kind` is a word for `Due.kind`'s reader (cancel, pause, resume, signal, child, join, unwind, result …). Mail whose
    kind is in OPERATOR_MAIL is given out while the job is paused or quarantined; all other mail waits. `sender` is who
    sent a signal: it counts when that is delivered, and is not kept with it.
    """

    id: str
    kind: str
    body: bytes
    to: str | tuple[str, str, str] = "/"
    sender: str = field(default="", compare=False)


@value
class Post:
    """Mail written in a commit for another job: delivered in the same step if that job is in the same partition, else
    kept in the partition's post until `posted` (STORE promises: carried at least once, taken once). Mail ids of posts
    are unique in the sender's partition; a repeat changes nothing. Post in the same partition to a job that is unknown,
    closed or full is dropped. A job may write to itself; post is delivered last in its step.
    """

    job: str
    mail: Mail


@value
class ScopeEnd:
    """The scope ends. For a branch or item: `ok` counts at its join, `output` is kept under its index (None: nothing
    kept), `error` travels with the verdict if it was this scope that broke the join. At the root the job ends with
    the word `status` (finished, failed, cancelled) and `result` / `error` are the job's for ever.
    """

    ok: bool
    status: str = ""
    output: bytes | None = None
    error: bytes | None = None


@value
class HeadChange:
    """What changes for the whole job; None leaves a field as it is.

    `status` is one of open, paused, quarantined, compensating, finishing (ended words come by ScopeEnd alone). `reason`
    is kept with it for people; a new status without one clears it. `deadline_ms` 0 removes the deadline.
    """

    status: str | None = None
    reason: bytes | None = None
    deadline_ms: int | None = None
    search: Mapping[str, str] | None = None
    labels: bytes | None = None


@value
class SignalWait:
    """The scope waits for a signal with this name and key. If one has come already, it is mailed to the scope in this
    very step, and the timer that the scope has by then is gone: what is there counts before the time given for it.
    """

    name: str
    key: str


@value
class Writes:
    """One write-set: everything that one decision changes, written in one step.

    Unless `keeps_task` is set, the open attempt, the timer and the signal wait that the scope had before are gone with
    this write (an attempt that a worker still holds is then dead: its result is answered `closed` or `lost`, by
    `dead_because`); `dispatch`, `timer_ms`, `signal` then set the new ones. With `timer_by_wall` the timer is held to
    the system's clock where that differs from the store's (SQLite), and so is `start_ms` of a new job.

    `scope` is the scope's new record. `values` are large values by id, written once and never changed. `record` is this
    commit's entry in the job's history (the store adds seq and at). `state` is for listings: the root's counts, empty
    leaves it. `at_ms` is the time for which was decided (0: now); the entry's `at_ms` is that, but not before the entry
    before it and not in the store's future; the job's created, updated and finished times are those of its entries.

    `settled`: whatever becomes of the attempt that the scope had, no undo of it is to be noted any more (its time was
    over, or an operator said what it did). What is closed below the scope is not meant.

    `shared` is a large part that several of these have in common, and the event of a result with them, unless it is
    empty: a store may carry and keep it once. It adds nothing to what is written.

    `jobs` begin in this step, after all else but the post, and go on by themselves. They live in the same partition, as
    a child does. Their ids are new: one that is known changes nothing.
    """

    scope: bytes
    visit: int
    record: bytes
    state: str = ""
    at_ms: int = 0
    keeps_task: bool = False
    settled: bool = False
    dead_because: str = "cancelled"
    dispatch: Dispatch | None = None
    timer_ms: int | None = None
    timer_by_wall: bool = False
    signal: SignalWait | None = None
    fork: Fork | None = None
    close: tuple[str, ...] = ()
    end: ScopeEnd | None = None
    undo: bytes | None = None
    undone_seq: int | None = None
    head: HeadChange | None = None
    posts: tuple[Post, ...] = ()
    jobs: tuple[NewJob, ...] = ()
    values: Mapping[str, bytes] = field(default_factory=dict)
    shared: bytes = field(default=b"", repr=False)


@value
class NewJob:
    """A job to be created, with the first write-set of its root scope (version 1).

    `key` is the client's idempotency key, `body_hash` the hash of what it sent. `head` is the fixed part of the job's
    head. `start_ms` in the future: the job begins with a due member `start`, and `writes` holds no task and no timer.
    `retention_ms` counts from its end.

    `parent` is the job that began it, `answers` the wire id of that job's attempt whose result its end is. `needs` are
    the digests of programs, beside its own, that it may run later: they are kept as long as the job.
    """

    job: str
    client: str
    blueprint: str
    digest: str
    head: bytes
    writes: Writes
    retention_ms: int
    key: str | None = None
    body_hash: str = ""
    parent: str | None = None
    answers: str | None = None
    needs: tuple[str, ...] = ()
    deadline_ms: int | None = None
    start_ms: int | None = None
    search: Mapping[str, str] = field(default_factory=dict)


# --- causes and answers of a commit -----------------------------------------------------------------------------------


@value
class ResultCause:
    """A worker's result of an attempt: `hash` covers status, data and error. `event` is the encoded result, so that a
    paused job's store can keep it as mail and the worker may be told that it is accepted. `output` is what it gave,
    encoded, for those who write it down elsewhere as well. `success`: the worker did what it was asked to do.
    """

    task_id: str
    worker: str
    hash: str
    event: bytes
    output: bytes = field(default=b"", repr=False)
    success: bool = False


@value
class MailCause:
    """A piece of mail: it leaves the mailbox with this commit."""

    id: str


@value
class DueCause:
    """A due member, as `due` returned it: the commit answers it. `number` is the attempt (queue, attempt, lease,
    total), the visit (timer), or 0.
    """

    kind: str
    number: int


Cause = ResultCause | MailCause | DueCause


@value
class TaskRequest:
    """What a worker wants next, told with its result; the fields are those of `Store.poll`."""

    worker: str
    queues: tuple[str, ...]
    nonce: str
    max_tasks: int
    lease_ms: int
    strides: Mapping[str, int] = field(default_factory=dict)
    reserved: bool = False
