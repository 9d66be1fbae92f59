"""What the checker says, word for word: `golden/x.yaml` is a mistake, `golden/x.out` what is said about it.

`AVTOMAT_GOLDEN=write pytest tests/blueprint/test_golden.py` writes the answers anew; read them before they are kept.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from avtomat.blueprint.building import build_program
from avtomat.blueprint.compiler import compile_text, examine_text
from avtomat.blueprint.findings.table import all_codes, diagnostics_page
from avtomat.cli.frames import as_text
from avtomat.core.program import Program

GOLDEN = Path(__file__).parent / "golden"
RIGHT = Path(__file__).parent / "right"
PAGE = Path(__file__).parents[2] / "docs" / "diagnostics.md"
MISTAKES = sorted(GOLDEN.glob("*.yaml"))
MISTAKES_IN_TESTS = sorted((Path(__file__).parents[1] / "rehearsal/golden").glob("avt6*.test.yaml"))
"""Those of the codes that only `avtomat test` finds; tests/rehearsal/test_golden.py runs them."""

MISTAKES_IN_ACCESS = sorted((Path(__file__).parents[1] / "access/golden").glob("avt7*.toml"))
"""Those of clients.toml and workers.toml; tests/access/test_golden.py runs them."""

WITHOUT_EXAMPLE = {"AVT501", "AVT502", "AVT503", "AVT504", "AVT029", "AVT709"}
"""Those that take several files, a fault of the checker, or an engine."""


def told_about(file: Path) -> str:
    text = file.read_text("utf-8")
    findings = examine_text(text).findings
    diagnostics = [finding.in_file(file.name) for finding in findings]
    return "\n\n".join(as_text(diagnostics, {file.name: text})) + "\n"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda file: file.stem)
def test_a_mistake_is_told_in_these_words(mistake: Path) -> None:
    expected = mistake.with_suffix(".out")
    told = told_about(mistake)
    if os.environ.get("AVTOMAT_GOLDEN") == "write":
        expected.write_text(told, "utf-8")

    assert told == expected.read_text("utf-8")
    assert mistake.stem.partition("_")[0].upper() in told


@pytest.mark.parametrize("right", sorted(RIGHT.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_right_file_is_not_complained_about(right: Path) -> None:
    content = right.read_text("utf-8")

    compiled = compile_text(content, file=right.name)

    assert isinstance(compiled, Program), compiled
    assert examine_text(content).findings == ()
    assert build_program(compiled.canonical).digest == compiled.digest


def test_every_code_has_a_mistake_that_shows_it() -> None:
    shown = {mistake.stem.partition("_")[0].upper() for mistake in (*MISTAKES, *MISTAKES_IN_TESTS, *MISTAKES_IN_ACCESS)}

    assert {code.number for code in all_codes()} - shown == WITHOUT_EXAMPLE


def test_the_page_about_diagnostics_is_that_of_the_checker() -> None:
    examples: dict[str, tuple[str, str]] = {}
    for mistake in reversed([*MISTAKES, *MISTAKES_IN_TESTS, *MISTAKES_IN_ACCESS]):
        code = mistake.stem.partition("_")[0].upper()
        examples[code] = (mistake.read_text("utf-8"), mistake.with_suffix(".out").read_text("utf-8"))
    page = diagnostics_page(examples)
    if os.environ.get("AVTOMAT_GOLDEN") == "write":
        PAGE.write_text(page, "utf-8")

    assert PAGE.read_text("utf-8") == page
