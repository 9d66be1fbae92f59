"""`avtomat run` runs one job to its end, and its exit code says which end."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from avtomat.cli.main import main
from avtomat.cli.sample_input import sample_of
from tests.e2e.processes import AVTOMAT, RealProcess, clean_environment

WORKFLOWS = Path(__file__).parents[2] / "workflows"
HELLO = str(WORKFLOWS / "hello.yaml")
ADA = ("--input", '{"name": "Ada"}')
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """The command sets up the logs of its process, which here is pytest's."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def blueprint(tmp_path: Path) -> Path:
    file = tmp_path / "sample.yaml"
    file.write_text("""\
avtomat: 1
blueprint: sample
states:
  work: {task: work, params: {key: "{{ secrets.key }}", team: "{{ config.team }}"}, retry: none, next: done}
  done: {succeed: "{{ outputs.work }}"}
""")
    return file


def test_the_result_is_on_stdout_and_the_progress_on_stderr(capsys: Output) -> None:
    assert main(["run", HELLO, *ADA, "--exec", "greet=cat"]) == 0

    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"name": "Ada"}
    assert "attempt 1 done" in printed.err
    assert "the job is finished" in printed.err


def test_quiet_shows_the_result_alone(capsys: Output) -> None:
    assert main(["run", HELLO, *ADA, "--exec", "greet=cat", "-q"]) == 0

    assert not capsys.readouterr().err


def test_json_is_the_whole_job(capsys: Output) -> None:
    assert main(["run", HELLO, *ADA, "--exec", "greet=exit 1", "-o", "json", "-q"]) == 1

    job = json.loads(capsys.readouterr().out)
    assert (job["status"], job["error"]["code"], job["input"]) == ("failed", "PERMANENT_ERROR", {"name": "Ada"})


def test_a_failed_job_ends_with_1_and_its_error(capsys: Output) -> None:
    assert main(["run", HELLO, *ADA, "--exec", "greet=echo no >&2; exit 1", "-q"]) == 1

    error = "avtomat: the job is failed: PERMANENT_ERROR (in greet): the command ended with exit code 1: no\n"
    assert capsys.readouterr().err == error


def test_a_quarantined_job_ends_with_1(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "park.yaml"
    file.write_text("avtomat: 1\nblueprint: park\nunhandled: quarantine\nstates:\n  work: {task: work}\n")

    assert main(["run", str(file), "--exec", "work=exit 1"]) == 1

    assert "the job is quarantined" in capsys.readouterr().err


def test_an_attempt_that_may_pass_is_tried_again(tmp_path: Path, capsys: Output) -> None:
    tries = """greet=[ "$AVTOMAT_ATTEMPT" = 2 ] || exit 75; cat"""

    assert main(["run", HELLO, *ADA, "--exec", tries]) == 0

    assert "attempt 2 done" in capsys.readouterr().err


def test_a_file_with_errors_is_shown_as_validate_does(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("avtomat: 1\nblueprint: bad\nstates:\n  a: {task: a, next: gone}\n")

    assert main(["run", str(file), "--exec", "a=true"]) == 1

    shown = capsys.readouterr().err
    assert f"{file}:4:" in shown
    assert "^^^^" in shown


def test_a_kind_without_a_command_is_told_at_once(capsys: Output) -> None:
    assert main(["run", str(WORKFLOWS / "report_poll.yaml"), "--exec", "reports.order=true"]) == 2

    told = capsys.readouterr().err
    assert "no command does the tasks of reports.status, reports.fetch" in told
    assert "--exec reports.status='command' --exec reports.fetch='command'" in told


def test_a_misspelt_kind_is_recognised(capsys: Output) -> None:
    assert main(["run", HELLO, *ADA, "--exec", "greet=cat", "--exec", "great=cat"]) == 2

    assert "did you mean greet?" in capsys.readouterr().err


def test_two_commands_for_one_kind_are_refused(capsys: Output) -> None:
    assert main(["run", HELLO, *ADA, "--exec", "greet=cat", "--exec", "greet=true"]) == 2


def test_an_input_that_the_schema_refuses_ends_with_1(capsys: Output) -> None:
    assert main(["run", HELLO, "--input", "{}", "--exec", "greet=cat"]) == 1

    assert "name" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", '{"a": NaN}', '{"a": 1, "a": 2}', "@/nowhere/input.json"])
def test_what_is_no_json_is_a_usage_error(text: str, capsys: Output) -> None:
    with pytest.raises(SystemExit) as left:
        main(["run", HELLO, "--input", text, "--exec", "greet=cat"])

    assert left.value.code == 2


def test_the_input_may_be_in_a_file(tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "input.json").write_text('{"name": "Eve"}')

    assert main(["run", HELLO, "--input", f"@{tmp_path}/input.json", "--exec", "greet=cat", "-q"]) == 0

    assert json.loads(capsys.readouterr().out) == {"name": "Eve"}


def test_secrets_and_constants_reach_the_params_alone(
    blueprint: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    (blueprint.parent / "avtomat.toml").write_text('[config]\nteam = "A"\n[secrets]\nkey = {env = "WORK_KEY"}\n')
    monkeypatch.chdir(blueprint.parent)
    monkeypatch.setenv("WORK_KEY", "open sesame")
    shows = """work=cat; if [ -n "$WORK_KEY" ]; then exit 9; fi"""

    assert main(["run", str(blueprint), "--config", '{"team": "B"}', "--exec", shows]) == 0

    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"key": "open sesame", "team": "B"}
    assert "sesame" not in printed.err


def test_a_task_that_asks_for_a_special_worker_runs_here_too(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "gpu.yaml"
    file.write_text(
        "avtomat: 1\nblueprint: gpu\nstates:\n"
        "  work: {task: work, params: {n: 7}, worker: {type: gpu, resources: {gpus: 4}}, next: done}\n"
        '  done: {succeed: "{{ outputs.work }}"}\n'
    )

    assert main(["run", str(file), "--exec", "work=echo 7", "-q"]) == 0

    assert json.loads(capsys.readouterr().out) == 7


def run_long(folder: Path, *arguments: str) -> tuple[RealProcess, int]:
    """A run whose command hangs, and the pid of that command."""
    fifo = folder / "pid"
    os.mkfifo(fifo)
    command = f"greet=echo $$ > {fifo}; exec sleep 3600"
    process = RealProcess(["run", HELLO, *ADA, "--exec", command, *arguments], folder=folder, log="run.log")
    process.start()
    return process, int(fifo.read_text())


def ends(pid: int) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(descriptor):
        return bool(select.select([descriptor], [], [], 10)[0])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_the_job_and_kills_its_command(tmp_path: Path, number: signal.Signals, code: int) -> None:
    process, pid = run_long(tmp_path)
    process.signal(number)

    assert process.wait(10) == code
    assert ends(pid)
    assert "the job is cancelled" in process.log
    assert "Traceback" not in process.log


def test_a_job_that_takes_too_long_is_cancelled_with_124(tmp_path: Path) -> None:
    process, pid = run_long(tmp_path, "--timeout", "500ms")

    assert process.wait(10) == 124
    assert ends(pid)


def test_a_run_needs_neither_a_web_server_nor_a_file_of_its_own(tmp_path: Path) -> None:
    command = [*AVTOMAT, "run", HELLO, *ADA, "--exec", "greet=cat", "-q"]
    subprocess.run(command, cwd=tmp_path, env=clean_environment(), check=True, capture_output=True)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("schema", "sample"),
    [
        (None, {}),
        ({}, {}),
        ({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}, {"a": "text"}),
        ({"required": ["a"], "properties": {"a": {"enum": ["x", "y"]}, "b": {"type": "string"}}}, {"a": "x"}),
        ({"type": "array", "items": {"type": "integer", "minimum": 3}}, [3]),
        ({"type": ["number", "null"], "default": 5}, 5),
    ],
)
def test_a_sample_is_what_the_schema_asks_for_at_least(schema: object, sample: object) -> None:
    assert sample_of(schema) == sample


def test_blueprints_beside_are_run_as_children(tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "hire.yaml").write_text(
        "avtomat: 1\nblueprint: hire\nstates: {a: {run: account, input: {name: '{{ input.name }}'}}}\n"
    )
    account = tmp_path / "account.yaml"
    account.write_text(
        "avtomat: 1\nblueprint: account\nstates: {make: {task: make, params: {name: '{{ input.name }}'}}}\n"
    )
    command = ["run", str(tmp_path / "hire.yaml"), *ADA]

    assert main([*command, "--exec", "make=cat"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"name": "Ada"}
    assert "runs account as the job" in printed.err

    assert main(command) == 2
    assert "no command does the tasks of make" in capsys.readouterr().err

    account.unlink()
    assert main([*command, "--exec", "make=cat"]) == 2
    assert "no good blueprint account stands beside" in capsys.readouterr().err
