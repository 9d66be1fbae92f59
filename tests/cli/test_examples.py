"""Every example in workflows/ is right, and has tests that are good and exercise all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from avtomat.blueprint.compiler import examine_text
from avtomat.cli.frames import as_text, sources_of
from avtomat.rehearsal.runner import run_file

FOLDER = Path(__file__).parents[2] / "workflows"
EXAMPLES = sorted(file for file in FOLDER.glob("*.yaml") if not file.name.endswith(".test.yaml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_has_no_findings(file: Path) -> None:
    assert not examine_text(file.read_bytes()).findings


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_tests_of_an_example_are_good_and_exercise_all_of_it(file: Path) -> None:
    report = run_file(file.with_suffix(".test.yaml"))

    found = [*report.diagnostics, *(each for case in report.cases for each in case.diagnostics)]
    assert not found, "\n\n".join(as_text(found, sources_of(found)))
    assert report.blueprint == str(file)
    assert report.coverage is not None
    assert [part.untouched for part in report.coverage.missed] == []


def test_every_test_has_its_blueprint() -> None:
    assert {file.name.removesuffix(".test.yaml") for file in FOLDER.glob("*.test.yaml")} == {
        file.stem for file in EXAMPLES
    }
