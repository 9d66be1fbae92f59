"""Every example in workflows/ is right, and has tests that are about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from avtomat.blueprint.compiler import compile_text, examine_text
from avtomat.cli.asked_tasks import kinds_of
from avtomat.core.program import Program

FOLDER = Path(__file__).parents[2] / "workflows"
EXAMPLES = sorted(file for file in FOLDER.glob("*.yaml") if not file.name.endswith(".test.yaml"))
WORDS_OF_A_CASE = {"name", "input", "tasks", "config", "secrets", "expect"}
WORDS_OF_EXPECT = {"status", "path", "result", "error", "tasks", "params", "elapsed", "compensated"}


def program_of(file: Path) -> Program:
    program = compile_text(file.read_bytes(), file=str(file))
    assert isinstance(program, Program), program
    return program


def read_tests_of(file: Path) -> dict[str, Any]:
    read: dict[str, Any] = YAML(typ="safe", pure=True).load(file.with_suffix(".test.yaml"))
    return read


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_has_no_findings(file: Path) -> None:
    assert not examine_text(file.read_bytes()).findings


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_read_tests_of_an_example_are_about_its_tasks_and_states(file: Path) -> None:
    program, tests = program_of(file), read_tests_of(file)
    states = program.machines[""].states
    kinds = kinds_of(program)

    assert tests["test"] == file.name
    for case in tests["cases"]:
        answered = {**tests.get("defaults", {}).get("tasks", {}), **case.get("tasks", {})}
        expect = case["expect"]
        assert case.keys() <= WORDS_OF_A_CASE
        assert expect.keys() <= WORDS_OF_EXPECT
        assert {*answered, *expect.get("tasks", {}), *expect.get("params", {})} <= {*kinds, *states}
        assert {*expect.get("path", ())} <= {*states}
        assert program.input is None or not program.input.problems(case["input"]), case["name"]


def test_every_test_has_its_blueprint() -> None:
    assert {file.name.removesuffix(".test.yaml") for file in FOLDER.glob("*.test.yaml")} == {
        file.stem for file in EXAMPLES
    }
