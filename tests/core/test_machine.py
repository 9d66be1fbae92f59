"""How a job begins, what it crosses within one decision, and which events count where."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from avtomat.core.amounts import AuthorError, as_count
from avtomat.core.machine import decide
from avtomat.core.messages import (
    CancelRequested,
    DeadlinePassed,
    Event,
    Ignored,
    JoinDecided,
    LeaseLost,
    Limit,
    PauseRequested,
    RerunRequested,
    ResumeRequested,
    ScopeBegun,
    SizeExceeded,
    SkipRequested,
    StartReached,
    TaskFailed,
    TaskSucceeded,
    TaskTimedOut,
    TimerFired,
    UnwindReady,
    View,
)
from avtomat.core.model import Status
from avtomat.core.waiting import OnStart, OnTask, OnTimer
from tests.core.building import NOW, Position, begun, seconds

PASSIVE = """
data: {n: "{{ input.n + 1 }}"}
states:
  first: {set: {n: "{{ data.n * 2 }}"}, next: second}
  second: {set: {m: "{{ data.n }}"}, next: done}
  done: {succeed: {n: "{{ data.n }}", m: "{{ data.m }}"}}
"""
ONE_TASK = "states: {work: {task: work}}"
EVENTS: tuple[Event, ...] = (
    TaskSucceeded(attempt=1),
    TaskFailed(attempt=1, code="OWN_CODE"),
    LeaseLost(attempt=1),
    TaskTimedOut(attempt=1, limit=Limit.ATTEMPT),
    TaskTimedOut(attempt=1, limit=Limit.TOTAL),
    TimerFired(visit=0),
    TimerFired(visit=1),
    StartReached(),
    DeadlinePassed(),
    ScopeBegun(),
    JoinDecided(number=0, met=True, ok=2, failed=0, outputs=[1, 2]),
    JoinDecided(number=0, met=False, ok=0, failed=1),
    SizeExceeded(message="too large"),
    CancelRequested(),
    CancelRequested(compensate=False),
    UnwindReady(),
    PauseRequested(),
    ResumeRequested(),
    RerunRequested(),
    RerunRequested(state="nowhere"),
    SkipRequested(),
)


def test_states_that_wait_for_nothing_are_crossed_within_one_decision() -> None:
    job = begun(PASSIVE, {"n": 1})

    assert job.ended.output == {"n": 4, "m": 4}
    assert job.change.trail == ("first", "second", "done")
    assert job.scope.version == 1


def test_a_task_is_asked_of_workers_with_its_rendered_params() -> None:
    job = begun("states: {work: {task: mail.send, params: {to: '{{ input.to }}'}, priority: 7}}", {"to": "a@b.c"})

    assert job.change.dispatch is not None
    assert job.change.dispatch.body is not None
    assert (job.change.dispatch.body.kind, job.params, job.change.dispatch.body.priority) == (
        "mail.send",
        {"to": "a@b.c"},
        7,
    )
    assert job.scope.waiting == OnTask(attempt=1, limits=job.change.dispatch.limits)


def test_a_task_has_the_priority_of_its_job_unless_it_names_its_own() -> None:
    job = begun(ONE_TASK, priority=9)

    assert job.change.dispatch is not None
    assert job.change.dispatch.body is not None
    assert job.change.dispatch.body.priority == 9


def test_a_lone_state_ends_the_job_with_its_output() -> None:
    job = begun(ONE_TASK)

    job.succeeds({"a": 1})

    assert (job.ended.status, job.ended.output) == (Status.FINISHED, {"a": 1})


def test_a_job_that_starts_later_enters_its_first_state_then_and_not_before() -> None:
    job = begun("data: {n: 1}\n" + ONE_TASK, start_at=NOW + timedelta(hours=1))
    assert job.scope.waiting == OnStart(until=NOW + timedelta(hours=1))
    assert (job.scope.state, job.data) == (None, {})

    job.tell(StartReached(), after="1h")

    assert (job.scope.state, job.data) == ("work", {"n": 1})


def test_a_start_in_the_past_is_now() -> None:
    assert begun(ONE_TASK, start_at=NOW - timedelta(hours=1)).scope.state == "work"


def test_a_repeated_start_is_ignored() -> None:
    job = begun(ONE_TASK)

    assert isinstance(job.tell(StartReached()), Ignored)


def test_the_deadline_is_the_earlier_of_the_clients_and_the_blueprints() -> None:
    assert begun("timeout: 1h\n" + ONE_TASK).head.deadline == NOW + timedelta(hours=1)
    assert begun("timeout: 1h\n" + ONE_TASK, timeout=seconds(5)).head.deadline == NOW + seconds(5)
    assert begun("timeout: 1h\n" + ONE_TASK, timeout=timedelta(days=1)).head.deadline == NOW + timedelta(hours=1)
    assert begun(ONE_TASK).head.deadline is None


def test_the_deadline_counts_from_the_time_at_which_the_job_starts() -> None:
    job = begun("timeout: 1h\n" + ONE_TASK, start_at=NOW + timedelta(days=1))

    assert job.head.deadline == NOW + timedelta(days=1, hours=1)


def test_the_clients_labels_stand_above_the_blueprints() -> None:
    job = begun("labels: {shop: '{{ input.shop }}', urgent: '{{ true }}', n: '{{ 1 }}'}\n" + ONE_TASK,
                {"shop": "a"}, labels={"n": "2"})  # fmt: skip

    assert job.head.labels == {"shop": "a", "urgent": "true", "n": "2"}


@pytest.mark.parametrize("key", ["data: {x: '{{ input.missing }}'}", "labels: {x: '{{ input.missing }}'}"])
def test_a_job_whose_first_values_cannot_be_evaluated_fails_before_its_first_state(key: str) -> None:
    job = begun(f"unhandled: quarantine\ncatch: [{{to: work}}]\n{key}\n{ONE_TASK}", {})

    assert (job.ended.status, job.error.code) == (Status.FAILED, "EXPRESSION_ERROR")
    assert (job.error.state, job.error.attempt, job.scope.state) == ("", 0, None)


def test_a_late_job_whose_variables_cannot_be_evaluated_fails_as_one_that_starts_at_once() -> None:
    job = begun("unhandled: quarantine\ndata: {x: '{{ input.missing }}'}\n" + ONE_TASK, {}, start_at=NOW + seconds(9))

    job.tell(StartReached(), after="9s")

    assert (job.ended.status, job.error.code) == (Status.FAILED, "EXPRESSION_ERROR")


def test_each_decision_makes_the_version_one_higher() -> None:
    job = begun("states: {a: {task: t, next: b}, b: {task: t, next: end}}")

    job.succeeds()
    job.succeeds()

    assert job.scope.version == 3


def test_an_answer_to_an_earlier_attempt_is_ignored() -> None:
    job = begun("states: {work: {task: t, retry: {attempts: 3}}}")
    job.fails("TRANSIENT_ERROR")

    assert isinstance(job.tell(TaskSucceeded(attempt=1)), Ignored)
    assert isinstance(job.tell(LeaseLost(attempt=1)), Ignored)
    assert job.attempt == 2


def test_an_answer_that_comes_while_no_task_is_open_is_ignored() -> None:
    job = begun("states: {pause: {wait: 1h}}")

    assert isinstance(job.tell(TaskSucceeded(attempt=1)), Ignored)


def test_a_wait_ends_with_its_timer_and_has_no_output() -> None:
    job = begun("states: {pause: {wait: 30s, next: done}, done: {succeed: '{{ has(outputs.pause) }}'}}")
    assert job.scope.waiting == OnTimer(until=NOW + seconds(30))

    job.wakes(after="30s")

    assert job.ended.output is False


def test_a_wait_may_name_the_time_at_which_it_ends() -> None:
    job = begun("states: {pause: {wait: {until: '{{ input.at }}'}}}", {"at": "2026-02-01T01:00:00+01:00"})

    assert job.scope.waiting == OnTimer(until=NOW + timedelta(hours=1), wall=True)


@pytest.mark.parametrize("time", ["soon", 5, None, "0001-01-01T00:00:00+14:00", "2026-01-02T00:00:00"])
def test_a_wait_until_something_that_is_no_time_fails(time: object) -> None:
    job = begun("states: {pause: {wait: {until: '{{ input.at }}'}}}", {"at": time})

    assert (job.error.code, job.error.state, job.error.attempt) == ("TEMPLATE_ERROR", "pause", 0)


def test_a_timer_of_an_earlier_visit_is_ignored() -> None:
    job = begun("states: {one: {wait: 1s, next: two}, two: {wait: 1s, next: end}}")
    job.wakes(after="1s")

    assert isinstance(job.tell(TimerFired(visit=1)), Ignored)


def test_a_visit_is_numbered_by_the_states_entered_before() -> None:
    job = begun("states: {a: {set: {n: 1}, next: b}, b: {wait: 1s, next: a}}")
    job.wakes(after="1s")

    assert (job.scope.state, job.scope.visit, job.scope.hops) == ("b", 4, 4)


def test_the_deadline_fails_the_job_and_nothing_takes_it() -> None:
    job = begun("timeout: 1h\nunhandled: quarantine\ncatch: [{errors: [ANY], to: work}]\n" + ONE_TASK)

    job.tell(DeadlinePassed(), after="1h")

    assert (job.ended.status, job.error.code, job.error.state) == (Status.FAILED, "DEADLINE", "work")


def test_a_cancelled_job_ends_as_cancelled_with_the_reason_that_was_given() -> None:
    job = begun(ONE_TASK)

    job.tell(CancelRequested(reason="no longer wanted"))

    assert (job.ended.status, job.error.code, job.error.message) == (
        Status.CANCELLED,
        "CANCELLED",
        "no longer wanted",
    )


def test_a_job_that_is_cancelled_without_a_reason_has_no_error() -> None:
    job = begun(ONE_TASK)

    job.tell(CancelRequested())

    assert (job.ended.status, job.ended.error) == (Status.CANCELLED, None)


def test_identifiers_are_the_same_on_replay_and_no_two_are_alike() -> None:
    text = "states: {a: {set: {x: '{{ uuid() }}', y: '{{ uuid() }}'}, next: b}, b: {succeed: '{{ data }}'}}"
    first, again, other = begun(text), begun(text), begun(text, parent_id="j0")

    assert first.ended.output == again.ended.output == other.ended.output
    assert first.ended.output["x"] != first.ended.output["y"]


def test_now_is_the_time_of_the_event() -> None:
    job = begun("states: {pause: {wait: 1h, next: done}, done: {succeed: '{{ now() }}'}}")

    job.wakes(after="1h")

    assert job.ended.output == "2026-02-01T00:00:00.000Z"


def test_stored_times_compare_in_the_order_in_which_they_came() -> None:
    job = begun("""
        states:
          first: {set: {a: "{{ now }}"}, next: pause}
          pause: {wait: 500ms, next: second}
          second: {set: {b: "{{ now }}"}, next: done}
          done: {succeed: "{{ [data.a < data.b, max(data.a, data.b) == data.b, data.b] }}"}
        """)

    job.wakes(after="500ms")

    assert job.ended.output == [True, True, "2026-01-31T23:00:00.500Z"]


@pytest.mark.parametrize(("value", "count"), [(0, 0), (2, 2), (2.0, 2)])
def test_a_count_is_a_whole_number_however_it_is_written(value: object, count: int) -> None:
    assert as_count(value, "`concurrency`") == count


@pytest.mark.parametrize("value", [2.5, -1, True, "2", None])
def test_what_is_no_count_is_the_authors_error(value: object) -> None:
    with pytest.raises(AuthorError, match="expected a whole number from 0"):
        as_count(value, "`concurrency`")


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_nothing_moves_a_job_that_has_ended(event: Event) -> None:
    job = begun(ONE_TASK)
    job.succeeds()

    assert isinstance(job.tell(event), Ignored)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize(
    "place",
    [
        begun(ONE_TASK),
        begun(ONE_TASK, start_at=NOW + seconds(9)),
        begun("states: {pause: {wait: 1h}}"),
        begun("states: {both: {parallel: {l: {task: t}, r: {task: t}}}}"),
        begun("states: {all: {foreach: '{{ [1] }}', timeout: 1h, do: {task: t}}}"),
        begun("unhandled: quarantine\nstates: {bad: {wait: '{{ input.x }}'}}", {}),
        begun("states: {work: {task: t, compensate: {task: u}}}"),
    ],
    ids=["task", "start", "timer", "parallel", "foreach", "parked", "undoable"],
)
def test_every_event_is_decided_everywhere_and_always_alike(place: Position, event: Event) -> None:
    view = View(head=place.head, scope=place.scope, around=place.around)

    decision = decide(place.program, view, event, NOW)

    assert decision == decide(place.program, view, event, NOW)
    assert isinstance(decision, Ignored) or decision.scope.version == place.scope.version + 1


def test_only_a_body_that_has_not_begun_begins() -> None:
    job = begun("states: {both: {parallel: {l: {task: t}, r: {task: t}}}}")
    body = job.body(0)

    assert isinstance(body.tell(ScopeBegun()), Ignored)
    assert isinstance(job.tell(ScopeBegun()), Ignored)


def test_a_scope_is_never_changed_in_place() -> None:
    job = begun("data: {n: 1}\nstates: {a: {task: t, set: {n: 2}, next: b}, b: {task: t, next: end}}")
    before = job.scope
    kept = replace(before, data=dict(before.data), outputs=dict(before.outputs))

    job.succeeds("x")

    assert before == kept
