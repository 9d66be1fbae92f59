"""Tell whoever runs `avtomat dev` what becomes of jobs, and what is wrong in files, as soon as it is known."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from avtomat.cli import frames
from avtomat.core.formula import Json
from avtomat.diagnostics import Diagnostic, visible
from avtomat.runtime.service import Service
from avtomat.storage.port.rules import ENDED

log = logging.getLogger(__name__)

LOOKED_AT_ONCE_MAX: Final = 100
"""So many jobs are looked at at the same time; of more that end together some are not told."""


class News:
    """Prints one line for each job that ends or is parked, and the findings of files with their lines."""

    def __init__(self, engine: Service) -> None:
        """Before the engine starts, so that what is wrong with files then is told here and not in the log."""
        self._engine = engine
        self._looking: dict[str, asyncio.Task[None]] = {}
        engine.tell(self._changed)
        engine.tell_findings(self._found)

    def _changed(self, job: str) -> None:
        if job not in self._looking and len(self._looking) < LOOKED_AT_ONCE_MAX:
            looking = asyncio.get_running_loop().create_task(self._look(job))
            self._looking[job] = looking
            looking.add_done_callback(lambda done: self._looked(job, done))

    def _looked(self, job: str, done: asyncio.Task[None]) -> None:
        self._looking.pop(job, None)
        if not done.cancelled() and (failed := done.exception()) is not None:
            log.warning("the end of job %s is not known: %s", job, failed or type(failed).__name__)

    async def _look(self, job: str) -> None:
        found = await self._engine.clients.job(job, None)
        if found is not None and found["status"] in {*ENDED, "quarantined"}:
            print(line_of(found), flush=True)

    def _found(self, diagnostics: Sequence[Diagnostic]) -> None:
        colour = frames.wants_colour(sys.stderr)
        for text in frames.as_text(diagnostics, frames.sources_of(diagnostics), colour=colour):
            print(text, end="\n\n", file=sys.stderr, flush=True)


def line_of(job: Mapping[str, Json]) -> str:
    """How a job ended, or why it waits for an operator, in one line."""
    error, until = job["error"], job["finished_at"] or job["updated_at"]
    took_s = (datetime.fromisoformat(until) - datetime.fromisoformat(job["created_at"])).total_seconds()
    why = "" if error is None else f": {error['code']} {error['message']}".rstrip()
    return visible(f"job {job['id']} {job['blueprint']} {job['status']} after {took_s:.1f} s{why}")
