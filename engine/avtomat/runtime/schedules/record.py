"""Hold how far one schedule is, as replicas share it in the store.

All times are milliseconds by the time of day (`Store.wall_ms`), but for `since_ms`, which is the store's.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Final

import orjson

from avtomat.core.value import value

RUNS_KEPT: Final = 20
"""So many runs are remembered, the newest ones."""

WHY_CHARACTERS_MAX: Final = 500


class Outcome(StrEnum):
    """What became of a run.

    starting  it is decided, and its job is being made
    started   there is a job
    skipped   a job of the schedule was open, or too many runs waited
    missed    no engine was there, and it is not made up for; `count` of them at once
    refused   no job could be made, and `why`
    """

    STARTING = "starting"
    STARTED = "started"
    SKIPPED = "skipped"
    MISSED = "missed"
    REFUSED = "refused"


@value
class Run:
    """A run: the time for which it is, when it was decided, and what became of it. `token` tells a run by hand from
    those of the schedule, `by` who asked for it.
    """

    due_ms: int
    at_ms: int
    outcome: Outcome
    job: str = ""
    why: str = ""
    count: int = 1
    by: str = ""
    token: str = ""

    def is_starting_as(self, done: Run) -> bool:
        """Whether this run is starting still, and is the one that came out so."""
        same = (self.due_ms, self.at_ms, self.token, self.by) == (done.due_ms, done.at_ms, done.token, done.by)
        return same and self.outcome is Outcome.STARTING


@value
class Pause:
    """Since when a schedule is paused, by whom, and why."""

    at_ms: int
    by: str
    reason: str = ""


@value
class Record:
    """How far a schedule is: all times up to `done_ms` are decided. `rule` is the line and zone for which that holds,
    `since_ms` when the version of the blueprint became current that it was last decided by.

    `waiting` are runs that wait for the job before them, `open` jobs that were not yet seen to have ended, `runs` the
    newest runs, oldest first.
    """

    rule: str
    since_ms: int
    done_ms: int
    pause: Pause | None = None
    waiting: tuple[int, ...] = ()
    open: tuple[str, ...] = ()
    runs: tuple[Run, ...] = ()

    @property
    def starting(self) -> tuple[Run, ...]:
        """Runs whose jobs are being made."""
        return tuple(run for run in self.runs if run.outcome is Outcome.STARTING)

    def with_runs(self, *runs: Run) -> Record:
        """Further runs; what is forgotten is never one whose job is being made."""
        every = (*self.runs, *runs)
        kept = every[-RUNS_KEPT:]
        starting = tuple(run for run in every[:-RUNS_KEPT] if run.outcome is Outcome.STARTING)
        return replace(self, runs=(*starting, *kept))

    def settled(self, done: Run) -> Record:
        """One of its runs has come out so; a run that came out before stays as it is."""
        runs = tuple(done if run.is_starting_as(done) else run for run in self.runs)
        is_open = done.outcome is Outcome.STARTED and runs != self.runs and done.job not in self.open
        return replace(self, runs=runs, open=(*self.open, done.job) if is_open else self.open)

    def as_bytes(self) -> bytes:
        """The record for the store."""
        pause = None if self.pause is None else [self.pause.at_ms, self.pause.by, self.pause.reason]
        runs = [
            [run.due_ms, run.at_ms, run.outcome, run.job, run.why, run.count, run.by, run.token] for run in self.runs
        ]
        return orjson.dumps([self.rule, self.since_ms, self.done_ms, pause, self.waiting, self.open, runs])


def record_of(raw: bytes) -> Record:
    """Read a record of the store."""
    rule, since_ms, done_ms, pause, waiting, open_, runs = orjson.loads(raw)
    return Record(
        rule=rule,
        since_ms=since_ms,
        done_ms=done_ms,
        pause=None if pause is None else Pause(at_ms=pause[0], by=pause[1], reason=pause[2]),
        waiting=tuple(waiting),
        open=tuple(open_),
        runs=tuple(
            Run(due_ms=due, at_ms=at, outcome=Outcome(outcome), job=job, why=why, count=count, by=by, token=token)
            for due, at, outcome, job, why, count, by, token in runs
        ),
    )
