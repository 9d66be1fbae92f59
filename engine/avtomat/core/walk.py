"""Hold one decision while it is being made: what is read, and what has changed so far.

A Walk starts from a View and ends in a Change. It is the only mutable value of the core, and it never leaves `decide`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from avtomat.core.amounts import AuthorError, kind_of_value
from avtomat.core.duration import parse_span
from avtomat.core.formula import STEPS_A_DECISION_MAX, Environment, Failure, Formula, Json, Meter, Rendered, Template
from avtomat.core.messages import Change, DispatchTask, ForkScopes, ScopeEnded, Undo, View
from avtomat.core.model import Error, Head, Ref, Status
from avtomat.core.program import RESULT, Amount, Machine, Program, Sets, State
from avtomat.core.scope import ROOT, Scope
from avtomat.core.timestamp import format_time, parse_time, time_hint
from avtomat.core.waiting import OnFinally, OnFork, OnUnwind, Waiting

Names = Mapping[str, Json]
"""What expressions see, by name."""

_HAS_FORK = (OnFork, OnFinally)

Snapshot = tuple[Mapping[str, Json], Mapping[str, Json | Ref], Error | None]


class Walk:
    """The scope as this decision has changed it so far, and the names that expressions see there."""

    def __init__(self, program: Program, view: View, now: datetime) -> None:
        scope = view.scope
        self.program = program
        self.head = view.head
        self.now = now
        self.before = scope
        self.machine: Machine = program.machines[scope.machine]
        self.around = view.around
        self.values = view.values
        self.state = scope.state
        self.visit = scope.visit
        self.entered_at = scope.entered_at
        self.own_data: Mapping[str, Json] = scope.data
        self.own_outputs: Mapping[str, Json | Ref] = scope.outputs
        self.error = scope.error
        self.hops = scope.hops
        self.rescued = scope.rescued
        self.finally_error = scope.finally_error
        self.forks = scope.forks
        self.joined = False
        self.beside: Names = {}
        self.close: tuple[int, ...] = ()
        self.trail: list[str] = []
        self.undos: list[Undo] = []
        self.noted = view.undos
        self.noted_seq = view.undo_seq
        self.status: Status | None = None
        self._unloaded = self._not_loaded()
        self._leaves_unloaded = False
        self._evaluations = 0
        self._meter = Meter()
        self._job: Json = None
        self._names: dict[str, Json] | None = None

    # --- where it stands ----------------------------------------------------------------------------------------------

    def complete_head(self, head: Head) -> None:
        """The job's head, now with what the blueprint adds to it."""
        if head is not self.head:
            self.head = head
            self._job = self._names = None

    @property
    def current(self) -> State:
        """The state that the scope stands in."""
        assert self.state is not None
        return self.machine.states[self.state]

    @property
    def caught(self) -> Error | None:
        """The last error that a `catch` took: here, else around this body when it began."""
        return self.error or self.around.error

    @property
    def is_root(self) -> bool:
        """Whether this scope is the job's own, not a body's."""
        return self.before.path == ROOT

    @property
    def address(self) -> str:
        """The address of the state that the scope stands in, under which the machines of its bodies are kept."""
        return f"{self.before.machine}.{self.state}" if self.before.machine else self.state or ""

    @property
    def place(self) -> str:
        """The path of the current state in errors: `pack[3].pick`."""
        if self.machine.lone or not self.state:
            return self.around.place
        return f"{self.around.place}.{self.state}" if self.around.place else self.state

    @property
    def seed(self) -> str:
        """The place of this visit in the world: what jitter is derived from."""
        return f"{self.head.job} {self.before.path} {self.visit}"

    def stand_in(self, name: str) -> State:
        """Enter the state `name`: count the visit, note it in the trail."""
        self.state = name
        self._leaves_unloaded = False
        self.beside = {}
        self.visit += 1
        self.hops += 1
        self.entered_at = self.now
        self.trail.append(name)
        return self.machine.states[name]

    def fault_as_error(self, fault: AuthorError, attempt: int = 0) -> Error:
        """The error that the current state fails with."""
        return Error(code=fault.code, message=fault.message, state=self.place, attempt=attempt)

    # --- what expressions see -----------------------------------------------------------------------------------------

    def names(self, extra: Names | None = None) -> Names:
        """All names in scope here, with `extra` (output, status, error) on top."""
        names = self._names
        if self.beside:
            extra = {**self.beside, **extra} if extra else self.beside
        if names is None:
            names = self._names = {
                "input": self.head.input,
                "data": self._data(),
                "outputs": self._outputs(),
                "config": self.head.config,
                "job": self._job_as_json(),
                **self.around.names,
            }
        if (caught := self.caught) is not None:
            names = {**names, "error": caught.as_json()}
        return {**names, **extra} if extra else names

    def evaluate_guard(self, guard: Formula, names: Names) -> bool:
        """Tell whether a `when` holds; anything but true or false is the author's error."""
        self._require(guard)
        value = guard.evaluate(self._environment(names))
        if isinstance(value, Failure):
            raise AuthorError(value.code, f"when {guard.source}: {value.message}")
        if not isinstance(value, bool):
            raise AuthorError(
                "EXPRESSION_ERROR", f"when {guard.source}: gave {kind_of_value(value)}, expected true or false"
            )
        return value

    def render(self, template: Template, names: Names) -> Rendered:
        """The template's value with its missing secrets."""
        if template.fixed is not None:
            return template.fixed
        self._require(template)
        rendered = template.render(self._environment(names))
        if isinstance(rendered, Failure):
            raise AuthorError(rendered.code, rendered.message)
        return rendered

    def render_text(self, template: Template, names: Names) -> str:
        """A text as it is, any other value as JSON."""
        value = self.render(template, names).value
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def render_span(self, amount: Amount | None, names: Names) -> timedelta | None:
        """A duration, written out or rendered; a rendered one may be negative."""
        if amount is None or isinstance(amount, timedelta):
            return amount
        text = self.render(amount, names).value
        span = parse_span(text) if isinstance(text, str) else None
        if span is None:
            raise AuthorError("TEMPLATE_ERROR", f"expected a duration such as 30s or 1h30m, got {kind_of_value(text)}")
        return span

    def render_timeout(self, amount: Amount | None, names: Names, *, code: str = "TIMEOUT_ERROR") -> timedelta | None:
        """A time that something may take; where none of it is left, it has passed already."""
        span = self.render_span(amount, names)
        if span is not None and span <= timedelta():
            raise AuthorError(code, "the timeout had passed when the state was entered")
        return span

    def render_time(self, template: Template, names: Names) -> datetime:
        """A time in RFC 3339; a date alone is its midnight in UTC."""
        text = self.render(template, names).value
        time = parse_time(text) if isinstance(text, str) else None
        if time is None:
            hint = time_hint(text) if isinstance(text, str) else time_hint("")
            raise AuthorError("TEMPLATE_ERROR", f"expected a time, got {kind_of_value(text)}: {hint}")
        return time

    def apply(self, sets: Sets, names: Names) -> None:
        """Evaluate `set` against the data before it, then merge it by top-level name."""
        if sets:
            changed = {name: self.render(template, names).value for name, template in sets}
            self.replace_data({**self.own_data, **changed})

    def _require(self, reader: Formula | Template) -> None:
        """What is kept by reference must be loaded before it is read: nothing else may stand in its place."""
        if self._unloaded:
            read = {path[1] if len(path) > 1 else "" for path in reader.reads if path[0] == "outputs"}
            read |= {RESULT for path in reader.reads if path[0] == "job" and path[1:2] in ((), ("result",))}
            missing = self._unloaded if "" in read else self._unloaded & read
            if missing:
                raise LookupError(f"outputs that are read were not loaded: {', '.join(sorted(missing))}")
        if self._leaves_unloaded and any(path[0] == "output" for path in reader.reads):
            raise LookupError("the output of the state that is left is read, and was not loaded")

    def _not_loaded(self) -> frozenset[str]:
        """States whose outputs are in scope here and were not loaded."""
        around, own, values = self.around.outputs, self.own_outputs, self.values
        if not around and not own:
            return frozenset()
        outputs = {**around, **own} if around else own
        return frozenset(
            name for name, output in outputs.items() if isinstance(output, Ref) and output.id not in values
        )

    def names_of_leaving(self, output: Json | Ref, status: str | None) -> dict[str, Json]:
        """What the transitions of a state that is left see of it."""
        self._leaves_unloaded = isinstance(output, Ref) and output.id not in self.values
        return {"status": status} if self._leaves_unloaded else {"output": self.value_of(output), "status": status}

    def _job_as_json(self) -> Json:
        if self._job is None:
            head = self.head
            self._job = {
                "id": head.job,
                "blueprint": head.blueprint,
                "version": head.digest,
                "created_at": format_time(head.created_at),
                "labels": head.labels,
                "parent_id": head.parent_id,
            }
            if self.around.ending is not None:
                self._job = {**self._job, **self.around.ending, "result": self._result()}
        return self._job

    def _result(self) -> Json:
        """What a job that is finishing ends with; `_require` makes sure that it is not read before it is loaded."""
        result = self.around.outputs.get(RESULT)
        return None if RESULT in self._unloaded else self.value_of(result)

    def _environment(self, names: Names) -> Environment:
        """These names with a seed of their own for each evaluation: no two of them draw the same identifier."""
        self._evaluations += 1
        if self._meter.steps > STEPS_A_DECISION_MAX:
            text = f"states crossed at once take more than {STEPS_A_DECISION_MAX:,} steps; let a task do some of it"
            raise AuthorError("LIMIT_EXCEEDED", text)
        return Environment(
            names=names,
            now=self.now,
            seed=f"{self.head.job} {self.before.path} {self.before.version}",
            number=self._evaluations,
            meter=self._meter,
            items_max=self.program.limits.items,
        )

    def replace_data(self, data: Mapping[str, Json]) -> None:
        """The scope's own variables are these now."""
        self.own_data = data
        if self._names is not None:
            self._names["data"] = self._data()

    def keep_output(self, output: Json | Ref) -> None:
        """The current state's output, of its last visit."""
        assert self.state is not None
        self.own_outputs = {**self.own_outputs, self.state: output}
        self._unloaded -= {self.state}
        if self._names is not None:
            self._names["outputs"] = self._outputs()

    def snapshot(self) -> Snapshot:
        """What `restore` takes back: variables, outputs and the caught error as they are now."""
        return self.own_data, self.own_outputs, self.error

    def restore(self, taken: Snapshot) -> None:
        """Undo what was set since."""
        self.own_data, self.own_outputs, self.error = taken
        self._unloaded = self._not_loaded()
        self._names = None

    def value_of(self, output: Json | Ref) -> Json:
        """An output that may be kept by reference; LookupError when it was not loaded."""
        return self.values[output.id] if isinstance(output, Ref) else output

    def _data(self) -> Mapping[str, Json]:
        return {**self.around.data, **self.own_data} if self.around.data else self.own_data

    def _outputs(self) -> Mapping[str, Json]:
        around = self.around.outputs
        outputs = {**around, **self.own_outputs} if around else self.own_outputs
        if RESULT in outputs:
            outputs = {name: value for name, value in outputs.items() if name != RESULT}
        if not any(isinstance(value, Ref) for value in outputs.values()):
            return outputs
        return {
            name: self.value_of(value)
            for name, value in outputs.items()
            if not isinstance(value, Ref) or value.id in self.values
        }

    # --- how it ends --------------------------------------------------------------------------------------------------

    def wait_for(
        self, waiting: Waiting, dispatch: DispatchTask | None = None, fork: ForkScopes | None = None
    ) -> Change:
        """Stop here until something happens."""
        return Change(
            scope=self._scope(waiting),
            trail=tuple(self.trail),
            dispatch=dispatch,
            fork=fork,
            close=self._left(waiting),
            status=self.status,
            undos=tuple(self.undos),
        )

    def end(self, ended: ScopeEnded) -> Change:
        """The scope ends, and all below it with it."""
        if ended.error is not None and self.machine.tells_failures:
            ended = replace(ended, tells=True)
        return self._stop(None, ended=ended, status=self.status)

    def unwind(self, waiting: OnUnwind) -> Change:
        """The job is to end, and what it did is undone first."""
        return self._stop(waiting, status=Status.COMPENSATING, reason=waiting.error)

    def park(self, error: Error, waiting: Waiting = None) -> Change:
        """The job waits for an operator, where it stands."""
        self.error = error
        return self._stop(waiting, status=Status.QUARANTINED, reason=error)

    def _stop(
        self,
        waiting: Waiting,
        *,
        status: Status | None,
        ended: ScopeEnded | None = None,
        reason: Error | None = None,
    ) -> Change:
        return Change(
            scope=self._scope(waiting),
            trail=tuple(self.trail),
            close=self._left(waiting),
            ended=ended,
            status=status,
            reason=reason,
            undos=tuple(self.undos),
        )

    def _left(self, waiting: Waiting) -> tuple[int, ...]:
        """The forks that end with this decision: those it closed, and the one that the scope waits for no longer."""
        before = self.before.waiting
        if not isinstance(before, _HAS_FORK) or before is waiting or self.joined:
            return self.close
        return self.close if before.number in self.close else (*self.close, before.number)

    def _scope(self, waiting: Waiting) -> Scope:
        before = self.before
        return Scope(
            path=before.path,
            version=before.version + 1,
            machine=before.machine,
            state=self.state,
            visit=self.visit,
            entered_at=self.entered_at,
            data=self.own_data,
            outputs=self.own_outputs,
            error=self.error,
            hops=self.hops,
            forks=self.forks,
            rescued=self.rescued,
            finally_error=self.finally_error,
            waiting=waiting,
        )
