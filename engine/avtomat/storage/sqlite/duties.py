"""Do what comes with time: give out due members, queue delayed tasks, clear what was left, forget what has lapsed.

Everything here goes by an index on its time, so that it costs what there is to do, not what is stored.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final

from avtomat.storage.port.answers import Due, DueKind
from avtomat.storage.port.rules import ENDED, PARKED, ROOT, parent_of, rearm_after_ms, unwatched_ms
from avtomat.storage.port.store import ENDED_ATTEMPT_KEPT_MS
from avtomat.storage.port.writes import Mail
from avtomat.storage.sqlite import attempts
from avtomat.storage.sqlite.joins import clear
from avtomat.storage.sqlite.mail import unwind
from avtomat.storage.sqlite.scopes import fence, find, if_small, loaded
from avtomat.storage.sqlite.trim import remove_left
from avtomat.storage.sqlite.writer import Step

log = logging.getLogger(__name__)

LOOKED_AT_MAX: Final = 500

_READY: Final = """
SELECT d.n, d.path, d.slot, d.partition, d.kind, d.number, d.time_ms, d.returned, d.by_wall,
    coalesce(j.job, ''), coalesce(j.status, '')
FROM due d LEFT JOIN jobs j ON j.n = d.n
WHERE d.partition = ? AND d.aside = 0 AND d.at_ms <= ? ORDER BY d.at_ms LIMIT ?"""

_REMOVE_MEMBER: Final = "DELETE FROM due WHERE n = ? AND path = ? AND slot = ?"
_OWNED: Final = {
    "task": "SELECT 1 FROM scopes s JOIN attempts a ON a.task_id = s.task_id WHERE s.n = ? AND s.path = ?",
    "timer": "SELECT 1 FROM scopes WHERE n = ? AND path = ?",
    "mail": "SELECT 1 FROM mail WHERE n = ? AND path = ? LIMIT 1",
}
"""By slot: whether what a member stands for is there."""
_FORKED: Final = "SELECT 1 FROM forks WHERE n = ? AND path = ? AND number = ?"
_ATTEMPT: Final = "SELECT 1 FROM attempts WHERE task_id = ?"
_TASK_KINDS: Final = frozenset({"delayed", "queue", "attempt", "lease", "total"})
_SET_ASIDE: Final = "UPDATE due SET aside = 1 WHERE n = ? AND path = ? AND slot = ?"
_PUT_OFF: Final = "UPDATE due SET at_ms = ? WHERE n = ? AND path = ? AND slot = ?"
_REARM: Final = "UPDATE due SET at_ms = ?, returned = ? WHERE n = ? AND path = ? AND slot = ?"
_MAIL_RETURNED: Final = "UPDATE mail SET returned = ? WHERE arrived = ?"
_OLDEST: Final = """
SELECT arrived, id, kind, body, returned, signal_name, signal_key FROM mail WHERE n = ? AND path = ?
ORDER BY place LIMIT 1"""
_OLDEST_OPERATORS: Final = """
SELECT arrived, id, kind, body, returned, signal_name, signal_key FROM mail
WHERE n = ? AND path = ? AND kind IN ('cancel', 'operate', 'pause', 'resume') ORDER BY place LIMIT 1"""
_OPEN_TASK: Final = "SELECT task_id FROM scopes WHERE n = ? AND path = ?"
_HOLDER: Final = """
SELECT a.task_id, a.worker FROM scopes s JOIN attempts a ON a.task_id = s.task_id AND a.phase = 'leased'
WHERE s.n = ? AND s.path = ?"""
_LEASE: Final = "UPDATE attempts SET lease_until_ms = ? WHERE task_id = ?"

_LEFT: Final = """
SELECT s.n, s.path, s.why, j.job FROM sweeps s JOIN jobs j ON j.n = s.n WHERE s.partition = ? LIMIT 1"""
_DONE: Final = "DELETE FROM sweeps WHERE partition = ? AND n = ? AND path = ?"
_LAPSED_ATTEMPTS: Final = """
DELETE FROM attempts WHERE task_id IN (
    SELECT task_id FROM attempts WHERE partition = ? AND phase = 'ended' AND ended_ms <= ? LIMIT ?)"""
_LAPSED_SIGNALS: Final = """
DELETE FROM mail WHERE arrived IN (SELECT arrived FROM mail WHERE path IS NULL AND until_ms <= ? LIMIT ?)"""


@dataclass(slots=True)
class Member:
    """A due member whose time has come."""

    n: int
    path: str
    slot: str
    partition: int
    kind: str
    number: int
    time_ms: int
    returned: int
    by_wall: int
    job: str
    status: str


def due(step: Step, partition: int, limit: int, rearm_ms: int) -> list[Due]:
    """See `Store.due`."""
    ready, are_all = _ready(step, partition, limit)
    given: list[Due] = []
    for member in ready:
        if member.kind in {"delayed", "dead"}:
            _do_alone(step, member)
        elif not (member.kind == "lease" and _extend_once(step, member)):
            given.append(_give_out(step, member, rearm_ms))
    if are_all:
        step.watched[partition] = step.now
    return given


def _ready(step: Step, partition: int, limit: int) -> tuple[list[Member], bool]:
    """The earliest members that count now, and whether those are all; others are put out of the way, so many in a step
    that the writer is not held up.
    """
    looked_at = 0
    while True:
        rows = step.db.execute(_READY, (partition, step.now, limit)).fetchall()
        members = [Member(*row) for row in rows]
        counting = [member for member in members if _counts(step, member)]
        looked_at += len(members)
        if len(counting) == len(members):
            return members, len(members) < limit
        if looked_at >= LOOKED_AT_MAX:
            return counting, False


def _counts(step: Step, member: Member) -> bool:
    where = (member.n, member.path, member.slot)
    if member.path != ROOT and member.kind != "dead" and _is_unswept(step, member):
        step.db.execute(_REMOVE_MEMBER, where)
        return False
    if _is_stray(step, member):
        log.warning("removed a due member that belongs to nothing: %s of %s", member.slot, member.job or "no job")
        step.db.execute(_REMOVE_MEMBER, where)
        return False
    if member.by_wall and member.time_ms > step.clock.wall_ms():
        step.db.execute(_PUT_OFF, (step.clock.when_wall_is(member.time_ms), *where))
        return False
    if member.status not in PARKED or _passes_parked(step, member):
        return True
    step.db.execute(_SET_ASIDE, where)
    return False


def _is_stray(step: Step, member: Member) -> bool:
    """Whether a member has no owner, or cannot be understood: it would come due for ever and hold up all others."""
    kinds = _TASK_KINDS if member.slot == "task" else {member.slot.partition(" ")[0]}
    if not member.job or member.kind not in kinds:
        return True
    if member.kind == "dead":
        return step.db.execute(_ATTEMPT, (member.slot.removeprefix("dead "),)).fetchone() is None
    if member.slot == "begin":
        return not _is_forked(step, member)
    if member.slot in _OWNED:
        return step.db.execute(_OWNED[member.slot], (member.n, member.path)).fetchone() is None
    return member.slot not in {"deadline", "start"} or member.path != ROOT


def _is_forked(step: Step, member: Member) -> bool:
    try:
        parent, number, _ = parent_of(member.path)
    except ValueError:
        return False
    return step.db.execute(_FORKED, (member.n, parent, number)).fetchone() is not None


def _is_unswept(step: Step, member: Member) -> bool:
    return member.status in ENDED or fence(step.db, member.n, member.path) is not None


def _passes_parked(step: Step, member: Member) -> bool:
    if member.kind == "mail":
        return step.db.execute(_OLDEST_OPERATORS, (member.n, member.path)).fetchone() is not None
    return member.kind == "deadline"


def _do_alone(step: Step, member: Member) -> None:
    spot = find(step.db, member.job, member.path)
    assert spot is not None
    task_id = spot.task_id if member.kind == "delayed" else member.slot.removeprefix("dead ")
    assert task_id is not None
    attempt = attempts.get(step.db, task_id, step.now)
    assert attempt is not None
    if member.kind == "delayed":
        attempts.put_in_queue(step, attempt, parked=spot.parked)
    else:
        attempts.let_go(step, attempt)
        unwind(step, spot)


def _extend_once(step: Step, member: Member) -> bool:
    """Extend a lease that nobody may have been there to renew; whether it was extended."""
    watched_ms = step.watched.get(member.partition)
    if member.returned or (watched_ms is not None and member.time_ms <= watched_ms):
        return False
    (task_id,) = step.db.execute(_OPEN_TASK, (member.n, member.path)).fetchone()
    attempt = attempts.get(step.db, task_id, step.now)
    assert attempt is not None
    assert attempt.leased_ms is not None
    if watched_ms is not None and step.now - watched_ms <= unwatched_ms(attempt.leased_ms):
        return False
    attempt.lease_until_ms = step.now + attempt.leased_ms
    step.db.execute(_LEASE, (attempt.lease_until_ms, task_id))
    attempts.arm_attempt(step, attempt)
    return True


def _give_out(step: Step, member: Member, rearm_ms: int) -> Due:
    mail = _mail_of(step, member) if member.kind == "mail" else None
    returned = member.returned + 1
    if mail is not None:
        returned = mail[1] + 1
        step.db.execute(_MAIL_RETURNED, (returned, mail[2]))
    at_ms = step.now + rearm_after_ms(rearm_ms, returned)
    step.db.execute(_REARM, (at_ms, returned, member.n, member.path, member.slot))
    holder = step.db.execute(_HOLDER, (member.n, member.path)).fetchone() if member.slot == "task" else None
    task_id, worker = holder or ("", "")
    return Due(
        kind=DueKind(member.kind),
        job=member.job,
        path=member.path,
        number=member.number,
        returned=returned,
        mail=None if mail is None else mail[0],
        loaded=if_small(loaded(step.db, member.job, member.path)),
        task_id=task_id,
        worker=worker,
    )


def _mail_of(step: Step, member: Member) -> tuple[Mail, int, int]:
    """The oldest mail that may be given out, how often it was, and its key."""
    where = (member.n, member.path)
    oldest = _OLDEST_OPERATORS if member.status in PARKED else _OLDEST
    row: tuple[Any, ...] = step.db.execute(oldest, where).fetchone()
    arrived, mail_id, kind, body, returned, name, key = row
    to = member.path if name is None else ("signal", name, key)
    return Mail(id=mail_id, kind=kind, body=body, to=to), returned, arrived


# --- what leaves ------------------------------------------------------------------------------------------------------


def sweep(step: Step, partition: int, limit: int) -> int:
    """See `Store.sweep`. A step clears a scope or a record behind a fence, or forgets a record or a signal."""
    done = _clear_left(step, partition, limit)
    if done < limit:
        done += remove_left(step, partition, limit - done)
    lapsed_at = step.now - ENDED_ATTEMPT_KEPT_MS
    if done < limit:
        done += step.db.execute(_LAPSED_ATTEMPTS, (partition, lapsed_at, limit - done)).rowcount
    if done < limit:
        done += step.db.execute(_LAPSED_SIGNALS, (step.now, limit - done)).rowcount
    return done


def _clear_left(step: Step, partition: int, limit: int) -> int:
    done = 0
    while done < limit:
        row = step.db.execute(_LEFT, (partition,)).fetchone()
        if row is None:
            break
        n, path, why, job = row
        spot = find(step.db, job, ROOT)
        assert spot is not None
        cleared, left = clear(step, spot, path, why, limit - done)
        done += cleared
        if not left:
            step.db.execute(_DONE, (partition, n, path))
    return done
