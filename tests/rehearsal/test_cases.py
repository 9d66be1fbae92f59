"""What a case gets and what is expected of it: input, config, secrets; status, result, error, data and the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from avtomat.rehearsal import conditions
from avtomat.rehearsal.runner import FileReport, run_file
from tests.rehearsal.told import messages, run_text

ECHO = """\
input: {type: object, properties: {n: {type: number}}}
data: {seen: 0}
states:
  ask:
    task: ask
    params: {n: "{{ input.n }}", team: "{{ config.team }}", key: "Bearer {{ secrets.key }}"}
    set: {seen: "{{ output }}"}
    next: done
  done: {succeed: {n: "{{ data.seen }}"}}
"""
GIVEN = "config: {team: a}, secrets: {key: s}, input: {n: 1}"


def echo(tmp_path: Path, expect: str, *, defaults: str = GIVEN, case: str = "") -> FileReport:
    cases = f"cases:\n  - name: c\n    tasks: {{ask: {{output: 5}}}}\n    expect: {expect}\n{case}"
    return run_text(tmp_path, ECHO, f"defaults: {{{defaults}}}\n{cases}")


@pytest.mark.parametrize(
    "expect",
    [
        "{}",
        "{status: finished}",
        "{result: {n: 5.0}}",
        "{data: {seen: 5}}",
        "{params: {ask: {key: Bearer s, team: a, n: 1}}}",
        "{params: {ask: [{n: 1, team: a, key: Bearer s}]}}",
        "{elapsed: {at_most: 0s}}",
        "{holds: result.n == 5 and len(path) == 2}",
        "{holds: [error == null, status == 'finished', input.n == 1, data.seen > 4]}",
        "{compensated: [], tasks: {ask: 1}}",
    ],
)
def test_what_came_of_it_is_as_expected(tmp_path: Path, expect: str) -> None:
    assert messages(echo(tmp_path, expect)) == []


def test_a_reader_that_fails_is_a_finding_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse_expression(_source: str) -> None:
        raise KeyError

    monkeypatch.setattr(conditions, "parse_expression", parse_expression)

    [found] = echo(tmp_path, "{holds: result.n == 5}").diagnostics

    assert found.code == "AVT029"
    assert "KeyError at test_cases.py:" in found.message


def test_a_call_in_a_condition_that_always_fails_is_told_before_it_runs(tmp_path: Path) -> None:
    [found] = echo(tmp_path, "{holds: \"format_time(result.at, '%Q') == '1'\"}").diagnostics

    assert found.code == "AVT305"
    assert "does not know %Q" in found.message


def test_a_name_that_is_too_long_for_a_file_is_a_finding(tmp_path: Path) -> None:
    file = tmp_path / "it.test.yaml"
    file.write_text(f"avtomat: 1\ntest: {'x' * 300}\ncases: [{{name: c}}]\n", "utf-8")

    [found] = run_file(file).diagnostics

    assert (found.code, found.line) == ("AVT601", 2)


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ("{status: failed}", "status: expected failed, got finished"),
        ("{result: {n: true}}", "result.n: expected true, got 5"),
        ("{result: {}}", "result.n: not expected, but it is there: 5"),
        ("{result: [5]}", 'result: expected [5], got {"n": 5}'),
        ("{data: {}}", "data.seen: not expected, but it is there: 5"),
        ("{params: {ask: [{n: 1, team: a, key: Bearer s}, {}]}}", "params.ask: expected 2 in the list, got 1: "),
        ("{elapsed: 1ms}", "elapsed: expected 1ms, got 0s"),
        ("{path: [ask]}", "path: expected ask, got ask -> done"),
        ("{path: []}", "path: expected none, got ask -> done"),
        ("{error: BROKEN}", 'error: expected "BROKEN", but the job is finished without an error'),
        ("{holds: result.n == 6}", "holds: `result.n == 6` is false, with result.n = 5"),
        ("{holds: 1 == 2}", "holds: `1 == 2` is false, with no value that it reads"),
    ],
)
def test_what_is_not_as_expected_is_told(tmp_path: Path, expect: str, told: str) -> None:
    (message,) = messages(echo(tmp_path, expect))

    assert message.startswith(told)


def test_a_case_that_says_nothing_expects_the_job_to_finish(tmp_path: Path) -> None:
    blueprint = "states:\n  no: {fail: {code: NO, message: never}}\n"

    assert messages(run_text(tmp_path, blueprint, "cases: [{name: c}]\n")) == [
        "status: expected finished, got failed (NO in no: never)"
    ]


@pytest.mark.parametrize(
    ("expect", "count"),
    [
        ("NO", 0),
        ("{code: NO}", 0),
        ("{details: {n: 1}, state: no, attempt: 0, message: never}", 0),
        ("YES", 1),
        ("{details: {}}", 1),
        ("{code: NO, message: ever}", 1),
    ],
)
def test_of_an_error_only_what_is_written_is_compared(tmp_path: Path, expect: str, count: int) -> None:
    blueprint = "states:\n  no: {fail: {code: NO, message: never, details: {n: 1}}}\n"
    report = run_text(tmp_path, blueprint, f"cases: [{{name: c, expect: {{error: {expect}}}}}]\n")

    assert len(messages(report)) == count


def test_a_case_changes_single_names_of_the_defaults(tmp_path: Path) -> None:
    case = "    input: {n: 2}\n    config: {other: 1}\n    secrets: {key: t}\n"

    assert messages(echo(tmp_path, "{params: {ask: {n: 2, team: a, key: Bearer t}}}", case=case)) == []


def test_an_input_that_is_refused_fails_the_case_unless_that_is_expected(tmp_path: Path) -> None:
    refused = echo(tmp_path, "{result: 1}", case="    input: {n: x}\n")
    assert [each.code for each in refused.cases[0].diagnostics] == ["AVT626"]

    expected = echo(tmp_path, "{status: refused, holds: \"contains(error.message, '/n')\"}", case="    input: {n: x}\n")
    assert messages(expected) == []

    missed = echo(tmp_path, "{status: refused}")
    assert messages(missed) == ["status: expected refused, got finished"]


def test_a_parked_job_is_where_its_case_ends(tmp_path: Path) -> None:
    blueprint = "unhandled: quarantine\ntimeout: 1h\nstates:\n  a: {task: t, next: end}\n"
    cases = """\
cases:
  - name: c
    tasks: {t: {error: BROKEN}}
    expect: {status: quarantined, error: {code: BROKEN, state: a, attempt: 1}, elapsed: 0s}
"""
    assert messages(run_text(tmp_path, blueprint, cases)) == []


def test_the_jobs_id_is_the_same_in_every_test(tmp_path: Path) -> None:
    blueprint = 'states:\n  a: {task: t, params: {key: "{{ job.id }}"}, next: end}\n'
    cases = """\
cases:
  - {name: c, tasks: {t: {}}, expect: {params: {t: {key: "00000000000000000000000001"}}}}
  - {name: d, tasks: {t: {}}, expect: {params: {t: {key: "00000000000000000000000001"}}}}
"""
    assert messages(run_text(tmp_path, blueprint, cases)) == []


def test_the_same_run_gives_the_same_result_every_time(tmp_path: Path) -> None:
    blueprint = """\
states:
  each:
    foreach: "{{ range(20) }}"
    concurrency: 3
    tolerate: 100%
    do: {task: t, params: {id: "{{ uuid() }}"}, retry: {attempts: 4, delay: 10s, errors: [ANY]}}
    next: end
"""
    cases = """\
cases:
  - name: c
    tasks: {t: {when: attempt < 4, error: BROKEN, takes: 1s}, each: {when: attempt == 4, silent: true}}
"""
    reports = [run_text(tmp_path, blueprint, cases) for _ in range(3)]
    first, *others = (report.cases[0].outcome for report in reports)

    assert first.elapsed.total_seconds() > 60
    assert [other == first for other in others] == [True, True]
    assert len({str(task.params) for task in first.tasks}) == 20


def test_an_input_that_is_left_out_is_an_empty_map_with_the_defaults_of_its_schema(tmp_path: Path) -> None:
    blueprint = 'input: {type: object, properties: {n: {default: 7}}}\nstates:\n  a: {succeed: "{{ input }}"}\n'

    assert messages(run_text(tmp_path, blueprint, "cases: [{name: c, expect: {result: {n: 7}}}]\n")) == []


def test_more_than_an_items_page_and_large_values_are_played_as_in_production(tmp_path: Path) -> None:
    blueprint = """\
states:
  each:
    foreach: "{{ range(200) }}"
    do: {task: t, params: {text: "{{ pad('x', 300) }}{{ item }}"}}
    next: done
  done: {succeed: "{{ len(outputs.each) }}"}
"""
    large = f"{{output: {'y' * 400}}}"
    cases = f"cases: [{{name: c, tasks: {{t: {large}}}, expect: {{result: 200, tasks: {{t: 200}}}}}}]\n"

    assert messages(run_text(tmp_path, blueprint, cases)) == []
