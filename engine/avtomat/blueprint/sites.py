"""Find every expression and template of a blueprint, and say which names may be used there."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.kinds.table import kind_of
from avtomat.blueprint.readings import FormulaSite, Moment
from avtomat.blueprint.spec import (
    TEMPLATES_OF_HOOK,
    Arm,
    BlueprintSpec,
    MachineSpec,
    StateSpec,
    entries_of,
    flag,
    part_of,
    parts_of_call,
)
from avtomat.blueprint.yaml.nodes import Mapping, Node, Scalar
from avtomat.core.program import FINALLY


def find_sites(blueprint: BlueprintSpec) -> Iterator[FormulaSite]:
    """Return all sites, in no order."""
    yield from _sites_of_job(blueprint)
    for machine in blueprint.machines.values():
        for state in machine.states.values():
            yield from _sites_of_state(machine, state)


def _sites_of_job(blueprint: BlueprintSpec) -> Iterator[FormulaSite]:
    root = blueprint.root
    for part in ("data", "labels"):
        for _name, node in entries_of(blueprint.part(part)):
            yield FormulaSite(node=node, moment=Moment.SUBMIT, machine=root)
    timeout = blueprint.part("timeout")
    if isinstance(timeout, Scalar):
        yield FormulaSite(node=timeout, moment=Moment.SUBMIT, machine=root)
    last = blueprint.finally_timeout
    if isinstance(last, Scalar):
        yield FormulaSite(node=last, moment=Moment.ENTER, machine=blueprint.machines[FINALLY])
    key = part_of(blueprint.part("concurrency"), "key")
    if key is not None:
        yield FormulaSite(node=key, moment=Moment.SUBMIT, machine=root)
    for _name, node in entries_of(blueprint.part("search")):
        yield FormulaSite(node=node, moment=Moment.SEARCH, machine=root)
    for _name, hook in entries_of(blueprint.part("on")):
        yield from _sites_of_hook(hook, root)
    for arm in blueprint.catch:
        yield from _sites_of_arm(arm, Moment.CATCH, root, None)
    usual_timeout = part_of(blueprint.defaults, "timeout")
    if usual_timeout is not None:
        yield from _times(usual_timeout, root, None)
    usual_sticky = part_of(part_of(blueprint.defaults, "worker"), "sticky")
    if usual_sticky is not None:
        yield FormulaSite(node=usual_sticky, moment=Moment.SUBMIT, machine=root)


def _sites_of_hook(hook: Node, root: MachineSpec) -> Iterator[FormulaSite]:
    when = part_of(hook, "when")
    if isinstance(when, Scalar):
        yield FormulaSite(node=when, moment=Moment.HOOK, machine=root, is_guard=True)
    for part in TEMPLATES_OF_HOOK:
        if (node := part_of(hook, part)) is not None:
            yield FormulaSite(node=node, moment=Moment.HOOK, machine=root)


def _sites_of_state(machine: MachineSpec, state: StateSpec) -> Iterator[FormulaSite]:
    yield from _sites_of_kind(machine, state)
    timeout = state.part("timeout")
    if timeout is not None:
        yield from _times(timeout, machine, state)
    for _name, node in entries_of(state.sets):
        yield FormulaSite(node=node, moment=Moment.LEAVE, machine=machine, state=state)
    for arm in state.arms:
        yield from _sites_of_arm(arm, Moment.LEAVE, machine, state)
    for arm in state.catch:
        yield from _sites_of_arm(arm, Moment.CATCH, machine, state)
    undo = state.part("compensate")
    if isinstance(undo, Mapping):
        yield from _sites_of_undo(undo, machine, state)


def _sites_of_kind(machine: MachineSpec, state: StateSpec) -> Iterator[FormulaSite]:
    callback = flag(state.part("callback")) or flag(part_of(state.part("call"), "callback"))
    for node, secrets in kind_of(state).entered(state):
        yield FormulaSite(
            node=node, moment=Moment.ENTER, machine=machine, state=state, secrets=secrets, callback=callback
        )
    collect = state.part("collect")
    if collect is not None:
        yield FormulaSite(node=collect, moment=Moment.ITEM, machine=machine, state=state)


def _times(timeout: Node, machine: MachineSpec, state: StateSpec | None) -> Iterator[FormulaSite]:
    parts = [timeout] if isinstance(timeout, Scalar) else [node for _name, node in entries_of(timeout)]
    moment = Moment.ENTER if state is not None else Moment.SUBMIT
    for part in parts:
        if isinstance(part, Scalar) and isinstance(part.value, str):
            yield FormulaSite(node=part, moment=moment, machine=machine, state=state)


def _sites_of_arm(arm: Arm, moment: Moment, machine: MachineSpec, state: StateSpec | None) -> Iterator[FormulaSite]:
    if arm.when is not None:
        yield FormulaSite(node=arm.when, moment=moment, machine=machine, state=state, is_guard=True)
    for _name, node in entries_of(arm.sets):
        yield FormulaSite(node=node, moment=moment, machine=machine, state=state)
    if arm.output is not None:
        yield FormulaSite(node=arm.output, moment=moment, machine=machine, state=state)


def _sites_of_undo(undo: Mapping, machine: MachineSpec, state: StateSpec) -> Iterator[FormulaSite]:
    when = undo.items.get("when")
    if isinstance(when, Scalar):
        yield FormulaSite(node=when, moment=Moment.UNDO, machine=machine, state=state, is_guard=True)
    timeout = undo.items.get("timeout")
    if timeout is not None:
        yield from _times(timeout, machine, state)
    if (params := undo.items.get("params")) is not None:
        yield FormulaSite(node=params, moment=Moment.UNDO, machine=machine, state=state, secrets=True)
    if (sticky := part_of(undo.items.get("worker"), "sticky")) is not None:
        yield FormulaSite(node=sticky, moment=Moment.UNDO, machine=machine, state=state)
    for node, secrets in parts_of_call(undo.items.get("call")):
        yield FormulaSite(node=node, moment=Moment.UNDO, machine=machine, state=state, secrets=secrets)
