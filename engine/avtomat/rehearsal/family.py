"""Play the children of a job: what the case says of them, or their own blueprints where it says nothing.

A child that is played is a job as any other, whose program is made up: it takes its time, and ends as the case says. So
all that passes between a job and its children is that of production.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from avtomat.blueprint.yaml.nodes import Span
from avtomat.core.family import StartJob
from avtomat.core.flow import end_badly, end_well, go_on
from avtomat.core.kinds.state import ActiveState, Step
from avtomat.core.messages import Decision, TimerFired
from avtomat.core.model import Error
from avtomat.core.program import Machine, Program, State
from avtomat.core.value import value
from avtomat.core.waiting import OnTimer, Waiting
from avtomat.core.walk import Walk
from avtomat.rehearsal.cases import Answer
from avtomat.rehearsal.script import CaseStopped, Script
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.jobs.children import Children

PLAYED = "played"
"""What stands for the version of a blueprint whose children are played."""


_NOTHING = Answer(span=Span(line=1, column=1), body={"status": None}, takes_ms=10**11)
"""What stands for a child of which nothing is known."""


@value
class PlayedState(ActiveState):
    """Takes its time, and ends the job as the answer says."""

    answer: Answer

    def enter(self, walk: Walk) -> Step:
        """Begin, or end at once."""
        if not self.answer.takes_ms:
            return self._end(walk)
        return walk.wait_for(OnTimer(until=walk.now + timedelta(milliseconds=self.answer.takes_ms)))

    def time_came(self, walk: Walk, waiting: Waiting, event: TimerFired) -> Decision:
        """It took so long."""
        del waiting, event
        return go_on(walk, self._end(walk))

    def _end(self, walk: Walk) -> Step:
        body = self.answer.body
        if body["status"] != "failure":
            return end_well(walk, body.get("data"))
        return end_badly(walk, Error.from_json({"state": PLAYED, **body["error"]}))


class StagePrograms(Programs):
    """The programs of a rehearsal, those that are made up among them."""

    def add(self, program: Program) -> None:
        """Know one more."""
        self._keep(program)


class PlayedChildren(Children):
    """Makes the jobs of a rehearsal. `beside` are blueprints that may be run, by name; `stopped` says why the case
    cannot go on.
    """

    def __init__(
        self, programs: StagePrograms, script: Script, beside: Mapping[str, Program], *, retention: timedelta
    ) -> None:
        super().__init__(programs.by_digest, retention=retention)
        self._programs = programs
        self._script = script
        self._beside = beside
        self._played: dict[int, Program] = {}
        self.stopped: CaseStopped | None = None

    async def program(self, order: StartJob) -> Program:
        """The program of a child: made up, or its own. Where the case cannot go on, one that does nothing."""
        try:
            answer = self._script.answer_child(order, is_real=order.blueprint in self._beside)
        except CaseStopped as stopped:
            self.stopped, answer = self.stopped or stopped, _NOTHING
        return self._beside[order.blueprint] if answer is None else self._made_up(order.blueprint, answer)

    def _made_up(self, name: str, answer: Answer) -> Program:
        program = self._played.get(id(answer))
        if program is None:
            states: dict[str, State] = {PLAYED: PlayedState(name=PLAYED, answer=answer)}
            machines = {"": Machine(start=PLAYED, states=states)}
            digest = f"{PLAYED}:{len(self._played)}"
            program = self._played[id(answer)] = Program(name=name, digest=digest, canonical="{}", machines=machines)
            self._programs.add(program)
        return program
