"""What operators may ask of an open job."""

from __future__ import annotations

from dataclasses import replace

import pytest

from avtomat.core.messages import (
    CancelRequested,
    Ignored,
    JoinDecided,
    PauseRequested,
    ReleaseRequested,
    RerunRequested,
    ResumeRequested,
    SkipRequested,
)
from avtomat.core.model import Status
from avtomat.core.waiting import OnTask
from tests.core.building import NOW, Position, begun, seconds

TWO = """
data: {n: 1, m: 1}
states:
  a: {task: t, retry: none, next: b}
  b: {task: t, params: {n: "{{ data.n }}"}, retry: none, next: end}
"""
BLOCK = "states: {all: {foreach: '{{ [1, 2] }}', do: {task: t}, next: b}, b: {task: t, next: end}}"


def parked() -> Position:
    job = begun("unhandled: quarantine\n" + TWO)
    job.succeeds("x")
    job.fails("A")
    return job


def test_a_pause_changes_the_word_alone_and_what_is_under_way_stays() -> None:
    job = begun(TWO)
    waiting = job.scope.waiting

    job.tell(PauseRequested())

    assert (job.head.status, job.change.keeps, job.change.dispatch) == (Status.PAUSED, True, None)
    assert (job.scope.waiting, job.scope.state) == (waiting, "a")


def test_a_resume_lets_the_job_go_on_where_it_stood() -> None:
    job = begun(TWO)
    job.tell(PauseRequested())

    job.tell(ResumeRequested())

    assert (job.head.status, job.change.keeps, job.attempt) == (Status.OPEN, True, 1)


def test_a_pause_keeps_bodies_running() -> None:
    job = begun(BLOCK)

    job.tell(PauseRequested())

    assert job.change.close == ()


def test_a_job_that_undoes_may_be_paused_and_goes_on_undoing() -> None:
    job = begun("states: {a: {task: t, retry: none, compensate: {task: u}}}")
    job.fails("A")
    job.tell(PauseRequested())

    job.tell(ResumeRequested())

    assert job.head.status is Status.COMPENSATING


def test_only_what_runs_can_be_paused_and_only_what_is_paused_resumed() -> None:
    running, held = begun(TWO), parked()

    assert isinstance(running.tell(ResumeRequested()), Ignored)
    assert isinstance(held.tell(PauseRequested()), Ignored)
    assert isinstance(held.tell(ResumeRequested()), Ignored)


def test_a_parked_job_is_run_again_from_where_it_stands_as_a_new_visit_with_mended_data() -> None:
    job = parked()

    job.tell(RerunRequested(data={"n": 5}))

    assert (job.head.status, job.scope.state, job.scope.visit, job.params) == (Status.OPEN, "b", 3, {"n": 5})
    assert (job.data, job.outputs, job.attempt) == ({"n": 5}, {"a": "x"}, 1)


def test_a_rerun_may_enter_any_state_of_the_root_machine() -> None:
    job = parked()

    job.tell(RerunRequested(state="a"))

    assert (job.scope.state, job.data) == ("a", {"n": 1, "m": 1})
    assert isinstance(job.scope.waiting, OnTask)


def test_a_rerun_of_a_state_that_is_not_there_is_ignored() -> None:
    assert isinstance(parked().tell(RerunRequested(state="nowhere")), Ignored)


def test_a_rerun_closes_what_runs_below_the_state_that_it_leaves() -> None:
    job = begun(BLOCK)

    job.tell(RerunRequested(state="all"))

    assert (job.change.close, job.forked.number) == ((0,), 1)


def test_a_verdict_on_what_a_rerun_closed_is_ignored() -> None:
    job = begun(BLOCK)
    job.tell(RerunRequested(state="b"))

    assert isinstance(job.tell(JoinDecided(number=0, met=True, ok=2, failed=0, outputs=[1, 2])), Ignored)


def test_a_rerun_from_a_named_state_lets_the_blueprints_catch_take_errors_again() -> None:
    job = begun("catch: [{to: b}]\n" + TWO)
    job.fails("A")
    assert job.scope.state == "b"
    job.tell(RerunRequested(state="a"))

    job.fails("A")

    assert job.scope.state == "b"


def test_a_skip_takes_the_state_as_done_with_the_given_output() -> None:
    job = begun(TWO)

    job.tell(SkipRequested(output={"by": "hand"}))

    assert (job.outputs, job.scope.state) == ({"a": {"by": "hand"}}, "b")


def test_a_skip_of_a_parked_jobs_last_state_finishes_it() -> None:
    job = parked()

    job.tell(SkipRequested(output=7))

    assert (job.ended.status, job.ended.output) == (Status.FINISHED, 7)


def test_a_skip_closes_what_runs_below() -> None:
    job = begun(BLOCK)

    job.tell(SkipRequested(output=[1, 2]))

    assert (job.change.close, job.outputs, job.scope.state) == ((0,), {"all": [1, 2]}, "b")


def test_a_skipped_task_notes_what_undoes_it() -> None:
    job = begun("states: {a: {task: t, compensate: {task: u, params: {x: '{{ output }}'}}, next: b}, "
                "b: {task: t, next: end}}")  # fmt: skip

    job.tell(SkipRequested(output=3))

    assert [undo.body.params for undo in job.change.undos] == [{"x": 3}]


@pytest.mark.parametrize("event", [RerunRequested(state="a"), SkipRequested()])
def test_a_job_that_has_not_begun_cannot_be_rerun_or_skipped(event: RerunRequested | SkipRequested) -> None:
    job = begun(TWO, start_at=NOW + seconds(9))

    assert isinstance(job.tell(event), Ignored)


@pytest.mark.parametrize("event", [RerunRequested(state="a"), RerunRequested(), SkipRequested()])
def test_a_job_that_waits_to_undo_cannot_be_rerun_or_skipped(event: RerunRequested | SkipRequested) -> None:
    job = begun("states: {a: {task: t, retry: none, compensate: {task: u}}}")
    job.fails("A")

    assert isinstance(job.tell(event), Ignored)


def test_a_paused_or_parked_job_can_be_cancelled() -> None:
    paused, held = begun(TWO), parked()
    paused.tell(PauseRequested())

    paused.tell(CancelRequested())
    held.tell(CancelRequested())

    assert (paused.ended.status, held.ended.status) == (Status.CANCELLED, Status.CANCELLED)


def test_a_rerun_that_fails_at_once_parks_the_job_again() -> None:
    job = begun("unhandled: quarantine\nstates: {a: {task: t, params: {x: '{{ input.missing }}'}}}", {})

    job.tell(RerunRequested())

    assert (job.change.status, job.scope.visit) == (Status.QUARANTINED, 2)


def test_a_release_enters_the_state_that_failed_again_with_mended_data() -> None:
    job = parked()

    job.tell(ReleaseRequested(data={"n": 5}))

    assert (job.head.status, job.scope.state, job.params, job.attempt) == (Status.OPEN, "b", {"n": 5}, 1)


def test_only_a_quarantined_job_is_released() -> None:
    running, paused = begun(TWO), begun(TWO)
    paused.tell(PauseRequested())

    assert isinstance(running.tell(ReleaseRequested()), Ignored)
    assert isinstance(paused.tell(ReleaseRequested()), Ignored)


def test_a_job_that_was_parked_before_it_began_goes_on_as_it_stood() -> None:
    job = begun(TWO, start_at=NOW + seconds(9))
    job.head = replace(job.head, status=Status.QUARANTINED)

    assert isinstance(job.tell(ReleaseRequested(data={})), Ignored)
    job.tell(ReleaseRequested())

    assert (job.head.status, job.change.keeps, job.scope.state) == (Status.OPEN, True, None)
