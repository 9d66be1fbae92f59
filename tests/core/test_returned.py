"""A worker that stops gives its attempts back: they are no attempts, within bounds."""

from __future__ import annotations

import pytest

from avtomat.core.messages import AttemptReturned, DispatchTask, Ignored, LeaseLost, UnwindReady
from avtomat.core.model import Status
from avtomat.core.taskwork import RETURNS_MAX
from avtomat.core.waiting import OnTask, OnUndo
from tests.core.building import begun


def test_an_attempt_that_is_given_back_is_offered_again_under_its_number() -> None:
    job = begun("states: {work: {task: t, timeout: 5s, retry: none}}")
    assert isinstance(job.scope.waiting, OnTask)
    limits = job.scope.waiting.limits

    job.tell(AttemptReturned(attempt=1, worker="w1"))

    assert job.change.dispatch == DispatchTask(attempt=1, limits=limits)
    assert job.scope.waiting == OnTask(attempt=1, limits=limits, returned=1)
    assert job.scope.visit == 1


@pytest.mark.parametrize(("gave_up", "reason"), [(False, "silent"), (True, "gave_up")])
def test_a_lost_attempt_says_how_it_was_lost(gave_up: bool, reason: str) -> None:
    job = begun("states: {work: {task: t, retry: none}}")

    job.tell(LeaseLost(attempt=1, gave_up=gave_up))

    assert (job.error.code, job.error.details) == ("WORKER_LOST", {"reason": reason})


def test_an_attempt_that_is_given_back_too_often_in_a_row_is_lost() -> None:
    job = begun("states: {work: {task: t, retry: none}}")

    for _ in range(RETURNS_MAX):
        job.tell(AttemptReturned(attempt=1))
    assert job.attempt == 1
    job.tell(AttemptReturned(attempt=1))

    assert (job.ended.status, job.error.code, job.error.details) == (
        Status.FAILED,
        "WORKER_LOST",
        {"reason": "gave_up"},
    )


def test_the_next_attempt_may_be_given_back_as_often() -> None:
    job = begun("states: {work: {task: t}}")
    for _ in range(RETURNS_MAX):
        job.tell(AttemptReturned(attempt=1))

    job.fails("TRANSIENT_ERROR")

    assert job.attempt == 2
    assert isinstance(job.scope.waiting, OnTask)
    assert job.scope.waiting.returned == 0


def test_an_undo_that_is_given_back_is_offered_again() -> None:
    job = begun("states: {a: {task: t, compensate: {task: u, retry: none}, next: b}, b: {fail: {code: NO}}}")
    job.succeeds()
    job.tell(UnwindReady())

    job.tell(AttemptReturned(attempt=1))

    assert isinstance(job.scope.waiting, OnUndo)
    assert (job.scope.waiting.attempt, job.scope.waiting.returned) == (1, 1)
    assert job.change.dispatch is not None
    assert job.change.dispatch.attempt == 1


@pytest.mark.parametrize("attempt", [0, 2])
def test_another_attempt_is_not_given_back(attempt: int) -> None:
    job = begun("states: {work: {task: t}}")

    assert isinstance(job.tell(AttemptReturned(attempt=attempt)), Ignored)
