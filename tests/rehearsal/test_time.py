"""Time in rehearsals passes by hand: exactly as production would let it pass, and in no time at all."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.rehearsal.told import messages, run_text


def states_of(body: str) -> str:
    return f"states:\n  work: {{task: work, {body}next: end}}\n"


def test_a_month_passes_in_milliseconds(tmp_path: Path) -> None:
    begun = time.perf_counter()
    report = run_text(
        tmp_path,
        "states:\n  nap: {wait: 30d, next: work}\n  work: {task: work, next: end}\n",
        "cases:\n  - {name: c, tasks: {work: {takes: 30d}}, expect: {elapsed: 60d, path: [nap, work]}}\n",
    )

    assert messages(report) == []
    assert time.perf_counter() - begun < 5


def test_tasks_take_no_time_unless_it_is_said(tmp_path: Path) -> None:
    report = run_text(tmp_path, states_of(""), "cases:\n  - {name: c, tasks: {work: {}}, expect: {elapsed: 0s}}\n")

    assert messages(report) == []


@pytest.mark.parametrize(
    ("body", "tasks", "expect"),
    [
        # silence: the end of the lease, an attempt's timeout, a heartbeat that fails to come
        ("retry: none, ", "{silent: true}", "{error: WORKER_LOST, elapsed: 90s}"),
        ("retry: none, timeout: 30s, ", "{silent: true}", "{error: TIMEOUT_ERROR, elapsed: 30s}"),
        ("retry: none, timeout: {heartbeat: 5s}, ", "{silent: true}", "{error: WORKER_LOST, elapsed: 5s}"),
        # work: longer than a lease, and than a heartbeat's time, is not silence; longer than a timeout is too long
        ("timeout: {heartbeat: 5s}, ", "{takes: 2h}", "{elapsed: 2h}"),
        ("retry: none, timeout: 2m, ", "{takes: 3m}", "{error: TIMEOUT_ERROR, elapsed: 2m}"),
        ("timeout: 2m, ", "{takes: 2m}", "{elapsed: 2m}"),
        # nobody: the queue's time, all of the state's time, the job's time
        ("timeout: {queue: 1h}, ", "{untaken: true}", "{error: NO_WORKER, elapsed: 1h}"),
        ("timeout: {total: 2h}, ", "{untaken: true}", "{error: TIMEOUT_ERROR, elapsed: 2h}"),
        # retries: each attempt is answered for itself, and pauses are those of the policy
        (
            "retry: {attempts: 3, delay: 10s, jitter: none}, ",
            "[{error: TRANSIENT_ERROR, takes: 1s}, {silent: true}, {output: 1}]",
            "{result: 1, elapsed: 2m1s, tasks: {work: 3}}",
        ),
        (
            "timeout: {queue: 1m}, retry: {errors: [NO_WORKER], delay: 10s, jitter: none}, ",
            "[{untaken: true}, {output: 2}]",
            "{result: 2, elapsed: 1m10s}",
        ),
    ],
)
def test_timeouts_leases_and_pauses_end_when_they_should(tmp_path: Path, body: str, tasks: str, expect: str) -> None:
    cases = f"cases:\n  - name: c\n    tasks: {{work: {tasks}}}\n    expect: {expect}\n"

    assert messages(run_text(tmp_path, states_of(body), cases)) == []


def test_the_jobs_own_timeout_ends_what_waits(tmp_path: Path) -> None:
    blueprint = "timeout: 3d\nstates:\n  nap: {wait: 30d, next: end}\n"
    report = run_text(tmp_path, blueprint, "cases:\n  - {name: c, expect: {error: DEADLINE, elapsed: 3d}}\n")

    assert messages(report) == []


def test_one_untaken_task_holds_no_other_one_up(tmp_path: Path) -> None:
    blueprint = """\
states:
  both:
    parallel:
      slow: {task: work, timeout: {queue: 1h}, catch: [{errors: [NO_WORKER], output: gave up}]}
      fast:
        start: first
        states:
          first: {task: work, next: pause}
          pause: {wait: 50m, next: second}
          second: {task: work, next: end}
    next: end
"""
    cases = """\
cases:
  - name: c
    tasks: {both.slow: {untaken: true}, work: {output: done}}
    expect: {result: {slow: gave up, fast: done}, elapsed: 1h}
"""
    assert messages(run_text(tmp_path, blueprint, cases)) == []


def test_a_worker_that_is_told_to_cancel_stops_at_once_and_a_silent_one_holds_undos_up(tmp_path: Path) -> None:
    blueprint = """\
states:
  book: {task: book, compensate: {task: cancel}, next: both}
  both:
    parallel:
      slow: {task: slow}
      bad: {task: bad}
    next: end
"""
    cases = """\
defaults: {tasks: {book: {}, cancel: {}, bad: {error: BAD, takes: 10s}}}
cases:
  - name: at work
    tasks: {slow: {takes: 1h}}
    expect: {error: BAD, compensated: [book], elapsed: 10s}
  - name: silent
    tasks: {slow: {silent: true}}
    expect: {error: BAD, compensated: [book], elapsed: 90s}
"""
    assert messages(run_text(tmp_path, blueprint, cases)) == []


def test_now_is_the_files_or_the_cases_and_goes_on_with_the_clock(tmp_path: Path) -> None:
    blueprint = """\
states:
  nap: {wait: 1h, next: done}
  done: {succeed: {then: "{{ job.created_at }}", now: "{{ now() }}"}}
"""
    cases = """\
now: 2026-01-31T23:30:00Z
cases:
  - name: of the file
    expect: {result: {then: "2026-01-31T23:30:00.000Z", now: "2026-02-01T00:30:00.000Z"}}
  - name: of the case
    now: 2024-02-29T12:00:00+02:00
    expect: {result: {then: "2024-02-29T10:00:00.000Z", now: "2024-02-29T11:00:00.000Z"}}
"""
    assert messages(run_text(tmp_path, blueprint, cases)) == []
    assert (
        messages(run_text(tmp_path, blueprint, "cases:\n  - {name: c, expect: {holds: result.then < now()}}\n")) == []
    )
