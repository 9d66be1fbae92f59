"""Random walks through random programs: whatever happens, a job is decided alike, ends once and never gets stuck.

A walk that fails names its program and its number; `python -m tests.simulation PROGRAM WALK` walks it again, aloud.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import pytest

from avtomat.core.lifecycle import FOLLOWS
from avtomat.core.messages import Change, Decision, Event
from avtomat.core.model import Status
from tests.core.building import program_of
from tests.simulation.programs import random_blueprint
from tests.simulation.walker import Walker
from tests.simulation.world import World

PROGRAMS_AT_ONCE = 5
WALKS = 100
NIGHTLY_PROGRAMS = 500
NIGHTLY_WALKS = 200
WAITS = {
    "OnTask", "OnTimer", "OnStart", "OnFork", "OnRetry", "OnSignal", "OnApproval", "OnUnwind", "OnUndo", "OnFinally",
    "NoneType",
}  # fmt: skip
EVENTS = {
    "TaskSucceeded", "TaskFailed", "LeaseLost", "AttemptReturned", "TaskTimedOut", "TimerFired", "StartReached",
    "DeadlinePassed", "ScopeBegun", "JoinDecided", "CancelRequested", "UnwindReady", "PauseRequested",
    "ResumeRequested", "RerunRequested", "ReleaseRequested", "SkipRequested", "SignalReceived", "ApprovalDecided",
    "LateSuccess",
}  # fmt: skip


def walk_through(number: int, walks: int) -> None:
    text = random_blueprint(str(number))
    program = program_of(text)
    for walk in range(walks):
        try:
            Walker(program, f"{number}:{walk}").run()
        except Exception as broken:
            broken.add_note(f"walk it again: python -m tests.simulation {number} {walk}\n\n{text}")
            raise


@pytest.mark.parametrize("batch", range(10))
def test_no_walk_breaks_what_must_always_be_true(batch: int) -> None:
    for number in range(batch * PROGRAMS_AT_ONCE, (batch + 1) * PROGRAMS_AT_ONCE):
        walk_through(number, WALKS)


@pytest.mark.nightly
@pytest.mark.parametrize("number", range(NIGHTLY_PROGRAMS))
def test_no_walk_of_many_breaks_what_must_always_be_true(number: int) -> None:
    walk_through(number, NIGHTLY_WALKS)


def test_walks_come_through_everything_that_the_machine_can_do() -> None:
    seen: Counter[str] = Counter()

    class Counting(World):
        def quarantine(self) -> None:
            seen[f"{self.head.status} to {Status.QUARANTINED}"] += 1
            super().quarantine()

        def tell(self, path: str, event: Event, at: datetime | None = None) -> Decision:
            before = self.head.status
            seen[type(self.scopes[path].scope.waiting).__name__] += 1
            decision = super().tell(path, event, at)
            seen[type(event).__name__] += isinstance(decision, Change)
            seen[f"{before} to {self.head.status}"] += 1
            return decision

    for number in range(150):
        program = program_of(random_blueprint(str(number)))
        for walk in range(40):
            Walker(program, f"{number}:{walk}", world=Counting).run()

    steps = {f"{before} to {after}" for before, followers in FOLLOWS.items() for after in followers}
    assert {name for name in WAITS | EVENTS | steps if not seen[name]} == set()


def test_the_same_seed_takes_the_same_way() -> None:
    text = random_blueprint("7")
    assert text == random_blueprint("7")

    first, again = (Walker(program_of(text), "7:1") for _ in range(2))
    first.run()
    again.run()

    assert first.world.scopes == again.world.scopes
