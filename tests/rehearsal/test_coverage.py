"""Coverage counts what an author wrote, and what the cases did of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from avtomat.rehearsal.coverage import per_cent
from tests.rehearsal.told import messages, run_text


def missed(tmp_path: Path, blueprint: str, cases: str) -> list[str]:
    report = run_text(tmp_path, blueprint, cases)
    assert messages(report) == []
    assert report.coverage is not None
    return [finding.message for finding in report.coverage.findings]


def test_two_ways_to_the_same_state_are_told_apart(tmp_path: Path) -> None:
    blueprint = """\
states:
  choose:
    transitions:
      - {when: input.fast, to: done, set: {fee: 5}}
      - {to: done, set: {fee: 0}}
  done: {succeed: "{{ data.fee }}"}
"""
    assert missed(tmp_path, blueprint, "cases: [{name: c, input: {fast: true}, expect: {result: 5}}]\n") == [
        "the transition from `choose` to `done` is never taken"
    ]


TRIED = """\
timeout: 1d
catch: [{errors: [ANY], to: late}]
states:
  work:
    task: work
    retry: [{errors: [BUSY], attempts: 2}, {attempts: 2}]
    timeout: {attempt: 1m, queue: 1h, total: 5h, heartbeat: 10s}
    next: block
    catch:
      - {errors: [BUSY], when: error.attempt > 2, output: 1}
      - {errors: [BUSY], output: 2}
  block:
    parallel: {a: {task: a}, b: {wait: 1s}}
    retry: [{errors: [BUSY], attempts: 2}, {errors: [ANY], attempts: 2}]
    timeout: 2h
    next: end
  late: {fail: {}}
"""
ALL_MISSED = [
    "the job's timeout never passes",
    "the catch of the blueprint for ANY is never taken",
    "`work` is never tried again",
    "`work` is never tried again",
    "the timeout of `work` (attempt) never passes",
    "the timeout of `work` (queue) never passes",
    "the timeout of `work` (total) never passes",
    "the timeout of `work` (heartbeat) never passes",
    "the catch of `work` for BUSY when `error.attempt > 2` is never taken",
    "the catch of `work` for BUSY is never taken",
    "`block` is never tried again",
    "`block` is never tried again",
    "the timeout of `block` never passes",
    "`late` is never entered",
]


def tried(tmp_path: Path, tasks: str, status: str = "finished") -> set[int]:
    """Which of ALL_MISSED these answers exercise, by number; those of the same words count in their order."""
    cases = f"cases: [{{name: c, tasks: {tasks}, expect: {{status: {status}}}}}]\n"
    report = run_text(tmp_path, TRIED, cases)
    assert messages(report) == []
    assert report.coverage is not None
    untouched = {part.mark for part in report.coverage.missed}
    parts = [part for part in sorted(report.coverage.parts, key=lambda part: part.span) if part.untouched in ALL_MISSED]
    assert [part.untouched for part in parts] == ALL_MISSED
    return {at for at, part in enumerate(parts) if part.mark not in untouched}


@pytest.mark.parametrize(
    ("tasks", "status", "expected"),
    [
        ("{work: {}, a: {}}", "finished", set()),
        ("{work: [{error: BUSY}, {}], a: {}}", "finished", {2}),
        ("{work: [{error: TRANSIENT_ERROR}, {}], a: {}}", "finished", {3}),
        ("{work: {error: BUSY}, a: {}}", "finished", {2, 9}),
        ("{work: [{takes: 2m}, {}], a: {}}", "finished", {3, 4}),
        ("{work: {untaken: true}}", "failed", {1, 5, 13}),
        ("{work: [{silent: true}, {}], a: {}}", "finished", {3, 7}),
        ("{work: {}, a: [{error: BUSY}, {}]}", "finished", {10}),
        ("{work: {}, a: [{error: OTHER}, {}]}", "finished", {11}),
        ("{work: {}, a: {takes: 3h}}", "failed", {1, 12, 13}),
    ],
)
def test_policies_timeouts_and_catches_count_by_themselves(
    tmp_path: Path, tasks: str, status: str, expected: set[int]
) -> None:
    assert tried(tmp_path, tasks, status) == expected


def test_what_stands_under_defaults_and_in_undos_is_not_counted(tmp_path: Path) -> None:
    blueprint = """\
defaults: {timeout: 1m, retry: {attempts: 2}}
states:
  a: {task: t, compensate: {task: u, timeout: 3s, retry: {attempts: 9}}, retry: none, next: end}
"""
    assert missed(tmp_path, blueprint, "cases: [{name: c, tasks: {t: {}}}]\n") == []


def test_the_jobs_timeout_counts_and_undos_do_not_pass_for_states(tmp_path: Path) -> None:
    blueprint = """\
timeout: 1h
states:
  a: {task: t, timeout: {total: 9h, heartbeat: 1m}, compensate: {task: u, after: attempted}, next: end}
"""
    cases = """\
cases:
  - name: c
    tasks: {t: {untaken: true}, u: [{silent: true}, {}]}
    expect: {error: DEADLINE, compensated: [a]}
"""
    assert missed(tmp_path, blueprint, cases) == [
        "the timeout of `a` (total) never passes",
        "the timeout of `a` (heartbeat) never passes",
        "the transition from `a` to `end` is never taken",
    ]


def test_a_share_is_rounded_down_so_that_100_means_all(tmp_path: Path) -> None:
    assert (per_cent(999, 1000), per_cent(1000, 1000), per_cent(0, 0)) == (99, 100, 100)
