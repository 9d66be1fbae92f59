"""`avtomat validate`: what it prints, how it ends, and what it does not import."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from avtomat.cli.frames import as_text
from avtomat.cli.main import main
from avtomat.diagnostics import Diagnostic, Severity

GOOD = "avtomat: 1\nblueprint: good\nstates: {a: {task: t}}\n"
BAD = "avtomat: 1\nblueprint: bad\nstates:\n  a: {task: t, next: nowhere}\n"
WARNED = GOOD + "policies: {p: {attempts: 2}}\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def file_with(folder: Path, text: str, name: str = "file.yaml") -> str:
    (folder / name).write_text(text, "utf-8")
    return str(folder / name)


def test_a_file_that_is_right_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", file_with(tmp_path, GOOD)]) == 0

    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "no findings in 1 file\n")


def test_a_finding_is_shown_with_its_line_and_a_caret_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_with(tmp_path, BAD)

    assert main(["validate", file]) == 1

    told = capsys.readouterr()
    assert told.out == (
        f"{file}:4:22: error AVT201: there is no state `nowhere`\n"
        "    4 |   a: {task: t, next: nowhere}\n"
        "      |                      ^^^^^^^\n"
        "  hint: the states here: a\n"
    )
    assert told.err == "1 error in 1 file\n"


def test_warnings_end_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", file_with(tmp_path, WARNED)]) == 0
    assert "warning AVT409" in capsys.readouterr().out


def test_json_is_one_object_with_these_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = file_with(tmp_path, BAD)
    file_with(tmp_path, GOOD, "good.yaml")

    assert main(["validate", str(tmp_path), "-o", "json"]) == 1

    assert json.loads(capsys.readouterr().out) == {
        "diagnostics": [
            {
                "code": "AVT201",
                "severity": "error",
                "message": "there is no state `nowhere`",
                "file": file,
                "line": 4,
                "column": 22,
                "end_line": 4,
                "end_column": 29,
                "hint": "the states here: a",
                "page": "docs/diagnostics.md#avt201",
            }
        ],
        "files": 2,
    }


def test_github_gets_annotations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = file_with(tmp_path, BAD)

    main(["validate", file, "-o", "github"])

    assert capsys.readouterr().out == (
        f"::error file={file},line=4,col=22,endColumn=29,title=AVT201::"
        "there is no state `nowhere` (the states here: a)\n"
    )


def test_a_pipe_among_the_blueprints_is_told_and_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")

    assert main(["validate", str(tmp_path)]) == 1

    assert "pipe.yaml:1:1: error AVT001: this is not a regular file" in capsys.readouterr().out


def test_a_path_that_is_not_there_ends_with_3(tmp_path: Path) -> None:
    assert main(["validate", str(tmp_path / "missing")]) == 3


def test_a_folder_without_blueprints_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "catalogue.yaml").write_text("avtomat: 1\n", "utf-8")

    assert main(["validate", str(tmp_path)]) == 3
    assert "there is no blueprint in" in capsys.readouterr().err


def test_what_a_terminal_would_obey_is_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"avtomat: 1\n\x1b[2Jblueprint: \x00\x07\n")

    assert main(["validate", str(tmp_path)]) == 1
    assert not {"\x00", "\x07", "\x1b"} & set(capsys.readouterr().out)


def test_a_second_run_says_the_same_of_moved_files_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = file_with(tmp_path, BAD)
    main(["validate", file])
    first = capsys.readouterr().out
    moved = tmp_path / "moved.yaml"
    Path(file).rename(moved)

    assert main(["validate", str(moved)]) == 1

    assert capsys.readouterr().out == first.replace(file, str(moved))


def test_the_same_blueprint_in_two_files_is_found_in_a_second_run_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file_with(tmp_path, GOOD, "a.yaml")
    file_with(tmp_path, GOOD, "b.yaml")

    assert [main(["validate", str(tmp_path)]) for _ in range(2)] == [1, 1]

    assert capsys.readouterr().out.count("AVT501") == 2


def test_a_long_line_is_shown_around_the_place() -> None:
    line = "x" * 300 + "HERE" + "y" * 300
    found = Diagnostic(
        code="AVT001", severity=Severity.ERROR, message="m", file="f", line=1, column=301, end_column=305
    )

    (text,) = as_text([found], {"f": line})

    _head, shown, carets = text.split("\n")
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "HERE"


def test_of_many_findings_at_one_line_ten_are_shown_with_it_and_the_others_in_short(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    states = ", ".join(f"s{n}: {{task: t, nxt: nowhere, transitons: []}}" for n in range(80))
    file = file_with(tmp_path, f"{{avtomat: 1, blueprint: bad, states: {{{states}}}}}\n")

    assert main(["validate", file]) == 1

    told = capsys.readouterr()
    heads = [line for line in told.out.splitlines() if line.startswith(f"{file}:1:")]
    assert (len(heads), told.out.count("^\n")) == (100, 10)
    assert "more findings in this file are not shown" in told.out
    assert len(told.out) - 100 * len(file) < 12_000


def test_findings_at_other_lines_are_shown_with_theirs_beside_a_crowded_line() -> None:
    crowd = [Diagnostic(code="AVT001", severity=Severity.ERROR, message="x" * 400, file="f", line=1, column=1 + n,
                        hint="h") for n in range(15)]  # fmt: skip
    other = Diagnostic(code="AVT001", severity=Severity.ERROR, message="m", file="f", line=2, column=1)

    *frames, short, last = as_text([*crowd, other], {"f": "x" * 20 + "\nsecond"})

    assert len(frames) == 10
    assert [len(line) < 200 for line in short.split("\n")] == [True] * 5
    assert last == "f:2:1: error AVT001: m\n    2 | second\n      | ^"


@pytest.mark.parametrize("runs", [1, 2])
def test_no_server_is_imported(tmp_path: Path, runs: int) -> None:
    file = file_with(tmp_path, GOOD)
    code = (
        "import sys; from avtomat.cli.main import main\n"
        f"for _ in range({runs}): main(['validate', {file!r}])\n"
        "print(*(name for name in ('aiohttp', 'redis', 'asyncio') if name in sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ.copy()
    )

    assert "aiohttp" not in done.stdout
    assert "redis" not in done.stdout


def test_when_nothing_has_changed_the_checker_itself_is_not_loaded(tmp_path: Path) -> None:
    file = file_with(tmp_path, GOOD)
    assert main(["validate", file]) == 0
    code = (
        f"import sys; from avtomat.cli.main import main; main(['validate', {file!r}]); "
        "print('avtomat.blueprint.compiler' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ.copy()
    )

    assert done.stdout.strip() == "False"


def test_without_a_path_the_projects_blueprints_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "flows").mkdir()
    file_with(tmp_path / "flows", BAD)
    (tmp_path / "avtomat.toml").write_text('blueprints = "flows"\n')
    monkeypatch.chdir(tmp_path)

    assert main(["validate"]) == 1

    assert "file.yaml:4:22: error AVT201" in capsys.readouterr().out


def test_stdin_is_checked_under_the_name_that_it_is_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))

    assert main(["validate", "-", "--stdin-filename", "flows/pay.yaml"]) == 1

    assert "flows/pay.yaml:4:22: error AVT201" in capsys.readouterr().out


def test_a_name_for_stdin_without_stdin_is_a_usage_error(tmp_path: Path) -> None:
    assert main(["validate", file_with(tmp_path, GOOD), "--stdin-filename", "x.yaml"]) == 2


def test_strict_ends_with_1_for_a_warning(tmp_path: Path) -> None:
    assert main(["validate", "--strict", file_with(tmp_path, WARNED)]) == 1
    assert main(["validate", "--strict", file_with(tmp_path, GOOD)]) == 0


def test_quiet_prints_errors_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "-q", file_with(tmp_path, WARNED)]) == 0

    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")


def test_files_of_tests_are_checked_as_what_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file_with(tmp_path, GOOD, "good.yaml")
    tests = file_with(tmp_path, "avtomat: 1\ntest: good.yaml\ncases: [{name: a, expct: {}}]\n", "good.test.yaml")

    assert main(["validate", tests]) == 1
    alone = capsys.readouterr().out
    assert main(["validate", str(tmp_path)]) == 1
    in_folder = capsys.readouterr().out

    assert f"{tests}:3:19: error AVT101: unknown key `expct`" in alone
    assert in_folder == alone


def test_what_is_wrong_with_tests_is_found_anew_when_their_blueprint_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file_with(tmp_path, GOOD, "good.yaml")
    text = "avtomat: 1\ntest: good.yaml\ncases: [{name: a, expect: {path: [a]}}]\n"
    tests = file_with(tmp_path, text, "good.test.yaml")
    assert main(["validate", tests]) == 0

    file_with(tmp_path, GOOD.replace("{a:", "{b:"), "good.yaml")

    assert main(["validate", tests]) == 1


def test_settings_are_checked_as_what_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "avtomat.toml"
    file.write_text("prot = 8080\n")

    assert main(["validate", str(file)]) == 1

    assert "avtomat.toml:1:1: error settings:" in capsys.readouterr().out


def test_sarif_has_a_result_with_its_place_for_each_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = file_with(tmp_path, BAD)

    assert main(["validate", file, "-o", "sarif"]) == 1

    [run] = json.loads(capsys.readouterr().out)["runs"]
    [result] = run["results"]
    assert (result["ruleId"], result["level"]) == ("AVT201", "error")
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "AVT201"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == Path(file).as_uri()
    assert place["region"] == {"startLine": 4, "startColumn": 22, "endLine": 4, "endColumn": 29}


def test_a_finding_shows_nothing_that_a_terminal_would_obey(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", file_with(tmp_path, BAD.replace("nowhere", '"\\e[2Jnowhere"'))]) == 1

    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "\\x1b[2Jnowhere" in told


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes")
def test_sarif_names_a_file_whose_name_is_no_utf8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file_with(tmp_path, BAD, os.fsdecode(b"\xff.yaml"))

    assert main(["validate", ".", "-o", "sarif"]) == 1

    [run] = json.loads(capsys.readouterr().out)["runs"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "%FF.yaml"


@pytest.mark.parametrize("command", ["validate", "test"])
def test_a_name_that_is_too_long_for_a_file_is_told(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "x" * 300]) == 3
    assert "there is no file or folder xxx" in capsys.readouterr().err


def test_secrets_that_the_settings_do_not_declare_are_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_with(tmp_path, GOOD.replace("{task: t}", "{task: t, params: {k: '{{ secrets.key }}'}}"))
    (tmp_path / "avtomat.toml").write_text("port = 1\n")

    assert main(["validate", file, "--settings", str(tmp_path / "avtomat.toml")]) == 0

    assert f"{file}:3:39: warning settings: secrets.key is not declared in avtomat.toml" in capsys.readouterr().out


def test_the_settings_of_the_project_count_without_being_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "flows/shop").mkdir(parents=True)
    (tmp_path / "others").mkdir()
    text = GOOD.replace("{task: t}", "{task: t, params: {k: '{{ config.shop }}'}}")
    inside, outside = file_with(tmp_path / "flows/shop", text), file_with(tmp_path / "others", text)
    (tmp_path / "avtomat.toml").write_text('blueprints = "flows"\n')

    assert main(["validate", inside, "--strict"]) == 1
    assert main(["validate", outside, "--strict"]) == 0
    (tmp_path / "avtomat.toml").write_text('blueprints = "flows"\n[config]\nshop = "here"\n')
    assert main(["validate", inside, "--strict"]) == 0

    assert "config.shop is not declared in avtomat.toml" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("# first\n  prot = 1\n", "2:3: error settings: prot is not a setting"),
        ('host = "::1"\nport = "many"\n', "2:1: error settings: port: 'many' is not a whole number"),
        ('[config]\nport = 1\n[secrets]\na = "b"\nkey = 5\n', "5:1: error settings: secrets: key must be"),
        ("port = 1\nhost = = 2\n", "2:8: error settings: Invalid value"),
        ("port = 1\nhost = [", "2:9: error settings: "),
        ('processes = 4\nstore = "memory:"\n', "1:1: error settings: 4 processes"),
    ],
)
def test_what_is_wrong_in_settings_is_told_at_its_line(
    tmp_path: Path, text: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_with(tmp_path, text, "avtomat.toml")

    assert main(["validate", file]) == 1

    assert f"{file}:{place}" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_stdin_is_checked_as_what_its_name_says_and_shown_with_its_lines(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file_with(tmp_path, GOOD, "good.yaml")
    file_with(tmp_path, "of no interest\n" * 3, "good.test.yaml")
    text = "avtomat: 1\ntest: good.yaml\ncases: [{name: a, expct: {}}]\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    assert main(["validate", "-", "--stdin-filename", "good.test.yaml", "-o", form]) == 1

    told = capsys.readouterr().out
    assert "good.test.yaml" in told
    assert "stdin" not in told
    assert "unknown key `expct`" in told
    if form == "text":
        assert "    3 | cases: [{name: a, expct: {}}]\n      |                   ^^^^^\n" in told


def test_settings_on_stdin_are_checked_as_what_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"host = '::1'\nprot = 1\n")))

    assert main(["validate", "-", "--stdin-filename", "x/avtomat.toml"]) == 1

    assert "x/avtomat.toml:2:1: error settings: prot is not a setting" in capsys.readouterr().out


def test_quiet_and_strict_print_the_warnings_that_make_it_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "--strict", "-q", file_with(tmp_path, WARNED + "version: 1.10\n")]) == 1

    told = capsys.readouterr()
    assert "warning AVT409" in told.out
    assert "note AVT020" not in told.out
    assert told.err == ""


def test_the_order_of_findings_at_one_place_is_always_the_same() -> None:
    found = [
        Diagnostic(code="AVT101", severity=Severity.ERROR, message=message, file="f", line=1, column=1, hint=hint)
        for message in "ab"
        for hint in (None, "x", "y")
    ]

    assert len({each.order for each in found}) == len(found)
    assert sorted([*found[::-1]], key=lambda each: each.order) == found


def test_a_settings_file_that_is_no_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = file_with(tmp_path, GOOD)

    assert main(["validate", file, "--settings", "x" * 300]) == 3
    assert main(["validate", file, "--settings", str(tmp_path / "nowhere.toml")]) == 3
    assert "Traceback" not in capsys.readouterr().err
