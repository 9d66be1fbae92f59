"""Change what holds for a whole job: its status, reason, deadline, labels, what it can be searched by.

A job that is parked takes its queued tasks out of their queues, so that a claim need not look; one that goes on puts
them back in their places, and its due members with them.
"""

from __future__ import annotations

from typing import Final

import orjson

from avtomat.storage.port.rules import PARKED, ROOT
from avtomat.storage.port.writes import HeadChange
from avtomat.storage.sqlite.attempts import of_job
from avtomat.storage.sqlite.mail import arm, disarm
from avtomat.storage.sqlite.scopes import Spot
from avtomat.storage.sqlite.writer import Step

_STATUS: Final = "UPDATE jobs SET status = ?, reason = ?, unwind_seq = ?, unwound = ? WHERE n = ?"
_REASON: Final = "UPDATE jobs SET reason = ? WHERE n = ?"
_DEADLINE: Final = "UPDATE jobs SET deadline_ms = ? WHERE n = ?"
_SEARCH: Final = "UPDATE jobs SET search = ? WHERE n = ?"
_LABELS: Final = "UPDATE jobs SET labels = ? WHERE n = ?"

_PARK: Final = """
UPDATE attempts SET phase = 'parked' WHERE task_id >= ? AND task_id < ? AND phase = 'queued' RETURNING queue"""
_UNPARK: Final = """
UPDATE attempts SET phase = 'queued' WHERE task_id >= ? AND task_id < ? AND phase = 'parked' RETURNING queue"""
_BRING_BACK: Final = "UPDATE due SET aside = 0 WHERE n = ? AND aside = 1"


def change_head(step: Step, spot: Spot, change: HeadChange) -> None:
    """Write what a commit says about its job."""
    if change.status is not None:
        set_status(step, spot, change.status, change.reason)
    elif change.reason is not None:
        step.db.execute(_REASON, (change.reason, spot.n))
    if change.deadline_ms is not None:
        _set_deadline(step, spot, change.deadline_ms)
    if change.search is not None:
        step.db.execute(_SEARCH, (orjson.dumps(dict(change.search)).decode(), spot.n))
    if change.labels is not None:
        step.db.execute(_LABELS, (change.labels, spot.n))


def set_status(step: Step, spot: Spot, status: str, reason: bytes | None) -> None:
    """Change between the open statuses."""
    step.moved[spot.status] -= 1
    step.moved[status] += 1
    was_parked, spot.status = spot.parked, status
    if status == "compensating" and spot.unwind_seq is None:
        spot.unwind_seq = spot.seq
    if status == "open":
        spot.unwind_seq, spot.unwound = None, 0
    step.db.execute(_STATUS, (status, reason, spot.unwind_seq, spot.unwound, spot.n))
    if status in PARKED and not was_parked:
        for (queue,) in step.db.execute(_PARK, of_job(spot.job)).fetchall():
            step.moved[spot.partition, queue] -= 1
    elif was_parked and status not in PARKED:
        for (queue,) in step.db.execute(_UNPARK, of_job(spot.job)).fetchall():
            step.moved[spot.partition, queue] += 1
            step.queues[spot.partition, queue] = None
        step.db.execute(_BRING_BACK, (spot.n,))


def _set_deadline(step: Step, spot: Spot, deadline_ms: int) -> None:
    step.db.execute(_DEADLINE, (deadline_ms or None, spot.n))
    if deadline_ms:
        arm(step, spot, ROOT, "deadline", deadline_ms)
    else:
        disarm(step, spot, ROOT, "deadline")
