"""The limits that a blueprint names, and that nothing takes the error of passing one."""

from __future__ import annotations

import pytest

from avtomat.core.messages import DeadlinePassed, SizeExceeded
from avtomat.core.model import Error, Status
from tests.core.building import Position, begun, program_of

CYCLE = """
limits: {transitions_at_once: 10, transitions: 25}
unhandled: quarantine
catch: [{to: out}]
data: {n: 0}
states:
  a: {set: {n: "{{ data.n + 1 }}"}, transitions: [{when: data.n % input.every == 0, to: b}, {to: a}]}
  b: {wait: 1s, transitions: [{when: data.n > 1000, to: out}, {to: a}]}
  out: {succeed: 1}
"""


def is_over_the_limits(job: Position) -> bool:
    return job.ended.status is Status.FAILED and job.error.code == "LIMIT_EXCEEDED"


def test_a_job_that_goes_round_without_waiting_fails_and_says_where() -> None:
    job = begun(CYCLE, {"every": 1000})

    assert is_over_the_limits(job)
    assert "a -> a -> a" in job.error.message
    assert (job.error.state, len(job.change.trail)) == ("a", 10)


def test_a_job_may_take_only_so_many_transitions_in_all() -> None:
    job = begun(CYCLE, {"every": 5})

    while job.change.ended is None:
        job.wakes(after="1s")

    assert is_over_the_limits(job)
    assert job.scope.hops == 25


def test_blocks_may_be_nested_only_so_deep() -> None:
    text = """
        limits: {depth: 1}
        states: {all: {foreach: '{{ [1] }}', do: {foreach: '{{ [2] }}', do: {task: t}, catch: [{output: 1}]}}}
    """
    job = begun(program_of(text, checked=False))

    assert is_over_the_limits(job.body(0))


def test_a_foreach_may_have_only_so_many_items() -> None:
    text = "limits: {items: 2}\nstates: {all: {foreach: '{{ input }}', do: {task: t}, catch: [{output: 1}]}}"

    assert is_over_the_limits(begun(text, [1, 2, 3]))
    assert begun(text, [1, 2]).forked.total == 2


def test_a_window_is_never_wider_than_the_scopes_that_may_live() -> None:
    job = begun("limits: {scopes_live: 2}\nstates: {both: {parallel: {a: {task: t}, b: {task: t}, c: {task: t}}}}")

    assert (job.forked.total, job.forked.window) == (3, 2)


def test_a_decision_that_would_write_too_much_fails_the_job() -> None:
    job = begun("unhandled: quarantine\ncatch: [{to: end}]\nstates: {a: {task: t, catch: [{output: 1}], next: end}}")

    job.tell(SizeExceeded(message="the data take 9 bytes, the limit is 8"))

    assert is_over_the_limits(job)
    assert (job.error.message, job.error.state) == ("the data take 9 bytes, the limit is 8", "a")


@pytest.mark.parametrize("code", ["LIMIT_EXCEEDED", "DEADLINE"])
def test_no_catch_takes_what_is_over_the_limits_not_even_one_for_any(code: str) -> None:
    job = begun("unhandled: quarantine\ncatch: [{errors: [ANY], to: end}]\n"
                "states: {all: {foreach: '{{ [1] }}', retry: {errors: [ANY]}, do: {task: t}, "
                "catch: [{errors: [ANY], output: 1}]}}")  # fmt: skip

    job.joins(failed=1, error=Error(code=code, state="all[0]"))

    assert (job.ended.status, job.error.code) == (Status.FAILED, code)


ANY_EVERYWHERE = """
unhandled: quarantine
timeout: 1h
limits: {transitions_at_once: 2}
catch: [{errors: [ANY], to: end}]
states:
  all:
    foreach: "{{ [1] }}"
    retry: {errors: [ANY], attempts: 3}
    catch: [{errors: [ANY], output: 1}]
    next: end
    do:
      start: work
      states:
        work: {task: t, retry: {errors: [ANY]}, catch: [{errors: [ANY], to: end}], next: a}
        a: {set: {n: 1}, transitions: [{when: input.go, to: b}, {to: end}]}
        b: {set: {n: 2}, transitions: [{when: input.go, to: a}, {to: end}]}
"""


def test_a_deadline_ends_the_job_whatever_catches_and_policies_there_are() -> None:
    job = begun(ANY_EVERYWHERE, {"go": True})

    job.tell(DeadlinePassed(), after="1h")

    assert (job.ended.status, job.error.code, job.change.close) == (Status.FAILED, "DEADLINE", (0,))


def test_a_limit_that_a_body_exceeds_ends_the_body_the_block_and_the_job() -> None:
    job = begun(ANY_EVERYWHERE, {"go": True})
    body = job.body(0)

    body.succeeds()
    assert is_over_the_limits(body)
    job.joins(failed=1, error=body.error)

    assert is_over_the_limits(job)
    assert job.error.state == "all[0].b"


def test_states_crossed_at_once_share_one_budget() -> None:
    text = """
        catch: [{to: out}]
        data: {n: 0}
        states:
          count:
            set: {n: "{{ data.n + 1 }}", sum: "{{ sum([x * x for x in range(50000)]) }}"}
            transitions: [{when: data.n < 1000, to: count}, {to: out}]
          out: {succeed: 1}
    """
    job = begun(text)

    assert is_over_the_limits(job)
    assert "steps" in job.error.message
    assert len(job.change.trail) < 100
