"""Run the conformance suite as people do: by its command."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.processes import AVTOMAT, clean_environment
from tests.workers.languages import LANGUAGES


@dataclass(frozen=True, slots=True)
class Conformance:
    """The exit code of a run, and its reports by name."""

    code: int
    reports: Mapping[str, Mapping[str, Any]]
    stderr: str

    @property
    def failed(self) -> dict[str, str]:
        """What was seen in each check that failed."""
        return {name: each["seen"] + "\n" + each["output"] for name, each in self.reports.items() if _failed(each)}


def _failed(report: Mapping[str, Any]) -> bool:
    return bool(report["verdict"] == "failed")


@pytest.fixture
def conformance() -> Callable[..., Conformance]:
    """Run the checks `only` (default: all) against a command."""

    def run(
        command: str,
        *,
        only: Sequence[str] = (),
        concurrency: int = 4,
        patience_s: int = 20,
        signing: bool = False,
        **variables: str,
    ) -> Conformance:
        named = [word for name in only for word in ("--only", name)]
        words = ["conformance", "worker", "--command", command, "--concurrency", str(concurrency), "-o", "json", *named]
        words += ["--patience", str(patience_s), *(["--signing"] if signing else [])]
        done = subprocess.run(
            [*AVTOMAT, *words], env=clean_environment(variables), capture_output=True, text=True, check=False
        )
        assert done.stdout, done.stderr
        return Conformance(done.returncode, {each["name"]: each for each in json.loads(done.stdout)}, done.stderr)

    return run


@pytest.fixture(scope="session")
def started_by(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The command of a language's conformance worker, built once; the test ends here when a program is missing."""
    built: dict[str, str] = {}

    def command(name: str) -> str:
        LANGUAGES[name].need()
        if name not in built:
            built[name] = LANGUAGES[name].build(tmp_path_factory.mktemp(name))
        return built[name]

    return command
