"""What is said of clients.toml and workers.toml, word for word; `golden/x.toml` is a mistake, `golden/x.out` the words.

`AVTOMAT_GOLDEN=write pytest tests/access/test_golden.py` writes the answers anew; read them before they are kept.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from avtomat.access.checking import findings_of
from avtomat.cli.frames import as_text

MISTAKES = sorted((Path(__file__).parent / "golden").glob("*.toml"))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda file: file.stem)
def test_a_mistake_is_told_with_its_place_and_what_to_do(mistake: Path) -> None:
    text = mistake.read_text("utf-8")
    diagnostics = [finding.in_file(mistake.name) for finding in findings_of(mistake.name, text.encode())]
    told = "\n\n".join(as_text(diagnostics, {mistake.name: text})) + "\n"
    expected = mistake.with_suffix(".out")
    if os.environ.get("AVTOMAT_GOLDEN") == "write":
        expected.write_text(told, "utf-8")

    assert told == expected.read_text("utf-8")
    assert mistake.stem.partition("_")[0].upper() in told
