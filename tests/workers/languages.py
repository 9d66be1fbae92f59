"""The workers in other languages: what each needs on this machine, and how its conformance worker is started."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conftest import without

WORKERS: Final = Path(__file__).parents[2] / "workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One way to write workers. `build(folder)` may put what it makes into an empty folder; it returns the command."""

    tools: Mapping[str, str]
    """Programs, and the Debian package that has each."""
    build: Callable[[Path], str]
    concurrency: int = 4

    def need(self) -> None:
        """End the test that asks when a program is missing."""
        for program, package in self.tools.items():
            if shutil.which(program) is None:
                without(f"{program} (apt-get install {package})")


def _java(folder: Path) -> str:
    """The worker and its own tests are compiled with all warnings as errors."""
    sources = [*WORKERS.glob("java/avtomat/*.java"), *WORKERS.glob("java/*.java")]
    done = subprocess.run(
        ["javac", "-Xlint:all", "-Werror", "-d", folder, *sources], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return f"java -XX:TieredStopAtLevel=1 -cp {folder} Conformance"


LANGUAGES: Final = {
    "python": Language(tools={}, build=lambda _: f"{sys.executable} {Path(__file__).parent / 'python_worker.py'}"),
    "node": Language(tools={"node": "nodejs"}, build=lambda _: f"node {WORKERS / 'node/conformance.js'}"),
    "java": Language(
        tools={"javac": "default-jdk-headless"},
        build=_java,
    ),
    "perl": Language(tools={"perl": "perl"}, build=lambda _: f"perl {WORKERS / 'perl/conformance.pl'}"),
    "bash": Language(
        tools={"bash": "bash", "curl": "curl", "jq": "jq"},
        build=lambda _: f"bash {WORKERS / 'bash/conformance.sh'}",
        concurrency=1,
    ),
}
