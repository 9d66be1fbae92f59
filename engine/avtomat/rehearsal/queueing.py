"""Keep jobs in memory as the reference store does, with a queue of its own for each visit of a task.

So the stage can leave one task lying while others are taken. It also remembers which error broke a join: history does
not tell, and coverage wants to know which policy tried a block again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from avtomat.core.model import ROOT
from avtomat.runtime.joining import join_of_mail
from avtomat.storage.answers import Committed, Created, Due
from avtomat.storage.memory import MemoryStore
from avtomat.storage.writes import Cause, NewJob, Writes


class VisitQueues(MemoryStore):
    """The reference store. `commits` counts what was written, `join_errors` has the error's code by scope and fork."""

    def __init__(self, *, clock: Callable[[], int]) -> None:
        super().__init__(clock=clock)
        self.commits = 0
        self.join_errors: dict[tuple[str, int], str] = {}

    async def create(self, new: NewJob) -> Created:
        """Write a job."""
        self.commits += 1
        return await super().create(replace(new, writes=_queue_apart(ROOT, new.writes)))

    async def commit(self, job: str, path: str, version: int, cause: Cause, writes: Writes) -> Committed:
        """Write a decision."""
        self.commits += 1
        return await super().commit(job, path, version, cause, _queue_apart(path, writes))

    async def due(self, partition: int, limit: int, *, rearm_ms: int) -> list[Due]:
        """Give out due members."""
        found = await super().due(partition, limit, rearm_ms=rearm_ms)
        for due in found:
            if due.mail is not None and due.mail.kind == "join":
                join = join_of_mail(due.mail)
                if join.error is not None:
                    self.join_errors[due.path, join.number] = join.error.code
        return found


def _queue_apart(path: str, writes: Writes) -> Writes:
    """The same writes with the task in a queue for this visit; an attempt that follows is in that of the one before."""
    dispatch = writes.dispatch
    if dispatch is None or dispatch.body is None:
        return writes
    return replace(writes, dispatch=replace(dispatch, queue=f"{dispatch.queue} {path}:{writes.visit}"))
