"""The kind `run`: another blueprint, as a job of its own."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.kinds.kind import Kind, always, values_of
from avtomat.blueprint.parts import Parts
from avtomat.blueprint.spec import StateSpec, flag, text_of
from avtomat.blueprint.yaml.nodes import Node
from avtomat.core.kinds.runs import DetachedRunState, RunState


def _input(state: StateSpec) -> Iterator[tuple[Node, bool]]:
    return values_of(state, "input")


def _assemble(parts: Parts, state: StateSpec) -> RunState:
    given = state.part("input")
    common = {
        **parts.common(state),
        "run": text_of(state.part("run")) or "",
        "input": None if given is None else parts.readings.template(given),
    }
    if flag(state.part("detach")):
        return DetachedRunState(**common)
    return RunState(
        **common,
        timeout=parts.amount(state.part("timeout")),
        retry=parts.retry(state.part("retry"), ()),
    )


RUN = Kind(key="run", has_output=always, entered=_input, assemble=_assemble)
