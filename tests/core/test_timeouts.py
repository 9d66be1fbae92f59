"""The times of a task and of a block, and what passing them means."""

from __future__ import annotations

from datetime import timedelta

import pytest

from avtomat.core.messages import DeadlinePassed, Ignored, Limit, TaskTimedOut, TimerFired
from avtomat.core.model import Status
from avtomat.core.waiting import OnFork, OnTask, OnTimer, TaskLimits
from tests.core.building import NOW, begun, seconds

BLOCK = """
states:
  all: {foreach: "{{ input }}", timeout: 10s, retry: {attempts: 3, delay: 4s, jitter: none}, do: {task: t}}
"""


def test_one_number_on_a_task_is_the_time_of_an_attempt() -> None:
    job = begun("states: {work: {task: t, timeout: 30s}}")

    assert job.scope.waiting == OnTask(attempt=1, limits=TaskLimits(attempt=seconds(30)))


def test_the_four_times_of_a_task_reach_its_order() -> None:
    job = begun("states: {work: {task: t, timeout: {queue: 1m, attempt: 30s, heartbeat: 5s, total: 1h}}}")

    assert job.change.dispatch is not None
    assert job.change.dispatch.limits == TaskLimits(
        queue=seconds(60), attempt=seconds(30), heartbeat=seconds(5), total_at=NOW + timedelta(hours=1)
    )


def test_a_time_may_be_rendered_on_entering() -> None:
    job = begun("states: {work: {task: t, timeout: '{{ input.t }}'}}", {"t": "1h30m"})

    assert job.scope.waiting == OnTask(attempt=1, limits=TaskLimits(attempt=timedelta(hours=1, minutes=30)))


@pytest.mark.parametrize("text", ["PT30S", 30, "", None, "99999999d"])
def test_a_rendered_time_that_is_no_duration_fails_the_state_on_entering(text: object) -> None:
    job = begun("states: {work: {task: t, timeout: '{{ input.t }}'}}", {"t": text})

    assert (job.error.code, job.error.attempt, job.change.dispatch) == ("TEMPLATE_ERROR", 0, None)


@pytest.mark.parametrize(
    ("limit", "code"),
    [(Limit.QUEUE, "NO_WORKER"), (Limit.ATTEMPT, "TIMEOUT_ERROR"), (Limit.TOTAL, "TIMEOUT_ERROR")],
)
def test_each_time_that_passes_has_its_code(limit: Limit, code: str) -> None:
    job = begun("states: {work: {task: t, retry: none}}")

    job.tell(TaskTimedOut(attempt=1, limit=limit))

    assert (job.error.code, job.error.state, job.error.attempt) == (code, "work", 1)


def test_an_attempt_that_took_too_long_is_tried_again() -> None:
    job = begun("states: {work: {task: t, timeout: 5s}}")

    job.tell(TaskTimedOut(attempt=1, limit=Limit.ATTEMPT))

    assert job.attempt == 2


def test_the_total_time_ends_the_visit_whatever_attempts_are_left() -> None:
    job = begun("states: {work: {task: t, retry: {attempts: 9, errors: [ANY]}, timeout: {total: 5s}}}")

    job.tell(TaskTimedOut(attempt=1, limit=Limit.TOTAL))

    assert (job.ended.status, job.error.code) == (Status.FAILED, "TIMEOUT_ERROR")


def test_the_total_time_runs_over_all_attempts() -> None:
    job = begun("states: {work: {task: t, timeout: {total: 1m}}}")

    job.tell(TaskTimedOut(attempt=1, limit=Limit.ATTEMPT), after="10s")

    assert isinstance(job.scope.waiting, OnTask)
    assert job.scope.waiting.limits.total_at == NOW + seconds(60)


def test_no_worker_is_retried_only_where_a_policy_names_it() -> None:
    job = begun("states: {work: {task: t, timeout: {queue: 5s}, retry: {errors: [NO_WORKER]}}}")

    job.tell(TaskTimedOut(attempt=1, limit=Limit.QUEUE))

    assert job.attempt == 2


def test_a_catch_takes_a_timeout() -> None:
    job = begun("states: {work: {task: t, timeout: {total: 5s}, catch: [{errors: [TIMEOUT_ERROR], to: end}]}}")

    job.tell(TaskTimedOut(attempt=1, limit=Limit.TOTAL))

    assert job.ended.status is Status.FINISHED


def test_the_blocks_time_that_passes_cancels_its_bodies_and_is_never_retried() -> None:
    job = begun(BLOCK, [1, 2])
    assert isinstance(job.scope.waiting, OnFork)
    assert job.scope.waiting.deadline == NOW + seconds(10)

    job.wakes(after="10s")

    assert (job.error.code, job.error.state, job.change.close) == ("TIMEOUT_ERROR", "all", (0,))


def test_the_blocks_time_runs_over_all_its_attempts_and_ends_a_pause_between_them() -> None:
    job = begun(BLOCK, [1])
    body = job.body(0)
    for _ in range(3):
        body.fails("TRANSIENT_ERROR")
    job.tell(TimerFired(visit=1), after="8s")
    job.joins(failed=1, error=body.error)

    job.wakes(after="3s")

    assert job.error.code == "TIMEOUT_ERROR"


def test_a_blocks_timer_counts_only_once_its_time_has_passed() -> None:
    timed, untimed = begun(BLOCK, [1]), begun("states: {all: {foreach: '{{ input }}', do: {task: t}}}", [1])

    assert isinstance(timed.wakes(after="9s"), Ignored)
    assert isinstance(untimed.wakes(after="9s"), Ignored)


def test_a_passed_deadline_cancels_what_is_below() -> None:
    job = begun("timeout: 5s" + BLOCK, [1])

    job.tell(DeadlinePassed(), after="5s")

    assert (job.error.code, job.change.close) == ("DEADLINE", (0,))


OVER = "{{ time(input) - now }}"
BEFORE = "2000-01-01T00:00:00Z"


def test_a_wait_for_a_time_that_is_over_ends_at_once() -> None:
    job = begun(f"states: {{rest: {{wait: '{OVER}', next: more}}, more: {{task: t, next: end}}}}", BEFORE)

    assert job.scope.waiting == OnTimer(until=job.now)


def test_a_wait_of_seconds_that_were_counted_may_have_a_fraction() -> None:
    job = begun("states: {rest: {wait: \"{{ str(input.n) + 's' }}\", next: end}}", {"n": 12.25})

    assert job.scope.waiting == OnTimer(until=job.now + seconds(12.25))


@pytest.mark.parametrize(
    ("time", "code"), [("attempt", "TIMEOUT_ERROR"), ("total", "TIMEOUT_ERROR"), ("queue", "NO_WORKER")]
)
def test_a_timeout_of_which_nothing_is_left_fails_the_state_on_entering(time: str, code: str) -> None:
    text = f"states: {{work: {{task: t, timeout: {{{time}: '{OVER}'}}, retry: {{errors: [ANY], attempts: 9}}}}}}"

    job = begun(text, BEFORE)

    assert (job.error.code, job.error.attempt, job.change.dispatch) == (code, 0, None)


def test_a_block_of_whose_timeout_nothing_is_left_begins_no_body() -> None:
    text = f"states: {{all: {{foreach: [1, 2], timeout: '{OVER}', do: {{task: t}}, next: end}}}}"

    job = begun(text, BEFORE)

    assert (job.error.code, job.change.fork) == ("TIMEOUT_ERROR", None)


@pytest.mark.parametrize("timeout", [OVER, "{{ seconds(0) }}"])
def test_a_job_of_whose_timeout_nothing_is_left_misses_its_deadline_and_enters_no_state(timeout: str) -> None:
    job = begun(f"timeout: '{timeout}'\nstates: {{work: {{task: t, next: end}}}}", BEFORE)

    assert (job.ended.status, job.error.code, job.change.trail) == (Status.FAILED, "DEADLINE", ())
