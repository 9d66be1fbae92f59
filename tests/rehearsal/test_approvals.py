"""Decisions of people in tests of blueprints: when they come, who makes them, and what is said of those not used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.told import messages, run_text

ASK = """\
states:
  ok:
    approval: "Pay?"
    assignees: [ann, bob]
    choices: [approve, reject, later]
    form: {type: object, required: [cost], properties: {cost: {type: integer}}}
    timeout: 1d
    remind: 6h
    transitions:
      - {when: status == 'approve', to: done}
      - {when: status == 'later', to: ok}
      - {to: declined}
    catch: [{errors: [TIMEOUT_ERROR], to: late}]
  done: {succeed: "{{ outputs.ok }}"}
  declined: {fail: {code: DECLINED}}
  late: {fail: {code: LATE}}
"""
EACH = """\
states:
  all: {foreach: "{{ input.items }}", collect: "{{ output.choice }}", do: {approval: "{{ item }}"}, next: done}
  done: {succeed: "{{ outputs.all }}"}
"""
BOTH = """\
states:
  nap: {wait: 1h, next: both}
  both: {parallel: {a: {approval: x}, b: {signal: sent}}, next: end}
"""
YES = "choice: approve, form: {cost: 3}"


def told(folder: Path, blueprint: str, case: str, defaults: str = "{}") -> list[str]:
    return messages(run_text(folder, blueprint, f"defaults: {defaults}\ncases:\n  - {{name: c, {case}}}\n"))


@pytest.mark.parametrize(
    "case",
    [
        f"approvals: {{ok: {{{YES}}}}}, "
        'expect: {result: {choice: approve, by: ann, comment: "", form: {cost: 3}}, elapsed: 0s}',
        f"approvals: {{ok: {{{YES}, by: bob, comment: fine, after: 20h}}}}, "
        "expect: {result: {choice: approve, by: bob, comment: fine, form: {cost: 3}}, elapsed: 20h}",
        "approvals: {ok: {choice: reject, form: {cost: 3}, after: 1d}}, expect: {error: DECLINED, elapsed: 1d}",
        f"approvals: {{ok: [{{choice: later, form: {{cost: 1}}, after: 23h}}, {{{YES}, after: 23h}}]}}, "
        "expect: {path: [ok, ok, done], elapsed: 46h}",
        "approvals: {ok: [{choice: later, form: {cost: 1}}, {silent: true}]}, expect: {error: LATE}",
        "approvals: {ok: {silent: true}}, expect: {error: LATE, elapsed: 1d}",
        "expect: {error: LATE, elapsed: 1d}",
    ],
)
def test_somebody_decides_so_long_after_the_state_was_entered(tmp_path: Path, case: str) -> None:
    assert told(tmp_path, ASK, case) == []


def test_items_are_decided_by_number_or_all_alike(tmp_path: Path) -> None:
    decisions = "approvals: {all: {choice: approve}, 'all[1]': {choice: reject, after: 1h}}"

    assert (
        told(
            tmp_path, EACH, f"input: {{items: [a, b, c]}}, {decisions}, expect: {{result: [approve, reject, approve]}}"
        )
        == []
    )


def test_defaults_are_for_cases_that_say_nothing_else(tmp_path: Path) -> None:
    defaults = f"{{approvals: {{ok: {{{YES}, by: bob}}}}}}"

    assert told(tmp_path, ASK, "expect: {holds: \"result.by == 'bob'\"}", defaults) == []
    own = "approvals: {ok: {choice: reject, form: {cost: 1}}}, expect: {error: DECLINED}"
    assert told(tmp_path, ASK, own, defaults) == []


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        ("{choice: perhaps, form: {cost: 3}}", "'perhaps' is none of the choices: approve, reject, later"),
        ("{choice: approve}", "the form is not what is asked for"),
        ("{choice: approve, form: {cost: x}}", "the form is not what is asked for: /form/cost"),
        (f"{{{YES}, by: eve}}", "eve is none of those who are asked here"),
        (f"{{{YES}, after: 25h}}", "the state was left before"),
    ],
)
def test_a_decision_that_would_be_refused_is_told_with_the_reason(tmp_path: Path, decision: str, message: str) -> None:
    found = told(tmp_path, ASK, f"approvals: {{ok: {decision}}}, expect: {{error: LATE}}")

    assert len(found) == 1
    assert message in found[0] or "the job ended before" in found[0]


def test_decisions_that_nobody_asked_for_are_told(tmp_path: Path) -> None:
    case = f"approvals: {{ok: [{{{YES}}}, {{{YES}}}]}}, expect: {{status: finished}}"

    assert told(tmp_path, ASK, case) == ["a decision of `ok` was not used: it was not asked for"]


def test_a_list_that_runs_out_ends_the_case(tmp_path: Path) -> None:
    case = "approvals: {ok: [{choice: later, form: {cost: 1}}]}, expect: {error: LATE}"

    assert told(tmp_path, ASK, case) == ["the list of 1 ran out: ok asks once more"]


def test_a_wait_for_ever_says_for_whose_decision(tmp_path: Path) -> None:
    found = told(tmp_path, BOTH, "expect: {status: finished}")

    assert found == ["the job waits for ever for the signal sent, a decision of both.a"]


def test_a_name_that_asks_nobody_is_an_error(tmp_path: Path) -> None:
    assert told(tmp_path, ASK, "approvals: {oc: {choice: approve}}") == ["`oc` is no state that asks people"]


def test_arms_and_the_timeout_count_and_reminders_do_not(tmp_path: Path) -> None:
    cases = f"cases:\n  - {{name: a, approvals: {{ok: {{{YES}, after: 13h}}}}, expect: {{elapsed: 13h}}}}\n"
    report = run_text(tmp_path, ASK, cases)

    assert report.coverage is not None
    missed = [part.untouched for part in report.coverage.missed]
    assert "the timeout of `ok` never passes" in missed
    late = cases + "  - {name: b, expect: {error: LATE}}\n"
    covered = run_text(tmp_path, ASK, late).coverage
    assert covered is not None
    assert "the timeout of `ok` never passes" not in [part.untouched for part in covered.missed]
