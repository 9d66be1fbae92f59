"""Promises about files that cost much to explain: each ends with few findings, within 2 s of work and 300 MB."""

from __future__ import annotations

import subprocess
import sys

import pytest

from avtomat.blueprint.findings import SHOWN_MAX
from tests.hostile.files import CASES


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_file_ends_with_findings(case: str) -> None:
    command = [sys.executable, "-m", "tests.hostile.files", case]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr[-2_000:] or f"ended by signal {-done.returncode}"
    count, longest = map(int, done.stdout.split())
    assert 0 < count <= SHOWN_MAX
    assert longest <= 1_000
