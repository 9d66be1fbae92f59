"""Name what cases can exercise, and see what they did: states, transitions, arms of catch, retry and timeout.

Which arm was taken is seen where its guard holds: the program that plays is the compiled one with an observer around
each guard, and decides the same. States, retries and timeouts stand in the job's history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from avtomat.core.formula import Environment, Failure, Formula, Json
from avtomat.core.kinds.blocks import ForeachState, ParallelState
from avtomat.core.kinds.task import TaskState
from avtomat.core.messages import LeaseLost, Limit, TaskFailed, TaskTimedOut
from avtomat.core.model import Error
from avtomat.core.program import CatchArm, Machine, Program, RetryPolicy, State, Transition
from avtomat.core.retry import policy_for
from avtomat.core.taskwork import error_of_attempt


class Kind(StrEnum):
    """What is counted."""

    STATE = "state"
    TRANSITION = "transition"
    CATCH = "catch"
    RETRY = "retry"
    TIMEOUT = "timeout"
    SCHEDULE = "schedule"


class Mark(NamedTuple):
    """One thing that can be exercised: of a state (None: of the job itself) in a machine, by number or name."""

    kind: Kind
    machine: str
    state: str | None
    detail: int | str = 0


JOB_TIMEOUT = Mark(Kind.TIMEOUT, "", None, "job")
HEARTBEAT, VISIT = "heartbeat", "visit"
"""Timeouts beside those of `Limit`: a worker that fell silent, and the time of a block."""


# --- arms -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Observed:
    """A guard that notes when it holds; one that is not written always does."""

    guard: Formula | None
    mark: Mark
    seen: set[Mark]

    @property
    def source(self) -> str:
        return "true" if self.guard is None else self.guard.source

    @property
    def reads(self) -> frozenset[tuple[str, ...]]:
        return frozenset() if self.guard is None else self.guard.reads

    @property
    def needs(self) -> frozenset[tuple[str, ...]]:
        return frozenset() if self.guard is None else self.guard.needs

    def evaluate(self, env: Environment) -> Json | Failure:
        found = True if self.guard is None else self.guard.evaluate(env)
        if found is True:
            self.seen.add(self.mark)
        return found


def observed(program: Program, seen: set[Mark]) -> Program:
    """The same program, which notes in `seen` which arms are taken."""
    machines = {address: _machine(machine, address, seen) for address, machine in program.machines.items()}
    return replace(program, machines=machines, catch=_catch(program.catch, "", None, seen))


def _machine(machine: Machine, address: str, seen: set[Mark]) -> Machine:
    return replace(machine, states={name: _state(state, address, seen) for name, state in machine.states.items()})


def _state(state: State, address: str, seen: set[Mark]) -> State:
    return replace(
        state,
        transitions=_transitions(state, address, seen),
        catch=_catch(state.catch, address, state.name, seen),
    )


def _transitions(state: State, address: str, seen: set[Mark]) -> tuple[Transition, ...]:
    marked = ((Mark(Kind.TRANSITION, address, state.name, at), arm) for at, arm in enumerate(state.transitions))
    return tuple(replace(arm, when=_Observed(arm.when, mark, seen)) for mark, arm in marked)


def _catch(arms: tuple[CatchArm, ...], address: str, name: str | None, seen: set[Mark]) -> tuple[CatchArm, ...]:
    marked = ((Mark(Kind.CATCH, address, name, at), arm) for at, arm in enumerate(arms))
    return tuple(replace(arm, when=_Observed(arm.when, mark, seen)) for mark, arm in marked)


# --- what history tells -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Scope:
    """Where a scope stands, as its entries tell."""

    machine: str = ""
    state: str = ""
    waiting: Mapping[str, Json] = field(default_factory=dict)

    def mark(self, kind: Kind, detail: int | str = 0) -> Mark:
        return Mark(kind, self.machine, self.state, detail)


def marks_in(
    entries: Sequence[Mapping[str, Json]], program: Program, join_errors: Mapping[tuple[str, int], str]
) -> Iterator[Mark]:
    """The states that were entered, the policies that tried again, and the timeouts that passed."""
    scopes: dict[str, _Scope] = {}
    for entry in entries:
        scope, changed = scopes.setdefault(entry["scope"], _Scope()), entry.get("set") or {}
        scope.machine = changed.get("machine", scope.machine)
        yield from _timeouts(scope, entry)
        error = _error_tried_again(scope, entry, changed.get("waiting") or {}, join_errors)
        if error is not None:
            yield from _policies(scope, error, program)
        for name in entry.get("trail") or ():
            scope.state = name
            yield scope.mark(Kind.STATE)
        if "waiting" in changed:
            scope.waiting = changed["waiting"] or {}


def _timeouts(scope: _Scope, entry: Mapping[str, Json]) -> Iterator[Mark]:
    match entry["type"], scope.waiting.get("for"):
        case "DeadlinePassed", _:
            yield JOB_TIMEOUT
        case "TaskTimedOut", "task":
            yield scope.mark(Kind.TIMEOUT, entry["limit"])
        case "LeaseLost", "task" if not entry.get("gave_up"):
            yield scope.mark(Kind.TIMEOUT, HEARTBEAT)
        case "TimerFired", "fork" | "retry" | "signal" | "approval" if _passed(
            scope.waiting.get("deadline"), entry["at_ms"]
        ):
            yield scope.mark(Kind.TIMEOUT, VISIT)


def _passed(deadline_ms: int | None, at_ms: int) -> bool:
    return deadline_ms is not None and deadline_ms <= at_ms


def _error_tried_again(
    scope: _Scope,
    entry: Mapping[str, Json],
    waiting: Mapping[str, Json],
    join_errors: Mapping[tuple[str, int], str],
) -> Error | None:
    """The error after which the state is tried again; None when it is not."""
    if waiting.get("for") == "retry":
        return Error(code=join_errors.get((entry["scope"], entry["number"]), ""))
    if waiting.get("for") != "task" or waiting["attempt"] == 1 or scope.waiting.get("for") != "task":
        return None
    match entry["type"]:
        case "TaskFailed":
            return error_of_attempt(TaskFailed(attempt=None, code=entry["code"], details=entry.get("details")))
        case "LeaseLost":
            return error_of_attempt(LeaseLost(attempt=None, gave_up=entry.get("gave_up", False)))
        case "TaskTimedOut":
            return error_of_attempt(TaskTimedOut(attempt=0, limit=Limit(entry["limit"])))
        case _:
            return Error(code="CONTRACT_VIOLATION_ERROR")


def _policies(scope: _Scope, error: Error, program: Program) -> Iterator[Mark]:
    state = program.machines[scope.machine].states[scope.state]
    policies = _retry_of(state)
    policy = policy_for(policies, error, acts_once=isinstance(state, TaskState) and state.acts_once)
    yield from (scope.mark(Kind.RETRY, at) for at, each in enumerate(policies) if each is policy)


def _retry_of(state: State) -> tuple[RetryPolicy, ...]:
    return state.retry if isinstance(state, TaskState | ParallelState | ForeachState) else ()
