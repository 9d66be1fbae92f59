"""Make the job of a run, once, whoever asks and however often: its key names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.timestamp import format_time, from_ms, span_ms
from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.admission import Admission
from avtomat.runtime.jobs.executor import Executor
from avtomat.runtime.jobs.submission import Submission, begin, input_of, new_job_id
from avtomat.runtime.schedules.planning import Rule
from avtomat.runtime.schedules.record import WHY_CHARACTERS_MAX, Outcome, Run

CLIENT: Final = "(schedule)"
"""Whose jobs of schedules are; no client can have this name."""

LABEL: Final = "schedule"
LABEL_OF_TIME: Final = "scheduled_for"
REFUSED_FOR_NOW_MS: Final = 10 * 60_000
"""While no new jobs are taken, a run tries again for so long."""


class Maker:
    """Makes jobs of runs. `config` and `retention` are those of all jobs."""

    def __init__(
        self, executor: Executor, admission: Admission, *, config: Mapping[str, Json], retention: timedelta
    ) -> None:
        self._executor = executor
        self._admission = admission
        self._config = config
        self.retention = retention

    def check(self) -> None:
        """Raise RequestRefused while no new jobs are taken."""
        refused = self._admission.refusal()
        if refused is not None:
            raise refused

    async def make(self, rule: Rule, run: Run, now_ms: int) -> Run:
        """The run as it came out: its job is there, or cannot be. While no new jobs are taken it is left as it is."""
        refused = self._admission.refusal()
        if refused is not None:
            is_over = now_ms - run.at_ms > REFUSED_FOR_NOW_MS
            return _refused(run, refused.message) if is_over else run
        try:
            asked = submission_of(rule, run)
            given = input_of(rule.program, asked)
            now = self._executor.now()
            begun = begin(run.job, rule.program, asked, given, now, config=self._config, retention=self.retention)
        except RequestRefused as problem:
            return _refused(run, problem.message)
        kept_ms = max(begun.new.retention_ms, span_ms(rule.kept) or 0)
        created = await self._executor.create(replace(begun, new=replace(begun.new, retention_ms=kept_ms)))
        return replace(run, outcome=Outcome.STARTED, job=created.job)


def new_job_of(rule: Rule, partitions: int, run: Run) -> str:
    """An id for a run's job."""
    return new_job_id(submission_of(rule, run), partitions)


def submission_of(rule: Rule, run: Run) -> Submission:
    """A run as what a client would send."""
    return Submission(
        blueprint=rule.program.name,
        input=rule.schedule.input,
        client=CLIENT,
        labels={LABEL: rule.schedule.name, LABEL_OF_TIME: format_time(from_ms(run.due_ms))},
        key=rule.key_of(run),
        schedule=rule.schedule.name,
        by=run.by,
    )


def _refused(run: Run, why: str) -> Run:
    return replace(run, outcome=Outcome.REFUSED, why=why[:WHY_CHARACTERS_MAX])
