"""Run clients that are not ours: versions of the package avtomatika-worker from PyPI, unmodified.

They pin other versions of what the engine needs, so each has a virtual environment of its own. It is made when it is
first needed, below this checkout's own, and kept.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import without
from tests.e2e.processes import EngineProcess, RealProcess
from tests.e2e.scripts import WORKER_TOKEN

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venv/foreign"
INSTALL_TIMEOUT_S = 240
NEWEST, MIDDLE, OLDEST = "1.0b20", "1.0b7", "1.0b3"

# Their defaults, where they would only make a test wait, are shortened by their own variables.
QUICK = {
    "HEARTBEAT_INTERVAL": "1",
    "WORKER_HEARTBEAT_COOLDOWN": "0.2",
    "TASK_POLL_TIMEOUT": "5",
    "IDLE_POLL_DELAY": "0.05",
    "POLL_BACKOFF_MAX": "2",
    "RATE_LIMIT_BACKOFF_FLOOR": "1",
    "REGISTRATION_RETRY_INITIAL_DELAY": "0.2",
    "REGISTRATION_RETRY_MAX_DELAY": "1",
}


def python_with(version: str) -> Path:
    """A Python that has this version; without PyPI the test that asks does not run."""
    folder = ENVIRONMENTS / version
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:  # tests run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _install(folder, f"avtomatika-worker=={version}")
    return folder / "bin/python"


def _install(folder: Path, package: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=INSTALL_TIMEOUT_S)
    python = str(folder / "bin/python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", package]
    try:
        subprocess.run(pip, check=True, capture_output=True, timeout=INSTALL_TIMEOUT_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        without(f"PyPI, which has {package}")
    (folder / "complete").touch()


class ForeignWorker(RealProcess):
    """A worker made with the package: rxon_worker.py for the newest, older_worker.py for those before 1.0b8.

    `options` are arguments of the package's Worker, `env` its own variables.
    """

    def __init__(
        self,
        version: str,
        engine: EngineProcess,
        name: str,
        *,
        options: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        token: str = WORKER_TOKEN,
    ) -> None:
        script = "rxon_worker.py" if version == NEWEST else "older_worker.py"
        settings = {
            "ORCHESTRATOR_URL": engine.url,
            "WORKER_ID": name,
            "WORKER_TOKEN": token,
            "WORKER_OPTIONS": json.dumps(options or {}),
            "TASK_FILES_DIR": str(engine.folder / f"{name}.files"),
        }
        super().__init__(
            [],
            folder=engine.folder,
            log=f"{name}.log",
            env={**QUICK, **settings, **(env or {})},
            program=(str(python_with(version)), str(HERE / script)),
        )
