"""Run the worker script of this folder that is made with our SDK as a process."""

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
