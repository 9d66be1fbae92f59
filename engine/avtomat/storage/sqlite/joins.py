"""Count how the scopes of a fork end, begin the next ones, and close what is below a fork, a scope or a job.

A join is three integers beside what the fork asked for. Its verdict is written once and mailed to the scope that
forked. A closing puts up a fence, which counts at once, and clears what is below it: at most CLOSE_AT_ONCE_MAX scopes
in its own step, the rest by `sweep`.
"""

from __future__ import annotations

from typing import Final

from avtomat.storage.port.answers import Revoked
from avtomat.storage.port.rules import ROOT, Verdict, child_path, join_mail, join_word, parent_of
from avtomat.storage.port.store import CLOSE_AT_ONCE_MAX
from avtomat.storage.port.writes import Fork, ScopeEnd
from avtomat.storage.sqlite import attempts
from avtomat.storage.sqlite.mail import arm, clear_mail, put, unwind
from avtomat.storage.sqlite.scopes import Spot, covered, note_extras
from avtomat.storage.sqlite.writer import Step

_FORK: Final = """
INSERT INTO forks (n, path, number, total, need, tolerated, at_once, begun, live, ok, failed, environment)
VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, ?) ON CONFLICT (n, path, number) DO NOTHING"""

_COUNT: Final = """
UPDATE forks SET live = live - 1, ok = ok + ?, failed = failed + ? WHERE n = ? AND path = ? AND number = ?
RETURNING total, need, tolerated, at_once, begun, live, ok, failed, verdict"""

_BEGIN: Final = "UPDATE forks SET begun = ?, live = ? WHERE n = ? AND path = ? AND number = ?"
_VERDICT: Final = "UPDATE forks SET verdict = ? WHERE n = ? AND path = ? AND number = ?"
_OUTPUT: Final = "INSERT INTO outputs VALUES (?, ?, ?, ?, ?)"

_CLOSE_FORK: Final = "UPDATE forks SET closed = 1 WHERE n = ? AND path = ? AND number = ?"
_CLOSE_FORKS: Final = "UPDATE forks SET closed = 1 WHERE n = ? AND path = '/'"
_PUT_FENCE: Final = "INSERT INTO fences VALUES (?, ?, ?)"
_OPEN_BELOW: Final = """
SELECT path, task_id FROM scopes WHERE n = ? AND path >= ? AND path < ? ORDER BY path DESC LIMIT ?"""
_CLEAR: Final = (
    "DELETE FROM scopes WHERE n = ? AND path >= ? AND path < ?",
    "DELETE FROM due WHERE n = ? AND path >= ? AND path < ? AND kind <> 'dead'",
    "DELETE FROM forks WHERE n = ? AND path >= ? AND path < ?",
)
_FENCES_BELOW: Final = """
SELECT n, path FROM fences WHERE n = ? AND path >= ? AND path < ? AND path <> ? ORDER BY path LIMIT ?"""
_REMOVE_FENCE: Final = "DELETE FROM fences WHERE n = ? AND path = ?"
_OUTPUTS_BELOW: Final = """
SELECT n, path, fork, place FROM outputs WHERE n = ? AND path >= ? AND path < ? ORDER BY path LIMIT ?"""
_REMOVE_OUTPUT: Final = "DELETE FROM outputs WHERE n = ? AND path = ? AND fork = ? AND place = ?"
_LEAVE: Final = "INSERT OR REPLACE INTO sweeps VALUES (?, ?, ?, ?)"


def start_fork(step: Step, spot: Spot, fork: Fork) -> tuple[str, ...]:
    """Begin a window of scopes below the scope; their paths. A fork that needs none is met at once."""
    row = (fork.total, fork.need, fork.tolerated, fork.window, fork.environment)
    if not step.db.execute(_FORK, (spot.n, spot.path, fork.number, *row)).rowcount:
        raise ValueError(f"{spot.path} has forked with the number {fork.number} before")
    note_extras(step.db, spot)
    join = (fork.total, fork.need, fork.tolerated, fork.window, 0, 0, 0, 0, None)
    return _go_on(step, spot, spot.path, fork.number, join, -1, b"")


def scope_ended(step: Step, spot: Spot, end: ScopeEnd) -> tuple[str, ...]:
    """Count the end of a scope below the root at its join; the paths of scopes that may begin in its place."""
    parent, number, index = parent_of(spot.path)
    if end.output is not None:
        step.db.execute(_OUTPUT, (spot.n, parent, number, index, end.output))
    join = step.db.execute(_COUNT, (end.ok, not end.ok, spot.n, parent, number)).fetchone()
    return _go_on(step, spot, parent, number, join, index, end.error or b"")


_Join = tuple[int, int, int, int, int, int, int, int, str | None]


def _go_on(step: Step, spot: Spot, parent: str, number: int, join: _Join, index: int, error: bytes) -> tuple[str, ...]:
    total, need, tolerated, at_once, begun, live, ok, failed, known = join
    if known is not None:
        return ()
    word = join_word(total=total, need=need, tolerated=tolerated, ok=ok, failed=failed)
    if word is None:
        free = min(max(1, at_once) - live, total - begun)
        return _begin(step, spot, parent, number, begun, live, free)
    step.db.execute(_VERDICT, (word, spot.n, parent, number))
    error = error if word == "broken" else b""
    verdict = Verdict(word=word, ok=ok, failed=failed, index=index, error=error)
    put(step, spot, parent, join_mail(parent, number, verdict))
    return ()


def _begin(step: Step, spot: Spot, parent: str, number: int, begun: int, live: int, free: int) -> tuple[str, ...]:
    if free <= 0:
        return ()
    begins = tuple(child_path(parent, number, index) for index in range(begun, begun + free))
    for path in begins:
        arm(step, spot, path, "begin", step.now)
    step.db.execute(_BEGIN, (begun + free, live + free, spot.n, parent, number))
    return begins


# --- closing ----------------------------------------------------------------------------------------------------------


def close_fork(step: Step, spot: Spot, path: str, why: str, *, counts: bool) -> list[Revoked]:
    """Close a fork with all below it. `counts`: what workers still do there may have to be undone."""
    parent, _, number = path.rpartition("/")
    step.db.execute(_CLOSE_FORK, (spot.n, parent or ROOT, int(number)))
    return _close(step, spot, path, why, counts=counts)


def close_scope(step: Step, spot: Spot, why: str) -> list[Revoked]:
    """Close a scope below the root, which has ended, with all below it."""
    return _close(step, spot, spot.path, why, counts=True)


def close_root(step: Step, spot: Spot, why: str) -> list[Revoked]:
    """Close all below the root of a job that has ended."""
    step.db.execute(_CLOSE_FORKS, (spot.n,))
    return _clear_or_leave(step, spot, ROOT, why, counts=False)


def clear(step: Step, spot: Spot, path: str, why: str, limit: int) -> tuple[int, bool]:
    """Clear up to `limit` scopes and records behind a fence: how many there were, and whether some are left."""
    cleared, left, _ = _clear(step, spot, path, why, limit, counts=not spot.ended)
    unwind(step, spot)
    return cleared, left


def _clear(
    step: Step, spot: Spot, fence: str, why: str, limit: int, *, counts: bool
) -> tuple[int, bool, list[Revoked]]:
    """Clear from the end: what lies below a scope goes before it, and finds there what it was made of."""
    first, last = covered(fence)
    scopes = step.db.execute(_OPEN_BELOW, (spot.n, first, last, limit + 1)).fetchall()
    left = len(scopes) > limit
    revoked: list[Revoked] = []
    for path, task_id in scopes[:limit]:
        if task_id is not None:
            revoked += attempts.end(step, spot.at(path), task_id, why, counts=counts)
    if left:
        first = scopes[limit - 1][0]
    clear_mail(step, spot, first, last, counts=counts)
    for statement in _CLEAR:
        step.db.execute(statement, (spot.n, first, last))
    cleared = len(scopes) - left
    if not left:
        removed, left = _remove_records(step, spot, fence, limit - cleared)
        cleared += removed
    return cleared, left, revoked


def _remove_records(step: Step, spot: Spot, fence: str, limit: int) -> tuple[int, bool]:
    """Remove up to `limit` outputs and fences below a fence, which no scope needs any more, and whether some are left:
    a body that has ended leaves one of each.
    """
    below = (spot.n, *covered(fence))
    fences = step.db.execute(_FENCES_BELOW, (*below, fence, limit + 1)).fetchall()
    step.db.executemany(_REMOVE_FENCE, fences[:limit])
    room = max(0, limit - len(fences))
    outputs = step.db.execute(_OUTPUTS_BELOW, (*below, room + 1)).fetchall()
    step.db.executemany(_REMOVE_OUTPUT, outputs[:room])
    found = len(fences) + len(outputs)
    return min(found, limit), found > limit


def _close(step: Step, spot: Spot, fence: str, why: str, *, counts: bool) -> list[Revoked]:
    step.db.execute(_PUT_FENCE, (spot.n, fence, why))
    return _clear_or_leave(step, spot, fence, why, counts=counts)


def _clear_or_leave(step: Step, spot: Spot, fence: str, why: str, *, counts: bool) -> list[Revoked]:
    _, left, revoked = _clear(step, spot, fence, why, CLOSE_AT_ONCE_MAX, counts=counts)
    if left:
        step.db.execute(_LEAVE, (spot.partition, spot.n, fence, why))
    return revoked
