"""Rules about values that formulas expect: outputs of states, variables, and the job's input.

What stands inside `has` or `default` may be missing, and is left alone. A rule speaks only where it can be known: a
schema that is open, or a name that is computed, is no mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from avtomat.blueprint.checks import graph
from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Code, Finding
from avtomat.blueprint.kinds.table import kind_of
from avtomat.blueprint.language.faults import Read
from avtomat.blueprint.language.spelling import listed, nearest_hint
from avtomat.blueprint.readings import FormulaSite, Moment, Reading
from avtomat.blueprint.spec import MachineSpec, entries_of, part_of
from avtomat.core.formula import Json

DEPTH_MAX = 16


def outputs_are_there(subject: Subject) -> Iterator[Finding]:
    """`outputs.name` is a state that has an output, in this machine or around it, and that may have run before."""
    for reading, use in _reads_of(subject, "outputs"):
        name = use.path[1]
        machine = _machine_with(subject, reading.site, name)
        if machine is None:
            yield _unknown_output(subject, reading, use)
            continue
        state = machine.states[name]
        if not kind_of(state).has_output(state):
            message = f"`{name}` has no output: it {kind_of(state).does}"
            yield _finding(subject, reading, use, codes.UNKNOWN_OUTPUT, message, "its `set` writes to data")
        elif not _may_come_before(subject, reading.site, machine, name):
            message = f"no way leads from `{name}` to this state, so it has no output yet"
            hint = "read the output of a state before, or default(outputs." + name + ", null)"
            yield _finding(subject, reading, use, codes.OUTPUT_NEVER_THERE, message, hint)


def _unknown_output(subject: Subject, reading: Reading, use: Read) -> Finding:
    name = use.path[1]
    here = [
        state.name
        for machine in subject.blueprint.around(reading.site.machine)
        for state in machine.states.values()
        if kind_of(state).has_output(state) and not machine.is_lane
    ]
    inside = next((m for m in subject.machines if name in m.states or m.address.endswith(f".{name}")), None)
    if inside is not None and inside.owner is not None and not inside.is_lane and inside is not reading.site.machine:
        message = f"`{name}` is inside `{inside.address}`, and its output is not seen outside"
        hint = _block_with(subject, inside, reading.site.machine)
        return _finding(subject, reading, use, codes.UNKNOWN_OUTPUT, message, hint)
    hint = nearest_hint(name, here) or (
        f"states with an output: {listed(here)}" if here else "no state has an output here"
    )
    return _finding(subject, reading, use, codes.UNKNOWN_OUTPUT, f"there is no state `{name}`", hint)


def _block_with(subject: Subject, inside: MachineSpec, here: MachineSpec) -> str:
    """Through which block's output something inside it can be read from here."""
    around = {machine.address for machine in subject.blueprint.around(here)}
    at = inside
    while at.outer not in around:
        assert at.outer is not None
        at = subject.blueprint.machines[at.outer]
    if any(machine.outer == at.outer and machine.owner == at.owner for machine in subject.blueprint.around(here)):
        return f"the branches of `{at.owner}` do not see one another; read it after the block, in outputs.{at.owner}"
    return f"read outputs.{at.owner}, the block's own output"


def _machine_with(subject: Subject, site: FormulaSite, name: str) -> MachineSpec | None:
    around = subject.blueprint.around(site.machine)
    return next((machine for machine in around if name in machine.states and not machine.is_lane), None)


def _may_come_before(subject: Subject, site: FormulaSite, machine: MachineSpec, name: str) -> bool:
    """Whether there is a way from the state to where the formula is evaluated."""
    if site.state is None or site.moment in {Moment.SEARCH, Moment.ITEM, Moment.HOOK}:
        return True
    here = site.state.name
    if machine is not site.machine:
        here = _owner_in(subject, site.machine, machine)
    elif site.moment in {Moment.LEAVE, Moment.UNDO} and name == here:
        return True
    return graph.may_come_after(subject.reach(machine.address), subject.blueprint, machine, name, here)


def _owner_in(subject: Subject, inner: MachineSpec, outer: MachineSpec) -> str:
    """The state of `outer` inside which `inner` is."""
    at = inner
    while at.outer != outer.address:
        assert at.outer is not None
        at = subject.blueprint.machines[at.outer]
    return at.owner or ""


def data_is_set(subject: Subject) -> Iterator[Finding]:
    """`data.name` is given a value somewhere: at the top, or by a `set` of this machine or one around it."""
    variables: dict[str, set[str]] = {}
    for reading, use in _reads_of(subject, "data"):
        address = reading.site.machine.address
        known = variables.get(address) or _variables(subject, reading.site.machine)
        variables[address] = known
        name = use.path[1]
        if name not in known:
            hint = (
                nearest_hint(name, known)
                or _where_else(subject, name)
                or f"give it a value at the top: data: {{{name}: null}}"
            )
            yield _finding(subject, reading, use, codes.UNDECLARED_DATA, f"nothing sets `data.{name}`", hint)


def _variables(subject: Subject, machine: MachineSpec) -> set[str]:
    names = {name for name, _value in entries_of(subject.blueprint.part("data"))}
    names |= {name for arm in subject.blueprint.catch for name, _value in entries_of(arm.sets)}
    for around in subject.blueprint.around(machine):
        for state in around.states.values():
            names |= {name for name, _value in entries_of(state.sets)}
            names |= {name for arm in (*state.arms, *state.catch) for name, _value in entries_of(arm.sets)}
    return names


def _where_else(subject: Subject, name: str) -> str | None:
    if any(name == state.name for state in subject.states):
        return f"write outputs.{name}"
    if part_of(part_of(subject.blueprint.part("input"), "properties"), name) is not None:
        return f"write input.{name}"
    inner = [state for state in subject.states if any(name == key for key, _value in entries_of(state.sets))]
    return f"`{inner[0].path}` sets it, but inside a block nothing outside is changed" if inner else None


def inputs_are_declared(subject: Subject) -> Iterator[Finding]:
    """`input.a.b` is something that the schema allows."""
    schema = subject.blueprint.part("input")
    if schema is None or not isinstance(schema.value, dict):
        return
    for reading, use in _reads_of(subject, "input"):
        yield from _check_input(subject, reading, use, schema.value)


def _check_input(subject: Subject, reading: Reading, use: Read, schema: Json) -> Iterator[Finding]:
    for depth, key in enumerate(use.path[1 : DEPTH_MAX + 1], start=1):
        properties = schema.get("properties") if isinstance(schema, dict) else None
        if not isinstance(properties, dict) or not _is_plain(schema):
            return
        if key not in properties:
            path = ".".join(use.path[: depth + 1])
            hint = nearest_hint(key, properties)
            if schema.get("additionalProperties") is False:
                message = f"the schema of `input` allows no `{path}`"
                hint = hint or f"it allows {listed(properties) or 'nothing'}"
                yield _finding(subject, reading, use, codes.UNKNOWN_INPUT, message, hint, depth + 1)
            elif hint and "additionalProperties" not in schema and "patternProperties" not in schema:
                message = f"the schema of `input` does not name `{path}`"
                yield _finding(subject, reading, use, codes.UNUSUAL_INPUT, message, hint, depth + 1)
            return
        schema = properties[key]


def _is_plain(schema: Json) -> bool:
    """Whether its properties are all that it says about keys."""
    composed = {"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "patternProperties"}
    return not composed & schema.keys()


def _reads_of(subject: Subject, name: str) -> Iterator[tuple[Reading, Read]]:
    """All reads of one key of `name` that must be there."""
    for reading in subject.readings.all:
        for use in reading.uses:
            if use.path[0] == name and len(use.path) > 1 and not use.guarded:
                yield reading, use


def _finding(
    subject: Subject, reading: Reading, use: Read, code: Code, message: str, hint: str | None, steps: int = 2
) -> Finding:
    path: Sequence[str] = use.path[:steps]
    return subject.finding_in(
        reading, code, use.pointer, use.offset, length=len(".".join(path)), message=message, hint=hint
    )
