"""State what every store promises: the operations, the values they take and give, and the rules they keep.

An operation is one change of state that a store does in one atomic step. Stores see no YAML and no Python objects of
a job: what a user or a program wrote travels as bytes that a store keeps and returns unread. What a store must
understand – paths, versions, tokens, times, counters, words – stands beside them in fields of its own.

Rules that hold for every operation
  * Times are milliseconds since the epoch, UTC, on the store's clock; a span is milliseconds too. Every answer moves
    the offset behind `Store.now_ms`.
  * A partition is part of every job id (its first two hexadecimal digits), of every wire id of a task (which begins
    with the job's id, which has no dash), and of every key. A call touches one partition (heartbeat, release and the
    workers' records excepted); `rules.py` says how an id or an idempotency key names its partition.
  * A call that was certainly not executed is repeated by the store itself or raises `StoreNotExecuted`; a call whose
    answer was lost raises `StoreAnswerLost` and may be repeated with the same arguments: every operation but those of
    counters is idempotent by its job id, cause, nonce or mail id.

Names
  * path     a scope inside a job: `/`, `/3.17`, `/3.17/0.2` (fork.index per level; ANCESTORS of it are its prefixes).
  * task_id  wire id of one attempt: `<job>-<random>`; it is the lease token as well.
  * queue    `<kind>`, or `<kind>#<digest>` when the task asks something of the worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from avtomat.errors import StoreError
from avtomat.storage.port.answers import (
    Below,
    Committed,
    Created,
    Delivered,
    Due,
    Handout,
    Held,
    HistoryEntry,
    JobRow,
    Loaded,
    Page,
    Query,
    Taken,
    Wakeups,
)
from avtomat.storage.port.writes import Cause, DueCause, Mail, MailCause, NewJob, Post, TaskRequest, Writes

OPERATOR_MAIL = frozenset({"cancel", "pause", "resume", "operate"})
DUE_RETURNS_MAX = 5
SIGNAL_IDS_MAX = 10_000
SENDER_IDS_MAX = SIGNAL_IDS_MAX // 2
OPERATOR_IDS_MAX = 1_000
"""How many ids of mail a job remembers: of signals, of one sender's signals, of operators' requests."""
LOADED_BYTES_MAX = 16 * 1024
AGEING_MS: Final = 60_000
"""A step of priority counts as much as so long a wait, where no setting says otherwise."""

EQUAL: Final[Mapping[str, int]] = {}
"""No client has a stride of its own."""

STICKY_GRACE_MS: Final = 2_000
STICKY_KEPT_MS: Final = 3_600_000
"""How long a task is reserved for the worker that took the last one of its name, and how long that is remembered."""

STICKY_NAMES_MAX: Final = 10_000
"""Of so many names a partition remembers it; then those go that were heard of longest ago."""

DECLINED: Final = "declined"
"""The word in `Writes.dead_because` for what ends without being undone."""

ENDED_ATTEMPT_KEPT_MS = 15 * 60_000
SIGNAL_KEPT_MS = 24 * 3_600_000
CLOSE_AT_ONCE_MAX = 200
BELOW_LOOKED_AT_MAX = 1_000


class Store(Protocol):
    """Where jobs are kept. One object per replica; `open` before use, `close` at the end."""

    partitions: int
    commits_in_groups: bool
    """Whether commits that come together are flushed together, so that a few cost others hardly more than one."""

    async def open(self, wakeups: Wakeups) -> None:
        """Connect, prepare the format (refusing a newer one with `StoreError`), and begin to call `wakeups`."""

    async def close(self) -> None:
        """Let calls that are under way end, then disconnect."""

    def now_ms(self) -> int:
        """The store's clock as this replica knows it; never backwards within this object."""

    def wall_ms(self) -> int:
        """The time of day as this replica knows it: the store's clock, but where that goes on after the system's was
        turned back. What people write as a time of day is held to it.
        """

    def gauges(self) -> Mapping[str, float]:
        """Numbers of this kind of store, for metrics: how far its clock is before the system's (`clock_ahead_seconds`),
        how often that one jumped (`clock_jumps`), and what else it has.
        """

    async def ping(self) -> None:
        """Touch the store and move the clock's offset; raises `StoreError` when it cannot be used for writing."""

    def trouble(self) -> StoreError | None:
        """Why no new job is safe in the store, or why it takes nothing now (a full disk, a lock, a file that has gone,
        a server that cannot be reached), as far as is known without asking it; None when all is well.
        """

    # programs: kept by digest in the partition's store, for as long as a job needs them

    async def put_programs(self, programs: Mapping[str, str]) -> None:
        """Keep canonical forms by digest in every partition; a repeat only refreshes when each was last asked for."""

    async def program(self, digest: str) -> str | None:
        """The canonical form."""

    # what is current: a record for each name of a blueprint, and a number that moves with every change of them

    async def current(self, seen: int) -> tuple[int, Mapping[str, bytes]] | None:
        """The number and all records; None when the number is `seen` still. A store without any has the number 0."""

    async def put_current(self, changes: Mapping[str, bytes], was: Mapping[str, bytes]) -> list[str]:
        """Replace the records of these names where the record is the one in `was` (not there: none), in one step.
        Returns the names that have another record, which stays.
        """

    # what replicas agree on beside jobs: records by topic and name, and for each topic a number that moves with them

    async def agreed(self, topic: str, seen: int) -> tuple[int, Mapping[str, bytes]] | None:
        """The topic's number and all its records; None when the number is `seen` still. It is 0 where none was ever."""

    async def agree(self, topic: str, changes: Mapping[str, bytes], was: Mapping[str, bytes]) -> list[str]:
        """Replace the records of these names where the record is the one in `was` (not there: none), in one step; an
        empty one is taken away. Returns the names that have another record, which stays.
        """

    # jobs

    async def create(self, new: NewJob) -> Created:
        """Write the job, its root scope (version 1), its task or timer, its history entry 1 and its indexes, in one
        step.

        With `key`: the first job of (client, key) wins for as long as it is kept. A repeat of the same job id changes
        nothing and is answered `fresh` again, without begins. A commit that makes an empty queue non-empty calls
        `Wakeups.queue` at every replica; so does a create. `new.writes.end` may be set: a job of passive states ends in
        the step that creates it.
        """

    async def load(self, job: str, path: str = "/", *, task_id: str | None = None) -> Loaded | None:
        """The scope at `path`, or the scope to which the attempt `task_id` belongs (open, or ended within 15
        minutes). A scope that has not begun has version 0; None when job, fork or attempt is unknown, or when the
        index lies outside the fork. A closed scope below the root keeps no record: asked for by `task_id` or as the
        ended scope of an open fork it has version 0 and scope None, by a path below a closed fork it is None.
        """

    async def values(self, job: str, ids: Sequence[str]) -> list[bytes | None]:
        """Large values by id, in order; None for what is unknown."""

    async def outputs(self, job: str, path: str, fork: int, start: int, count: int) -> list[bytes | None]:
        """Outputs of the scopes `start` … `start+count-1` of a fork of the scope at `path`, in index order; None
        where nothing was kept. They are kept while the scope at `path` is open; those of the root as long as the job.
        """

    async def below(self, job: str, path: str, fork: int, limit: int) -> Below | None:
        """How far an open fork of the scope at `path` is, with up to `limit` of its open scopes, for people: of a fork
        with more than BELOW_LOOKED_AT_MAX scopes under it there may be fewer. None: no such fork, or it is closed.
        """

    async def held(self, job: str, limit: int) -> list[Held]:
        """Up to `limit` dead attempts whose leases are live still, for people; by wire id."""

    async def commit(
        self, job: str, path: str, version: int, cause: Cause, writes: Writes, wanted: TaskRequest | None = None
    ) -> Committed:
        """Write what one decision changes if `cause` still counts and the scope still has `version`; see `Outcome`.

        version 0 begins a scope of a fork (`DueCause begin`). The cause is used up with the write. The job's history
        grows by one. The scope's version becomes version + 1. With `end` below the root: live - 1, ok or failed + 1
        at the join; while there is no verdict and live < window, further indexes get a due member `begin` and come
        back in `begins`; a verdict is written once and mailed to the parent scope as mail `join:<number>` of kind
        `join` with body b'<met|broken> <ok> <failed> <index that broke it or -1>\\n<error bytes>'. With `end` at the
        root, or `close`: see CLOSE below. Broken is looked at before met. Mail that the store makes itself (join,
        unwind, and `result:<task_id>` of kind `result` for the result of a parked job) is never refused.

        A due cause counts from when `due` gave the member out until the member gets another time (a claim, a
        heartbeat, a new deadline); `begin` counts from birth; before and after that, and in a closed scope, due and
        mail causes are `unknown`. A DueCause of kind `mail` is `unknown`: mail is named by its id. A result for an
        attempt of another path is `unknown`, for one that is not leased now `lost` with reason `released`.

        A signal that was handed to this scope's wait and is still unread when the wait goes (no `keeps_task`) is kept
        again in its old place, for this commit's own `signal` or for whoever waits next. A commit with `keeps_task`
        replaces just those of task, timer and signal wait that it sets.

        CLOSE: `close` names forks (`<scope>/<number>`, at this scope or below it); what is closed so counts at no join.
        A closed scope and all below it are closed for ever: open attempts, timers, begins, mail, signal waits
        below are removed in this step, at most CLOSE_AT_ONCE_MAX, the rest by `sweep`; attempts that workers hold
        come back in `revoked`, keep a record of 15 minutes with the reason `dead_because`, and count as live leases
        of the job until a result, a release or the end of the lease is seen. Ending the root closes everything.
        Attempts that no worker holds leave no record: they are `unknown` then.

        CHILDREN: when a job ends that answers an open attempt, in that step the attempt ends by its result, and its
        scope is mailed `child:<task_id>` of kind `child` with body b'<status> <job>\\n<output or error>'. An open
        attempt that ends otherwise while a job is at work on it counts as a live lease until that job ends, and the job
        is mailed a cancel (`rules.left_mail`): without compensation where `dead_because` is DECLINED, which jobs that
        were mailed one before are told as well.

        With `wanted`, whatever the outcome but `moved`, the worker is then given attempts in the same step, as by
        `poll`: also one that this very commit has queued or reserved. What it takes out of a queue wakes nobody.

        LATE: while the job is open and such a lease is live, a success of an `undoable` attempt whose scope went on
        without it (and not `settled`) or was closed is mailed to the root, once: `late:<task_id>` of kind `late`, with
        the scope as it was (`rules.late_mail`); the answer is `late`. So is a result of that kind which a parked job
        had kept as mail (`effect`), when its scope is closed or goes on without it; other kept results go then.

        While the job is compensating, when the count of its live leases is (or becomes) 0 the store mails the root
        once per compensation: mail `unwind:<seq>` of kind `unwind`, empty body; <seq> is the history entry that set
        the status `compensating`. Parking and going on compensating is the same compensation; `open` ends it.
        """

    async def quarantine(self, job: str, path: str, cause: Cause | None, reason: bytes, record: bytes) -> bool:
        """Park the job without a decision (poison): status quarantined, `cause` is answered, one history entry.
        False: no such open job.

        Answered means: operators' mail and the deadline are used up; a result that counts ends its attempt and becomes
        mail `result:<task_id>` of kind `result`, or `effect` if it may have to be undone; all else waits, counted from
        0 again, so that a job set open has its reason to move.
        The entry's cause is `quarantine`; no version moves. A job quarantined already gets no second entry.
        """

    async def dismiss(self, job: str, path: str, cause: MailCause | DueCause) -> None:
        """Answer a piece of mail or a due member that changes nothing: it goes away, no version and no history move.

        Operators' mail gives its room back, and its id is taken again.
        Of an attempt, that limit (queue, attempt, total) goes and the next one counts; lease, begin and start are
        answered by commits alone and stay.
        """

    async def deliver(self, job: str, mail: Mail) -> Delivered:
        """Put mail into a scope's mailbox, or hand it to the waiter of a signal (or keep it SIGNAL_KEPT_MS for the
        next one). The waiter is the scope that has waited longest. Looked at in this order: unknown job, duplicate,
        closed job or scope, unknown scope (not begun), full.

        The ids of signals and of operators' mail are counted apart (see `rules.counted_as`): when a count has reached
        its bound, such mail is refused as full. `cancel` never is: past its bound its id is known only until it is
        answered. All other mail is the engine's own and is never refused.
        """

    async def history(self, job: str, after: int, limit: int) -> list[HistoryEntry]:
        """Entries with seq > after, oldest first; none when the store hands its history to a database."""

    async def show(self, job: str) -> JobRow | None:
        """The whole row with the open tasks of every scope (at most 1,000)."""

    async def key(self, client: str, key: str) -> JobRow | None:
        """The job that an idempotency key names."""

    async def list_jobs(self, query: Query) -> Page:
        """One page; cost grows with the page, not with what is stored."""

    async def counts(self) -> Mapping[str, int]:
        """Numbers for metrics and doctors: open jobs by stored status, queued tasks by queue (`queue:<name>`),
        leases, due members, entries in the outbox (one store may count a little too many there). The keys `open`,
        `paused`, `quarantined`, `compensating`, `finishing`, `leases`, `due`, `outbox` are always there; parked tasks
        may be among the queued.
        """

    # work

    async def poll(
        self,
        partition: int,
        worker: str,
        queues: Sequence[str],
        *,
        nonce: str,
        max_tasks: int,
        lease_ms: int,
        strides: Mapping[str, int] = EQUAL,
        reserved: bool = False,
    ) -> list[Handout]:
        """Take up to `max_tasks` attempts from these queues, in the order of their places over all of them; each gets
        a lease in this step. A place is when an attempt was queued, less the store's `ageing_ms` for each step of
        priority (`rules.place_in_queue`).

        Of a queue for which several clients wait, the first attempt of the client whose turn it is counts
        (`rules.whose_turn`). An attempt of a client named in `strides` moves it on so far, of others `rules.STRIDE`.

        With `reserved`, attempts of these queues that are reserved for this worker come first, the oldest before
        others; of those that wait for the same time, by job and path. Each attempt with a `sticky` name that is taken
        makes this worker the one of the name. A step that reserves one calls `Wakeups.reserved` at every replica.

        The same nonce of the same worker again (not empty) returns what is still leased under it; when nothing is, it
        takes afresh. Tasks of paused or quarantined jobs are not given out. A claim that leaves a queue non-empty
        calls `Wakeups.queue`; so does whatever makes an empty one non-empty (release, due, a job set open).
        """

    async def queues(self, partition: int) -> Mapping[str, bytes]:
        """Queues that hold tasks and carry requirements, by name; one whose tasks are all parked may be named."""

    async def heartbeat(self, worker: str, task_ids: Sequence[str], *, lease_ms: int) -> list[str]:
        """Extend the leases of these attempts (those with an own `lease_ms` by that). Returns the ids that this store
        knows, that belonged to this worker, and that are dead; ids it never knew, or that ended well, are passed
        over. A lease is never shortened; a dead attempt's lease is not extended.
        """

    async def release(self, worker: str, task_ids: Sequence[str]) -> None:
        """Give attempts back unworked: to their place in the queue (before later ones), with the same attempt number
        and a new claim later. The wire id stays. `queue_ms` runs anew from here.
        """

    async def progress(self, worker: str, task_id: str, note: bytes) -> bool:
        """Keep the last progress note of an attempt that this worker holds."""

    # workers' records (registrations), shared by replicas

    async def put_worker(self, worker: str, record: bytes, ttl_ms: int) -> None:
        """Keep a registration until it was not renewed for `ttl_ms`."""

    async def touch_worker(self, worker: str, ttl_ms: int, usage: bytes | None = None) -> bytes | None:
        """Renew a registration and return it; None when it is unknown."""

    async def workers(self) -> Mapping[str, bytes]:
        """All live registrations."""

    # counters: what a client may use up in a period, shared by replicas

    async def take(self, client: str, period: str, amount: int, *, most: int, until_ms: int) -> Taken:
        """Take up to `amount` of what is left in this client's counter of a period, of which `most` can be taken in
        all. A counter begins with its first use and ends at `until_ms`, from which time on nothing is granted.

        This and `give_back` are not idempotent: what was taken by a call whose answer was lost stays taken.
        """

    async def give_back(self, client: str, period: str, amount: int) -> None:
        """Give back what was taken from a counter and not used; one that has ended takes nothing."""

    # duties, each claimed in small batches by any replica

    async def due(self, partition: int, limit: int, *, rearm_ms: int) -> list[Due]:
        """Give out members whose time has come, and arm them again `rearm_ms` later (doubling with `returned`, at
        most 16 times as long).

        Delayed tasks whose time has come are moved to their queue here, by the store alone, in the order of their
        times. When nobody ran `due` to its end (fewer than `limit` were due) for a third of a lease's own length and
        for 2 s, or ever, that lease, come due meanwhile and not given out yet, first gets its own length from now once.
        Steps that the store does alone count for `limit`, so an answer may be short although more is due.

        Members of one time come in any order. An open attempt has one member, its earliest limit (of equal times:
        total, attempt, lease, queue). A scope has one member of kind mail: due at once when mail comes into an empty
        mailbox, when some mail is answered, and when operators' mail comes for a parked job without any; `returned`
        counts for each mail by itself.

        Members of paused or quarantined jobs are set aside until the job is open again, but for the deadline and mail
        in OPERATOR_MAIL.
        """

    async def next_due_ms(self, partition: int) -> int | None:
        """When the earliest member is due, so that a replica can sleep until then; None when there is none. It may be
        too early for what is set aside, until `due` has seen it.
        """

    async def sweep(self, partition: int, limit: int) -> int:
        """Do up to `limit` steps of clean-up that closings left behind, and forget what has lapsed (records of ended
        attempts, kept signals). Returns how many were done; 0 when nothing is left.
        """

    async def trim(self, partition: int, limit: int) -> int:
        """Remove up to `limit` ended jobs past their retention, with history, values, keys and programs that nothing
        needs: no job of the partition was created with them, and nobody put them for rules.PROGRAM_KEPT_MS. Counters
        that have ended go as well. Returns how many jobs left.
        """

    # cross-partition post, and the outbox to a history database

    async def post(self, partition: int, limit: int) -> list[Post]:
        """Mail for jobs in other partitions, oldest first."""

    async def posted(self, partition: int, mail_ids: Sequence[str]) -> None:
        """Forget post that was delivered."""

    async def outbox(self, partition: int, limit: int) -> list[tuple[str, HistoryEntry]]:
        """Entries for the history database with their positions, oldest first; empty when the store keeps history
        itself.
        """

    async def outbox_trim(self, partition: int, position: str) -> None:
        """Forget the outbox up to and including `position`."""

    # for tests and doctors

    async def dump(self) -> Mapping[str, object]:
        """The whole state in the shape of `storage/proof/dump.py`, the same for every store; invariants are checked
        on it. For tests and `doctor` on small stores.
        """
