"""Signals in tests of blueprints: when they come, to whom, and what is said of those that nobody used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.told import messages, run_text

PAY = """\
states:
  pay:
    signal: paid
    key: "{{ input.order }}"
    expects: {type: object, required: [amount]}
    timeout: 1d
    next: done
    catch: [{errors: [TIMEOUT_ERROR], to: late}]
  done: {succeed: "{{ outputs.pay.amount }}"}
  late: {fail: {code: NOT_PAID}}
"""
TWICE = """\
states:
  first: {signal: tick, next: nap}
  nap: {wait: 1h, next: second}
  second: {signal: tick, next: done}
  done: {succeed: ["{{ outputs.first }}", "{{ outputs.second }}"]}
"""
FOR_EVER = """\
states:
  both: {parallel: {a: {signal: paid, key: "{{ input.k }}"}, b: {signal: sent}}, next: end}
"""


def told(folder: Path, blueprint: str, case: str, defaults: str = "{}") -> list[str]:
    return messages(run_text(folder, blueprint, f"defaults: {defaults}\ncases:\n  - {{name: c, {case}}}\n"))


@pytest.mark.parametrize(
    "case",
    [
        "signals: {paid: {key: o1, payload: {amount: 12}}}, expect: {result: 12, elapsed: 0s}",
        "signals: {paid: {key: o1, payload: {amount: 12}, after: 2h}}, expect: {result: 12, elapsed: 2h}",
        "signals: {paid: [{key: o1, payload: {amount: 12}, after: 1d}]}, expect: {result: 12, elapsed: 1d}",
        "expect: {error: NOT_PAID, elapsed: 1d}",
    ],
)
def test_a_signal_comes_so_long_after_the_job_was_submitted(tmp_path: Path, case: str) -> None:
    assert told(tmp_path, PAY, f"input: {{order: o1}}, {case}") == []


def test_a_whole_number_is_a_key(tmp_path: Path) -> None:
    case = "input: {order: 7}, signals: {paid: {key: 7, payload: {amount: 1}}}, expect: {result: 1}"

    assert told(tmp_path, PAY, case) == []


def test_a_list_sends_several_and_each_is_used_once_in_the_order_of_their_times(tmp_path: Path) -> None:
    case = (
        "signals: {tick: [{payload: 2, after: 2m}, {payload: 1, after: 1m}]}, expect: {result: [1, 2], elapsed: 1h1m}"
    )

    assert told(tmp_path, TWICE, case) == []


def test_a_payload_is_null_if_it_is_left_out(tmp_path: Path) -> None:
    assert told(tmp_path, TWICE, "signals: {tick: [{}, {}]}, expect: {result: [null, null]}") == []


def test_a_name_of_the_case_replaces_that_of_the_defaults(tmp_path: Path) -> None:
    defaults = "{input: {order: o1}, signals: {paid: {key: o1, payload: {amount: 1}}}}"

    assert told(tmp_path, PAY, "expect: {result: 1}", defaults) == []
    case = "signals: {paid: {key: o1, payload: {amount: 2}}}, expect: {result: 2}"
    assert told(tmp_path, PAY, case, defaults) == []


def test_a_job_that_waits_for_ever_for_signals_says_for_which(tmp_path: Path) -> None:
    [message] = told(tmp_path, FOR_EVER, "input: {k: o1}")

    assert message == ("the job waits for ever for the signal paid with the key o1, the signal sent")


def test_a_refused_signal_of_a_stopped_case_is_told_first(tmp_path: Path) -> None:
    blueprint = "states: {a: {signal: paid, expects: {type: string}}}\n"

    first, second = told(tmp_path, blueprint, "signals: {paid: {payload: 7}}")

    assert first.startswith("the signal `paid` was not used: the payload is not what the signal paid expects: /payload")
    assert second == "the job waits for ever for the signal paid"


def test_the_timeout_of_a_signal_counts_as_exercised(tmp_path: Path) -> None:
    missed = run_text(tmp_path, PAY, "cases: [{name: c, input: {order: o1}, expect: {error: NOT_PAID}}]\n")
    paid = "signals: {paid: {key: o1, payload: {amount: 1}}}"
    met = run_text(tmp_path, PAY, f"cases: [{{name: c, input: {{order: o1}}, {paid}, expect: {{result: 1}}}}]\n")

    assert missed.coverage is not None
    assert met.coverage is not None
    assert not [each for each in missed.coverage.findings if "timeout" in each.message]
    assert [each for each in met.coverage.findings if "timeout" in each.message]
