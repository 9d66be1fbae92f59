"""Build Programs from YAML, and stand in one place of a job to tell it events: for the tests of the machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from textwrap import dedent
from typing import Any

from ruamel.yaml import YAML

from avtomat.blueprint.building import build_program
from avtomat.blueprint.compiler import compile_text
from avtomat.core.duration import parse_duration
from avtomat.core.formula import Json
from avtomat.core.machine import decide, start
from avtomat.core.messages import (
    Change,
    Decision,
    Event,
    ForkScopes,
    Ignored,
    JoinDecided,
    ScopeBegun,
    ScopeEnded,
    TaskFailed,
    TaskSucceeded,
    TimerFired,
    Undo,
    View,
)
from avtomat.core.model import Error, Head
from avtomat.core.program import Program
from avtomat.core.scope import Around, Scope
from avtomat.core.waiting import OnFork, OnTask, OnUndo

NOW = datetime(2026, 1, 31, 23, 0, tzinfo=UTC)
HEAD = "avtomat: 1\nblueprint: sample\n"


def program_of(text: str, *, checked: bool = True) -> Program:
    """Compile a blueprint; its first two lines may be left out. Unchecked: as a store gives it back."""
    whole = text if "avtomat:" in text else HEAD + dedent(text)
    if not checked:
        return build_program(json.dumps(YAML(typ="safe").load(whole)))
    program = compile_text(whole, file="sample.yaml")
    assert isinstance(program, Program), program
    return program


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


class Position:
    """One scope of a job, moved on by the events that it is told; `last` is what was decided last."""

    def __init__(self, program: Program, head: Head, scope: Scope, last: Decision, around: Around) -> None:
        self.program = program
        self.head = head
        self.scope = scope
        self.last = last
        self.around = around
        self.now = NOW
        self.undos: tuple[Undo, ...] = ()

    def tell(self, event: Event, *, after: str = "0s") -> Decision:
        """Decide on `event`, a while after the one before, and take what was decided as written."""
        self.now += parse_duration(after) or timedelta()
        view = View(head=self.head, scope=self.scope, around=self.around, undos=self.undos, undo_seq=1)
        decision = decide(self.program, view, event, self.now)
        if isinstance(decision, Change):
            self.take(decision)
        self.last = decision
        return decision

    def take(self, change: Change) -> None:
        self.scope = change.scope
        status = change.ended.status if change.ended is not None and self.scope.path == "/" else change.status
        self.head = self.head if status is None else replace(self.head, status=status)
        self.undos = () if change.undone_seq is not None else (*self.undos, *change.undos)

    # --- the events that come most often ------------------------------------------------------------------------------

    def succeeds(self, output: Json = None, status: str = "success") -> Decision:
        return self.tell(TaskSucceeded(attempt=self.attempt, output=output, status=status))

    def fails(self, code: str, message: str = "", details: Json = None) -> Decision:
        return self.tell(TaskFailed(attempt=self.attempt, code=code, message=message, details=details))

    def wakes(self, *, after: str = "0s") -> Decision:
        return self.tell(TimerFired(visit=self.scope.visit), after=after)

    def joins(self, *outputs: Json, failed: int = 0, error: Error | None = None, winner: int | None = None) -> Decision:
        """The fork is joined with these outputs; or broken, when an error is given."""
        assert isinstance(self.scope.waiting, OnFork)
        event = JoinDecided(
            number=self.scope.waiting.number,
            met=error is None,
            ok=len(outputs) - failed,
            failed=failed,
            error=error,
            outputs=outputs,
            winner=winner,
        )
        return self.tell(event)

    def body(self, index: int) -> Position:
        """The body with this index of the fork that was begun last, as it is once its turn has come."""
        around = around_of(self.change.fork, self.scope, self.around, index)
        path = f"{'' if self.scope.path == '/' else self.scope.path}/{self.forked.number}.{index}"
        body = Position(self.program, self.head, Scope(path=path, machine=around.machine), Ignored(reason=""), around)
        body.tell(ScopeBegun())
        return body

    # --- what became of it --------------------------------------------------------------------------------------------

    @property
    def change(self) -> Change:
        assert isinstance(self.last, Change), self.last
        return self.last

    @property
    def ignored(self) -> bool:
        return isinstance(self.last, Ignored)

    @property
    def ended(self) -> ScopeEnded:
        assert self.change.ended is not None, self.change
        return self.change.ended

    @property
    def error(self) -> Error:
        assert self.ended.error is not None
        return self.ended.error

    @property
    def forked(self) -> ForkScopes:
        assert self.change.fork is not None
        return self.change.fork

    @property
    def attempt(self) -> int:
        assert isinstance(self.scope.waiting, OnTask | OnUndo), self.scope.waiting
        return self.scope.waiting.attempt

    @property
    def params(self) -> Json:
        assert self.change.dispatch is not None
        assert self.change.dispatch.body is not None
        return self.change.dispatch.body.params

    @property
    def data(self) -> Mapping[str, Json]:
        return self.scope.data

    @property
    def outputs(self) -> Mapping[str, Json]:
        return self.scope.outputs

    @property
    def pause(self) -> float:
        """Seconds until the attempt that was ordered last may begin."""
        assert self.change.dispatch is not None
        not_before = self.change.dispatch.not_before
        return 0.0 if not_before is None else (not_before - self.now).total_seconds()


def begun(text: str | Program, given: Json = None, *, start_at: datetime | None = None, **head: Any) -> Position:
    """Begin a job of this blueprint."""
    program = program_of(text) if isinstance(text, str) else text
    known = {"config": {}, "runs": {name: f"digest of {name}" for name in program.runs - {"nobody"}}}
    asked = Head(
        job="j1", blueprint=program.name, digest=program.digest, input=given, created_at=NOW, **{**known, **head}
    )
    completed, change = start(program, asked, NOW, start_at)
    position = Position(program, completed, change.scope, change, Around())
    position.take(change)
    return position


def around_of(order: ForkScopes | None, scope: Scope, around: Around, index: int) -> Around:
    """What the body with this index sees around it."""
    assert order is not None
    data, outputs = {**around.data, **scope.data}, {**around.outputs, **scope.outputs}
    if order.item_name is None:
        machine, place, names = order.machines[index], order.places[index], around.names
    else:
        machine, place = order.machines[0], f"{order.places[0]}[{index}]"
        names = {**around.names, order.item_name: order.items[index], "index": index}
    error = scope.error or around.error
    ending = order.ending or around.ending
    return Around(machine=machine, place=place, data=data, outputs=outputs, names=names, error=error, ending=ending)
