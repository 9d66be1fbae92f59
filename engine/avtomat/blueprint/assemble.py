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

from avtomat.blueprint.kinds.table import kind_of
from avtomat.blueprint.parts import Parts, check, span, whole
from avtomat.blueprint.readings import Readings
from avtomat.blueprint.spec import (
    TEMPLATES_OF_HOOK,
    BlueprintSpec,
    MachineSpec,
    StateSpec,
    entries_of,
    part_of,
)
from avtomat.blueprint.yaml.nodes import Node, Scalar
from avtomat.core.defaults import defaults_of
from avtomat.core.formula import Json, Template
from avtomat.core.hooks import HOOK_CLIENT, TOLERANCE, Hook, Scheme, SignalOfHook, Verification
from avtomat.core.kinds.blocks import BlockState
from avtomat.core.program import Amount, CatchUp, Limits, Machine, Overlap, Program, Schedule, State, Unhandled

FINALLY_TIME = timedelta(hours=1)
"""How long a job's `finally` may take where it does not say; a lone state's `timeout` may make it longer."""


def canonical_form(blueprint: BlueprintSpec) -> str:
    """The content of a blueprint as JSON, with the order of keys and without what is ignored at the top."""
    content = {key: value for key, value in blueprint.node.value.items() if not key.startswith("x-")}
    return orjson.dumps(content).decode()


def assemble(blueprint: BlueprintSpec, readings: Readings) -> Program:
    """Build the Program of a blueprint whose formulas have been read."""
    return _Assembler(blueprint, readings).program()


def _verification(written: Mapping[str, Json]) -> Verification:
    secrets = written["secret"]
    return Verification(
        scheme=Scheme(written["scheme"]),
        secrets=(secrets,) if isinstance(secrets, str) else tuple(secrets),
        header=written.get("header", "authorization").lower(),
        tolerance=span(written.get("tolerance")) or TOLERANCE,
    )


class _Assembler:
    """Puts one Program together."""

    def __init__(self, blueprint: BlueprintSpec, readings: Readings) -> None:
        self.blueprint = blueprint
        self.readings = readings
        self.parts = Parts(blueprint, readings)

    def program(self) -> Program:
        canonical = canonical_form(self.blueprint)
        content = self.blueprint.node.value
        return Program(
            name=content["blueprint"],
            digest=hashlib.sha256(canonical.encode()).hexdigest(),
            canonical=canonical,
            machines=self._machines(),
            version=content.get("version"),
            title=content.get("title"),
            description=content.get("description"),
            owner=content.get("owner"),
            labels=dict(self._templates("labels")),
            input_schema=content.get("input"),
            defaults=defaults_of(content.get("input")),
            input=check(content.get("input")),
            result=check(content.get("result")),
            data=tuple(self._templates("data")),
            catch=self.parts.catch(self.blueprint.catch),
            timeout=self.parts.amount(self.blueprint.part("timeout")),
            limits=Limits(**{name: whole(limit) for name, limit in content.get("limits", {}).items()}),
            finally_time=self._finally_time(),
            unhandled=Unhandled(content.get("unhandled", Unhandled.FAIL)),
            priority=whole(content.get("priority", 5)),
            search=dict(self._templates("search")),
            retention=span(content.get("retention")),
            schedules=tuple(_schedule(entry) for entry in content.get("schedule", ())),
            hooks={name: self._hook(node) for name, node in entries_of(self.blueprint.part("on"))},
        )

    def _hook(self, node: Node) -> Hook:
        written: Json = node.value
        parts = dict(entries_of(node))
        templates = {key: self.readings.template(part) for key, part in parts.items() if key in TEMPLATES_OF_HOOK}
        when, signal = parts.get("when"), written.get("signal")
        return Hook(
            verify=_verification(written["verify"]),
            client=written.get("client", HOOK_CLIENT),
            when=self.readings.expression(when) if isinstance(when, Scalar) else None,
            id=templates.get("id"),
            input=templates.get("input"),
            signal=None
            if signal is None
            else SignalOfHook(
                name=signal, job=templates["job"], key=templates.get("key"), payload=templates.get("payload")
            ),
        )

    def _finally_time(self) -> Amount | None:
        """How long `finally` may take: an hour, unless it says otherwise. A lone state has the times of its kind."""
        last = self.blueprint.part("finally")
        if last is None:
            return None
        if part_of(last, "states") is not None:
            return self.parts.amount(self.blueprint.finally_timeout) or FINALLY_TIME
        written = part_of(last, "timeout")
        spans = [self.parts.amount(node) for node in (written, *dict(entries_of(written)).values())]
        return max(FINALLY_TIME, *(each for each in spans if isinstance(each, timedelta)), timedelta())

    def _templates(self, key: str) -> Iterator[tuple[str, Template]]:
        for name, node in entries_of(self.blueprint.part(key)):
            yield name, self.readings.template(node)

    # --- machines and states -----------------------------------------------------------------------------------------

    def _machines(self) -> dict[str, Machine]:
        """All of them, the outer ones first: a body is told what the block around it reads."""
        machines: dict[str, Machine] = {}
        for address, machine in self.blueprint.machines.items():
            around = machines.get(machine.outer or "") if machine.owner is not None else None
            block = None if around is None else around.states[machine.owner or ""]
            tells = isinstance(block, BlockState) and block.reads_failures
            machines[address] = replace(self._machine(machine), tells_failures=tells)
        return machines

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
        assemble_state = kind_of(state).assemble
        assert assemble_state is not None, f"states of the kind {state.kind} are refused before they get here"
        return assemble_state(self.parts, state)


def _schedule(written: Json) -> Schedule:
    """One schedule, as it is written; a map or list in it is nobody's to change."""
    return Schedule(
        name=written["name"],
        cron=" ".join(written["cron"].split()),
        timezone=written.get("timezone", "UTC"),
        input=written.get("input", {}),
        overlap=Overlap(written.get("overlap", Overlap.SKIP)),
        catch_up=CatchUp(written.get("catch_up", CatchUp.NONE)),
        jitter=span(written.get("jitter")) or timedelta(),
    )
