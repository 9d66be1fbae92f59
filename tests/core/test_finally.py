"""What runs at every end of a job, once, after its undos, and changes nothing of that end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from avtomat.core.messages import (
    CancelRequested,
    DeadlinePassed,
    Ignored,
    JoinDecided,
    PauseRequested,
    ReleaseRequested,
    RerunRequested,
    ResumeRequested,
    SkipRequested,
    TaskSucceeded,
    TimerFired,
    UnwindReady,
)
from avtomat.core.model import Error, Ref, Status
from avtomat.core.reads import outputs_read
from avtomat.core.waiting import OnFinally
from tests.core.building import NOW, Position, begun, program_of, seconds

TELLS = "{task: tell, params: {status: '{{ job.status }}', error: '{{ job.error }}', result: '{{ job.result }}'}}"
JOB = f"""
timeout: 1h
catch: [{{errors: [ODD], to: rescue}}]
states:
  work: {{task: work, retry: none, next: end}}
  rescue: {{succeed: rescued}}
finally: {TELLS}
"""


def waiting_of(job: Position) -> OnFinally:
    assert isinstance(job.scope.waiting, OnFinally), job.scope.waiting
    return job.scope.waiting


def ends(job: Position, error: Error | None = None) -> None:
    """The body of `finally` has ended so."""
    event = JoinDecided(number=waiting_of(job).number, met=error is None, ok=error is None, failed=1, error=error)
    job.tell(event)


def finishing() -> Position:
    job = begun(JOB)
    job.succeeds({"n": 1})
    return job


# --- every end --------------------------------------------------------------------------------------------------------


def test_a_job_that_ends_well_finishes_first_and_then_ends_with_its_result() -> None:
    job = begun(JOB)

    job.succeeds({"n": 1})

    assert (job.head.status, job.change.ended) == (Status.FINISHING, None)
    assert job.body(0).params == {"status": "finished", "error": None, "result": {"n": 1}}

    ends(job)

    assert (job.ended.status, job.ended.output, job.ended.error) == (Status.FINISHED, {"n": 1}, None)
    assert job.scope.finally_error is None


def test_a_result_that_is_null_stays_null() -> None:
    job = begun(JOB)

    job.succeeds(None)

    assert job.body(0).params == {"status": "finished", "error": None, "result": None}
    ends(job)
    assert (job.ended.output, job.outputs) == (None, {"work": None})


def test_a_job_that_fails_tells_its_error() -> None:
    job = begun(JOB)

    job.fails("BAD", "no", {"n": 1})

    error = {"code": "BAD", "message": "no", "details": {"n": 1}, "state": "work", "attempt": 1}
    assert job.body(0).params == {"status": "failed", "error": error, "result": None}
    ends(job)
    assert (job.ended.status, job.error.as_json()) == (Status.FAILED, error)


def test_a_job_that_is_cancelled_tells_why() -> None:
    job = begun(JOB)

    job.tell(CancelRequested(reason="enough"))

    params = job.body(0).params
    assert (params["status"], params["error"]["code"], params["error"]["message"]) == (
        "cancelled",
        "CANCELLED",
        "enough",
    )
    ends(job)
    assert job.ended.status is Status.CANCELLED


def test_a_job_whose_timeout_passes_has_its_finally() -> None:
    job = begun(JOB)

    job.tell(DeadlinePassed(), after="1h")

    assert job.body(0).params["error"]["code"] == "DEADLINE"


def test_a_job_that_ends_with_its_first_decision_has_its_finally() -> None:
    job = begun(f"states: {{a: {{succeed: 1}}}}\nfinally: {TELLS}")

    assert job.head.status is Status.FINISHING
    assert job.body(0).params["result"] == 1


def test_a_parked_job_runs_its_finally_when_it_ends_and_not_before() -> None:
    job = begun(f"unhandled: quarantine\nstates: {{a: {{task: t, retry: none, next: end}}}}\nfinally: {TELLS}")

    job.fails("BAD")
    assert (job.head.status, job.change.fork) == (Status.QUARANTINED, None)

    job.tell(CancelRequested())
    assert job.head.status is Status.FINISHING


@pytest.mark.parametrize("event", [CancelRequested(), DeadlinePassed()])
def test_a_job_that_entered_no_state_has_no_finally(event: CancelRequested | DeadlinePassed) -> None:
    job = begun(JOB, start_at=NOW + timedelta(minutes=1))

    job.tell(event)

    assert job.ended.status in {Status.CANCELLED, Status.FAILED}
    assert job.change.fork is None


def test_a_job_whose_data_cannot_be_set_has_no_finally() -> None:
    job = begun(f"data: {{x: '{{{{ input.none }}}}'}}\nstates: {{a: {{task: t, next: end}}}}\nfinally: {TELLS}", {})

    assert (job.error.code, job.change.fork) == ("EXPRESSION_ERROR", None)


def test_branches_that_still_run_are_closed_when_finally_begins() -> None:
    job = begun(f"states: {{a: {{parallel: {{x: {{task: t}}, y: {{task: t}}}}, next: end}}}}\nfinally: {TELLS}")

    job.tell(CancelRequested())

    assert (job.change.close, job.forked.number) == ((0,), 1)


# --- after undos ------------------------------------------------------------------------------------------------------

SAGA = f"""
states:
  book: {{task: book, compensate: {{task: release}}, next: pay}}
  pay: {{task: pay, retry: none, next: end}}
finally: {TELLS}
"""


def test_finally_begins_when_all_is_undone() -> None:
    job = begun(SAGA)
    job.succeeds()
    job.fails("BAD")
    assert (job.head.status, job.change.fork) == (Status.COMPENSATING, None)
    job.tell(UnwindReady())
    job.succeeds()

    job.wakes()

    assert job.head.status is Status.FINISHING
    assert job.body(0).params["status"] == "failed"


def test_a_cancel_that_declines_the_undos_does_not_decline_finally() -> None:
    job = begun(SAGA)
    job.succeeds()
    job.fails("BAD")

    job.tell(CancelRequested(compensate=False))

    assert job.head.status is Status.FINISHING
    assert job.body(0).params["status"] == "cancelled"


# --- while it runs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        CancelRequested(),
        CancelRequested(compensate=False),
        DeadlinePassed(),
        RerunRequested(),
        RerunRequested(state="work"),
        ResumeRequested(),
        ReleaseRequested(),
        TaskSucceeded(attempt=1),
        JoinDecided(number=7, met=True, ok=1, failed=0),
        TimerFired(visit=0),
    ],
)
def test_nothing_but_an_operators_pause_or_skip_moves_a_job_that_finishes(event: CancelRequested) -> None:
    job = finishing()

    job.tell(event)

    assert isinstance(job.last, Ignored)


def test_what_fails_in_finally_is_told_and_changes_nothing() -> None:
    job = finishing()
    sunk = Error(code="ODD", message="m", state="finally", attempt=3)

    ends(job, sunk)

    assert (job.ended.status, job.ended.output) == (Status.FINISHED, {"n": 1})
    assert job.scope.finally_error == sunk


def test_finally_that_takes_longer_than_an_hour_is_ended() -> None:
    job = finishing()
    assert waiting_of(job).deadline == job.now + seconds(3600)

    job.wakes(after="1h")

    assert (job.ended.status, job.change.close) == (Status.FINISHED, (0,))
    assert job.scope.finally_error is not None
    assert job.scope.finally_error.code == "TIMEOUT_ERROR"


def test_a_skip_ends_the_job_without_the_rest_of_finally() -> None:
    job = finishing()

    job.tell(SkipRequested())

    assert (job.ended.status, job.ended.output, job.change.close) == (Status.FINISHED, {"n": 1}, (0,))
    assert job.scope.finally_error is not None
    assert job.scope.finally_error.code == "SKIPPED"


def test_a_paused_job_goes_on_finishing_when_it_is_resumed() -> None:
    job = finishing()
    job.tell(PauseRequested())
    assert job.head.status is Status.PAUSED

    job.tell(ResumeRequested())

    assert (job.head.status, job.change.close) == (Status.FINISHING, ())
    ends(job)
    assert job.ended.output == {"n": 1}


# --- its time ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "span_s"),
    [
        ("{task: t}", 3600),
        ("{task: t, timeout: 5m}", 3600),
        ("{task: t, timeout: 3h}", 3 * 3600),
        ("{task: t, timeout: {attempt: 2h, total: 5h}}", 5 * 3600),
        ("{timeout: 5m, states: {z: {task: t, next: end}}}", 300),
        ("{timeout: '{{ job.result.wait }}', states: {z: {task: t, next: end}}}", 7),
    ],
)
def test_finally_has_an_hour_unless_its_timeout_says_otherwise(body: str, span_s: int) -> None:
    job = begun(f"states: {{a: {{task: t, next: end}}}}\nfinally: {body}")

    job.succeeds({"wait": "7s"})

    assert waiting_of(job).deadline == job.now + seconds(span_s)


def test_a_time_that_cannot_be_rendered_is_the_error_of_finally() -> None:
    job = begun(
        "states: {a: {task: t, next: end}}\n"
        "finally: {timeout: '{{ job.error.code }}', states: {z: {task: t, next: end}}}"
    )

    job.succeeds(1)

    assert (job.ended.status, job.ended.output, job.outputs) == (Status.FINISHED, 1, {"a": 1})
    assert job.scope.finally_error is not None
    assert (job.scope.finally_error.code, job.scope.finally_error.state) == ("EXPRESSION_ERROR", "finally")


def test_outputs_that_its_time_reads_are_loaded_for_every_end() -> None:
    program = program_of(
        "states: {plan: {task: p, next: a}, a: {task: t, next: b}, b: {task: t, next: end}}\n"
        "finally: {timeout: '{{ outputs.plan.max }}', states: {z: {task: t, next: end}}}"
    )

    assert outputs_read(program, "", "a") == {"plan"}
    assert outputs_read(program, "(finally)", "z") == frozenset()


# --- what it sees -----------------------------------------------------------------------------------------------------


def test_what_it_sets_is_its_own() -> None:
    job = begun("""
    data: {n: 1}
    states: {a: {task: t, set: {n: 2}, next: end}}
    finally:
      states:
        z: {task: t, params: '{{ data.n }}', set: {n: '{{ data.n + 1 }}'}, next: y}
        y: {task: t, params: '{{ data.n }}', next: end}
    """)
    job.succeeds()
    last = job.body(0)
    assert last.params == 2

    last.succeeds()

    assert last.params == 3
    ends(job)
    assert job.data == {"n": 2}


def test_error_keeps_its_meaning_there() -> None:
    job = begun("""
    states: {a: {task: t, retry: none, next: end}}
    finally:
      states:
        z: {task: t, retry: none, catch: [{to: y}], next: end}
        y: {task: t, params: '{{ error.code + job.error.code }}', next: end}
    """)
    job.fails("FIRST")
    last = job.body(0)

    last.fails("SECOND")

    assert last.params == "SECONDFIRST"


def test_blocks_within_finally_see_how_the_job_ends() -> None:
    job = begun("""
    states: {a: {task: t, next: end}}
    finally: {foreach: "{{ [1, 2] }}", do: {task: t, params: "{{ job.status + ' ' + job.result }}"}}
    """)
    job.succeeds("well")

    item = job.body(0).body(1)

    assert item.params == "finished well"


def test_outputs_do_not_show_the_result_under_a_name_of_the_engine() -> None:
    job = begun("states: {a: {task: t, next: end}}\nfinally: {task: t, params: '{{ outputs }}'}")

    job.succeeds(1)

    assert job.body(0).params == {"a": 1}


def test_a_result_that_is_read_and_was_not_loaded_is_a_fault_of_the_program() -> None:
    job = finishing()
    job.scope = job.scope.__class__(
        **{name: getattr(job.scope, name) for name in job.scope.__slots__ if name != "outputs"},
        outputs={"(result)": Ref("x", 9)},
    )

    with pytest.raises(LookupError, match="result"):
        job.body(0)


def test_places_within_finally_begin_with_its_name() -> None:
    job = begun("states: {a: {task: t, next: end}}\nfinally: {task: t, retry: none}")
    job.succeeds()
    last = job.body(0)

    last.fails("BAD")

    assert last.error.state == "finally"
