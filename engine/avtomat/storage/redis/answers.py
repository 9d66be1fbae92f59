"""Turn what the scripts return into the store's answers. Records come as they are packed; see records.lua and view.lua.

The order of a record's fields stands in one place: the tables of the Lua files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Final, TypeVar

from avtomat.storage.port.answers import (
    Below,
    Committed,
    Created,
    Due,
    DueKind,
    Handout,
    Held,
    HistoryEntry,
    JobRow,
    Loaded,
    OpenTask,
    Outcome,
    Revoked,
)
from avtomat.storage.port.rules import PARKED, earliest
from avtomat.storage.port.writes import Mail
from avtomat.storage.redis.script import read_part
from avtomat.storage.redis.wire.socket import Reply


def fields_of(table: str, part: str = "records") -> tuple[str, ...]:
    """The names of a packed record's fields, as the Lua file has them."""
    text = read_part(part).decode()
    found = re.search(rf"^local {table} = {{(.*?)}}", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return tuple(re.findall(r"'(\w+)'", found[1]))


JOB: Final = fields_of("JOB")
FIXED: Final = fields_of("FIXED")
SCOPE: Final = fields_of("SCOPE")
TASK: Final = fields_of("TASK")
ENDED: Final = fields_of("ENDED")
FORK: Final = fields_of("FORK", "closing")

_of_handout: Final = itemgetter(
    *map(
        TASK.index,
        ("id", "visit", "attempt", "queue", "priority", "lease_until", "span", "total_at", "attempt_at"),
    )
)

_OUTCOMES: Final = {outcome.encode(): outcome for outcome in Outcome}

Item = TypeVar("Item")


def record(names: Sequence[str], packed: bytes) -> dict[str, str]:
    """A packed record by the names of its fields."""
    return dict(zip(names, packed.decode().split("\n"), strict=False))


def number(text: str) -> int | None:
    """A packed number that may be missing."""
    return int(text) if text else None


def pairs(items: Sequence[Item]) -> Iterator[tuple[Item, Item]]:
    """A flat list of pairs, by pair."""
    return zip(items[::2], items[1::2], strict=True)


def below_of(reply: Reply) -> Below:
    """How far a fork is, from its packed record and the paths."""
    packed, paths = reply
    join = {name: int(text or 0) for name, text in record(FORK, packed).items() if name != "verdict"}
    return Below(
        total=join["total"],
        begun=join["next"],
        live=join["live"],
        ok=join["ok"],
        failed=join["failed"],
        paths=names_of(paths),
    )


def held_of(reply: Reply) -> Held:
    """A dead attempt that a worker may still be at."""
    task_id, worker, until = reply
    return Held(task_id=task_id.decode(), worker=worker.decode(), until_ms=int(until))


def loaded_of(reply: Reply) -> Loaded | None:
    """A scope, from what view.lua gives."""
    if not reply:
        return None
    job, fixed, head, labels, scope, text, environment, undo, path, name = reply
    status, _, _, _, updated, _, deadline, *_ = job.decode().split("\n")
    client, _, digest, *_ = fixed.decode().split("\n")
    seq, _, body = (undo or b"").partition(b"\n")
    return Loaded(
        job=name.decode(),
        path=path.decode(),
        version=int(scope[: scope.index(b"\n")]) if scope else 0,
        digest=digest,
        head=head,
        status=status,
        client=client,
        deadline_ms=number(deadline),
        updated_ms=int(updated),
        scope=text,
        environment=environment,
        undo=(int(seq), body) if undo else None,
        labels=labels,
    )


def created_of(reply: Reply, asked: str) -> Created:
    """The answer of create.lua to who asked for a job with this id."""
    _, job, body_hash, begins, mailed = reply
    name = job.decode()
    return Created(
        job=name,
        fresh=name == asked,
        body_hash=body_hash.decode(),
        begins=names_of(begins) if begins else (),
        mailed=bool(mailed),
    )


def committed_of(reply: Reply) -> Committed:
    """The answer of commit.lua, or of commit_and_take.lua."""
    _, outcome, reason, version, seq, view, begins, revoked, mailed, *handouts = reply
    return Committed(
        outcome=_OUTCOMES[outcome],
        reason=reason.decode() if reason else "",
        version=int(version),
        seq=int(seq),
        loaded=loaded_of(view) if view else None,
        begins=names_of(begins) if begins else (),
        revoked=tuple([Revoked(task_id=task_id.decode(), worker=worker.decode()) for task_id, worker in pairs(revoked)])
        if revoked
        else (),
        mailed=bool(mailed),
        handouts=tuple(map(handout_of, handouts[0])) if handouts and outcome != b"moved" else None,
    )


def names_of(reply: Reply) -> tuple[str, ...]:
    """A list of names."""
    return tuple(name.decode() for name in reply)


def handout_of(reply: Reply) -> Handout:
    """A task under a fresh lease, from what poll.lua gives."""
    packed, body, view, job, path = reply
    task_id, visit, attempt, queue, priority, until, span, total, attempt_at = _of_handout(packed.decode().split("\n"))
    deadline = earliest(("total", number(total)), ("attempt", number(attempt_at))) if total or attempt_at else None
    return Handout(
        task_id=task_id,
        job=job.decode(),
        path=path.decode(),
        visit=int(visit),
        attempt=int(attempt),
        queue=queue,
        priority=int(priority),
        body=body,
        lease_until_ms=int(until),
        lease_ms=int(span),
        deadline_ms=None if deadline is None else deadline[1],
        view=lambda: loaded_of(view),
    )


def due_of(reply: Reply) -> Due:
    """A due member, from what due.lua gives."""
    kind, path, count, returned, mail_id, mail_kind, body, signal, view, job, task_id, worker = reply
    return Due(
        kind=DueKind(kind.decode()),
        job=job.decode(),
        path=path.decode(),
        number=int(count),
        returned=int(returned),
        mail=None if mail_id is None else _mail(mail_id, mail_kind, body, path if signal is None else signal),
        loaded=loaded_of(view),
        task_id=task_id.decode(),
        worker=worker.decode(),
    )


def _mail(mail_id: bytes, kind: bytes, body: bytes, to: bytes) -> Mail:
    """`to` is a path, or the name and the key of a signal."""
    name, is_signal, key = to.decode().partition("\n")
    return Mail(id=mail_id.decode(), kind=kind.decode(), body=body, to=("signal", name, key) if is_signal else name)


def entry_of(job: str, seq: int, packed: bytes) -> HistoryEntry:
    """An entry of a job's history."""
    at, path, cause, text = packed.split(b"\n", 3)
    return HistoryEntry(job=job, seq=seq, at_ms=int(at), path=path.decode(), cause=cause.decode(), record=text)


def outbox_entry_of(reply: Reply) -> tuple[str, HistoryEntry]:
    """An entry of the outbox, with its position."""
    position, (_, job, _, seq, _, packed) = reply
    return position.decode(), entry_of(job.decode(), int(seq), packed)


def row_of(reply: Reply) -> JobRow:
    """A job, from what rows.lua gives."""
    job, fixed, head, labels, reason, result, error, scope, tasks, name = reply
    kept, start = record(JOB, job), record(FIXED, fixed)
    return JobRow(
        job=name.decode(),
        client=start["client"],
        blueprint=start["blueprint"],
        digest=start["digest"],
        status=kept["status"],
        state=kept["state"],
        head=head,
        scope=scope,
        created_ms=int(kept["created"]),
        updated_ms=int(kept["updated"]),
        finished_ms=number(kept["finished"]),
        deadline_ms=number(kept["deadline"]),
        seq=int(kept["seq"]),
        result=result,
        error=error,
        reason=reason,
        labels=labels,
        body_hash=start["body_hash"],
        tasks=tuple(_open_task(task, kept["status"]) for task in tasks),
    )


def _open_task(reply: Reply, status: str) -> OpenTask:
    path, packed, progress = reply
    task = record(TASK, packed)
    is_parked = status in PARKED and task["phase"] == "queued"
    return OpenTask(
        task_id=task["id"],
        path=path.decode(),
        visit=int(task["visit"]),
        attempt=int(task["attempt"]),
        queue=task["queue"],
        phase="parked" if is_parked else task["phase"],
        since_ms=int(task["since"]),
        worker=task["worker"] or None,
        lease_until_ms=number(task["lease_until"]),
        due_ms=_due_ms(task),
        progress=progress,
    )


def _due_ms(task: dict[str, str]) -> int | None:
    if task["phase"] == "delayed":
        return number(task["not_before"])
    times = ((name, number(task[name])) for name in ("total_at", "attempt_at", "queue_at"))
    first = earliest(*times)
    return None if first is None else first[1]


def place_of_row(row: JobRow) -> tuple[int, str]:
    """Where a row stands in a listing, newest first."""
    return row.created_ms, row.job
