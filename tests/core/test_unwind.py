"""What a job did is undone when it ends badly: last things first, each once."""

from __future__ import annotations

import pytest

from avtomat.core.messages import (
    CancelRequested,
    Change,
    DeadlinePassed,
    Ignored,
    LeaseLost,
    Limit,
    RerunRequested,
    SkipRequested,
    TaskSucceeded,
    TaskTimedOut,
    UnwindReady,
)
from avtomat.core.model import Error, Status
from avtomat.core.waiting import OnUndo, OnUnwind
from tests.core.building import Position, begun, program_of

TRIP = """
states:
  flight:
    task: book
    compensate: {when: output.booked, task: release, params: {id: "{{ output.id }}", n: "{{ input.n }}"}}
    next: hotel
  hotel: {task: book, retry: none, next: end}
"""


def noted(job: Position) -> list[object]:
    return [undo.body.params for undo in job.change.undos]


def on_the_way_back(undo: str = "{task: release, params: {id: '{{ output }}'}}") -> Position:
    """A job that failed after two visits that can be undone."""
    job = begun(f"states: {{a: {{task: t, retry: none, compensate: {undo}, next: a}}}}")
    job.succeeds(1)
    job.succeeds(2)
    job.fails("A")
    return job


def test_an_undo_is_rendered_and_noted_in_the_commit_in_which_its_state_completes() -> None:
    job = begun(TRIP, {"n": 1})

    job.succeeds({"booked": True, "id": 7})

    assert noted(job) == [{"id": 7, "n": 1}]
    assert (job.change.undos[0].state, job.change.undos[0].place) == ("flight", "flight")


def test_no_undo_is_noted_when_its_guard_does_not_hold() -> None:
    job = begun(TRIP, {"n": 1})

    job.succeeds({"booked": False})

    assert noted(job) == []


def test_each_undo_is_a_visit_of_its_own_so_that_no_worker_takes_it_for_done() -> None:
    job = on_the_way_back()
    visits = [job.scope.visit]

    job.tell(UnwindReady())
    visits.append(job.scope.visit)
    job.fails("TRANSIENT_ERROR")
    visits.append(job.scope.visit)
    job.succeeds()
    visits.append(job.scope.visit)

    assert visits == [3, 4, 4, 5]


def test_no_undo_is_noted_for_a_state_that_failed() -> None:
    job = begun("states: {a: {task: t, retry: none, compensate: {task: u}}}")

    job.fails("A")

    assert noted(job) == []


def test_an_undo_that_cannot_be_rendered_is_noted_with_its_error_and_the_job_goes_on() -> None:
    job = begun(TRIP, {"n": 1})

    job.succeeds({"booked": True})

    [undo] = job.change.undos
    assert undo.error is not None
    assert (undo.error.code, undo.error.state, undo.body.params) == ("EXPRESSION_ERROR", "flight", None)
    assert job.scope.state == "hotel"


def test_an_undo_is_noted_although_the_state_fails_on_its_way_out_because_the_effect_exists() -> None:
    job = begun("states: {a: {task: t, compensate: {task: u}, set: {x: '{{ input.missing }}'}, next: end}}", {})

    job.succeeds()

    assert len(job.change.undos) == 1
    assert isinstance(job.scope.waiting, OnUnwind)


def test_an_undo_after_attempted_is_noted_once_when_the_task_is_ordered() -> None:
    job = begun(
        "states: {a: {task: t, compensate: {task: u, after: attempted, params: {n: '{{ input.n }}'}}}}", {"n": 1}
    )
    assert noted(job) == [{"n": 1}]

    job.fails("TRANSIENT_ERROR")
    assert noted(job) == []
    job.succeeds()
    assert noted(job) == []


def test_an_undo_after_attempted_is_not_noted_for_a_task_that_was_never_ordered() -> None:
    text = "states: {a: {task: t, params: {x: '{{ input.missing }}'}, compensate: {task: u, after: attempted}}}"

    assert noted(begun(text, {})) == []


def test_a_body_notes_undos_with_its_own_names_and_place() -> None:
    job = begun("states: {all: {foreach: '{{ input }}', do: {task: t, "
                "compensate: {task: u, params: {i: '{{ item }}'}}}}}", ["x", "y"])  # fmt: skip
    body = job.body(1)

    body.succeeds()

    assert noted(body) == [{"i": "y"}]
    assert (body.change.undos[0].place, body.change.undos[0].machine) == ("all[1]", "all")


def test_a_job_that_finishes_undoes_nothing() -> None:
    job = begun("states: {a: {task: t, compensate: {task: u}}}")

    job.succeeds("x")

    assert job.ended.status is Status.FINISHED


def test_a_job_that_fails_stops_and_waits_until_no_lease_is_live() -> None:
    job = on_the_way_back()

    assert (job.change.ended, job.change.dispatch, job.change.status) == (None, None, Status.COMPENSATING)
    assert job.scope.waiting == OnUnwind(status=Status.FAILED, error=Error(code="A", state="a", attempt=1))
    assert job.change.reason is not None


def test_a_job_that_can_undo_nothing_ends_at_once() -> None:
    job = begun("states: {a: {task: t, retry: none}}")

    job.fails("A")

    assert job.ended.status is Status.FAILED


def test_a_job_that_might_have_had_something_to_undo_ends_once_it_may_look() -> None:
    job = begun("states: {a: {task: t, retry: none, compensate: {task: u}}}")
    job.fails("A")

    job.tell(UnwindReady())

    assert (job.ended.status, job.error.code) == (Status.FAILED, "A")


def test_undos_run_in_the_reverse_order_of_their_noting_one_at_a_time() -> None:
    job = on_the_way_back()
    ran = []

    job.tell(UnwindReady())
    ran.append(job.params)
    job.succeeds()
    ran.append(job.params)
    job.succeeds()
    job.wakes()

    assert ran == [{"id": 2}, {"id": 1}]
    assert (job.ended.status, job.error.code) == (Status.FAILED, "A")


def test_the_entry_whose_undos_have_run_is_named_and_the_store_brings_the_next() -> None:
    job = on_the_way_back()
    job.undos = job.undos[-1:]
    job.tell(UnwindReady())

    job.succeeds()

    assert (job.change.undone_seq, job.change.dispatch, job.change.ended) == (1, None, None)
    assert isinstance(job.scope.waiting, OnUnwind)


def test_an_undo_is_tried_again_by_its_own_policy() -> None:
    job = on_the_way_back("{task: u, retry: {attempts: 2}}")
    job.tell(UnwindReady())

    job.fails("TRANSIENT_ERROR")

    assert (job.attempt, job.change.dispatch is not None and job.change.dispatch.body) == (2, None)


@pytest.mark.parametrize(
    "event",
    [LeaseLost(attempt=1), TaskTimedOut(attempt=1, limit=Limit.TOTAL), TaskTimedOut(attempt=1, limit=Limit.QUEUE)],
)
def test_an_undo_that_fails_for_good_parks_the_job(event: LeaseLost | TaskTimedOut) -> None:
    job = on_the_way_back("{task: u, retry: none}")
    job.tell(UnwindReady())

    job.tell(event)

    assert (job.change.status, job.change.ended) == (Status.QUARANTINED, None)
    assert job.change.reason is not None
    assert (job.change.reason.code, job.change.reason.state) == ("COMPENSATION_FAILED", "a")
    assert isinstance(job.scope.waiting, OnUndo)


def test_the_total_time_of_an_undo_is_never_retried() -> None:
    job = on_the_way_back("{task: u, retry: {attempts: 5}}")
    job.tell(UnwindReady())

    job.tell(TaskTimedOut(attempt=1, limit=Limit.TOTAL))

    assert job.head.status is Status.QUARANTINED


def test_an_operator_tries_a_failed_undo_again_from_its_first_attempt() -> None:
    job = on_the_way_back("{task: u, retry: none}")
    job.tell(UnwindReady())
    job.fails("A")

    job.tell(RerunRequested())

    assert (job.change.status, job.attempt) == (Status.COMPENSATING, 1)
    assert job.change.dispatch is not None
    assert job.change.dispatch.body is not None


def test_an_undo_that_an_operator_tries_again_has_all_the_attempts_of_each_policy_again() -> None:
    job = on_the_way_back("{task: u, retry: [{errors: [A], attempts: 2}, {errors: [B], attempts: 2}]}")
    job.tell(UnwindReady())
    for code in ("A", "B", "A"):
        job.fails(code)
    assert job.head.status is Status.QUARANTINED

    job.tell(RerunRequested())
    for code in ("A", "B"):
        job.fails(code)

    assert (job.head.status, job.attempt, job.scope.waiting.taken) == (Status.COMPENSATING, 3, (1, 1))


def test_an_undo_whose_time_is_over_before_it_is_noted_is_noted_with_that_error() -> None:
    undo = "{task: u, timeout: {total: \"{{ time('2000-01-01') - now }}\"}}"
    job = begun(f"states: {{a: {{task: t, retry: none, compensate: {undo}, next: a}}}}")

    job.succeeds(1)

    [noted_undo] = job.change.undos
    assert noted_undo.error is not None
    assert (noted_undo.error.code, job.scope.visit) == ("TIMEOUT_ERROR", 2)


def test_an_operator_skips_a_failed_undo_and_the_one_before_it_runs() -> None:
    job = on_the_way_back()
    job.tell(UnwindReady())
    job.fails("PERMANENT_ERROR")

    job.tell(SkipRequested())

    assert (job.change.status, job.params) == (Status.COMPENSATING, {"id": 1})


def test_a_late_answer_of_an_earlier_attempt_of_an_undo_is_ignored() -> None:
    job = on_the_way_back("{task: u, retry: {attempts: 2}}")
    job.tell(UnwindReady())
    job.fails("TRANSIENT_ERROR")

    assert isinstance(job.tell(TaskSucceeded(attempt=1)), Ignored)


def test_a_cancelled_job_undoes_what_it_did_and_ends_as_cancelled() -> None:
    job = begun("states: {a: {task: t, compensate: {task: u}, next: b}, b: {task: t, next: end}}")
    job.succeeds()

    job.tell(CancelRequested(reason="no"))
    assert job.head.status is Status.COMPENSATING
    job.tell(UnwindReady())
    job.succeeds()
    job.wakes()

    assert (job.ended.status, job.error.code, job.error.message) == (Status.CANCELLED, "CANCELLED", "no")


def test_a_cancel_without_compensation_ends_the_job_at_once_even_on_its_way_back() -> None:
    job = on_the_way_back()

    job.tell(CancelRequested(compensate=False))

    assert job.ended.status is Status.CANCELLED


def test_a_second_cancel_changes_nothing_while_the_job_undoes() -> None:
    job = on_the_way_back()
    assert isinstance(job.tell(CancelRequested()), Ignored)
    job.tell(UnwindReady())

    assert isinstance(job.tell(CancelRequested()), Ignored)


def test_the_jobs_timeout_counts_no_longer_while_it_undoes() -> None:
    job = on_the_way_back()
    assert isinstance(job.tell(DeadlinePassed()), Ignored)
    job.tell(UnwindReady())

    assert isinstance(job.tell(DeadlinePassed()), Ignored)


def test_a_job_that_passes_its_deadline_undoes_what_it_did() -> None:
    job = begun("timeout: 5s\nstates: {a: {task: t, compensate: {task: u}, next: b}, b: {task: t, next: end}}")
    job.succeeds()

    job.tell(DeadlinePassed(), after="5s")

    assert isinstance(job.scope.waiting, OnUnwind)
    assert job.scope.waiting.error is not None
    assert job.scope.waiting.error.code == "DEADLINE"


@pytest.mark.parametrize("fail", ["{fail: {code: A, compensate: false}}", "{fail: {compensate: false}}"])
def test_a_fail_may_decline_compensation(fail: str) -> None:
    job = begun(f"states: {{a: {{task: t, compensate: {{task: u}}, next: no}}, no: {fail}}}")

    job.succeeds()

    assert job.ended.status is Status.FAILED


def test_a_fail_in_a_body_cannot_decline_it_because_it_ends_the_body_alone() -> None:
    text = """
        states:
          both:
            parallel: {l: {states: {no: {fail: {code: A, compensate: false}}}}, r: {task: t, compensate: {task: u}}}
    """
    job = begun(program_of(text, checked=False))
    body = job.body(0)

    job.joins(failed=1, error=body.error)

    assert isinstance(job.scope.waiting, OnUnwind)


def test_an_undo_may_begin_only_when_the_job_waits_for_that() -> None:
    job = begun("states: {a: {task: t, compensate: {task: u}}}")

    assert isinstance(job.tell(UnwindReady()), Ignored)


def test_everything_below_is_closed_before_anything_is_undone() -> None:
    job = begun("states: {all: {foreach: '{{ [1] }}', do: {task: t, compensate: {task: u}}}}")

    decided = job.tell(CancelRequested())

    assert isinstance(decided, Change)
    assert (decided.close, decided.dispatch) == ((0,), None)
