"""Make the jobs that a decision begins, so that they are written in the very step in which it is.

A child is started as any job is, by its own program, and may itself begin children: they all go into one write-set.
What its program refuses is known here only, so the decision is made again with that (`View.refused`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from avtomat.core.family import ChildEnded, StartJob
from avtomat.core.formula import Json
from avtomat.core.machine import decide
from avtomat.core.messages import Change, Decision, Event, View
from avtomat.core.model import Error, Head, Status
from avtomat.core.program import Program
from avtomat.core.value import value
from avtomat.errors import RequestRefused
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.chance import random_word
from avtomat.runtime.jobs.kept import Kept
from avtomat.runtime.jobs.submission import Beginning, Family, Submission, begin, input_of
from avtomat.runtime.jobs.writing import NOTHING_BEGUN, TASK_RANDOM_BYTES, Begun
from avtomat.storage.port.codec import loads
from avtomat.storage.port.writes import Mail

ProgramOf = Callable[[str], Awaitable[Program]]
"""Brings the program of a digest; raises StoreError when the store has lost it."""


@value
class Parent:
    """The scope that begins jobs: what it gives them. `is_ending`: it is in `finally`, where its times do not count."""

    head: Head
    client: str
    trace: str | None
    is_ending: bool = False


@value
class Refused:
    """Why the job cannot begin that a visit is to begin."""

    visit: int
    error: Error


class Children:
    """Makes jobs for the decisions of this replica; `retention` is that of programs that do not say."""

    def __init__(self, program_of: ProgramOf, *, retention: timedelta) -> None:
        self._program_of = program_of
        self._retention = retention

    async def begin(
        self, job: str, program: Program, asked: Submission, given: Json, now: datetime, config: Mapping[str, Json]
    ) -> Beginning:
        """Start a job, and the children that it begins with. `given` is its whole input. Raises RequestRefused when it
        is over the limits.
        """

        async def jobs_of(head: Head, change: Change) -> Begun | Mapping[int, Error]:
            made = await self.make(change.jobs, Parent(head=head, client=asked.client, trace=asked.trace), now)
            return {made.visit: made.error} if isinstance(made, Refused) else made

        return await begin(job, program, asked, given, now, config=config, retention=self._retention, jobs_of=jobs_of)

    async def decide(
        self, kept: Kept, view: View, event: Event, now: datetime, decision: Decision
    ) -> tuple[Decision, Begun]:
        """The decision that begins jobs, again without those that cannot begin, and those that can."""
        parent = Parent(
            head=kept.head,
            client=kept.client,
            trace=kept.trace,
            is_ending=kept.head.status is Status.FINISHING or kept.around.ending is not None,
        )
        while isinstance(decision, Change) and decision.jobs:
            begun = await self.make(decision.jobs, parent, now)
            if isinstance(begun, Begun):
                return decision, begun
            view = replace(view, refused={**view.refused, begun.visit: begun.error})
            decision = decide(kept.program, view, event, now)
        return decision, NOTHING_BEGUN

    async def make(self, orders: Sequence[StartJob], parent: Parent, now: datetime) -> Begun | Refused:
        """The jobs of one decision, or why one of them cannot be."""
        begun = NOTHING_BEGUN
        for order in orders:
            task_id = f"{parent.head.job}-{random_word(TASK_RANDOM_BYTES)}"
            made = await self._child(order, parent, None if order.detached else task_id, now)
            if isinstance(made, Refused):
                return made
            new = made.new
            if order.detached:
                begun = replace(begun, jobs=(*begun.jobs, new))
            else:
                begun = replace(begun, task_id=task_id, order=order, child=new)
        return begun

    async def program(self, order: StartJob) -> Program:
        """The program of a child."""
        return await self._program_of(order.digest)

    async def _child(self, order: StartJob, parent: Parent, answers: str | None, now: datetime) -> Beginning | Refused:
        program, head = await self.program(order), parent.head
        left = None if head.deadline is None or parent.is_ending or order.detached else head.deadline - now
        asked = Submission(
            blueprint=program.name,
            input=order.input,
            client=parent.client,
            labels={name: text for name, text in head.labels.items() if name not in program.labels},
            priority=None if program.own_priority else head.priority,
            timeout=left,
            trace=parent.trace,
            family=Family(parent_id=head.job, answers=answers, depth=head.depth + 1, runs=head.runs),
        )
        try:
            given = input_of(program, asked)
        except RequestRefused as refused:
            return Refused(visit=order.visit, error=_unfit(order, refused))
        return await self.begin(order.job, program, asked, given, now, head.config or {})


def with_family(asked: Submission, program: Program, programs: Programs) -> Submission:
    """The same for a job that no job begins: what it may run it has in the versions that are current now."""
    return replace(asked, family=Family(runs=programs.family_of(program))) if program.runs else asked


def ended_of_mail(mail: Mail) -> ChildEnded:
    """How a child ended, as the store mailed it (`rules.child_mail`)."""
    line, _, left = mail.body.partition(b"\n")
    word, job = line.decode().split(" ")
    status = Status(word)
    if status is Status.FINISHED:
        return ChildEnded(job=job, status=status, output=loads(left) if left else None)
    return ChildEnded(job=job, status=status, error=Error.from_json(loads(left)) if left else None)


def _unfit(order: StartJob, refused: RequestRefused) -> Error:
    """The error of an input that the child's blueprint refuses, with pointers into it."""
    errors = refused.errors
    details = [{**each, "pointer": str(each["pointer"]).removeprefix("/input")} for each in errors]
    text = f"the input is not what the blueprint {order.blueprint} asks for: {refused.message}"
    return Error(code="INVALID_INPUT_ERROR", message=text, details=details)
