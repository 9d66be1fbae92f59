"""Bring mail into the mailboxes of scopes, and signals to those who wait for them.

A scope has one due member of kind mail while its mailbox holds anything. A signal is in a mailbox or kept for the next
waiter; it is known by its `until_ms`, and goes back to its old place when its scope goes on without reading it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from avtomat.storage.port.answers import Delivered
from avtomat.storage.port.rules import KEPT_RESULTS, ROOT, counted_as, late_mail, partition_of, unwind_mail
from avtomat.storage.port.store import OPERATOR_MAIL, SIGNAL_KEPT_MS
from avtomat.storage.port.writes import Mail, Post, SignalWait
from avtomat.storage.sqlite.attempts import live_leases
from avtomat.storage.sqlite.scopes import Spot, find, is_closed, note_extras, packed
from avtomat.storage.sqlite.writer import Step

_KNOWN: Final = "SELECT 1 FROM mail_ids WHERE n = ? AND id = ?"
_KNOW: Final = "INSERT INTO mail_ids VALUES (?, ?)"
_UNKNOW: Final = "DELETE FROM mail_ids WHERE n = ? AND id = ?"
_COUNTED: Final = "SELECT count FROM mail_counts WHERE n = ? AND word = ?"
_COUNT: Final = """
INSERT INTO mail_counts VALUES (?, ?, 1) ON CONFLICT (n, word) DO UPDATE SET count = count + 1"""
_UNCOUNT: Final = "UPDATE mail_counts SET count = count - 1 WHERE n = ? AND word = ?"

_PUT: Final = "INSERT INTO mail (n, path, place, id, kind, body) VALUES (?, ?, ?, ?, ?, ?)"
_KEEP: Final = "INSERT INTO mail (n, id, kind, body, signal_name, signal_key, until_ms) VALUES (?, ?, ?, ?, ?, ?, ?)"
_HAND: Final = "UPDATE mail SET path = ?, place = ? WHERE arrived = ?"
_PUT_BACK: Final = "UPDATE mail SET path = NULL, place = NULL, returned = 0 WHERE arrived = ?"
_TAKE: Final = "DELETE FROM mail WHERE arrived = ?"
_FIND: Final = "SELECT arrived, kind FROM mail WHERE n = ? AND path = ? AND id = ?"
_ANY: Final = "SELECT 1 FROM mail WHERE n = ? AND path = ? LIMIT 1"
_MORE_OF_OPERATORS: Final = """
SELECT 1 FROM mail WHERE n = ? AND path = ? AND kind IN ('cancel', 'operate', 'pause', 'resume') LIMIT 1 OFFSET 1"""

_KEPT: Final = """
SELECT arrived FROM mail WHERE n = ? AND path IS NULL AND signal_name = ? AND signal_key = ? AND until_ms > ?
ORDER BY arrived LIMIT 1"""
_WAITER: Final = """
SELECT path FROM scopes WHERE n = ? AND signal_name = ? AND signal_key = ? ORDER BY signal_place LIMIT 1"""
_HEARD: Final = """
UPDATE scopes SET signal_name = NULL, signal_key = NULL, signal_place = coalesce(signal_place, 0)
WHERE n = ? AND path = ?"""
_STOP: Final = "UPDATE scopes SET signal_name = NULL, signal_key = NULL, signal_place = NULL WHERE n = ? AND path = ?"
_WAIT: Final = "UPDATE scopes SET signal_name = ?, signal_key = ?, signal_place = ? WHERE n = ? AND path = ?"
_UNREAD: Final = """
SELECT arrived, kind, signal_name, signal_key, until_ms FROM mail
WHERE n = ? AND path = ? AND (until_ms IS NOT NULL OR kind IN ('result', 'effect')) ORDER BY place"""
_RESULT: Final = "SELECT id, body FROM mail WHERE arrived = ?"

_CLEAR: Final = "DELETE FROM mail WHERE n = ? AND path >= ? AND path < ? RETURNING path, kind, id, body"

_ARM: Final = """
INSERT INTO due (n, path, slot, partition, kind, number, time_ms, at_ms, by_wall) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (n, path, slot) DO UPDATE SET kind = excluded.kind, number = excluded.number, time_ms = excluded.time_ms,
    at_ms = excluded.at_ms, returned = 0, aside = 0, by_wall = excluded.by_wall"""
_ARM_IF_NONE: Final = """
INSERT INTO due (n, path, slot, partition, kind, number, time_ms, at_ms) VALUES (?, ?, 'mail', ?, 'mail', 0, ?, ?)
ON CONFLICT (n, path, slot) DO NOTHING"""
_DISARM: Final = "DELETE FROM due WHERE n = ? AND path = ? AND slot = ?"

_POST: Final = """
INSERT INTO post (partition, job, id, kind, body, target, signal_name, signal_key, sender)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (partition, id) DO NOTHING"""

_UNWOUND: Final = "UPDATE jobs SET unwound = 1 WHERE n = ?"


@dataclass(slots=True)
class Letter:
    """Mail in a mailbox."""

    arrived: int
    kind: str


def arm(step: Step, spot: Spot, path: str, slot: str, at_ms: int, number: int = 0, *, by_wall: bool = False) -> None:
    """Set the due member of a slot other than `task` anew."""
    step.db.execute(_ARM, (spot.n, path, slot, spot.partition, slot, number, at_ms, at_ms, by_wall))


def disarm(step: Step, spot: Spot, path: str, slot: str) -> None:
    """Remove the due member of a slot."""
    step.db.execute(_DISARM, (spot.n, path, slot))


# --- mailboxes --------------------------------------------------------------------------------------------------------


def deliver(step: Step, job: str, mail: Mail) -> Delivered:
    """See `Store.deliver`."""
    path = mail.to if isinstance(mail.to, str) else ROOT
    spot = find(step.db, job, path)
    if spot is None:
        return Delivered.UNKNOWN
    if _is_known(step, spot, mail):
        return Delivered.DUPLICATE
    if is_closed(step.db, spot):
        return Delivered.CLOSED
    if not spot.version:
        return Delivered.UNKNOWN
    if not _remember(step, spot, mail) and mail.kind != "cancel":
        return Delivered.FULL
    if isinstance(mail.to, str):
        put(step, spot, path, mail)
    else:
        _keep(step, spot, mail, mail.to)
    return Delivered.OK


def _is_known(step: Step, spot: Spot, mail: Mail) -> bool:
    if step.db.execute(_KNOWN, (spot.n, mail.id)).fetchone() is not None:
        return True
    return mail.kind == "cancel" and find_mail(step.db, spot, mail.id) is not None


def _remember(step: Step, spot: Spot, mail: Mail) -> bool:
    """Remember an id, if there is room for it."""
    counted = counted_as(mail)
    for word, bound in counted:
        row = step.db.execute(_COUNTED, (spot.n, word)).fetchone()
        if row is not None and row[0] >= bound:
            return False
    step.db.executemany(_COUNT, [(spot.n, word) for word, _ in counted])
    step.db.execute(_KNOW, (spot.n, mail.id))
    return True


def forget_in_vain(step: Step, spot: Spot, mail: Mail) -> None:
    """Operators' mail that changed nothing gives its room back."""
    if mail.kind in OPERATOR_MAIL and step.db.execute(_UNKNOW, (spot.n, mail.id)).rowcount:
        step.db.executemany(_UNCOUNT, [(spot.n, word) for word, _ in counted_as(mail)])


def put(step: Step, spot: Spot, path: str, mail: Mail) -> None:
    """Put mail into the mailbox of an open scope of the job."""
    note_extras(step.db, spot)
    step.db.execute(_PUT, (spot.n, path, next(step.places), mail.id, mail.kind, mail.body))
    _announce(step, spot, path, mail.kind)


def find_mail(db: sqlite3.Connection, spot: Spot, mail_id: str) -> Letter | None:
    """The mail with this id in the scope's mailbox."""
    row = db.execute(_FIND, (spot.n, spot.path, mail_id)).fetchone()
    return None if row is None else Letter(*row)


def take(step: Step, spot: Spot, arrived: int) -> None:
    """Take mail out of the scope's mailbox; the next one is due at once."""
    step.db.execute(_TAKE, (arrived,))
    _next_mail(step, spot)


def _announce(step: Step, spot: Spot, path: str, kind: str) -> None:
    """Make the mailbox's member due at once if the new mail is what it would give out."""
    spot.mailed = True
    if not spot.parked:
        step.db.execute(_ARM_IF_NONE, (spot.n, path, spot.partition, step.now, step.now))
    elif kind in OPERATOR_MAIL and step.db.execute(_MORE_OF_OPERATORS, (spot.n, path)).fetchone() is None:
        arm(step, spot, path, "mail", step.now)
    else:
        step.db.execute(_ARM_IF_NONE, (spot.n, path, spot.partition, step.now, step.now))


def _next_mail(step: Step, spot: Spot) -> None:
    if step.db.execute(_ANY, (spot.n, spot.path)).fetchone() is None:
        disarm(step, spot, spot.path, "mail")
    else:
        arm(step, spot, spot.path, "mail", step.now)


# --- signals ----------------------------------------------------------------------------------------------------------


def wait_for(step: Step, spot: Spot, wait: SignalWait) -> None:
    """Let a scope wait for a signal; one that has come already is mailed to it in this step."""
    kept = step.db.execute(_KEPT, (spot.n, wait.name, wait.key, step.now)).fetchone()
    if kept is None:
        step.db.execute(_WAIT, (wait.name, wait.key, next(step.places), spot.n, spot.path))
    else:
        step.db.execute(_HEARD, (spot.n, spot.path))
        disarm(step, spot, spot.path, "timer")
        _hand(step, spot, spot.path, kept[0])


def clear_mail(step: Step, spot: Spot, first: str, last: str, *, counts: bool) -> None:
    """Remove the mail of scopes that are closed, from `first` to before `last`; they are there still. Of the results
    that they have kept, those that count are mailed to the root.
    """
    removed = step.db.execute(_CLEAR, (spot.n, first, last)).fetchall()
    effects = sorted((row for row in removed if counts and row[1] == "effect"), reverse=True)
    for path, _, mail_id, body in effects:
        left = packed(step.db, spot.at(path))
        put(step, spot, ROOT, late_mail(mail_id.removeprefix("result:"), left, body))


def stop_waiting(step: Step, spot: Spot, *, counts: bool) -> None:
    """End a scope's wait. A signal that came for it and was not read goes to the next waiter; the result of its
    attempt, which a parked job has kept, goes away, and to the root if what the attempt did `counts` for its undo.
    """
    if spot.signal_place is None:
        return
    step.db.execute(_STOP, (spot.n, spot.path))
    unread = step.db.execute(_UNREAD, (spot.n, spot.path)).fetchall()
    for arrived, kind, name, key, until_ms in unread:
        if kind in KEPT_RESULTS:
            _give_up_result(step, spot, arrived, counts=counts and kind == "effect")
        elif until_ms <= step.now:
            step.db.execute(_TAKE, (arrived,))
        else:
            step.db.execute(_PUT_BACK, (arrived,))
            _offer(step, spot, arrived, name, key)
    if unread:
        _next_mail(step, spot)


def _give_up_result(step: Step, spot: Spot, arrived: int, *, counts: bool) -> None:
    mail_id, body = step.db.execute(_RESULT, (arrived,)).fetchone()
    step.db.execute(_TAKE, (arrived,))
    if counts:
        put(step, spot, ROOT, late_mail(mail_id.removeprefix("result:"), packed(step.db, spot), body))


def _keep(step: Step, spot: Spot, mail: Mail, to: tuple[str, str, str]) -> None:
    note_extras(step.db, spot)
    _, name, key = to
    until_ms = step.now + SIGNAL_KEPT_MS
    arrived = step.db.execute(_KEEP, (spot.n, mail.id, mail.kind, mail.body, name, key, until_ms)).lastrowid
    assert arrived is not None
    _offer(step, spot, arrived, name, key)


def _offer(step: Step, spot: Spot, arrived: int, name: str, key: str) -> None:
    """Hand a signal to whoever has waited for it longest, if anybody has."""
    waiter = step.db.execute(_WAITER, (spot.n, name, key)).fetchone()
    if waiter is not None:
        step.db.execute(_HEARD, (spot.n, waiter[0]))
        _hand(step, spot, waiter[0], arrived)


def _hand(step: Step, spot: Spot, path: str, arrived: int) -> None:
    step.db.execute(_HAND, (path, next(step.places), arrived))
    _announce(step, spot, path, "signal")


# --- what commits send ------------------------------------------------------------------------------------------------


def send(step: Step, spot: Spot, post: Post) -> None:
    """Deliver mail for another job if it is in the same partition, or keep it until somebody carries it over."""
    if partition_of(post.job) == spot.partition:
        deliver(step, post.job, post.mail)
        return
    mail = post.mail
    target, name, key = (mail.to, None, None) if isinstance(mail.to, str) else mail.to
    row = (spot.partition, post.job, mail.id, mail.kind, mail.body, target, name, key, mail.sender)
    step.db.execute(_POST, row)


def unwind(step: Step, spot: Spot) -> None:
    """Mail the root, once per compensation, when no worker is at work for the job any more."""
    if spot.status != "compensating" or spot.unwind_seq is None or spot.unwound or live_leases(step.db, spot.job):
        return
    spot.unwound = 1
    step.db.execute(_UNWOUND, (spot.n,))
    put(step, spot, ROOT, unwind_mail(spot.unwind_seq))
