"""A state that asks people: what is asked of whom, what a decision makes of it, and what becomes of it without one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from avtomat.core.awaited_decision import OnApproval
from avtomat.core.formula import Json
from avtomat.core.kinds.approvals import (
    ASSIGNEES_MAX,
    NAME_CHARACTERS_MAX,
    REMINDERS_MAX,
    TEXT_CHARACTERS_MAX,
    ApprovalState,
)
from avtomat.core.messages import ApprovalDecided, CancelRequested, RerunRequested, SignalReceived, SkipRequested
from avtomat.core.model import Status
from avtomat.core.waiting import waiting_from_json
from tests.core.building import NOW, Position, begun, program_of

ASK = """
states:
  ok:
    approval: "Pay {{ input.total }}?"
    assignees: "{{ input.who }}"
    timeout: 2d
    remind: 1d
    transitions:
      - {when: status == 'approve', to: done}
      - {to: declined}
    catch: [{errors: [TIMEOUT_ERROR], to: late}]
  done: {succeed: "{{ outputs.ok }}"}
  declined: {fail: {code: DECLINED}}
  late: {fail: {code: LATE, message: "{{ error.message }}"}}
"""
BARE = "states: {ok: {approval: '{{ input.text }}', next: end}}"


def asked(given: Json = None) -> Position:
    return begun(ASK, {"total": 12, "who": ["ann", "bob"], **(given or {})})


def decided(choice: str = "approve", visit: int = 1, **more: Any) -> ApprovalDecided:
    return ApprovalDecided(visit=visit, choice=choice, by="ann", **more)


def test_the_question_is_rendered_on_entering_with_its_people_and_times() -> None:
    assert asked().scope.waiting == OnApproval(
        text="Pay 12?",
        path="/",
        visit=1,
        assignees=("ann", "bob"),
        deadline=NOW + timedelta(days=2),
        remind=timedelta(days=1),
        remind_at=NOW + timedelta(days=1),
    )


def test_what_is_asked_is_written_down_and_read_again() -> None:
    for waiting in (asked().scope.waiting, begun(BARE, {"text": "?"}).scope.waiting):
        assert waiting is not None
        assert waiting_from_json(waiting.as_json()) == waiting


def test_no_signal_has_the_address_of_a_decision() -> None:
    waiting = asked().scope.waiting

    assert waiting is not None
    assert waiting.signal == ("approval:/", "1")  # no name of a signal has a slash


def test_a_decision_is_the_output_and_its_choice_the_status() -> None:
    job = asked()

    job.tell(decided(comment="fine", form={"cost": 3}))

    assert job.ended.output == {"choice": "approve", "by": "ann", "comment": "fine", "form": {"cost": 3}}


def test_another_choice_takes_another_way() -> None:
    job = asked()

    job.tell(decided("reject"))

    assert job.error.code == "DECLINED"


@pytest.mark.parametrize("event", [decided(visit=2), decided(visit=0), SignalReceived(name="approval:/", id="s")])
def test_what_is_for_another_visit_or_no_decision_changes_nothing(event: Any) -> None:
    job = asked()

    job.tell(event)

    assert job.ignored
    assert isinstance(job.scope.waiting, OnApproval)


def test_a_state_that_was_left_takes_no_decision() -> None:
    job = begun("states: {ok: {approval: sure, next: pause}, pause: {wait: 1h, next: end}}")
    job.tell(decided())

    job.tell(decided())

    assert job.ignored


def test_nobody_deciding_in_time_is_a_timeout_error() -> None:
    job = asked()
    job.wakes(after="1d")

    job.wakes(after="1d")

    assert (job.error.code, job.error.message) == ("LATE", "there was no decision within the timeout")


def test_a_reminder_is_counted_and_the_next_one_follows_as_late() -> None:
    job = begun(ASK.replace("timeout: 2d", "timeout: 9d"), {"total": 1, "who": "ann"})

    job.wakes(after="1d")
    assert job.change.keeps  # a decision that is there already stays
    job.wakes(after="3d")

    waiting = job.scope.waiting
    assert isinstance(waiting, OnApproval)
    assert (waiting.reminders, waiting.remind_at) == (2, NOW + timedelta(days=5))
    assert waiting.assignees == ("ann",)


def test_reminders_have_an_end() -> None:
    job = begun("states: {ok: {approval: sure, remind: 1s, next: end}}")

    for _ in range(REMINDERS_MAX):
        assert job.scope.waiting.due_at is not None  # type: ignore[union-attr]
        job.wakes(after="1s")

    assert job.scope.waiting.due_at is None  # type: ignore[union-attr]


def test_a_timeout_that_passed_while_nobody_looked_comes_before_a_reminder() -> None:
    job = asked()

    job.wakes(after="9d")

    assert job.error.code == "LATE"


@pytest.mark.parametrize(
    "who",
    [[], [""], ["  "], [1], None, {"a": 1}, "", ["x"] * (ASSIGNEES_MAX + 1), ["x" * (NAME_CHARACTERS_MAX + 1)]],
)
def test_assignees_that_are_no_names_fail_the_state(who: Json) -> None:
    job = begun(ASK, {"total": 1, "who": who})

    assert (job.error.code, job.error.state) == ("TEMPLATE_ERROR", "ok")


def test_each_name_is_asked_once() -> None:
    waiting = asked({"who": ["ann", " ann", "bob"]}).scope.waiting

    assert isinstance(waiting, OnApproval)
    assert waiting.assignees == ("ann", "bob")


def test_a_text_has_a_bound() -> None:
    fits, too_long = (begun(BARE, {"text": "x" * (TEXT_CHARACTERS_MAX + more)}) for more in (0, 1))

    assert isinstance(fits.scope.waiting, OnApproval)
    assert too_long.error.code == "TEMPLATE_ERROR"


def test_white_space_around_the_text_is_dropped() -> None:
    waiting = begun("states: {ok: {approval: '{{ input.text }}', next: end}}", {"text": " a\n b\n"}).scope.waiting

    assert isinstance(waiting, OnApproval)
    assert waiting.text == "a\n b"


def test_a_time_that_is_over_fails_at_once() -> None:
    job = begun(ASK.replace("timeout: 2d", "timeout: '{{ input.t }}'"), {"total": 1, "who": "ann", "t": "-5m"})

    assert job.error.code == "LATE"


def test_a_rerun_asks_anew_and_a_decision_of_the_visit_before_is_void() -> None:
    job = asked()
    job.tell(RerunRequested(by="op"))

    job.tell(decided(visit=1))
    assert job.ignored
    job.tell(decided(visit=2))

    assert job.ended.status is Status.FINISHED


def test_an_operator_may_take_it_as_done_or_cancel() -> None:
    skipped, cancelled = asked(), asked()

    skipped.tell(SkipRequested(by="op", output={"choice": "approve"}))
    cancelled.tell(CancelRequested(by="op"))

    assert skipped.error.code == "DECLINED"  # there is no status
    assert cancelled.ended.status is Status.CANCELLED


def test_an_item_asks_at_an_address_of_its_own() -> None:
    job = begun("states: {all: {foreach: '{{ input }}', do: {approval: '{{ item }}'}, next: end}}", ["a", "b"])

    first, second = (job.body(index).scope.waiting for index in (0, 1))

    assert first is not None
    assert second is not None
    assert first.signal != second.signal


FORM = """
states:
  ok:
    approval: sure
    form: {type: object, required: [cost], properties: {cost: {type: integer}, note: {type: string, default: none}}}
    next: end
"""


def state_of(text: str) -> ApprovalState:
    state = next(program_of(text).states)
    assert isinstance(state, ApprovalState)
    return state


def test_a_form_is_completed_by_its_defaults_and_checked() -> None:
    state = state_of(FORM)

    assert state.completed({"cost": 1}) == {"cost": 1, "note": "none"}
    assert list(state.problems({"cost": 1, "note": "none"})) == []
    assert [pointer for pointer, _ in state.problems(state.completed(None))] == [""]


def test_choices_are_those_that_are_written_or_approve_and_reject() -> None:
    assert state_of("states: {a: {approval: x, choices: [yes, no], next: end}}").choices == ("yes", "no")
    assert state_of(FORM).choices == ("approve", "reject")
