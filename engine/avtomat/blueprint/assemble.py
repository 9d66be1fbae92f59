"""Turn the authored form into a Program.

It trusts what it is given: nothing is checked here, so that a program that was stored once can always be built again,
whatever newer rules would say about it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

import orjson

from avtomat.blueprint.checks.places import Readings
from avtomat.blueprint.language.template import CompiledTemplate, compile_value
from avtomat.blueprint.schemas.checked import SchemaCheck
from avtomat.blueprint.spec import (
    LANE,
    Arm,
    BlueprintSpec,
    MachineSpec,
    StateSpec,
    entries_of,
    items_of,
    text_of,
    value_of,
)
from avtomat.blueprint.yaml.nodes import Node, Scalar, Sequence
from avtomat.core.defaults import defaults_of
from avtomat.core.duration import DURATION_MAX, parse_duration
from avtomat.core.formula import Json, Template
from avtomat.core.program import (
    Amount,
    CatchArm,
    Compensation,
    Count,
    FailState,
    ForeachState,
    Jitter,
    Join,
    Limits,
    Machine,
    ParallelState,
    PassState,
    Program,
    Requirements,
    RetryPolicy,
    Sets,
    State,
    SucceedState,
    TaskState,
    Timeouts,
    Transition,
    Unhandled,
    WaitState,
)

TIMES = ("queue", "attempt", "heartbeat", "total")


def canonical_form(blueprint: BlueprintSpec) -> str:
    """The content of a blueprint as JSON, with the order of keys and without what is ignored at the top."""
    content = {key: value for key, value in blueprint.node.value.items() if not key.startswith("x-")}
    return orjson.dumps(content).decode()


def assemble(blueprint: BlueprintSpec, readings: Readings) -> Program:
    """Build the Program of a blueprint whose formulas have been read."""
    return _Assembler(blueprint, readings).program()


class _Assembler:
    """Knows the policies, defaults and formulas while the parts of one Program are put together."""

    def __init__(self, blueprint: BlueprintSpec, readings: Readings) -> None:
        self.blueprint = blueprint
        self.readings = readings
        self.defaults: Mapping[str, Node] = dict(entries_of(blueprint.defaults))
        self.policies = {name: _policy(node) for name, node in blueprint.policies.items()}

    def program(self) -> Program:
        canonical = canonical_form(self.blueprint)
        content = self.blueprint.node.value
        return Program(
            name=content["blueprint"],
            digest=hashlib.sha256(canonical.encode()).hexdigest(),
            canonical=canonical,
            machines={address: self._machine(machine) for address, machine in self.blueprint.machines.items()},
            version=content.get("version"),
            title=content.get("title"),
            description=content.get("description"),
            owner=content.get("owner"),
            labels=dict(self._templates("labels")),
            input_schema=content.get("input"),
            defaults=defaults_of(content.get("input")),
            input=_check(content.get("input")),
            result=_check(content.get("result")),
            data=tuple(self._templates("data")),
            catch=self._catch(self.blueprint.catch),
            timeout=self._amount(self.blueprint.part("timeout")),
            limits=Limits(**{name: _whole(limit) for name, limit in content.get("limits", {}).items()}),
            unhandled=Unhandled(content.get("unhandled", Unhandled.FAIL)),
            priority=_whole(content.get("priority", 5)),
            search=dict(self._templates("search")),
            retention=_span(content.get("retention")),
        )

    def _templates(self, key: str) -> Iterator[tuple[str, Template]]:
        for name, node in entries_of(self.blueprint.part(key)):
            yield name, self.readings.template(node)

    # --- machines and states -----------------------------------------------------------------------------------------

    def _machine(self, machine: MachineSpec) -> Machine:
        owner = None if machine.owner is None else self.blueprint.machines[machine.outer or ""].states[machine.owner]
        collect = None if owner is None else owner.part("collect")
        assert machine.first is not None
        return Machine(
            start=machine.first,
            states={name: self._state(state) for name, state in machine.states.items()},
            lone=machine.is_lane,
            collect=None if collect is None or collect.value is False else self.readings.template(collect),
        )

    def _state(self, state: StateSpec) -> State:
        match state.kind:
            case "pass":
                return PassState(**self._common(state))
            case "task":
                return self._task(state)
            case "wait":
                return self._wait(state)
            case "succeed":
                return SucceedState(name=state.name, result=self._template(state, "succeed"))
            case "fail":
                return self._fail(state)
            case "parallel":
                return self._parallel(state)
            case "foreach":
                return self._foreach(state)
        raise AssertionError(f"states of the kind {state.kind} are refused before they get here")

    def _common(self, state: StateSpec) -> dict[str, Json]:
        """What states of every kind have."""
        return {
            "name": state.name,
            "transitions": tuple(self._transition(arm) for arm in state.arms),
            "sets": self._sets(state.sets),
            "catch": self._catch(state.catch),
        }

    def _task(self, state: StateSpec) -> TaskState:
        params = state.part("params")
        priority = state.part("priority")
        expects = state.part("expects")
        return TaskState(
            **self._common(state),
            kind=text_of(state.part("task")) or "",
            params=_NOTHING if params is None else self.readings.template(params),
            requirements=_requirements(state.part("worker") or self.defaults.get("worker")),
            priority=_whole(value_of(priority)),
            timeouts=self._timeouts(state.part("timeout") or self.defaults.get("timeout")),
            retry=self._retry(state.part("retry") or self.defaults.get("retry"), (RetryPolicy(),)),
            expects=_check(value_of(expects)),
            compensate=self._compensation(state.part("compensate")),
        )

    def _compensation(self, undo: Node | None) -> Compensation | None:
        parts = dict(entries_of(undo))
        if "task" not in parts:
            return None
        when, params = parts.get("when"), parts.get("params")
        return Compensation(
            kind=text_of(parts["task"]) or "",
            params=_NOTHING if params is None else self.readings.template(params),
            when=self.readings.expression(when) if isinstance(when, Scalar) else None,
            attempted=text_of(parts.get("after")) == "attempted",
            requirements=_requirements(parts.get("worker") or self.defaults.get("worker")),
            timeouts=self._timeouts(parts.get("timeout") or self.defaults.get("timeout")),
            retry=self._retry(parts.get("retry") or self.defaults.get("retry"), (RetryPolicy(),)),
        )

    def _wait(self, state: StateSpec) -> WaitState:
        wait = state.part("wait")
        until = dict(entries_of(wait)).get("until")
        if until is not None:
            return WaitState(**self._common(state), until=self.readings.template(until))
        return WaitState(**self._common(state), amount=self._amount(wait))

    def _fail(self, state: StateSpec) -> FailState:
        parts = dict(entries_of(state.part("fail")))
        declined = [node.value is False for node in (parts.pop("compensate", None), state.part("compensate")) if node]
        templates = {key: self.readings.template(node) for key, node in parts.items()}
        return FailState(
            name=state.name,
            code=templates.get("code"),
            message=templates.get("message"),
            details=templates.get("details"),
            compensate=not any(declined),
        )

    def _parallel(self, state: StateSpec) -> ParallelState:
        return ParallelState(**self._common(state), **self._block(state), branches=tuple(state.inner))

    def _foreach(self, state: StateSpec) -> ForeachState:
        collect = state.part("collect")
        return ForeachState(
            **self._common(state),
            **self._block(state),
            items=self._template(state, "foreach"),
            item_name=self.blueprint.machines[state.inner[LANE]].items[-1],
            concurrency=self._concurrency(state.part("concurrency")),
            tolerate=self._tolerated(state.part("tolerate")),
            collects=collect is None or collect.value is not False,
        )

    def _block(self, state: StateSpec) -> dict[str, Json]:
        """What blocks of every kind have."""
        join = state.part("join")
        at_least = dict(entries_of(join)).get("at_least")
        wins = text_of(join) == "any"
        return {
            "join": Join(at_least=1 if wins else self._count(at_least), names_winner=wins),
            "timeout": self._amount(state.part("timeout")),
            "retry": self._retry(state.part("retry"), ()),
        }

    # --- arms --------------------------------------------------------------------------------------------------------

    def _transition(self, arm: Arm) -> Transition:
        assert arm.target is not None
        return Transition(
            target=arm.target.text,
            when=None if arm.when is None else self.readings.expression(arm.when),
            sets=self._sets(arm.sets),
        )

    def _catch(self, arms: tuple[Arm, ...]) -> tuple[CatchArm, ...]:
        return tuple(
            CatchArm(
                errors=None if arm.errors is None else frozenset(error.text for error in arm.errors),
                when=None if arm.when is None else self.readings.expression(arm.when),
                sets=self._sets(arm.sets),
                target=None if arm.target is None else arm.target.text,
                output=None if arm.output is None else self.readings.template(arm.output),
            )
            for arm in arms
        )

    def _sets(self, node: Node | None) -> Sets:
        return tuple((name, self.readings.template(value)) for name, value in entries_of(node))

    # --- values ------------------------------------------------------------------------------------------------------

    def _template(self, state: StateSpec, key: str) -> CompiledTemplate:
        node = state.part(key)
        assert node is not None
        return self.readings.template(node)

    def _amount(self, node: Node | None) -> Amount | None:
        text = text_of(node)
        if node is None or text is None:
            return None
        return self.readings.template(node) if "{{" in text else _span(text)

    def _count(self, node: Node | None) -> Count | None:
        value = value_of(node)
        return self.readings.template(node) if node is not None and isinstance(value, str) else _whole(value)

    def _concurrency(self, node: Node | None) -> Count | None:
        count = self._count(node)
        return replace(count, optional=True) if isinstance(count, CompiledTemplate) else count

    def _tolerated(self, node: Node | None) -> Count | str | None:
        text = text_of(node)
        return text if text is not None and "{{" not in text else self._count(node)

    def _timeouts(self, node: Node | None) -> Timeouts:
        if isinstance(node, Scalar):
            return Timeouts(attempt=self._amount(node))
        parts = dict(entries_of(node))
        return Timeouts(**{key: self._amount(parts[key]) for key in TIMES if key in parts})

    def _retry(self, node: Node | None, otherwise: tuple[RetryPolicy, ...]) -> tuple[RetryPolicy, ...]:
        if node is None:
            return otherwise
        every = items_of(node) if isinstance(node, Sequence) else (node,)
        named = (
            self.policies.get(text_of(each) or "") if isinstance(each, Scalar) else _policy(each) for each in every
        )
        return tuple(policy for policy in named if policy is not None)


def _nothing() -> CompiledTemplate:
    compiled = compile_value({})
    assert isinstance(compiled, CompiledTemplate)
    return compiled


_NOTHING = _nothing()
"""The params of a task that has none."""


def _check(schema: Json) -> SchemaCheck | None:
    return None if schema is None else SchemaCheck(schema)


def _whole(number: Json) -> Json:
    """A whole number, where 2.0 is one."""
    return int(number) if isinstance(number, float) else number


def _span(text: str | None) -> timedelta | None:
    return None if text is None else parse_duration(text)


def _policy(node: Node) -> RetryPolicy:
    written: dict[str, Json] = {key: value.value for key, value in entries_of(node)}
    errors = written.get("errors")
    usual = RetryPolicy()
    delay, delay_max = _span(written.get("delay")), _span(written.get("max_delay"))
    delay = usual.delay if delay is None else delay
    factor = float(written.get("factor", usual.factor))
    return RetryPolicy(
        errors=None if errors is None else frozenset(errors),
        attempts=_whole(written.get("attempts", usual.attempts)),
        delay=delay,
        factor=factor,
        delay_max=_usual_cap(delay, factor) if delay_max is None else delay_max,
        jitter=Jitter(written.get("jitter", usual.jitter)),
    )


def _usual_cap(delay: timedelta, factor: float) -> timedelta:
    """The longest delay where none is written: a minute, or the second delay where that is longer."""
    try:
        return max(RetryPolicy().delay_max, delay, min(delay * factor, DURATION_MAX))
    except OverflowError:
        return DURATION_MAX


def _requirements(node: Node | None) -> Requirements | None:
    """What is asked of workers; None where nothing is."""
    written: dict[str, Json] = {key: value.value for key, value in entries_of(node)}
    strategy = written.get("strategy")
    asked = Requirements(
        strategy=None if strategy == "default" else strategy,
        type=written.get("type"),
        resources=_without_notes(written.get("resources", {})),
        software=_without_notes(written.get("software", {})),
        artifacts=_without_notes(written.get("artifacts", {})),
        skill=_without_notes(written.get("skill", {})),
        extra=_without_notes(written.get("extra", {})),
        cost_max=written.get("max_cost"),
    )
    return None if asked == Requirements() else asked


def _without_notes(value: Json) -> Json:
    """The value without keys that begin with `x-`, at every level."""
    match value:
        case dict():
            return {key: _without_notes(each) for key, each in value.items() if not key.startswith("x-")}
        case list():
            return [_without_notes(each) for each in value]
    return value
