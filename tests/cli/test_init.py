"""`avtomat init` begins a project that runs at once, and touches nothing that is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from avtomat.cli.main import main

Capture = pytest.CaptureFixture[str]


def test_a_new_project_has_all_that_it_needs(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "new/shop")]) == 0

    written = {str(path.relative_to(tmp_path / "new/shop")) for path in tmp_path.rglob("*") if path.is_file()}
    workflows = {"workflows/hello.yaml", "workflows/hello.test.yaml"}
    schemas = {"blueprint.schema.json", "test.schema.json"}
    others = {"avtomat.toml", "greet.sh", "README.md", ".gitignore", ".github/workflows/blueprints.yml"}
    assert written == {*workflows, *schemas, *others}


def test_the_first_lines_of_its_files_name_schemas_that_are_there(tmp_path: Path) -> None:
    main(["init", str(tmp_path)])

    for file in (tmp_path / "workflows").iterdir():
        first = file.read_text("utf-8").splitlines()[0]
        schema = (file.parent / first.partition("$schema=")[2]).resolve()
        assert json.loads(schema.read_text("utf-8"))["$schema"]


def test_the_commands_of_its_ci_succeed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["init", str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    text = (tmp_path / ".github/workflows/blueprints.yml").read_text("utf-8")
    commands = [line.partition("avtomat ")[2].split() for line in text.splitlines() if "run: avtomat" in line]

    assert [main(command) for command in commands] == [0, 0]


def test_the_last_line_says_how_to_check_and_test(tmp_path: Path, capsys: Capture) -> None:
    main(["init", str(tmp_path)])

    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith(f"begin with: cd {tmp_path} && avtomat validate && avtomat test")


def test_a_file_that_is_there_is_kept(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "avtomat.toml").write_text("port = 1\n")

    assert main(["init", str(tmp_path)]) == 0

    assert (tmp_path / "avtomat.toml").read_text() == "port = 1\n"
    assert f"kept   {tmp_path / 'avtomat.toml'}" in capsys.readouterr().out
    assert (tmp_path / "README.md").is_file()


def test_a_file_in_the_way_of_a_folder_is_a_usage_error(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "workflows").write_text("mine")

    assert main(["init", str(tmp_path)]) == 2

    assert "in the way" in capsys.readouterr().err
    assert (tmp_path / "workflows").read_text() == "mine"


def test_the_settings_of_a_new_project_are_right(tmp_path: Path, capsys: Capture) -> None:
    main(["init", str(tmp_path)])
    capsys.readouterr()

    assert main(["config", str(tmp_path), "-o", "json"]) == 0

    rows = json.loads(capsys.readouterr().out)
    assert rows["config"]["value"] == '{"team": "Platform"}'


def test_the_blueprint_of_a_new_project_has_no_findings(tmp_path: Path, capsys: Capture) -> None:
    main(["init", str(tmp_path)])
    capsys.readouterr()

    assert main(["validate", str(tmp_path / "workflows"), "-o", "json"]) == 0

    assert json.loads(capsys.readouterr().out) == {"diagnostics": [], "files": 2}


def test_the_tests_of_a_new_project_are_good_and_exercise_all_of_its_blueprint(tmp_path: Path, capsys: Capture) -> None:
    main(["init", str(tmp_path)])
    capsys.readouterr()

    assert main(["test", str(tmp_path / "workflows"), "--coverage-min", "100"]) == 0

    assert capsys.readouterr().err == "3 cases in 1 file: all good\n"


def test_the_source_s_readme_shows_what_a_new_project_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["init"])
    capsys.readouterr()

    main(["test", "--coverage"])

    told = capsys.readouterr()
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    assert f"$ avtomat test --coverage\n{told.out}{told.err}" in readme


def test_the_readmes_first_job_runs(tmp_path: Path) -> None:
    main(["init", str(tmp_path)])
    lines = (line.strip() for line in (tmp_path / "README.md").read_text("utf-8").splitlines())
    command = next(line for line in lines if line.startswith("avtomat run "))

    done = subprocess.run(
        ["sh", "-c", command.replace("avtomat", f"'{sys.executable}' -m avtomat", 1) + " -o json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"] == {"text": "Hello, Ada!", "from": "Platform"}
