"""Read the parts that states of several kinds have, as they stand in a Program.

It trusts what it is given: nothing is checked here, so that a program that was stored once can always be built again,
whatever newer rules would say about it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from avtomat.blueprint.language.template import CompiledTemplate, compile_value
from avtomat.blueprint.readings import Readings
from avtomat.blueprint.schemas.checked import SchemaCheck
from avtomat.blueprint.spec import (
    PARTS_OF_CALL,
    Arm,
    BlueprintSpec,
    StateSpec,
    entries_of,
    items_of,
    part_of,
    text_of,
    value_of,
)
from avtomat.blueprint.yaml.nodes import Node, Scalar, Sequence
from avtomat.core.duration import DURATION_MAX, parse_duration
from avtomat.core.formula import Json
from avtomat.core.kinds.calls import CALL, RequestTemplate
from avtomat.core.program import (
    NO_TIMEOUTS,
    Amount,
    CatchArm,
    Compensation,
    Count,
    Jitter,
    Requirements,
    RetryPolicy,
    Sets,
    Timeouts,
    Transition,
)

_ORIGIN = re.compile(r"\s*(https?://[^/?#{}\s]+)(?=[/?#\s]|$)", re.IGNORECASE)

TIMES = ("queue", "attempt", "heartbeat", "total")


class Parts:
    """Knows the policies, defaults and formulas of one blueprint, and gives each part its form in the Program."""

    def __init__(self, blueprint: BlueprintSpec, readings: Readings) -> None:
        self.blueprint = blueprint
        self.readings = readings
        self.defaults: Mapping[str, Node] = dict(entries_of(blueprint.defaults))
        self.policies = {name: _policy(node) for name, node in blueprint.policies.items()}

    def common(self, state: StateSpec) -> dict[str, Json]:
        """What states of every kind have."""
        return {
            "name": state.name,
            "transitions": tuple(self.transition(arm) for arm in state.arms),
            "sets": self.sets(state.sets),
            "catch": self.catch(state.catch),
        }

    def transition(self, arm: Arm) -> Transition:
        """An edge of the machine."""
        assert arm.target is not None
        return Transition(
            target=arm.target.text,
            when=None if arm.when is None else self.readings.expression(arm.when),
            sets=self.sets(arm.sets),
        )

    def catch(self, arms: tuple[Arm, ...]) -> tuple[CatchArm, ...]:
        """A list of catch arms, in order."""
        return tuple(
            CatchArm(
                errors=None if arm.errors is None else frozenset(error.text for error in arm.errors),
                when=None if arm.when is None else self.readings.expression(arm.when),
                sets=self.sets(arm.sets),
                target=None if arm.target is None else arm.target.text,
                output=None if arm.output is None else self.readings.template(arm.output),
            )
            for arm in arms
        )

    def sets(self, node: Node | None) -> Sets:
        """What `set` sets, in file order."""
        return tuple((name, self.readings.template(value)) for name, value in entries_of(node))

    def template(self, state: StateSpec, key: str) -> CompiledTemplate:
        """The value of one key of a state, which is there."""
        node = state.part(key)
        assert node is not None
        return self.readings.template(node)

    def params(self, node: Node | None) -> CompiledTemplate:
        """The params of a task; none are an empty map."""
        return _NOTHING if node is None else self.readings.template(node)

    def sticky(self, worker: Node | None) -> CompiledTemplate | None:
        """By what the worker of the last such task is preferred."""
        node = part_of(worker, "sticky")
        return None if node is None else self.readings.template(node)

    def amount(self, node: Node | None) -> Amount | None:
        """A duration, written out or a template."""
        text = text_of(node)
        if node is None or text is None:
            return None
        return self.readings.template(node) if "{{" in text else span(text)

    def count(self, node: Node | None) -> Count | None:
        """A number, written out or a template."""
        value = value_of(node)
        return self.readings.template(node) if node is not None and isinstance(value, str) else whole(value)

    def timeouts(self, node: Node | None) -> Timeouts:
        """The times of a task; a lone one is that of an attempt."""
        if node is None:
            return NO_TIMEOUTS
        if isinstance(node, Scalar):
            return Timeouts(attempt=self.amount(node))
        parts = dict(entries_of(node))
        return Timeouts(**{key: self.amount(parts[key]) for key in TIMES if key in parts})

    def retry(self, node: Node | None, otherwise: tuple[RetryPolicy, ...]) -> tuple[RetryPolicy, ...]:
        """Policies in order; `otherwise` where none is written."""
        if node is None:
            return otherwise
        every = items_of(node) if isinstance(node, Sequence) else (node,)
        named = (
            self.policies.get(text_of(each) or "") if isinstance(each, Scalar) else _policy(each) for each in every
        )
        return tuple(policy for policy in named if policy is not None)

    def request(self, call: Node | None) -> RequestTemplate:
        """The params of a call."""
        written: dict[str, Json] = {key: value.value for key, value in entries_of(call)}
        templates = {key: self.readings.template(node) for key, node in entries_of(call) if key in PARTS_OF_CALL}
        accept = tuple(map(whole, written.get("accept", ())))
        origin = _ORIGIN.match(str(written.get("url")))
        return RequestTemplate(
            method=written.get("method", "GET"),
            origin=None if origin is None else origin[1],
            accept=accept,
            parts=templates,
        )

    def compensation(self, undo: Node | None) -> Compensation | None:
        """What undoes a state, if a task or a call does."""
        parts = dict(entries_of(undo))
        request = self.request(parts["call"]) if "call" in parts else None
        if request is None and "task" not in parts:
            return None
        when = parts.get("when")
        return Compensation(
            kind=(text_of(parts["task"]) or "") if request is None else CALL,
            params=self.params(parts.get("params")) if request is None else request,
            acts_once=request is not None and request.acts_once,
            when=self.readings.expression(when) if isinstance(when, Scalar) else None,
            attempted=text_of(parts.get("after")) == "attempted",
            requirements=requirements(parts.get("worker") or self.defaults.get("worker")) if request is None else None,
            sticky=self.sticky(parts.get("worker") or self.defaults.get("worker")) if request is None else None,
            timeouts=self.timeouts(parts.get("timeout") or self.defaults.get("timeout")),
            retry=self.retry(parts.get("retry") or self.defaults.get("retry"), (RetryPolicy(),)),
        )


def _nothing() -> CompiledTemplate:
    compiled = compile_value({})
    assert isinstance(compiled, CompiledTemplate)
    return compiled


_NOTHING = _nothing()
"""The params of a task that has none."""


def check(schema: Json) -> SchemaCheck | None:
    """A compiled JSON Schema, if one is written."""
    return None if schema is None else SchemaCheck(schema)


def whole(number: Json) -> Json:
    """A whole number, where 2.0 is one."""
    return int(number) if isinstance(number, float) else number


def span(text: str | None) -> timedelta | None:
    """A duration that is written out."""
    return None if text is None else parse_duration(text)


def _policy(node: Node) -> RetryPolicy:
    written: dict[str, Json] = {key: value.value for key, value in entries_of(node)}
    errors = written.get("errors")
    usual = RetryPolicy()
    delay, delay_max = span(written.get("delay")), span(written.get("max_delay"))
    delay = usual.delay if delay is None else delay
    factor = float(written.get("factor", usual.factor))
    return RetryPolicy(
        errors=None if errors is None else frozenset(errors),
        attempts=whole(written.get("attempts", usual.attempts)),
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


def requirements(node: Node | None) -> Requirements | None:
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
