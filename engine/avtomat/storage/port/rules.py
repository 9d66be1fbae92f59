"""State what is the same in every store, as pure functions: paths, partitions, when a member is due, joins, words.

A store may do these things in its own tongue (SQL, Lua); then the contract suite holds it to what stands here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from avtomat.storage.port.store import OPERATOR_IDS_MAX, OPERATOR_MAIL, SENDER_IDS_MAX, SIGNAL_IDS_MAX
from avtomat.storage.port.writes import Cause, DueCause, Mail, MailCause, ResultCause

ROOT = "/"
PARKED = frozenset({"paused", "quarantined"})
ENDED = frozenset({"finished", "failed", "cancelled"})
UNDOING = frozenset({"compensating", "paused", "quarantined"})
"""Words of a job that may be in the middle of undoing something: parked ones are loaded with their undos as well."""

LOST_REASONS = frozenset({"lease", "timeout"})
"""What an attempt died of that is answered `lost`; any other word is answered `closed`."""

REARM_FACTOR_MAX = 16
UNWATCHED_MS_MIN = 2_000
"""Replicas look once a second when nothing is due. A shorter gap is no outage, however short a lease may be."""
_JOB_ID = re.compile(r"[0-9a-f]{2}[0-9a-z]{1,62}", re.ASCII)
_CURSOR = re.compile(r"[0-9]{1,15}\.[0-9a-z]{1,64}", re.ASCII)
_TASK_RANDOM = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
PROGRAM_KEPT_MS = 30 * 24 * 3_600_000
"""A program that no job of the partition names is kept so long after it was last put."""


# --- partitions -------------------------------------------------------------------------------------------------------


def partition_of(job: str) -> int:
    """The partition of a job or of a task: the first two hexadecimal digits of its id."""
    return int(job[:2], 16)


def partition_of_key(client: str, key: str, partitions: int) -> int:
    """The partition in which the job of a client's idempotency key lives; its id is made to begin so."""
    digest = hashlib.sha256(f"{client}\0{key}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % partitions


def job_of_task(task_id: str) -> str:
    """The job of an attempt: its wire id is `<job>-<random>`, where the random part may have dashes of its own."""
    return task_id.partition("-")[0]


def is_job_id(text: str, partitions: int) -> bool:
    """Whether a text from outside can be a job's id here: its form, and a partition that there is."""
    return _JOB_ID.fullmatch(text) is not None and int(text[:2], 16) < partitions


def is_task_id(text: str, partitions: int) -> bool:
    """Whether a text from outside can be the wire id of an attempt here."""
    job, dash, random = text.partition("-")
    return bool(dash) and is_job_id(job, partitions) and _TASK_RANDOM.fullmatch(random) is not None


def own_tasks(texts: Iterable[object], partitions: int) -> list[str]:
    """Those that can be tasks of this engine: a worker may serve several, and names the tasks of all."""
    return [text for text in texts if isinstance(text, str) and is_task_id(text, partitions)]


# --- paths ------------------------------------------------------------------------------------------------------------


def fork_path(path: str, number: int) -> str:
    """The prefix of all scopes of a fork: `/3` for fork 3 of the root, `/3.17/0` for fork 0 of `/3.17`."""
    return f"/{number}" if path == ROOT else f"{path}/{number}"


def child_path(path: str, number: int, index: int) -> str:
    """The scope with this index of a fork of the scope at `path`."""
    return f"{fork_path(path, number)}.{index}"


def parent_of(path: str) -> tuple[str, int, int]:
    """The scope that forked the scope at `path` (not the root), the fork's number and the index in it."""
    parent, _, last = path.rpartition("/")
    number, _, index = last.partition(".")
    return parent or ROOT, int(number), int(index)


def fences_of(path: str) -> Iterator[str]:
    """All that closes the scope at `path` when it is closed: the root, then each fork and scope on the way, itself
    included.
    """
    yield ROOT
    prefix = ""
    for level in path.split("/")[1:] if path != ROOT else ():
        yield f"{prefix}/{level.partition('.')[0]}"
        prefix = f"{prefix}/{level}"
        if "." in level:
            yield prefix


def covers(fence: str, path: str) -> bool:
    """Whether closing `fence` (a scope or a fork) closes `path` (a scope or a fork)."""
    return fence in (ROOT, path) or path.startswith((f"{fence}/", f"{fence}."))


# --- when something is due --------------------------------------------------------------------------------------------


def rearm_after_ms(rearm_ms: int, returned: int) -> int:
    """How long a member that was given out `returned` times without an answer, this time included, stays away."""
    return rearm_ms * min(1 << (returned - 1), REARM_FACTOR_MAX)


def unwatched_ms(lease_ms: int) -> int:
    """A lease is extended if nobody looked what is due for longer than this."""
    return max(lease_ms // 3, UNWATCHED_MS_MIN)


def earliest(*limits: tuple[str, int | None]) -> tuple[str, int] | None:
    """The first limit that passes, by kind and time; of equal times the one that is named first."""
    known = [(kind, at_ms) for kind, at_ms in limits if at_ms is not None]
    return min(known, key=lambda limit: limit[1], default=None)


# --- the order of queues ----------------------------------------------------------------------------------------------

PartitionQueue = tuple[int, str]
"""A queue in a partition: the partition's number and the queue's name."""

PLACES_FROM_MS = 1_735_689_600_000
"""Places count from 2025 on, so that they stay whole numbers in every store."""

STAMPS_PER_MS = 100
"""So many attempts are told apart that are queued within a millisecond; more of them count as queued a little later."""

PRIORITY_MAX = 9
STRIDE = 1_000_000
"""How far one attempt moves a client of weight 1 on among those that wait for the same queue."""

OF_QUEUE = "\n"
"""The name, which no client has, under which a queue says how far on it is itself."""


def next_stamp(last: int, now_ms: int) -> int:
    """When an attempt is queued, as a number that is higher than the last one of its partition."""
    return max(last + 1, (now_ms - PLACES_FROM_MS) * STAMPS_PER_MS)


def place_in_queue(stamp: int, priority: int, ageing_ms: int) -> int:
    """The place of an attempt among those of its client: the lowest comes first. A step of priority counts as much as
    `ageing_ms` of waiting, so each attempt is overtaken for so long only. No two places are the same.
    """
    return (stamp - priority * ageing_ms * STAMPS_PER_MS) * (PRIORITY_MAX + 1) + PRIORITY_MAX - priority


def whose_turn(heads: Mapping[str, int], turns: Mapping[str, int]) -> str:
    """Of the clients that wait for a queue, each with the place of its first attempt, the one that comes next.

    `turns` says how far those are on that the queue knows of, and under OF_QUEUE the queue itself: the others are as
    far as the queue. Who is least far on comes first, of equals the one whose attempt has the lower place. The only one
    that waits moves nothing, so `turns` is kept for queues that several clients wait for.
    """
    behind = turns.get(OF_QUEUE, 0)
    return min(heads, key=lambda client: (max(turns.get(client, 0), behind), heads[client]))


def turns_after(turns: Mapping[str, int], client: str, stride: int) -> dict[str, int]:
    """How far the clients are on once this one, which did not wait alone, has been given an attempt."""
    at = max(turns.get(client, 0), turns.get(OF_QUEUE, 0))
    ahead = {each: turn for each, turn in turns.items() if turn > at}
    return {**ahead, OF_QUEUE: at, client: at + stride}


# --- joins ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a join came out; `index` is the scope whose end decided it, or -1, `error` what that scope broke it with."""

    word: str
    ok: int
    failed: int
    index: int = -1
    error: bytes = b""


def join_word(*, total: int, need: int, tolerated: int, ok: int, failed: int) -> str | None:
    """`broken` when more failed than is tolerated, else `met` when enough succeeded or none is left, else nothing."""
    if failed > tolerated:
        return "broken"
    if ok >= need or ok + failed == total:
        return "met"
    return None


def join_mail(parent: str, number: int, verdict: Verdict) -> Mail:
    """The mail in which a parent scope learns how its join came out."""
    line = f"{verdict.word} {verdict.ok} {verdict.failed} {verdict.index}\n".encode()
    return Mail(id=f"join:{number}", kind="join", body=line + verdict.error, to=parent)


def unwind_mail(seq: int) -> Mail:
    """The mail in which the root learns that no lease is live, so that undos may run; `seq` began the compensation."""
    return Mail(id=f"unwind:{seq}", kind="unwind", body=b"", to=ROOT)


KEPT_RESULTS = frozenset({"result", "effect"})
"""The kinds of mail in which a scope of a parked job keeps the result of its attempt, until the scope goes on."""


def result_mail(path: str, cause: ResultCause, *, undoable: bool) -> Mail:
    """The mail in which a scope of a parked job keeps a worker's result; `effect` if it may have to be undone."""
    kind = "effect" if undoable and cause.success else "result"
    return Mail(id=f"result:{cause.task_id}", kind=kind, body=cause.event, to=path)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftScope:
    """A scope as it was when an attempt was taken from it: its version then, its record and its fork's environment."""

    path: str
    version: int
    record: bytes
    environment: bytes | None = None


def packed_left(left: LeftScope) -> bytes:
    """A scope that was left, in one piece, as it stands in the mail."""
    environment = -1 if left.environment is None else len(left.environment)
    line = f"{left.path} {left.version} {len(left.record)} {environment}\n".encode()
    return line + left.record + (left.environment or b"")


def late_mail(task_id: str, left: bytes, event: bytes) -> Mail:
    """The mail in which the root learns that an attempt took effect whose scope had gone on without it, or is closed.
    `left` is that scope, packed.
    """
    return Mail(id=f"late:{task_id}", kind="late", body=left + event, to=ROOT)


def read_late(mail: Mail) -> tuple[LeftScope, bytes]:
    """The scope and the encoded result that such mail holds."""
    line, _, rest = mail.body.partition(b"\n")
    path, version, record, environment = line.decode().split(" ")
    event_at = int(record) + max(0, int(environment))
    left = LeftScope(
        path=path,
        version=int(version),
        record=rest[: int(record)],
        environment=None if environment == "-1" else rest[int(record) : event_at],
    )
    return left, rest[event_at:]


# --- how much mail a job takes ----------------------------------------------------------------------------------------


def counted_as(mail: Mail) -> tuple[tuple[str, int], ...]:
    """The counts that mail is part of, each with its bound; none for mail of the engine itself."""
    if not isinstance(mail.to, str):
        return ("signal", SIGNAL_IDS_MAX), (f"signal {mail.sender}", SENDER_IDS_MAX)
    if mail.kind in OPERATOR_MAIL:
        return (("cancel" if mail.kind == "cancel" else "operator", OPERATOR_IDS_MAX),)
    return ()


# --- words ------------------------------------------------------------------------------------------------------------


def cause_word(cause: Cause, attempt: int) -> str:
    """The cause of a history entry in words; `attempt` is that of a result. Others: `create`, `quarantine`."""
    match cause:
        case ResultCause():
            return f"result {attempt}"
        case MailCause(id=mail_id):
            return f"mail {mail_id}"
        case DueCause(kind=kind, number=number):
            return f"{kind} {number}"


def cursor_of(created_ms: int, job: str) -> str:
    """The cursor behind which a listing goes on: rows are ordered by (created_ms, job), newest first."""
    return f"{created_ms}.{job}"


def is_cursor(text: str) -> bool:
    """Whether the text has the form of a cursor."""
    return _CURSOR.fullmatch(text) is not None


def place_of(cursor: str) -> tuple[int, str]:
    """The row that a cursor stands for."""
    created_ms, _, job = cursor.partition(".")
    return int(created_ms), job
