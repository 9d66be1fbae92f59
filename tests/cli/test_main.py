"""The command line finds its commands, ends with the right code, and never shows a traceback."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from avtomat.cli.commands import COMMANDS, Command
from avtomat.cli.main import main
from avtomat.errors import AvtomatError, NotFoundError, RequestRefused, ServerUnreachableError, StoreError, UsageError

AVTOMAT = [sys.executable, "-m", "avtomat"]

AddCommand = Callable[[Callable[[], int]], None]


@pytest.fixture
def add_command(monkeypatch: pytest.MonkeyPatch) -> AddCommand:
    """Makes `avtomat sample` call the given function."""

    def add(run: Callable[[], int]) -> None:
        module = ModuleType("sample_command")

        def add_arguments(parser: ArgumentParser) -> None:
            parser.add_argument("--loud", action="store_true")

        def run_command(args: Namespace) -> int:
            return run()

        vars(module).update(add_arguments=add_arguments, run=run_command)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(COMMANDS, "sample", Command(module.__name__, "A sample"))

    return add


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_of_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])

    assert left.value.code == 0
    assert f"usage: avtomat {name}" in capsys.readouterr().out


def test_help_names_every_command_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


def test_no_command_is_a_usage_error_with_help_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2

    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.startswith("usage: avtomat COMMAND")


def test_a_misspelt_command_is_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vaildate"]) == 2

    assert capsys.readouterr().err == (
        "avtomat: there is no command 'vaildate'\n  hint: did you mean `avtomat validate`?\n"
    )


def test_a_foreign_word_leads_to_the_list_of_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xyzzy"]) == 2

    assert "`avtomat --help` lists all commands" in capsys.readouterr().err


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0

    assert capsys.readouterr().out.startswith("avtomat 0.")


def test_a_wrong_flag_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as left:
        main(["config", "--nonsense"])

    assert left.value.code == 2


def test_flags_without_a_command_are_a_usage_error_with_help_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-q", "--strict", "-o", "json"]) == 2

    assert "commands:" in capsys.readouterr().err


def test_all_flags_before_the_command_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-o", "json", "-q", "validate", "nowhere.yaml"]) == 3

    assert "there is no file or folder nowhere.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--key", "☃"], ["--key", "a\nb"], ["--token", "☃"]])
def test_what_no_header_can_carry_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "submit", "x", "--url", "http://127.0.0.1:1", *words]) == 2

    assert "characters that HTTP does not carry" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (NotFoundError("x"), 3),
        (RequestRefused("x", status=404, code="job.not_found"), 3),
        (RequestRefused("x", status=403, code="auth.forbidden"), 4),
        (ServerUnreachableError("x"), 5),
        (StoreError("x"), 5),
        (RequestRefused("x", status=422, code="input.invalid"), 1),
    ],
)
def test_an_error_ends_with_the_code_of_its_kind(error: AvtomatError, code: int, add_command: AddCommand) -> None:
    def fail() -> int:
        raise error

    add_command(fail)

    assert main(["sample"]) == code


def test_an_error_is_one_line_and_its_hint_without_a_traceback(
    add_command: AddCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise NotFoundError("there is no job 17", hint="`avtomat jobs list` shows all")

    add_command(fail)
    main(["sample"])

    assert capsys.readouterr().err == "avtomat: there is no job 17\n  hint: `avtomat jobs list` shows all\n"


def test_an_interrupted_command_ends_with_130(add_command: AddCommand) -> None:
    def interrupt() -> int:
        raise KeyboardInterrupt

    add_command(interrupt)

    assert main(["sample"]) == 130


def test_a_reader_that_has_gone_ends_the_command_quietly() -> None:
    process = subprocess.Popen([*AVTOMAT, "config"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None

    _, errors = process.communicate()

    assert process.returncode == 141
    assert not errors


def test_help_of_a_command_is_its_own_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["help", "validate"])

    assert left.value.code == 0
    assert "usage: avtomat validate" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_each_help_has_an_example_and_no_placeholder_of_a_program(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["help", name])

    out = capsys.readouterr().out
    assert f"examples:\n  {'eval' if name == 'completion' else f'avtomat {name}'}" in out
    assert "TO65535" not in out


def test_a_code_is_explained_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "avt311"]) == 0

    out = capsys.readouterr().out
    assert out.startswith("AVT311: ")
    assert "```yaml" in out
    assert "##" not in out


def test_an_unknown_code_is_not_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "AVT3111"]) == 3
    assert "did you mean AVT311?" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_completes_commands_actions_and_flags(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out.removeprefix("autoload -Uz bashcompinit && bashcompinit\n")

    def completed(*words: str) -> list[str]:
        line = " ".join(f"'{word}'" for word in words)
        asked = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _avtomat"
        code = f"{script}\n{asked}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        return subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert completed("avtomat", "val") == ["validate"]
    assert "history" in completed("avtomat", "jobs", "hi")
    assert "--no-compensate" in completed("avtomat", "jobs", "cancel", "--no")
    assert "history" in completed("avtomat", "jobs", "-o", "json", "--url", "http://h", "hi")
    assert "--reason" in completed("avtomat", "jobs", "--url", "http://h", "cancel", "x", "--rea")
    assert "--strict" in completed("avtomat", "validate", "--st")
    assert {"text", "json", "github", "sarif"} <= {*completed("avtomat", "validate", "-o", "")}
    assert "validate" in completed("avtomat", "help", "val")
    assert "zsh" in completed("avtomat", "completion", "z")
    assert {"help", "--version"} <= {*completed("avtomat", "")}


@pytest.mark.parametrize("name", COMMANDS)
def test_all_that_help_names_is_completed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    offered = dict(re.findall(r'^    "([\w ]+)"\) words="(.*)" ;;$', capsys.readouterr().out, re.MULTILINE))
    paths = [path for path in offered if path.split()[0] == name]
    assert paths[0] == name
    for path in paths:
        with pytest.raises(SystemExit):
            main([*path.split(), "--help"])
        text = capsys.readouterr().out
        flags = re.findall(r"^  (--?[\w-]+)", text, re.MULTILINE)
        actions = re.findall(r"^    ([a-z]+) ", text.partition("  ACTION\n")[2], re.MULTILINE)
        assert flags
        assert {*flags, *actions} <= {*offered[path].split()}


def test_the_script_for_fish_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "fish"]) == 0

    out = capsys.readouterr().out
    assert all(f"-a {name} " in out for name in COMMANDS)


LONG = "x" * 300


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["validate", LONG], 3),
        (["validate", "-", "--settings", LONG], 3),
        (["validate", "-", "--stdin-filename", f"{LONG}/a.yaml"], 1),
        (["validate", "-", "--stdin-filename", f"{LONG}.test.yaml"], 1),
        (["test", LONG], 3),
        (["test", "--settings", LONG], 2),
        (["run", LONG, "--exec", "a=b"], 3),
        (["dev", LONG], 3),
        (["dev", "--settings", LONG], 2),
        (["doctor", LONG], 2),
        (["doctor", "--blueprints", LONG], 1),
        (["doctor", "--store", f"sqlite:///{LONG}"], 1),
        (["config", LONG], 2),
        (["init", LONG], 2),
        (["store", "accept", "--settings", LONG], 2),
    ],
    ids=lambda each: each if isinstance(each, int) else " ".join(each).replace(LONG, "LONG"),
)
def test_a_name_that_no_file_can_have_is_told_without_a_traceback(
    words: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"avtomat: 1\n")))

    assert main(words) == code

    told = capsys.readouterr()
    assert LONG in told.out + told.err or "doctor" in words
