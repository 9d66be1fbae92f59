"""Which answer an attempt gets: by path before kind, the case's before the defaults', lists one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.told import messages, run_text

EACH = """\
states:
  each:
    foreach: "{{ input.items }}"
    concurrency: 1
    tolerate: 100%
    do: {task: pick, params: {sku: "{{ item }}"}, retry: {attempts: 2, delay: 1s}}
    next: end
"""


def cases_of(tasks: str, result: str, *, defaults: str = "{}") -> str:
    return f"""\
defaults: {{tasks: {defaults}}}
cases:
  - name: c
    input: {{items: [a, b, c]}}
    tasks: {tasks}
    expect: {{result: {result}}}
"""


@pytest.mark.parametrize("items", ["[a, b, c]", "[c, a, b]", "[a, c, b]"])
def test_answers_with_conditions_leave_the_others_to_the_defaults_in_any_order_of_items(
    tmp_path: Path, items: str
) -> None:
    tasks = "{pick: [{when: params.sku == 'a', output: a}, {when: params.sku == 'b', output: b}]}"
    cases = cases_of(tasks, items, defaults="{pick: {output: c}}").replace("[a, b, c]", items, 1)

    assert messages(run_text(tmp_path, EACH, cases)) == []


@pytest.mark.parametrize(
    ("tasks", "result"),
    [
        ("{pick: {output: 1}}", "[1, 1, 1]"),
        ("{pick: {output: 1}, each: {output: 2}}", "[2, 2, 2]"),
        ('{pick: {output: 1}, each: {output: 2}, "each[1]": {output: 3}}', "[2, 3, 2]"),
        ("{pick: [{output: 1}, {output: 2}, {output: 3}]}", "[1, 2, 3]"),
        ("{pick: [{output: 1}, {error: TRANSIENT_ERROR}, {output: 2}, {output: 3}]}", "[1, 2, 3]"),
        ('{each: {when: params.sku == "b", output: 2}, pick: {output: 1}}', "[1, 2, 1]"),
        ('{pick: [{when: params.sku == "c", output: 3}, {output: 1}, {output: 2}]}', "[1, 2, 3]"),
        ("{pick: {when: attempt == 2, output: 2}, each: {when: attempt == 1, error: TRANSIENT_ERROR}}", "[2, 2, 2]"),
        ("{pick: {when: true}}", "[null, null, null]"),
        ("{pick: {error: {code: BROKEN, message: m, details: {n: 1}}}}", "[null, null, null]"),
    ],
)
def test_the_answer_is_the_first_that_fits(tmp_path: Path, tasks: str, result: str) -> None:
    assert messages(run_text(tmp_path, EACH, cases_of(tasks, result))) == []


def test_what_the_case_does_not_answer_the_defaults_do(tmp_path: Path) -> None:
    defaults = '{pick: {output: 1}, "each[0]": {output: 0}}'

    cases = cases_of('{pick: {when: params.sku == "b", output: 2}}', "[0, 2, 1]", defaults=defaults)

    assert messages(run_text(tmp_path, EACH, cases)) == []


def test_a_list_of_the_defaults_begins_anew_in_each_case(tmp_path: Path) -> None:
    cases = "".join(f"  - {{name: {name}, input: {{items: [a]}}, expect: {{result: [1]}}}}\n" for name in "xyz")

    report = run_text(tmp_path, EACH, f"defaults: {{tasks: {{pick: [{{output: 1}}]}}}}\ncases:\n{cases}")

    assert messages(report) == []


def test_a_list_that_runs_out_does_not_fall_back_to_the_defaults(tmp_path: Path) -> None:
    report = run_text(tmp_path, EACH, cases_of("{each: [{output: 1}]}", "[1, 2, 2]", defaults="{pick: {output: 2}}"))

    assert messages(report) == ["the list of 1 ran out: nothing is left for the task pick (attempt 1 of each[1])"]


def test_a_task_without_an_answer_is_named_with_its_params(tmp_path: Path) -> None:
    report = run_text(tmp_path, EACH, cases_of('{pick: {when: params.sku != "b", output: 1}}', "[]"))

    (found,) = report.cases[0].diagnostics
    assert found.message == 'nothing answers the task pick (attempt 1 of each[1]), params {"sku": "b"}'
    assert found.hint == "add to `tasks`: pick: {output: …}, or {error: …}, or {silent: true}"


def test_undos_go_by_their_kind_and_not_by_the_path_of_what_they_undo(tmp_path: Path) -> None:
    blueprint = """\
states:
  book: {task: change, params: {by: 1}, compensate: {task: change, params: {by: -1}}, next: fail}
  fail: {fail: {code: NO}}
"""
    cases = """\
cases:
  - name: c
    tasks: {book: [{output: 1}], change: [{error: TRANSIENT_ERROR}, {output: 2}]}
    expect: {error: NO, compensated: [book], tasks: {book: 1, change: 3}, params: {book: {by: 1}}}
"""
    assert messages(run_text(tmp_path, blueprint, cases)) == []


def test_the_status_word_of_a_worker_is_read_by_transitions(tmp_path: Path) -> None:
    blueprint = """\
states:
  ask: {task: ask, transitions: [{when: status == 'later', to: nap}, {to: end}]}
  nap: {wait: 1h, next: ask}
"""
    cases = """\
cases:
  - name: c
    tasks: {ask: [{status: later}, {status: later}, {output: 1}]}
    expect: {result: 1, path: [ask, nap, ask, nap, ask], elapsed: 2h}
"""
    assert messages(run_text(tmp_path, blueprint, cases)) == []


def test_what_a_task_asks_of_its_worker_is_always_there(tmp_path: Path) -> None:
    blueprint = "states:\n  a: {task: t, worker: {type: gpu, resources: {gpus: 8}}, next: end}\n"

    assert messages(run_text(tmp_path, blueprint, "cases:\n  - {name: c, tasks: {t: {output: 1}}}\n")) == []


def test_higher_priority_is_handed_out_first(tmp_path: Path) -> None:
    blueprint = """\
states:
  both:
    parallel:
      low: {task: t, priority: 1}
      high: {task: t, priority: 9}
    next: end
"""
    cases = "cases:\n  - {name: c, tasks: {t: [{output: 1}, {output: 2}]}, expect: {result: {low: 2, high: 1}}}\n"

    assert messages(run_text(tmp_path, blueprint, cases)) == []
