"""Children in tests of blueprints: played by answers, or run by their own blueprints."""

from __future__ import annotations

from pathlib import Path

from avtomat.rehearsal.runner import FileReport, run_file

PARENT = """
states:
  hire:
    run: account
    input: {name: "{{ input.name }}"}
    timeout: 1h
    retry: {attempts: 2, delay: 10s, jitter: none, errors: [QUOTA]}
    next: done
    catch:
      - {errors: [DEADLINE], output: late}
      - {errors: [TIMEOUT_ERROR], to: slow}
      - {errors: [CHILD_CANCELLED], to: slow}
  done: {succeed: "{{ outputs.hire }}"}
  slow: {fail: {code: SLOW, message: "{{ error.code }}"}}
"""
ACCOUNT = """
input: {type: object, required: [name], properties: {name: {type: string}}}
states:
  make: {task: accounts.make, params: {name: "{{ input.name }}"}, compensate: {task: accounts.drop}, next: check}
  check: {task: accounts.check, retry: none, next: end}
"""


def report_of(folder: Path, cases: str, *, account: bool = False) -> FileReport:
    (folder / "parent.yaml").write_text(f"avtomat: 1\nblueprint: parent\n{PARENT}")
    if account:
        (folder / "account.yaml").write_text(f"avtomat: 1\nblueprint: account\n{ACCOUNT}")
    tests = folder / "parent.test.yaml"
    tests.write_text(f"avtomat: 1\ntest: parent.yaml\ndefaults: {{input: {{name: ann}}}}\ncases:\n{cases}")
    return run_file(tests)


def found(report: FileReport) -> list[str]:
    """All findings, of the file and its cases."""
    return [each.message for each in (*report.diagnostics, *(one for case in report.cases for one in case.diagnostics))]


def test_a_child_is_played_by_its_blueprint_or_its_state(tmp_path: Path) -> None:
    report = report_of(
        tmp_path,
        """
  - {name: by blueprint, children: {account: {result: {id: 7}}}, expect: {result: {id: 7}}}
  - {name: by state, children: {hire: {result: 1}, account: {result: 2}}, expect: {result: 1}}
  - {name: takes, children: {account: {result: 1, takes: 30m}}, expect: {elapsed: 30m}}
""",
    )
    assert found(report) == []


def test_a_child_may_end_with_any_error(tmp_path: Path) -> None:
    report = report_of(
        tmp_path,
        """
  - {name: own, children: {account: {error: {code: NOPE, message: no}}}, expect: {error: {code: NOPE, message: no}}}
  - {name: deadline, children: {account: {error: DEADLINE}}, expect: {result: late}}
  - {name: cancelled, children: {account: {error: CHILD_CANCELLED}}, expect: {error: SLOW}}
  - {name: again, children: {account: [{error: QUOTA}, {result: 2}]}, expect: {result: 2, elapsed: 10s}}
  - {name: slow, children: {account: {result: 1, takes: 2h}}, expect: {error: SLOW, elapsed: 1h}}
""",
    )
    assert found(report) == []
    assert report.coverage is not None
    assert report.coverage.findings == []


def test_a_condition_chooses_by_the_input(tmp_path: Path) -> None:
    report = report_of(
        tmp_path,
        """
  - name: chosen
    children:
      account: [{when: input.name == 'bob', result: 1}, {when: attempt == 1 and input.name == 'ann', result: 2}]
    expect: {result: 2}
""",
    )
    assert found(report) == []


def test_a_child_that_nobody_plays_ends_the_case(tmp_path: Path) -> None:
    [message] = found(report_of(tmp_path, "  - {name: a}\n"))
    assert message == 'nothing says how the child account (attempt 1 of hire) ends, input {"name": "ann"}'


def test_answers_that_run_out_end_the_case(tmp_path: Path) -> None:
    [message] = found(report_of(tmp_path, "  - {name: a, children: {account: [{error: QUOTA}]}}\n"))
    assert message == "the list of 1 ran out: nothing is left for the child account (attempt 2 of hire)"


def test_a_name_that_is_run_nowhere_is_told(tmp_path: Path) -> None:
    report = report_of(tmp_path, "  - {name: a, children: {acount: {result: 1}}}\n")
    assert found(report) == ["the blueprint runs no blueprint `acount`"]
    assert report.diagnostics[0].hint == "did you mean account?"


def test_a_blueprint_beside_runs_itself(tmp_path: Path) -> None:
    report = report_of(
        tmp_path,
        """
  - name: well
    tasks: {accounts.make: {output: {}}, accounts.check: {output: 7, takes: 5m}}
    expect: {result: 7, elapsed: 5m, params: {accounts.make: {name: ann}}, tasks: {"account:check": 1}}
  - name: undone
    tasks: {accounts.make: {output: {}}, "account:check": {error: NOPE}, accounts.drop: {}}
    expect: {error: {code: NOPE, state: check}, compensated: ["account:make"]}
  - name: unfit
    input: {name: 7}
    expect: {error: INVALID_INPUT_ERROR}
  - name: played all the same
    children: {account: {result: 1}}
    expect: {result: 1}
""",
        account=True,
    )
    assert found(report) == []


def test_an_entry_whose_condition_does_not_hold_lets_the_blueprint_run(tmp_path: Path) -> None:
    report = report_of(
        tmp_path,
        """
  - name: bob is played
    tasks: {accounts.make: {output: {}}, accounts.check: {output: 7}}
    children: {account: {when: input.name == 'bob', result: 1}}
    expect: {result: 7}
""",
        account=True,
    )
    assert found(report) == []
