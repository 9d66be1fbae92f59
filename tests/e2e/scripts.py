"""Run the worker scripts of this folder as processes: one made with our SDK, one with a package that is not ours."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.e2e.processes import TOKENS, EngineProcess, RealProcess

HERE = Path(__file__).parent
WORKER_TOKEN = TOKENS["AVTOMAT_WORKER_TOKEN"]


class SdkWorker(RealProcess):
    """A worker made with the SDK; see sdk_worker.py."""

    def __init__(self, engine: EngineProcess, name: str) -> None:
        super().__init__(
            [engine.url, name],
            folder=engine.folder,
            log=f"{name}.log",
            env={"AVTOMAT_WORKER_TOKEN": WORKER_TOKEN},
            program=(sys.executable, str(HERE / "sdk_worker.py")),
        )


class RxonWorker(RealProcess):
    """A worker made with avtomatika-worker, run by a Python that has it; see rxon_worker.py."""

    def __init__(self, python: Path, engine: EngineProcess, name: str) -> None:
        # Its own defaults, where they would only make a test wait, are shortened by its own variables.
        settings = {
            "ORCHESTRATOR_URL": engine.url,
            "WORKER_ID": name,
            "WORKER_TOKEN": WORKER_TOKEN,
            "HEARTBEAT_INTERVAL": "1",
            "WORKER_HEARTBEAT_COOLDOWN": "0.2",
            "TASK_POLL_TIMEOUT": "5",
            "IDLE_POLL_DELAY": "0.05",
            "POLL_BACKOFF_MAX": "2",
        }
        super().__init__(
            [],
            folder=engine.folder,
            log=f"{name}.log",
            env=settings,
            program=(str(python), str(HERE / "rxon_worker.py")),
        )
