"""Walk through a job at random: at each step one of the things that may happen next does.

Among them are things that come late or twice, which must change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

from avtomat.core.awaited_decision import ADDRESS
from avtomat.core.kinds.signals import SignalState
from avtomat.core.messages import (
    ApprovalDecided,
    AttemptReturned,
    CancelRequested,
    Change,
    DeadlinePassed,
    Decision,
    Event,
    Ignored,
    JoinDecided,
    LeaseLost,
    Limit,
    PauseRequested,
    ReleaseRequested,
    RerunRequested,
    ResumeRequested,
    ScopeBegun,
    SignalReceived,
    SkipRequested,
    StartReached,
    TaskFailed,
    TaskSucceeded,
    TaskTimedOut,
    TimerFired,
    UnwindReady,
)
from avtomat.core.model import Status
from avtomat.core.program import Program
from avtomat.core.scope import ROOT
from avtomat.core.waiting import OnFinally, OnSignal, OnStart, OnTask, OnUndo, OnUnwind
from tests.core.building import NOW
from tests.simulation.world import OpenTask, World

STEPS_MAX = 40
LONG = {"ok": True, "n": 2, "note": "x" * 120}
OUTPUTS: tuple[Any, ...] = (
    LONG,
    None, True, 0, 1.0, "text", [], {"n": 3, "ok": True}, {"n": 0, "ok": False, "list": [1, None]},
    {"n": 7, "ok": True, "list": ["a", "b", "c"]}, {"n": None},
)  # fmt: skip
CHOICES = ("approve", "reject", "success")
KEYS = ("", "k", "0", "1", "2", "3")
STATUSES = ("success", "success", "success", "later")
CODES = (
    "TRANSIENT_ERROR",
    "TRANSIENT_ERROR",
    "PERMANENT_ERROR",
    "INTERNAL_ERROR",
    "OWN_CODE",
    "OTHER_CODE",
    "CALL_FAILED",
)
DETAILS: tuple[Any, ...] = (
    {"n": 1.0}, {"status": 503, "retry_after_s": 7}, {"status": 404}, {"reason": "connect", "sent": False},
    {"reason": "url.refused", "sent": False}, {"reason": "connection_lost", "sent": True}, {"status": True}, None,
)  # fmt: skip
INPUTS: tuple[Any, ...] = (
    {"n": 2, "items": [1, 2, 3], "pause": "5s"},
    {"n": 1, "items": [], "pause": "1h30m"},
    {"n": 0, "items": ["a"], "pause": 7},
    {"n": 5, "items": list(range(6)), "pause": "0s"},
)

Step = Callable[[], Decision | None]


class Walker:
    """One walk; the same seed takes the same way."""

    def __init__(self, program: Program, seed: str, *, world: type[World] = World) -> None:
        self.random = random = Random(seed)
        self.failing = random.choice((0.0, 0.15, 0.5))
        self.meddling = random.choice((0.0, 0.0, 0.05, 0.25))
        later = NOW + timedelta(minutes=1) if random.random() < 0.1 else None
        self.awaited = [state for state in program.states if isinstance(state, SignalState)]
        self.world = world(program, random.choice(INPUTS), start_at=later)
        self.steps = 0

    def run(self) -> None:
        """Walk until the job ends, or the way gets too long."""
        while self.world.ended is None and self.steps < STEPS_MAX:
            self.step()
        self.world.check_end()

    def step(self) -> None:
        """Let one thing happen."""
        self.steps += 1
        chance = self.random.random()
        if chance < 0.1:
            self._repeat_something()
        elif self.world.is_parked and self.world.dead_leases and chance < 0.3:
            self._end_lease()
        elif chance < 0.1 + self.meddling or self.world.is_parked:
            self._operate()
        else:
            self._go_on()

    # --- what the world does ----------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        steps = self._possible()
        if not steps or (self.awaited and self.random.random() < 0.1):
            steps = [self._send]
        self.random.choice(steps)()
        if self.world.ended is not None:
            self._knock_at_the_end()

    def _possible(self) -> list[Step]:
        world = self.world
        steps: list[Step] = []
        for path in world.open_scopes():
            kept = world.scopes[path]
            if kept.task is not None:
                steps.append(lambda path=path, task=kept.task: self._work(path, task))
            if kept.timer is not None:
                steps.append(lambda path=path: self._wake(path))
            if kept.mail is not None:
                steps.append(lambda path=path: world.read(path))
        for (owner, number), join in world.joins.items():
            if join.may_begin and world.scopes[owner].is_open:
                steps.append(lambda owner=owner, number=number: world.tell(world.begin(owner, number), ScopeBegun()))
            elif join.verdict is not None and not join.closed and world.scopes[owner].is_open:
                steps.append(lambda owner=owner, number=number: self._deliver(owner, number))
        if world.may_unwind():
            steps.append(self._unwind)
        if world.dead_leases:
            steps.append(self._end_lease)
        if world.late:
            steps.append(world.hear_late)
        if world.head.deadline is not None and (not steps or self.random.random() < 0.02):
            steps.append(lambda: world.tell(ROOT, DeadlinePassed(), at=world.head.deadline))
        return steps

    def _work(self, path: str, task: OpenTask) -> Decision | None:
        """A worker takes the task, or answers it; or one of its times passes."""
        limits, at = task.limits, task.not_before
        if limits.total_at is not None and self.random.random() < 0.1:
            return self.world.tell(path, TaskTimedOut(attempt=task.attempt, limit=Limit.TOTAL), at=limits.total_at)
        if not task.leased:
            if limits.queue is not None and self.random.random() < 0.1:
                return self.world.tell(path, TaskTimedOut(attempt=task.attempt, limit=Limit.QUEUE), at=at)
            task.leased = True
            return None
        event = self._answer(task)
        task.leased = False
        return self.world.tell(path, event, at=at)

    def _answer(self, task: OpenTask) -> Event:
        random = self.random
        if random.random() >= self.failing:
            return TaskSucceeded(
                attempt=task.attempt, output=random.choice(OUTPUTS), status=random.choice(STATUSES), worker="w1"
            )
        if task.limits.attempt is not None and random.random() < 0.2:
            return TaskTimedOut(attempt=task.attempt, limit=Limit.ATTEMPT)
        if random.random() < 0.2:
            return LeaseLost(attempt=task.attempt, gave_up=random.random() < 0.5)
        if random.random() < 0.1:
            return AttemptReturned(attempt=task.attempt)
        details = random.choice(DETAILS)
        return TaskFailed(attempt=task.attempt, code=random.choice(CODES), message="m", details=details)

    def _wake(self, path: str) -> Decision:
        kept = self.world.scopes[path]
        event = StartReached() if isinstance(kept.scope.waiting, OnStart) else self.world.timed(path)
        decision = self.world.tell(path, event, at=kept.timer)
        assert isinstance(decision, Change), "a time that came was ignored"
        return decision

    def _send(self) -> None:
        """Somebody sends a signal: one that a scope waits for, or one that comes early, or under another key."""
        world = self.world
        awaited = [kept.waits for path, kept in world.scopes.items() if kept.is_open and kept.waits is not None]
        assert awaited or self.awaited, "nothing can happen any more"
        if awaited and (not self.awaited or self.random.random() < 0.7):
            address, key = self.random.choice(awaited)
        else:
            address, key = self.random.choice(self.awaited).address, self.random.choice(KEYS)
        states = [state for state in self.awaited if state.address == address]
        payload = self.random.choice(OUTPUTS)
        if address.startswith(ADDRESS):
            world.send((address, key), {"choice": self.random.choice(CHOICES), "by": "ann", "form": payload})
            return
        if all(state.expects is None or not state.expects.problems(payload) for state in states):
            world.send((address, key), payload)

    def _deliver(self, owner: str, number: int) -> Decision:
        decision = self.world.tell(owner, self.world.joined(owner, number))
        assert isinstance(decision, Change), "a verdict was ignored"
        self.world.joins[owner, number].closed = True
        return decision

    def _unwind(self) -> Decision:
        self.world.unwind_told = True
        decision = self.world.tell(ROOT, UnwindReady())
        assert isinstance(decision, Change), "nothing was undone"
        return decision

    def _end_lease(self) -> None:
        """A worker hears that its attempt is dead, or falls silent; or it has done its work all the same."""
        dead = self.random.choice(self.world.dead_leases)
        self.world.work_late(dead, self.random.choice(OUTPUTS) if self.random.random() < 0.6 else None)

    # --- what operators do ------------------------------------------------------------------------------------------

    def _operate(self) -> None:
        random, world = self.random, self.world
        states = [None, None, "nowhere", *world.program.machines[""].states]
        if world.head.deadline is not None and random.random() < 0.1:
            world.tell(ROOT, DeadlinePassed(), at=world.head.deadline)
            return
        if world.head.status is Status.FINISHING and random.random() < 0.2:
            world.quarantine()
            return
        event = random.choice(
            (
                PauseRequested(by="ops"),
                ResumeRequested(by="ops"),
                ResumeRequested(by="ops"),
                SkipRequested(output=random.choice(OUTPUTS)),
                ReleaseRequested(by="ops"),
                RerunRequested(state=random.choice(states)),
                RerunRequested(state=random.choice(states), data={"n": 1, "list": [1]}),
                CancelRequested(reason="enough", compensate=random.random() < 0.7),
            )
        )
        if isinstance(event, CancelRequested) and not event.compensate:
            world.declined = True
        undoes = isinstance(world.scopes[ROOT].scope.waiting, OnUndo)
        if isinstance(event, SkipRequested | RerunRequested | ReleaseRequested | CancelRequested) and (
            undoes or random.random() < 0.5
        ):
            self._lose_leases()
        world.tell(ROOT, event)
        if world.ended is not None:
            self._knock_at_the_end()

    def _lose_leases(self) -> None:
        """Workers hear that their task is closed, and stop."""
        self.world.dead_leases.clear()
        for kept in self.world.scopes.values():
            if kept.task is not None:
                kept.task.leased = False

    # --- what comes late or twice -----------------------------------------------------------------------------------

    def _repeat_something(self) -> None:
        world, random = self.world, self.random
        path = random.choice(world.open_scopes())
        scope = world.scopes[path].scope
        waiting = scope.waiting
        open_attempt = waiting.attempt if isinstance(waiting, OnTask | OnUndo) else 0
        events: list[Event] = [
            TaskSucceeded(attempt=open_attempt - 1),
            TaskFailed(attempt=open_attempt + 1, code="TRANSIENT_ERROR"),
            LeaseLost(attempt=open_attempt - 1),
            AttemptReturned(attempt=open_attempt + 1),
            TimerFired(visit=scope.visit - 1),
            SignalReceived(name="other", payload=True),
            ApprovalDecided(visit=scope.visit - 1, choice="approve"),
            ApprovalDecided(visit=scope.visit + 1, choice="approve"),
            *([] if isinstance(waiting, OnSignal) else [SignalReceived(name="paid", payload={"ok": True})]),
            JoinDecided(number=scope.forks + 5, met=True, ok=1, failed=0),
            *([] if isinstance(waiting, OnStart) else [StartReached()]),
            *([] if scope.version == 0 else [ScopeBegun()]),
            *([DeadlinePassed(), CancelRequested()] if isinstance(waiting, OnUnwind | OnUndo | OnFinally) else []),
        ]
        decision = world.decide(path, random.choice(events))
        assert isinstance(decision, Ignored), "something that came late or twice was taken"

    def _knock_at_the_end(self) -> None:
        """Nothing moves a job that has ended, nor a body."""
        for path, kept in self.world.scopes.items():
            attempt = kept.scope.waiting.attempt if isinstance(kept.scope.waiting, OnTask) else 1
            events = (TaskSucceeded(attempt=attempt), TimerFired(visit=kept.scope.visit), DeadlinePassed())
            decided = ApprovalDecided(visit=kept.scope.visit, choice="approve")
            for event in (*events, SignalReceived(name="paid"), decided):
                assert isinstance(self.world.decide(path, event), Ignored), "what has ended was moved"
