"""`make demo` shows what it says it shows."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.e2e.processes import clean_environment

DEMO = Path(__file__).parents[2] / "scripts/demo.sh"


@pytest.mark.e2e
def test_the_demo_ends_well_and_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = clean_environment({"TMPDIR": str(tmp_path)})

    done = subprocess.run([DEMO], env=environment, capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "kill -9 of the engine" in done.stdout
    assert "the job is finished" in done.stdout
    assert not list(tmp_path.iterdir())
