"""State the shape of `Store.dump()`: the whole state as plain values, the same for every store.

Rules
  * Two stores in the same state give equal dumps. So nothing of a store's own making appears: no row numbers, no order
    in which things were put, no clean-up that is still to be done. What a closing or a lapse has made void is left out,
    whether or not it was removed.
  * Bytes are shown by `shown`. Times are the store's milliseconds. Lists are sorted unless their order means something.
  * Values are JSON types, so that a dump can be written down and compared.
"""

from __future__ import annotations

from typing import TypedDict


class MailDump(TypedDict):
    """Mail in a mailbox, oldest first. `returned` counts how often this mail was given out."""

    id: str
    kind: str
    body: str
    returned: int


class ScopeDump(TypedDict):
    """An open scope, or the root. `task` is the wire id of its open attempt, `signal` the [name, key] it waits for."""

    version: int
    visit: int
    record: str
    task: str | None
    signal: list[str] | None
    mail: list[MailDump]


class JoinDump(TypedDict):
    """A fork that is not closed. `begun` indexes have had a member `begin`."""

    total: int
    need: int
    tolerated: int
    window: int
    begun: int
    live: int
    ok: int
    failed: int
    verdict: str | None
    environment: str
    outputs: dict[str, str]


class AttemptDump(TypedDict):
    """An open attempt. `phase` is delayed, queued or leased; a parked job's task is queued (and in no queue here)."""

    path: str
    visit: int
    attempt: int
    queue: str
    priority: int
    body: str
    phase: str
    worker: str | None
    lease_until_ms: int | None
    progress: str | None
    undoable: bool


class EndedAttemptDump(TypedDict):
    """An attempt that ended within 15 minutes, or whose worker's lease is live (`holds`). `why` is `result`, or what it
    died of. `left` is the scope that went on without it, packed, if its success would be mailed to the root.
    """

    path: str
    worker: str
    why: str
    hash: str
    holds: bool
    left: str | None


class JobDump(TypedDict):
    """A job. `closed` lists ended scopes and closed forks (`/` once the job has ended), but none below another one;
    `joins` is keyed by the path of the fork (`/3`). `mail_ids` are those that came from outside, `mail_counts` how
    many count together (see `rules.counted_as`), without what is 0.
    `history` lists [seq, at, path, cause, record]; None when it is handed to a database.
    """

    client: str
    blueprint: str
    digest: str
    head: str
    status: str
    state: str
    key: str | None
    body_hash: str
    parent: str | None
    created_ms: int
    updated_ms: int
    finished_ms: int | None
    leaves_ms: int | None
    deadline_ms: int | None
    seq: int
    search: dict[str, str]
    labels: str | None
    reason: str | None
    result: str | None
    error: str | None
    live_leases: int
    scopes: dict[str, ScopeDump]
    closed: list[str]
    joins: dict[str, JoinDump]
    attempts: dict[str, AttemptDump]
    ended_attempts: dict[str, EndedAttemptDump]
    kept_signals: list[list[str]]
    mail_ids: list[str]
    mail_counts: dict[str, int]
    values: dict[str, str]
    undos: dict[str, str]
    history: list[list[int | str]] | None


class DueDump(TypedDict):
    """A due member. `kind` is a `DueKind`, or the store's own business: `delayed` (a task that will be queued), `dead`
    (the live lease of an ended attempt). `returned` is 0 for mail, which counts for itself. A member that was set aside
    because its job is parked looks as if it were not.
    """

    kind: str
    job: str
    path: str
    number: int
    at_ms: int
    returned: int


class Dump(TypedDict):
    """A store. `open` is the index of open jobs; `keys` lists [client, key, job]; `queues` has the wire ids of each
    queue that is not empty, by `<partition> <queue>`, in the order in which they would be given out, parked ones left
    out; `post` lists [to job, mail id] by `<partition>`, oldest first; `counters` lists [client, period, what
    is taken] of those that have not ended; `workers` has [record, usage] of live workers.
    """

    jobs: dict[str, JobDump]
    open: list[str]
    keys: list[list[str]]
    queues: dict[str, list[str]]
    due: list[DueDump]
    post: dict[str, list[list[str]]]
    programs: list[str]
    counters: list[list[str]]
    workers: dict[str, list[str | None]]


def shown(data: bytes) -> str:
    """Bytes as text, for people as far as it goes; no two values look the same."""
    return data.replace(b"\\", b"\\\\").decode(errors="backslashreplace")


def shown_or_none(data: bytes | None) -> str | None:
    """The same for what may be missing."""
    return None if data is None else shown(data)


def due_order(member: DueDump) -> tuple[int, str, str, str, int]:
    """The order of `Dump.due`."""
    return member["at_ms"], member["job"], member["path"], member["kind"], member["number"]
