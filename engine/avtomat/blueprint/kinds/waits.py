"""The kind `wait`: a span of time, or a time."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.kinds.kind import Kind
from avtomat.blueprint.parts import Parts
from avtomat.blueprint.spec import StateSpec, entries_of
from avtomat.blueprint.yaml.nodes import Node, Scalar
from avtomat.core.kinds.waits import WaitState


def _entered(state: StateSpec) -> Iterator[tuple[Node, bool]]:
    wait = state.part("wait")
    yield from ((node, False) for _name, node in entries_of(wait))
    if isinstance(wait, Scalar):
        yield wait, False


def _assemble(parts: Parts, state: StateSpec) -> WaitState:
    wait = state.part("wait")
    until = dict(entries_of(wait)).get("until")
    if until is not None:
        return WaitState(**parts.common(state), until=parts.readings.template(until))
    return WaitState(**parts.common(state), amount=parts.amount(wait))


WAIT = Kind(key="wait", called="a wait", does="only waits", waits=True, entered=_entered, assemble=_assemble)
