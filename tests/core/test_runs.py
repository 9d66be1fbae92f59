"""A state that runs another blueprint: the job that it begins, and what becomes of it when that one ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from avtomat.core.awaited_child import OnChild
from avtomat.core.family import ChildEnded, StartJob, child_id
from avtomat.core.formula import Json
from avtomat.core.kinds.runs import DEPTH_MAX, JOBS_AT_ONCE_MAX, DetachedRunState
from avtomat.core.machine import start
from avtomat.core.messages import (
    CancelRequested,
    Change,
    DeadlinePassed,
    JoinDecided,
    PauseRequested,
    RerunRequested,
    ResumeRequested,
    SkipRequested,
    TaskSucceeded,
    TimerFired,
    UnwindReady,
)
from avtomat.core.model import Error, Head, Status
from avtomat.core.waiting import OnFork, OnTask, OnUnwind, waiting_from_json
from tests.core.building import NOW, Position, begun, program_of, seconds

RUN = """
states:
  hire:
    run: accounts
    input: {name: "{{ input.name }}"}
    timeout: 2h
    next: done
    catch:
      - {errors: [DEADLINE, LIMIT_EXCEEDED, TIMEOUT_ERROR, CHILD_CANCELLED], to: late}
      - {errors: [TAKEN], output: {id: 0}}
  done: {succeed: "{{ outputs.hire }}"}
  late: {fail: {code: LATE, message: "{{ error.code }} {{ error.message }}"}}
"""
BARE = "states: {hire: {run: accounts}}"


def running(given: Json = None, text: str = RUN, **head: Any) -> Position:
    return begun(text, {"name": "ann", **(given or {})}, **head)


def waited(position: Position) -> OnChild:
    assert isinstance(position.scope.waiting, OnChild), position.scope.waiting
    return position.scope.waiting


def child_ends(position: Position, status: Status = Status.FINISHED, **fields: Any) -> Position:
    position.tell(ChildEnded(job=waited(position).job, status=status, **fields))
    return position


def child_fails(position: Position, code: str, message: str = "", **fields: Any) -> Position:
    error = Error(code=code, message=message, state="mail[3].send", attempt=2, **fields)
    return child_ends(position, Status.FAILED, error=error)


def sunk(position: Position) -> Error:
    """What the job failed with, once no child is at work any more."""
    if isinstance(position.scope.waiting, OnUnwind):
        position.tell(UnwindReady())
    return position.error


# --- beginning --------------------------------------------------------------------------------------------------------


def test_entering_begins_a_job_with_the_rendered_input_and_the_pinned_version() -> None:
    job = running()
    child = child_id("j1", "/", 1, 1)
    order = StartJob(
        job=child,
        blueprint="accounts",
        digest="digest of accounts",
        input={"name": "ann"},
        visit=1,
        place="hire",
    )
    assert job.change.jobs == (order,)
    assert job.scope.waiting == OnChild(job=child, blueprint="accounts", deadline=NOW + timedelta(hours=2))


def test_a_child_lives_in_the_partition_of_its_parent_under_an_id_of_its_place() -> None:
    ids = {child_id("0a1", path, visit, attempt) for path in ("/", "/1.0") for visit in (1, 2) for attempt in (1, 2)}
    assert len(ids) == 8
    assert {each[:2] for each in ids} == {"0a"}
    assert child_id("0a1", "/", 1, 1) in ids


def test_without_input_the_child_gets_an_empty_map() -> None:
    assert begun(BARE).change.jobs[0].input == {}


def test_an_input_may_be_any_value() -> None:
    text = "states: {hire: {run: accounts, input: '{{ input.people }}'}}"
    assert begun(text, {"people": [1, 2]}).change.jobs[0].input == [1, 2]


def test_an_input_that_cannot_be_rendered_fails_the_state() -> None:
    text = "states: {hire: {run: accounts, input: '{{ input.nobody }}'}}"
    assert sunk(running(text=text)).code == "EXPRESSION_ERROR"


def test_a_blueprint_that_was_not_current_when_the_job_began_is_an_error_of_the_state() -> None:
    error = sunk(begun(BARE, runs={}))
    assert (error.code, error.state) == ("CHILD_NOT_FOUND", "hire")


def test_jobs_run_jobs_so_deep_and_no_deeper() -> None:
    assert begun(BARE, depth=DEPTH_MAX - 1).change.jobs
    error = sunk(begun(BARE, depth=DEPTH_MAX))
    assert (error.code, error.state) == ("LIMIT_EXCEEDED", "hire")


def test_an_input_that_the_child_refuses_is_an_error_of_the_state_with_pointers() -> None:
    refusal = Error(code="INVALID_INPUT_ERROR", message="no", details=[{"pointer": "/name", "message": "too long"}])
    program = program_of(RUN)
    known = {"config": {}, "runs": {"accounts": "d"}}
    head = Head(job="j1", blueprint="b", digest="d", input={"name": "x"}, created_at=NOW, **known)
    _, change = start(program, head, NOW, refused={1: refusal})
    assert change.reason == replace(refusal, state="hire")
    assert not change.jobs


def test_a_refused_input_can_be_caught() -> None:
    text = """
    states:
      hire: {run: accounts, catch: [{errors: [INVALID_INPUT_ERROR], output: none}], next: end}
    """
    refusal = Error(code="INVALID_INPUT_ERROR", message="no")
    program = program_of(text)
    known = {"config": {}, "runs": {"accounts": "d"}}
    head = Head(job="j1", blueprint="b", digest="d", input=None, created_at=NOW, **known)
    _, change = start(program, head, NOW, refused={1: refusal})
    assert change.ended is not None
    assert change.ended.output == "none"
    assert not change.jobs


# --- its end ----------------------------------------------------------------------------------------------------------


def test_the_childs_result_is_the_states_output() -> None:
    job = child_ends(running(), output={"id": 7})
    assert job.ended.output == {"id": 7}
    assert job.outputs == {"hire": {"id": 7}}


def test_the_childs_error_comes_up_unchanged() -> None:
    job = child_fails(running(), "QUOTA", "no room", details={"left": 0})
    assert job.change.status is Status.COMPENSATING
    job.tell(UnwindReady())
    expected = {"code": "QUOTA", "message": "no room", "details": {"left": 0}, "state": "mail[3].send", "attempt": 2}
    assert job.error.as_json() == expected


def test_the_childs_error_can_be_caught() -> None:
    assert child_fails(running(), "TAKEN").ended.output == {"id": 0}


@pytest.mark.parametrize("code", ["DEADLINE", "LIMIT_EXCEEDED"])
def test_what_nothing_catches_in_the_child_is_an_error_as_others_here(code: str) -> None:
    job = child_fails(running(), code, "over")
    job.tell(UnwindReady())
    assert (job.error.code, job.error.message) == ("LATE", f"{code} over")


@pytest.mark.parametrize("code", ["DEADLINE", "LIMIT_EXCEEDED"])
def test_the_own_deadline_and_limits_are_caught_by_nobody(code: str) -> None:
    job = running(depth=DEPTH_MAX) if code == "LIMIT_EXCEEDED" else running()
    if code == "DEADLINE":
        job.tell(DeadlinePassed())
    assert sunk(job).code == code


def test_a_childs_deadline_that_sank_an_item_can_be_caught_by_its_block() -> None:
    text = """
    states:
      all:
        foreach: "{{ input.people }}"
        do: {run: accounts}
        catch: [{errors: [DEADLINE], output: late}]
        next: end
    """
    job = begun(text, {"people": [1]})
    body = child_fails(job.body(0), "DEADLINE")
    assert body.error.handed_up
    error = Error.from_json(body.error.as_record())
    assert job.joins(None, failed=1, error=error) is job.last
    assert job.ended.output == "late"
    own = begun(text, {"people": [1]})
    own.joins(None, failed=1, error=replace(error, handed_up=False))
    assert own.change.status is Status.COMPENSATING


def test_an_error_of_a_child_that_was_caught_stays_one_when_it_is_thrown_again() -> None:
    text = """
    states:
      all:
        parallel:
          one:
            start: hire
            states:
              hire: {run: accounts, next: end, catch: [{errors: [DEADLINE], to: again}]}
              again: {fail: {}}
        catch: [{errors: [DEADLINE], output: late}]
        next: end
    """
    job = begun(text)
    body = child_fails(job.body(0), "DEADLINE")
    assert (body.error.code, body.error.handed_up) == ("DEADLINE", True)


def test_a_child_that_was_cancelled_from_outside_is_an_error_of_its_own() -> None:
    job = child_ends(running(), Status.CANCELLED, error=Error(code="CANCELLED", message="not wanted"))
    job.tell(UnwindReady())
    assert job.error.message == "CHILD_CANCELLED the child was cancelled: not wanted"
    bare = child_ends(begun(BARE), Status.CANCELLED)
    bare.tell(UnwindReady())
    assert bare.error.message == "the child was cancelled"
    assert bare.error.details == {"job_id": child_id("j1", "/", 1, 1)}


def test_the_end_of_another_job_changes_nothing() -> None:
    job = running()
    job.tell(ChildEnded(job="another", status=Status.FINISHED))
    assert job.ignored


def test_a_child_ends_once_for_its_parent() -> None:
    job = running(text="states: {hire: {run: accounts, next: work}, work: {task: t, next: end}}")
    ended = ChildEnded(job=waited(job).job, status=Status.FINISHED, output=1)
    job.tell(ended)
    job.tell(ended)
    assert job.ignored
    assert isinstance(job.scope.waiting, OnTask)


def test_a_job_that_parks_what_nothing_caught_is_parked_by_a_childs_deadline() -> None:
    job = child_fails(begun(f"unhandled: quarantine\n{BARE}"), "DEADLINE")
    assert job.change.status is Status.QUARANTINED


# --- times ------------------------------------------------------------------------------------------------------------


def test_a_child_that_takes_too_long_is_a_timeout_of_the_state() -> None:
    job = running()
    job.wakes(after="2h")
    job.tell(UnwindReady())
    assert job.error.message == "TIMEOUT_ERROR the child took longer than the timeout of the state"


def test_the_state_is_tried_again_with_a_new_job() -> None:
    text = "states: {hire: {run: accounts, timeout: 1h, retry: {attempts: 2, delay: 5s, jitter: none, errors: [ANY]}}}"
    job = child_fails(begun(text), "QUOTA")
    first = waited(job)
    assert (first.job, first.attempt, first.until, first.deadline) == (
        "",
        2,
        NOW + seconds(5),
        NOW + timedelta(hours=1),
    )
    assert not job.change.jobs
    job.wakes(after="5s")
    assert [order.job for order in job.change.jobs] == [child_id("j1", "/", 1, 2)] == [waited(job).job]
    assert job.change.jobs[0].attempt == 2
    child_fails(job, "QUOTA")
    job.tell(UnwindReady())
    assert job.error.code == "QUOTA"


def test_a_child_is_begun_once_where_no_policy_is_named() -> None:
    job = child_fails(begun(BARE), "TRANSIENT_ERROR")
    assert job.change.status is Status.COMPENSATING


def test_a_policy_that_names_it_tries_a_childs_deadline_again() -> None:
    text = "states: {hire: {run: accounts, retry: {attempts: 2, errors: [DEADLINE]}}}"
    assert waited(child_fails(begun(text), "DEADLINE")).attempt == 2


def test_the_timeout_counts_between_two_attempts_as_well() -> None:
    text = "states: {hire: {run: accounts, timeout: 3s, retry: {attempts: 2, delay: 5s, jitter: none, errors: [ANY]}}}"
    job = child_fails(begun(text), "QUOTA")
    assert waited(job).due_at == NOW + seconds(3)
    job.wakes(after="3s")
    job.tell(UnwindReady())
    assert job.error.code == "TIMEOUT_ERROR"


def test_a_timer_of_another_visit_changes_nothing() -> None:
    job = running()
    job.tell(TimerFired(visit=7), after="3h")
    assert job.ignored


# --- ending early -----------------------------------------------------------------------------------------------------


def test_a_job_with_a_child_waits_until_that_has_undone_what_it_did() -> None:
    job = running()
    job.tell(CancelRequested(by="ann"))
    assert job.scope.waiting == OnUnwind(status=Status.CANCELLED)
    job.tell(UnwindReady())
    assert job.ended.status is Status.CANCELLED


def test_its_own_undos_come_after_those_of_its_children() -> None:
    text = """
    states:
      book: {task: book, compensate: {task: unbook}, next: hire}
      hire: {run: accounts, next: end}
    """
    job = begun(text)
    job.succeeds()
    child_fails(job, "QUOTA")
    assert isinstance(job.scope.waiting, OnUnwind)
    job.tell(UnwindReady())
    assert job.change.dispatch is not None
    assert job.change.dispatch.body is not None
    assert job.change.dispatch.body.kind == "unbook"


def test_a_cancel_may_decline_the_undos() -> None:
    job = running()
    job.tell(CancelRequested(by="ann", compensate=False))
    assert job.ended.status is Status.CANCELLED


def test_finally_runs_after_the_children() -> None:
    job = begun(f"finally: {{task: tidy}}\n{BARE}")
    job.tell(CancelRequested(by="ann"))
    assert isinstance(job.scope.waiting, OnUnwind)
    job.tell(UnwindReady())
    assert job.change.status is Status.FINISHING


# --- operators --------------------------------------------------------------------------------------------------------


def test_a_pause_keeps_the_child_and_a_resume_goes_on_waiting_for_it() -> None:
    job = running()
    child = waited(job)
    job.tell(PauseRequested(by="ann"))
    assert job.change.keeps
    job.tell(ResumeRequested(by="ann"))
    assert waited(job) == child
    assert child_ends(job, output=1).ended.output == 1


def test_a_rerun_begins_another_job() -> None:
    job = running()
    first = waited(job).job
    job.tell(RerunRequested(by="ann"))
    assert waited(job).job != first
    assert not job.change.keeps


def test_a_skip_goes_on_with_the_given_output() -> None:
    job = running()
    job.tell(SkipRequested(by="ann", output={"id": 1}))
    assert job.ended.output == {"id": 1}


# --- detached ---------------------------------------------------------------------------------------------------------


DETACHED = "states: {hire: {run: accounts, detach: true, next: end}}"


def test_a_detached_job_is_begun_and_not_awaited() -> None:
    job = begun(DETACHED)
    [order] = job.change.jobs
    assert order.detached
    assert job.ended.output == {"job_id": order.job}
    assert isinstance(job.program.machines[""].states["hire"], DetachedRunState)


def test_a_job_that_only_begins_detached_ones_has_nothing_to_wait_for() -> None:
    job = begun(DETACHED.replace("next: end", "next: work").replace("}}", "}, work: {task: t, next: end}}", 1))
    job.tell(CancelRequested(by="ann"))
    assert job.ended.status is Status.CANCELLED


def test_a_refused_detached_job_is_an_error_of_the_state() -> None:
    refusal = Error(code="INVALID_INPUT_ERROR", message="no")
    head = Head(job="j1", blueprint="b", digest="d", input=None, created_at=NOW, config={}, runs={"accounts": "d"})
    _, change = start(program_of(DETACHED), head, NOW, refused={1: refusal})
    assert change.ended is not None
    assert change.ended.error == replace(refusal, state="hire")


def test_so_many_detached_jobs_begin_without_waiting_and_no_more() -> None:
    text = """
    data: {n: 0}
    states:
      hire: {run: accounts, detach: true, set: {n: "{{ data.n + 1 }}"}, next: more}
      more: {transitions: [{when: data.n < input.count, to: hire}, {to: end}]}
    """
    assert len(begun(text, {"count": JOBS_AT_ONCE_MAX}).change.jobs) == JOBS_AT_ONCE_MAX
    assert sunk(begun(text, {"count": JOBS_AT_ONCE_MAX + 1})).code == "LIMIT_EXCEEDED"


# --- how it is kept ---------------------------------------------------------------------------------------------------


def test_the_wait_is_written_down_and_read_again() -> None:
    for waiting in (
        OnChild(job="00ab", blueprint="accounts"),
        OnChild(job="", blueprint="accounts", attempt=3, until=NOW, deadline=NOW + seconds(9), taken=(1, 2)),
    ):
        assert waiting_from_json(waiting.as_json()) == waiting


def test_in_an_item_the_child_belongs_to_the_body() -> None:
    text = "states: {all: {foreach: '{{ input.people }}', do: {run: accounts, input: {who: '{{ item }}'}}}}"
    job = begun(text, {"people": ["ann", "bob"]})
    assert isinstance(job.scope.waiting, OnFork)
    orders = [body.change.jobs[0] for body in (job.body(0), job.body(1))]
    assert [order.input for order in orders] == [{"who": "ann"}, {"who": "bob"}]
    assert [order.place for order in orders] == ["all[0]", "all[1]"]
    assert len({order.job for order in orders}) == 2
    body = child_ends(job.body(1), output=2)
    assert body.ended.output == 2
    assert isinstance(job.tell(JoinDecided(number=0, met=True, ok=2, failed=0, outputs=[1, 2])), Change)
    assert job.tell(TaskSucceeded(attempt=1)) is job.last
