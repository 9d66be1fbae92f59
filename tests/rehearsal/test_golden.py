"""What is said about mistakes in tests, word for word: `x.test.yaml` is a mistake, `x.test.out` what is said about it.

`AVTOMAT_GOLDEN=write pytest tests/rehearsal/test_golden.py` writes the answers anew; read them before they are kept.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from avtomat.blueprint.findings import codes_tests
from avtomat.blueprint.findings.finding import Code
from tests.rehearsal.told import found_in

GOLDEN = Path(__file__).parent / "golden"
MISTAKES = sorted(GOLDEN.glob("*.test.yaml"))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda file: file.stem)
def test_a_mistake_is_told_in_these_words(mistake: Path) -> None:
    expected, told = mistake.with_suffix(".out"), found_in(mistake)
    if os.environ.get("AVTOMAT_GOLDEN") == "write":
        expected.write_text(told, "utf-8")

    assert told == expected.read_text("utf-8")
    assert mistake.stem.partition("_")[0].upper() in told


def test_every_code_of_tests_has_a_mistake_that_shows_it() -> None:
    shown = {mistake.stem.partition("_")[0].upper() for mistake in MISTAKES}

    assert {code.number for code in vars(codes_tests).values() if isinstance(code, Code)} <= shown
