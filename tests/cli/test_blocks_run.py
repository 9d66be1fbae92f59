"""The examples with blocks run to their ends, and what is told of them can be read."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from avtomat.blueprint.compiler import compile_text
from avtomat.cli.asked_tasks import kinds_of
from avtomat.cli.main import main
from avtomat.core.program import Program

ROOT = Path(__file__).parents[2]
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """The command sets up the logs of its process, which here is pytest's."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(autouse=True)
def workers_in_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_TASK_SECONDS", "0.1")


def program_of(text: str | bytes) -> Program:
    program = compile_text(text, file="sample.yaml")
    assert isinstance(program, Program), program
    return program


def run_example(name: str, given: str) -> int:
    file = ROOT / f"workflows/{name}.yaml"
    kinds = kinds_of(program_of(file.read_bytes()))
    commands = [part for kind in kinds for part in ("--exec", f"{kind}=bash {ROOT}/scripts/demo_task.sh {kind}")]
    return main(["run", str(file), "--input", given, *commands])


def lines_of(output: Output) -> tuple[str, list[str]]:
    """What is on stdout, and the lines of progress without their times."""
    printed = output.readouterr()
    return printed.out, [line[12:] for line in printed.err.splitlines()]


def test_a_saga_gives_back_what_it_booked_the_latest_first(capsys: Output) -> None:
    assert run_example("saga", '{"traveller": "Ada", "city": "Turin", "nights": 2}') == 1

    _, told = lines_of(capsys)
    about = [line.split("  ")[0] for line in told if "offered to workers" in line]
    assert about[0] == "flight"
    assert {*about[1:3]} == {"stay.hotel", "stay.car"}
    assert [line.split(" offered")[0].strip() for line in told if line.startswith("undo ") and "offered" in line] == [
        "undo hotel.cancel of stay.hotel",
        "undo flight.cancel of flight",
    ]
    assert "what was done is undone, the latest first" in told[told.index(f"{'':20} the job is failed") - 5]


def test_a_fan_out_goes_on_with_the_first_answer(capsys: Output) -> None:
    assert run_example("fan_out", '{"sku": "tea", "partners": ["north", "south"]}') == 0

    result, told = lines_of(capsys)
    both = [{"partner": "north", "there": True}, {"partner": "south", "there": True}]
    assert json.loads(result) == {"price": 7, "asked": "fast", "stock": both}
    assert any(line.startswith("price.exact.patience waits until") for line in told)
    assert any(line.startswith("stock[1] ") for line in told)


def test_a_batch_tolerates_some_that_fail(capsys: Output) -> None:
    assert run_example("batch", '{"pictures": ["a", "b", "broken", "d"], "at_once": 2}') == 0

    result, told = lines_of(capsys)
    assert json.loads(result) == {"made": ["small-a", "small-b", "small-d"], "broken": ["broken"]}
    assert any(line.split() == ["resize", "joined:", "3", "done,", "1", "failed"] for line in told)


def test_a_batch_with_too_many_that_fail_says_where(capsys: Output) -> None:
    assert run_example("batch", '{"pictures": ["broken", "broken", "c", "d"]}') == 1

    assert "TOO_MANY_BROKEN (in broken): resize[" in capsys.readouterr().err


def test_an_undo_that_fails_for_good_parks_the_job_and_says_so(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "sample.yaml"
    file.write_text("""\
avtomat: 1
blueprint: sample
states:
  book: {task: book, compensate: {task: unbook, worker: {type: gpu}, retry: none}, next: pay}
  pay: {task: pay, retry: none, next: end}
""")

    commands = ("--exec", "book=cat", "--exec", "pay=exit 1", "--exec", "unbook=exit 1")
    assert main(["run", str(file), *commands]) == 1

    _, told = lines_of(capsys)
    assert any(line.startswith("undo unbook of book ") and "attempt 1 failed" in line for line in told)
    assert any("the job is parked for an operator: COMPENSATION_FAILED" in line for line in told)


def test_the_kinds_of_undos_and_of_bodies_are_asked_for_too() -> None:
    text = """\
avtomat: 1
blueprint: sample
states:
  all:
    foreach: [1]
    do: {parallel: {a: {task: t, compensate: {task: undo_t}}, b: {task: u}}}
"""

    assert {*kinds_of(program_of(text))} == {"t", "undo_t", "u"}
