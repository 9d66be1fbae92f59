"""Let the runs of schedules begin when their time has come: each once, by whichever replica is first.

A run is decided in one step, in which the schedule's record is replaced by one that names its job; then the job is
made, and then the record says so. A replica that dies in between leaves a run that is starting, which any other one
finishes after FINISHED_BY_OTHERS_MS: the same job, by the same key. No replica is special, and nothing is read while
nothing is due.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from avtomat.core.model import ENDED
from avtomat.core.program import Program
from avtomat.errors import RequestRefused
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.people.operating import Operators
from avtomat.runtime.repeating import repeat
from avtomat.runtime.schedules.making import CLIENT, Maker, new_job_of
from avtomat.runtime.schedules.planning import Rule, first_record, followed, next_look_ms, plan
from avtomat.runtime.schedules.record import Outcome, Record, Run
from avtomat.runtime.schedules.shared import SharedRecords
from avtomat.storage.port.store import Store

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
"""Clocks are turned, and other replicas change what is current."""

FOLLOW_EVERY_MS: Final = 15_000
FINISHED_BY_OTHERS_MS: Final = 5_000
LOOK_AT_OPEN_EVERY_MS: Final = 10_000
"""A run that waits looks this often whether the job before it has ended, even when no news come."""

DECIDED_AT_ONCE: Final = 50
AT_ONCE: Final = 0
LOOKED_AT: Final = 1
"""Times that have come: of a schedule of which there are news, and of one that is looked at because of them."""

Answer = TypeVar("Answer")


class Schedules:
    """The schedules of all current blueprints. `outcomes` counts what this replica decided."""

    def __init__(
        self, store: Store, programs: Programs, operators: Operators, maker: Maker, outcomes: Counter[str]
    ) -> None:
        self._store = store
        self._programs = programs
        self._operators = operators
        self._maker = maker
        self._outcomes = outcomes
        self._seen: Mapping[str, Program] | None = None
        self._looks: dict[str, int] = {}
        self._follow_at_ms = 0
        self._awaited: frozenset[str] = frozenset()
        self._sooner = asyncio.Event()
        self.records = SharedRecords(store)
        self.rules: dict[str, Rule] = {}

    # --- news ---------------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Look at once: the clock may have been turned."""
        self._sooner.set()

    def job_changed(self, job: str) -> None:
        """A job has another status: a run may have waited for its end."""
        if job in self._awaited:
            self.look_at(*(name for name, record in self.records.known.items() if job in record.open))

    def look_at(self, *names: str) -> None:
        """Look at these at once."""
        if names:
            self._looks.update(dict.fromkeys(names, AT_ONCE))
            self._sooner.set()

    def look_again(self) -> None:
        """Messages may be missing, or it is another store: read all."""
        self.records.look_again()
        self._follow_at_ms = 0
        self._sooner.set()

    # --- the duty -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Let begin what is due, then rest until the next is: a duty."""
        await self.look()
        left_s = LOOK_EVERY_S
        if self._looks:
            left_s = min(left_s, (min(self._looks.values()) - self._store.wall_ms()) / 1000)
        try:
            async with asyncio.timeout(max(left_s, 0.005)):
                await self._sooner.wait()
        except TimeoutError:
            return

    async def look(self) -> None:
        """Let begin what is due now."""
        self._sooner.clear()
        now_ms = self._store.wall_ms()
        if self._programs.current is not self._seen:
            await self._follow_programs(now_ms)
        elif self.rules and not 0 <= self._follow_at_ms - now_ms <= FOLLOW_EVERY_MS:
            await self._follow(now_ms)
        self._looks = {name: at_ms for name, at_ms in self._looks.items() if name in self.rules}
        due = [name for name, at_ms in self._looks.items() if at_ms <= now_ms]
        if due:
            await self.records.follow()
            for some in _in_batches(due):
                await self._decide(some, now_ms)
            self._note_awaited()

    async def refresh(self) -> None:
        """Know the schedules of what is current now, and how far they are."""
        if self._programs.current is not self._seen:
            await self._follow_programs(self._store.wall_ms())
        await self.records.follow()

    async def _follow_programs(self, now_ms: int) -> None:
        """Take over the schedules of what is current: new ones begin, changed ones count from the change, and those
        that are gone stop.
        """
        current = self._programs.current
        self.rules = {rule.id: rule for program in current.values() for rule in self._rules_of(program)}
        await self._follow(now_ms, has_new=bool(self.rules) or self._seen is not None)
        self._seen = current

    def _rules_of(self, program: Program) -> Iterator[Rule]:
        standing = self._programs.standing.get(program.name)
        since_ms = standing.since_ms if standing is not None and standing.digest == program.digest else 0
        for schedule in program.schedules:
            known = self.rules.get(f"{program.name}/{schedule.name}")
            if known is not None and known.program is program and known.since_ms == since_ms:
                yield known
            else:
                yield Rule(program, schedule, since_ms or self._store.now_ms(), self._maker.retention)

    async def _follow(self, now_ms: int, *, has_new: bool = False) -> None:
        self._follow_at_ms = now_ms + FOLLOW_EVERY_MS
        if not has_new and not (self.rules and await self.records.follow()):
            return
        await self.records.follow()
        known = self.records.known
        changes: dict[str, Record | None] = {
            name: record
            for name, rule in self.rules.items()
            if (record := self.record_for(rule, now_ms)) != known.get(name)
        }
        gone = [name for name in known if name not in self.rules and self._is_gone(name)]
        changes.update(dict.fromkeys(gone))
        if changes:
            await self.records.put(changes, known)
        at_once = {name for name, at_ms in self._looks.items() if at_ms == AT_ONCE}
        self._looks = {name: AT_ONCE if name in at_once else self._next_look(name, now_ms) for name in self.rules}
        self._note_awaited()

    def record_for(self, rule: Rule, now_ms: int) -> Record:
        """The record of a schedule as this version of its blueprint has it."""
        record = self.records.known.get(rule.id)
        return first_record(rule, now_ms) if record is None else followed(rule, record, now_ms)

    def _is_gone(self, name: str) -> bool:
        """Whether a schedule is in no current blueprint any more, as far as this replica is not behind."""
        blueprint, record = name.partition("/")[0], self.records.known[name]
        standing = self._programs.standing.get(blueprint)
        if standing is None or standing.since_ms < record.since_ms or blueprint in self._programs.missing:
            return False
        return standing.is_retired or blueprint in self._programs.current

    # --- deciding -----------------------------------------------------------------------------------------------------

    async def _decide(self, names: Sequence[str], now_ms: int) -> None:
        """Decide the runs of some schedules that are due, and make their jobs."""
        self._looks.update(dict.fromkeys(names, LOOKED_AT))
        known = self.records.known
        mine = [name for name in names if name in known and known[name].since_ms <= self.rules[name].since_ms]
        open_now = dict(zip(mine, await _gathered(self._still_open(known[name]) for name in mine), strict=True))
        changes: dict[str, Record] = {}
        cancels: dict[str, tuple[str, ...]] = {}
        for name in mine:
            rule = self.rules[name]
            looked = replace(followed(rule, known[name], now_ms), open=open_now[name])
            planned = plan(rule, looked, now_ms, partial(new_job_of, rule, self._store.partitions))
            cancels[name] = planned.cancel
            if planned.record != known[name]:
                changes[name] = planned.record
        before = {name: known[name] for name in changes}
        written = await self.records.put(changes, known)
        self._count(before, [name for name in written if written[name]])
        for name in names:
            self._look_later(name, now_ms, is_mine=name in mine)
        await _gathered(self._cancel(job, name) for name, jobs in cancels.items() for job in jobs)
        claimed = {run.job for name in changes for run in changes[name].starting if run not in known[name].starting}
        names = [name for name in mine if name in written or self._is_left_behind(name, now_ms)]
        await self.finish(names, now_ms, lambda run: run.job in claimed or _is_old(run, now_ms))

    async def trim_open(self, name: str, most: int) -> None:
        """Forget jobs that have ended where so many are thought to be open."""
        record = self.records.known.get(name)
        if record is None or len(record.open) <= most:
            return
        ended = {*record.open} - {*await self._still_open(record)}

        def trimmed(now: Record | None) -> Record:
            now = now or record
            return replace(now, open=tuple(job for job in now.open if job not in ended))

        await self.records.change(name, trimmed)

    async def _still_open(self, record: Record) -> tuple[str, ...]:
        """Its jobs that have not ended."""
        return tuple([job for job in record.open if await self._is_open(job)])

    async def _is_open(self, job: str) -> bool:
        row = await repeat(lambda: self._store.show(job))
        return row is not None and row.status not in ENDED

    def _is_left_behind(self, name: str, now_ms: int) -> bool:
        """Whether a run is starting that its replica should have finished."""
        record = self.records.known.get(name)
        return record is not None and any(_is_old(run, now_ms) for run in record.starting)

    async def finish(self, names: Iterable[str], now_ms: int, is_own: Callable[[Run], bool]) -> None:
        """Make the jobs of runs that are starting and `is_own`, and write down what came of them."""
        here = [name for name in names if name in self.rules and name in self.records.known]
        found = [(name, run) for name in here for run in self.records.known[name].starting if is_own(run)]
        done = await _gathered(self._maker.make(self.rules[name], run, now_ms) for name, run in found)
        left: dict[str, list[Run]] = {}
        for (name, _), run in zip(found, done, strict=True):
            if run.outcome is not Outcome.STARTING:
                left.setdefault(name, []).append(run)
        while left:
            known = self.records.known
            changes = {name: _settled(known[name], runs) for name, runs in left.items() if name in known}
            changes = {name: record for name, record in changes.items() if record != known[name]}
            written = await self.records.put(changes, known)
            for name in written:
                if written[name]:
                    self._tell(name, left[name])
            left = {name: left[name] for name in changes if name not in written}
        for name, _ in found:
            self._look_later(name, now_ms)
        self._note_awaited()
        # A job may have ended before anybody knew that a run waits for it.
        self.look_at(*(name for name, _ in found if name in self.records.known and self.records.known[name].waiting))

    async def _cancel(self, job: str, name: str) -> None:
        """Cancel a job for a run that takes its place; one that ends anyway does so."""
        reason = f"a later run of the schedule {name} takes its place"
        try:
            await self._operators.cancel(job, None, CLIENT, reason, key=f"replaced:{job}")
        except RequestRefused as refused:
            log.debug("job %s is not cancelled: %s", job, refused.message)

    def _look_later(self, name: str, now_ms: int, *, is_mine: bool = True) -> None:
        """Look at a schedule when something is due next, unless it is to be looked at once since."""
        if self._looks.get(name) != AT_ONCE:
            self._looks[name] = self._next_look(name, now_ms) if is_mine else now_ms + FOLLOW_EVERY_MS

    def _next_look(self, name: str, now_ms: int) -> int:
        """When a schedule is to be looked at next."""
        record, rule = self.records.known.get(name), self.rules.get(name)
        if record is None or rule is None:
            return now_ms + FOLLOW_EVERY_MS
        times = [next_look_ms(rule, record, now_ms) or now_ms + FOLLOW_EVERY_MS]
        times += [max(run.at_ms, now_ms) + FINISHED_BY_OTHERS_MS for run in record.starting]
        if record.waiting:
            times.append(now_ms + LOOK_AT_OPEN_EVERY_MS)
        return min(times)

    def _note_awaited(self) -> None:
        waiting = (record.open for record in self.records.known.values() if record.waiting)
        self._awaited = frozenset(job for jobs in waiting for job in jobs)

    # --- telling ------------------------------------------------------------------------------------------------------

    def _count(self, before: Mapping[str, Record], written: Collection[str]) -> None:
        """Count what was decided at once; what becomes of a run that is starting is counted then."""
        for name in written:
            old = before[name].runs
            for run in self.records.known[name].runs if name in self.records.known else ():
                if run not in old and run.outcome in {Outcome.SKIPPED, Outcome.MISSED}:
                    self._outcomes[run.outcome] += run.count

    def _tell(self, name: str, runs: Sequence[Run]) -> None:
        for run in runs:
            self._outcomes[run.outcome] += 1
            if run.outcome is Outcome.REFUSED:
                log.warning("the schedule %s made no job: %s", name, run.why)


def _settled(record: Record, runs: Sequence[Run]) -> Record:
    for run in runs:
        record = record.settled(run)
    return record


def _is_old(run: Run, now_ms: int) -> bool:
    return not 0 <= now_ms - run.at_ms < FINISHED_BY_OTHERS_MS


def _in_batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), DECIDED_AT_ONCE):
        yield names[start : start + DECIDED_AT_ONCE]


async def _gathered(calls: Iterable[Awaitable[Answer]]) -> list[Answer]:
    return await asyncio.gather(*calls)
