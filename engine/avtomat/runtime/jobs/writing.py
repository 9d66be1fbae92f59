"""Turn a Change into the one write-set that a store commits: encoded, with ids, and with large values set apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from typing import Final

from orjson import Fragment

from avtomat.core.family import StartJob
from avtomat.core.formula import Json
from avtomat.core.history import delta
from avtomat.core.kinds.calls import RESERVED
from avtomat.core.messages import Change, DispatchTask, ScopeEnded
from avtomat.core.model import Error, Ref, Status
from avtomat.core.program import Limits, Requirements
from avtomat.core.scope import NOTHING_AROUND, ROOT, Around, Scope
from avtomat.core.timestamp import span_ms, to_ms
from avtomat.core.value import value
from avtomat.core.waiting import OnTask, OnUnwind
from avtomat.runtime.chance import random_word
from avtomat.runtime.jobs.bounds import TooLargeError, encode_undos, within
from avtomat.runtime.jobs.forks import WrittenFork, encode_fork
from avtomat.storage.port.codec import body_as_json, dumps, scope_as_record
from avtomat.storage.port.rules import fork_path
from avtomat.storage.port.store import DECLINED
from avtomat.storage.port.writes import Dispatch, Fork, HeadChange, NewJob, ScopeEnd, SignalWait, Writes

VALUE_BYTES_INLINE = 32 * 1024
"""A larger value is kept outside the scope's record, in pages, by reference."""

PAGE_BYTES = 256 * 1024
LEVELS_MAX = 254
TOO_DEEP = "Recursion limit reached"
"""What orjson says of a value with more levels than it writes."""

SHARED_BYTES_MIN = 1024
"""From this size on, what several parts of a write-set have in common is pointed out to the store."""

FAILURE_MARK = b"!"
"""What stands before the error of a body that is kept in place of its output."""

FAILURE_PART_BYTES_MAX = 1_000
"""An error that is kept there has so much of its message at most, and no details that are longer."""

RUN: Final = RESERVED + "run"
"""The queue, which nobody polls, of attempts that children are at work on."""

TASK_RANDOM_BYTES = 9
"""72 random bits at the end of each wire id, because it is the lease token as well."""

NOTHING_BESIDE: Final[Mapping[str, bytes]] = {}

_DEAD_BECAUSE = {
    "CancelRequested": "cancelled",
    "TaskTimedOut": "timeout",
    "LeaseLost": "lease",
    "ReleaseRequested": "lease",
    "RerunRequested": "lease",
    "SkipRequested": "lease",
}
"""What a worker is told of an attempt that ended without its result, by the event that ended it."""


_SETTLES = frozenset({"TaskTimedOut", "LeaseLost", "SkipRequested"})
"""Events after which a success of the attempt that was open counts for its undo no longer."""


@value
class Given:
    """A large value whose JSON is known: where it stands itself, it is not encoded again."""

    value: Json
    body: bytes

    def put_into(self, record: Mapping[str, Json]) -> Mapping[str, Json]:
        """The map to be encoded, with the JSON in place of the value."""
        if not any(each is self.value for each in record.values()):
            return record
        return {name: Fragment(self.body) if each is self.value else each for name, each in record.items()}


def given_of(given: Json, body: bytes) -> Given | None:
    """A value with its JSON; None for a small one, which is encoded as quickly as it is looked for."""
    return Given(value=given, body=body) if len(body) >= SHARED_BYTES_MIN else None


@value
class Written:
    """A write-set with the scope and record that are true once it is committed."""

    writes: Writes
    scope: Scope
    record: Mapping[str, Json]


@value
class Begun:
    """The jobs that a decision begins: the one that the scope waits for, as `order` says, at work on the attempt
    `task_id`; and others.
    """

    task_id: str = ""
    order: StartJob | None = None
    child: NewJob | None = None
    jobs: tuple[NewJob, ...] = ()


NOTHING_BEGUN: Final = Begun()


def encode(
    change: Change,
    before: Mapping[str, Json],
    *,
    job: str,
    event: Mapping[str, Json],
    limits: Limits,
    trace: str | None,
    now: datetime,
    around: Around = NOTHING_AROUND,
    beside: Mapping[str, bytes] = NOTHING_BESIDE,
    given: Given | None = None,
    begun: Begun = NOTHING_BEGUN,
) -> Written:
    """Encode `change` for the job `job`; `before` is the scope's record so far, `event` what history says of the cause,
    `around` what is around it, `beside` values that were set apart before, `given` what a worker gave, `begun` the jobs
    that begin with it.

    Raises TooLargeError when the scope would be larger than `limits.data_bytes`, or nested too deep to be written.
    """
    try:
        scope, record, body, apart = _fitted(change.scope, limits, given)
        values = {**beside, **apart} if beside else apart
        entry = {**event, "trail": change.trail}
        if before:
            entry["set"] = _splice(delta(before, record), given)
        if change.dispatch is not None:
            entry["dispatch"] = _dispatch_entry(change.dispatch)
        if change.ended is not None:
            entry["ended"] = change.ended.status
        if change.jobs:
            entry["jobs"] = [_job_entry(order) for order in change.jobs]
        now_ms, fork = to_ms(now), None
        if change.fork is not None:
            fork, values, entry["fork"] = _forked(encode_fork(change.fork, scope, around), values)
        timer_ms, by_wall, signal = _awaited(change, now_ms)
        writes = Writes(
            scope=body,
            visit=scope.visit,
            state=scope.state or "",
            record=dumps(entry) if before else _with(dumps(entry), "set", body),
            at_ms=now_ms,
            dead_because=DECLINED if event.get("compensate") is False else _DEAD_BECAUSE.get(event["type"], "ended"),
            dispatch=_held(begun) if change.dispatch is None else _dispatch(change.dispatch, job, trace),
            timer_ms=timer_ms,
            signal=signal,
            timer_by_wall=by_wall,
            fork=fork,
            close=tuple([fork_path(scope.path, number) for number in change.close]) if change.close else (),
            end=None if change.ended is None else _end(change.ended, given, is_root=scope.path == ROOT),
            head=None if change.status is None else _head_change(change.status, change.reason),
            undo=encode_undos(change.undos) if change.undos else None,
            undone_seq=change.undone_seq,
            keeps_task=change.keeps,
            jobs=begun.jobs,
            settled=(event.get("on") or event)["type"] in _SETTLES,
            values=values,
            shared=_shared(body, before, given),
        )
    except TypeError as error:
        if str(error) != TOO_DEEP:
            raise
        text = f"values would be nested deeper than {LEVELS_MAX} levels: does a state wrap its own data?"
        raise TooLargeError(text) from None
    return Written(writes=writes, scope=scope, record=record)


def _fitted(
    scope: Scope, limits: Limits, given: Given | None
) -> tuple[Scope, Mapping[str, Json], bytes, Mapping[str, bytes]]:
    """The scope as it is written, its record, that encoded, and the pages of the values that were set apart."""
    record, apart = scope_as_record(scope), dict[str, bytes]()
    body = dumps(_splice(record, given))
    if len(body) > VALUE_BYTES_INLINE:
        scope, apart = _set_apart(scope, given)
        record = scope_as_record(scope)
        body = dumps(_splice(record, given))
    if len(body) > limits.data_bytes:
        scope = within(scope, limits)
        record = scope_as_record(scope)
        body = dumps(_splice(record, given))
    return scope, record, body, apart


def _splice(record: Mapping[str, Json], given: Given | None) -> Mapping[str, Json]:
    """A scope's record, or what changed of it, to be encoded: what was given stands among its outputs or variables."""
    if given is None:
        return record
    parts = {name: given.put_into(record[name]) for name in ("outputs", "data") if isinstance(record.get(name), dict)}
    return {**record, **parts}


def _shared(body: bytes, before: Mapping[str, Json], given: Given | None) -> bytes:
    """What the store finds in several parts: what was given; the whole record in the entry of a scope that begins."""
    if given is not None:
        return given.body
    return body if not before and len(body) >= SHARED_BYTES_MIN else b""


def _with(packed: bytes, name: str, value: bytes) -> bytes:
    """A map, not empty, with one more member whose JSON was made before."""
    return b'%b,"%b":%b}' % (packed[:-1], name.encode(), value)


def _awaited(change: Change, now_ms: int) -> tuple[int | None, bool, SignalWait | None]:
    """The time that the scope waits for, whether that is held to the system's clock, and the signal; most wait for a
    worker, and for neither.
    """
    waiting = change.scope.waiting
    if waiting is None or isinstance(waiting, OnTask):
        return None, False, None
    due_at, signal = waiting.due_at, None if change.keeps else waiting.signal
    timer_ms = None if due_at is None else to_ms(due_at)
    if change.undone_seq is not None and isinstance(waiting, OnUnwind):
        timer_ms = now_ms  # the next undo is brought by the store
    return timer_ms, waiting.by_wall, None if signal is None else SignalWait(name=signal[0], key=signal[1])


def pages(name: str, body: bytes) -> dict[str, bytes]:
    """A large value as the records that the store keeps for it."""
    return {f"{name}.{at // PAGE_BYTES}": body[at : at + PAGE_BYTES] for at in range(0, len(body), PAGE_BYTES)}


def page_ids(ref: Ref) -> list[str]:
    """The ids of the records that a value was cut into, in order."""
    return [f"{ref.id}.{page}" for page in range(-(-ref.size // PAGE_BYTES))]


def queue_name(kind: str, requirements: Requirements | None) -> tuple[str, bytes | None]:
    """The queue of a task, and what a worker must fulfil to take from it (None: nothing)."""
    if requirements is None:
        return kind, None
    asked = dumps(requirements_as_json(requirements))
    return f"{kind}#{blake2b(asked, digest_size=8).hexdigest()}", asked


def requirements_as_json(requirements: Requirements) -> dict[str, Json]:
    """Requirements by the language's words; what is not asked is left out."""
    record: dict[str, Json] = {
        "type": requirements.type,
        "resources": dict(requirements.resources),
        "software": dict(requirements.software),
        "artifacts": dict(requirements.artifacts),
        "skill": dict(requirements.skill),
        "extra": dict(requirements.extra),
        "strategy": requirements.strategy,
    }
    asked = {key: value for key, value in record.items() if value}
    if requirements.cost_max is not None:
        asked["max_cost"] = requirements.cost_max
    return asked


def _set_apart(scope: Scope, given: Given | None) -> tuple[Scope, dict[str, bytes]]:
    """Move each large output of the scope into pages of its own."""
    values: dict[str, bytes] = {}
    outputs = dict(scope.outputs)
    for name, output in scope.outputs.items():
        if isinstance(output, Ref):
            continue
        body = given.body if given is not None and output is given.value else dumps(output)
        if len(body) > VALUE_BYTES_INLINE:
            ref = Ref(f"{scope.path}@{scope.version}.{name}", len(body))
            outputs[name] = ref
            values.update(pages(ref.id, body))
    return replace(scope, outputs=outputs), values


def _dispatch(order: DispatchTask, job: str, trace: str | None) -> Dispatch:
    limits, body = order.limits, order.body
    queue, asked = ("", None) if body is None else queue_name(body.kind, body.requirements)
    return Dispatch(
        task_id=f"{job}-{random_word(TASK_RANDOM_BYTES)}",
        attempt=order.attempt,
        queue=queue,
        requirements=asked,
        priority=0 if body is None else body.priority,
        body=None if body is None else dumps(body_as_json(body, trace)),
        not_before_ms=None if order.not_before is None else to_ms(order.not_before),
        queue_ms=span_ms(limits.queue),
        attempt_ms=span_ms(limits.attempt),
        lease_ms=span_ms(limits.heartbeat),
        total_at_ms=None if limits.total_at is None else to_ms(limits.total_at),
        undoable=order.undoable,
        sticky="" if body is None or not body.sticky else sticky_name(body.kind, body.sticky),
    )


def sticky_name(kind: str, text: str) -> str:
    """The name of tasks of this kind that one worker should have: as long for every text, and it does not tell it."""
    return blake2b(f"{kind}\n{text}".encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _forked(forked: WrittenFork, values: Mapping[str, bytes]) -> tuple[Fork, Mapping[str, bytes], Mapping[str, Json]]:
    """The fork, all values that are kept apart with it, and what history says of it."""
    return forked.fork, {**values, **forked.values}, {"number": forked.fork.number, "total": forked.fork.total}


def _held(begun: Begun) -> Dispatch | None:
    """The attempt that a child is at work on."""
    if begun.child is None or begun.order is None:
        return None
    return Dispatch(
        task_id=begun.task_id, attempt=begun.order.attempt, queue=RUN, priority=0, body=b"", child=begun.child
    )


def _job_entry(order: StartJob) -> dict[str, Json]:
    """A job that begins with the commit, as history tells it."""
    entry: dict[str, Json] = {"job": order.job, "blueprint": order.blueprint, "version": order.digest}
    return {**entry, "detached": True} if order.detached else {**entry, "attempt": order.attempt}


def _dispatch_entry(order: DispatchTask) -> dict[str, Json]:
    """A task that is offered, as history tells it."""
    entry: dict[str, Json] = {"attempt": order.attempt}
    if order.body is not None:
        entry["kind"] = order.body.kind
    if order.not_before is not None:
        entry["not_before"] = to_ms(order.not_before)
    return entry


def _end(ended: ScopeEnded, given: Given | None, *, is_root: bool) -> ScopeEnd:
    return ScopeEnd(
        ok=ended.error is None and ended.status == "finished",
        status=ended.status,
        output=_left(ended, given),
        error=_error(ended.error) if is_root or ended.error is None else dumps(ended.error.as_record()),
    )


def _output(output: Json, given: Given | None) -> bytes:
    if given is not None:
        if output is given.value:
            return given.body
        if isinstance(output, dict):
            return dumps(given.put_into(output))
    return dumps(output)


def _left(ended: ScopeEnded, given: Given | None) -> bytes | None:
    """What is kept of the end: the output, or the error of a body whose block reads it."""
    if ended.error is None:
        return _output(ended.output, given)
    return _error_told(ended.error) if ended.tells else None


def _error_told(error: Error) -> bytes:
    """A body's error, where its output would stand: no JSON begins so."""
    message = error.message.encode(errors="ignore")[:FAILURE_PART_BYTES_MAX].decode(errors="ignore")
    details = error.details
    if details is not None and len(dumps(details)) > FAILURE_PART_BYTES_MAX:
        details = None
    return FAILURE_MARK + dumps(replace(error, message=message, details=details).as_json())


def _error(error: Error | None) -> bytes | None:
    return None if error is None else dumps(error.as_json())


def _head_change(status: Status, reason: Error | None) -> HeadChange:
    """The job's new word. Its deadline counts no longer once it undoes what it did, or runs its `finally`."""
    deadline = 0 if status in (Status.COMPENSATING, Status.FINISHING) else None
    return HeadChange(status=status, reason=_error(reason), deadline_ms=deadline)
