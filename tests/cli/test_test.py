"""`avtomat test`: what it runs, what it prints, how it ends, and what it does not import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from avtomat.cli.main import main

Capture = pytest.CaptureFixture[str]

BLUEPRINT = """\
avtomat: 1
blueprint: greet
states:
  ask: {task: ask, transitions: [{when: output.short, to: short}, {to: long}]}
  short: {succeed: hi}
  long: {succeed: good day}
"""
GOOD = """\
avtomat: 1
test: greet.yaml
cases:
  - {name: a short one, tasks: {ask: {output: {short: true}}}, expect: {result: hi}}
"""
BAD = GOOD + "  - {name: a Long one, tasks: {ask: {output: {short: false}}}, expect: {result: hello}}\n"
WRONG = "avtomat: 1\ntest: greet.yaml\ncases: [{name: a, expect: {path: [ask, shrot]}}]\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a blueprint and its tests; paths in what is printed are as seen from there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workflows").mkdir()
    write("workflows/greet.yaml", BLUEPRINT)
    write("workflows/greet.test.yaml", GOOD)
    return tmp_path


def write(name: str, text: str) -> None:
    Path(name).write_text(text, "utf-8")


def test_without_a_path_the_folder_of_the_blueprints_is_tested(project: Path, capsys: Capture) -> None:
    assert main(["test"]) == 0

    told = capsys.readouterr()
    assert (told.out, told.err) == ("workflows/greet.test.yaml: 1 case, good\n", "1 case in 1 file: all good\n")


@pytest.mark.parametrize("path", ["workflows/greet.test.yaml", "workflows/greet.yaml", "workflows", "."])
def test_a_path_is_a_file_of_tests_or_its_blueprint_or_a_folder(project: Path, path: str, capsys: Capture) -> None:
    assert main(["test", path]) == 0

    assert capsys.readouterr().out == "workflows/greet.test.yaml: 1 case, good\n"


def test_a_file_that_is_named_twice_is_run_once(project: Path, capsys: Capture) -> None:
    assert main(["test", "workflows", "workflows/greet.yaml", "workflows/greet.test.yaml"]) == 0

    assert capsys.readouterr().err == "1 case in 1 file: all good\n"


def test_a_failed_case_is_shown_where_it_was_expected_otherwise_with_its_path(project: Path, capsys: Capture) -> None:
    write("workflows/greet.test.yaml", BAD)

    assert main(["test"]) == 1

    told = capsys.readouterr()
    line = BAD.splitlines()[4]
    assert told.out == (
        "workflows/greet.test.yaml: 2 cases, 1 failed\n"
        "\n"
        "FAILED a Long one\n"
        'workflows/greet.test.yaml:5:81: error AVT621: result: expected "hello", got "good day"\n'
        f"    5 | {line}\n"
        f"      | {' ' * 80}^^^^^\n"
        "  path: ask -> long\n"
        "\n"
    )
    assert told.err == "2 cases in 1 file: 1 failed\n"


def test_a_job_that_failed_is_told_with_the_place_in_its_blueprint_and_once(project: Path, capsys: Capture) -> None:
    expect = "{path: [ask, short], result: hi, tasks: {ask: 2}}"
    failing = f"  - {{name: no answer, tasks: {{ask: {{error: NO}}}}, expect: {expect}}}\n"
    write("workflows/greet.test.yaml", GOOD + failing)

    assert main(["test"]) == 1

    out = capsys.readouterr().out
    assert out.count("error AVT") == 1
    assert "hint: other expectations may not hold because of that: path, result, tasks.ask" in out
    assert "  workflows/greet.yaml:4:3: here it failed with NO\n" in out


def test_a_file_that_is_wrong_is_not_run_and_its_findings_go_to_stderr(project: Path, capsys: Capture) -> None:
    write("workflows/other.test.yaml", WRONG)

    assert main(["test"]) == 1

    told = capsys.readouterr()
    assert told.out == "workflows/greet.test.yaml: 1 case, good\nworkflows/other.test.yaml: could not be run\n"
    assert "workflows/other.test.yaml:3:40: error AVT605: `shrot` is not a state of the outermost machine" in told.err
    assert told.err.endswith("1 case in 2 files: 1 file could not be run\n")


def test_a_broken_blueprint_is_told_with_its_own_place(project: Path, capsys: Capture) -> None:
    write("workflows/greet.yaml", BLUEPRINT.replace("to: long", "to: lang"))

    assert main(["test"]) == 1

    told = capsys.readouterr().err
    assert "workflows/greet.test.yaml:2:7: error AVT602" in told
    assert "workflows/greet.yaml:4:72: error AVT201: there is no state `lang`" in told


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"- 1\n", b"a: [", b"avtomat: 2\n", b"avtomat: 1\ntest: {}\ncases: 1\n"]
)
def test_a_file_that_is_no_file_of_tests_is_refused(project: Path, content: bytes, capsys: Capture) -> None:
    Path("workflows/greet.test.yaml").write_bytes(content)

    assert main(["test"]) == 1

    assert "workflows/greet.test.yaml:" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["nowhere"], ["empty"], ["lonely.yaml"], ["-k", "no such case"]])
def test_where_there_is_nothing_to_run_it_ends_with_3(project: Path, arguments: list[str], capsys: Capture) -> None:
    Path("empty").mkdir()
    write("lonely.yaml", BLUEPRINT)

    assert main(["test", *arguments]) == 3

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("avtomat: ")


@pytest.mark.parametrize("arguments", [["--coverage-min", "101"], ["--coverage-min", "x"], ["-o", "xml"], ["--nope"]])
def test_a_wrong_call_ends_with_2(project: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["test", *arguments])

    assert left.value.code == 2


def test_k_chooses_cases_by_a_part_of_their_names(project: Path, capsys: Capture) -> None:
    write("workflows/greet.test.yaml", BAD)

    assert main(["test", "-k", "SHORT"]) == 0
    assert capsys.readouterr().err == "1 case in 1 file: all good\n"
    assert main(["test", "-k", "long"]) == 1


# --- coverage ---------------------------------------------------------------------------------------------------------


def test_coverage_names_what_no_case_exercises(project: Path, capsys: Capture) -> None:
    assert main(["test", "--coverage"]) == 0

    assert capsys.readouterr().out == (
        "workflows/greet.test.yaml: 1 case, good\n"
        "coverage of workflows/greet.yaml: 60 % (states 2/3, transitions 1/2)\n"
        "  workflows/greet.yaml:4:67: the transition from `ask` to `long` is never taken\n"
        "  workflows/greet.yaml:6:3: `long` is never entered\n"
        "coverage: 60 % of 5\n"
    )


def test_too_little_coverage_fails(project: Path, capsys: Capture) -> None:
    assert main(["test", "--coverage-min", "60"]) == 0
    assert main(["test", "--coverage-min", "61"]) == 1

    assert capsys.readouterr().err.endswith("avtomat: coverage is 60 %, less than the 61 % that are asked for\n")


def test_a_blueprint_without_tests_counts_as_not_exercised(project: Path, capsys: Capture) -> None:
    write("workflows/untested.yaml", "avtomat: 1\nblueprint: untested\nstates: {a: {succeed: 1}}\n")

    assert main(["test", "--coverage"]) == 0
    assert "coverage of workflows/untested.yaml: 0 % (states 0/1)\ncoverage: 50 % of 6\n" in capsys.readouterr().out


def test_a_blueprint_whose_tests_could_not_be_run_counts_as_not_exercised(project: Path, capsys: Capture) -> None:
    write("workflows/greet.test.yaml", WRONG)

    assert main(["test", "--coverage-min", "1"]) == 1
    assert "coverage of workflows/greet.yaml: 0 %" in capsys.readouterr().out


def test_a_folder_in_the_place_of_the_blueprint_is_told(project: Path, capsys: Capture) -> None:
    write("workflows/greet.test.yaml", GOOD.replace("greet.yaml", "../workflows"))

    assert main(["test"]) == 1
    assert "AVT601: workflows/../workflows: the file cannot be read: Is a directory" in capsys.readouterr().err


def test_two_files_about_one_blueprint_are_counted_together(project: Path, capsys: Capture) -> None:
    write("workflows/more.test.yaml", BAD.replace("hello", "good day"))

    assert main(["test", "--coverage-min", "100"]) == 0
    assert capsys.readouterr().out.count("coverage of") == 1


# --- for programs -----------------------------------------------------------------------------------------------------


def test_json_is_one_object_with_these_keys(project: Path, capsys: Capture) -> None:
    write("workflows/greet.test.yaml", BAD)

    assert main(["test", "-o", "json", "--coverage"]) == 1

    told = json.loads(capsys.readouterr().out)
    (file,) = told.pop("files")
    good, bad = file.pop("cases")
    assert file == {
        "file": "workflows/greet.test.yaml",
        "blueprint": "workflows/greet.yaml",
        "good": False,
        "diagnostics": [],
    }
    assert good == {
        "name": "a short one",
        "line": 4,
        "good": True,
        "status": "finished",
        "path": ["ask", "short"],
        "elapsed": "0s",
        "failures": [],
    }
    assert (bad["failures"][0]["line"], bad["failures"][0]["column"]) == (5, 81)
    assert told["coverage"].pop("blueprints")[0]["states"] == {"exercised": 3, "total": 3}
    assert told == {"good": False, "cases": 2, "failed": 1, "coverage": {"percent": 100, "exercised": 5, "total": 5}}


def test_junit_holds_a_suite_for_each_file_and_what_was_not_run_as_an_error(project: Path, capsys: Capture) -> None:
    write("workflows/greet.test.yaml", BAD.replace("a Long one", '"a\\u0007 <long> one"'))
    write("workflows/other.test.yaml", WRONG)

    assert main(["test", "-o", "junit"]) == 1

    root = ET.fromstring(capsys.readouterr().out)
    suites = [(suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("errors")) for suite in root]
    assert suites == [("workflows/greet.test.yaml", "2", "1", "0"), ("workflows/other.test.yaml", "1", "0", "1")]
    names = [case.get("name") for case in root.iter("testcase")]
    assert names == ["a short one", "a\ufffd <long> one", "the file itself"]
    failure = next(root.iter("failure"))
    assert failure.get("message") == 'result: expected "hello", got "good day"'
    assert failure.text is not None
    assert "workflows/greet.test.yaml:5:" in failure.text


def test_github_gets_annotations_of_failures_and_of_what_is_not_exercised(project: Path, capsys: Capture) -> None:
    write("workflows/greet.test.yaml", BAD.replace("{result: hello}", "{result: hello, elapsed: 0s}"))
    write("workflows/other.test.yaml", WRONG)
    write("workflows/untested.yaml", "avtomat: 1\nblueprint: untested\nstates: {a: {succeed: 1}}\n")

    assert main(["test", "-o", "github", "--coverage"]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "::error file=workflows/greet.test.yaml,line=5,col=81,endColumn=86,title=AVT621::"
        'a Long one: result: expected "hello", got "good day"',
        "::error file=workflows/other.test.yaml,line=3,col=40,endColumn=45,title=AVT605::"
        "`shrot` is not a state of the outermost machine (did you mean short?)",
        "::notice file=workflows/untested.yaml,line=3,col=10,endColumn=11,title=AVT631::`a` is never entered",
    ]


def test_colours_are_for_terminals(project: Path) -> None:
    write("workflows/greet.test.yaml", BAD)

    done = subprocess.run([sys.executable, "-m", "avtomat", "test"], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr


def test_neither_a_web_server_nor_redis_is_imported(project: Path) -> None:
    code = (
        "import sys; from avtomat.cli.main import main; main(['test', '--coverage'])\n"
        "print(*(name for name in sys.modules if name.partition('.')[0] in {'aiohttp', 'redis', 'hiredis', 'sqlite3'}))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ.copy()
    )

    assert done.stdout.splitlines()[-1] == ""


def test_every_finding_of_json_has_a_code_that_is_explained(project: Path, capsys: Capture) -> None:
    write("workflows/greet.test.yaml", WRONG)
    main(["test", "-o", "json"])

    codes = {each["code"] for each in json.loads(capsys.readouterr().out)["files"][0]["diagnostics"]}

    page = (Path(__file__).parents[2] / "docs/diagnostics.md").read_text("utf-8")
    assert codes == {"AVT605"}
    assert 'id="avt605"' in page
