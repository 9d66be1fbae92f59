"""Keep jobs in memory as the reference store does, with a queue of its own for each visit of a task.

So the stage can leave one task lying while others are taken. It also remembers whether the job is at rest, so that
nobody has to ask after each step, and which error broke a join: history does not tell, and coverage wants to know which
policy tried a block again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from avtomat.core.awaited_decision import ADDRESS
from avtomat.core.model import ENDED, Status
from avtomat.core.scope import ROOT
from avtomat.runtime.jobs.joining import join_of_mail
from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.port.answers import Committed, Created, Due, Outcome
from avtomat.storage.port.writes import Cause, NewJob, TaskRequest, Writes

AT_REST = ENDED | {Status.QUARANTINED}
"""Where a rehearsal ends: with a job that has ended, or waits for an operator."""


class VisitQueues(MemoryStore):
    """The reference store for one job, and its children. `at_rest`: the job has ended, or waits for an operator.
    `commits` counts what was written, `join_errors` has the error's code by scope and fork.
    """

    def __init__(self, job: str, *, clock: Callable[[], int]) -> None:
        super().__init__(clock=clock)
        self._job_played = job
        self.at_rest = False
        self.commits = 0
        self.join_errors: dict[tuple[str, int], str] = {}
        self._asked: list[tuple[str, int]] = []

    async def create(self, new: NewJob) -> Created:
        """Write a job."""
        self.commits += 1
        self.at_rest = _rests(ROOT, new.writes)
        self._hear(ROOT, new.writes)
        return await super().create(replace(new, writes=_queue_apart(ROOT, new.writes)))

    async def commit(
        self, job: str, path: str, version: int, cause: Cause, writes: Writes, wanted: TaskRequest | None = None
    ) -> Committed:
        """Write a decision."""
        self.commits += 1
        answer = await super().commit(job, path, version, cause, _queue_apart(path, writes), wanted)
        if answer.outcome is Outcome.OK and job == self._job_played:
            self.at_rest = self.at_rest or _rests(path, writes)
            self._hear(path, writes)
        return answer

    def signals_awaited(self) -> list[str]:
        """What is said of each signal for which a scope of the job waits."""
        waits = [scope.wait for part in self._parts for job in part.jobs.values() for scope in job.scopes.values()]
        return [
            f"the signal {wait.name.partition('#')[0]}" + (f" with the key {wait.key}" if wait.key else "")
            for wait in waits
            if wait is not None and not wait.name.startswith(ADDRESS)
        ]

    def decisions_awaited(self) -> list[str]:
        """The paths of the scopes that wait for a decision."""
        scopes = [scope for part in self._parts for job in part.jobs.values() for scope in job.scopes.values()]
        return [scope.path for scope in scopes if scope.wait is not None and scope.wait.name.startswith(ADDRESS)]

    def take_asked(self) -> list[tuple[str, int]]:
        """The scopes and visits that asked for a decision since this was last looked at."""
        asked, self._asked = self._asked, []
        return asked

    def _hear(self, path: str, writes: Writes) -> None:
        if writes.signal is not None and writes.signal.name.startswith(ADDRESS):
            self._asked.append((path, writes.visit))

    async def quarantine(self, job: str, path: str, cause: Cause | None, reason: bytes, record: bytes) -> bool:
        """Park the job without a decision."""
        self.at_rest = self.at_rest or job == self._job_played
        return await super().quarantine(job, path, cause, reason, record)

    async def due(self, partition: int, limit: int, *, rearm_ms: int) -> list[Due]:
        """Give out due members."""
        found = await super().due(partition, limit, rearm_ms=rearm_ms)
        for due in found:
            if due.job == self._job_played and due.mail is not None and due.mail.kind == "join":
                join = join_of_mail(due.mail)
                if join.error is not None:
                    self.join_errors[due.path, join.number] = join.error.code
        return found


def _rests(path: str, writes: Writes) -> bool:
    """Whether the job is at rest after this write."""
    ended = path == ROOT and writes.end is not None
    return ended or (writes.head is not None and writes.head.status in AT_REST)


def _queue_apart(path: str, writes: Writes) -> Writes:
    """The same writes with the task in a queue for this visit; an attempt that follows is in that of the one before.
    Each task has a worker of its own, so none waits for another's.
    """
    dispatch = writes.dispatch
    if dispatch is None or dispatch.body is None:
        return writes
    return replace(writes, dispatch=replace(dispatch, queue=f"{dispatch.queue} {path}:{writes.visit}", sticky=""))
