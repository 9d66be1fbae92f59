"""The rule about parts of the language that this version of the engine cannot do yet.

They are refused, never read and ignored. What is built moves out of these tables.
"""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.checks.shape import span_of_key
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.kinds.table import kind_of
from avtomat.blueprint.spec import StateSpec, entries_of, part_of

STATE_KEYS = ("callback",)
JOB_KEYS = frozenset({"concurrency", "search"})
HINT = "leave it out for now"


def only_what_is_built(subject: Subject) -> Iterator[Finding]:
    """The blueprint uses only what the engine does already."""
    node = subject.blueprint.node
    for key, _value in entries_of(node):
        if key in JOB_KEYS:
            yield codes.NOT_YET.at(span_of_key(node, key), f"`{key}` cannot be used yet", HINT)
    for state in subject.states:
        yield from _of_state(state)


def _of_state(state: StateSpec) -> Iterator[Finding]:
    if kind_of(state).assemble is None:
        message = f"states of the kind `{state.kind}` cannot be used yet"
        yield codes.NOT_YET.at(state.key_span(state.kind), message, HINT)
        return
    undo = state.part("compensate")
    for call in (state.part("call"), part_of(undo, "call")):
        for key in STATE_KEYS:
            if call is not None and part_of(call, key) is not None:
                yield codes.NOT_YET.at(span_of_key(call, key), f"`{key}` cannot be used yet", HINT)
    for key in STATE_KEYS:
        if state.part(key) is not None:
            yield codes.NOT_YET.at(state.key_span(key), f"`{key}` cannot be used yet", HINT)
