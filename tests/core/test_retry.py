"""When a failed attempt is tried again, and after how long."""

from __future__ import annotations

import pytest

from avtomat.core.kinds.task import TaskState
from avtomat.core.messages import DispatchTask, LeaseLost, Limit, RerunRequested, TaskTimedOut
from avtomat.core.model import Error, Status
from avtomat.core.program import ANY, Jitter, RetryPolicy
from avtomat.core.retry import Again, try_after
from avtomat.core.waiting import OnTask, TaskLimits
from avtomat.storage.port.codec import dumps, loads, scope_as_record, scope_from_record
from tests.core.building import NOW, begun, program_of, seconds

STEADY = "jitter: none"


def retried(code: str, details: object = None, *, policy: RetryPolicy | None = None, attempt: int = 1) -> bool:
    error = Error(code=code, details=details, attempt=attempt)
    return try_after((policy or RetryPolicy(),), error, seed="s") is not None


def test_a_task_is_tried_three_times_by_default_and_the_first_counts() -> None:
    job = begun("states: {work: {task: t}}")

    job.fails("TRANSIENT_ERROR")
    job.fails("TRANSIENT_ERROR")
    assert job.attempt == 3
    job.fails("TRANSIENT_ERROR")

    assert (job.ended.status, job.error.attempt) == (Status.FAILED, 3)


def test_a_retry_is_one_order_with_the_next_attempt_and_the_params_of_the_first() -> None:
    job = begun(f"states: {{work: {{task: t, timeout: 5s, retry: {{delay: 2s, {STEADY}}}}}}}")
    limits = TaskLimits(attempt=seconds(5))

    job.fails("TRANSIENT_ERROR")

    assert job.change.dispatch == DispatchTask(attempt=2, limits=limits, not_before=NOW + seconds(2), body=None)
    assert job.scope.waiting == OnTask(attempt=2, limits=limits)
    assert (job.scope.visit, job.change.trail) == (1, ())


def test_the_delay_grows_by_the_factor_up_to_its_limit() -> None:
    job = begun(f"states: {{work: {{task: t, retry: {{attempts: 5, delay: 1s, factor: 3, max_delay: 5s, {STEADY}}}}}}}")
    pauses = []

    for _ in range(4):
        job.fails("TRANSIENT_ERROR")
        pauses.append(job.pause)

    assert pauses == [1, 3, 5, 5]


def test_a_delay_too_large_for_a_number_is_the_limit() -> None:
    policy = RetryPolicy(attempts=10_000, factor=1e300, jitter=Jitter.NONE)

    assert try_after((policy,), Error(code="WORKER_LOST", attempt=9_000), seed="s") == Again(delay=policy.delay_max)


@pytest.mark.parametrize(("jitter", "least"), [(Jitter.FULL, 0.0), (Jitter.EQUAL, 5.0)])
def test_jitter_spreads_the_delay_and_is_the_same_on_replay(jitter: Jitter, least: float) -> None:
    policy = RetryPolicy(delay=seconds(10), jitter=jitter)
    error = Error(code="WORKER_LOST", attempt=1)
    delays = [try_after((policy,), error, seed=f"j{job} / 1") for job in range(200)]
    repeated = [try_after((policy,), error, seed=f"j{job} / 1") for job in range(200)]

    assert delays == repeated
    assert len(set(delays)) == 200
    assert all(again is not None and seconds(least) <= again.delay <= seconds(10) for again in delays)


def test_jitter_differs_from_attempt_to_attempt_and_from_visit_to_visit() -> None:
    job = begun("states: {work: {task: t, retry: {attempts: 4, delay: 1m, factor: 1}, next: work}}")
    job.fails("TRANSIENT_ERROR")
    first = job.pause
    job.fails("TRANSIENT_ERROR")
    second = job.pause
    job.succeeds()
    job.fails("TRANSIENT_ERROR")

    assert len({first, second, job.pause}) == 3


@pytest.mark.parametrize(
    "code", ["TRANSIENT_ERROR", "TIMEOUT_ERROR", "RESOURCE_EXHAUSTED_ERROR", "INTERNAL_ERROR", "WORKER_LOST"]
)
def test_errors_that_may_pass_are_retried_by_default(code: str) -> None:
    assert retried(code)


@pytest.mark.parametrize(
    "code",
    [
        "PERMANENT_ERROR",
        "INVALID_INPUT_ERROR",
        "CONTRACT_VIOLATION_ERROR",
        "DEPENDENCY_ERROR",
        "SECURITY_ERROR",
        "NO_WORKER",
        "CARD_DECLINED",
    ],
)
def test_other_errors_are_retried_only_where_a_policy_names_them(code: str) -> None:
    assert not retried(code)
    assert retried(code, policy=RetryPolicy(errors=frozenset({code})))
    assert retried(code, policy=RetryPolicy(errors=frozenset({ANY})))


@pytest.mark.parametrize("code", ["EXPRESSION_ERROR", "TEMPLATE_ERROR", "NO_TRANSITION", "LIMIT_EXCEEDED", "DEADLINE"])
def test_what_would_fail_again_is_never_retried_not_even_by_any(code: str) -> None:
    assert not retried(code, policy=RetryPolicy(errors=frozenset({ANY, code})))


@pytest.mark.parametrize(
    ("details", "passes"),
    [(None, True), ({"status": 408}, True), ({"status": 425}, True), ({"status": 429}, True), ({"status": 503}, True),
     ({"status": 404}, False), ({"status": 400}, False)],
)  # fmt: skip
def test_a_failed_call_is_retried_when_its_status_or_the_network_says_that_it_may_pass(
    details: object, passes: bool
) -> None:
    assert retried("CALL_FAILED", details) is passes
    assert retried("CALL_FAILED", details, policy=RetryPolicy(errors=frozenset({"CALL_FAILED"})))


def test_of_several_policies_the_first_that_names_the_error_counts_and_no_other() -> None:
    job = begun(
        """
        states:
          work:
            task: t
            retry:
              - {errors: [A], attempts: 1}
              - {errors: [ANY], attempts: 2, delay: 7s, jitter: none}
        """
    )
    other = begun(job.program)

    job.fails("A")
    other.fails("B")

    assert job.ended.status is Status.FAILED
    assert other.pause == 7


def test_retry_none_tries_once() -> None:
    job = begun("states: {work: {task: t, retry: none}}")

    job.fails("TRANSIENT_ERROR")

    assert job.ended.status is Status.FAILED


def test_attempts_belong_to_one_visit() -> None:
    job = begun("states: {work: {task: t, retry: {attempts: 2}, next: work}}")
    job.fails("TRANSIENT_ERROR")
    job.succeeds()

    job.fails("TRANSIENT_ERROR")

    assert (job.attempt, job.scope.visit) == (2, 2)


def test_a_lost_worker_is_an_attempt_like_any_other() -> None:
    job = begun("states: {work: {task: t, retry: {attempts: 2}}}")

    job.tell(LeaseLost(attempt=1))
    job.tell(LeaseLost(attempt=2))

    assert (job.error.code, job.error.attempt) == ("WORKER_LOST", 2)


def test_an_output_that_is_not_as_expected_is_retried_where_a_policy_names_it() -> None:
    job = begun("states: {work: {task: t, expects: {type: integer}, retry: {errors: [CONTRACT_VIOLATION_ERROR]}}}")

    job.succeeds("text")

    assert job.attempt == 2


def test_params_are_rendered_once_a_visit() -> None:
    job = begun("states: {work: {task: t, params: {id: '{{ uuid() }}'}}}")

    job.fails("TRANSIENT_ERROR")

    assert job.change.dispatch is not None
    assert job.change.dispatch.body is None


def test_defaults_and_named_policies_reach_every_task() -> None:
    job = begun(
        """
        policies: {patient: {attempts: 2, delay: 9s, jitter: none}}
        defaults: {retry: patient, timeout: {attempt: 3s, heartbeat: 1s}}
        states: {work: {task: t}}
        """
    )
    assert isinstance(job.scope.waiting, OnTask)
    assert (job.scope.waiting.limits.attempt, job.scope.waiting.limits.heartbeat) == (seconds(3), seconds(1))

    job.tell(TaskTimedOut(attempt=1, limit=Limit.ATTEMPT))

    assert job.pause == 9


def pauses(retry: str, *, failures: int, code: str = "TRANSIENT_ERROR") -> list[float]:
    """The delays that a task with this policy is given after so many failures."""
    job = begun(f"states: {{work: {{task: t, retry: {{attempts: {failures + 1}, {STEADY}, {retry}}}}}}}")
    found = []
    for _ in range(failures):
        job.fails(code)
        found.append(job.pause)
    return found


@pytest.mark.parametrize(
    ("retry", "delays"),
    [
        ("delay: 0s", [0, 0]),
        ("delay: 0s, max_delay: 0s", [0, 0]),
        ("delay: 5m", [300, 600]),
        ("delay: 30s, factor: 10", [30, 300]),
        ("delay: 40s", [40, 80]),
        ("delay: 1s, factor: 100", [1, 100]),
        ("factor: 1", [1, 1]),
    ],
)
def test_zero_is_a_delay_and_an_unwritten_limit_is_never_below_the_delay(retry: str, delays: list[float]) -> None:
    assert pauses(retry, failures=2) == delays


def test_a_thousand_attempts_without_a_delay_take_no_time_at_all() -> None:
    policy = RetryPolicy(attempts=10**6, delay=seconds(0), factor=2.0, jitter=Jitter.NONE)

    for attempt in (1, 999, 5_000, 999_999):
        assert try_after((policy,), Error(code="WORKER_LOST", attempt=attempt), seed="s") == Again(delay=seconds(0))


TWO = """
states:
  work:
    task: t
    retry:
      - {errors: [BUSY], attempts: 4, delay: 2s, factor: 3, max_delay: 10s, jitter: none}
      - {errors: [ANY], attempts: 3, delay: 1s, jitter: none}
"""


def test_each_policy_counts_the_failures_that_it_took() -> None:
    job = begun(TWO)
    found = []

    for code in ("BUSY", "OWN", "BUSY", "OWN", "BUSY"):
        job.fails(code)
        found.append(job.pause)

    assert found == [2, 1, 6, 2, 10]
    assert job.scope.waiting == OnTask(attempt=6, limits=TaskLimits(), taken=(3, 2))


@pytest.mark.parametrize("last", ["BUSY", "OWN"])
def test_a_visit_has_as_many_attempts_as_its_policies_allow_together_and_the_first(last: str) -> None:
    job = begun(TWO)

    for code in ("OWN", "BUSY", "BUSY", "OWN", "BUSY", last):
        job.fails(code)

    assert (job.ended.status, job.error.attempt) == (Status.FAILED, 1 + 3 + 2)


def test_a_task_that_an_operator_tries_again_has_all_its_attempts_again() -> None:
    job = begun(TWO + "unhandled: quarantine\n")
    for code in ("OWN", "OWN", "OWN"):
        job.fails(code)

    job.tell(RerunRequested())
    job.fails("OWN")

    assert (job.pause, job.scope.waiting.taken) == (1, (0, 1))


def test_what_the_policies_took_is_kept_with_the_scope() -> None:
    job = begun(TWO)
    job.fails("BUSY")
    kept = loads(dumps(scope_as_record(job.scope)))

    assert scope_from_record(kept, job.scope.path, job.scope.version).waiting == job.scope.waiting


def test_whole_numbers_of_a_blueprint_are_whole_also_where_they_are_written_with_a_fraction_of_zero() -> None:
    program = program_of(
        """
        priority: 3.0
        limits: {transitions: 10.0}
        states: {work: {task: t, priority: 2.0, retry: {attempts: 2.0}}}
        """
    )
    work = program.machines[""].states["work"]

    assert isinstance(work, TaskState)
    numbers = (program.priority, program.limits.transitions, work.priority, work.retry[0].attempts)
    assert repr(numbers) == "(3, 10, 2, 2)"
