"""Promises about files and inputs that cost much: each ends with few findings, within 2 s of work and 300 MB."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from avtomat.blueprint.findings.finding import SHOWN_MAX
from avtomat.blueprint.schemas.explainer import PROBLEMS_MAX
from tests.hostile import files, inputs

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limits are those of Linux")


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Any]]:
    """What became of each case."""
    command = [sys.executable, "-m", "tests.hostile.run"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2_000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["case"]: line for line in lines}


def test_hostile_files_end_with_findings(outcomes: dict[str, dict[str, Any]]) -> None:
    bad = [outcome for case in files.CASES if not 0 < (outcome := outcomes[case]).get("findings", 0) <= SHOWN_MAX]

    assert bad == []
    assert max(outcomes[case]["longest"] for case in files.CASES) <= 1_000


def test_hostile_inputs_are_explained(outcomes: dict[str, dict[str, Any]]) -> None:
    bad = [outcome for case in inputs.CASES if not 0 < (outcome := outcomes[case]).get("findings", 0) <= PROBLEMS_MAX]

    assert bad == []
    assert max(outcomes[case]["longest"] for case in inputs.CASES) <= 1_000


def test_there_are_enough_of_them() -> None:
    assert len(files.CASES) >= 60
    assert len(inputs.CASES) >= 30
