"""Do what people ask of schedules: show them, pause them, let them go on, make a job by hand."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from typing import Final

from avtomat.core.duration import format_duration
from avtomat.core.formula import Json
from avtomat.core.timestamp import format_time, from_ms
from avtomat.errors import RequestRefused
from avtomat.runtime.repeating import repeat
from avtomat.runtime.schedules.duty import Schedules
from avtomat.runtime.schedules.making import CLIENT, Maker, new_job_of
from avtomat.runtime.schedules.planning import Rule
from avtomat.runtime.schedules.record import Outcome, Pause, Record, Run
from avtomat.storage.port.store import Store
from avtomat.suggest import did_you_mean

NEXT_SHOWN: Final = 10
OPEN_MAX: Final = 100
"""So many jobs of a schedule may be open before one more by hand is refused."""

TOKEN_DIGITS: Final = 32


class ScheduleOperations:
    """What may be done with the schedules of current blueprints."""

    def __init__(self, store: Store, schedules: Schedules, maker: Maker) -> None:
        self._store = store
        self._schedules = schedules
        self._maker = maker

    async def list(self, blueprint: str | None = None) -> list[dict[str, Json]]:
        """All of them, or those of a blueprint, by name."""
        await self._schedules.refresh()
        now_ms = self._store.wall_ms()
        shown = []
        for _, rule in sorted(self._schedules.rules.items()):
            if blueprint in (None, rule.program.name):
                shown.append(self._shown(rule, now_ms))
                await asyncio.sleep(0)  # the next times of a thousand take a while, and jobs go on meanwhile
        return shown

    async def show(self, blueprint: str, name: str) -> dict[str, Json]:
        """One of them. RequestRefused: 404 schedule.not_found."""
        rule = await self._rule(blueprint, name)
        return self._shown(rule, self._store.wall_ms())

    async def pause(self, blueprint: str, name: str, by: str, reason: str = "") -> dict[str, Json]:
        """No run begins from now on, and none that waits does. One that is paused already stays as it is."""
        rule, now_ms = await self._rule(blueprint, name), self._store.wall_ms()

        def paused(record: Record | None) -> Record:
            record = self._schedules.record_for(rule, now_ms) if record is None else record
            pause = record.pause or Pause(at_ms=now_ms, by=by, reason=reason)
            return replace(record, pause=pause, waiting=())

        return await self._changed(rule, paused)

    async def resume(self, blueprint: str, name: str) -> dict[str, Json]:
        """Go on from now: nothing is made up for."""
        rule, now_ms = await self._rule(blueprint, name), self._store.wall_ms()

        def resumed(record: Record | None) -> Record:
            record = self._schedules.record_for(rule, now_ms) if record is None else record
            return record if record.pause is None else replace(record, pause=None, done_ms=max(record.done_ms, now_ms))

        return await self._changed(rule, resumed)

    async def trigger(self, blueprint: str, name: str, by: str, key: str | None = None) -> tuple[str, bool]:
        """Make a job now, whatever runs and whether or not the schedule is paused: its id, and whether it is a new
        one. The same `key` of the same person is the same job. RequestRefused: 404 schedule.not_found, 409
        schedule.busy with OPEN_MAX jobs open, 422 schedule.refused with why, 503 while no new jobs are taken.
        """
        rule, now_ms = await self._rule(blueprint, name), self._store.wall_ms()
        token = secrets.token_hex(16) if key is None else sha256(f"{by}\0{key}".encode()).hexdigest()[:TOKEN_DIGITS]
        first = Run(due_ms=now_ms, at_ms=now_ms, outcome=Outcome.STARTING, by=by, token=f"by-hand:{token}")
        known = await repeat(lambda: self._store.key(CLIENT, rule.key_of(first)))
        if known is not None:
            return known.job, False
        self._maker.check()
        run = replace(first, job=new_job_of(rule, self._store.partitions, first))

        def begun(record: Record | None) -> Record:
            record = self._schedules.record_for(rule, now_ms) if record is None else record
            if any(each.token == run.token and each.outcome is Outcome.STARTING for each in record.runs):
                return record
            if len(record.open) >= OPEN_MAX:
                text = f"{len(record.open)} jobs of this schedule are open, or were not yet seen to have ended"
                raise RequestRefused(text, status=409, code="schedule.busy", hint="cancel some of them, or wait")
            return record.with_runs(run)

        await self._schedules.trim_open(rule.id, OPEN_MAX // 2)
        await self._schedules.records.change(rule.id, begun)
        await self._schedules.finish([rule.id], now_ms, lambda each: each.token == run.token)
        done = [each for each in self._runs_of(rule) if each.token == run.token]
        if done and done[-1].outcome is Outcome.REFUSED:
            raise RequestRefused(f"no job was made: {done[-1].why}", status=422, code="schedule.refused")
        return (done[-1].job if done else run.job), True

    def _runs_of(self, rule: Rule) -> tuple[Run, ...]:
        record = self._schedules.records.known.get(rule.id)
        return () if record is None else record.runs

    # --- showing ------------------------------------------------------------------------------------------------------

    async def _rule(self, blueprint: str, name: str) -> Rule:
        await self._schedules.refresh()
        rule = self._schedules.rules.get(f"{blueprint}/{name}")
        if rule is None:
            meant = did_you_mean(f"{blueprint}/{name}"[:80], self._schedules.rules)
            hint = f"did you mean {meant}?" if meant else "`avtomat schedule list` names all"
            text = f"no current blueprint has a schedule {f'{blueprint}/{name}'[:160]!r}"
            raise RequestRefused(text, status=404, code="schedule.not_found", hint=hint)
        return rule

    async def _changed(self, rule: Rule, make: Callable[[Record | None], Record]) -> dict[str, Json]:
        await self._schedules.records.change(rule.id, make)
        self._schedules.look_at(rule.id)
        return self._shown(rule, self._store.wall_ms())

    def _shown(self, rule: Rule, now_ms: int) -> dict[str, Json]:
        schedule, record = rule.schedule, self._schedules.record_for(rule, now_ms)
        pause = record.pause
        due = rule.table.all_after(from_ms(max(record.done_ms, now_ms) if pause else record.done_ms))
        return {
            "blueprint": rule.program.name,
            "name": schedule.name,
            "cron": schedule.cron,
            "timezone": schedule.timezone,
            "overlap": schedule.overlap,
            "catch_up": schedule.catch_up,
            "jitter": format_duration(schedule.jitter) if schedule.jitter else None,
            "input": schedule.input,
            "paused": None
            if pause is None
            else {"at": format_time(from_ms(pause.at_ms)), "by": pause.by, "reason": pause.reason},
            "next": [format_time(each) for each in islice(due, NEXT_SHOWN)],
            "waiting": [format_time(from_ms(due_ms)) for due_ms in record.waiting],
            "open": [*record.open],
            "runs": [_run(run) for run in reversed(record.runs)],
        }


def _run(run: Run) -> dict[str, Json]:
    return {
        "scheduled_for": format_time(from_ms(run.due_ms)),
        "at": format_time(from_ms(run.at_ms)),
        "outcome": run.outcome,
        "job_id": run.job or None,
        "reason": run.why or None,
        "count": run.count,
        "by": run.by or None,
    }
