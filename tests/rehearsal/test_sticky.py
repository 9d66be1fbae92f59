"""`worker.sticky` in tests of blueprints: it is evaluated, and no task waits for it."""

from __future__ import annotations

from pathlib import Path

from tests.rehearsal.told import messages, run_text

TWICE = """\
input: {type: object}
defaults: {worker: {sticky: "{{ input.customer.name }}"}}
states:
  a: {task: load, next: b}
  b: {task: load, next: end}
"""


def test_no_time_passes_for_it(tmp_path: Path) -> None:
    cases = """\
cases:
  - name: c
    input: {customer: {name: ann}}
    tasks: {load: {output: 1}}
    expect: {path: [a, b], elapsed: 0s}
"""
    assert messages(run_text(tmp_path, TWICE, cases)) == []


def test_what_cannot_be_evaluated_fails_the_state(tmp_path: Path) -> None:
    cases = """\
cases:
  - name: c
    input: {}
    expect: {status: failed, error: {code: EXPRESSION_ERROR, state: a}}
"""
    assert messages(run_text(tmp_path, TWICE, cases)) == []
