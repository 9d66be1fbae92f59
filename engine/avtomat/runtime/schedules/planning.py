"""Decide what becomes of the runs of a schedule: pure functions of its rule, its record and the time.

A run that is decided within ON_TIME_MS of its time is on time, a later one was missed and goes by `catch_up`. Of what
is made up for, `overlap` decides, as of any run: with a job of the schedule open, the run is left out, waits, or takes
that job's place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from itertools import takewhile
from typing import Final

from avtomat.blueprint.schedules.timetable import Timetable, delay_of, timetable_of
from avtomat.core.program import CatchUp, Overlap, Program, Schedule
from avtomat.core.timestamp import from_ms, to_ms
from avtomat.core.value import value
from avtomat.runtime.schedules.record import Outcome, Record, Run

ON_TIME_MS: Final = 60_000
CATCH_UP_MAX: Final = 100
WAITING_MAX: Final = 100
TURNED_BACK_MS: Final = 24 * 3_600_000
"""A clock that is turned back by less decides no run twice; by more, it was wrong before, and the schedule goes on."""

KEPT_MIN: Final = timedelta(minutes=15)
"""A job of a schedule is kept so long at least after its end, so that its key tells that it has been made."""


class Rule:
    """A schedule of a version of a blueprint that is current since `since_ms`. `retention` is how long its jobs are
    kept: no run is made up for later than that.
    """

    def __init__(self, program: Program, schedule: Schedule, since_ms: int, retention: timedelta) -> None:
        self.program = program
        self.schedule = schedule
        self.since_ms = since_ms
        self.id = f"{program.name}/{schedule.name}"
        self.line = f"{schedule.cron} {schedule.timezone}"
        self.kept = max(KEPT_MIN, retention if program.retention is None else program.retention)
        self._next: tuple[int, int | None] = (-1, None)

    @cached_property
    def table(self) -> Timetable:
        """When its runs are due."""
        return timetable_of(self.schedule.cron, self.schedule.timezone)

    def begins_ms(self, due_ms: int) -> int:
        """When the run of this time begins: with `jitter` a little later, always by the same time."""
        jitter = self.schedule.jitter
        return due_ms + (round(delay_of(f"{self.id}@{due_ms}", jitter) / timedelta(milliseconds=1)) if jitter else 0)

    def next_ms(self, after_ms: int) -> int | None:
        """When the next run is due after a time."""
        if self._next[0] != after_ms:
            found = self.table.after(from_ms(after_ms))
            self._next = (after_ms, None if found is None else to_ms(found))
        return self._next[1]

    def key_of(self, run: Run) -> str:
        """The idempotency key of a run's job."""
        return f"schedule:{self.id}:{run.token or run.due_ms}"


def first_record(rule: Rule, now_ms: int) -> Record:
    """A schedule that is new begins when its version became current."""
    return Record(rule=rule.line, since_ms=rule.since_ms, done_ms=min(rule.since_ms, now_ms))


def followed(rule: Rule, record: Record, now_ms: int) -> Record:
    """The record for a later version of the blueprint: a changed line or zone counts from the change on, and nothing
    that was decided before is lost.
    """
    if record.since_ms >= rule.since_ms:
        return record
    if record.rule == rule.line:
        return replace(record, since_ms=rule.since_ms)
    done_ms = max(record.done_ms, min(rule.since_ms, now_ms))
    return replace(record, rule=rule.line, since_ms=rule.since_ms, done_ms=done_ms)


@value
class Plan:
    """The record as it is to be from now on, and the jobs that are to be cancelled."""

    record: Record
    cancel: tuple[str, ...] = ()


def plan(rule: Rule, record: Record, now_ms: int, new_job: Callable[[Run], str]) -> Plan:
    """Decide all runs whose time has come; `open` of the record has just been looked at. `new_job` makes the id of a
    run's job. A paused schedule has no runs.
    """
    if record.pause is not None:
        return Plan(record=record)
    if record.done_ms > now_ms + TURNED_BACK_MS:
        record = replace(record, done_ms=now_ms)
    ready = _ready(rule, record, now_ms)
    chosen = _chosen(rule, ready, now_ms)
    missed = [due for due in ready if due not in chosen]
    runs: list[Run] = []
    if missed:
        runs.append(Run(due_ms=missed[-1], at_ms=now_ms, outcome=Outcome.MISSED, count=len(missed)))
    is_free = not record.open and not record.starting
    waiting, left_out = _lined_up(rule.schedule.overlap, record.waiting, chosen, is_free=is_free)
    runs += [Run(due_ms=due, at_ms=now_ms, outcome=Outcome.SKIPPED, why=why) for due, why in left_out]
    cancel = record.open if rule.schedule.overlap is Overlap.REPLACE and waiting else ()
    if waiting and is_free:
        first = Run(due_ms=waiting[0], at_ms=now_ms, outcome=Outcome.STARTING)
        runs.append(replace(first, job=new_job(first)))
        waiting = waiting[1:]
    done_ms = ready[-1] if ready else record.done_ms
    after = replace(record.with_runs(*runs), done_ms=done_ms, waiting=tuple(waiting))
    return Plan(record=after, cancel=cancel)


def _ready(rule: Rule, record: Record, now_ms: int) -> list[int]:
    """The newest runs that may begin, one more at most than are made up for."""
    if now_ms <= record.done_ms:
        return []
    due = rule.table.latest(from_ms(record.done_ms), from_ms(now_ms), CATCH_UP_MAX + 1)
    return [*takewhile(lambda each: rule.begins_ms(each) <= now_ms, map(to_ms, due))]


def _chosen(rule: Rule, ready: Sequence[int], now_ms: int) -> list[int]:
    """Those that are on time, and those that are made up for."""
    on_time = [due for due in ready if now_ms - rule.begins_ms(due) <= ON_TIME_MS]
    kept = [due for due in ready if now_ms - due < rule.kept / timedelta(milliseconds=1)]
    match rule.schedule.catch_up:
        case CatchUp.NONE:
            return on_time
        case CatchUp.LAST:
            return on_time or kept[-1:]
        case CatchUp.ALL:
            return kept[-CATCH_UP_MAX:]


def _lined_up(
    overlap: Overlap, waiting: Sequence[int], chosen: Sequence[int], *, is_free: bool
) -> tuple[list[int], list[tuple[int, str]]]:
    """The runs that wait from now on, the first of which begins if nothing is open, and those that are left out."""
    line = [*waiting, *chosen]
    match overlap:
        case Overlap.QUEUE:
            room = WAITING_MAX + is_free
            return line[:room], [(due, f"{WAITING_MAX} runs wait already") for due in line[room:]]
        case Overlap.REPLACE:
            return line[-1:], [(due, "a later run takes its place") for due in line[:-1]]
        case Overlap.SKIP:
            room = 1 if is_free else len(waiting)
            return line[:room], [(due, "a job of the schedule was open") for due in line[room:]]


def next_look_ms(rule: Rule, record: Record, now_ms: int) -> int | None:
    """When the next run may begin; one of a paused schedule is looked at as well, for it may not be paused then."""
    after_ms = record.done_ms if record.pause is None else max(record.done_ms, now_ms)
    after_ms = now_ms if after_ms > now_ms + TURNED_BACK_MS else after_ms
    due_ms = rule.next_ms(after_ms)
    return None if due_ms is None else rule.begins_ms(due_ms)
