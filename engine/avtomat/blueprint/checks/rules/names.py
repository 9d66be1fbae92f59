"""Rules about formulas: they can be read, and the names in them are there."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Code, Finding
from avtomat.blueprint.kinds.table import kind_of
from avtomat.blueprint.language.faults import Fault, Read
from avtomat.blueprint.language.spelling import listed, nearest_hint
from avtomat.blueprint.readings import FormulaSite, Moment, Reading
from avtomat.blueprint.spec import entries_of, part_of
from avtomat.core.program import FINALLY

EVERYWHERE = ("input", "data", "outputs", "job", "config")
OF_HOOKS = ("body", "headers")
"""What there is of a request, beside `config`, in the formulas of a hook."""
ALL_NAMES = (*EVERYWHERE, "output", "status", "error", "item", "index", "secrets", "callback", "failures", "failed")
FIELDS = {
    "job": ("id", "blueprint", "version", "created_at", "labels", "parent_id"),
    "error": ("code", "message", "details", "state", "attempt"),
    "callback": ("url",),
}

AT_THE_END = ("status", "error", "result")
"""What `job` has beside that inside `finally`."""

_FOREIGN = {
    "steps": "outputs", "states": "outputs", "results": "outputs", "tasks": "outputs", "result": "output",
    "inputs": "input", "params": "input", "vars": "data", "variables": "data", "context": "data", "ctx": "data",
    "state": "data", "env": "config", "settings": "config", "secret": "secrets", "err": "error", "exception": "error",
    "workflow": "job", "execution": "job", "run": "job", "None": "null", "True": "true", "False": "false",
}  # fmt: skip
"""Names of other systems, and what they are called here."""

_FOREIGN_OF_HOOKS = {
    **dict.fromkeys(("payload", "event", "json", "message", "request"), "body"),
    "header": "headers",
}
"""What a request is called in other systems."""

_CODES: dict[str, Code] = {
    "expression.syntax": codes.EXPRESSION_SYNTAX,
    "expression.null": codes.EXPRESSION_SYNTAX,
    "expression.forbidden": codes.EXPRESSION_FORBIDDEN,
    "template.syntax": codes.TEMPLATE_SYNTAX,
    "template.key": codes.TEMPLATE_SYNTAX,
    "template.forbidden": codes.TEMPLATE_FORBIDDEN,
}
_CODES_BY_ENDING: dict[str, Code] = {
    "limit": codes.EXPRESSION_LIMIT,
    "too_complex": codes.EXPRESSION_LIMIT,
    "regex": codes.BAD_REGEX,
    "unknown_function": codes.UNKNOWN_FUNCTION,
    "arguments": codes.WRONG_ARGUMENTS,
}


def formulas_can_be_read(subject: Subject) -> Iterator[Finding]:
    """Every expression and template is well-formed and within its limits."""
    for reading in subject.readings.all:
        for pointer, fault in reading.faults:
            yield subject.finding_in(
                reading,
                code_of(fault),
                pointer,
                fault.offset,
                length=fault.length,
                message=fault.message,
                hint=fault.hint,
            )


def code_of(fault: Fault) -> Code:
    """The code under which a fault of a formula is shown."""
    ending = fault.code.rpartition(".")[2]
    return _CODES.get(fault.code) or _CODES_BY_ENDING.get(ending) or codes.EXPRESSION_SYNTAX


def names_are_in_scope(subject: Subject) -> Iterator[Finding]:
    """Every formula reads only names that are there when it is evaluated."""
    for reading in subject.readings.all:
        there = names_at(subject, reading.site) if reading.uses else EVERYWHERE
        for use in reading.uses:
            name = use.path[0]
            if name in there:
                continue
            known = name in ALL_NAMES or name in OF_HOOKS or name in _item_names(subject)
            code = codes.NAME_NOT_HERE if known else codes.UNKNOWN_NAME
            message = f"`{name}` is not there {_moment_words(reading.site)}" if known else f"unknown name `{name}`"
            hint = _why_not_here(name, subject, reading.site) if known else _hint_on(name, use, subject, there)
            yield subject.finding_in(
                reading, code, use.pointer, use.offset, length=len(name), message=message, hint=hint
            )


def names_at(subject: Subject, site: FormulaSite) -> frozenset[str]:
    """The names that a formula at this site may read."""
    if site.moment is Moment.HOOK:
        return frozenset({*OF_HOOKS, "config"})
    if site.moment is Moment.SUBMIT:
        return frozenset({"input", "job", "config"})
    names = {*EVERYWHERE, *site.machine.items, *(("item", "index") if site.machine.items else ())}
    if site.machine.items and "item" not in site.machine.items:
        names.discard("item")
    state = site.state
    if _is_after_a_catch(subject, site):
        names.add("error")
    if site.secrets:
        names.add("secrets")
    if site.callback:
        names.add("callback")
    match site.moment:
        case Moment.CATCH:
            names.add("error")
            if state is not None and kind_of(state).has_failures(state):
                names |= {"failures", "failed"}
        case Moment.UNDO if state is not None:
            names |= set() if state.notes_undo_early else {"output"}
        case Moment.LEAVE if state is not None:
            names |= {"output"} if kind_of(state).has_output(state) else set()
            names |= {"status"} if kind_of(state).has_status(state) else set()
            names |= {"failures", "failed"} if kind_of(state).has_failures(state) else set()
        case Moment.ITEM if state is not None:
            names |= {"output", "index", *_own_item(subject, site)}
        case _:
            pass
    return frozenset(names)


def _is_after_a_catch(subject: Subject, site: FormulaSite) -> bool:
    """Whether a catch leads to the state, or to a block that it stands in."""
    name = None if site.state is None else site.state.name
    for machine in subject.blueprint.around(site.machine):
        if name in subject.after_a_catch[machine.address]:
            return True
        name = machine.owner
    return False


def _own_item(subject: Subject, site: FormulaSite) -> tuple[str, ...]:
    inner = site.state.inner.values() if site.state is not None else ()
    return tuple(subject.blueprint.machines[address].items[-1] for address in inner)


def _item_names(subject: Subject) -> frozenset[str]:
    return frozenset(item for machine in subject.machines for item in machine.items)


def _moment_words(site: FormulaSite) -> str:
    if site.moment is Moment.LEAVE and site.state is not None and not kind_of(site.state).has_output(site.state):
        return f"after {kind_of(site.state).called}"
    return str(site.moment)


_WHERE = {
    "secrets": "secrets stand in params, and in headers, auth and body of a call",
    "callback": "it needs callback: true on this state",
    "error": "it is there in a catch, and in the states that a catch leads to",
    **dict.fromkeys(OF_HOOKS, "it is there in the hooks of `on`; a job has what `input` of its hook made of it"),
    "failures": "it is there in the arms of a foreach, and of a parallel whose `join` can be met without all",
    "failed": "it is there in the arms of a foreach, and of a parallel whose `join` can be met without all",
}
"""Where the names are that the language has, by name."""


def _why_not_here(name: str, subject: Subject, site: FormulaSite) -> str:
    state = site.state
    if site.moment is Moment.HOOK:
        hint = "a hook has body, headers and config"
        return "what a request brings is `body`" if name in {"input", "data"} else hint
    match name:
        case "output" if site.moment is Moment.ENTER:
            return "it is there when the state is left; of a state before write outputs.name"
        case "output" if site.moment is Moment.UNDO:
            return "with after: attempted the undo is noted before there is an output"
        case "output" | "status" if site.moment is Moment.CATCH:
            return "the state failed; error.code, error.message and error.details say why"
        case "output":
            return "of a state before write outputs.name"
        case "status" if state is not None and state.kind in {"parallel", "foreach"}:
            return "a parallel with join: any has a status, the winner's name; other blocks have none"
        case "status":
            return "there is a status after task and approval"
        case "error" if _is_in_finally(subject, site):
            return "job.error says how the job ends; `error` is there after a catch within `finally`"
        case "item" | "index":
            items = site.machine.items
            return f"the item is called {items[-1]} here" if items else "it is there inside the do of a foreach"
        case "data" | "outputs":
            return "at that time there is only input, job and config"
        case _:
            return _WHERE.get(name, "it is there inside the do of its foreach")


def _hint_on(name: str, use: Read, subject: Subject, there: Collection[str]) -> str:
    rest = "".join(f".{step}" for step in use.path[1:])
    blueprint = subject.blueprint
    declared = {key for key, _value in entries_of(blueprint.part("data"))}
    inputs = {key for key, _schema in entries_of(part_of(blueprint.part("input"), "properties"))}
    prefixes = (("data", declared), ("input", inputs), ("outputs", _state_names(subject)))
    for prefix, known in prefixes:
        if name in known and prefix in there:
            return f"write {prefix}.{name}{rest}"
    if OF_HOOKS[0] in there and name in _FOREIGN_OF_HOOKS:
        return f"write {_FOREIGN_OF_HOOKS[name]}{rest}"
    if name in _FOREIGN:
        return f"write {_FOREIGN[name]}{rest}"
    return nearest_hint(name, there) or f"a text stands in quotes: '{name}'; names here: {listed(sorted(there))}"


def _is_in_finally(subject: Subject, site: FormulaSite) -> bool:
    return any(machine.address == FINALLY for machine in subject.blueprint.around(site.machine))


def _state_names(subject: Subject) -> set[str]:
    return {state.name for state in subject.states}


def fields_exist(subject: Subject) -> Iterator[Finding]:
    """`job`, `error` and `callback` are asked only for keys that they have."""
    for reading in subject.readings.all:
        for use in reading.uses:
            fields = FIELDS.get(use.path[0])
            if use.path[0] == "job" and _is_in_finally(subject, reading.site):
                fields = (*FIELDS["job"], *AT_THE_END)
            if fields is None or len(use.path) < 2 or use.path[1] in fields or use.guarded:
                continue
            hint = nearest_hint(use.path[1], fields) or f"it has {listed(fields)}"
            if use.path[0] == "job" and use.path[1] in AT_THE_END:
                hint = "it is there in `finally` alone"
            yield _about_path(
                subject, reading, use, codes.UNKNOWN_FIELD, f"`{use.path[0]}` has no `{use.path[1]}`", hint
            )


def _about_path(subject: Subject, reading: Reading, use: Read, code: Code, message: str, hint: str | None) -> Finding:
    length = len(".".join(use.path[:2]))
    return subject.finding_in(reading, code, use.pointer, use.offset, length=length, message=message, hint=hint)
