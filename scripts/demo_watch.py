"""Talk to an engine for the demo, with nothing but HTTP.

python scripts/demo_watch.py HOST:PORT ready                     wait until the engine is ready
python scripts/demo_watch.py HOST:PORT job BLUEPRINT INPUT       submit a job, tell how it goes on, print its result

While the engine is away, `job` waits for it. Ends with 1 if the job does not finish, or if it takes too long.
"""

from __future__ import annotations

import json
import sys
import time
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from uuid import uuid4

from avtomat.runtime.people.narration import Narrator

Json = Any
PATIENCE_S: Final = 40.0
PAUSE_S: Final = 0.1
ENDED: Final = frozenset({"finished", "failed", "cancelled", "quarantined"})


class EngineAwayError(Exception):
    """The engine did not answer, or said that it is not ready."""


def main(arguments: list[str]) -> int:
    """Do what the command line says."""
    address, what, *rest = arguments
    engine = Engine(address)
    if what == "ready":
        engine.ask_until_answered("GET", "/readyz")
        return 0
    blueprint, given = rest
    job_id = engine.ask_until_answered(
        "POST", f"/api/v1/jobs/{blueprint}", {"input": json.loads(given)}, {"Idempotency-Key": str(uuid4())}
    )["job_id"]
    _say(f"job {job_id} of {blueprint}")
    job = follow(engine, job_id)
    _say(json.dumps(job["result"] if job["status"] == "finished" else job["error"], indent=2, ensure_ascii=False))
    return 0 if job["status"] == "finished" else 1


def follow(engine: Engine, job_id: str) -> Json:
    """Tell the job's history as it comes; return the job once it has ended."""
    narrator, seq = Narrator(colour=sys.stdout.isatty()), 0
    while True:
        job = engine.ask_until_answered("GET", f"/api/v1/jobs/{job_id}")
        for entry in engine.ask_until_answered("GET", f"/api/v1/jobs/{job_id}/history?cursor={seq}")["history"]:
            seq = entry["seq"]
            for line in narrator.lines(entry):
                _say(line)
        if job["status"] in ENDED:
            return job
        engine.wait()


class Engine:
    """Asks one engine, with patience for all questions together."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._until = time.monotonic() + PATIENCE_S

    def ask_until_answered(
        self, method: str, path: str, body: Json = None, headers: dict[str, str] | None = None
    ) -> Json:
        """The answer; while the engine is away, ask again."""
        while True:
            try:
                return self._ask(method, path, body, headers or {})
            except (EngineAwayError, OSError, HTTPException):
                self.wait()

    def wait(self) -> None:
        """A moment, if there is patience left."""
        if time.monotonic() > self._until:
            raise SystemExit(f"demo: nothing came of it in {PATIENCE_S:.0f} s")
        time.sleep(PAUSE_S)

    def _ask(self, method: str, path: str, body: Json, headers: dict[str, str]) -> Json:
        connection = HTTPConnection(self._address, timeout=5)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 500:
            raise EngineAwayError
        if answer.status >= 400:
            raise SystemExit(f"demo: {method} {path}: {answer.status} {text.decode()}")
        return json.loads(text)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
